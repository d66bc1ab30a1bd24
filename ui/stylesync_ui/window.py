# ruff: noqa: N802  (Qt calls these by its own names)
"""The panel as a program of its own."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QByteArray
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import QApplication, QMainWindow

from stylesync_ui.look import theme
from stylesync_ui.panel.panel import Panel
from stylesync_ui.panel.preferences import Home

SIZE = (1440, 900)
FRAME = (8, 40)
"""px that a window manager puts around a window."""


class Window(QMainWindow):
    """A window around the panel."""

    def __init__(self, home: Home | None = None, command: Sequence[str] | None = None) -> None:
        super().__init__()
        self.panel = Panel(home, command)
        self.setCentralWidget(self.panel)
        self.setWindowTitle("StyleSync")
        self.panel.title_changed.connect(lambda name: self.setWindowTitle(f"{name} - StyleSync"))
        self.panel.timeline.opened.connect(lambda _: _keep_out_of_collection())
        self.panel.session.opened.connect(lambda _: _keep_out_of_collection())
        self._take_place()

    def _take_place(self) -> None:
        """Where it was the last time, else as large as the screen allows."""
        room = self.screen().availableGeometry()
        self.resize(min(SIZE[0], room.width() - FRAME[0]), min(SIZE[1], room.height() - FRAME[1]))
        self.restoreGeometry(QByteArray.fromHex(self.panel.preferences.window.encode()))

    def closeEvent(self, event: QCloseEvent) -> None:
        if not self.panel.timeline.may_leave():
            event.ignore()
            return
        self.panel.shut(bytes(self.saveGeometry().toHex().data()).decode())
        super().closeEvent(event)


def _keep_out_of_collection() -> None:
    """What was read is not searched for cycles again and again: with 20,000 lines that would hold
    the window up. In a host this is the host's affair."""
    gc.unfreeze()
    gc.freeze()


def make_application(arguments: Sequence[str]) -> QApplication:
    """The running application, or a new one in our colours."""
    running = QApplication.instance()
    if isinstance(running, QApplication):
        return running
    application = QApplication(list(arguments))
    application.setApplicationName("StyleSync")
    theme.apply_to_application(application)
    return application


def run(arguments: Sequence[str]) -> int:
    """Open a window, with a timeline if one is named; returns the exit code."""
    application = make_application(sys.argv[:1])
    window = Window()
    window.show()
    if arguments:
        window.panel.open(Path(arguments[0]))
    return application.exec()
