"""`stylesync-engine serve`: JSON lines between the panel and the engine.

Requests are `{"id": "7", "method": "dub", "params": {...}}`; every answer carries the request's id
and an event: `started`, `progress`, and last `result`, `error` or `cancelled`. The first line is
`ready`. `cancel` names the job by its id; `ping` and `shutdown` are answered at once.

Dubs and other long jobs run one at a time, in order, with their models kept warm; pictures and
waveforms have a lane of their own, so that a timeline fills while a dub runs. The end of standard
input ends the program after the jobs that were accepted; a reader that has gone cancels them.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from stylesync_engine import __version__
from stylesync_engine.error_log import keep_error
from stylesync_engine.failures import named_error, print_trace, terminate_as_interrupt
from stylesync_engine.request import (
    Cancelled,
    DubError,
    DubRequest,
    FrameRange,
    Progress,
    RequestError,
)
from stylesync_engine.weights.warm import WarmModels

PROTOCOL = 1
LINE_CHARACTERS = 16 * 2**20
SECONDS_TO_STOP = 10.0

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
        except (TypeError, ValueError) as error:
            line = json.dumps({"id": data["id"], **named_error(error).to_dict()})
        with self._lock:
            try:
                self._stream.write(line + "\n")
                self._stream.flush()
            except (OSError, ValueError):
                self.closed.set()


class Lane:
    """A thread that runs jobs one after the other."""

    def __init__(self, name: str, run: Callable[[Job], None]) -> None:
        self._run = run
        self._waiting: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def put(self, job: Job) -> None:
        self._waiting.put(job)

    def finish(self, timeout: float | None) -> bool:
        """Run what waits, then end; False where that takes longer than `timeout` s."""
        self._waiting.put(None)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while (job := self._waiting.get()) is not None:
            self._run(job)


class Engine:
    """The long methods, with the last models kept warm."""

    def __init__(self) -> None:
        self._models = WarmModels()

    def answer(self, job: Job) -> dict[str, Any]:
        methods = {
            "dub": self._dub,
            "prepare": self._prepare,
            "render": self._render,
            "assemble": self._assemble,
            "probe": self._probe,
            "models": self._list_models,
        }
        return methods[job.method](job)

    def _dub(self, job: Job) -> dict[str, Any]:
        from stylesync_engine import dubbing

        request = DubRequest.from_dict(job.params)
        models = self._models(request.options)
        return dubbing.dub(request, models, on_progress=job.progress).to_dict()

    def _prepare(self, job: Job) -> dict[str, Any]:
        from stylesync_engine import dubbing

        request = DubRequest.from_dict(_param(job, "request", dict))
        folder = Path(_param(job, "work", str))
        models = self._models(request.options)
        return {"work": str(dubbing.prepare(request, folder, models, on_progress=job.progress))}

    def _render(self, job: Job) -> dict[str, Any]:
        from stylesync_engine import dubbing

        work = Path(_param(job, "work", str))
        frames = FrameRange.parse(_param(job, "frames", str)) if "frames" in job.params else None
        plan = dubbing.read_plan(work)
        models = self._models(plan.request.options)
        dubbing.render_plan(plan, work, frames, models, on_progress=job.progress)
        return {"work": str(work)}

    def _assemble(self, job: Job) -> dict[str, Any]:
        from stylesync_engine import dubbing

        work = Path(_param(job, "work", str))
        return dubbing.assemble(work, on_progress=job.progress).to_dict()

    def _probe(self, job: Job) -> dict[str, Any]:
        from stylesync_engine import dubbing

        return dubbing.probe(_param(job, "path", str), on_progress=job.progress)

    def _list_models(self, job: Job) -> dict[str, Any]:
        from stylesync_engine.weights import loading

        return {"models": loading.list_models()}


def show_media(job: Job) -> dict[str, Any]:
    """The short methods: what a panel needs of the media, while a dub runs."""
    from stylesync_engine.review import previews

    if job.method == "facts":
        return previews.facts(_param(job, "path", str))
    if job.method == "waveform":
        return previews.waveform(_param(job, "path", str), _param(job, "bins", int))
    if job.method == "survey":
        frames = FrameRange.parse(_param(job, "frames", str))
        return previews.survey(_param(job, "video", str), frames, _param(job, "samples", int))
    if job.method == "sound":
        output = _param(job, "output", str)
        previews.write_playback_sound(_param(job, "path", str), Path(output))
        return {"output": output}
    return _show_thumbnails(job)


def _show_thumbnails(job: Job) -> dict[str, Any]:
    from stylesync_engine.review import previews

    files: list[str] = []
    frames = [_checked("frames", frame, int) for frame in _param(job, "frames", list)]
    height, folder = _param(job, "height", int), Path(_param(job, "folder", str))
    if job.method == "rendered":
        shown = previews.rendered(Path(_param(job, "work", str)), frames, height, folder)
    else:
        shown = previews.thumbnails(_param(job, "video", str), frames, height, folder)
    for frame, path in shown:
        files.append(str(path))
        step = {"stage": "thumbnails", "done": len(files), "total": len(frames)}
        job.say({"event": "progress", **step, "frame": frame, "file": str(path)})
    return {"files": files}


LONG_METHODS = ("dub", "prepare", "render", "assemble", "probe", "models")
SHORT_METHODS = ("facts", "thumbnails", "rendered", "waveform", "survey", "sound")


class Desk:
    """Takes requests in and passes them to their lane; knows the jobs that are not done."""

    def __init__(self, writer: LineWriter) -> None:
        self._writer = writer
        self._jobs: dict[Any, Job] = {}
        self._lock = threading.Lock()
        engine = Engine()
        self._long = Lane("long jobs", lambda job: self._run(job, engine.answer))
        self._short = Lane("previews", lambda job: self._run(job, show_media))

    def take(self, line: str) -> bool:
        """Act on one line; False when it asks for the end."""
        request_id: Any = None
        try:
            request = _parse_line(line)
            request_id = request.get("id")
            return self._act(request_id, request.get("method"), request.get("params"))
        except DubError as error:
            self._writer.write({"id": request_id, **error.to_dict()})
        return True

    def cancel_all(self) -> None:
        with self._lock:
            for job in self._jobs.values():
                job.cancelled = True

    def finish(self, timeout: float | None) -> bool:
        """Run what was accepted, then stop; False where a job does not end in `timeout` s."""
        return self._long.finish(timeout) and self._short.finish(timeout)

    def _act(self, request_id: Any, method: Any, params: Any) -> bool:
        if method == "shutdown":
            self._writer.write({"id": request_id, "event": "result"})
            return False
        if method == "ping":
            self._writer.write({"id": request_id, "event": "result", "version": __version__})
        elif method == "cancel":
            self._cancel(request_id)
        else:
            self._accept(request_id, method, {} if params is None else params)
        return True

    def _accept(self, request_id: Any, method: Any, params: Any) -> None:
        if not isinstance(method, str) or method not in LONG_METHODS + SHORT_METHODS:
            known = ", ".join((*LONG_METHODS, *SHORT_METHODS, "cancel", "ping", "shutdown"))
            raise RequestError(f"There is no method {json.dumps(method)}; known are {known}.")
        if not isinstance(request_id, (str, int)) or isinstance(request_id, bool):
            raise RequestError("The request's id must be text or a whole number.")
        if not isinstance(params, dict):
            raise RequestError("The request's params must be an object.")
        job = Job(request_id, method, params, self._writer)
        with self._lock:
            if request_id in self._jobs:
                raise RequestError("The id belongs to a job that is not done; give another one.")
            self._jobs[request_id] = job
        (self._long if method in LONG_METHODS else self._short).put(job)

    def _cancel(self, request_id: Any) -> None:
        with self._lock:
            job = self._jobs.get(request_id) if isinstance(request_id, (str, int)) else None
            if job is None:
                # Without the id: a job that ended a moment ago has said its last word.
                asked = json.dumps(request_id)
                error = RequestError(f"There is no job {asked} to cancel; it may be done.")
                self._writer.write({"id": None, **error.to_dict()})
                return
            job.cancelled = True
            if not job.started:
                del self._jobs[request_id]
                message = "The job was cancelled before it began."
                self._writer.write({"id": job.id, "event": "cancelled", "message": message})

    def _run(self, job: Job, answer: Answer) -> None:
        with self._lock:
            if self._jobs.get(job.id) is not job:
                return  # cancelled while it waited
            job.started = True
        event = job.run(answer)
        with self._lock:
            del self._jobs[job.id]  # first, so that the id is free once the answer is read
        self._writer.write({"id": job.id, **event})


def serve() -> int:
    """Answer until the end of standard input, `shutdown` or Ctrl-C; returns the exit code."""
    with terminate_as_interrupt(), _own_output() as stream:
        writer = LineWriter(stream)
        writer.write({"event": "ready", "version": __version__, "protocol": PROTOCOL})
        desk = Desk(writer)
        try:
            asked_to_stop = not all(desk.take(line) for line in _lines(sys.stdin.buffer))
        except KeyboardInterrupt:
            return _stop(desk, Cancelled.exit_code)
        if asked_to_stop:
            return _stop(desk, 0)
        try:
            desk.finish(timeout=None)
        except KeyboardInterrupt:
            return _stop(desk, Cancelled.exit_code)
    return 0


def _stop(desk: Desk, exit_code: int) -> int:
    desk.cancel_all()
    if not desk.finish(SECONDS_TO_STOP):
        os._exit(exit_code)  # a job that hangs in native code must not outlive its panel
    return exit_code


@contextlib.contextmanager
def _own_output() -> Iterator[IO[str]]:
    """Standard output for us alone; what else prints there, native code too, goes to stderr."""
    sys.stdout.flush()
    ours = os.dup(1)
    os.dup2(2, 1)
    try:
        with (
            os.fdopen(ours, "w", encoding="utf-8", newline="\n") as stream,
            contextlib.redirect_stdout(sys.stderr),
        ):
            yield stream
    except BrokenPipeError:
        pass


def _lines(stream: IO[bytes]) -> Iterator[str]:
    """Lines that hold something; an endless one comes in pieces, which are then no requests."""
    while line := stream.readline(LINE_CHARACTERS):
        if line.strip():
            yield line.decode("utf-8", errors="replace")


def _parse_line(line: str) -> dict[str, Any]:
    try:
        request = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"The line is not valid JSON ({error}); send one object a line.") from (
            error
        )
    if not isinstance(request, dict):
        raise RequestError("The line is not a JSON object; send one object a line.")
    return request


def _param(job: Job, name: str, kind: type) -> Any:
    if name not in job.params:
        raise RequestError(f"{job.method} needs the parameter {name}.")
    return _checked(name, job.params[name], kind)


def _checked(name: str, value: Any, kind: type) -> Any:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise RequestError(f"The parameter {name} must be {kind.__name__}.")
    return value
