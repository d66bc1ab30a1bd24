# ruff: noqa: N802, S101  (Qt's own names; asserts that tell the type checker)
"""What the timeline strip shows, and where: scrolled, zoomed, drawn lazily."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable
from fractions import Fraction

from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QWidget
from stylesync_plugin.times import Span

from stylesync_ui.engine.media_cache import MediaCache
from stylesync_ui.look import theme
from stylesync_ui.strip.lane import LaneLines, LineBlock
from stylesync_ui.strip.painting import StripPainter
from stylesync_ui.strip.scale import MOST_ZOOM, Scale, snap
from stylesync_ui.strip.state import HEADER, RULER, Ranges, StripState, body_width, head_height
from stylesync_ui.timeline.document import ClipView, Content, TrackView
from stylesync_ui.wish.editing import Kind

SNAP_PX = 8
SHORT_PX = 40


class StripSurface(QWidget):
    """Shows a timeline; `scrolled` after every other place or zoom."""

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
        self.is_scrubbing = False
        self.hovered: ClipView | None = None
        self.falling: Fraction | None = None
        self.blocks: tuple[LineBlock, ...] = ()
        self.lines = LaneLines()
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
    def has_lane(self) -> bool:
        return bool(self.blocks or self.lines)

    @property
    def head(self) -> int:
        return head_height(self.has_lane)

    def lane_blocks(self) -> tuple[LineBlock, ...]:
        """The blocks that are seen, the line that is stood on last."""
        start, end = self.scale.start, self.scale.moment_at(self.body_width)
        return (*self.blocks, *self.lines.within(start, end, 1 / self.scale.density))

    def set_position(self, position: Fraction) -> None:
        """Move the playhead, and the view where it would leave it."""
        self.position = position
        x = self.scale.x_of(position)
        if not 0 <= x <= self.body_width - 4 and not self.is_scrubbing:
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

    def bring(self, span: Span) -> None:
        """Scroll to where a span can be seen; one of too few px, or too many, is made to fit."""
        left, right = self.scale.x_of(span.start), self.scale.x_of(span.end)
        if right - left < SHORT_PX or right - left > self.body_width:
            self.fill(span)
        elif left < 0 or right > self.body_width:
            self.scroll_to(float(span.start) - 0.15 * self.body_width / self.scale.density)

    def fill(self, span: Span) -> None:
        """Zoom so that a span takes a third of the width."""
        least = Scale.whole(self.duration, self.body_width)
        wanted = self.body_width / max(0.1, 3 * float(span.duration))
        self.scale.density = min(MOST_ZOOM, max(least, wanted))
        self.scroll_to(float(span.start) - self.body_width / self.scale.density / 3)

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
            self.position, self.kind, self.hovered, self.fresh, self.lane_blocks(), self.falling,
            self.has_lane,
        )  # fmt: skip

    def resizeEvent(self, event: QResizeEvent) -> None:
        before = body_width(event.oldSize().width())
        if self.content is not None and (
            event.oldSize().width() <= 0
            or math.isclose(self.scale.density, Scale.whole(self.duration, before), rel_tol=1e-3)
        ):
            self.fit()  # what was seen whole stays so
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

    # Places

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
