"""`stylesync-engine task`: what a farm's worker starts for each chunk."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from stylesync_engine.commands.quick import QuickParser, run_quickly
from stylesync_engine.failures import terminate_as_interrupt
from stylesync_engine.farm import warm_engine
from stylesync_engine.farm.costs import STEPS, as_step
from stylesync_engine.request import Progress


def main(words: Sequence[str]) -> int:
    """Run a chunk of a job bundle's tasks; returns the exit code."""
    return run_quickly(_parser(), _run, words)


def _run(asked: argparse.Namespace) -> None:
    task = warm_engine.Task(asked.folder, as_step(asked.step), asked.of, asked.path_rules)
    session = Path(asked.warm) if asked.warm else None
    if asked.farm:
        _run_for_farm(task, session)
    else:
        _run_for_person(task, session, asked.json)


def _run_for_farm(task: warm_engine.Task, session: Path | None) -> None:
    """Progress as lines that an Open Job Description worker reads as the state of its task."""

    def say(progress: Progress) -> None:
        print(f"openjd_status: {progress.stage} {progress.done}/{progress.total}", flush=True)

    with terminate_as_interrupt():
        for note in warm_engine.run_task(task, session, say):
            print(f"Note: {note}", file=sys.stderr)
    print(_done(task), flush=True)


def _run_for_person(task: warm_engine.Task, session: Path | None, as_json: bool) -> None:
    from stylesync_engine.commands.reporting import reporting

    with reporting(as_json) as report:
        notes = warm_engine.run_task(task, session, report.progress)
        report.result({"step": task.step, "tasks": task.chunk, "warnings": notes}, _done(task))


def _done(task: warm_engine.Task) -> str:
    return f"{task.step} {task.chunk} of {task.folder} is done"


def _parser() -> QuickParser:
    parser = QuickParser(
        "task",
        "Run a chunk of a job bundle's tasks, as the bundle's template asks a worker to. `dub`,"
        " `prepare` and `assemble` count dubs, `render` counts parts of their frames.",
        "render job --of 1-25",
    )
    parser.add_argument("step", metavar="|".join(STEPS))
    parser.add_argument("folder", metavar="DIR", help="The job bundle's folder.")
    parser.add_argument("--of", required=True, metavar="A-B", help="Tasks, both ends included.")
    parser.add_argument("--farm", action="store_true", help="Speak to the farm's log.")
    parser.add_argument("--warm", metavar="DIR", help="The folder that warm start was given.")
    rules = "Where files lie on this worker."
    parser.add_argument("--path-rules", metavar="FILE", help=rules)
    parser.add_argument("--json", action="store_true", help="Print one JSON object a line.")
    return parser
