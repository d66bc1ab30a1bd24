# ruff: noqa: N802, S101  (Qt's own names; asserts that tell the type checker)
"""The timeline strip: ruler, lane of lines, tracks, ranges, playhead; hands and files on it."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from PySide6.QtCore import QPointF, Qt, Signal
from PySide6.QtGui import (
    QDragEnterEvent,
    QDragLeaveEvent,
    QDragMoveEvent,
    QDropEvent,
    QMouseEvent,
    QWheelEvent,
)
from stylesync_plugin.times import Span

from stylesync_ui.engine.media_cache import MediaCache
from stylesync_ui.look.widgets import dropped_file, dropped_files
from stylesync_ui.strip.lane_hands import LaneHands
from stylesync_ui.strip.state import HEADER, RULER
from stylesync_ui.strip.surface import StripSurface
from stylesync_ui.timeline.document import ClipView
from stylesync_ui.wish.editing import Kind

GRIP_PX = 6
FALL_PX = 16


class Strip(StripSurface):
    """Shows and emits; what is chosen is told to it by `set_ranges`.

    `line_chosen` brings the index of a line on the lane, `line_moved` that, what of its sound was
    changed (slip in frames, trim_in, trim_out in s or stretch) and whether a drag begins with it;
    `line_let_go` ends the drag.
    """

    moved = Signal(object)
    range_drawn = Signal(str, object, object)
    shot_chosen = Signal(str, object)
    files_dropped = Signal(object, object)
    marked = Signal()
    line_chosen = Signal(int)
    line_moved = Signal(int, object, bool)
    line_let_go = Signal()

    def __init__(self, media: MediaCache, zero_of: Callable[[ClipView], Fraction]) -> None:
        super().__init__(media, zero_of)
        self._press: tuple[QPointF, Fraction, str | None] | None = None
        self._grip: tuple[str, int] | None = None
        self._hands = LaneHands(self)
        self.setMouseTracking(True)
        self.setAcceptDrops(True)

    # Mouse

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
        if at.x() < HEADER or (self._is_lane(at) and self._hands.press(at, event.modifiers())):
            return
        self._grip = self._grip_at(at) if at.y() >= RULER else None
        if at.y() < RULER:
            self.is_scrubbing = True
            self.moved.emit(self.moment_at(at.x()))
            return
        track = self.track_at(at.y())
        label = track.label if track is not None else None
        self._press = (at, self.moment_at(at.x()), label)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self.content is None:
            return
        at = event.position()
        if self._hands.drag(at):
            return
        if self.is_scrubbing:
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

    def _is_lane(self, at: QPointF) -> bool:
        return self.has_lane and RULER <= at.y() < self.head

    def _hover(self, at: QPointF) -> None:
        if self._is_lane(at) and at.x() >= HEADER:
            shape, tip = self._hands.hover(at)
            self.setCursor(shape)
            self.setToolTip(tip)
            self.hovered = None
            return
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
        if self.content is None or self._hands.release():
            return
        drawn = pressed is not None and abs(event.position().x() - pressed[0].x()) > 3
        if (drawn and not self.is_scrubbing) or self._grip is not None:
            self.marked.emit()
        clicked = pressed is not None and abs(event.position().x() - pressed[0].x()) <= 3
        if clicked and self._grip is None:
            self.moved.emit(self.moment_at(event.position().x(), snapped=False))
        self.is_scrubbing, self._grip = False, None

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
