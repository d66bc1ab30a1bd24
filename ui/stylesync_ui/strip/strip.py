# ruff: noqa: N802, S101  (Qt's own names; asserts that tell the type checker)
"""The timeline strip: ruler, tracks, three ranges, playhead; drawn lazily, only what is seen."""

from __future__ import annotations

import bisect
from collections.abc import Callable
from fractions import Fraction

from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import (
    QDragEnterEvent,
    QDragLeaveEvent,
    QDragMoveEvent,
    QDropEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget
from stylesync_plugin.times import Span

from stylesync_ui.engine.media_cache import MediaCache
from stylesync_ui.look import theme
from stylesync_ui.look.widgets import dropped_file, dropped_files
from stylesync_ui.strip.lane import LineBlock
from stylesync_ui.strip.painting import StripPainter
from stylesync_ui.strip.scale import Scale, snap
from stylesync_ui.strip.state import HEADER, RULER, Ranges, StripState, body_width, head_height
from stylesync_ui.timeline.document import ClipView, Content, TrackView
from stylesync_ui.wish.editing import Kind

SNAP_PX = 8
GRIP_PX = 6
FALL_PX = 16


class Strip(QWidget):
    """Shows and emits; what is chosen is told to it by `set_ranges`."""

    moved = Signal(object)
    range_drawn = Signal(str, object, object)
    shot_chosen = Signal(str, object)
    files_dropped = Signal(object, object)
    marked = Signal()
    scrolled = Signal()

    def __init__(self, media: MediaCache, zero_of: Callable[[ClipView], Fraction]) -> None:
        super().__init__()
        self.media = media
        self.zero_of = zero_of
        self.content: Content | None = None
        self.scale = Scale()
        self.ranges: Ranges = {}
        self.position = Fraction(0)
        self.kind: Kind = "dub"
        self.snapping = True
        self.top = 0
        self.fresh: frozenset[str] = frozenset()
        self._press: tuple[QPointF, Fraction, str | None] | None = None
        self._grip: tuple[str, int] | None = None
        self._scrubbing = False
        self.hovered: ClipView | None = None
        self.falling: Fraction | None = None
        self.blocks: tuple[LineBlock, ...] = ()
        self.setMouseTracking(True)
        self.setAcceptDrops(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumHeight(RULER + 96)
        self.setAccessibleName(self.tr("Timeline"))
        self.setAccessibleDescription(
            self.tr("Arrow keys step by frame, I and O mark the range, plus and minus zoom.")
        )
        media.arrived.connect(lambda _: self.update())

    # What is shown

    def show_content(self, content: Content, keep_view: bool = False) -> None:
        self.content = content
        if not keep_view:
            self.top = 0
            self.fit()
        self.scroll_down_to(self.top)

    def set_ranges(self, ranges: Ranges) -> None:
        self.ranges = ranges
        self.update()

    def set_blocks(self, blocks: tuple[LineBlock, ...]) -> None:
        """The lines of the lane."""
        if blocks != self.blocks:
            self.blocks = blocks
            self.scroll_down_to(self.top)

    @property
    def head(self) -> int:
        return head_height(self.blocks)

    def set_position(self, position: Fraction) -> None:
        """Move the playhead, and the view where it would leave it."""
        self.position = position
        x = self.scale.x_of(position)
        if not 0 <= x <= self.body_width - 4 and not self._scrubbing:
            share = 0.1 if x > 0 else 0.5
            self.scale.start = max(
                0.0, float(position) - self.body_width * share / self.scale.density
            )
            self.scrolled.emit()
        self.update()

    @property
    def body_width(self) -> float:
        return body_width(self.width())

    @property
    def duration(self) -> float:
        return float(self.content.duration) if self.content else 1.0

    def fit(self) -> None:
        self.scale.fit(self.duration, self.body_width)
        self.scrolled.emit()
        self.update()

    def zoom(self, factor: float, x: float | None = None) -> None:
        inside = self.scale.x_of(self.position) if x is None else x
        least = Scale.whole(self.duration, self.body_width)
        self.scale.zoom(factor, min(max(inside, 0.0), self.body_width), least)
        self.scroll_to(self.scale.start)

    def scroll_to(self, start: float) -> None:
        most = max(0.0, self.duration * 1.04 - self.body_width / self.scale.density)
        self.scale.start = min(max(0.0, start), most)
        self.scrolled.emit()
        self.update()

    # Drawing

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.current().deep)
        if self.content is not None:
            StripPainter(painter, self._state(self.content), self.media, self.zero_of).paint()
        painter.end()

    def _state(self, content: Content) -> StripState:
        return StripState(
            content, self.track_rows(), self.scale, self.width(), self.height(), self.ranges,
            self.position, self.kind, self.hovered, self.fresh, self.blocks, self.falling,
        )  # fmt: skip

    def resizeEvent(self, event: QResizeEvent) -> None:
        if self.content is not None and event.oldSize().width() <= 0:
            self.fit()
        self.scroll_down_to(self.top)
        super().resizeEvent(event)

    def track_rows(self) -> list[tuple[TrackView, QRectF]]:
        """Every track with its row, scrolled, ruler excluded."""
        rows, y = [], float(self.head - self.top)
        for track in self.content.tracks if self.content else ():
            height = self.row_height(track)
            rows.append((track, QRectF(0, y, self.width(), height)))
            y += height + 2
        return rows

    def row_height(self, track: TrackView) -> int:
        count = len(self.content.tracks) if self.content else 1
        room = (self.height() - self.head) // max(1, count) - 2
        tall, short = (84, 36) if track.kind == "Video" else (60, 26)
        return max(short, min(tall, room))

    def scroll_down_to(self, top: int) -> None:
        """px of the tracks that lie above what is seen."""
        self.top = min(max(0, top), self.overflow())
        self.scrolled.emit()
        self.update()

    def overflow(self) -> int:
        """px of tracks that do not fit."""
        tracks = self.content.tracks if self.content else ()
        return max(0, self.head + sum(self.row_height(t) + 2 for t in tracks) - self.height())

    # Mouse

    def moment_at(self, x: float, snapped: bool = True) -> Fraction:
        """The frame boundary, or the clip edge nearby, at a place of the body."""
        assert self.content is not None
        moment = self.scale.moment_at(x - HEADER)
        if snapped and self.snapping:
            near = snap(moment, self._edges(moment), SNAP_PX / self.scale.density)
            if near is not None:
                return near
        frame = round(max(0.0, min(moment, self.duration)) * float(self.content.rate))
        return Fraction(frame) / self.content.rate

    def _edges(self, moment: float) -> list[Fraction]:
        assert self.content is not None
        edges = self.content.edges
        near = bisect.bisect_left(edges, moment)
        return [*edges[max(0, near - 1) : near + 1], self.position]

    def track_at(self, y: float) -> TrackView | None:
        rows = self.track_rows() if y >= self.head else []
        return next((t for t, row in rows if row.top() <= y < row.bottom()), None)

    def _grip_at(self, at: QPointF) -> tuple[str, int] | None:
        """(range, end) whose edge lies under the mouse; the active range first."""
        for kind in sorted(self.ranges, key=lambda name: name != self.kind):
            span = self.ranges[kind][0]
            for end, moment in enumerate((span.start, span.end)):
                if abs(self.scale.x_of(moment) + HEADER - at.x()) <= GRIP_PX:
                    return kind, end
        return None

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if self.content is None or event.button() != Qt.MouseButton.LeftButton:
            return
        self.setFocus()
        at = event.position()
        if at.x() < HEADER:
            return
        self._grip = self._grip_at(at) if at.y() >= RULER else None
        if at.y() < RULER:
            self._scrubbing = True
            self.moved.emit(self.moment_at(at.x()))
            return
        track = self.track_at(at.y())
        label = track.label if track is not None else None
        self._press = (at, self.moment_at(at.x()), label)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self.content is None:
            return
        at = event.position()
        if self._scrubbing:
            self.moved.emit(self.moment_at(at.x()))
        elif self._grip is not None:
            self._drag_grip(at)
        elif self._press is not None and abs(at.x() - self._press[0].x()) > 3:
            self._drag_range(at)
        else:
            self._hover(at)

    def _drag_grip(self, at: QPointF) -> None:
        assert self._grip is not None
        kind, end = self._grip
        span, label = self.ranges[kind]
        moment = self.moment_at(at.x())
        changed = Span(moment, span.end) if end == 0 else Span(span.start, moment)
        if changed:
            self.range_drawn.emit(kind, changed, label)

    def _drag_range(self, at: QPointF) -> None:
        assert self._press is not None
        _, anchor, label = self._press
        moment = self.moment_at(at.x())
        span = Span(min(anchor, moment), max(anchor, moment))
        if span:
            self.range_drawn.emit(self._kind_on(label), span, label)

    def _kind_on(self, label: str | None) -> Kind:
        """Sound is speech, whatever is active; a picture is never speech."""
        sounds = {track.label for track in self.content.of_kind("Audio")} if self.content else set()
        if label in sounds:
            return "speech"
        return "dub" if self.kind == "speech" else self.kind

    def _hover(self, at: QPointF) -> None:
        grip = self._grip_at(at) if at.y() >= RULER else None
        self.setCursor(
            Qt.CursorShape.SizeHorCursor if grip is not None and at.x() >= HEADER
            else Qt.CursorShape.ArrowCursor
        )  # fmt: skip
        clip = self._clip_at(at)
        if clip is not self.hovered:
            self.hovered = clip
            self.setToolTip(clip.description if clip is not None else "")
            self.update()

    def _clip_at(self, at: QPointF) -> ClipView | None:
        track = self.track_at(at.y()) if at.x() >= HEADER and at.y() >= self.head else None
        return track.at(self.scale.moment_at(at.x() - HEADER)) if track is not None else None

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        pressed, self._press = self._press, None
        if self.content is None:
            return
        drawn = pressed is not None and abs(event.position().x() - pressed[0].x()) > 3
        if (drawn and not self._scrubbing) or self._grip is not None:
            self.marked.emit()
        clicked = pressed is not None and abs(event.position().x() - pressed[0].x()) <= 3
        if clicked and self._grip is None:
            self.moved.emit(self.moment_at(event.position().x(), snapped=False))
        self._scrubbing, self._grip = False, None

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        clip = self._clip_at(event.position())
        if clip is not None:
            track = self.track_at(event.position().y())
            self.shot_chosen.emit(self._kind_on(track.label if track else None), clip)

    def wheelEvent(self, event: QWheelEvent) -> None:
        delta = event.angleDelta()
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.zoom(1.0015 ** delta.y(), event.position().x() - HEADER)
        elif event.modifiers() & Qt.KeyboardModifier.AltModifier:
            self.scroll_down_to(self.top - delta.x() // 2)  # Qt turns the wheel where Alt is held
        elif event.position().x() < HEADER:
            self.scroll_down_to(self.top - delta.y() // 2)
        else:
            pixels = delta.x() or delta.y()
            self.scroll_to(self.scale.start - pixels / self.scale.density)
        event.accept()

    # Files

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if self.content is not None and dropped_file(event.mimeData()):
            event.acceptProposedAction()

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:
        """Show where a line would start."""
        if self.content is not None:
            self.falling = self._fall_at(event.position().x())
            event.acceptProposedAction()
            self.update()

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        self.falling = None
        self.update()

    def dropEvent(self, event: QDropEvent) -> None:
        moment, self.falling = self._fall_at(event.position().x()), None
        self.files_dropped.emit(dropped_files(event.mimeData()), moment)
        event.acceptProposedAction()
        self.update()

    def _fall_at(self, x: float) -> Fraction:
        """Where a dropped line starts: at the range's start where that is near."""
        moment = self.moment_at(max(x, HEADER))
        span = self.ranges["dub"][0] if "dub" in self.ranges else None
        near = span is not None and abs(float(span.start - moment)) <= FALL_PX / self.scale.density
        return span.start if span is not None and near else moment
