"""The cases of `../shared/data/cases` through the command, and what its front doors say."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from places import DATA
from stylesync_plugin import jobs
from stylesync_plugin.commands import panel
from stylesync_plugin.commands.app import main

from stylesync_engine.request import RequestError

CASES = DATA / "cases"
MULTICAM = "17-multicam-fcpxml"


@pytest.fixture
def planned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Plan a case: `planned(case, timeline, *words)` gives the exit code, dubs and errors."""

    def run(case: str, *words: str) -> tuple[int, list[Any], str]:
        if not (CASES / case).is_dir():
            pytest.skip(f"needs {CASES / case}")
        folder = tmp_path / case
        shutil.copytree(CASES / case, folder)
        speech = str(CASES / "base" / "line.wav")
        if "--jobs" in words:
            (folder / "jobs.json").write_text(
                json.dumps([{"clip": "shot_a.mov", "speech": speech}])
            )
            words = (*words[:-1], str(folder / "jobs.json"))
        else:
            words = (*words, "--speech", speech)
        code = main(["plan", str(folder / words[0]), *words[1:], "--json"])
        out, said = capsys.readouterr()
        found = json.loads(out.splitlines()[-1])
        return code, found.get("dubs", []), said

    return run


@pytest.mark.parametrize(
    ("case", "words", "frames"),
    [
        ("03-rate-flag", ("cut.edl", "--rate", "25", "--clip", "shot_a.mov"), [0, 25]),
        ("03-rate-flag", ("cut.edl", "--rate", "25", "--jobs", "jobs.json"), [0, 25]),
        ("05-fcpxmld", ("cut.fcpxmld", "--clip", "shot"), [0, 50]),
        ("06-unc", ("unc_back.otio", "--clip", "shot"), [5, 25]),
        ("06-unc", ("rel_back.otio", "--clip", "shot"), [5, 25]),
        ("06-unc", ("rel_dot.otio", "--clip", "shot"), [5, 25]),
        ("08-fcpxml-tcstart", ("resolve.fcpxml", "--range", "01:00:00:00-01:00:01:00"), [0, 25]),
        ("09-fcp7-zero-duration", ("cut.xml", "--range", "01:00:00:00-01:00:04:00"), [5, 45]),
        (MULTICAM, ("sync_spine.fcpxml", "--track", "V1", "--index", "1"), [5, 30]),
        (MULTICAM, ("sync.fcpxml", "--track", "V1", "--index", "1"), [5, 30]),
        (MULTICAM, ("mc.fcpxml", "--track", "V1", "--index", "1"), [10, 35]),
        ("24-half-rate-tc-in-edl", ("no_range.otio", "--track", "V1", "--index", "1"), [30, 50]),
        ("24-half-rate-tc-in-edl", ("whole_range.otio", "--track", "V1", "--index", "1"), [30, 50]),
    ],
)
def test_the_frames_that_are_shown_are_dubbed(
    planned: Any, case: str, words: tuple[str, ...], frames: list[int]
) -> None:
    code, dubs, said = planned(case, *words)
    assert code == 0, said
    assert [list(dub["request"]["frames"].values()) for dub in dubs] == [frames]


def test_a_speed_that_only_an_m2_line_tells_is_conformed(planned: Any) -> None:
    for name in ("resolve_drop.edl", "double_ok.edl"):
        code, dubs, _ = planned("02-edl-m2-resolve", name, "--clip", "shot_b.mov")
        shutil.rmtree(Path(dubs[0]["conform"]["video"]).parent)
        assert (code, dubs[0]["conform"]["frames"]) == (0, list(range(0, 40, 2)))


def test_a_placeholder_moves_nothing(planned: Any) -> None:
    _, dubs, _ = planned("09-fcp7-zero-duration", "cut.xml", "--clip", "shot.mp4")
    assert dubs[0]["range"] == ["2", "18/5"]


@pytest.mark.parametrize(
    ("case", "name", "said"),
    [
        ("20-image-sequences", "jpg.otio", "EXR, DPX, TIFF or PNG"),
        ("21-otio-shapes", "gone_key.otio", "'gone'"),
    ],
)
def test_what_cannot_be_dubbed_is_said_on_standard_error_alone(
    planned: Any,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    case: str,
    name: str,
    said: str,
) -> None:
    code, dubs, error = planned(case, name, "--track", "V1", "--index", "1")
    assert (code, dubs) == (3, [])
    assert said in error
    speech = str(CASES / "base" / "line.wav")
    words = ["--track", "V1", "--index", "1", "--speech", speech]
    main(["plan", str(tmp_path / case / name), *words])
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith("Nothing can be dubbed: ")
    assert said in error


def test_the_help_names_every_key_of_a_job(capsys: pytest.CaptureFixture[str]) -> None:
    main(["plan", "--help"])
    told = capsys.readouterr().out
    keys = {
        "style",
        "speech",
        "speaker",
        "person",
        "consent",
        "second",
        "options",
        "jobs",
        "search",
    }
    for key in keys.union(*jobs._KEYS.values()) - {"marker"}:
        assert key in told


@pytest.mark.parametrize("display", ["", ":77"])
def test_a_panel_that_cannot_be_shown_says_why(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], display: str
) -> None:
    pytest.importorskip("PySide6")
    monkeypatch.delenv("QT_QPA_PLATFORM", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", display)
    with pytest.raises(RequestError, match=r"^The panel cannot be shown: .*(display|xcb-cursor)"):
        panel.open_panel()
    assert capfd.readouterr() == ("", "")


def test_a_panel_that_can_be_shown_has_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("PySide6")
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    assert panel.panel_problem() is None
