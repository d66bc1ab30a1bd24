"""Where every clip of a timeline lies, in exact seconds, through nested tracks and stacks.

OpenTimelineIO's own range functions work in floating numbers, fail on missing ranges and ignore
time effects. Here one walk gives each clip its span in the stack that holds it (its *host*), the
mapping from host time to media time, and the reasons why it could not be dubbed, if any.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import opentimelineio as otio

from stylesync_plugin.timeline.items import (
    METADATA,
    MLT,
    OBSTACLE,
    counts_drop,
    duration,
    own_start,
    remembered,
    speed_of,
    timeline_rate,
)
from stylesync_plugin.times import ZERO, Mapping, Span, parse_time, seconds, time_code

Clip = otio.schema.Clip
Stack = otio.schema.Stack
Track = otio.schema.Track
Transition = otio.schema.Transition


@dataclass(frozen=True, slots=True)
class Overlap:
    """A transition at one end of a clip; spans in the host's time."""

    transition: Any
    span: Span
    neighbour: Any


@dataclass(frozen=True, slots=True, eq=False)
class PlacedClip:
    """One clip where it lies.

    `path` leads from `timeline.tracks` to the host stack, `layer` is the host's child that holds
    the clip. `span` is the clip in host time as cut, `shown` the part that nesting leaves visible,
    `reach` that part with what a dissolve of the nesting sequence shows beyond its cut;
    `root_span` is what is shown, on the timeline itself. `media` maps host time to media time; at
    a freeze its scale is 0.
    """

    clip: Any
    path: tuple[int, ...]
    layer: int
    label: str
    span: Span
    shown: Span
    reach: Span
    root_span: Span
    to_root: Mapping
    media: Mapping
    enabled: bool
    is_ours: bool
    kind: str
    track_name: str = ""
    head: Overlap | None = None
    tail: Overlap | None = None
    obstacles: tuple[str, ...] = ()

    @property
    def has_picture(self) -> bool:
        """Whether there is media to dub; titles and colour generators have none."""
        return not isinstance(self.clip.media_reference, otio.schema.GeneratorReference)


@dataclass(frozen=True, slots=True, eq=False)
class PlacedTrack:
    """The clips of one track in time order, none of ours among them."""

    label: str
    name: str
    kind: str
    clips: list[PlacedClip]

    def between(self, span: Span) -> list[PlacedClip]:
        """The clips that a span of the timeline touches."""
        first = bisect_right(self.clips, span.start, key=lambda placed: placed.root_span.end)
        last = bisect_left(self.clips, span.end, key=lambda placed: placed.root_span.start)
        return self.clips[first:last]


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """All clips of a timeline, bottom to top, with the timeline's rate and start time code; `drop`
    says whether it counts in drop-frame time code, where its file tells."""

    clips: tuple[PlacedClip, ...]
    rate: Fraction
    zero: Fraction
    tracks: tuple[PlacedTrack, ...]
    names: dict[tuple[str, str], list[PlacedClip]]
    drop: bool | None = None

    def of_kind(self, kind: str) -> list[PlacedTrack]:
        return [track for track in self.tracks if track.kind == kind]

    def time_code(self, moment: Fraction) -> str:
        """A moment of the timeline (s) as its editor shows it."""
        return time_code(moment, self.rate, self.zero, self.drop)

    def moment_of(self, text: str | int) -> Fraction:
        """A time as its editor writes it -> seconds on the timeline; raises RequestError."""
        return parse_time(text, self.rate, self.zero, self.drop)

    def where(self, placed: PlacedClip) -> str:
        """`clip 'x' (V1 at 01:00:03:00)`, as sentences name a place."""
        at = self.time_code(placed.root_span.start)
        return f"clip '{placed.clip.name}' ({placed.label} at {at})"


@dataclass(frozen=True, slots=True)
class _Context:
    """What a walk carries downwards."""

    path: tuple[int, ...]
    layer: int
    label: str
    kind: str
    track_name: str
    to_root: Mapping
    inner: Mapping
    window: Span
    reach: Span
    enabled: bool
    obstacles: tuple[str, ...] = field(default=())


def lay_out(timeline: Any, rate: Fraction | None = None) -> Layout:
    """Place every clip of a timeline; raises RequestError where a length is unknown."""
    stack = timeline.tracks
    frame_rate = rate or timeline_rate(timeline)
    start = timeline.global_start_time
    zero = seconds(start) if start is not None else ZERO
    own = Mapping(Fraction(1), -own_start(stack))
    window = Span(own_start(stack), own_start(stack) + duration(stack))
    root = _Context((), 0, "", "", "", own, Mapping(), window, window, stack.enabled)
    clips = tuple(_in_stack(stack, root, ""))
    return Layout(clips, frame_rate, zero, *_indexed(clips), counts_drop(timeline))


def _indexed(
    clips: tuple[PlacedClip, ...],
) -> tuple[tuple[PlacedTrack, ...], dict[tuple[str, str], list[PlacedClip]]]:
    """The clips by track, bottom to top, and by kind and name."""
    tracks: dict[tuple[str, str], PlacedTrack] = {}
    names: dict[tuple[str, str], list[PlacedClip]] = {}
    for placed in clips:
        if placed.is_ours:
            continue
        key = (placed.kind, placed.label)
        if key not in tracks:
            tracks[key] = PlacedTrack(placed.label, placed.track_name, placed.kind, [])
        tracks[key].clips.append(placed)
        names.setdefault((placed.kind, placed.clip.name), []).append(placed)
    return tuple(tracks.values()), names


def _in_stack(stack: Any, context: _Context, prefix: str) -> Iterator[PlacedClip]:
    """`context` holds the stack's own time, as host time, with the stack's path."""
    counts: dict[str, int] = {}
    for layer, child in enumerate(stack):
        kind = child.kind if isinstance(child, Track) else "Video"
        label = f"{prefix}{child.name}"
        if METADATA not in child.metadata:
            counts[kind] = counts.get(kind, 0) + 1
            label = f"{prefix}{kind[:1]}{counts[kind]}"
        inside = replace(
            context,
            layer=layer,
            label=label,
            kind=kind,
            track_name=child.name,
            enabled=context.enabled and child.enabled,
        )
        yield from _in_item(child, ZERO, inside, None, None)


def _in_item(
    item: Any, start: Fraction, context: _Context, head: Overlap | None, tail: Overlap | None
) -> Iterator[PlacedClip]:
    """`start` is the item's place in its parent; `context.inner` maps host time to parent time."""
    speed, obstacle = speed_of(item)
    span = context.inner.inverse().span(Span(start, start + duration(item)))
    own = context.inner.then(Mapping(speed, own_start(item) - speed * start))
    obstacle = obstacle or str(remembered(item, MLT).get(OBSTACLE, ""))
    reasons = context.obstacles + ((obstacle,) if obstacle else ())
    enabled = context.enabled and item.enabled
    if isinstance(item, Clip):
        shown = span.meet(context.window)
        if shown:
            yield PlacedClip(
                item,
                context.path,
                context.layer,
                context.label,
                span,
                shown,
                span.meet(context.reach),
                context.to_root.span(shown),
                context.to_root,
                own,
                enabled,
                METADATA in item.metadata,
                context.kind,
                context.track_name,
                head,
                tail,
                reasons,
            )
        return
    if not isinstance(item, otio.core.Composition):
        return
    if speed == 0:
        own = context.inner.then(Mapping(Fraction(1), own_start(item) - start))
        reasons += (f"lies inside '{item.name}', which is frozen",)
    if isinstance(item, Track) and (head or tail):
        reasons += (f"lies in the nested track '{item.name}', which is dissolved as a whole",)
    reach = Span(head.span.start if head else span.start, tail.span.end if tail else span.end)
    inner = replace(
        context,
        inner=own,
        window=span.meet(context.window),
        reach=reach.meet(context.reach),
        enabled=enabled,
        obstacles=reasons,
    )
    if isinstance(item, Stack):
        yield from _nested(item, inner)
    else:
        yield from _in_track(item, inner)


def _nested(stack: Any, context: _Context) -> Iterator[PlacedClip]:
    """A stack inside a track or stack becomes a host of its own."""
    if not context.window:
        return
    reasons = context.obstacles
    if context.inner.scale != 1:
        reasons += (f"lies inside the nested sequence '{stack.name}', which is retimed",)
    inside = replace(
        context,
        path=(*context.path, *_steps(stack)),
        to_root=context.inner.inverse().then(context.to_root),
        inner=Mapping(),
        window=context.inner.span(context.window),
        reach=context.inner.span(context.reach),
        obstacles=reasons,
    )
    yield from _in_stack(stack, inside, f"{context.label}/{stack.name}/")


def _steps(stack: Any) -> tuple[int, ...]:
    """Child indexes from the host stack down to a nested one."""
    steps: list[int] = []
    node = stack
    while node.parent() is not None and len(steps) < 64:
        parent = node.parent()
        steps.append(parent.index(node))
        if isinstance(parent, Stack):
            break
        node = parent
    return tuple(reversed(steps))


def _in_track(track: Any, context: _Context) -> Iterator[PlacedClip]:
    direct = isinstance(track.parent(), Stack)
    children = list(track)
    start = ZERO
    for index, child in enumerate(children):
        if isinstance(child, Transition):
            continue
        end = start + duration(child)
        head = _overlap(children, index, -1, start, context) if direct else None
        tail = _overlap(children, index, 1, end, context) if direct else None
        inside = context
        if (head or tail) and context.inner.scale != 1:
            reason = f"is dissolved on the track '{track.name}', which is retimed"
            inside = replace(context, obstacles=(*context.obstacles, reason))
        yield from _in_item(child, start, inside, head, tail)
        start = end


def _overlap(
    children: list[Any], index: int, side: int, cut: Fraction, context: _Context
) -> Overlap | None:
    at = index + side
    if not 0 <= at < len(children) or not isinstance(children[at], Transition):
        return None
    transition = children[at]
    further = at + side
    neighbour = children[further] if 0 <= further < len(children) else None
    covered = Span(cut - seconds(transition.in_offset), cut + seconds(transition.out_offset))
    return Overlap(transition, context.inner.inverse().span(covered), neighbour)
