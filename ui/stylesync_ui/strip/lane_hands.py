"""Hands on the lane: a click chooses a line, drags slip, trim and stretch its sound.

A drag of the sound slips it by whole frames; a drag of one of its ends trims it, with Ctrl held it
stretches the whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from PySide6.QtCore import QCoreApplication, QPointF, Qt

from stylesync_ui.strip.lane import BlockSound, LineBlock
from stylesync_ui.strip.state import HEADER

if TYPE_CHECKING:
    from stylesync_ui.strip.strip import Strip

EDGE_PX = 6
STILL_PX = 3
STRETCHES = (Fraction(9, 10), Fraction(11, 10))
Part = Literal["slip", "trim_in", "trim_out", "stretch"]


@dataclass(frozen=True, slots=True)
class _Drag:
    """A block that is held: where (px), by which part, and its sound as it was then."""

    block: LineBlock
    x: float
    part: Part
    sound: BlockSound


class LaneHands:
    """Tells the strip what was done; the line itself is changed by whoever hears it."""

    def __init__(self, strip: Strip) -> None:
        self._strip = strip
        self._held: _Drag | None = None
        self._moved = False

    def press(self, at: QPointF, held: Qt.KeyboardModifier) -> bool:
        """Take hold of what lies there; whether there is a line."""
        block = self._block_at(at)
        if block is None:
            return False
        if not block.current:
            self._strip.line_chosen.emit(block.index)
        note = self._note_at(block, at.x())
        if note is not None:
            self._strip.moved.emit(note[0])
            return True
        self._moved = False
        part = self._part_at(block, at.x())
        if block.sound is not None:
            stretched = part != "slip" and bool(held & Qt.KeyboardModifier.ControlModifier)
            self._held = _Drag(block, at.x(), "stretch" if stretched else part, block.sound)
        else:
            self._held = None
        return True

    def drag(self, at: QPointF) -> bool:
        """Change the line that is held; whether one is."""
        held = self._held
        if held is None:
            return False
        if self._moved or abs(at.x() - held.x) > STILL_PX:
            by = Fraction((at.x() - held.x) / self._strip.scale.density)
            change = _change(held, by, self._rate)
            self._strip.line_moved.emit(held.block.index, change, not self._moved)
            self._moved = True
        return True

    def release(self) -> bool:
        """Let go; whether a line was held."""
        was, self._held = self._held is not None, None
        if was and self._moved:
            self._strip.line_let_go.emit()
        return was

    def hover(self, at: QPointF) -> tuple[Qt.CursorShape, str]:
        """The cursor over a place of the lane, and what can be done there."""
        block = self._block_at(at)
        if block is None:
            return Qt.CursorShape.ArrowCursor, ""
        note = self._note_at(block, at.x())
        if note is not None:
            return Qt.CursorShape.PointingHandCursor, note[1]
        if block.sound is None:
            return Qt.CursorShape.PointingHandCursor, block.title
        if self._part_at(block, at.x()) == "slip":
            return Qt.CursorShape.OpenHandCursor, f"{block.title}\n{_tr('Drag: slip the sound')}"
        return Qt.CursorShape.SplitHCursor, _tr("Drag: trim the sound; with Ctrl: stretch it")

    @property
    def _rate(self) -> Fraction:
        return self._strip.content.rate if self._strip.content else Fraction(25)

    def _block_at(self, at: QPointF) -> LineBlock | None:
        moment = self._strip.scale.moment_at(at.x() - HEADER)
        reach = EDGE_PX / self._strip.scale.density
        blocks = [b for b in self._strip.lane_blocks() if b.index >= 0]
        inside = [b for b in blocks if b.span.start <= moment < b.span.end]
        near = [b for b in blocks if b.current and b.sound and _ends_near(b.sound, moment, reach)]
        return next(iter([*near, *reversed(inside)]), None)

    def _note_at(self, block: LineBlock, x: float) -> tuple[Fraction, str] | None:
        x_of = self._strip.scale.x_of
        near = (note for note in block.notes if abs(x_of(note[0]) + HEADER - x) <= EDGE_PX)
        return next(near, None)

    def _part_at(self, block: LineBlock, x: float) -> Part:
        if block.sound is None:
            return "slip"
        left = self._strip.scale.x_of(max(block.sound.at, block.span.start)) + HEADER
        right = self._strip.scale.x_of(block.sound.end) + HEADER
        if right - left < 4 * EDGE_PX:
            return "slip"
        if abs(x - right) <= EDGE_PX:
            return "trim_out"
        return "trim_in" if abs(x - left) <= EDGE_PX else "slip"


def _ends_near(sound: BlockSound, moment: float, reach: float) -> bool:
    return abs(float(sound.end) - moment) <= reach or abs(float(sound.at) - moment) <= reach


def _change(held: _Drag, by: Fraction, rate: Fraction) -> dict[str, float]:
    """What a drag by so many s makes of a line: its new fields."""
    sound, frames = held.sound, round(by * rate)
    if held.part == "slip":
        return {"slip": sound.slip + frames}
    if held.part == "stretch":
        length = (sound.last - sound.first) * Fraction(sound.stretch)
        wanted = Fraction(sound.stretch) * (length + by) / length if length else Fraction(1)
        return {"stretch": round(float(min(max(wanted, STRETCHES[0]), STRETCHES[1])), 3)}
    cut = by / Fraction(sound.stretch)
    if held.part == "trim_in":
        first = min(max(Fraction(0), sound.first + cut), sound.last - 1 / rate)
        return {"trim_in": round(float(first), 3)}
    most = float(sound.last - sound.first - 1 / rate) + sound.trim_out
    return {"trim_out": round(min(max(0.0, sound.trim_out - float(cut)), most), 3)}


def _tr(text: str) -> str:
    return QCoreApplication.translate("lane", text)
