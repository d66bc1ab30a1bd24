"""Which frames a dub covers: whole dissolves, handles, and for retimed clips what is shown."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from stylesync_engine.request import FrameRange, MediaError, RequestError
from stylesync_plugin.timeline.items import is_picture
from stylesync_plugin.timeline.layout import Overlap, PlacedClip
from stylesync_plugin.timeline.selecting import Piece
from stylesync_plugin.timeline.sources import Source
from stylesync_plugin.times import EDGE, ZERO, Span, frame_at, frame_from

_FURTHEST_ALIGNMENT = 32
"""Source frames that a dub may begin earlier so that its first frame lies on a timeline frame."""


@dataclass(frozen=True, slots=True)
class Frames:
    """What is dubbed of a clip: `time` (s on the timeline) is when the first frame is shown."""

    count: int
    time: Fraction
    first: Fraction
    start: Fraction
    rate: Fraction
    frames: FrameRange | None = None
    conform: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Coverage:
    """Chooses frames: `rate` is the timeline's, `handles` are extra source frames at both ends."""

    rate: Fraction
    handles: int

    def frames(
        self, placed: PlacedClip, source: Source, span: Span, covered: Span, where: str
    ) -> Frames:
        """What to dub for a span of host time; `covered` is the span with its dissolves.

        Raises RequestError and MediaError naming the clip as `where` does.
        """
        if placed.media.scale != 1:
            return self._shown_frames(placed, source, span, covered, where)
        return self._source_frames(placed, source, span, covered, where)

    def _source_frames(
        self, placed: PlacedClip, source: Source, span: Span, covered: Span, where: str
    ) -> Frames:
        """Source frames as they are, for clips at their own speed."""
        facts, media = source.facts, placed.media
        if facts.variable:
            first, end = 0, facts.frames
        else:
            core = frames_between(source, media.span(span))
            _check_bounds(core, source, where)
            first, end = self._with_handles(source, media.span(covered), media.span(span))
        time = placed.to_root(media.inverse()(source.time_of(first)))
        # The dub carries the source's time code on; without one its own time begins at 0.
        counted = facts.start_frame is not None
        first_time = facts.start + first / facts.rate if counted else ZERO
        start = first_time + media(span.start) - source.time_of(first)
        return Frames(end - first, time, first_time, start, facts.rate, FrameRange(first, end))

    def _with_handles(self, source: Source, covered: Span, core: Span) -> tuple[int, int]:
        """The frames of a media span with handles, starting on a timeline frame where that is near.

        Where source and timeline count differently, hosts round to either neighbour: one frame
        more at both ends belongs to the dub.
        """
        rate = self.rate
        more = self.handles + (source.facts.rate != rate)
        first, end = frames_between(source, covered)
        first, end = max(0, first - more), min(source.facts.frames, end + more)
        step = rate / source.facts.rate
        whole = (core.start - source.zero) * rate * step.denominator
        if whole.denominator == 1:
            for earlier in range(first, max(-1, first - _FURTHEST_ALIGNMENT), -1):
                if (whole.numerator - earlier * step.numerator) % step.denominator == 0:
                    return earlier, end
        return first, end

    def _shown_frames(
        self, placed: PlacedClip, source: Source, span: Span, covered: Span, where: str
    ) -> Frames:
        """One source frame for each timeline frame, for retimed clips and stills."""
        if source.facts.variable:
            raise RequestError(
                f"The {where} is retimed and its media have a variable frame rate;"
                " convert them to a constant rate first."
            )
        rate = self.rate
        core = _shown(placed, source, placed.to_root.span(span), rate)
        if not core:
            raise RequestError(f"The {where} is shorter than a frame; there is nothing to dub.")
        _check_bounds((min(core.values()), max(core.values()) + 1), source, where)
        seen = _shown(placed, source, placed.to_root.span(covered), rate)
        seen = {k: frame for k, frame in seen.items() if 0 <= frame < source.facts.frames}
        time = min(seen) / rate
        start = placed.to_root(span.start) - time
        return Frames(len(seen), time, ZERO, start, rate, None, tuple(seen.values()))


def check(placed: PlacedClip, where: str) -> None:
    if placed.obstacles:
        raise RequestError(
            f"The {where} {placed.obstacles[0]}; render it to a file and dub that in its place."
        )
    if not placed.enabled:
        raise RequestError(f"The {where} is disabled; enable it or choose another clip.")
    if not placed.has_picture:
        raise RequestError(f"The {where} is a title or generator; choose a clip with a person.")


def whole_transitions(placed: PlacedClip, piece: Piece, where: str) -> tuple[Span, tuple[str, ...]]:
    """The piece in host time, never ending in the middle of a dissolve.

    Towards another clip the whole dissolve belongs to the dub. A fade from or to nothing cannot
    be rebuilt on a track above, where it would reveal the original: the dub leaves it alone.
    """
    span = placed.to_root.inverse().span(piece.span)
    start = placed.reach.start if span.start == placed.shown.start else span.start
    end = placed.reach.end if span.end == placed.shown.end else span.end
    warnings = []
    head, tail = placed.head, placed.tail
    if head is not None and start < head.span.end:
        start = placed.span.start if _joins(head) else head.span.end
        if not _joins(head):
            warnings.append(f"The {where} fades in from nothing; the fade itself is not dubbed.")
    if tail is not None and end > tail.span.start:
        end = placed.span.end if _joins(tail) else tail.span.start
        if not _joins(tail):
            warnings.append(f"The {where} fades out to nothing; the fade itself is not dubbed.")
    if not Span(start, end):
        raise RequestError(f"The {where} consists of a fade only; there is nothing to dub.")
    return Span(start, end), tuple(warnings)


def decodable(
    span: Span, placed: PlacedClip, source: Source, where: str
) -> tuple[Span, tuple[str, ...]]:
    """A span in host time without the frames at its ends that a cut without encoding has parted
    from what they refer to: these stay as they are."""
    head, tail = source.facts.undecoded
    if placed.media.scale != 1 or not head + tail:
        return span, ()
    frame = 1 / source.facts.rate
    known = placed.media.inverse().span(Span(source.zero, source.time_of(source.facts.frames)))
    whole = Span(known.start - head * frame, known.end + tail * frame)
    part = span.meet(known)
    if part == span or not part or span.meet(whole) != span:
        return span, ()
    lost = round((span.duration - part.duration) / frame)
    return part, (f"{lost} frames at the ends of the {where} cannot be decoded; they stay.",)


def _joins(overlap: Overlap) -> bool:
    """Whether the transition leads to another picture."""
    return is_picture(overlap.neighbour)


def with_overlaps(placed: PlacedClip, span: Span) -> Span:
    """The span with what dissolves show beyond the cuts."""
    start, end = span.start, span.end
    if placed.head is not None and start == placed.span.start:
        start = min(start, placed.head.span.start)
    if placed.tail is not None and end == placed.span.end:
        end = max(end, placed.tail.span.end)
    return Span(start, end)


def frames_between(source: Source, media: Span) -> tuple[int, int]:
    """The frames shown in a span of media time: first, and one past the last."""
    first = source.frame_at(media.start)
    return first, max(first + 1, frame_from(media.end - source.zero, source.facts.rate))


def _shown(placed: PlacedClip, source: Source, seen: Span, rate: Fraction) -> dict[int, int]:
    """Timeline frames of a span of the timeline, each with the source frame that it shows.

    floor((scale * k / rate + offset - zero) * source rate + EDGE), in whole numbers. A span that
    begins within a timeline frame takes that frame too, so that media begin no later than it.
    """
    media = placed.to_root.inverse().then(placed.media)
    slope = media.scale / rate * source.facts.rate
    offset = (media.offset - source.zero) * source.facts.rate + EDGE
    common = math.lcm(slope.denominator, offset.denominator)
    step, base = int(slope * common), int(offset * common)
    numbers = range(frame_from(seen.start, rate), frame_from(seen.end, rate))
    shown = {k: (step * k + base) // common for k in numbers}
    begun = frame_at(seen.start, rate)
    if shown and begun not in shown:
        return {begun: source.frame_at(media(seen.start)), **shown}
    return shown


def _check_bounds(frames: tuple[int, int], source: Source, where: str) -> None:
    """One frame too many at the end is a host's rounding; more is another file."""
    first, end = frames
    if first < 0 or end > source.facts.frames + 1 or first >= source.facts.frames:
        raise MediaError(
            f"The {where} needs source frames {first}:{end}, but '{Path(source.path).name}' has"
            f" {source.facts.frames}; relink the clip or trim it."
        )
