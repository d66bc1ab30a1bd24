"""Markers of the open timeline, as the strip draws them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stylesync_plugin.timeline.layout import Layout
from stylesync_plugin.timeline.selecting import marked_spans
from stylesync_plugin.times import Span


@dataclass(frozen=True, slots=True)
class MarkerView:
    """A marker and where it lies; `says_what` where it tells what to dub."""

    name: str
    span: Span
    says_what: bool


def markers_of(timeline: Any, layout: Layout) -> tuple[MarkerView, ...]:
    """The markers of a timeline in time order."""
    found = [MarkerView(*marked) for marked in marked_spans(timeline, layout)]
    return tuple(sorted(found, key=lambda marker: marker.span.start))
