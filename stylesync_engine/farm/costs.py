"""What a dub costs on a worker, in seconds: the figures that farms are planned with.

start-up     an engine: a fresh process, its imports, the models, and what only its first dub costs;
             once a session
task         starting the command that hands a task to the engine
prepare, render, assemble     fixed + per frame, of one dub
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from stylesync_engine.files import read_bounded
from stylesync_engine.records import strict_json
from stylesync_engine.request import RequestError

Stage = Literal["prepare", "render", "assemble"]
Step = Literal["dub", "prepare", "render", "assemble"]
"""What a task does: one stage of some dubs, or all three of them."""
STAGES, STEPS = get_args(Stage), get_args(Step)
_PREPARING = ("track", "style", "speech", "lips")


@dataclass(frozen=True, slots=True)
class Line:
    """Seconds of a step for a dub: `fixed + per_frame * frames`."""

    fixed: float
    per_frame: float

    def seconds(self, frames: int) -> float:
        return self.fixed + self.per_frame * frames


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds on one worker; the defaults are rough, `packaging/farm` measures them."""

    start_up: float = 4.0
    task: float = 0.1
    prepare: Line = Line(4.0, 0.05)
    render: Line = Line(0.3, 0.15)
    assemble: Line = Line(0.3, 0.02)

    def stage_seconds(self, stage: Stage, frames: int, dubs: int = 1) -> float:
        """What a stage costs for so many dubs of so many frames altogether."""
        line: Line = getattr(self, stage)
        return line.fixed * dubs + line.per_frame * frames

    def dub_seconds(self, frames: int) -> float:
        """What a dub of so many frames costs on one worker."""
        return sum(self.stage_seconds(stage, frames) for stage in get_args(Stage))

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Costs:
        lines = {name: Line(**data[name]) for name in STAGES}
        return cls(start_up=float(data["start_up"]), task=float(data["task"]), **lines)


def as_step(text: str) -> Step:
    """Raises RequestError where it is none."""
    for step in STEPS:
        if text == step:
            return step  # type: ignore[no-any-return]
    raise RequestError(f"'{text}' is no step of a job; give {', '.join(STEPS)}.")


def chunk_seconds(overhead: float, work: float, workers: int) -> float:
    """How long a chunk should take, so that what starting chunks costs is as small as what
    waiting for the last chunk costs.

    With W workers and T s of work, chunks of s s lose `overhead / s` to starting and about
    `s / 2` of T / W to the end; the sum is least at s = sqrt(2 * overhead * T / W).
    """
    return math.sqrt(2 * overhead * work / workers)


def read_costs(file: Path) -> Costs:
    """The costs that `simulate.py` of `packaging/farm` has printed as JSON, or what follows from
    `bench --json`.

    Raises RequestError where the file holds neither.
    """
    try:
        lines = read_bounded(file, 2**24).decode().strip().splitlines()
        data = strict_json(lines[-1] if lines[-1].startswith("{") else "".join(lines))
        return Costs.from_dict(data["costs"]) if "costs" in data else _from_bench(data)
    except (OSError, LookupError, TypeError, ValueError, ZeroDivisionError) as error:
        raise RequestError(
            f"'{file}' holds no costs; give what stylesync-engine bench printed as JSON."
        ) from error


def _from_bench(report: dict[str, Any]) -> Costs:
    """One dub tells no fixed part from the rest: everything grows with the frames."""
    frames = int(report["frames"])
    seconds = {row["stage"]: float(row["seconds"]) for row in report["stages"]}
    prepare = sum(seconds.get(stage, 0.0) for stage in _PREPARING)
    return Costs(
        start_up=float(report["start_up_seconds"]),
        prepare=Line(0.0, prepare / frames),
        render=Line(0.0, seconds["render"] / frames),
        assemble=Line(0.0, seconds["assemble"] / frames),
    )
