"""A line is slipped by two frames and stretched by 5 %: heard so at once, and dubbed so."""

from __future__ import annotations

import wave
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from panel_material import key, wait
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication
from session_material import open_session, write_session
from stylesync_plugin.times import Span
from stylesync_ui.viewer.sound_output import RATE, SoundSegment


def heard(panel: Any) -> list[SoundSegment]:
    return [
        s
        for s in panel._segments(Span(Fraction(0), Fraction(60)))
        if "wav" in s.file and "clip" not in Path(s.file).name
    ]


def test_a_slip_is_heard_at_once_from_the_same_file(quick_panel: Any, tmp_path: Path) -> None:
    panel = quick_panel
    open_session(panel, *write_session(tmp_path))
    table = panel.lines_page.table
    table.setFocus()
    table.stand_on(0)
    wait(lambda: heard(panel), "its sound is ready to be heard")
    start = float(panel.session.rows[0].span.start)
    assert heard(panel)[0].at == pytest.approx(start)
    for _ in range(2):
        key(table, Qt.Key.Key_Period, Qt.KeyboardModifier.AltModifier)
    assert panel.session.rows[0].line.slip == 2
    assert heard(panel)[0].at == pytest.approx(start + 2 / 25)
    assert heard(panel)[0].first == 0
    for _ in range(4):
        key(table, Qt.Key.Key_Comma, Qt.KeyboardModifier.AltModifier)
    assert heard(panel)[0].at == pytest.approx(start)
    assert heard(panel)[0].first == round(2 / 25 * RATE)


def test_a_stretched_line_is_heard_as_it_is_dubbed(quick_panel: Any, tmp_path: Path) -> None:
    panel = quick_panel
    open_session(panel, *write_session(tmp_path))
    table = panel.lines_page.table
    table.setFocus()
    table.stand_on(0)
    wait(lambda: panel.media.sound(panel.session.rows[0].line.sound), "its length is known")
    panel.desk.sounds.move(0, {"slip": 2, "stretch": 1.05})
    wait(lambda: panel.viewing.line and "lines" in panel.viewing.line.file, "it is made", 60)
    made = panel.viewing.line.file
    row = panel.session.rows[0]
    job = panel.desk.dubs.job_data(row.line, row.span, panel.document.media_folder)
    assert job["speech"] == made
    with wave.open(made) as file:
        assert file.getnframes() / file.getframerate() == pytest.approx(2 / 25 + 2 * 1.05, abs=0.05)
        depth = file.getsampwidth()
        data = file.readframes(int(file.getframerate() * 2 / 25 * 0.9))
    assert not np.frombuffer(data, np.uint8).any(), depth
    assert row.line.fit == pytest.approx(2 / 25 + 2 * 1.05 - 2, abs=0.01)
    assert panel.viewing.line.at == row.span.start
    assert row.span.duration == Fraction(2)


def test_a_stretch_is_made_where_the_mouse_lets_go(quick_panel: Any, tmp_path: Path) -> None:
    """While it is held the line is silent, and its original sound too; one file is written."""
    panel = quick_panel
    open_session(panel, *write_session(tmp_path))
    panel.lines_page.table.stand_on(0)
    wait(lambda: panel.media.sound(panel.session.rows[0].line.sound), "its length is known")
    span, folder = panel.session.rows[0].span, panel.document.media_folder / "lines"
    for step in range(1, 6):
        panel.strip.line_moved.emit(0, {"stretch": 1 + step / 100}, step == 1)
        QApplication.processEvents()
        assert panel.viewing.line.file == ""
        assert panel._segments(span) == []
    assert not folder.exists()
    panel.strip.line_let_go.emit()
    wait(lambda: panel.viewing.line.file, "it is made", 60)
    wait(lambda: heard(panel), "it is heard")
    assert [str(path) for path in folder.iterdir()] == [panel.viewing.line.file]
