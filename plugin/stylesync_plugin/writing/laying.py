"""Tracks of ours: the pieces that lie on them, and how they are laid out anew."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import opentimelineio as otio

from stylesync_plugin.timeline.items import (
    METADATA,
    duration,
    is_picture,
    own_start,
    remembered,
    speed_of,
)
from stylesync_plugin.timeline.layout import Overlap
from stylesync_plugin.times import (
    ZERO,
    RationalTime,
    Span,
    TimeRange,
    exact_rate,
    rational_time,
    seconds,
)

Gap = otio.schema.Gap
Track = otio.schema.Track
Transition = otio.schema.Transition


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """An item on one of our tracks, and where it lies in the time of the stack."""

    id: str
    span: Span
    item: Any


def is_ours(item: Any) -> bool:
    return METADATA in item.metadata


def role(item: Any) -> str:
    return str(remembered(item, METADATA).get("role", ""))


def is_mixed(track: Any) -> bool:
    """Whether somebody put clips of their own on one of our tracks."""
    return any(not is_ours(child) and not isinstance(child, Gap) for child in track)


def pieces_of(track: Any) -> list[Piece]:
    pieces, start = [], ZERO
    for child in track:
        if isinstance(child, Transition):
            continue
        end = start + duration(child)
        if role(child) in ("dub", "speech"):
            pieces.append(Piece(str(child.metadata[METADATA]["id"]), Span(start, end), child))
        start = end
    return pieces


def blank(track: Any, ids: Collection[str] | None) -> None:
    """Turn our items on a mixed track into gaps of their length."""
    for index in reversed(range(len(track))):
        child = track[index]
        if not is_ours(child) or (
            ids is not None and child.metadata[METADATA].get("id") not in ids
        ):
            continue
        if isinstance(child, Transition):
            del track[index]
        else:
            track[index] = Gap(source_range=TimeRange(duration=child.duration()))


def joints_of(source: Any) -> dict[Fraction, Overlap]:
    """The transitions between pictures of a track, by the moment of their cut (own time)."""
    joints: dict[Fraction, Overlap] = {}
    if not isinstance(source, Track):
        return joints
    moment = -own_start(source) if source.source_range is not None else ZERO
    children = list(source)
    for index, child in enumerate(children):
        if not isinstance(child, Transition):
            moment += duration(child)
            continue
        around = (
            (children[index - 1] if index else None),
            (children[index + 1 : index + 2] or [None])[0],
        )
        if all(is_picture(item) for item in around):
            span = Span(moment - seconds(child.in_offset), moment + seconds(child.out_offset))
            joints[moment] = Overlap(child, span, around)
    return joints


def fits(piece: Piece, others: list[Piece], joints: Mapping[Fraction, Overlap]) -> bool:
    """Whether a piece and the copies beside its dissolves leave the others alone."""
    return not any(
        _extent(piece, other, joints).meet(_extent(other, piece, joints)) for other in others
    )


def _extent(piece: Piece, other: Piece, joints: Mapping[Fraction, Overlap]) -> Span:
    """A piece with its partners; towards a touching piece it needs none."""
    start, end = piece.span.start, piece.span.end
    if start in joints and other.span.end != start:
        start = min(start, joints[start].span.start)
    if end in joints and other.span.start != end:
        end = max(end, joints[end].span.end)
    return Span(start, end)


def fill(track: Any, source: Any, pieces: list[Piece]) -> None:
    """Lay a track of ours out anew; without pieces it is left empty."""
    joints = joints_of(source) if source is not None else {}
    ordered = sorted(pieces, key=lambda piece: piece.span.start)
    laid = _Laid()
    for index, piece in enumerate(ordered):
        before = ordered[index - 1].span.end if index else None
        joint = joints.get(piece.span.start)
        if joint is not None:
            if before != piece.span.start:
                tail = _tail_of(joint.neighbour[0], joint)
                laid.put(piece.span.start - duration(tail), tail)
            laid.items.append(_mix(joint))
        laid.put(piece.span.start, piece.item)
        after = ordered[index + 1].span.start if index + 1 < len(ordered) else None
        joint = joints.get(piece.span.end)
        if joint is not None and after != piece.span.end:
            laid.items.append(_mix(joint))
            laid.put(piece.span.end, _head_of(joint.neighbour[1], joint))
    track[:] = []
    track.extend(item.deepcopy() for item in laid.items)


@dataclass(slots=True)
class _Laid:
    """Items of a track in the making, and where it ends so far."""

    items: list[Any] = field(default_factory=list)
    end: Fraction = ZERO

    def put(self, start: Fraction, item: Any) -> None:
        if start > self.end:
            rate = exact_rate(item.source_range.duration.rate)
            gap = rational_time(start - self.end, rate)
            self.items.append(Gap(source_range=TimeRange(RationalTime(0, gap.rate), gap)))
        self.items.append(item)
        self.end = start + duration(item)


def _mix(joint: Overlap) -> Any:
    transition = joint.transition.deepcopy()
    transition.metadata[METADATA] = {"role": "transition"}
    return transition


def _tail_of(item: Any, joint: Overlap) -> Any:
    """The end of the clip before a dissolve, as long as the dissolve needs; a frame at least."""
    whole = duration(item)
    return _partner(item, whole - min(whole, _needed(joint.transition.in_offset)), whole)


def _head_of(item: Any, joint: Overlap) -> Any:
    return _partner(item, ZERO, min(duration(item), _needed(joint.transition.out_offset)))


def _needed(offset: RationalTime) -> Fraction:
    return max(seconds(offset), 1 / exact_rate(offset.rate))


def _partner(item: Any, start: Fraction, end: Fraction) -> Any:
    copy = trimmed(item, start, end)
    copy.metadata[METADATA] = {"role": "partner"}
    copy.markers[:] = []
    return copy


def trimmed(item: Any, start: Fraction, end: Fraction) -> Any:
    """A copy of an item, trimmed in its parent's time; it keeps playing at its own speed."""
    copy = item.deepcopy()
    speed, unclear = speed_of(item)
    if unclear:
        start, end = ZERO, duration(item)
    ranged = item.source_range
    rate = exact_rate(ranged.duration.rate if ranged is not None else item.duration().rate)
    first = own_start(item) + start * speed
    copy.source_range = TimeRange(rational_time(first, rate), rational_time(end - start, rate))
    return copy
