"""Once for all that is asked within a while: news that come without a pause are shown too."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer


class Soon(QTimer):
    """Does something `ms` after it was first asked for, however often it is until then.

    A timer that starts again at every asking would wait for a pause that a quick batch never makes.
    """

    def __init__(self, do: Callable[[], object], ms: int, parent: QObject) -> None:
        super().__init__(parent)
        self.setSingleShot(True)
        self.setInterval(ms)
        self.timeout.connect(do)

    def ask(self) -> None:
        if not self.isActive():
            self.start()
