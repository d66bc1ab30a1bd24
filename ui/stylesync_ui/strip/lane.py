"""The lane of lines above the tracks: what is chosen, waits, runs or is done, with its sound."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen, QPolygonF
from stylesync_plugin.times import Span

from stylesync_ui.engine.media_cache import MediaCache
from stylesync_ui.look import theme

LANE = 32
SEEN = 8
"""px of a block from which its sound can be seen: what is narrower asks for none."""
STEP = 1.5
"""px between two points of an outline."""


@dataclass(frozen=True, slots=True)
class BlockSound:
    """What of a sound file lies where: its second `first` is heard at `at` (s of the timeline), the
    file up to second `last`, `stretch` times as long as it is. `slip` (frames) and `trim_out` (s)
    are the line's own."""

    at: Fraction
    first: Fraction
    last: Fraction
    stretch: float = 1.0
    slip: int = 0
    trim_out: float = 0.0

    @property
    def end(self) -> Fraction:
        """Where on the timeline it ends."""
        return self.at + (self.last - self.first) * Fraction(self.stretch)


@dataclass(frozen=True, slots=True)
class LineBlock:
    """A line on the timeline; `file` is its sound, where it is a file, from the span's start on
    unless `sound` says otherwise. `state` is a job's or a line's, "chosen" that of the line which
    is being marked; `index` is where the line stands in its session, -1 where it is in none. `keys`
    are (start, end, shape) and `notes` (moment, text), in s of the timeline."""

    span: Span
    title: str
    state: str
    file: str = ""
    sound: BlockSound | None = None
    index: int = -1
    current: bool = False
    colour: str = ""
    keys: tuple[tuple[Fraction, Fraction, str], ...] = ()
    notes: tuple[tuple[Fraction, str], ...] = ()


class LaneLines:
    """Where the lane's lines come from: none, unless somebody says otherwise."""

    def __bool__(self) -> bool:
        return False

    def within(self, start: float, end: float, least: float) -> Iterable[LineBlock]:
        """Those that touch a stretch (s), at most one in every `least` s."""
        return ()


def paint_lane(
    painter: QPainter, blocks: Sequence[LineBlock], x_of: Callable[[float], float],
    area: QRectF, media: MediaCache,
) -> None:  # fmt: skip
    """Draw the blocks that are seen within `area`."""
    painter.fillRect(area, theme.current().base)
    painter.save()
    painter.setClipRect(area)
    for block in blocks:
        left, right = x_of(float(block.span.start)), x_of(float(block.span.end))
        box = QRectF(left, area.top() + 2, max(2.0, right - left), area.height() - 4)
        if box.intersects(area):
            _block(painter, block, box, area, media)
    painter.restore()


def _block(
    painter: QPainter, block: LineBlock, box: QRectF, area: QRectF, media: MediaCache
) -> None:
    colour = theme.current().of_state(block.state)
    ground = QColor(colour)
    ground.setAlpha(70)
    painter.fillRect(box, ground)
    wide = bool(block.file) and box.width() > SEEN
    peaks = media.outline(block.file) if wide else None
    facts = media.sound(block.file) if wide else None
    if peaks and facts is not None and facts.samples:
        a_second = box.width() / float(block.span.duration)
        sound = block.sound or BlockSound(block.span.start, Fraction(0), facts.length)
        left = box.left() + float(sound.at - block.span.start) * a_second
        right = box.left() + float(sound.end - block.span.start) * a_second
        pace, first = a_second * sound.stretch, float(sound.first)
        seen = box.intersected(area).intersected(QRectF(left, box.top(), right - left, 1e4))
        paint_outline(
            painter, peaks, len(peaks) / float(facts.length),
            lambda x: first + (x - left) / pace, seen, QColor(colour),
        )  # fmt: skip
    solid = block.state in ("placed", "done", "running", "draft", "good", "approved")
    pen = QPen(theme.current().text if block.current else colour, 2 if block.current else 1)
    pen.setStyle(Qt.PenStyle.SolidLine if solid else Qt.PenStyle.DashLine)
    painter.setPen(pen)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRect(box.adjusted(0.5, 0.5, -0.5, -0.5))
    if block.colour:
        bar = QRectF(box.left(), box.top(), 3, box.height())
        painter.fillRect(bar, QColor(block.colour))
    _title(painter, block, box, area)
    _keys_and_notes(painter, block, box)


def _title(painter: QPainter, block: LineBlock, box: QRectF, area: QRectF) -> None:
    left = max(box.left(), area.left()) + 5
    room = box.right() - left - 4
    if room > 24:
        font = theme.ui_font(11)
        painter.setFont(font)
        metrics = QFontMetricsF(font)
        text = metrics.elidedText(block.title, Qt.TextElideMode.ElideRight, room)
        plate = QColor(theme.current().base)
        plate.setAlpha(190)
        wide = metrics.horizontalAdvance(text) + 4
        painter.fillRect(QRectF(left - 2, box.top() + 2, wide, 12), plate)
        painter.setPen(theme.current().text)
        painter.drawText(QRectF(left, box.top(), room, 15), Qt.AlignmentFlag.AlignVCenter, text)


def _keys_and_notes(painter: QPainter, block: LineBlock, box: QRectF) -> None:
    """Keys as bars at the foot of a block, notes as pins over it."""
    colours, length = theme.current(), float(block.span.duration) or 1.0

    def x_of(moment: Fraction) -> float:
        return box.left() + float(moment - block.span.start) / length * box.width()

    for start, end, shape in block.keys:
        colour = colours.dub if shape == "closed" else colours.text
        wide = max(2.0, x_of(end) - x_of(start))
        painter.fillRect(QRectF(x_of(start), box.bottom() - 5, wide, 4), colour)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(colours.warning, 1))
    painter.setBrush(colours.warning)
    for moment, _ in block.notes:
        x = x_of(moment)
        painter.drawLine(QPointF(x, box.top() + 4), QPointF(x, box.bottom() - 1))
        painter.drawEllipse(QPointF(x, box.top() + 4), 2.5, 2.5)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)


def paint_outline(
    painter: QPainter, peaks: Sequence[float], per_second: float,
    seconds_at: Callable[[float], float], box: QRectF, colour: QColor,
) -> None:  # fmt: skip
    """An outline of sound within a box; `seconds_at` tells what of the file lies at an x."""
    upper, lower = [], []
    middle, half = box.center().y(), box.height() / 2 - 2
    x = box.left()
    while x < box.right():
        first = int(seconds_at(x) * per_second)
        last = max(first + 1, int(seconds_at(x + STEP) * per_second))
        peak = max(peaks[max(0, first) : last], default=0.0) if last > 0 else 0.0
        high = max(0.5, math.sqrt(peak) * half)
        upper.append(QPointF(x, middle - high))
        lower.append(QPointF(x, middle + high))
        x += STEP
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.drawPolygon(QPolygonF([*upper, *reversed(lower)]))
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
