"""The engine in a process of its own: warm between dubs, started again after a crash."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

from stylesync_engine.failures import error_from
from stylesync_engine.records import as_data
from stylesync_engine.request import (
    Cancelled,
    DubError,
    DubRequest,
    DubResult,
    ModelError,
    Progress,
)

OnProgress = Callable[[Progress], None]

_SECONDS_TO_STOP = 10


class EngineStopped(DubError):
    """The engine's process ended in the middle of a job, twice."""


def engine_command() -> list[str]:
    """How the engine is started; `STYLESYNC_PYTHON` names its Python where ours is a host's."""
    python = os.environ.get("STYLESYNC_PYTHON") or sys.executable
    return [python, "-m", "stylesync_engine", "serve"]


class EngineProcess:
    """`stylesync-engine serve` as a callable: a request in, a result out.

    A job whose process dies is given once more to a new one, where it goes on from what is
    finished. `cancel` may be called from another thread.
    """

    def __init__(self, command: Sequence[str] | None = None) -> None:
        self._command = list(command or engine_command())
        self._process: subprocess.Popen[str] | None = None
        self._log: IO[bytes] | None = None
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self._running: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __call__(self, request: DubRequest, on_progress: OnProgress = lambda _: None) -> DubResult:
        """Dub; raises the engine's own errors, and EngineStopped where it dies twice."""
        for _ in range(2):
            answer = self._ask("dub", as_data(request), on_progress)
            if answer is not None:
                return DubResult.from_dict(answer)
        raise EngineStopped(
            f"The engine stopped twice while it dubbed '{Path(request.video).name}'"
            f"{self._last_words()}; see `stylesync doctor`, then run the same command again."
        )

    def cancel(self) -> None:
        """End the running job; it raises Cancelled where it was called."""
        with self._lock:
            if self._running is not None:
                self._send({"id": self._running, "method": "cancel"})

    def close(self) -> None:
        """Stop the process; a job that runs is cancelled."""
        process, self._process = self._process, None
        if process is None:
            return
        try:
            if process.stdin is not None:
                process.stdin.write(SHUTDOWN)
                process.stdin.close()
            process.wait(_SECONDS_TO_STOP)
        except (OSError, subprocess.TimeoutExpired):
            process.kill()
            process.wait()
        finally:
            if process.stdout is not None:
                process.stdout.close()
            self._drop_log()

    def _ask(self, method: str, params: dict[str, Any], on_progress: OnProgress) -> Any:
        """The job's result as data, or None where the process ended before it said so."""
        process = self._started()
        job = str(next(self._ids))
        with self._lock:
            self._running = job
            sent = self._send({"id": job, "method": method, "params": params})
        try:
            return self._listen(process, job, on_progress) if sent else self._buried(process)
        finally:
            with self._lock:
                self._running = None

    def _listen(self, process: subprocess.Popen[str], job: str, on_progress: OnProgress) -> Any:
        for line in process.stdout or ():
            event = parse_event(line)
            if event.pop("id", None) != job:
                continue
            kind = event.get("event")
            if kind == "progress":
                on_progress(Progress(event["stage"], event["done"], event["total"]))
            elif kind == "result":
                return event
            elif kind == "cancelled":
                raise Cancelled(event.get("message", "The job was cancelled."))
            elif kind == "error":
                raise error_from(event)
        return self._buried(process)

    def _started(self) -> subprocess.Popen[str]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self._drop_log()
        self._log = tempfile.TemporaryFile(prefix="stylesync-engine-")  # noqa: SIM115
        try:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log,
                text=True, encoding="utf-8",
            )  # fmt: skip
        except OSError as error:
            raise ModelError(
                f"The engine cannot be started ({self._command[0]}: {error.strerror});"
                " set STYLESYNC_PYTHON to the Python that StyleSync is installed in."
            ) from error
        return self._process

    def _send(self, message: dict[str, Any]) -> bool:
        if self._process is None or self._process.stdin is None:
            return False
        try:
            self._process.stdin.write(line_of(message))
            self._process.stdin.flush()
        except OSError:
            return False
        return True

    def _buried(self, process: subprocess.Popen[str]) -> None:
        """Wait for a process that has closed its output, so that the next job gets a new one."""
        try:
            process.wait(_SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:  # what was not flushed has no reader any more
                    continue
        self._process = None

    def _last_words(self) -> str:
        if self._log is None:
            return ""
        self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, self._log.tell() - 4000))
        return last_words(self._log.read(), 200)

    def _drop_log(self) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None


def line_of(message: dict[str, Any]) -> str:
    """A request to the engine as its line protocol writes it."""
    return json.dumps(message) + "\n"


SHUTDOWN: Final = line_of({"id": "end", "method": "shutdown"})


def last_words(log: bytes, most: int) -> str:
    """What an engine that ended said last, in brackets; empty where it said nothing."""
    lines = log.decode("utf-8", errors="replace").strip().splitlines()
    return f" ({lines[-1][:most]})" if lines else ""


def parse_event(line: str | bytes) -> dict[str, Any]:
    """An event; lines that are none (a library that prints) are passed over."""
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}
