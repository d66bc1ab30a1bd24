"""One engine for a farm worker's session: it loads the models once and runs task after task.

`start` leaves a process behind that belongs to the session's folder, `ask` gives it a task, `stop`
ends it. It listens on a local pipe (a Unix socket, a named pipe on Windows) whose name and key lie
in a file that only this user can read; nothing reaches it from another machine. It ends by itself
when the session's folder is gone or when nobody has asked for a quarter of an hour. A session
without one (it never came, it was killed) costs speed alone: a task then loads the models itself.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any

from stylesync_engine.failures import error_from, named_error, print_trace
from stylesync_engine.farm.costs import Step
from stylesync_engine.farm.path_mapping import read_path_mapping
from stylesync_engine.files import read_bounded, replacing
from stylesync_engine.request import Cancelled, Progress
from stylesync_engine.threads import WatchedThread
from stylesync_engine.weights.warm import WarmModels

PLACE, LOG = "stylesync-engine.json", "stylesync-engine.log"
IDLE_SECONDS = 900
_LOOK_SECONDS = 5
_START_SECONDS = 60


Say = Callable[[Progress], None]


class NoWarmEngine(Exception):
    """There is none in this session, or it went away in the middle of a task."""


@dataclass(frozen=True, slots=True)
class Task:
    """What `farm_tasks.run_task` is asked for."""

    folder: str
    step: Step
    chunk: str
    path_rules: str | None = None

    def run(self, say: Say, models: WarmModels | None = None) -> list[str]:
        """Run it in this process; returns what to tell a person."""
        from stylesync_engine.farm import tasks

        rules = Path(self.path_rules) if self.path_rules else None
        mapping = read_path_mapping(rules)
        return tasks.run_task(Path(self.folder), self.step, self.chunk, say, mapping, models)


def run_task(task: Task, session: Path | None, say: Say) -> list[str]:
    """Run a task on the session's warm engine, or in this process where there is none."""
    if session is None:
        return task.run(say)
    try:
        return ask(session, task, say)
    except NoWarmEngine:
        return task.run(say)


def start(session: Path) -> bool:
    """Leave an engine behind in the session's folder; False where it does not come up."""
    with (session / LOG).open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "stylesync_engine", "warm", "run", str(session)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if (session / PLACE).exists():
            return True
        time.sleep(0.05)
    return False


def ask(session: Path, task: Task, say: Say) -> list[str]:
    """Have the session's engine run a task; raises NoWarmEngine, or the task's own error."""
    with _reach(session) as line:
        line.send_bytes(json.dumps(asdict(task)).encode())
        while True:
            try:
                event = json.loads(line.recv_bytes())
            except (OSError, EOFError) as error:
                raise NoWarmEngine(f"the engine of '{session}' went away") from error
            if event["event"] == "progress":
                say(Progress(event["stage"], event["done"], event["total"]))
            elif event["event"] == "error":
                raise error_from(event)
            else:
                return list(event["warnings"])


def stop(session: Path) -> None:
    """End the session's engine, if there is one."""
    with contextlib.suppress(NoWarmEngine, OSError, EOFError), _reach(session) as line:
        line.send_bytes(b"null")
    (session / PLACE).unlink(missing_ok=True)


def run(session: Path) -> None:
    """Be the session's engine."""
    key = secrets.token_hex(32)
    models, watch = WarmModels(), _Watch(session)
    with Listener(authkey=key.encode()) as listener:
        place = {"address": os.fsdecode(listener.address), "key": key, "pid": os.getpid()}
        _write_place(session / PLACE, place)
        WatchedThread(watch.run)
        while True:
            try:
                with listener.accept() as line, watch.working():
                    data = json.loads(line.recv_bytes())
                    if data is None:
                        return
                    _answer(line, Task(**data), models)
            except (OSError, EOFError, AuthenticationError):
                continue  # whoever asked has gone, or was nobody of ours


class _Watch:
    """Ends the process once its session is gone or nobody needs it."""

    def __init__(self, session: Path) -> None:
        self._place, self._busy, self._last = session / PLACE, False, time.monotonic()

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        self._busy = True
        try:
            yield
        finally:
            self._busy, self._last = False, time.monotonic()

    def run(self) -> None:
        while self._place.exists() and (self._busy or time.monotonic() - self._last < IDLE_SECONDS):
            time.sleep(_LOOK_SECONDS)
        self._place.unlink(missing_ok=True)
        os._exit(0)


def _answer(line: Connection[Any, Any], task: Task, models: WarmModels) -> None:
    def say(progress: Progress) -> None:
        try:
            line.send_bytes(json.dumps(progress.to_dict()).encode())
        except OSError as error:
            raise Cancelled("The farm has stopped the task.") from error

    try:
        event: dict[str, Any] = {"event": "result", "warnings": task.run(say, models)}
    except BaseException as error:
        print_trace(error)
        event = named_error(error).to_dict()
    line.send_bytes(json.dumps(event).encode())


def _reach(session: Path) -> Connection[Any, Any]:
    try:
        place = json.loads(read_bounded(session / PLACE, 2**16))
        return Client(place["address"], authkey=place["key"].encode())
    except (OSError, EOFError, ValueError, LookupError, AuthenticationError) as error:
        raise NoWarmEngine(f"there is no engine in '{session}'") from error


def _write_place(path: Path, place: dict[str, Any]) -> None:
    ours_alone = functools.partial(os.open, mode=0o600)
    with replacing(path) as draft, open(draft, "x", encoding="utf-8", opener=ours_alone) as file:
        json.dump(place, file)
