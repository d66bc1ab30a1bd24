"""Windows fit the screen; sizes and splitters come back."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication
from silent_panel import make_timeline, open_timeline, open_window
from stylesync_ui.lines.lip_curve import LOW, LipCurveView

from stylesync_engine.request import FrameRange, LipCurve


def test_size_and_splitters_are_remembered(qapp: QApplication, tmp_path: Path) -> None:
    first = open_window(tmp_path)
    room = first.screen().availableGeometry()
    first.panel.pages.setCurrentWidget(first.panel.workspace)
    first.resize(room.width() - 60, room.height() - 70)
    first.panel.inner.setSizes([300, 250])
    QApplication.processEvents()
    size, parts = first.size(), first.panel.inner.sizes()
    first.close()
    again = open_window(tmp_path, resized=False)
    again.panel.pages.setCurrentWidget(again.panel.workspace)
    QApplication.processEvents()
    assert again.size() == size
    assert again.panel.inner.sizes() == parts
    again.close()


def test_a_new_window_fits_its_screen(qapp: QApplication, tmp_path: Path) -> None:
    window = open_window(tmp_path, resized=False)
    room = window.screen().availableGeometry()
    assert window.width() <= room.width()
    assert window.height() <= room.height()
    window.close()


@pytest.mark.parametrize(("width", "height"), [(1366, 730), (960, 510)])
def test_nothing_is_cut_off_on_small_screens(
    qapp: QApplication, tmp_path: Path, width: int, height: int
) -> None:
    window = open_window(tmp_path)
    window.resize(width, height)
    open_timeline(window.panel, make_timeline(tmp_path))
    QApplication.processEvents()
    assert (window.width(), window.height()) == (width, height)
    panel = window.panel
    for widget in (panel.form.submit, panel.strip, panel.area.scroller, panel.viewer.tools["play"]):
        assert widget.visibleRegion().boundingRect() == widget.rect(), widget
    window.close()


def test_what_is_read_first_of_lines_has_room_on_a_small_screen(
    qapp: QApplication, tmp_path: Path
) -> None:
    """Number, status, character, time, text and fit, beside a scroll bar."""
    window = open_window(tmp_path, size=(960, 510))
    panel = window.panel
    open_timeline(panel, make_timeline(tmp_path))
    panel.show_lines()
    QApplication.processEvents()
    table, names = panel.lines_page.table, [c.field for c in panel.lines_page.model.columns]
    last = names.index("fit")
    right = table.columnViewportPosition(last) + table.columnWidth(last)
    assert right <= table.width() - table.verticalScrollBar().sizeHint().width()
    window.close()


def test_curves_leave_room_for_what_is_said_of_them(qapp: QApplication) -> None:
    """Not a pixel of the first line of text differs where curves and sound are drawn below it."""
    view = LipCurveView()
    view.setFixedSize(400, LOW)
    view.show_curve(None, (), "The speech is longer than the line; its end is cut off.")
    bare = view.grab().toImage()
    whole = LipCurve(FrameRange(0, 4), Fraction(25), (0.9,) * 4, (0.9,) * 4)
    view.show_curve(whole, [1.0] * 4, view.message)
    drawn = view.grab().toImage()
    rows = range(16)
    assert all(bare.pixel(x, y) == drawn.pixel(x, y) for y in rows for x in range(2, 400))
    assert drawn != bare


def test_many_tracks_have_a_scroll_bar(qapp: QApplication, tmp_path: Path) -> None:
    window = open_window(tmp_path)
    window.resize(960, 510)
    panel = window.panel
    open_timeline(panel, make_timeline(tmp_path, tracks=6))
    QApplication.processEvents()
    assert panel.area.lift.isVisible()
    panel.area.lift.setValue(panel.area.lift.maximum())
    last = panel.strip.track_rows()[-1][1]
    assert last.bottom() <= panel.strip.height()
    window.close()
