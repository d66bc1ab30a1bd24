"""The jobs of the panel: states and speed of each, all of them kept on disk in order."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Literal

from stylesync_plugin.batch.records import read_json, write_json
from stylesync_plugin.contract import Progress

State = Literal["waiting", "running", "done", "failed", "cancelled", "interrupted", "found"]

MOVES: dict[State, tuple[State, ...]] = {
    "waiting": ("running", "cancelled", "interrupted"),
    "running": ("done", "failed", "cancelled", "interrupted"),
    "failed": ("waiting",),
    "cancelled": ("waiting",),
    "interrupted": ("waiting", "cancelled"),
    "done": ("waiting",),
    "found": (),
}


class WrongMove(Exception):
    """A job was asked to go from one state to another that does not follow it."""


@dataclass(slots=True)
class JobRecord:
    """`job` is the plugin's job data; `timeline` the file that it belongs to, and `project` what is
    common to that file and its saved copies; `line` is the number of the line that it dubs, if it
    dubs one. One that is `found` lies on the timeline already.

    `length` is in frames of the timeline. `pieces` tell for each dubbed clip where its file lies
    and grows, and where on the timeline it belongs; `speed` is in frames a second of the running
    stage, and `parts` are (done, total) of each stage so far.
    """

    title: str
    timeline: str
    job: dict[str, Any]
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    state: State = "waiting"
    stage: str = ""
    done: int = 0
    total: int = 0
    speed: float = 0.0
    message: str = ""
    warnings: list[str] = field(default_factory=list)
    pieces: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    frames: int = 0
    placed: bool = False
    project: str = ""
    line: str = ""
    length: int = 0
    parts: dict[str, list[int]] = field(default_factory=dict)
    _begun: float | None = None
    _mark: tuple[str, int, float] | None = None

    def move(self, state: State, message: str = "") -> None:
        """Go to another state; raises WrongMove where that does not follow."""
        if state not in MOVES[self.state]:
            raise WrongMove(f"A job that is {self.state} cannot become {state}.")
        self.state, self.message = state, message
        if state == "waiting":
            self.stage, self.done, self.total, self.speed = "", 0, 0, 0.0
            self._mark, self._begun, self.parts = None, None, {}

    def advance(self, progress: Progress, now: float) -> None:
        """Take a progress in; `now` in s of a steady clock."""
        if progress.stage != self.stage or self._mark is None:
            self._mark = (progress.stage, progress.done, now)
            self.speed = 0.0
        self._begun = now if self._begun is None else self._begun
        self.seconds = now - self._begun
        self.parts[progress.stage] = [progress.done, progress.total]
        self.stage, self.done, self.total = progress.stage, progress.done, progress.total
        _, first, since = self._mark
        if now - since > 0.2 and self.done > first:
            self.speed = (self.done - first) / (now - since)

    @property
    def is_open(self) -> bool:
        return self.state in ("waiting", "running")

    def to_dict(self) -> dict[str, Any]:
        names = (entry.name for entry in dataclasses.fields(self))
        data = {name: getattr(self, name) for name in names if not name.startswith("_")}
        return {**data, "parts": {stage: list(part) for stage, part in self.parts.items()}}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> JobRecord:
        """What an earlier session left behind; what ran then was interrupted."""
        known = {entry.name for entry in dataclasses.fields(cls)} - {"_mark", "_begun"}
        record = cls(**{key: value for key, value in data.items() if key in known})
        if record.is_open:
            record.state, record.speed = "interrupted", 0.0
            record.message = "The panel was closed before this dub was done."
        return record


class JobQueue:
    """Jobs, the oldest first; at most one of them runs. They are kept on disk beside the GUI
    thread: `close` waits for that."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._jobs = _read(store)
        self._as_data: dict[str, dict[str, Any]] = {}
        self._wanted: SimpleQueue[list[dict[str, Any]] | None] = SimpleQueue()
        self._writer: threading.Thread | None = None

    def __iter__(self) -> Iterator[JobRecord]:
        return iter(self._jobs)

    def __len__(self) -> int:
        return len(self._jobs)

    def add(self, job: JobRecord) -> None:
        self._jobs.append(job)
        self.save([job])

    def shift(self, job: JobRecord, steps: int) -> None:
        """Run a job that waits earlier (negative) or later than others of its project that wait."""
        waiting = [j for j in self._jobs if j.state == "waiting" and j.project == job.project]
        place = waiting.index(job) + steps if job in waiting else -1
        if 0 <= place < len(waiting):
            other = waiting[place]
            one, two = self._jobs.index(job), self._jobs.index(other)
            self._jobs[one], self._jobs[two] = other, job
            self.save([])

    def remove(self, job: JobRecord) -> None:
        self._jobs.remove(job)
        self._as_data.pop(job.id, None)
        self.save([])

    def of_id(self, job_id: str) -> JobRecord | None:
        return next((job for job in self._jobs if job.id == job_id), None)

    @property
    def running(self) -> JobRecord | None:
        return next((job for job in self._jobs if job.state == "running"), None)

    def next_waiting(self) -> JobRecord | None:
        """The job to start now: the oldest that waits, if none runs."""
        if self.running is not None:
            return None
        return next((job for job in self._jobs if job.state == "waiting"), None)

    def save(self, changed: Iterable[JobRecord]) -> None:
        """Keep the jobs as they are now, of which these have changed."""
        for job in changed:
            self._as_data[job.id] = job.to_dict()
        for job in self._jobs:
            if job.id not in self._as_data:
                self._as_data[job.id] = job.to_dict()
        self._wanted.put([self._as_data[job.id] for job in self._jobs])
        if self._writer is None:
            self._writer = threading.Thread(target=self._write, daemon=True)
            self._writer.start()

    def close(self) -> None:
        """All is on disk after this."""
        writer, self._writer = self._writer, None
        if writer is not None:
            self._wanted.put(None)
            writer.join(10)

    def _write(self) -> None:
        """Write the latest of what is wanted, until nothing more will be. A queue that cannot be
        kept (full disk) still works until the panel closes."""
        ends = False
        while not ends:
            wanted = [self._wanted.get()]
            while not self._wanted.empty():
                wanted.append(self._wanted.get())
            ends = wanted[-1] is None
            latest = next((jobs for jobs in reversed(wanted) if jobs is not None), None)
            if latest is not None:
                with contextlib.suppress(OSError):
                    write_json(self._store, {"jobs": latest})


def _read(store: Path) -> list[JobRecord]:
    """The jobs of the earlier session; an unreadable file is an empty queue."""
    try:
        data = read_json(store)
        return [JobRecord.from_dict(entry) for entry in data["jobs"]]
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return []
