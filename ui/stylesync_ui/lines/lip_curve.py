# ruff: noqa: N802  (Qt calls these by its own names)
"""The lips of a line before it is rendered: how far they open, over the sound that they follow."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QWidget
from stylesync_plugin.contract import LipCurve, MouthKey

from stylesync_ui.look import theme

HEIGHT, LOW = 84, 52
"""px where there is room, and where there is not."""
SAID = 18  # px above the curves for a message
LEAST_GAP = 0.08
"""Of the face's height: a mouth that opens less does not fill the view."""


class LipCurveView(QWidget):
    """A drag selects frames of the line; `selected` tells which."""

    selected = Signal(int, int)

    def __init__(self) -> None:
        super().__init__()
        self.curve: LipCurve | None = None
        self.peaks: Sequence[float] = ()
        self.keys: tuple[MouthKey, ...] = ()
        self.frames = 0
        self.chosen: tuple[int, int] | None = None
        self.message = ""
        self.position = -1.0
        self._pressed: int | None = None
        self.setFixedHeight(HEIGHT)
        self.setAccessibleName(self.tr("Lips of the line"))
        self.setToolTip(
            self.tr(
                "Bright: how far the lips will open. Thin: the shot's own. Drag: select frames."
            )
        )

    def show_line(self, frames: int, keys: tuple[MouthKey, ...]) -> None:
        """Another line of so many frames of the timeline; its curve comes later."""
        if (frames, keys) != (self.frames, self.keys):
            self.frames, self.keys, self.chosen = frames, keys, None
            self.update()

    def show_curve(
        self, curve: LipCurve | None, peaks: Sequence[float] = (), message: str = ""
    ) -> None:
        self.curve, self.peaks, self.message = curve, peaks, message
        self.update()

    def show_position(self, share: float) -> None:
        """Where the playhead stands, as a share of the line; outside of 0 to 1 it is not seen."""
        if share != self.position:
            self.position = share
            self.update()

    # Drawing

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, colours = QPainter(self), theme.current()
        painter.fillRect(self.rect(), colours.deep)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._bands(painter)
        self._sound(painter)
        if self.curve is not None:
            self._line(painter, self.curve.original, QPen(colours.muted, 1))
            shade = QColor(colours.dub)
            shade.setAlpha(130 if self.curve.glance else 255)
            self._line(painter, self.curve.gap, QPen(shade, 2))
        if 0 <= self.position < 1:
            painter.fillRect(
                QRectF(self.position * self.width(), 0, 1, self.height()), colours.text
            )
        if self.message:
            painter.setPen(colours.muted)
            painter.setFont(theme.ui_font(11))
            box = QRectF(self.rect()).adjusted(6, 2, -6, -2)
            painter.drawText(
                box, Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap, self.message
            )
        painter.end()

    def _bands(self, painter: QPainter) -> None:
        """Keys, and what is selected, over the frames that they hold for."""
        colours = theme.current()
        for key in self.keys:
            wash = QColor(colours.dub if key.shape == "closed" else colours.muted)
            wash.setAlpha(70)
            painter.fillRect(self._box(key.start, key.end), wash)
        if self.chosen is not None:
            wash = QColor(colours.accent)
            wash.setAlpha(60)
            painter.fillRect(self._box(*self.chosen), wash)

    def _box(self, first: int, last: int) -> QRectF:
        a_frame = self.width() / max(1, self.frames)
        return QRectF(first * a_frame, 0, (last - first) * a_frame, self.height())

    def _sound(self, painter: QPainter) -> None:
        shade = QColor(theme.current().speech)
        shade.setAlpha(90)
        painter.setPen(QPen(shade, 1))
        step = self.width() / max(1, len(self.peaks))
        for number, peak in enumerate(self.peaks):
            high, x = peak * (self.height() - self._head) * 0.9, (number + 0.5) * step
            painter.drawLine(QPointF(x, self.height()), QPointF(x, self.height() - high))

    def _line(self, painter: QPainter, values: Sequence[float | None], pen: QPen) -> None:
        """A curve; where there is no value it has a gap."""
        painter.setPen(pen)
        most = max([LEAST_GAP, *(v for v in self._all() if v is not None)])
        step, points = self.width() / max(1, len(values)), list[QPointF]()
        room = self.height() - 10 - self._head
        for number, value in enumerate([*values, None]):
            if value is not None:
                y = self.height() - 4 - max(0.0, value) / most * room
                points.append(QPointF((number + 0.5) * step, y))
            elif points:
                painter.drawPolyline(QPolygonF(points))
                points = []

    @property
    def _head(self) -> int:
        """px at the top that the curves leave to the message."""
        return SAID if self.message else 0

    def _all(self) -> list[float | None]:
        curve = self.curve
        return [*curve.gap, *curve.original] if curve is not None else []

    # Mouse

    def _frame_at(self, x: float) -> int:
        return max(0, min(self.frames, round(x / max(1, self.width()) * self.frames)))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._pressed, self.chosen = self._frame_at(event.position().x()), None
        self.update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._pressed is not None:
            first, last = sorted((self._pressed, self._frame_at(event.position().x())))
            self.chosen = (first, last) if last > first else None
            self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._pressed = None
        if self.chosen is not None:
            self.selected.emit(*self.chosen)
