"""What the panel says across its whole width."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QPushButton

from stylesync_ui.look.widgets import button, label, mark, row, tool


class Banner(QFrame):
    """A message across the panel with up to two actions; never modal."""

    acted = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("role", "banner")
        self.text = label()
        self.text.setWordWrap(True)
        self._buttons = [button(""), button("")]
        self._actions = ["", ""]
        self._close = tool("close", self.tr("Dismiss"))
        made = row(self.text, *self._buttons, self._close, spacing=8)
        made.setStretch(0, 1)
        made.setContentsMargins(12, 6, 8, 6)
        self.setLayout(made)
        for number, entry in enumerate(self._buttons):
            entry.clicked.connect(lambda _=False, n=number: self._act(n))
        self._close.clicked.connect(self.hide)
        self.hide()

    def say(self, text: str, level: str, *actions: tuple[str, str]) -> None:
        """`actions` are (key, text) pairs."""
        mark(self, "level", level)
        self.text.setText(text)
        self.setAccessibleName(text)
        for number, entry in enumerate(self._buttons):
            shown = number < len(actions)
            entry.setVisible(shown)
            if shown:
                self._actions[number] = actions[number][0]
                entry.setText(actions[number][1])
        self.show()

    def _act(self, number: int) -> None:
        self.hide()
        self.acted.emit(self._actions[number])

    def button_of(self, action: str) -> QPushButton | None:
        return next(
            (b for b, key in zip(self._buttons, self._actions, strict=True)
             if key == action and b.isVisible()), None,
        )  # fmt: skip
