"""The job of a film's dubs as Open Job Description: steps, tasks, chunks and what they depend on.

A worker keeps one engine warm for its whole session (`warm_engine`): starting Python, torch and the
models takes as long as rendering dozens of frames. So tasks can be short, which is what keeps many
workers busy to the end.

Most dubs are one task each, `dub`: whole dubs depend on nothing and, longest first, keep every
worker busy until near the end. Only a dub that is long beside what each worker has to do goes
through three steps, `prepare`, `render` in chunks of its frames, and `assemble`, between which the
whole dubs fill the time. The shortest dubs are prepared on their own and finished last of all: the
smaller the last tasks are, the less a worker waits for another.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

from stylesync_engine.farm.costs import Costs, Stage, Step, chunk_seconds
from stylesync_engine.plan.plan import WINDOW

PART = WINDOW
"""Frames that one task renders: no two tasks share a window where the face is always seen."""

_FINISHED_LAST = 3
"""Dubs for each worker that are left for the end."""
_NAME_MOST = 128
_NO_NAME = re.compile(r"[{}\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""What Open Job Description takes for its own expressions, or refuses."""


@dataclass(frozen=True, slots=True)
class FarmOptions:
    """How a farm should run the job.

    `costs` are what a dub costs on such a worker, `workers` how many there may be; `gpus` is what
    a worker that prepares or renders must have, `retries` how often a failed task is tried again.
    """

    gpus: int = 0
    retries: int = 3
    workers: int = 16
    costs: Costs = field(default_factory=Costs)


@dataclass(frozen=True, slots=True)
class JobStep:
    """A step: what its tasks do, `first` to `last`, how many a worker is given at a time, how long
    (s) these should take, and the step that must be done before."""

    name: str
    does: Step
    first: int
    last: int
    chunk: int
    seconds: float
    after: str | None = None


def plan_steps(lengths: Sequence[int], options: FarmOptions) -> list[JobStep]:
    """The job's steps for dubs of so many frames, longest first, in the order in which free
    workers look for tasks."""
    costs, dubs = options.costs, len(lengths)
    seconds = [costs.dub_seconds(frames) for frames in lengths]
    long = sum(one > sum(seconds) / options.workers for one in seconds)
    short = dubs - min(_FINISHED_LAST * options.workers, (dubs - long) // 2)
    steps = _shared_steps(lengths[:long], options) if long else []
    if short < dubs:
        work = sum(costs.stage_seconds("prepare", frames) for frames in lengths[short:])
        chunk = _chunk(dubs - short, work, work, options)
        steps.append(JobStep("prepare short", "prepare", short + 1, dubs, *chunk))
    if long < short:
        work = sum(seconds[long:short])
        chunk = _chunk(short - long, work, work, options)
        steps.append(JobStep("dub", "dub", long + 1, short, *chunk))
    if short < dubs:
        steps.append(JobStep("finish", "dub", short + 1, dubs, 1, 1.0, "prepare short"))
    return steps


def _shared_steps(lengths: Sequence[int], options: FarmOptions) -> list[JobStep]:
    """The three steps of dubs that several workers share."""
    dubs, frames = len(lengths), sum(lengths)
    tasks = {"prepare": dubs, "render": sum(-(-n // PART) for n in lengths), "assemble": dubs}
    work = {stage: options.costs.stage_seconds(stage, frames, dubs) for stage in get_args(Stage)}
    steps: list[JobStep] = []
    for stage in get_args(Stage):
        chunk, aim = _chunk(tasks[stage], work[stage], sum(work.values()), options)
        after = steps[-1].name if steps else None
        steps.append(JobStep(stage, stage, 1, tasks[stage], chunk, aim, after))
    return steps


def _chunk(tasks: int, work: float, whole: float, options: FarmOptions) -> tuple[int, float]:
    """How many tasks a worker is given at a time, of `tasks` that take `work` s, and for how long;
    `whole` s is all the work of which they are a part."""
    seconds = chunk_seconds(options.costs.task, whole, options.workers)
    some = round(seconds * tasks / work) if work else tasks
    return max(1, min(tasks, some)), seconds


def job_template(
    name: str, lengths: Sequence[int], options: FarmOptions, last_step: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The template; `last_step` runs once all dubs are there."""
    planned = plan_steps(lengths, options)
    steps = [_step(step, options.gpus) for step in planned]
    if last_step is not None:
        ends = [step.name for step in planned if step.does in ("assemble", "dub")]
        steps.append({**last_step, "dependencies": [{"dependsOn": end} for end in ends]})
    chunks = [step.chunk for step in planned if step.does == "render"]
    return {
        "specificationVersion": "jobtemplate-2023-09",
        "extensions": ["TASK_CHUNKING"],
        "name": f"StyleSync {_NO_NAME.sub('_', name)}"[:_NAME_MOST],
        "parameterDefinitions": [
            {
                "name": "Bundle", "type": "PATH", "objectType": "DIRECTORY", "dataFlow": "INOUT",
                "default": ".", "description": "This folder, where every worker sees it.",
            },
            {
                "name": "Engine", "type": "STRING", "default": "stylesync-engine",
                "description": "The engine's command on the workers.",
            },
            {
                "name": "PartsPerChunk", "type": "INT", "minValue": 1,
                "default": chunks[0] if chunks else 1,
                "description": f"Parts of {PART} frames of a shared dub that a worker renders.",
            },
        ],
        "jobEnvironments": [_warm_engine()],
        "steps": steps,
    }  # fmt: skip


def _warm_engine() -> dict[str, Any]:
    """An environment of the job, not of a step: the models stay loaded from step to step."""
    actions = {
        event: {
            "command": "{{Param.Engine}}",
            "args": ["warm", word, "{{Session.WorkingDirectory}}"],
        }
        for event, word in (("onEnter", "start"), ("onExit", "stop"))
    }
    return {"name": "warm engine", "script": {"actions": actions}}


def _step(step: JobStep, gpus: int) -> dict[str, Any]:
    chunk: int | str = "{{Param.PartsPerChunk}}" if step.does == "render" else step.chunk
    data: dict[str, Any] = {
        "name": step.name,
        "parameterSpace": {"taskParameterDefinitions": [{
            "name": "Task", "type": "CHUNK[INT]", "range": f"{step.first}-{step.last}",
            "chunks": {
                "defaultTaskCount": chunk, "targetRuntimeSeconds": max(1, round(step.seconds)),
                "rangeConstraint": "CONTIGUOUS",
            },
        }]},
        "script": {"actions": {"onRun": {
            "command": "{{Param.Engine}}",
            "args": [
                "task", step.does, "{{Param.Bundle}}", "--of", "{{Task.Param.Task}}", "--farm",
                "--warm", "{{Session.WorkingDirectory}}",
                "--path-rules", "{{Session.PathMappingRulesFile}}",
            ],
            "cancelation": {"mode": "NOTIFY_THEN_TERMINATE", "notifyPeriodInSeconds": 15},
        }}},
    }  # fmt: skip
    if step.after:
        data["dependencies"] = [{"dependsOn": step.after}]
    if gpus and step.does != "assemble":
        data["hostRequirements"] = {"amounts": [{"name": "amount.worker.gpu", "min": gpus}]}
    return data
