"""Markers over the ruler: a flag each, with its name where there is room."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPolygonF

from stylesync_ui.look import theme
from stylesync_ui.timeline.markers import MarkerView

FLAG = 9  # px


def paint_markers(
    painter: QPainter, markers: Sequence[MarkerView], x_of: Callable[[Fraction], float],
    left: float, right: float,
) -> None:  # fmt: skip
    """Those between two x; full flags say what to dub, hollow ones only where."""
    colours, font = theme.current(), theme.ui_font(10)
    metrics = QFontMetricsF(font)
    places = [x_of(marker.span.start) for marker in markers]
    for number, (marker, x) in enumerate(zip(markers, places, strict=True)):
        end = max(x + FLAG, x_of(marker.span.end))
        if end < left or x > right:
            continue
        colour = QColor(colours.style)
        wash = QColor(colour)
        wash.setAlpha(60)
        painter.fillRect(QRectF(x, 13, end - x, 4), wash)
        painter.setPen(colour)
        painter.setBrush(colour if marker.says_what else Qt.BrushStyle.NoBrush)
        corners = ((x, 13), (x + FLAG - 2, 13), (x + FLAG - 5, 17), (x, 21))
        painter.drawPolygon(QPolygonF([QPointF(*corner) for corner in corners]))
        room = (places[number + 1] if number + 1 < len(places) else right) - x - FLAG - 4
        if room > 30 and marker.name:
            painter.setFont(font)
            text = metrics.elidedText(marker.name, Qt.TextElideMode.ElideRight, min(room, 140))
            painter.drawText(QPointF(x + FLAG + 1, 22), text)
