"""`stylesync-engine serve`: JSON lines between the panel and the engine.

Requests are `{"id": "7", "method": "dub", "params": {...}}`; every answer carries the request's id
and an event: `started`, `progress`, and last `result`, `error` or `cancelled`. The first line is
`ready`. `cancel` names the job by its id; `ping` and `shutdown` are answered at once.

Dubs and other long jobs run one at a time, in order, with their models kept warm; pictures and
waveforms have a lane of their own, so that a timeline fills while a dub runs. So has `lips`, which
tells what a dub will do before it is rendered:

    {"id": "9", "method": "lips", "params": {"request": {...}, "bins": 1000}}

The request is that of the dub; `articulation` and `style_strength` among its options and its
`mouth_keys`, such as [{"shape": "closed", "start": 12, "end": 15}], count. The answer's `curve`
holds `frames`, `rate`, `gap` (between the inner lips over the face's height, null where the frame
stays as it is), `original` (the same of the shot, null without a face) and `peaks`, the speech's
envelope over these frames in `bins` parts. A `progress` event has an earlier one, `glance` true,
of the speech alone; the answer follows once the speaker was followed, at once where that is known.

`models` lists the sets of models and, as `people`, the names of those who were made.

The end of standard input ends the program after the jobs that were accepted; a reader that has gone
cancels them.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
from collections.abc import Iterator
from typing import IO, Any

from stylesync_engine import __version__
from stylesync_engine.failures import named_error, terminate_as_interrupt
from stylesync_engine.records import strict_json
from stylesync_engine.request import (
    Cancelled,
    RequestError,
)
from stylesync_engine.serve.jobs import Answer, Job, Lane, LineWriter
from stylesync_engine.serve.methods import (
    BACKGROUND_METHODS,
    LONG_METHODS,
    REFINING_METHODS,
    SHORT_METHODS,
    Engine,
    make_proxy,
    show_media,
)

PROTOCOL = 1
LINE_CHARACTERS = 16 * 2**20
SECONDS_TO_STOP = 10.0


class Desk:
    """Takes requests in and passes them to their lane; knows the jobs that are not done."""

    def __init__(self, writer: LineWriter) -> None:
        self._writer = writer
        self._jobs: dict[Any, Job] = {}
        self._lock = threading.Lock()
        engine = Engine()
        self._long = Lane(lambda job: self._run(job, engine.answer))
        self._refining = Lane(lambda job: self._run(job, engine.predict_lips))
        self._short = Lane(lambda job: self._run(job, show_media))
        self._background = Lane(lambda job: self._run(job, make_proxy), yielding=True)
        self._lanes = {
            **dict.fromkeys(LONG_METHODS, self._long),
            **dict.fromkeys(REFINING_METHODS, self._refining),
            **dict.fromkeys(SHORT_METHODS, self._short),
            **dict.fromkeys(BACKGROUND_METHODS, self._background),
        }

    def take(self, line: str) -> bool:
        """Act on one line; False when it asks for the end."""
        request_id: Any = None
        try:
            request = _parse_line(line)
            request_id = _plain_id(request.get("id"))
            method = request.get("method")
            if not isinstance(method, str):
                raise RequestError("The request's method must be text.")
            return self._act(request_id, method, request.get("params"))
        except Exception as error:  # nothing that comes in may end the jobs of others
            self._writer.write({"id": request_id, **named_error(error).to_dict()})
        return True

    def cancel_all(self) -> None:
        with self._lock:
            for job in self._jobs.values():
                job.cancelled = True

    def finish(self, timeout: float | None) -> bool:
        """Run what was accepted, then stop; False where a job does not end in `timeout` s."""
        lanes = (self._long, self._refining, self._short, self._background)
        return all(lane.finish(timeout) for lane in lanes)

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
        if method not in self._lanes:
            known = ", ".join((*self._lanes, "cancel", "ping", "shutdown"))
            raise RequestError(f"There is no method {json.dumps(method)}; known are {known}.")
        if request_id is None or isinstance(request_id, bool):
            raise RequestError("The request's id must be text or a whole number.")
        if not isinstance(params, dict):
            raise RequestError("The request's params must be an object.")
        job = Job(request_id, method, params, self._writer)
        with self._lock:
            if request_id in self._jobs:
                raise RequestError("The id belongs to a job that is not done; give another one.")
            self._jobs[request_id] = job
        self._lanes[method].put(job)

    def _cancel(self, request_id: Any) -> None:
        with self._lock:
            job = self._jobs.get(request_id)
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


def _plain_id(request_id: Any) -> str | int | None:
    """What may be written back: not what is nested, or no JSON."""
    if not isinstance(request_id, (str, int, type(None))):
        raise RequestError("The request's id must be text or a whole number.")
    return request_id


def _parse_line(line: str) -> dict[str, Any]:
    try:
        request = strict_json(line)
    except ValueError as error:
        raise RequestError(f"The line is not valid JSON ({error}); send one object a line.") from (
            error
        )
    if not isinstance(request, dict):
        raise RequestError("The line is not a JSON object; send one object a line.")
    return request
