"""A session in the panel: from a script to drafts on their tracks; keys, takes, undo, restarts."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest
from panel_material import add_marker, click, drag, key, wait
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication, QInputDialog
from session_material import (
    code,
    drafted,
    line,
    open_quick_window,
    open_session,
    outputs_on,
    states,
    write_session,
    write_sound,
)
from silent_panel import open_timeline
from stylesync_plugin.lines.document import read_lines
from stylesync_ui.lines.cast import CastDialog


def test_three_dropped_things_are_a_session(quick_panel: Any, tmp_path: Path) -> None:
    panel = quick_panel
    open_session(panel, *write_session(tmp_path))
    page = panel.lines_page
    assert panel.side.currentWidget() is page
    assert states(panel) == ["ready"] * 4
    shown = [page.model.index(1, n).data() for n in range(page.model.columnCount())]
    assert shown[:6] == ["2", "ready", "Anna", code(84), "Line 2", "+0.0 s"]
    wait(lambda: page.draft_all.text().endswith("4"), "the button says how many")
    wait((tmp_path / "reel.lines.json").exists, "it is kept beside the timeline")
    page.table.setFocus()
    page.table.stand_on(0)
    key(page.table, Qt.Key.Key_Tab)
    assert page.table.current == 1
    assert panel.position == panel.session.rows[1].span.start
    assert panel.viewing.line.file.endswith("line_002.wav")
    blocks = panel.strip.lane_blocks()
    assert [block.title for block in blocks if block.current] == ["2  Anna"]


def test_all_are_drafted_judged_and_put_on(quick_panel: Any, tmp_path: Path) -> None:
    panel = quick_panel
    table, page = drafted(panel, tmp_path), panel.lines_page
    assert not panel.queue_view.cards
    assert [len(line(panel, n).takes) for n in range(4)] == [1, 1, 1, 1]
    table.setFocus()
    table.stand_on(0)
    key(table, "Y")
    key(table, "N")
    assert states(panel) == ["approved", "redo", "draft", "draft"]
    assert table.current == 2
    wait(lambda: page.good_all.text().endswith("1"), "one is approved")
    click(page.good_all)
    wait(lambda: states(panel)[0] == "good", "it is good")
    assert len(line(panel, 0).takes) == 2
    assert panel.jobs.picks >= {line(panel, 0).pick}
    wait(lambda: page.put_all.text().endswith("4"), "four can be put on")
    before = panel.document.content
    click(page.put_all)
    wait(lambda: panel.document.content is not before, "all are on the timeline")
    ours = [t for t in panel.document.content.of_kind("Video") if t.is_ours]
    assert sum(len(track.clips) for track in ours) == 4
    panel.do("undo")
    assert not any(track.is_ours for track in panel.document.content.tracks)


def test_takes_change_in_place_bit_for_bit(quick_panel: Any, tmp_path: Path) -> None:
    """Line 1 from one take to the other: viewer, timeline and saved file name the same file."""
    panel = quick_panel
    table = drafted(panel, tmp_path)
    table.setFocus()
    table.stand_on(0)
    panel.do("slip_on")
    key(table, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    wait(lambda: len(line(panel, 0).takes) == 2, "there is a second take")
    first, second = line(panel, 0).takes
    assert Path(first).read_text() != Path(second).read_text()
    click(panel.lines_page.put_all)
    wait(lambda: outputs_on(panel), "they are on the timeline")
    for take in (first, second):
        key(table, "[")
        assert line(panel, 0).pick == take
        wait(lambda t=take: t in outputs_on(panel), "the take lies on the timeline")
        wait(lambda t=take: panel.viewing.piece_at(panel.position).output == t, "it is seen")
    panel.timeline.save(tmp_path / "out.otio")
    saved = otio.adapters.read_from_file(str(tmp_path / "out.otio"))
    names = {str(c.media_reference.target_url) for c in saved.find_clips() if "(dubbed)" in c.name}
    assert any(second in name for name in names)
    assert not any(first in name for name in names)


def test_a_failed_line_says_why_and_the_others_go_on(quick_panel: Any, tmp_path: Path) -> None:
    panel = quick_panel
    timeline, script, sounds = write_session(tmp_path)
    shutil.move(sounds / "line_002.wav", sounds / "broken_002.wav")
    open_session(panel, timeline, script, sounds)
    wait(lambda: panel.lines_page.draft_all.isEnabled(), "they can be drafted")
    click(panel.lines_page.draft_all)
    wait(lambda: states(panel) == ["draft", "failed", "draft", "draft"], "all but one are done")
    panel.lines_page.table.stand_on(1)
    assert "broken" in panel.lines_page.why.text()
    retake = write_sound(tmp_path / "retake.wav", 2.0)
    panel.desk.take_files([str(retake)], 1)
    wait(lambda: states(panel)[1] == "ready", "it has another sound")
    key(panel.lines_page.table, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    wait(lambda: states(panel)[1] == "draft", "it is done")


@pytest.mark.parametrize("was", ["waiting", "interrupted"])
def test_what_waits_is_said_when_it_is_opened_again(
    quick_panel: Any, tmp_path: Path, was: str
) -> None:
    """The panel is killed in a batch: what is finished is known, the rest waits for "Go on",
    whether it ran then or not; it is offered once."""
    panel = quick_panel
    drafted(panel, tmp_path)
    file = tmp_path / "reel.lines.json"
    wait(lambda: file.exists() and read_lines(file).lines[3].takes, "it is kept")
    panel.document.forget_changes()
    panel.window().close()
    data = json.loads(file.read_text())
    for entry in data["lines"][2:]:
        entry.update(status="waiting", quality="draft", takes=[], pick=None)
    file.write_text(json.dumps(data))
    queue = tmp_path / "config" / "queue.json"
    kept = json.loads(queue.read_text())
    last = next(job for job in kept["jobs"] if job["line"] == "4")
    last.update(state="running")
    if was == "waiting":
        kept["jobs"].remove(last)
    queue.write_text(json.dumps(kept))
    window = open_quick_window(tmp_path)
    again = window.panel
    open_timeline(again, tmp_path / "reel.otio")
    wait(lambda: bool(again.session), "the lines are back")
    assert states(again) == ["draft", "draft", "draft", was]
    assert "wait" in again.banner.text.text()
    assert not again.engine_banner.isVisible()
    again.do("go_on_lines")
    wait(lambda: states(again) == ["draft"] * 4, "the rest is done")
    again.document.forget_changes()
    window.close()


def test_two_panels_on_one_project_are_noticed(quick_panel: Any, tmp_path: Path) -> None:
    open_session(quick_panel, *write_session(tmp_path))
    wait((tmp_path / "reel.lines.json").exists, "it is kept")
    window = open_quick_window(tmp_path / "other")
    other = window.panel
    open_timeline(other, tmp_path / "reel.otio")
    wait(lambda: other.session.read_only, "the second one only looks")
    assert "another panel" in other.banner.text.text()
    other.session.change([0], note="mine")
    assert line(other, 0).note == ""
    other.document.forget_changes()
    window.close()
    quick_panel.session.change([0], note="kept")
    wait(lambda: read_lines(tmp_path / "reel.lines.json").lines[0].note == "kept", "it is kept")


def test_a_changed_timeline_moves_its_lines_or_marks_them(quick_panel: Any, tmp_path: Path) -> None:
    panel = quick_panel
    path, script, sounds = write_session(tmp_path)
    open_session(panel, path, script, sounds)
    wait((tmp_path / "reel.lines.json").exists, "it is kept")
    timeline = otio.adapters.read_from_file(str(path))
    for track in timeline.tracks:
        del track[0]
    otio.adapters.write_to_file(timeline, str(path))
    wait(lambda: "another program" in panel.banner.text.text(), "the change is noticed", 30)
    click(panel.banner.button_of("read_again"))
    wait(lambda: states(panel) == ["unclear", "ready", "ready", "ready"], "they are matched again")
    assert line(panel, 1).start == code(10)
    assert "1 lost the clip" in panel.banner.text.text()


def test_dubs_move_with_the_clips_of_their_lines(quick_panel: Any, tmp_path: Path) -> None:
    """They are seen over no other clip, and go on where the clip lies now; a line that has lost its
    clip shows none."""
    panel = quick_panel
    drafted(panel, tmp_path)
    takes = [line(panel, n).pick for n in range(4)]
    path = tmp_path / "reel.otio"
    timeline = otio.adapters.read_from_file(str(path))
    for track in timeline.tracks:
        del track[0]
    otio.adapters.write_to_file(timeline, str(path))
    wait(lambda: "another program" in panel.banner.text.text(), "the change is noticed", 30)
    click(panel.banner.button_of("read_again"))
    wait(lambda: states(panel)[:1] == ["unclear"], "they are matched again")
    panel.playhead.refresh()
    pieces = {piece.output: piece.span for piece in panel.viewing.pieces}
    assert pieces == {takes[n]: panel.session.rows[n].span for n in (1, 2, 3)}
    panel.do("put_all")
    wait(lambda: outputs_on(panel) == set(takes[1:]), "they go on where their clips are now")
    ours = [t for t in panel.document.content.of_kind("Video") if t.is_ours]
    starts = sorted(clip.span.start for track in ours for clip in track.clips)
    assert starts == [panel.session.rows[n].span.start for n in (1, 2, 3)]
    panel.lines_page.table.stand_on(1)
    panel.do("put_line")
    wait(lambda: outputs_on(panel) == set(takes[2:]), "one is taken off again")


CTRL, NONE = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.NoModifier


@pytest.mark.parametrize(
    ("part", "held", "frames", "field", "wanted"),
    [
        ("middle", NONE, 2, "slip", 2),
        ("middle", NONE, -2, "slip", -2),
        ("end", NONE, -2, "trim_out", 0.08),
        ("start", NONE, 2, "trim_in", 0.08),
        ("end", CTRL, 2, "stretch", 1.04),
        ("end", CTRL, 50, "stretch", 1.1),
    ],
)
def test_a_sound_is_moved_on_the_lane(
    quick_panel: Any, tmp_path: Path, part: str, held: Any, frames: int, field: str, wanted: float
) -> None:
    """Dragged by frames: slipped in the middle, trimmed at its ends, stretched with Ctrl."""
    panel = quick_panel
    open_session(panel, *write_session(tmp_path))
    strip = panel.strip
    panel.lines_page.table.stand_on(0)
    panel.desk.open_line(0)
    wait(lambda: panel.media.sound(line(panel, 0).sound), "its length is known")
    QApplication.processEvents()
    (block,) = [b for b in strip.lane_blocks() if b.current]
    sound = block.sound
    at = {"start": sound.at, "middle": (sound.at + sound.end) / 2, "end": sound.end}[part]
    x = 96 + strip.scale.x_of(at)
    begin = QPoint(round(x), 26 + 16)
    drag(strip, begin, begin + QPoint(round(frames * strip.scale.density / 25), 0), held)
    assert getattr(line(panel, 0), field) == pytest.approx(wanted, abs=0.015)
    panel.do("undo")
    assert getattr(line(panel, 0), field) == (1 if field == "stretch" else 0)


def test_a_sound_that_is_dropped_on_a_line_is_its_own(quick_panel: Any, tmp_path: Path) -> None:
    panel = quick_panel
    open_session(panel, *write_session(tmp_path))
    retake = write_sound(tmp_path / "retake.wav", 2.4)
    panel.desk.take_files([str(retake)], 2)
    wait(lambda: line(panel, 2).sound == str(retake), "it has the new sound")
    assert line(panel, 2).fit == pytest.approx(0.4)
    panel.do("undo")
    assert line(panel, 2).sound.endswith("line_003.wav")


def test_lips_are_seen_before_they_are_rendered(quick_panel: Any, tmp_path: Path) -> None:
    panel = quick_panel
    open_session(panel, *write_session(tmp_path))
    page = panel.lines_page
    page.table.setFocus()
    page.table.stand_on(1)
    key(page.table, "E")
    view = page.refine
    wait(lambda: view.curve.curve is not None and not view.curve.curve.glance, "the curve is seen")
    assert len(view.curve.curve.gap) == 50
    view.articulation.setValue(120)
    wait(lambda: line(panel, 1).articulation == 1.2, "it is the line's")
    width = view.curve.width()
    drag(view.curve, QPoint(round(width * 0.2), 20), QPoint(round(width * 0.4), 20))
    click(view.closed)
    assert [str(k) for k in line(panel, 1).keys] == ["closed@10:20"]
    assert "closed@10:20" in panel.desk.dubs.job_data(
        line(panel, 1), panel.session.rows[1].span, tmp_path
    )["keys"]  # fmt: skip
    click(view.clear)
    assert line(panel, 1).keys == ()


def test_lines_inherit_from_the_cast(quick_panel: Any, tmp_path: Path) -> None:
    panel = quick_panel
    open_session(panel, *write_session(tmp_path))
    (tmp_path / "anna.mov").touch()
    wait(lambda: panel.editing.people_here, "the engine says who was made")
    panel.do("cast")
    dialog = panel.findChild(CastDialog)
    offered = dialog.person.completer()
    assert offered.property("names") == ["Ada", "Ben"]
    dialog.person.actions()[-1].trigger()
    assert offered.popup().isVisible()
    offered.popup().hide()
    assert [entry.name for entry in panel.session.lines.cast] == ["Ben", "Anna"]
    dialog.names.setCurrentRow(1)
    dialog.person.setText("Anna Example")
    dialog.person.editingFinished.emit()
    dialog._set(style=str(tmp_path / "anna.mov"), colour="#ff0000")
    dialog.close()
    spans = [row.span for row in panel.session.rows]
    ben, anna = (panel.desk.dubs.job_data(line(panel, n), spans[n], tmp_path) for n in (0, 1))
    assert (anna["style"], anna["person"]) == (str(tmp_path / "anna.mov"), "Anna Example")
    assert "style" not in ben
    assert {b.colour for b in panel.strip.lane_blocks()} >= {"#ff0000"}


def test_notes_on_frames_go_out_with_the_lines(
    quick_panel: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = quick_panel
    open_session(panel, *write_session(tmp_path))
    monkeypatch.setattr(QInputDialog, "getText", lambda *_: ("lips too late", True))
    table = panel.lines_page.table
    table.setFocus()
    table.stand_on(1)
    key(table, "C")
    key(panel.viewer.canvas, Qt.Key.Key_Right)
    key(panel.viewer.canvas, "C")
    assert [note.frame for note in line(panel, 1).notes] == [0, 1]
    assert panel.lines_page.model.index(1, 11).data() == "lips too late  ·  lips too late"
    panel.desk.export(tmp_path / "session.notes.csv")
    told = (tmp_path / "session.notes.csv").read_text().splitlines()
    assert [row.split(",")[2] for row in told[1:]] == [code(84), code(85)]
    panel.desk.export(tmp_path / "notes.doc")
    assert "neither" in panel.banner.text.text()


def test_the_original_sound_stays_where_that_is_wanted(quick_panel: Any, tmp_path: Path) -> None:
    panel = quick_panel
    panel._adopt(dataclasses.replace(panel.preferences, original_sound="keep"))
    drafted(panel, tmp_path, lines=1)
    wait(lambda: panel.lines_page.put_all.isEnabled(), "it can be put on")
    click(panel.lines_page.put_all)
    wait(lambda: outputs_on(panel), "it is on the timeline")
    sounds = [t for t in panel.document.content.of_kind("Audio") if not t.is_ours]
    assert all(clip.placed.enabled for track in sounds for clip in track.clips)
    panel.do("undo")
    panel._adopt(dataclasses.replace(panel.preferences, original_sound="off"))
    wait(lambda: panel.lines_page.put_all.isEnabled(), "it can be put on again")
    click(panel.lines_page.put_all)
    wait(lambda: outputs_on(panel), "it is on the timeline")
    sounds = [t for t in panel.document.content.of_kind("Audio") if not t.is_ours]
    assert not all(clip.placed.enabled for track in sounds for clip in track.clips)


def test_markers_become_lines_and_our_tracks_go_out_alone(quick_panel: Any, tmp_path: Path) -> None:
    panel = quick_panel
    timeline, _, sounds = write_session(tmp_path, lines=2)
    for first in (10, 84):
        add_marker(timeline, first, 50, {})
    named = otio.adapters.read_from_file(str(timeline))
    for number, marker in enumerate(named.tracks.markers, 1):
        marker.name = f"{number} ANNA: Hello"
    otio.adapters.write_to_file(named, str(timeline))
    open_timeline(panel, timeline)
    panel.do("lines_of_markers")
    wait(lambda: bool(panel.session), "the markers are lines")
    assert [(line(panel, n).number, line(panel, n).character) for n in (0, 1)] == [
        ("1", "ANNA"), ("2", "ANNA"),
    ]  # fmt: skip
    panel.desk.take_files([str(sounds)], -1)
    wait(lambda: states(panel) == ["ready"] * 2, "they have their sounds")
    wait(lambda: panel.lines_page.draft_all.isEnabled(), "they can be drafted")
    click(panel.lines_page.draft_all)
    wait(lambda: states(panel) == ["draft"] * 2, "they are drafted")
    wait(lambda: panel.lines_page.put_all.isEnabled(), "they can be put on")
    click(panel.lines_page.put_all)
    wait(lambda: outputs_on(panel), "they are on the timeline")
    panel.timeline.save_ours(tmp_path / "ours.otio")
    ours = otio.adapters.read_from_file(str(tmp_path / "ours.otio"))
    assert {clip.media_reference.target_url.rsplit("/", 1)[-1].split("_")[0]
            for clip in ours.video_tracks()[0].find_clips()} == {"clip0", "clip1"}  # fmt: skip


def test_an_engine_that_dies_in_a_batch_loses_nothing(quick_panel: Any, tmp_path: Path) -> None:
    """What is finished stays; "Go on" dubs the line in which it died, and all that wait."""
    panel = quick_panel
    timeline, script, sounds = write_session(tmp_path)
    shutil.move(sounds / "line_002.wav", sounds / "deadly_002.wav")
    open_session(panel, timeline, script, sounds)
    wait(lambda: panel.lines_page.draft_all.isEnabled(), "they can be drafted")
    click(panel.lines_page.draft_all)
    wait(lambda: states(panel)[1] == "interrupted", "the engine has died")
    assert states(panel) == ["draft", "interrupted", "waiting", "waiting"]
    wait(lambda: panel.link.state == "ready", "it is started again", 30)
    click(panel.engine_banner.button_of("go_on"))
    wait(lambda: states(panel) == ["draft"] * 4, "all are done")
    assert [len(line(panel, n).takes) for n in range(4)] == [1, 1, 1, 1]
