"""How long a film takes on a farm of any size: its job's tasks, one after the other, on paper.

The tasks, their chunks and their dependencies are those of a bundle (`bundles`): all dubs are
prepared, then all are rendered, then all are assembled. A free worker takes the next chunk. What
is not modelled: the file server's and the network's limits, and the scheduler's own delays.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from stylesync_engine.costs import Costs, chunk_size
from stylesync_engine.plan import WINDOW

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


def simulate(lengths: Sequence[int], costs: Costs, farm: Farm) -> Run:
    """Run the film's job on the farm."""
    numbers = random.Random(farm.seed)  # noqa: S311
    free = [(0.0, worker) for worker in range(farm.workers)]
    cold = [True] * farm.workers
    useful, count, failed = 0.0, 0, 0
    for tasks in _steps(lengths, costs, farm.workers):
        begin = max(moment for moment, _ in free) if count else 0.0
        free = [(max(begin, moment), worker) for moment, worker in free]
        heapq.heapify(free)
        waiting = deque(tasks)
        useful, count = useful + sum(tasks), count + len(tasks)
        while waiting:
            seconds = waiting.popleft()
            moment, worker = heapq.heappop(free)
            moment += costs.task + (costs.start_up if cold[worker] or not farm.warm else 0.0)
            fails = numbers.random() < farm.failures
            cold[worker] = fails
            if fails:
                failed += 1
                waiting.append(seconds)
                seconds *= numbers.random()
            heapq.heappush(free, (moment + seconds, worker))
    return Run(farm.workers, max(moment for moment, _ in free), useful, count, failed)


def _steps(lengths: Sequence[int], costs: Costs, workers: int) -> list[list[float]]:
    """Seconds of each chunk of each step, for a bundle that was written for so many workers."""
    prepare = [costs.prepare.seconds(frames) for frames in lengths]
    assemble = [costs.assemble.seconds(frames) for frames in lengths]
    return [
        _chunks(prepare, costs.task, workers),
        _render_chunks(lengths, costs, workers),
        _chunks(assemble, costs.task, workers),
    ]


def _chunks(seconds: Sequence[float], overhead: float, workers: int) -> list[float]:
    size = chunk_size(len(seconds), sum(seconds) / len(seconds), overhead, workers)
    return [sum(seconds[i : i + size]) for i in range(0, len(seconds), size)]


def _render_chunks(lengths: Sequence[int], costs: Costs, workers: int) -> list[float]:
    """A chunk pays the fixed part of each dub that it touches."""
    parts = [
        (dub, min(WINDOW, frames - start))
        for dub, frames in enumerate(lengths)
        for start in range(0, frames, WINDOW)
    ]
    size = chunk_size(len(parts), WINDOW * costs.render.per_frame, costs.task, workers)
    chunks = [parts[i : i + size] for i in range(0, len(parts), size)]
    return [
        costs.render.fixed * len({dub for dub, _ in chunk})
        + costs.render.per_frame * sum(frames for _, frames in chunk)
        for chunk in chunks
    ]
