"""`stylesync-engine serve` as a process: what the panel may rely on."""

from __future__ import annotations

import contextlib
import io
import json
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import soundfile
from places import SUPPORT

from stylesync_engine import __version__
from stylesync_engine.serve import jobs, methods

STAND_IN = SUPPORT / "stand_in_engine.py"
Event = dict[str, Any]


class Served:
    """The process, its events as they come, and what went to standard error."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(STAND_IN), "serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.events: queue.Queue[Event | None] = queue.Queue()
        self.stderr = b""
        self._readers = [threading.Thread(target=self._read), threading.Thread(target=self._drain)]
        for reader in self._readers:
            reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.events.put(json.loads(line))
        self.events.put(None)

    def _drain(self) -> None:
        assert self.process.stderr is not None
        self.stderr = self.process.stderr.read()

    def send(self, *requests: Event | bytes) -> None:
        assert self.process.stdin is not None
        for request in requests:
            line = request if isinstance(request, bytes) else json.dumps(request).encode()
            self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def close_input(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def next(self, seconds: float = 20) -> Event | None:
        return self.events.get(timeout=seconds)

    def until(self, askedid: Any, *kinds: str) -> Event:
        """The next event of one of these kinds with this id; others are passed over."""
        while (event := self.next()) is not None:
            if event.get("id") == askedid and event["event"] in kinds:
                return event
        raise AssertionError(f"The process ended without {kinds} of {askedid}.")

    def rest(self) -> list[Event]:
        """All events up to the process's end."""
        events = []
        while (event := self.next()) is not None:
            events.append(event)
        return events

    def end(self) -> None:
        self.process.kill()
        for reader in self._readers:
            reader.join(20)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert stream is not None
            with contextlib.suppress(BrokenPipeError):
                stream.close()
        self.process.wait(20)


@pytest.fixture
def served() -> Iterator[Served]:
    running = Served()
    try:
        ready = running.next()
        assert ready == {"event": "ready", "version": __version__, "protocol": 1}
        yield running
    finally:
        running.end()


def dub_of(askedid: Any, video: str, **options: Any) -> Event:
    params = {"video": video, "speech": "line.wav", "output": f"{askedid}.mov"}
    return {"id": askedid, "method": "dub", "params": {**params, "options": options}}


def test_a_dub_reports_progress_and_its_result(served: Served) -> None:
    served.send(dub_of("a", "shot.mov", seed=7))
    events = [served.next() for _ in range(5)]
    assert events[0] == {"id": "a", "event": "started"}
    assert events[1:4] == [
        {"id": "a", "event": "progress", "stage": "render", "done": done, "total": 3}
        for done in (1, 2, 3)
    ]
    assert events[4] is not None
    assert (events[4]["id"], events[4]["event"], events[4]["output"]) == ("a", "result", "a.mov")
    assert events[4]["seed"] == 7


def test_jobs_run_in_order_with_warm_models(served: Served) -> None:
    served.send(*(dub_of(number, "shot.mov") for number in range(4)))
    served.send(dub_of(4, "shot.mov", device="cuda:1"))
    served.close_input()
    events = served.rest()
    started = [event["id"] for event in events if event["event"] == "started"]
    finished = [event["id"] for event in events if event["event"] == "result"]
    assert started == finished == [0, 1, 2, 3, 4]
    assert served.process.wait(20) == 0
    served.end()
    assert served.stderr.count(b"loading") == 2


def test_a_cancel_stops_the_running_job_and_the_next_one_runs(served: Served) -> None:
    served.send(dub_of("long", "endless.mp4"), dub_of("next", "shot.mov"))
    served.until("long", "progress")
    served.send({"id": "long", "method": "cancel"})
    assert served.until("long", "cancelled", "result", "error")["event"] == "cancelled"
    assert served.until("next", "result")["frames"] == 75


def test_a_waiting_job_is_cancelled_at_once(served: Served) -> None:
    served.send(dub_of("long", "endless.mp4"), dub_of("waiting", "shot.mov"))
    served.until("long", "progress")
    served.send({"id": "waiting", "method": "cancel"})
    assert served.until("waiting", "cancelled", "started")["event"] == "cancelled"
    served.send({"id": "long", "method": "cancel"}, dub_of("waiting", "shot.mov"))
    assert served.until("waiting", "result")["output"] == "waiting.mov"


def test_to_cancel_what_is_not_there_is_said_without_an_id(served: Served) -> None:
    served.send({"id": "nobody", "method": "cancel"}, {"id": ["x"], "method": "cancel"})
    for _ in range(2):
        event = served.next()
        assert event is not None
        assert (event["id"], event["event"], event["kind"]) == (None, "error", "RequestError")


def test_pings_are_answered_while_a_job_runs(served: Served) -> None:
    served.send(dub_of("long", "endless.mp4"))
    served.until("long", "progress")
    served.send({"id": "p", "method": "ping"})
    assert served.until("p", "result")["version"] == __version__


@pytest.mark.parametrize(
    ("line", "askedid"),
    [
        (b"nonsense", None),
        (b"\xff\xfe\x00", None),
        (b"[1, 2]", None),
        (b"null", None),
        (b"[" * 100_000, None),
        (b'{"id": "x"}', "x"),
        (b'{"id": "x", "method": "fly"}', "x"),
        (b'{"id": "x", "method": {}}', "x"),
        (b'{"id": null, "method": "dub", "params": {}}', None),
        (b'{"id": true, "method": "dub", "params": {}}', True),
        (b'{"id": "x", "method": "dub", "params": 5}', "x"),
    ],
)
def test_malformed_lines_get_an_error_and_kill_nothing(
    served: Served, line: bytes, askedid: Any
) -> None:
    served.send(b"", b"   ", line, {"id": "p", "method": "ping"})
    event = served.next()
    assert event is not None
    assert (event["id"], event["event"], event["kind"]) == (askedid, "error", "RequestError")
    assert served.until("p", "result")


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        (dub_of("x", "empty.mp4"), "NoFaceError"),
        (dub_of("x", "full.mp4"), "DiskError"),
        (dub_of("x", "broken.mp4"), "InternalError"),
        (dub_of("x", "interrupted.mp4"), "Cancelled"),
        (dub_of("x", "shot.mov", quality="superb"), "RequestError"),
        ({"id": "x", "method": "dub"}, "RequestError"),
        ({"id": "x", "method": "probe", "params": {}}, "RequestError"),
        ({"id": "x", "method": "probe", "params": {"path": 5}}, "RequestError"),
        ({"id": "x", "method": "probe", "params": {"path": "wrong.mp4"}}, "MediaError"),
    ],
)
def test_a_failing_job_says_why_and_the_next_one_runs(
    served: Served, asked: Event, kind: str
) -> None:
    served.send(asked, dub_of("next", "shot.mov"))
    assert served.until("x", "error", "result", "cancelled")["kind"] == kind
    assert served.until("next", "result")


def test_one_id_is_one_job(served: Served) -> None:
    served.send(dub_of("a", "endless.mp4"), dub_of("a", "shot.mov"))
    assert "id" in served.until("a", "error")["message"]
    served.send({"id": "a", "method": "cancel"})
    assert served.until("a", "cancelled")


def test_plan_render_and_join(served: Served) -> None:
    request = dub_of("x", "shot.mov")["params"]
    served.send(
        {"id": 1, "method": "prepare", "params": {"request": request, "work": "plan"}},
        {"id": 2, "method": "render", "params": {"work": "plan", "frames": "0:50"}},
        {"id": 3, "method": "assemble", "params": {"work": "plan"}},
        {"id": 4, "method": "models"},
        {"id": 5, "method": "probe", "params": {"path": "shot.mov"}},
    )
    assert served.until(1, "result")["work"] == "plan"
    assert served.until(2, "result")["work"] == "plan"
    assert served.until(3, "result")["output"] == "plan/out.mov"
    assert served.until(4, "result")["models"][0]["name"] == "starter"
    assert served.until(5, "result")["rate"] == "30000/1001"


def test_models_are_loaded_once_for_all_stages_and_jobs(stand_in: ModuleType) -> None:
    engine, writer = methods.Engine(), jobs.LineWriter(io.StringIO())
    request = dub_of("x", "shot.mov")["params"]
    for method, params in (
        ("prepare", {"request": request, "work": "plan"}),
        ("render", {"work": "plan", "frames": "0:50"}),
        ("render", {"work": "plan"}),
        ("dub", request),
    ):
        assert engine.answer(jobs.Job(1, method, params, writer))
    assert [call[0] for call in stand_in.calls].count("load") == 1
    other = {**request, "options": {"models": "paper"}}
    engine.answer(jobs.Job(2, "dub", other, writer))
    assert [call[1] for call in stand_in.calls if call[0] == "load"] == ["starter", "paper"]


def test_nothing_but_events_on_standard_output(served: Served) -> None:
    served.send(dub_of("a", "chatty.mp4"))
    assert served.until("a", "result")
    served.close_input()
    assert served.rest() == []
    served.end()
    assert b"a library talks" in served.stderr
    assert b"native code talks" in served.stderr


def test_the_end_of_input_lets_accepted_jobs_finish(served: Served) -> None:
    served.send(dub_of("a", "shot.mov"), dub_of("b", "shot.mov"))
    served.close_input()
    assert [event["id"] for event in served.rest() if event["event"] == "result"] == ["a", "b"]
    assert served.process.wait(20) == 0


def test_shutdown_cancels_and_ends(served: Served) -> None:
    served.send(dub_of("a", "endless.mp4"), dub_of("b", "shot.mov"))
    served.until("a", "progress")
    served.send({"id": "s", "method": "shutdown"})
    events = served.rest()
    assert {"id": "s", "event": "result"} in events
    assert [event["event"] for event in events if event["id"] in ("a", "b")][-2:] == [
        "cancelled",
        "cancelled",
    ]
    assert served.process.wait(20) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_cancels_and_ends(served: Served, number: signal.Signals) -> None:
    served.send(dub_of("a", "endless.mp4"))
    served.until("a", "progress")
    served.process.send_signal(number)
    assert served.rest()[-1]["event"] == "cancelled"
    assert served.process.wait(20) == 130


def test_a_panel_that_died_stops_its_job() -> None:
    process = subprocess.Popen(
        [sys.executable, str(STAND_IN), "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(dub_of("a", "endless.mp4")).encode() + b"\n")
    process.stdin.flush()
    for _ in range(3):
        process.stdout.readline()
    process.stdin.close()
    process.stdout.close()
    assert process.wait(20) == 0


@pytest.mark.parametrize(
    ("method", "params", "kind"),
    [
        ("waveform", {"path": "no.wav", "bins": 5}, "MediaError"),
        ("waveform", {"path": "no.wav", "bins": 0}, "RequestError"),
        ("waveform", {"path": "no.wav"}, "RequestError"),
        (
            "thumbnails",
            {"video": "no", "frames": ["a"], "height": 9, "folder": "f"},
            "RequestError",
        ),
        ("thumbnails", {"video": "no", "frames": [-1], "height": 9, "folder": "f"}, "RequestError"),
        ("thumbnails", {"video": "no", "frames": [0], "height": 9, "folder": "f"}, "MediaError"),
    ],
)
def test_a_failing_preview_says_why(served: Served, method: str, params: Event, kind: str) -> None:
    served.send({"id": "x", "method": method, "params": params})
    assert served.until("x", "error", "result")["kind"] == kind


def test_previews_come_while_a_dub_runs(served: Served, tmp_path: Path) -> None:
    sound = np.zeros((48000, 2), np.float32)
    sound[24000:36000, 1] = 0.5 * np.sin(np.arange(12000) * 2 * np.pi * 440 / 48000)
    path = tmp_path / "line #1 é.wav"
    soundfile.write(path, sound, 48000, subtype="FLOAT")
    served.send(
        dub_of("long", "endless.mp4"),
        {"id": "w", "method": "waveform", "params": {"path": str(path), "bins": 4}},
    )
    result = served.until("w", "result", "error")
    assert result["seconds"] == pytest.approx(1.0, abs=1e-3)
    assert result["peaks"] == pytest.approx([0, 0, 0.5, 0], abs=0.06)
    served.send({"id": "long", "method": "cancel"})
    assert served.until("long", "cancelled")


@pytest.mark.parametrize(
    "line",
    [
        '{"id": ' + "[" * 1000 + "]" * 1000 + ', "method": "ping"}',
        '{"id": {"a": 1}, "method": "cancel"}',
        '{"id": NaN, "method": "ping"}',
        '{"id": 1, "id": 2, "method": "ping"}',
        '{"id": "a", "method": ' + "[" * 900 + "]" * 900 + "}",
        '{"id": ' + "9" * 5000 + ', "method": "ping"}',
        '{"id": 1e999, "method": "ping"}',
        "[" * 100_000,
        "null",
    ],
)
def test_nothing_that_comes_in_ends_it(line: str) -> None:
    import io

    from stylesync_engine.serve.jobs import LineWriter
    from stylesync_engine.serve.server import Desk

    stream = io.StringIO()
    desk = Desk(LineWriter(stream))
    assert desk.take(line)
    assert desk.take('{"id": "next", "method": "ping"}')
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert (first["event"], second["id"], second["event"]) == ("error", "next", "result")
    assert desk.finish(5)


@pytest.mark.parametrize("path", ["", "x" * 5000, "a\0b", "half \ud800"])
@pytest.mark.parametrize("method", ["facts", "waveform"])
def test_a_path_that_no_disk_holds_is_refused(served: Served, method: str, path: str) -> None:
    served.send({"id": "a", "method": method, "params": {"path": path, "bins": 9}})
    assert served.until("a", "error")["kind"] in ("RequestError", "MediaError")


def test_a_line_of_a_hundred_megabytes_is_refused(served: Served) -> None:
    served.send(b"x" * 10**8, {"id": "next", "method": "ping"})
    assert served.until("next", "result")
    told = Path(f"/proc/{served.process.pid}/status").read_text()
    peak = int(told.split("VmHWM:")[1].split()[0])
    assert peak < 2**20  # KiB


def test_lips_are_told_while_a_dub_runs(served: Served, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "line.wav", np.full(4800, 0.5), 48_000)
    request = {"video": "a.mov", "speech": str(tmp_path / "line.wav"), "output": "b.mov"}
    served.send(dub_of("long", "endless.mov"))
    served.until("long", "progress")
    served.send({"id": "l", "method": "lips", "params": {"request": request, "bins": 4}})
    glance = served.until("l", "progress")
    curve = served.until("l", "result")["curve"]
    assert glance["curve"]["glance"]
    assert (curve["gap"], curve["original"]) == ([0.1, None], [0.2, 0.3])
    assert (curve["frames"], curve["rate"]) == ({"start": 0, "end": 2}, "25/1")
    assert len(curve["peaks"]) == 4
    assert curve["peaks"][1] == pytest.approx(0.5, abs=0.1)
    served.send({"id": "long", "method": "cancel"})
    served.until("long", "cancelled")


def test_lanes_that_start_together_load_whole_libraries(tmp_path: Path) -> None:
    """Each of the first jobs of the lanes imports much; of what they share none gets a half."""
    missing = str(tmp_path / "none.mov")
    request = {"video": missing, "speech": missing, "output": str(tmp_path / "o.mov")}
    asked = [
        {"method": "assemble", "params": {"work": missing}},
        {"method": "lips", "params": {"request": request}},
        {"method": "facts", "params": {"path": missing}},
        {"method": "proxy", "params": {
            "video": missing, "frames": "0:9", "height": 90, "output": str(tmp_path / "p.mjpeg"),
        }},
    ]  # fmt: skip
    lines = "".join(json.dumps({"id": str(i), **entry}) + "\n" for i, entry in enumerate(asked))
    words = [sys.executable, "-m", "stylesync_engine", "serve"]
    done = subprocess.run(words, input=lines, capture_output=True, text=True, check=True)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    said = [event["message"] for event in events if event["event"] == "error"]
    assert len(said) == len(asked)
    assert all("should not have happened" not in message for message in said), said
