"""Windows fit the screen; sizes and splitters come back."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication
from silent_panel import make_timeline, open_timeline, open_window


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
