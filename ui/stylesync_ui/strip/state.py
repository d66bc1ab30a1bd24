"""What one picture of the strip shows."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from PySide6.QtCore import QRectF
from stylesync_plugin.times import Span

from stylesync_ui.strip.lane import LANE, LineBlock
from stylesync_ui.strip.scale import Scale
from stylesync_ui.timeline.document import ClipView, Content, TrackView

HEADER = 96
RULER = 26

Ranges = dict[str, tuple[Span, str | None]]
"""The spans that are chosen, by kind, each with the label of its track or None."""


@dataclass(frozen=True, slots=True)
class StripState:
    """`rows` are all tracks with their places, scrolled, ruler excluded; sizes in px.

    `kind` is the range that is being marked, `fresh` the jobs that were put on the timeline last,
    `blocks` are the lines that are seen (`has_lane` where there are any at all), and `falling` is
    where a file that is dragged would start.
    """

    content: Content
    rows: list[tuple[TrackView, QRectF]]
    scale: Scale
    width: int
    height: int
    ranges: Ranges
    position: Fraction
    kind: str
    hovered: ClipView | None
    fresh: frozenset[str]
    blocks: tuple[LineBlock, ...] = ()
    falling: Fraction | None = None
    has_lane: bool = False

    @property
    def head(self) -> int:
        """px above the tracks: the ruler, and the lane where there are lines."""
        return head_height(self.has_lane)

    @property
    def body_width(self) -> float:
        return body_width(self.width)


def body_width(width: int) -> float:
    """px beside the tracks' names."""
    return max(1.0, width - HEADER)


def head_height(has_lane: bool) -> int:
    return RULER + (LANE if has_lane else 0)
