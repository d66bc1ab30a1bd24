"""What the workers of a farm run: the tasks of a bundle, chunk by chunk.

Tasks are counted over the whole job, so that a chunk loads the engine once, whether it holds one
part of a long dub or many short ones: `dub`, `prepare` and `assemble` count dubs, `render` counts
parts of `PART` frames. A task that runs again finds what is finished; two workers on the same task
write the same bytes.
"""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from stylesync_engine.failures import is_out_of_memory
from stylesync_engine.farm.bundles import (
    Entry,
    forget_failure,
    has_failed,
    keep_failure,
    keep_outcome,
    read_bundle,
)
from stylesync_engine.farm.costs import Step
from stylesync_engine.farm.path_mapping import PathMapping
from stylesync_engine.farm.template import PART
from stylesync_engine.plan.faces import plans_beside
from stylesync_engine.plan.plan import Plan
from stylesync_engine.plan.windows import has_window
from stylesync_engine.request import (
    SOURCES,
    FrameRange,
    MediaError,
    NoFaceError,
    Progress,
    RequestError,
)
from stylesync_engine.weights.warm import WarmModels

if TYPE_CHECKING:
    from stylesync_engine.weights.loading import Models

DEVICE = "STYLESYNC_DEVICE"
"""Where a worker computes, whatever a request says: workers of a host with several GPUs would else
share the first."""

PATIENCE = 60.0
"""Seconds after which a file that another machine has written is visible on every file server."""

Say = Callable[[Progress], None]

_CHUNK = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?", re.ASCII)
_OWN_FAULTS = (NoFaceError, MediaError, RequestError)
_PASSING = (errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EMFILE, errno.ENFILE)


def run_task(
    folder: Path,
    step: Step,
    chunk: str,
    say: Say = lambda _: None,
    mapping: PathMapping | None = None,
    models: WarmModels | None = None,
) -> list[str]:
    """Run a chunk of tasks, `A-B` or `A`, both ends included; returns what to tell a person.

    A dub that cannot be made for its own reasons (no face, a wrong range) is noted for `collect`
    and does not stop the others. What another worker or another moment may mend is raised.
    """
    entries = read_bundle(folder, mapping)
    first, last = _parse_chunk(chunk)
    total = sum(e.parts for e in entries) if step == "render" else len(entries)
    if not 1 <= first <= last <= total:
        raise RequestError(f"The tasks {chunk} lie outside of the job's 1-{total}; submit again.")
    worker = _Worker(folder, say, models or WarmModels())
    if step == "render":
        for entry, frames in _parts(entries, first, last):
            worker.render(entry, frames)
        return worker.notes
    act = {"prepare": worker.prepare, "assemble": worker.assemble, "dub": worker.dub}[step]
    for entry in entries[first - 1 : last]:
        act(entry)
    return worker.notes


class _Worker:
    """Runs tasks one after the other on models that are loaded once."""

    def __init__(self, folder: Path, say: Say, models: WarmModels) -> None:
        self.folder, self.say, self._warm = folder, say, models
        self.notes: list[str] = []

    def _models(self, entry: Entry) -> Models:
        options = entry.request.options
        return self._warm(replace(options, device=os.environ.get(DEVICE) or options.device))

    def dub(self, entry: Entry) -> None:
        """The three stages in a row."""
        self.prepare(entry)
        self.render(entry, entry.frames)
        self.assemble(entry)

    def prepare(self, entry: Entry) -> None:
        """Make the plan, or note why this dub cannot be made."""
        from stylesync_engine import dubbing

        _check_sources(entry)
        models = self._models(entry)
        forget_failure(self.folder, entry)
        try:
            dubbing.prepare(entry.request, entry.work, models, self.say)
        except _OWN_FAULTS as error:
            if _may_pass(error):
                raise
            self.notes.append(f"'{Path(entry.output).name}': {error}")
            keep_failure(self.folder, entry, error)

    def render(self, entry: Entry, frames: FrameRange) -> None:
        from stylesync_engine import dubbing

        plan = self._plan(entry)
        if plan is not None:
            models = self._models(entry)
            dubbing.render_plan(plan, entry.work, frames, models, self.say)

    def assemble(self, entry: Entry) -> None:
        """Join the windows; those that were lost or damaged are rendered again first."""
        from stylesync_engine import dubbing

        plan = self._plan(entry)
        if plan is None:
            return
        seen = _wait_for(entry.work / "windows", lambda: _all_windows(plan, entry.work))
        for complete in (seen, False):
            if not complete:
                models = self._models(entry)
                dubbing.render_plan(plan, entry.work, None, models, self.say)
            try:
                result = dubbing.assemble_plan(plan, entry.work, self.say)
            except RequestError:
                if _all_windows(plan, entry.work):
                    raise  # nothing that rendering would mend
                continue
            keep_outcome(self.folder, entry, result)
            return
        raise RequestError(
            f"Frames in '{entry.work}' are damaged again and again; check that disk."
        )

    def _plan(self, entry: Entry) -> Plan | None:
        """The plan that another worker may have made a moment ago; one that was lost or damaged
        is made again. None where the dub cannot be made."""
        from stylesync_engine import dubbing

        _check_sources(entry)
        found: list[Plan] = []

        def look() -> bool:
            if has_failed(self.folder, entry):
                return True
            try:
                found.append(dubbing.read_plan(entry.work, entry.request))
            except RequestError:
                return False
            return True

        if not _wait_for(entry.work, look):
            self.prepare(entry)
            look()
        return found[0] if found else None


def _wait_for(folder: Path, is_there: Callable[[], bool]) -> bool:
    """Whether it is there, after a minute at most: file servers show each other's files late."""
    deadline = time.monotonic() + PATIENCE
    while not is_there():
        if time.monotonic() >= deadline:
            return False
        time.sleep(min(0.5, PATIENCE / 10))
        if folder.is_dir():
            list(folder.iterdir())  # what was asked for in vain is remembered until a new listing
    return True


def _all_windows(plan: Plan, work: Path) -> bool:
    """Whether all is rendered, of every face."""
    try:
        faces = plans_beside(plan, work)
    except RequestError:
        return False
    return all(has_window(at, name) for face, at in faces for name in face.names)


def _may_pass(error: BaseException | None) -> bool:
    """Whether the machine, not the media, is to blame: another worker may fare better."""
    if is_out_of_memory(error):
        return True
    while error is not None:
        if getattr(error, "errno", None) in _PASSING:
            return True
        error = error.__cause__
    return False


def _parts(entries: Sequence[Entry], first: int, last: int) -> Iterator[tuple[Entry, FrameRange]]:
    """The frames of each dub that the parts `first` to `last`, counted from 1, cover."""
    begin = 1
    for entry in entries:
        low, high = max(first, begin) - begin, min(last, begin + entry.parts - 1) - begin
        if low <= high:
            start = entry.frames.start + low * PART
            end = min(entry.frames.start + (high + 1) * PART, entry.frames.end)
            yield entry, FrameRange(start, end)
        begin += entry.parts


def _parse_chunk(chunk: str) -> tuple[int, int]:
    found = _CHUNK.fullmatch(chunk)
    if not found:
        raise RequestError(f"'{chunk}' is no chunk of tasks; write A-B, for example 1-25.")
    return int(found[1]), int(found[2] or found[1])


def _check_sources(entry: Entry) -> None:
    """A file that this worker does not see is no fault of the dub."""
    for path in (getattr(face, name) for face in entry.request.faces for name in SOURCES):
        if path is not None and "%" not in Path(path).name and not Path(path).exists():
            raise MediaError(f"This worker does not see '{path}'; mount its folder there.")
