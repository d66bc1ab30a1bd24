"""How the strip looks."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen, QPolygonF
from stylesync_plugin.times import Span

from stylesync_ui.engine import request_queue
from stylesync_ui.engine.media_cache import MediaCache
from stylesync_ui.look import theme
from stylesync_ui.strip.lane import LANE, paint_lane, paint_outline
from stylesync_ui.strip.markers import paint_markers
from stylesync_ui.strip.scale import ruler_step
from stylesync_ui.strip.state import HEADER, RULER, StripState
from stylesync_ui.timeline.document import ClipView, TrackView

THUMBNAIL = 90
"""Height of thumbnails in px of the file: a row at 200 % is about that high."""
NAME_HEIGHT = 16
# Clips are dark in every theme, as their pictures stand out so.
ON_CLIP = QColor("#e3e5e8")
LOST_CLIP = QColor("#ff9a9c")


class StripPainter:
    """Draws one picture of the strip."""

    def __init__(
        self, painter: QPainter, state: StripState, media: MediaCache,
        zero_of: Callable[[ClipView], Fraction],
    ) -> None:  # fmt: skip
        self.painter, self.state, self.media, self.zero_of = painter, state, media, zero_of
        self.theme, self.scale = theme.current(), state.scale
        self.start = self.scale.start
        self.end = self.scale.moment_at(state.body_width)
        self.small = theme.ui_font(11)
        self.metrics = QFontMetricsF(self.small)

    def paint(self) -> None:
        painter = self.painter
        painter.setFont(self.small)
        state = self.state
        painter.setClipRect(QRectF(0, state.head, state.width, state.height))
        for track, row in state.rows:
            if row.bottom() >= state.head and row.top() <= state.height:
                self._track(track, row)
        painter.setClipRect(QRectF(HEADER, 0, state.body_width, state.height))
        self._ranges()
        self._ruler()
        paint_markers(painter, state.content.markers, self._x, HEADER, float(state.width))
        self._lane()
        self._playhead()
        self._falling()
        painter.setClipping(False)
        painter.fillRect(QRectF(0, 0, HEADER, RULER), self.theme.base)

    def _x(self, moment: Fraction | float) -> float:
        return HEADER + self.scale.x_of(moment)

    # Tracks

    def _track(self, track: TrackView, row: QRectF) -> None:
        painter = self.painter
        body = QRectF(HEADER, row.top(), row.width() - HEADER, row.height())
        painter.fillRect(body, self.theme.base)
        painter.save()
        painter.setClipRect(body.intersected(QRectF(0, self.state.head, row.width(), 1e5)))
        for clip in track.within(self.start, self.end):
            self._clip(track, clip, row)
        painter.restore()
        self._header(track, row)

    def _header(self, track: TrackView, row: QRectF) -> None:
        painter = self.painter
        painter.fillRect(QRectF(0, row.top(), HEADER - 1, row.height()), self.theme.raised)
        if track.is_ours:
            painter.fillRect(QRectF(0, row.top(), 3, row.height()), self.theme.accent)
        painter.setPen(self.theme.text)
        box = QRectF(10, row.top(), HEADER - 16, row.height())
        label, name = _titles(track)
        if name and row.height() >= 34:
            upper = QRectF(box.left(), box.center().y() - 15, box.width(), 15)
            painter.drawText(upper, Qt.AlignmentFlag.AlignVCenter, label)
            painter.setPen(self.theme.muted)
            lower = QRectF(box.left(), box.center().y(), box.width(), 15)
            painter.drawText(lower, Qt.AlignmentFlag.AlignVCenter, self._short(name, box.width()))
        else:
            text = self._short(f"{label}  {name}" if name else label, box.width())
            painter.drawText(box, Qt.AlignmentFlag.AlignVCenter, text)

    def _clip(self, track: TrackView, clip: ClipView, row: QRectF) -> None:
        painter, colours = self.painter, self.theme
        left, right = self._x(clip.span.start), self._x(clip.span.end)
        box = QRectF(left + 0.5, row.top() + 0.5, max(1.0, right - left - 1), row.height() - 1)
        sound = track.kind != "Video"
        fill = _clip_colour(track.is_ours, sound)
        painter.fillRect(box, fill if clip.placed.enabled else colours.raised)
        inner = QRectF(box.left(), box.top() + NAME_HEIGHT, box.width(), box.height() - NAME_HEIGHT)
        if box.height() < 34:
            inner = box
        if box.width() > 3:
            if sound:
                self._waveform(clip, inner, fill)
            elif clip.is_picture:
                self._thumbnails(clip, inner)
        self._clip_frame(track, clip, box)

    def _clip_frame(self, track: TrackView, clip: ClipView, box: QRectF) -> None:
        painter, colours = self.painter, self.theme
        missing = bool(clip.trouble) or bool(clip.path and self.media.trouble(clip.path))
        if box.width() > 26:
            visible_left = max(box.left(), float(HEADER))
            room = box.right() - visible_left - 10
            if room > 20:
                pen = LOST_CLIP if missing else ON_CLIP
                self._name(clip, QRectF(visible_left + 6, box.top(), room, NAME_HEIGHT), pen, box)
        hovered = self.state.hovered is clip
        fresh = track.is_ours and bool(self.state.fresh)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        if box.width() > 3:
            edge = ON_CLIP if hovered else colours.accent if fresh else colours.deep
            painter.setPen(QPen(colours.error if missing else edge, 1))
            painter.drawRect(box)
        if not clip.placed.enabled:
            painter.fillRect(box, QColor(0, 0, 0, 110))

    def _name(self, clip: ClipView, box: QRectF, pen: QColor, clip_box: QRectF) -> None:
        painter = self.painter
        if clip_box.height() < 34:
            band = QRectF(clip_box.left(), clip_box.top(), clip_box.width(), NAME_HEIGHT)
            painter.fillRect(band, QColor(0, 0, 0, 120))
        name = clip.name or (Path(clip.path).name if clip.path else clip.placed.label)
        painter.setPen(pen)
        painter.drawText(box, Qt.AlignmentFlag.AlignVCenter, self._short(name, box.width()))

    def _short(self, text: str, width: float) -> str:
        return self.metrics.elidedText(text, Qt.TextElideMode.ElideRight, width)

    # Pictures and outlines

    def _thumbnails(self, clip: ClipView, box: QRectF) -> None:
        if clip.path is None:
            self._hatch(box)
            return
        facts = self.media.picture(clip.path)
        if facts is None:
            if self.media.trouble(clip.path):
                self._hatch(box)
            return
        aspect = facts.width / facts.height if facts.height else 16 / 9
        width = box.height() * aspect
        zero = self.zero_of(clip)
        left = _first_slot(box.left(), width, float(HEADER))
        while left < min(box.right(), self.state.width):
            moment = Fraction(self.scale.moment_at(left - HEADER)).limit_denominator(10_000)
            moment = max(clip.span.start, min(moment, clip.span.end))
            frame = _coarse(
                clip.frame_at(moment, facts, zero), width, self.scale.density, facts.rate
            )
            self._thumbnail(clip.path, frame, QRectF(left, box.top(), width, box.height()), box)
            left += width

    def _thumbnail(self, path: str, frame: int, slot: QRectF, box: QRectF) -> None:
        image = self.media.image(path, frame, THUMBNAIL, request_queue.THUMBNAIL)
        if image is None:
            return
        seen = slot.intersected(box)
        factor = image.width() / slot.width()
        source = QRectF(
            (seen.left() - slot.left()) * factor, 0, seen.width() * factor, image.height()
        )
        self.painter.drawImage(seen, image, source)

    def _hatch(self, box: QRectF) -> None:
        """Stripes, where there is no picture."""
        self.painter.save()
        self.painter.setClipRect(box, Qt.ClipOperation.IntersectClip)
        self.painter.fillRect(box, QColor(242, 119, 122, 28))
        self.painter.setPen(QPen(QColor(242, 119, 122, 70), 1))
        x = box.left() - box.height()
        while x < min(box.right(), self.state.width):
            self.painter.drawLine(QLineF(x, box.bottom(), x + box.height(), box.top()))
            x += 9
        self.painter.restore()

    def _waveform(self, clip: ClipView, box: QRectF, fill: QColor) -> None:
        media = self.media
        peaks = media.outline(clip.path) if clip.path else None
        facts = media.sound(clip.path) if clip.path else None
        if not peaks or facts is None or not facts.samples:
            return
        own, scale = self._sound_zero(clip), float(clip.media.scale)
        seen = box.intersected(QRectF(HEADER, box.top(), self.state.body_width, box.height()))
        paint_outline(
            self.painter, peaks, len(peaks) / float(facts.length),
            lambda x: scale * self.scale.moment_at(x - HEADER) + own, seen, fill.lighter(175),
        )  # fmt: skip

    def _sound_zero(self, clip: ClipView) -> float:
        """media seconds = scale * timeline + this, counted from the sound's first sample."""
        return float(clip.media.offset - self.zero_of(clip))

    # Ranges, ruler, playhead

    def _ranges(self) -> None:
        order = sorted(self.state.ranges, key=lambda kind: kind == self.state.kind)
        for kind in order:
            span, label = self.state.ranges[kind]
            colour = self.theme.of_range(kind)
            for top, height in self._range_rows(label):
                self._range(span, colour, top, height)
            self._range_flag(span, colour, kind)

    def _range_rows(self, label: str | None) -> list[tuple[float, float]]:
        rows = self.state.rows
        if label is not None:
            found = [(row.top(), row.height()) for track, row in rows if track.label == label]
            if found:
                return found
        pictures = [row for track, row in rows if track.kind == "Video"]
        if not pictures:
            return []
        return [(pictures[0].top(), pictures[-1].bottom() - pictures[0].top())]

    def _range(self, span: Span, colour: QColor, top: float, height: float) -> None:
        left, right = self._x(span.start), self._x(span.end)
        wash = QColor(colour)
        wash.setAlpha(46)
        self.painter.fillRect(QRectF(left, top, right - left, height), wash)
        for x in (left, right - 2):
            self.painter.fillRect(QRectF(x, top, 2, height), colour)

    def _range_flag(self, span: Span, colour: QColor, kind: str) -> None:
        """The range's own line in the ruler, each kind at its height."""
        y = RULER - 3 - 3 * ("dub", "speech", "style").index(kind)
        left, right = self._x(span.start), self._x(span.end)
        self.painter.fillRect(QRectF(left, y, max(2.0, right - left), 2), colour)

    def _ruler(self) -> None:
        painter, layout = self.painter, self.state.content.layout
        ground = QColor(self.theme.base)
        painter.fillRect(QRectF(HEADER, 0, self.state.body_width, RULER - 9), ground)
        painter.setFont(theme.mono_font(10))
        metrics = QFontMetricsF(painter.font())
        step = ruler_step(self.scale.density, layout.rate, 96)
        number = math.floor(self.start / float(step))
        while number * step <= self.end:
            x = round(self._x(number * step)) + 0.5
            painter.setPen(self.theme.line)
            painter.drawLine(QLineF(x, 2, x, RULER - 1))
            painter.setPen(self.theme.muted)
            text = layout.time_code(number * step)
            if x + 4 + metrics.horizontalAdvance(text) <= self.state.width:
                painter.drawText(QPointF(x + 4, 12), text)
            number += 1

    def _lane(self) -> None:
        state = self.state
        if not state.has_lane:
            return
        area = QRectF(HEADER, RULER, state.body_width, LANE)
        paint_lane(self.painter, state.blocks, self._x, area, self.media)
        self.painter.setClipping(False)
        box = QRectF(0, RULER, HEADER - 1, LANE)
        self.painter.fillRect(box, self.theme.raised)
        self.painter.setPen(self.theme.text)
        self.painter.setFont(self.small)
        title = QCoreApplication.translate("strip", "Lines")
        self.painter.drawText(box.adjusted(10, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, title)
        self.painter.setClipRect(QRectF(HEADER, 0, state.body_width, state.height))

    def _falling(self) -> None:
        """Where the line that is dragged would start."""
        moment = self.state.falling
        if moment is None:
            return
        x, colour = self._x(moment), self.theme.of_range("speech")
        wash = QColor(colour)
        wash.setAlpha(60)
        self.painter.fillRect(QRectF(x, RULER, self.state.width - x, self.state.height), wash)
        self.painter.fillRect(QRectF(x - 1, 0, 3, self.state.height), colour)
        text = QCoreApplication.translate("strip", "The line starts at {at}")
        code = self.state.content.layout.time_code(moment)
        self.painter.setPen(self.theme.text)
        self.painter.setFont(self.small)
        self.painter.drawText(QPointF(x + 8, RULER + 18), text.format(at=code))

    def _playhead(self) -> None:
        x = round(self._x(self.state.position)) + 0.5
        painter, colour = self.painter, self.theme.text
        painter.setPen(QPen(colour, 1))
        painter.drawLine(QLineF(x, 0, x, self.state.height))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.drawPolygon(
            QPolygonF([QPointF(x - 5, 0), QPointF(x + 5, 0), QPointF(x + 5, 5), QPointF(x, 11),
                       QPointF(x - 5, 5)])
        )  # fmt: skip
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)


def _titles(track: TrackView) -> tuple[str, str]:
    label = track.label.rsplit("/", 1)[-1]
    if track.is_ours:
        return "StyleSync", "speech" if track.kind != "Video" else "dubbed"
    return label, track.name if track.name != label else ""


def _clip_colour(ours: bool, sound: bool) -> QColor:
    if ours:
        return QColor("#2b4a72")
    return QColor("#2d5149") if sound else QColor("#3d4656")


def _first_slot(left: float, width: float, seen_from: float) -> float:
    """The first thumbnail slot that is seen; slots are counted from the clip's start."""
    skipped = max(0, math.floor((seen_from - left) / width))
    return left + skipped * width


def _coarse(frame: int, width: float, density: float, rate: Fraction) -> int:
    """A frame on a grid that follows the zoom in powers of two, so that pictures are reused."""
    across = width / density * float(rate)
    step = 1 << max(0, math.floor(math.log2(max(1.0, across / 2))))
    return frame // step * step
