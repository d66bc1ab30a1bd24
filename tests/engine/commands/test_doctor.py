"""`stylesync-engine doctor --report`: all that helps, nothing that is anybody's own."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from stylesync_engine.commands import bug_report
from stylesync_engine.commands.app import main
from stylesync_engine.failures import KEPT, keep_error, last_errors
from stylesync_engine.request import Cancelled, MediaError, RequestError

HOME = "/home/ada.byron"


@pytest.fixture(autouse=True)
def somebody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", HOME)
    monkeypatch.setattr("getpass.getuser", lambda: "abyron")
    monkeypatch.setattr("socket.gethostname", lambda: "analytical-1.studio.example")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


def test_the_last_errors_are_kept_and_no_more() -> None:
    keep_error(RequestError("the oldest"))
    for number in range(KEPT):
        keep_error(MediaError(f"number {number}"))
    keep_error(Cancelled("enough"))
    assert [entry["kind"] for entry in last_errors()] == ["MediaError"] * KEPT


def test_a_damaged_log_does_no_harm(tmp_path: Path) -> None:
    keep_error(MediaError("first"))
    [log] = (tmp_path / "state").rglob("errors.jsonl")
    log.write_bytes(b'{"a": 1}\n[]\nnonsense\n' + log.read_bytes())
    assert [entry.get("kind") for entry in last_errors()] == [None, "MediaError"]
    log.write_bytes(b"\xff\xfe")
    keep_error(MediaError("second"))
    assert [entry["kind"] for entry in last_errors()] == ["MediaError"]


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
    assert error.keys() == {"time", "version", "kind", "places"}
    assert any(place.startswith("stylesync_engine/media/") for place in error["places"])


def test_a_codec_that_fails_says_of_what_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MediaError("no such encoder")

    monkeypatch.setattr(bug_report, "VideoWriter", fail)
    assert bug_report._try_codec("h264") == "MediaError"


PEM = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\n-----END PRIVATE KEY-----\n"


@pytest.mark.parametrize("name", ["KEY", "CERTIFICATE", "STUDIO", "CONSENT"])
@pytest.mark.parametrize("text", [PEM, PEM.replace("\n", ""), "MIGHAgEAMBMGByqGSM49" * 30])
def test_a_key_in_the_place_of_its_path_is_never_told(
    name: str,
    text: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("STYLESYNC_CERTIFICATE", "test")
    monkeypatch.setenv("STYLESYNC_DEBUG", "1")
    if name == "KEY":
        monkeypatch.setenv("STYLESYNC_CERTIFICATE", str(tmp_path))
    monkeypatch.setenv(f"STYLESYNC_{name}", text)
    words = ["--video", "a.mov", "--speech", "b.wav", "--output", str(tmp_path / "c.mov")]
    file = tmp_path / "report.json"
    assert main(["dub", *words]) == 2
    assert main(["dub", *words, "--json"]) == 2
    assert main(["verify", str(tmp_path / "c.mov"), "--trust", text]) == 2
    main(["doctor", "--report", str(file)])
    said = "".join(capfd.readouterr())
    kept = "".join(path.read_text() for path in (tmp_path / "state").rglob("*") if path.is_file())
    for told in (said, kept, file.read_text()):
        assert "MIGH" not in told
        assert "BEGIN" not in told
