# ruff: noqa: N802  (Qt's own names)
"""The field in which editors type a time code."""

from __future__ import annotations

from fractions import Fraction

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QLineEdit
from stylesync_plugin.contract import DubError
from stylesync_plugin.times import time_code

from stylesync_ui.look import theme
from stylesync_ui.look.timecode_entry import parse_entry
from stylesync_ui.look.widgets import mark


class TimeField(QLineEdit):
    """A time code that takes what editors type; Escape takes it back.

    `left` says that the keys are free for the player again.
    """

    entered = Signal(object)
    left = Signal()

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setFont(theme.mono_font())
        self.setStyleSheet(f"font-family: '{theme.MONO[-1]}', monospace;")
        self.setPlaceholderText("--:--:--:--")
        self.setFixedWidth(112)
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.moment: Fraction | None = None
        self._rate, self._zero = Fraction(25), Fraction(0)
        self._current = Fraction(0)
        self.returnPressed.connect(self._finish)
        self.editingFinished.connect(self._leave)

    def set_clock(self, rate: Fraction, zero: Fraction, current: Fraction) -> None:
        """What signed and shortened entries count from."""
        self._rate, self._zero, self._current = rate, zero, current

    def show_moment(self, moment: Fraction | None) -> None:
        self.moment = moment
        if not (self.hasFocus() and self.isModified()):
            self._write()

    def _write(self) -> None:
        known = self.moment is not None
        self.setText(time_code(self.moment or Fraction(0), self._rate, self._zero) if known else "")
        self._mark("")

    def _enter(self) -> None:
        if not self.isModified():
            return
        from_here = self.moment if self.moment is not None else self._current
        try:
            moment = parse_entry(self.text(), self._rate, self._zero, from_here)
        except DubError as error:
            self._mark(str(error))
            return
        self.setModified(False)
        self._mark("")
        self.entered.emit(moment)
        self._write()

    def _finish(self) -> None:
        self._enter()
        if not self.isModified():
            self.left.emit()

    def _leave(self) -> None:
        if self.isModified() and self.text().strip():
            self._enter()
        elif self.isModified():
            self._write()

    def _mark(self, problem: str) -> None:
        self.setToolTip(problem)
        mark(self, "wrong", bool(problem))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self._write()
            self.setModified(False)
            self.left.emit()
            return
        super().keyPressEvent(event)
