"""The jobs of the panel, in order, kept on disk so that they survive its closing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from stylesync_plugin.records import write_json

from stylesync_ui.queue.job_record import JobRecord


class JobQueue:
    """Jobs, the oldest first; at most one of them runs."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._jobs = _read(store)

    def __iter__(self) -> Iterator[JobRecord]:
        return iter(self._jobs)

    def __len__(self) -> int:
        return len(self._jobs)

    def add(self, job: JobRecord) -> None:
        self._jobs.append(job)
        self.save()

    def remove(self, job: JobRecord) -> None:
        self._jobs.remove(job)
        self.save()

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

    def save(self) -> None:
        """A queue that cannot be kept (full disk) still works until the panel closes."""
        try:
            write_json(self._store, {"jobs": [job.to_dict() for job in self._jobs]})
        except OSError:
            return


def _read(store: Path) -> list[JobRecord]:
    """The jobs of the earlier session; an unreadable file is an empty queue."""
    try:
        data = json.loads(store.read_text(encoding="utf-8"))
        return [JobRecord.from_dict(entry) for entry in data["jobs"]]
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return []
