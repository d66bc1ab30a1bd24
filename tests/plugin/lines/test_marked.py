"""Markers become lines, and notes become markers and tables."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest
from mlt_case import KDENLIVE, project
from stylesync_plugin.commands.app import main
from stylesync_plugin.formats.files import read_timeline, write_timeline
from stylesync_plugin.lines.document import FrameNote, read_lines, write_lines
from stylesync_plugin.lines.importing import import_lines
from stylesync_plugin.lines.marked import notes_table, with_notes
from stylesync_plugin.timeline.sources import SoundFacts
from timeline_material import MadeUpProbe, RationalTime, clip, made_up, ranged, timeline, track

from stylesync_engine.request import RequestError

RATE = Fraction(25)


class Probe(MadeUpProbe):
    """Sounds of two seconds."""

    def sound(self, path: str) -> SoundFacts:
        return SoundFacts(48_000, 96_000)


@pytest.fixture
def cut(tmp_path: Path) -> Any:
    made = timeline(track(clip("A", made_up(tmp_path, RATE, 5000), 100, 1000, 25, (0, 5000))))
    made.global_start_time = RationalTime(10 * 3600 * 25, 25)
    marks = (("12 ANNA: Hello", 25, 50), ("line 13", 250, 0), ("[BEN] Bye", 500, 1))
    for name, first, length in marks:
        made.tracks.markers.append(otio.schema.Marker(name, ranged(first, length, 25)))
    return made


def test_markers_become_lines_by_their_names(tmp_path: Path, cut: Any) -> None:
    (tmp_path / "wavs").mkdir()
    (tmp_path / "wavs" / "13.wav").touch()
    lines = import_lines(None, tmp_path / "wavs", cut, "cut.otio", Probe()).lines
    assert [(e.number, e.character, e.text, e.start, e.end) for e in lines] == [
        ("12", "ANNA", "Hello", "10:00:01:00", "10:00:03:00"),
        ("13", "", "", "10:00:10:00", "10:00:12:00"),
        ("3", "BEN", "Bye", "10:00:20:00", "10:01:20:00"),
    ]
    assert [Path(e.sound).name for e in lines if e.sound] == ["13.wav"]


def test_a_timeline_without_markers_says_so(tmp_path: Path) -> None:
    bare = timeline(track(clip("A", made_up(tmp_path, RATE, 50), 0, 50, 25, (0, 50))))
    with pytest.raises(RequestError, match="no markers or guides"):
        import_lines(None, None, bare, "cut.otio", Probe())


def test_guides_of_an_open_project_become_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = project(tmp_path, tmp_path, KDENLIVE)
    session = tmp_path / "session.json"
    assert main(["lines", "import", str(source), str(source), "-o", str(session)]) == 0
    [line] = read_lines(session).lines
    assert (line.text, line.status) == ("guide", "no sound")
    capsys.readouterr()


def test_notes_are_a_table_and_markers(
    tmp_path: Path, cut: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = import_lines(None, None, cut, "cut.otio", Probe())
    first = replace(
        lines.lines[0], note="=late", status="redo", notes=(FrameNote(10, "lips open"),)
    )
    plain = [replace(line, note="") for line in lines.lines[1:]]
    noted = lines.with_lines([first, *plain])
    write_lines(noted, tmp_path / "session.json")
    assert read_lines(tmp_path / "session.json") == noted
    rows = list(csv.reader(io.StringIO(notes_table(noted, cut))))
    assert rows[1:] == [
        ["12", "ANNA", "10:00:01:00", "redo", "'=late"],
        ["12", "ANNA", "10:00:01:10", "redo", "lips open"],
    ]
    marked = with_notes(noted, cut).tracks.markers
    assert [(m.name, m.marked_range.start_time.value) for m in marked[3:]] == [
        ("12: =late", 25),
        ("12: lips open", 35),
    ]
    write_timeline(cut, tmp_path / "cut.otio")
    words = ["lines", "notes", str(tmp_path / "session.json"), str(tmp_path / "cut.otio")]
    assert main([*words, "-o", str(tmp_path / "noted.otio")]) == 0
    assert len(read_timeline(tmp_path / "noted.otio").tracks.markers) == 5
    assert "2 notes" in capsys.readouterr().out
