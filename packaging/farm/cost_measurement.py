"""What a dub costs on this machine, found by doing what a farm's worker does.

A session with its warm engine runs a job of three dubs by the commands that a bundle's template
names: a short one for what only the first dub costs, a short one and a long one for the rest, and
tasks that have nothing to do for what handing them over costs.
"""

from __future__ import annotations

import contextlib
import dataclasses
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stylesync_engine.farm.bundles import Entry, keep_failure, write_bundle
from stylesync_engine.farm.costs import STAGES, Costs, Line, Stage
from stylesync_engine.media import probe_video
from stylesync_engine.plan.sources import resolve_range
from stylesync_engine.request import DubError, DubOptions, DubRequest, FrameRange, RequestError
from stylesync_engine.review.benchmark import choose_request

_SHORT_SHARE = 3  # the short dub has a third of the frames of the long one
_EMPTY_TASKS = 3
_LONG, _SHORT, _FIRST = 1, 2, 3  # their numbers in the bundle


def measure_costs(options: DubOptions) -> Costs:
    """Measure here and now, on the demo's dub."""
    with tempfile.TemporaryDirectory(prefix="stylesync-costs-") as name:
        folder = Path(name)
        requests = _requests(choose_request(None, None, options, folder))
        entries = write_bundle(requests, folder / "job")
        session = _Session(folder / "job", folder / "session", entries)
        with session.running() as started:
            first = sum(session.run(stage, _FIRST) for stage in STAGES)
            brief = {stage: session.run(stage, _SHORT) for stage in STAGES}
            full = {stage: session.run(stage, _LONG) for stage in STAGES}
            keep_failure(folder / "job", entries[-1], RequestError("Nothing is to be done."))
            task = statistics.median(session.run("assemble", _FIRST) for _ in range(_EMPTY_TASKS))
    few, many = (len(entries[number - 1].frames) for number in (_SHORT, _LONG))
    lines = {stage: line(few, brief[stage] - task, many, full[stage] - task) for stage in STAGES}
    return Costs(started + max(0.0, first - sum(brief.values())), task, **lines)


def line(few: int, few_seconds: float, many: int, many_seconds: float) -> Line:
    """Through two measurements; noise must not make frames, or the start, cost less than none."""
    many_seconds = max(0.0, many_seconds)
    if many == few:
        return Line(0.0, many_seconds / many)
    slope = (many_seconds - few_seconds) / (many - few)
    slope = min(max(slope, 0.0), many_seconds / many)
    return Line(many_seconds - slope * many, slope)


@dataclass(frozen=True, slots=True)
class _Session:
    """A worker's: its bundle, the folder that its engine belongs to, and the bundle's dubs."""

    bundle: Path
    folder: Path
    entries: Sequence[Entry]

    @contextlib.contextmanager
    def running(self) -> Iterator[float]:
        """With its engine started; how long that took (s)."""
        self.folder.mkdir()
        try:
            yield _seconds("warm", "start", str(self.folder))
        finally:
            _seconds("warm", "stop", str(self.folder))

    def run(self, stage: Stage, number: int) -> float:
        """Run a stage of a dub; how long it took (s)."""
        words = ("--of", self._tasks(stage, number), "--farm", "--warm", str(self.folder))
        return _seconds("task", stage, str(self.bundle), *words)

    def _tasks(self, stage: Stage, number: int) -> str:
        """Rendering counts the parts of the dubs."""
        if stage != "render":
            return str(number)
        before = sum(entry.parts for entry in self.entries[: number - 1])
        return f"{before + 1}-{before + self.entries[number - 1].parts}"


def _requests(whole: DubRequest) -> list[DubRequest]:
    """The dub three times, longest first: whole, and twice its first third."""
    frames = resolve_range(whole, probe_video(whole.video))
    short = FrameRange(frames.start, frames.start + max(1, len(frames) // _SHORT_SHARE))
    output = Path(whole.output)
    return [
        dataclasses.replace(
            whole, frames=part, output=str(output.with_stem(f"{output.stem}{number}"))
        )
        for number, part in ((_LONG, frames), (_SHORT, short), (_FIRST, short))
    ]


def _seconds(*words: str) -> float:
    """Run one of the engine's commands; how long it took. Raises DubError where it fails."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "stylesync_engine", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise DubError(said[-1] if said else f"stylesync-engine {words[0]} has failed.")
    return time.perf_counter() - started
