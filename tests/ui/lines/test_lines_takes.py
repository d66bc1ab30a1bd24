"""Takes of a line: put on its track and off it, compared with one another, made anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from panel_material import click, key, wait
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QImage
from session_material import drafted, line, open_session, outputs_on, states, write_session
from stylesync_plugin.contract import MouthKey
from stylesync_plugin.lines.document import FrameNote
from stylesync_ui.desk.sounds import described
from stylesync_ui.strip.state import HEADER, RULER

ALT = Qt.KeyboardModifier.AltModifier
CONTROL = Qt.KeyboardModifier.ControlModifier


def second_take(panel: Any, table: Any) -> tuple[str, str]:
    """The first line dubbed again with another slip; both its takes."""
    table.setFocus()
    table.stand_on(0)
    key(table, Qt.Key.Key_Period, ALT)
    key(table, Qt.Key.Key_Return, CONTROL)
    wait(lambda: len(line(panel, 0).takes) == 2, "there is a second take")
    first, second = line(panel, 0).takes
    return first, second


def test_a_line_goes_on_its_track_and_off_by_one_key(quick_panel: Any, tmp_path: Path) -> None:
    panel = quick_panel
    table, page = drafted(panel, tmp_path), panel.lines_page
    table.setFocus()
    table.stand_on(1)
    take = line(panel, 1).pick
    key(table, "P")
    wait(lambda: outputs_on(panel) == {take}, "this line alone is on its track")
    wait(lambda: page.place.text() == "Take off", "it can be taken off")
    click(page.place)
    wait(lambda: not outputs_on(panel), "it is off")
    assert "off the track" in panel.banner.text.text()
    panel.do("undo")
    wait(lambda: outputs_on(panel) == {take}, "undo brings it back")
    table.selectAll()
    page.asked.emit("put_line")
    wait(lambda: not outputs_on(panel), "what is selected follows the line that is stood on")


def test_a_line_that_is_changed_is_to_be_dubbed_anew(quick_panel: Any, tmp_path: Path) -> None:
    panel = quick_panel
    table, page = drafted(panel, tmp_path), panel.lines_page
    table.setFocus()
    table.stand_on(0)
    key(table, "Y")
    table.stand_on(0)
    assert states(panel)[0] == "approved"
    for _ in range(2):
        key(table, Qt.Key.Key_Period, ALT)
    for _ in range(5):
        key(table, Qt.Key.Key_Equal, ALT)
    assert (line(panel, 0).slip, line(panel, 0).stretch) == (2, 1.05)
    assert states(panel)[0] == "redo"
    assert page.moved.text() == "Sound: 2 frames later, 105 % as long"
    wait(lambda: page.draft_all.text().endswith("1"), "it is drafted with all that are ready")
    click(page.as_recorded)
    assert described(line(panel, 0)) == ""
    wait(lambda: not page.sound.isVisible(), "nothing is said of a sound that lies as it was")
    panel.refining._change({"keys": (MouthKey("closed", 3, 9),)})
    assert states(panel)[0] == "redo"


def test_two_takes_are_compared(
    quick_panel: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The chosen one lies in the original's place and is called by its letter."""
    panel = quick_panel
    table, page, canvas = drafted(panel, tmp_path), panel.lines_page, panel.viewer.canvas
    first, second = second_take(panel, table)
    pictures = {path: QImage(4, 4, QImage.Format.Format_RGB32) for path in (first, second)}
    original = QImage(4, 4, QImage.Format.Format_RGB32)
    monkeypatch.setattr(panel.media, "image", lambda path, *_: pictures.get(path, original))
    assert [page.against.itemText(n) for n in range(page.against.count())] == [
        "vs original", "vs A",
    ]  # fmt: skip
    page.against.setCurrentIndex(1)
    page.against.activated.emit(1)
    assert canvas.mode == "side"
    assert canvas.names == ("Take A", "Take B")
    assert (canvas.before, canvas.after) == (pictures[first], pictures[second])
    panel.do("toggle_after")
    panel.do("toggle_after")
    assert canvas.before == original
    table.stand_on(1)
    assert canvas.names == ("", "")
    assert panel.viewing.against == ""


def test_what_waits_for_the_take_that_is_compared_is_no_other_picture(
    quick_panel: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = quick_panel
    table, canvas = drafted(panel, tmp_path), panel.viewer.canvas
    first, _ = second_take(panel, table)
    original = QImage(4, 4, QImage.Format.Format_RGB32)
    monkeypatch.setattr(panel.media, "image", lambda path, *_: None if path == first else original)
    panel.playhead.compare_with(first, "Take A", "Take B")
    assert canvas.before is None
    assert "Loading" in canvas.message


def test_another_take_is_heard_once_its_sound_is_here_and_never_the_old_one(
    quick_panel: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it plays: the picture is take A's at once, the sound silent until it is A's."""
    panel = quick_panel
    table = drafted(panel, tmp_path)
    first, second = second_take(panel, table)
    span = panel.session.rows[0].span
    wait(lambda: {first, second} <= {p.output for p in panel.viewing.pieces}, "both are known")
    sounds = {p.output: p.speech for p in panel.viewing.pieces if p.output in (first, second)}
    wait(lambda: all(map(panel.media.sound, sounds.values())), "how long they are is known")
    here = {sounds[second]}
    monkeypatch.setattr(panel.media, "playable", lambda path: path if path in here else None)
    played: list[list[str]] = []
    monkeypatch.setattr(
        panel.player.output, "play",
        lambda segments, *_: played.append([s.file for s in segments if s.at < span.end]),
    )  # fmt: skip
    panel.playhead.set_mode("after")
    panel.player.go(span.start)
    panel.player.toggle()
    assert played[-1] == [sounds[second]]
    panel.desk._pick(0, first)
    assert panel.viewing.piece_at(span.start).output == first
    assert played[-1] == []
    here.add(sounds[first])
    panel.media.arrived.emit(sounds[first])
    wait(lambda: played[-1] == [sounds[first]], "its sound follows")
    begun = len(played)
    panel.playhead.refresh()
    assert len(played) == begun
    panel.player.stop()


def test_a_new_take_stays_picked_while_others_are_put_on(quick_panel: Any, tmp_path: Path) -> None:
    panel = quick_panel
    table = drafted(panel, tmp_path)
    wait(panel.lines_page.put_all.isEnabled, "they can be put on")
    click(panel.lines_page.put_all)
    wait(lambda: len(outputs_on(panel)) == 4, "the first takes are on the timeline")
    first, second = second_take(panel, table)
    assert line(panel, 0).pick == second
    table.stand_on(1)
    key(table, "P")
    wait(lambda: len(outputs_on(panel)) == 3, "another line is taken off")
    wait(lambda: panel.lines_page.place.text() == "Put on", "its lines are matched")
    assert first in outputs_on(panel)
    assert line(panel, 0).pick == second
    wait(lambda: panel.lines_page.put_all.text().endswith("2"), "both can be put on")


def test_what_was_interrupted_goes_on_where_it_is_seen(quick_panel: Any, tmp_path: Path) -> None:
    panel = quick_panel
    open_session(panel, *write_session(tmp_path))
    wait(panel.lines_page.draft_all.isEnabled, "they can be drafted")
    panel.link._process.kill()
    panel.do("draft_all")
    panel.do("go_on")
    assert panel.side.currentWidget() is panel.lines_page
    wait(lambda: states(panel)[0] != "ready", "it began")
    assert panel.side.tabText(panel.side.indexOf(panel.queue_view)) == "Queue"


def test_keys_and_notes_are_seen_on_the_lane(quick_panel: Any, tmp_path: Path) -> None:
    panel = quick_panel
    open_session(panel, *write_session(tmp_path))
    strip, start = panel.strip, panel.session.rows[0].span.start
    panel.session.change(
        [0], keys=(MouthKey("closed", 5, 10),), notes=(FrameNote(25, "the lips stay open"),)
    )
    block = next(block for block in strip.lane_blocks() if block.index == 0)
    assert [(float(a - start), float(b - start)) for a, b, _ in block.keys] == [(0.2, 0.4)]
    assert block.notes == ((start + 1, "the lips stay open"),)
    at = QPoint(HEADER + round(strip.scale.x_of(start + 1)), RULER + 8)
    assert strip._hands.hover(at.toPointF())[1] == "the lips stay open"
    click(strip, at)
    assert panel.position == start + 1


def test_handles_are_a_field_of_the_line(quick_panel: Any, tmp_path: Path) -> None:
    panel = quick_panel
    drafted(panel, tmp_path)
    model = panel.lines_page.model
    column = [column.field for column in model.columns].index("handles")
    cell = model.index(0, column)
    assert model.cell(0, column).text == ""
    assert model.setData(cell, "12")
    assert line(panel, 0).handles == 12
    assert states(panel)[0] == "redo"
    job = panel.desk.dubs.job_data(line(panel, 0), panel.session.rows[0].span, tmp_path)
    assert job["options"].get("handles", job.get("handles")) == 12
    assert not model.setData(cell, "many")
    assert "no number of frames" in panel.banner.text.text()
    assert model.setData(cell, "")
    assert line(panel, 0).handles is None
