"""`stylesync-engine doctor --report`: all that helps, nothing that is anybody's own."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from stylesync_engine.commands import bug_report, scrubbing
from stylesync_engine.commands.app import main
from stylesync_engine.failures import KEPT, keep_error, last_errors
from stylesync_engine.request import Cancelled, MediaError

HOME = "/home/ada.byron"


@pytest.fixture(autouse=True)
def somebody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", HOME)
    monkeypatch.setattr("getpass.getuser", lambda: "abyron")
    monkeypatch.setattr("socket.gethostname", lambda: "analytical-1.studio.example")
    monkeypatch.setattr(scrubbing, "_full_names", lambda: {"Ada Byron", "Ada", "Byron"})
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    scrubbing._personal.cache_clear()


@pytest.fixture(autouse=True)
def forget_names() -> object:
    yield
    scrubbing._personal.cache_clear()
    return None


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        (f"'{HOME}/My Film/shot 1.mov' is damaged", "<file.mov> is damaged"),
        (f"{HOME}/My Film/shot 1.mov does not exist", "<file.mov> does not exist"),
        ("'shot 1.mov' is empty; copy it", "<file.mov> is empty; copy it"),
        ("There is no plan in '/mnt/reel 3/work'; run", "There is no plan in <file>; run"),
        ("no room in /mnt/reel3/work left", "no room in <folder> left"),
        (r"C:\Users\Ada Byron\cut.otio cannot", "<file.otio> cannot"),
        (r"\\analytical-1\share\a.mov", "<file.mov>"),
        ("abyron on analytical-1 and ADA BYRON", "<user> on <host> and <user>"),
        ("reading Harbour_r3_012.MXF, frame 3", "reading <file.MXF>, frame 3"),
        ("../reel/take.wav and ~/x/y", "<file.wav> and <folder>"),
        ("30000/1001 per second and/or 25/1", "30000/1001 per second and/or 25/1"),
        ("2.13.0+cpu 6.12.1 x86_64", "2.13.0+cpu 6.12.1 x86_64"),
        (
            f'File "{HOME}/.venv/lib/python3.11/site-packages/av/container.py", line 3, in open',
            "File <av/container.py>, line 3, in open",
        ),
        ('File "/opt/app/stylesync_engine/a.py", line 9', "File <stylesync_engine/a.py>, line 9"),
        ('File "/usr/lib/python3.11/json/decoder.py", line 1', "File <json/decoder.py>, line 1"),
    ],
)  # fmt: skip
def test_text_is_scrubbed(text: str, scrubbed: str) -> None:
    assert scrubbing.scrub_text(text) == scrubbed
    assert scrubbing.scrub({text: [text]}) == {scrubbed: [scrubbed]}


def test_the_last_errors_are_kept_and_no_more() -> None:
    for number in range(KEPT + 5):
        keep_error(MediaError(f"number {number}"))
    keep_error(Cancelled("enough"))
    assert [entry["message"] for entry in last_errors()] == [
        f"number {number}" for number in range(5, KEPT + 5)
    ]


def test_a_damaged_log_does_no_harm(tmp_path: Path) -> None:
    keep_error(MediaError("first"))
    [log] = (tmp_path / "state").rglob("errors.jsonl")
    log.write_bytes(b'{"a": 1}\n[]\nnonsense\n' + log.read_bytes())
    assert [entry.get("message") for entry in last_errors()] == [None, "first"]
    log.write_bytes(b"\xff\xfe")
    keep_error(MediaError("second"))
    assert [entry["message"] for entry in last_errors()] == ["second"]


def test_the_report_tells_all_but_whose_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STYLESYNC_CERTIFICATE", f"{HOME}/keys/byron.pem")
    secret = f"{HOME}/Secret Film/ada_take7.mov"
    assert main(["probe", secret]) == 3
    capsys.readouterr()
    file = tmp_path / "report.json"
    assert main(["doctor", "--report", str(file)]) == 0
    assert "read it before you send it" in capsys.readouterr().out
    text = file.read_text()
    assert not re.search(r"\bada(\b|_)", text, re.IGNORECASE)  # adapters may be told of
    for word in ("byron", "Secret", "take7", "analytical", "studio.example", str(tmp_path)):
        assert word.lower() not in text.lower()
    told = json.loads(text)
    assert told["packages"]["torch"][0].isdigit()
    assert told["devices"][0]["device"] == "cpu"
    assert told["models"][0]["name"] == "starter"
    assert len(told["models"][0]["fingerprint"]) == 64
    assert told["codecs"]["ffv1"] == told["codecs"]["prores4444"] == "works"
    assert told["settings"] == sorted(told["settings"]) != []
    assert "STYLESYNC_CERTIFICATE" in told["settings"]
    [error] = told["errors"]
    assert error["kind"] == "MediaError"
    assert "<file.mov>" in error["message"]
    assert "stylesync_engine/media" in error["trace"]


def test_a_codec_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MediaError("no such encoder")

    monkeypatch.setattr(bug_report, "VideoWriter", fail)
    assert bug_report._try_codec("h264") == "MediaError: no such encoder"
