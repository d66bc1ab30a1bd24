"""Dubs handed over: on tracks alone, or into the very file they came from."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from mlt_case import KDENLIVE, project
from stylesync_plugin.batch.dub_timeline import dub_timeline
from stylesync_plugin.commands import batch as command
from stylesync_plugin.commands.app import main
from stylesync_plugin.formats.files import keep_copy, read_timeline, write_timeline
from stylesync_plugin.jobs import job_from
from stylesync_plugin.lines.reviewing import media_of
from stylesync_plugin.planning.planner import PlanSettings
from stylesync_plugin.timeline.layout import lay_out
from stylesync_plugin.writing.write_back import list_dubs, only_ours
from timeline_material import MarkingEngine, write_clip, write_speech

from stylesync_engine.files import locked
from stylesync_engine.request import RequestError

RATE = Fraction(25)


@pytest.fixture
def kdenlive(tmp_path: Path) -> Path:
    for number, name in enumerate("ab", 1):
        write_clip(tmp_path / f"{name}.mkv", RATE, 120, number)
    write_speech(tmp_path / "line.wav", 2.0)
    return project(tmp_path, tmp_path, KDENLIVE)


@pytest.mark.parametrize("suffix", [".otio", ".xml", ".fcpxml"])
def test_our_tracks_alone_lie_where_they_lay(tmp_path: Path, kdenlive: Path, suffix: str) -> None:
    content = read_timeline(kdenlive)
    job = job_from({"range": "10-30", "speech": "line.wav"}, "7", {"codec": "ffv1"})
    settings = PlanSettings(tmp_path / "dubs", (tmp_path,))
    dubbed = dub_timeline(content, [job], settings, MarkingEngine()).timeline
    write_timeline(dubbed, tmp_path / "dubbed.otio")
    target = tmp_path / f"alone{suffix}"
    assert main(["extract", str(tmp_path / "dubbed.otio"), "-o", str(target)]) == 0
    placed = lay_out(read_timeline(target)).clips
    found = {
        p.kind: [round(t * RATE) for t in (p.root_span.start, p.root_span.end)] for p in placed
    }
    assert len(placed) == 2
    assert found == {"Video": [10, 30], "Audio": [10, 30]}
    with pytest.raises(RequestError, match="holds no dubs"):
        only_ours(content)


def test_nothing_that_a_timeline_is_or_names_is_written_over(
    tmp_path: Path, kdenlive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = read_timeline(kdenlive)
    job = job_from({"range": "10-30", "speech": "line.wav"}, "7", {"codec": "ffv1"})
    settings = PlanSettings(tmp_path / "dubs", (tmp_path,))
    dubbed = tmp_path / "dubbed.otio"
    write_timeline(dub_timeline(content, [job], settings, MarkingEngine()).timeline, dubbed)
    plates = media_of(content)
    linked = tmp_path / "linked.mp4"
    linked.hardlink_to(plates[0])
    before = {path: path.read_bytes() for path in (dubbed, *plates)}
    for words in (["remove"], ["extract"]):
        assert main([*words, str(dubbed), "-o", str(dubbed)]) == 2
        assert "would overwrite the timeline" in capsys.readouterr().err
    for output in (dubbed, plates[0], linked):
        assert main(["lines", "review", str(dubbed), "-o", str(output)]) == 2
        assert "would overwrite" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in (dubbed, *plates)} == before


def test_what_is_written_over_in_place_is_nobody_elses_meanwhile(
    tmp_path: Path, kdenlive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["dub", str(kdenlive), "--range", "10-30", "--speech", str(tmp_path / "line.wav")]
    with locked(kdenlive):
        assert main([*words, "--in-place"]) == 2
    assert "in use" in capsys.readouterr().err
    assert main(["dub", str(tmp_path / "none" / "cut.otio"), *words[2:], "--in-place"]) != 0
    assert not (tmp_path / "none").exists()


def test_dubs_go_into_the_project_itself_and_a_copy_is_kept(
    tmp_path: Path, kdenlive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "EngineProcess", _Engine)
    before = kdenlive.read_bytes()
    words = ["dub", str(kdenlive), "--range", "10-30", "--speech", str(tmp_path / "line.wav")]
    words += ["--codec", "ffv1", "--in-place", "--no-report"]
    assert main(words) == 0
    assert len(list_dubs(read_timeline(kdenlive))) == 1
    copies = sorted(tmp_path.glob("cut.before-*.kdenlive"))
    assert [path.read_bytes() for path in copies] == [before]
    assert main([*words, "-o", str(tmp_path / "other.kdenlive")]) == 2
    assert keep_copy(kdenlive).name == "cut.before-2.kdenlive"


class _Engine(MarkingEngine):
    def __enter__(self) -> _Engine:
        return self

    def __exit__(self, *_: object) -> None:
        pass
