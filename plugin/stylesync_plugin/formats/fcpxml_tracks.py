"""Items on the lanes of Final Cut Pro, laid out as tracks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import opentimelineio as otio

from stylesync_plugin.times import ZERO, RationalTime, Span, rational_time

VIDEO = otio.schema.TrackKind.Video
AUDIO = otio.schema.TrackKind.Audio


@dataclass(frozen=True, slots=True)
class OnLane:
    """An item on its lane; `span` is in the time of its sequence."""

    lane: int
    kind: str
    span: Span
    item: Any


@dataclass(slots=True)
class _Lane:
    items: list[OnLane] = field(default_factory=list)

    def has_room(self, span: Span) -> bool:
        return not any(placed.span.meet(span) for placed in self.items)


def tracks_of(placed: list[OnLane], rate: Fraction) -> Iterator[Any]:
    """Tracks bottom to top: pictures by lane, then sound; what overlaps gets a track of its own."""
    for kind in (VIDEO, AUDIO):
        ours = [entry for entry in placed if entry.kind == kind and entry.span]
        lanes = sorted({entry.lane for entry in ours}, reverse=kind == AUDIO)
        for lane in lanes:
            rows: list[_Lane] = []
            for entry in (e for e in ours if e.lane == lane):
                row = next((row for row in rows if row.has_room(entry.span)), None)
                if row is None:
                    rows.append(row := _Lane())
                row.items.append(entry)
            cuts = [e for e in placed if e.kind == kind and e.lane == lane and not e.span]
            for number, row in enumerate(rows):
                yield _track(row, cuts if number == 0 else [], kind, rate)


def _track(row: _Lane, transitions: list[OnLane], kind: str, rate: Fraction) -> Any:
    track = otio.schema.Track(kind=kind)
    end = ZERO
    for entry in sorted(row.items, key=lambda entry: entry.span.start):
        start = entry.span.start
        for cut in [cut for cut in transitions if end <= cut.span.start <= start]:
            end = _fill(track, end, cut.span.start, rate)
            track.append(cut.item)
            transitions = [other for other in transitions if other is not cut]
        end = _fill(track, end, start, rate)
        track.append(entry.item)
        end = entry.span.end
    for cut in transitions:
        if cut.span.start == end:
            track.append(cut.item)
    return track


def _fill(track: Any, end: Fraction, start: Fraction, rate: Fraction) -> Fraction:
    if start > end:
        length = rational_time(start - end, rate)
        track.append(
            otio.schema.Gap(
                source_range=otio.opentime.TimeRange(RationalTime(0, length.rate), length)
            )
        )
    return max(start, end)
