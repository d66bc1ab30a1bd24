"""From a pick to the pieces of clips that it means."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import opentimelineio as otio

from stylesync_engine.request import RequestError
from stylesync_plugin.jobs import Job, Pick, job_from
from stylesync_plugin.timeline.items import METADATA
from stylesync_plugin.timeline.layout import Layout, PlacedClip, PlacedTrack, lay_out
from stylesync_plugin.times import Span, parse_range, span_of

VIDEO = otio.schema.TrackKind.Video
AUDIO = otio.schema.TrackKind.Audio


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A part of a clip; `span` is on the timeline itself, in seconds."""

    placed: PlacedClip
    span: Span


def select(layout: Layout, pick: Pick, kind: str, what: str) -> list[Piece]:
    """The pieces that a pick means, in time order; raises RequestError where it means none.

    A bare range takes what is seen (video) or lies on the first track with anything there (audio);
    ranges and tracks pass over what is disabled and over titles.
    """
    wanted = _range_of(layout, pick)
    if pick.clip is None and pick.index is None:
        pieces = _pieces(layout, pick, wanted, kind, what)
    else:
        placed = _one(layout, pick, wanted, kind, what)
        pieces = [Piece(placed, placed.root_span.meet(wanted or placed.root_span))]
    pieces = [piece for piece in pieces if piece.span]
    if not pieces:
        raise RequestError(f"The {what} ({pick}) holds no clip; choose another range.")
    return pieces


def jobs_from_markers(
    timeline: Any, name: str | None = None, color: str | None = None, template: Any = None
) -> tuple[Job, ...]:
    """Jobs from the markers of a timeline.

    Markers that carry `metadata["stylesync"]` say themselves what to do; with `name` or `color`,
    only those. Markers without it take the job data `template`. A marker on a clip selects that
    clip, or the marked part of it; one on the timeline or a track selects its range there.
    """
    jobs: list[Job] = []
    for owner, marker in _marked(timeline):
        if (name is not None and marker.name != name) or (
            color is not None and str(marker.color).casefold() != color.casefold()
        ):
            continue
        data = marker.metadata.get(METADATA) or template
        if data:
            jobs.append(_job_from_marker(owner, marker, data, len(jobs) + 1, timeline))
    if not jobs and template is not None:
        names = ", ".join(f"'{marker.name}'" for _, marker in _marked(timeline)) or "none"
        raise RequestError(f"There is no marker '{name}'; the timeline has: {names}.")
    if not jobs:
        raise RequestError(
            'No marker says what to dub; give one metadata["stylesync"] with at least "speech".'
        )
    return tuple(jobs)


def _marked(timeline: Any) -> Iterator[tuple[Any, Any]]:
    """Every marker with what it lies on."""
    for owner in [timeline.tracks, *timeline.tracks.find_children()]:
        for marker in getattr(owner, "markers", []):
            yield owner, marker


def marked_spans(timeline: Any, layout: Layout) -> Iterator[tuple[str, Span, bool]]:
    """Every marker that is seen: its name, where it lies on the timeline, whether it says what to
    dub. One on a clip lies where that clip shows its media."""
    placed = {id(clip.clip): clip for clip in layout.clips}
    for owner, marker in _marked(timeline):
        span, clip = span_of(marker.marked_range), placed.get(id(owner))
        if isinstance(owner, otio.schema.Clip):
            if clip is None or clip.media.scale <= 0:
                continue
            span = clip.to_root.span(clip.media.inverse().span(span))
        yield str(marker.name), span, bool(marker.metadata.get(METADATA))


def _job_from_marker(owner: Any, marker: Any, data: Any, number: int, timeline: Any) -> Job:
    name = marker.name or f"marker {number}"
    return job_from(_plain(data), name, None, pick_marked(owner, marker, timeline))


def _plain(value: Any) -> Any:
    """OTIO's dictionaries and vectors as plain ones."""
    if hasattr(value, "items"):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (str, int, float)) or value is None:
        return value
    return [_plain(entry) for entry in value]


def pick_marked(owner: Any, marker: Any, timeline: Any) -> Pick:
    """What a marker selects: its clip (or the marked part of it), or its range."""
    marked = span_of(marker.marked_range)
    layout = lay_out(timeline)
    if isinstance(owner, otio.schema.Clip):
        for track in layout.tracks:
            for number, placed in enumerate(track.clips, 1):
                if placed.clip is owner:
                    return Pick(track=track.label, index=number, range=_marked_part(placed, marked))
        raise RequestError(f"The marker '{marker.name}' lies on a clip that is not seen.")
    named = str(owner.name) if isinstance(owner, otio.schema.Track) else ""
    if marked:
        return Pick(track=named or None, range=_seconds(marked))
    return _pick_at(layout, marker, marked.start, named)


def _pick_at(layout: Layout, marker: Any, moment: Fraction, named: str) -> Pick:
    """A marker without length means the clip that is seen there, on its track if it has one."""
    frame = Span(moment, moment + 1 / layout.rate)
    tracks = [t for t in layout.of_kind(VIDEO) if named in ("", t.name)]
    for piece in _seen(tracks, frame)[:1]:
        track = next(t for t in tracks if piece.placed in t.clips)
        return Pick(track=track.label, index=track.clips.index(piece.placed) + 1)
    raise RequestError(
        f"There is no clip at the marker '{marker.name}'; move it over the clip, or draw it out."
    )


def pick_by_marker(timeline: Any, name: str) -> Pick:
    """What the marker of that name selects, nothing where there is none."""
    for owner, marker in _marked(timeline):
        if marker.name == name:
            return pick_marked(owner, marker, timeline)
    return Pick()


def _marked_part(placed: PlacedClip, marked: Span) -> tuple[str, str] | None:
    """The marked part of a clip on the timeline; a marker without length means the whole clip."""
    if not marked or placed.media.scale <= 0:
        return None
    host = placed.media.inverse().span(marked).meet(placed.shown)
    return _seconds(placed.to_root.span(host)) if host else None


def _seconds(span: Span) -> tuple[str, str]:
    return f"{_decimal(span.start)}s", f"{_decimal(span.end)}s"


def _decimal(value: Fraction) -> str:
    return str(value) if value.denominator == 1 else f"{value.numerator}/{value.denominator}"


def _range_of(layout: Layout, pick: Pick) -> Span | None:
    if pick.range is None:
        return None
    text = pick.range if isinstance(pick.range, str) else list(pick.range)
    return parse_range(text, layout.rate, layout.zero, layout.drop)


def _pieces(layout: Layout, pick: Pick, wanted: Span | None, kind: str, what: str) -> list[Piece]:
    """The pieces of a track, of a range, or of a track within a range."""
    if pick.track is None and wanted is not None:
        tracks = layout.of_kind(kind)
        return _seen(tracks, wanted) if kind == VIDEO else _first_sounding(tracks, wanted)
    clips = _track(layout, pick.track, kind, what).clips
    return [
        Piece(placed, placed.root_span.meet(wanted or placed.root_span))
        for placed in clips
        if _can_be_dubbed(placed)
    ]


def _one(layout: Layout, pick: Pick, wanted: Span | None, kind: str, what: str) -> PlacedClip:
    """The one clip that is named or counted."""
    if pick.index is not None:
        return _counted(layout, pick, pick.index, kind, what)
    found = layout.names.get((kind, str(pick.clip)), [])
    if pick.track is not None:
        found = [placed for placed in found if pick.track in (placed.label, placed.track_name)]
    if wanted is not None:
        found = [placed for placed in found if placed.root_span.meet(wanted)]
    if len(found) > 1:
        places = ", ".join(layout.where(placed) for placed in found[:4])
        raise RequestError(
            f"{len(found)} clips fit the {what} ({pick}): {places};"
            " say which by its track and index, or by a range."
        )
    if not found:
        raise RequestError(f"No clip fits the {what} ({pick}); {_named_alike(layout, pick, kind)}.")
    return found[0]


def _named_alike(layout: Layout, pick: Pick, kind: str) -> str:
    """Where to look for the name that was meant."""
    names = [name for known, name in layout.names if known == kind]
    close = difflib.get_close_matches(str(pick.clip), names, 3, 0.5)
    if not close or pick.clip in names:
        return "see the names and places with `stylesync plan TIMELINE`"
    return "there is " + ", ".join(f"'{name}'" for name in close)


def _counted(layout: Layout, pick: Pick, index: int, kind: str, what: str) -> PlacedClip:
    if pick.track is None:
        raise RequestError(f"The {what} has an index but no track; add one, for example V1.")
    clips = _track(layout, pick.track, kind, what).clips
    if not 1 <= index <= len(clips):
        raise RequestError(
            f"The {what} asks for clip {index} of track {pick.track}, which has {len(clips)};"
            " clips are counted from 1."
        )
    placed = clips[index - 1]
    if pick.clip is not None and placed.clip.name != pick.clip:
        raise RequestError(
            f"Clip {index} of track {pick.track} is '{placed.clip.name}', not '{pick.clip}'."
        )
    return placed


def _track(layout: Layout, name: str | None, kind: str, what: str) -> PlacedTrack:
    tracks = layout.of_kind(kind)
    for track in tracks:
        if name in (track.label, track.name):
            return track
    labels = ", ".join(track.label for track in tracks) or "none"
    raise RequestError(f"The {what} names track '{name}', which has no clips; there are: {labels}.")


def _seen(tracks: Sequence[PlacedTrack], wanted: Span) -> list[Piece]:
    """The topmost picture at each moment: what lies above hides what lies below."""
    pieces: list[Piece] = []
    open_spans = [wanted]
    for placed in (p for track in reversed(tracks) for p in track.between(wanted)):
        if not _can_be_dubbed(placed):
            continue
        left: list[Span] = []
        for span in open_spans:
            shared = span.meet(placed.root_span)
            if shared:
                pieces.append(Piece(placed, shared))
            left += span.without(placed.root_span)
        open_spans = left
    return sorted(pieces, key=lambda piece: piece.span.start)


def _can_be_dubbed(placed: PlacedClip) -> bool:
    return placed.enabled and placed.has_picture


def _first_sounding(tracks: Sequence[PlacedTrack], wanted: Span) -> list[Piece]:
    for track in tracks:
        sounding = [placed for placed in track.between(wanted) if placed.enabled]
        if sounding:
            return [Piece(placed, placed.root_span.meet(wanted)) for placed in sounding]
    return []


def with_range(pick: Pick, span: Span) -> Pick:
    """The same pick, narrowed down to a span of the timeline (s)."""
    return dataclasses.replace(pick, range=_seconds(span))
