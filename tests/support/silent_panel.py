"""A panel in a window with an engine that is silent, and a timeline of empty files in it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from panel_material import key, wait, write_timeline
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QComboBox
from stylesync_ui.panel.preferences import Home
from stylesync_ui.window import Window, make_application

SILENT = 'import sys; print(\'{"event": "ready"}\', flush=True); sys.stdin.read()'


@pytest.fixture
def panel(qapp: QApplication, tmp_path: Path) -> Iterator[Any]:
    """A panel with an engine that says it is ready and then nothing more."""
    yield from panel_of(open_window(tmp_path))


def panel_of(window: Window) -> Iterator[Any]:
    """The panel while a test uses it; what it has changed is forgotten."""
    yield window.panel
    if window.panel.document is not None:
        window.panel.document.forget_changes()
    window.close()


def open_window(
    folder: Path,
    resized: bool = True,
    engine: Sequence[str] = ("-c", SILENT),
    size: tuple[int, int] = (1440, 900),
) -> Window:
    """A window on settings of its own, with the engine that Python runs so."""
    make_application([])
    home = Home(folder / "config", folder / "previews")
    window = Window(home, [sys.executable, "-S", *engine])
    if resized:
        window.resize(*size)
    window.show()
    window.activateWindow()
    QTest.qWaitForWindowExposed(window)
    wait(lambda: window.panel.link.state == "ready", "the engine is ready", 30)
    return window


def make_timeline(folder: Path, name: str = "cut.otio", clips: int = 2, tracks: int = 1) -> Path:
    files = [folder / f"clip{number}.mov" for number in range(clips)]
    for file in files:
        file.touch()
    return write_timeline(folder / name, files, tracks=tracks)


def open_timeline(panel: Any, path: Path) -> None:
    before = panel.document
    panel.open(path)
    wait(lambda: panel.document is not before, "it is open")
    QApplication.processEvents()


def choose(box: QComboBox, name: object) -> None:
    """From the list, by keys."""
    box.setFocus(Qt.FocusReason.TabFocusReason)
    key(box, Qt.Key.Key_Home)
    while box.currentData() != name:
        key(box, Qt.Key.Key_Down)
