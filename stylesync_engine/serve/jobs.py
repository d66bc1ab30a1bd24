"""Requests that take time: one after the other in their lane, each event a JSON line."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

from stylesync_engine.failures import keep_error, named_error, print_trace
from stylesync_engine.request import (
    Cancelled,
    Progress,
)
from stylesync_engine.threads import WatchedThread

Answer = Callable[["Job"], dict[str, Any]]


@dataclass(eq=False)
class Job:
    """One request that takes time."""

    id: Any
    method: str
    params: dict[str, Any]
    writer: LineWriter
    started: bool = False
    cancelled: bool = False

    def say(self, event: dict[str, Any]) -> None:
        """Send an event of this job; raises Cancelled once somebody wants its end."""
        if self.cancelled or self.writer.closed.is_set():
            raise Cancelled("The job was cancelled; asked again, it goes on from what is finished.")
        self.writer.write({"id": self.id, **event})

    def progress(self, progress: Progress) -> None:
        self.say(progress.to_dict())

    def run(self, answer: Answer) -> dict[str, Any]:
        """The job's last event: a result, an error or `cancelled`; never raises."""
        try:
            self.say({"event": "started"})
            return {"event": "result", **answer(self)}
        except Cancelled as error:
            return {"event": "cancelled", "message": str(error)}
        except BaseException as error:
            print_trace(error)
            keep_error(error)
            return named_error(error).to_dict()


class LineWriter:
    """JSON lines for the panel, whole lines only; `closed` once nobody reads."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self.closed = threading.Event()

    def write(self, data: dict[str, Any]) -> None:
        try:
            line = json.dumps(data, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            line = json.dumps({"id": data["id"], **named_error(error).to_dict()})
        with self._lock:
            try:
                self._stream.write(line + "\n")
                self._stream.flush()
            except (OSError, ValueError):
                self.closed.set()


class Lane:
    """A thread that runs jobs one after the other; `yielding` to all others of the machine."""

    def __init__(self, run: Callable[[Job], None], yielding: bool = False) -> None:
        self._run, self._yielding = run, yielding
        self._waiting: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread = WatchedThread(self._work)

    def put(self, job: Job) -> None:
        self._waiting.put(job)
        if not self._thread.runs:
            self._thread = WatchedThread(self._work)

    def finish(self, timeout: float | None) -> bool:
        """Run what waits, then end; False where that takes longer than `timeout` s."""
        self._waiting.put(None)
        return self._thread.wait(timeout)

    def _work(self) -> None:
        if self._yielding and hasattr(os, "setpriority"):
            with contextlib.suppress(OSError):  # Linux: of this thread and those that it starts
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 15)
        while (job := self._waiting.get()) is not None:
            self._run(job)
