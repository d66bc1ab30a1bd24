"""One shot after the other: marks, speaker, lines, undo, takes, and what a file brings along."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import opentimelineio as otio
from panel_material import click, drag, drop, key, place_on_strip, wait
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication
from silent_panel import make_timeline, open_timeline
from stylesync_plugin.times import Span
from stylesync_ui.queue.jobs import JobRecord


def shots(panel: Any) -> Any:
    return panel.document.content.of_kind("Video")[0].clips


def test_after_a_style_the_next_mark_is_a_dub_again(panel: Any, tmp_path: Path) -> None:
    open_timeline(panel, make_timeline(tmp_path))
    click(panel.area.kinds.buttons["style"])
    drag(panel.strip, place_on_strip(panel, 0.5, "V1"), place_on_strip(panel, 2.0, "V1"))
    style = panel.editing.wish.style
    assert style.track == "V1"
    key(panel.viewer.canvas, "X")
    assert panel.editing.wish.dub == shots(panel)[0].span
    assert panel.editing.wish.style == style
    click(panel.form.style_kind.buttons["shot"])
    click(panel.form.style_kind.buttons["range"])
    assert panel.editing.wish.style.span == shots(panel)[0].span
    assert panel.strip.kind == "dub"


def test_a_speaker_holds_for_one_shot(panel: Any, tmp_path: Path) -> None:
    open_timeline(panel, make_timeline(tmp_path))
    first, second = (clip.span for clip in shots(panel))
    panel.editing.set_wish(dub=first)
    panel.editing.choose_face(shots(panel)[0].path, 3, 40.0, 50.0, first)
    panel.editing.set_wish(dub=Span(first.start, first.end - 1))
    assert panel.editing.wish.speaker is not None
    panel.editing.set_wish(dub=second)
    assert panel.editing.wish.speaker is None


def test_the_next_shot_takes_the_next_line_or_none(panel: Any, tmp_path: Path) -> None:
    open_timeline(panel, make_timeline(tmp_path, clips=3))
    lines = [tmp_path / name for name in ("a.wav", "b.wav")]
    for line in lines:
        line.touch()
    spans = [clip.span for clip in shots(panel)]
    panel.editing.set_wish(dub=spans[0])
    drop_all(panel.form, lines)
    assert panel.editing.wish.speech.file == str(lines[0])
    assert "b.wav" in panel.form._texts["speech"].whole
    panel.editing.note_asked()
    panel.editing.set_wish(dub=Span(spans[0].start, spans[0].end - 1))
    assert panel.editing.wish.speech.file == str(lines[0])
    panel.editing.set_wish(dub=spans[1])
    assert panel.editing.wish.speech.file == str(lines[1])
    panel.editing.note_asked()
    panel.editing.set_wish(dub=spans[2])
    assert panel.editing.wish.speech is None
    assert ("speech", "todo") in {(p.field, p.level) for p in panel.form.problems}


def drop_all(widget: Any, paths: list[Path]) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    none, copy = Qt.KeyboardModifier.NoModifier, Qt.DropAction.CopyAction
    left = Qt.MouseButton.LeftButton
    QApplication.sendEvent(widget, QDragEnterEvent(QPoint(50, 60), copy, data, left, none))
    QApplication.sendEvent(widget, QDropEvent(QPointF(50, 60), copy, data, left, none))


def test_a_line_starts_where_it_falls_and_is_seen_there(panel: Any, tmp_path: Path) -> None:
    open_timeline(panel, make_timeline(tmp_path))
    line = tmp_path / "line.wav"
    line.touch()
    at = panel.strip.moment_at(200)
    drop(panel.strip, line)
    assert panel.editing.wish.dub.start == at
    assert panel.editing.wish.dub.end == shots(panel)[0].span.end
    (block,) = panel.strip.blocks
    assert (block.state, block.title, block.span) == ("chosen", "line.wav", panel.editing.wish.dub)
    heard = panel.viewing.line
    assert (heard.file, heard.span, heard.at) == (str(line), panel.editing.wish.dub, at)


def test_undo_covers_choices_and_the_timeline(panel: Any, tmp_path: Path) -> None:
    open_timeline(panel, make_timeline(tmp_path))
    (tmp_path / "line.wav").touch()
    key(panel.viewer.canvas, "X")
    panel.marking.take_speech(str(tmp_path / "line.wav"))
    before = panel.document.content
    assert not panel.name.whole.endswith("•")
    panel.timeline.change(otherwise(before))
    assert panel.name.whole.endswith("•")
    panel.banner.say("It is on a new track.", "good")
    panel.do("undo")
    assert panel.document.content is before
    assert not panel.name.whole.endswith("•")
    assert not panel.banner.isVisible()
    panel.do("undo")
    assert (panel.editing.wish.speech, panel.editing.wish.dub is None) == (None, False)
    panel.do("undo")
    assert panel.editing.wish.dub is None
    assert not panel.tools["undo"].isEnabled()
    for _ in range(2):
        panel.do("redo")
    assert panel.editing.wish.speech.file == str(tmp_path / "line.wav")


def otherwise(content: Any) -> Any:
    return dataclasses.replace(content)


def put_dub(path: Path, output: Path, first: int = 0, frames: int = 74) -> None:
    """What write_back lays: our track above, with a dub that remembers where it comes from."""
    timeline = otio.adapters.read_from_file(str(path))
    time = otio.opentime.RationalTime
    used = otio.opentime.TimeRange(time(first, 25), time(frames, 25))
    record = {"role": "dub", "id": "place", "job": "Line 7", "request": {"speech": "a.wav"}}
    track = otio.schema.Track("StyleSync", kind="Video", metadata={"stylesync": {"role": "track"}})
    reference = otio.schema.ExternalReference(
        str(output), otio.opentime.TimeRange(time(0, 25), time(74, 25))
    )
    track.append(otio.schema.Clip("dub", reference, used, metadata={"stylesync": record}))
    timeline.tracks.insert(1, track)
    otio.adapters.write_to_file(timeline, str(path))


def test_dubs_are_read_from_the_timeline_whatever_its_name(panel: Any, tmp_path: Path) -> None:
    path, output = make_timeline(tmp_path, "delivered.otio"), tmp_path / "dub.mov"
    output.touch()
    put_dub(path, output)
    open_timeline(panel, path)
    (found,) = panel.jobs.found
    card = panel.queue_view.cards[found.id]
    assert (card.title.whole, found.placed) == ("Line 7", True)
    assert panel.viewer.modes.buttons["after"].isEnabled()
    assert [block.state for block in panel.strip.blocks] == ["placed"]
    panel.results.act(found.id, "watch")
    assert panel.viewing.piece_at(panel.position).output == str(output)
    panel.results.act(found.id, "take")
    wait(lambda: not panel.jobs.found, "it is off the track")
    assert not any(track.is_ours for track in panel.document.content.tracks)
    panel.do("undo")
    assert len(panel.jobs.found) == 1


def test_two_takes_of_a_shot_are_two_things(panel: Any, tmp_path: Path) -> None:
    """The older one lies on the timeline: only it can be taken off, and it is what is shown."""
    path, outputs = make_timeline(tmp_path), [tmp_path / "a.mov", tmp_path / "b.mov"]
    for output in outputs:
        output.touch()
    put_dub(path, outputs[0])
    open_timeline(panel, path)
    (found,) = panel.jobs.found
    jobs = []
    for output in outputs:
        job = JobRecord("Line 7", str(path), {"name": "Line 7"}, project=panel.document.project)
        job.state, job.pieces = "done", [{**found.pieces[0], "output": str(output)}]
        panel.jobs.queue.add(job)
        jobs.append(job)
    panel.jobs.match_timeline()
    assert panel.jobs.found == []
    assert [job.placed for job in jobs] == [True, False]
    cards = [panel.queue_view.cards[job.id] for job in jobs]
    assert [card.title.whole[-6:] for card in cards] == ["take A", "take B"]
    assert [card.take.isEnabled() for card in cards] == [True, False]
    panel.playhead.refresh()
    assert panel.viewing.piece_at(panel.position).output == str(outputs[0])
    panel.results.act(jobs[1].id, "watch")
    assert panel.viewing.piece_at(panel.position).output == str(outputs[1])


def test_a_saved_copy_is_the_same_project(panel: Any, tmp_path: Path) -> None:
    open_timeline(panel, make_timeline(tmp_path))
    project = panel.document.project
    panel.timeline.save(tmp_path / "copy.otio")
    open_timeline(panel, tmp_path / "copy.otio")
    assert panel.document.project == project


def test_buttons_keep_their_places(panel: Any, tmp_path: Path) -> None:
    open_timeline(panel, make_timeline(tmp_path))
    job = JobRecord("Line 7", "", {"name": "Line 7"}, project=panel.document.project)
    panel.jobs.queue.add(job)
    panel.jobs.listed.emit()
    panel.results.show_queue()
    card = panel.queue_view.cards[job.id]
    places = {}
    for state in ("waiting", "running", "done"):
        job.state = state
        panel.jobs.changed.emit(job)
        QApplication.processEvents()
        for name in ("watch", "folder", "cancel", "forget"):
            widget = getattr(card, name)
            if widget.isVisible():
                spot = widget.mapTo(card, QPoint(0, 0))
                assert places.setdefault(name, spot) == spot
    assert places["cancel"] != places["forget"]
