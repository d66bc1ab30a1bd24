"""How long a film takes on a farm of any size: its job's tasks, one after the other, on paper.

The tasks, their chunks and dependencies are those that a bundle's template has (`job_template`). A
free worker takes the first chunk that is ready; it starts an engine once, and a command for each
chunk. What is not modelled: the limits of the file server and the network, and the scheduler's own
delays.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from stylesync_engine.farm.costs import Costs, Line
from stylesync_engine.farm.template import PART, FarmOptions, JobStep, plan_steps

_LEAST_FRAMES = 12
_SHAPE = 2.0  # of the gamma distribution of lengths: many short lines, a few long ones


@dataclass(frozen=True, slots=True)
class Film:
    """A film's dubs: `speech` is the share of its frames that is dubbed."""

    minutes: float = 90.0
    rate: float = 24.0
    dubs: int = 800
    speech: float = 0.5
    seed: int = 0

    def lengths(self) -> list[int]:
        """Frames of each dub; together about the share of the film."""
        numbers = random.Random(self.seed)  # noqa: S311 - lengths, no secrets
        drawn = [numbers.gammavariate(_SHAPE, 1.0) for _ in range(self.dubs)]
        scale = self.minutes * 60 * self.rate * self.speech / sum(drawn)
        return [max(_LEAST_FRAMES, round(value * scale)) for value in drawn]


@dataclass(frozen=True, slots=True)
class Farm:
    """Workers, and the share of tasks that fail: a worker that dies in the middle of one comes
    back cold, and the task is done again. Without `warm` every task loads the models."""

    workers: int
    failures: float = 0.0
    warm: bool = True
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Run:
    """What came of a simulation: wall time (s), and the worker seconds that went into results."""

    workers: int
    wall: float
    useful: float
    tasks: int
    failed: int


@dataclass
class _Step:
    """Seconds of the chunks that wait, how many are not done, and the step that comes before."""

    waiting: deque[float]
    left: int
    after: _Step | None

    def is_ready(self) -> bool:
        return bool(self.waiting) and (self.after is None or not self.after.left)


def simulate(lengths: Sequence[int], costs: Costs, farm: Farm) -> Run:
    """Run the film's job on the farm."""
    numbers = random.Random(farm.seed)  # noqa: S311
    steps = _steps(lengths, costs, farm.workers)
    useful, tasks = sum(sum(step.waiting) for step in steps), sum(step.left for step in steps)
    idle, cold = list(range(farm.workers)), [True] * farm.workers
    running: list[tuple[float, int, _Step, float | None]] = []
    now, failed = 0.0, 0
    while any(step.left for step in steps):
        while idle and (step := next((s for s in steps if s.is_ready()), None)):
            worker, seconds = idle.pop(), step.waiting.popleft()
            start = costs.task + (costs.start_up if cold[worker] or not farm.warm else 0.0)
            fails = numbers.random() < farm.failures
            spent = seconds * (numbers.random() if fails else 1.0)
            cold[worker] = fails
            again = seconds if fails else None
            heapq.heappush(running, (now + start + spent, worker, step, again))
        now, worker, step, again = heapq.heappop(running)
        idle.append(worker)
        if again is None:
            step.left -= 1
        else:
            failed += 1
            step.waiting.append(again)
    return Run(farm.workers, now, useful, tasks, failed)


def _steps(lengths: Sequence[int], costs: Costs, workers: int) -> list[_Step]:
    """The job's steps with the seconds of each chunk, for a bundle that was written for so many
    workers."""
    lengths = sorted(lengths, reverse=True)
    steps: dict[str | None, _Step] = {}
    for planned in plan_steps(lengths, FarmOptions(workers=workers, costs=costs)):
        seconds = _chunks(planned, lengths, costs)
        steps[planned.name] = _Step(deque(seconds), len(seconds), steps.get(planned.after))
    return list(steps.values())


def _chunks(step: JobStep, lengths: Sequence[int], costs: Costs) -> list[float]:
    if step.does == "render":
        return _render_chunks(lengths, costs, step)
    some = lengths[step.first - 1 : step.last]
    if step.does == "dub":
        done = costs.prepare if step.after else Line(0.0, 0.0)
        seconds = [costs.dub_seconds(frames) - done.seconds(frames) for frames in some]
    else:
        seconds = [costs.stage_seconds(step.does, frames) for frames in some]
    return _sums(seconds, step.chunk)


def _sums(seconds: Sequence[float], size: int) -> list[float]:
    return [sum(seconds[i : i + size]) for i in range(0, len(seconds), size)]


def _render_chunks(lengths: Sequence[int], costs: Costs, step: JobStep) -> list[float]:
    """A chunk pays the fixed part of each dub that it touches."""
    parts = [
        (dub, min(PART, frames - start))
        for dub, frames in enumerate(lengths)
        for start in range(0, frames, PART)
    ][: step.last]
    chunks = [parts[i : i + step.chunk] for i in range(0, len(parts), step.chunk)]
    return [
        costs.render.fixed * len({dub for dub, _ in chunk})
        + costs.render.per_frame * sum(frames for _, frames in chunk)
        for chunk in chunks
    ]
