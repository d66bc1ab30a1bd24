"""From a pick to the pieces of clips that it means."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import opentimelineio as otio

from stylesync_engine.request import RequestError
from stylesync_plugin.jobs import Job, Pick, job_from
from stylesync_plugin.placement import METADATA, Layout, PlacedClip, lay_out
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

    A bare range takes what is seen (video) or lies on the first track with anything there (audio).
    """
    wanted = _range_of(layout, pick)
    clips = _named(layout, pick, kind, what)
    if clips is None and wanted is not None:
        candidates = _on_track(layout, pick.track, kind, what)
        pieces = _seen(candidates, wanted) if kind == VIDEO else _first_sounding(candidates, wanted)
        if not pieces:
            raise RequestError(f"The {what} ({pick}) holds no clip; choose another range.")
        return pieces
    pieces = [
        Piece(placed, placed.root_span.meet(wanted or placed.root_span)) for placed in clips or []
    ]
    pieces = [piece for piece in pieces if piece.span]
    if not pieces:
        raise RequestError(f"The {what} ({pick}) lies outside its clip; choose another range.")
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
    for owner in [timeline.tracks, *timeline.tracks.find_children()]:
        for marker in getattr(owner, "markers", []):
            if (name is not None and marker.name != name) or (
                color is not None and str(marker.color).casefold() != color.casefold()
            ):
                continue
            data = marker.metadata.get(METADATA) or template
            if data:
                jobs.append(_job_from_marker(owner, marker, data, len(jobs) + 1, timeline))
    if not jobs:
        raise RequestError(
            'No marker says what to dub; give one metadata["stylesync"] with at least "speech".'
        )
    return tuple(jobs)


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
        for track, clips in _numbered_tracks(layout):
            for number, placed in enumerate(clips, 1):
                if placed.clip is owner:
                    return Pick(track=track, index=number, range=_marked_part(placed, marked))
        raise RequestError(f"The marker '{marker.name}' lies on a clip that is not seen.")
    if not marked:
        raise RequestError(
            f"The marker '{marker.name}' marks no range; draw it out over the words."
        )
    named = str(owner.name) if isinstance(owner, otio.schema.Track) else ""
    return Pick(track=named or None, range=_seconds(marked))


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
    return parse_range(text, layout.rate, layout.zero)


def _named(layout: Layout, pick: Pick, kind: str, what: str) -> list[PlacedClip] | None:
    """The one clip that is named, the whole track, or None for a bare range."""
    if pick.clip is None and pick.index is None:
        if pick.range is None:
            return _on_track(layout, pick.track, kind, what)
        return None if pick.track is None else _on_track(layout, pick.track, kind, what)
    if pick.index is not None:
        return [_indexed(layout, pick, pick.index, kind, what)]
    found = [p for p in _on_track(layout, pick.track, kind, what) if p.clip.name == pick.clip]
    if pick.range is not None:
        wanted = _range_of(layout, pick)
        found = [p for p in found if wanted and p.root_span.meet(wanted)]
    if len(found) > 1:
        places = ", ".join(layout.where(placed) for placed in found[:4])
        raise RequestError(
            f"{len(found)} clips fit the {what} ({pick}): {places};"
            " add a track and index, or a range."
        )
    if not found:
        raise RequestError(
            f"No clip fits the {what} ({pick}); see the names with `stylesync plan`."
        )
    return found


def _indexed(layout: Layout, pick: Pick, index: int, kind: str, what: str) -> PlacedClip:
    if pick.track is None:
        raise RequestError(f"The {what} has an index but no track; add one, for example V1.")
    clips = _on_track(layout, pick.track, kind, what)
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


def _numbered_tracks(layout: Layout) -> list[tuple[str, list[PlacedClip]]]:
    tracks: dict[str, list[PlacedClip]] = {}
    for placed in layout.clips:
        if not placed.is_ours:
            tracks.setdefault(placed.label, []).append(placed)
    return list(tracks.items())


def _on_track(layout: Layout, track: str | None, kind: str, what: str) -> list[PlacedClip]:
    clips = layout.of_kind(kind)
    if track is None:
        return clips
    found = [p for p in clips if track in (p.label, p.track_name)]
    if not found:
        tracks = ", ".join(dict.fromkeys(p.label for p in clips)) or "none"
        raise RequestError(
            f"The {what} names track '{track}', which has no clips; there are: {tracks}."
        )
    return found


def _seen(clips: Sequence[PlacedClip], wanted: Span) -> list[Piece]:
    """The topmost picture at each moment: what lies above hides what lies below."""
    pieces: list[Piece] = []
    open_spans = [wanted]
    for placed in reversed(clips):
        if not placed.enabled or not placed.has_picture:
            continue
        left: list[Span] = []
        for span in open_spans:
            shared = span.meet(placed.root_span)
            if shared:
                pieces.append(Piece(placed, shared))
            left += span.without(placed.root_span)
        open_spans = left
    return sorted(pieces, key=lambda piece: piece.span.start)


def _first_sounding(clips: Sequence[PlacedClip], wanted: Span) -> list[Piece]:
    sounding = [p for p in clips if p.enabled and p.root_span.meet(wanted)]
    if not sounding:
        return []
    label = sounding[0].label
    return [Piece(p, p.root_span.meet(wanted)) for p in sounding if p.label == label]


def with_range(pick: Pick, span: Span) -> Pick:
    """The same pick, narrowed down to a span of the timeline (s)."""
    return dataclasses.replace(pick, range=_seconds(span))
