# ruff: noqa: N802  (Qt's own names)
"""The field in which editors type time: `1000`, `+12`, `10.`, `1:02:03`, `12.5s`, `300f`."""

from __future__ import annotations

import math
import re
from fractions import Fraction

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QLineEdit
from stylesync_plugin.contract import DubError, RequestError
from stylesync_plugin.timeline.layout import Layout
from stylesync_plugin.times import parse_time, time_code

from stylesync_ui.look import theme
from stylesync_ui.look.widgets import mark

_SECONDS = re.compile(r"\d+(?:\.\d+)?\s*s")
_FRAMES = re.compile(r"(\d+)\s*f")
_FIELDS = re.compile(r"[\d:;.,]{1,14}")


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
        self._drop: bool | None = None
        self._current = Fraction(0)
        self.returnPressed.connect(self._finish)
        self.editingFinished.connect(self._leave)

    def set_clock(self, layout: Layout, current: Fraction) -> None:
        """How the timeline counts, and what signed and shortened entries count from."""
        self._rate, self._zero, self._drop = layout.rate, layout.zero, layout.drop
        self._current = current

    def show_moment(self, moment: Fraction | None) -> None:
        self.moment = moment
        if not (self.hasFocus() and self.isModified()):
            self._write()

    def _write(self) -> None:
        moment, clock = self.moment, (self._rate, self._zero, self._drop)
        self.setText(time_code(moment, *clock) if moment is not None else "")
        self._mark("")

    def _enter(self) -> None:
        if not self.isModified():
            return
        from_here = self.moment if self.moment is not None else self._current
        try:
            moment = parse_entry(self.text(), self._rate, self._zero, from_here, self._drop)
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


def parse_entry(
    text: str, rate: Fraction, zero: Fraction, current: Fraction, counts_drop: bool | None = None
) -> Fraction:
    """Seconds on the timeline, never before its start; it `counts_drop` frame or not, by rate where
    that is not known.

    A sign moves from `current`. Fields that are left out at the front are those of `current`;
    too many frames or seconds carry over. Raises RequestError with one sentence.
    """
    written = text.strip().replace(" ", "")
    if written[:1] in ("+", "-") and len(written) > 1:
        moved = _amount(written[1:], rate)
        return max(Fraction(0), current + (moved if written[0] == "+" else -moved))
    if _SECONDS.fullmatch(written):
        return parse_time(written, rate)
    if found := _FRAMES.fullmatch(written):
        return int(found[1]) / rate
    fields = _fields(written)
    here = time_code(current, rate, zero, counts_drop)
    leading = _fields(here)
    carried = _carried(leading[: 4 - len(fields)] + fields, rate, here[-3])
    return parse_time(carried, rate, zero, counts_drop)


def _amount(text: str, rate: Fraction) -> Fraction:
    """A length: plain digits up to two are frames, more fill fields from the right."""
    if _SECONDS.fullmatch(text):
        return parse_time(text, rate)
    if found := _FRAMES.fullmatch(text):
        return int(found[1]) / rate
    fields = _fields(text)
    padded = [0] * (4 - len(fields)) + fields
    hours, minutes, seconds, frames = padded
    whole = (hours * 60 + minutes) * 60 + seconds
    return (whole * math.ceil(rate) + frames) / rate


def _fields(text: str) -> list[int]:
    """`1000` -> [10, 0]; `10.` -> [10, 0]; `1:2:3` -> [1, 2, 3]."""
    if not _FIELDS.fullmatch(text) or not re.search(r"\d", text):
        raise RequestError(f"'{text}' is no time; type 01:00:10:00, 1000, +12 or 12.5s.")
    if text.isdecimal():
        padded = text.rjust(-(-len(text) // 2) * 2, "0")
        parts = [padded[i : i + 2] for i in range(0, len(padded), 2)]
    else:
        parts = re.split(r"[:;.,]", text)
    if len(parts) > 4:
        raise RequestError(f"'{text}' has more than hours, minutes, seconds and frames.")
    return [int(part or 0) for part in parts]


def _carried(fields: list[int], rate: Fraction, mark: str) -> str:
    hours, minutes, seconds, frames = fields
    seconds, frames = seconds + frames // math.ceil(rate), frames % math.ceil(rate)
    minutes, seconds = minutes + seconds // 60, seconds % 60
    hours, minutes = hours + minutes // 60, minutes % 60
    return f"{hours:02}:{minutes:02}:{seconds:02}{mark}{frames:02}"
