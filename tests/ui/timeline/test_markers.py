"""Markers: drawn where they lie, made of the form, dubbed from; jobs of a file."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio
from panel_material import add_marker, click, key, wait
from PySide6.QtCore import Qt
from silent_panel import make_timeline, open_timeline
from stylesync_plugin.times import Span


def test_markers_are_read_where_they_lie(panel: Any, tmp_path: Path) -> None:
    path = make_timeline(tmp_path)
    add_marker(path, 50, 10, {"speech": "a.wav"})
    timeline = otio.adapters.read_from_file(str(path))
    time = otio.opentime.RationalTime
    on_clip = otio.schema.Marker("on clip", otio.opentime.TimeRange(time(4, 25), time(2, 25)))
    timeline.video_tracks()[0][1].markers.append(on_clip)
    otio.adapters.write_to_file(timeline, str(path))
    open_timeline(panel, path)
    first, second = panel.document.content.markers
    assert (first.name, first.says_what) == ("line 50", True)
    assert first.span == Span(Fraction(2), Fraction(60, 25))
    assert (second.name, second.says_what) == ("on clip", False)
    assert second.span == Span(Fraction(78, 25), Fraction(80, 25))
    assert not panel.strip.grab().isNull()


def test_a_marker_is_made_of_the_form_and_dubbed_from(panel: Any, tmp_path: Path) -> None:
    open_timeline(panel, make_timeline(tmp_path))
    panel.do("markers")
    assert "make one" in panel.banner.text.text()
    (tmp_path / "line.wav").touch()
    key(panel.viewer.canvas, "X")
    panel.marking.take_speech(str(tmp_path / "line.wav"))
    key(panel.viewer.canvas, Qt.Key.Key_M, Qt.KeyboardModifier.ControlModifier)
    wait(lambda: panel.document.content.markers, "it is made", 20)
    (marker,) = panel.document.content.markers
    assert marker.says_what
    assert marker.span == panel.editing.wish.dub
    panel.do("markers")
    (job,) = panel.jobs.queue
    assert job.job["speech"] == {"file": str(tmp_path / "line.wav")}
    panel.do("undo")
    assert not panel.document.content.markers


def test_jobs_of_a_file_name_what_lies_beside_it(panel: Any, tmp_path: Path) -> None:
    open_timeline(panel, make_timeline(tmp_path))
    folder = tmp_path / "session"
    folder.mkdir()
    (folder / "a.wav").touch()
    jobs = {"jobs": [{"name": "one", "range": "0s-1s", "speech": "a.wav"}]}
    (folder / "jobs.json").write_text(json.dumps(jobs))
    panel.results.submit_file(folder / "jobs.json")
    (job,) = panel.jobs.queue
    assert job.job["speech"] == {"file": str(folder / "a.wav")}
    panel.results.submit_file(folder / "nothing.json")
    assert "nothing.json" in panel.banner.text.text()
    click(panel.banner._close)
