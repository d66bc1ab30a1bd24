"""Dubs onto a copy of the timeline, and off it again.

Each dubbed clip lies on a track of ours directly above the track of its original, so that titles
further up stay on top. These tracks are laid out anew from their dubs whenever one comes or goes:
gaps, and at dissolves a copy of the clip on the other side, so that the dissolve above mixes what
the one below mixes. Everything of ours carries `metadata["stylesync"]`; nothing else is touched.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio

from stylesync_engine.request import DubRequest, DubResult, RequestError, to_dict
from stylesync_plugin.placement import (
    METADATA,
    ZERO,
    Overlap,
    PlacedClip,
    duration,
    is_picture,
    lay_out,
    own_start,
    speed_of,
)
from stylesync_plugin.plan import Place, PlannedDub
from stylesync_plugin.sources import url_of
from stylesync_plugin.speech import SoundPart
from stylesync_plugin.times import RationalTime, Span, TimeRange, exact_rate, rational_time, seconds

Clip = otio.schema.Clip
Gap = otio.schema.Gap
Track = otio.schema.Track
Transition = otio.schema.Transition


@dataclass(frozen=True, slots=True)
class TrackNames:
    """What the new tracks are called; `bare_paths` writes paths where some hosts balk at URLs."""

    video: str = "StyleSync"
    audio: str = "StyleSync speech"
    bare_paths: bool = False


@dataclass(frozen=True, slots=True)
class Dubbed:
    """A planned dub and what came of it; `hashes` are the sha256 of everything that went in."""

    planned: PlannedDub
    result: DubResult
    hashes: Mapping[str, str] = field(default_factory=dict)
    second: DubResult | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    """An item on one of our tracks, and where it lies in the time of the stack."""

    id: str
    span: Span
    item: Any


def write_back(timeline: Any, dubs: Sequence[Dubbed], names: TrackNames | None = None) -> Any:
    """A copy of the timeline with the dubs on new tracks; earlier ones of the same place go.

    Raises RequestError where the timeline is not the one that was planned.
    """
    names = names or TrackNames()
    copy = timeline.deepcopy()
    layout = lay_out(copy)
    over: dict[int, tuple[Any, Any, list[_Piece]]] = {}
    for dub in dubs:
        original = _original(layout.clips, dub.planned.place)
        host = _follow(copy.tracks, original.path)
        source = host[original.layer]
        pieces = over.setdefault(id(source), (host, source, []))[2]
        pieces.append(_Piece(dub.planned.id, dub.planned.place.span, _clip(original, dub, names)))
    for host, source, pieces in over.values():
        _put_above(host, source, pieces, names)
    sounds = [piece for dub in dubs for piece in _sounds(dub, layout.rate, names)]
    _put_sounds(copy.tracks, sounds, {dub.planned.id for dub in dubs}, names)
    return copy


def remove(timeline: Any, ids: Collection[str] | None = None) -> Any:
    """A copy of the timeline without our dubs: all of them, or those with the given ids."""
    copy = timeline.deepcopy()
    for stack in [copy.tracks, *copy.tracks.find_children(descended_from_type=otio.schema.Stack)]:
        for track in [child for child in stack if _is_ours(child)]:
            kept = [p for p in _pieces_of(track) if ids is not None and p.id not in ids]
            if _is_mixed(track):
                _blank(track, ids)
            else:
                _fill(track, _below(stack, track), kept)
            if not len(track):
                del stack[stack.index(track)]
    return copy


def list_dubs(timeline: Any) -> list[dict[str, Any]]:
    """What we put on the timeline: the metadata of every dubbed clip, as plain data."""
    clips = timeline.find_clips()
    return [_plain(clip.metadata[METADATA]) for clip in clips if _role(clip) == "dub"]


def _original(clips: Iterable[PlacedClip], place: Place) -> PlacedClip:
    for placed in clips:
        if (
            placed.path == place.path
            and placed.layer == place.layer
            and placed.clip.name == place.clip
            and placed.span.meet(place.span) == place.span
        ):
            return placed
    raise RequestError(
        f"The clip '{place.clip}' is not where it was planned ({place.label});"
        " plan the timeline again."
    )


def _follow(stack: Any, path: tuple[int, ...]) -> Any:
    for step in path:
        stack = stack[step]
    return stack


def _clip(original: PlacedClip, dub: Dubbed, names: TrackNames) -> Any:
    """The dubbed clip: the original's effects but those of time, and the dub as its media."""
    place = dub.planned.place
    source_rate = original.clip.source_range
    rate = exact_rate(source_rate.duration.rate) if source_rate is not None else place.rate
    clip = Clip(
        name=f"{original.clip.name} (dubbed)",
        source_range=TimeRange(
            rational_time(place.start, place.rate), rational_time(place.span.duration, rate)
        ),
        metadata={METADATA: _record(dub)},
    )
    effects = [e for e in original.clip.effects if not isinstance(e, otio.schema.TimeEffect)]
    clip.effects.extend(effect.deepcopy() for effect in effects)
    references = {Clip.DEFAULT_MEDIA_KEY: _reference(dub.result, place, names)}
    if dub.second is not None and dub.planned.second is not None:
        delivery = dub.planned.second.options.delivery
        references[delivery] = _reference(dub.second, place, names)
    clip.set_media_references(references, Clip.DEFAULT_MEDIA_KEY)
    return clip


def _reference(result: DubResult, place: Place, names: TrackNames) -> Any:
    available = TimeRange(
        rational_time(place.first, place.rate), RationalTime(place.frames, float(place.rate))
    )
    path = Path(result.output)
    if "%" in path.name:
        return _sequence(path, available, place.rate, names)
    return otio.schema.ExternalReference(_address(path, names), available)


def _sequence(path: Path, available: TimeRange, rate: Fraction, names: TrackNames) -> Any:
    prefix, _, rest = path.name.partition("%")
    padding, _, suffix = rest.partition("d")
    numbers = [
        int(entry.name[len(prefix) : -len(suffix)])
        for entry in path.parent.glob(f"{prefix}*{suffix}")
        if entry.name[len(prefix) : -len(suffix)].isdecimal()
    ]
    return otio.schema.ImageSequenceReference(
        target_url_base=_address(path.parent, names) + "/",
        name_prefix=prefix,
        name_suffix=suffix,
        start_frame=min(numbers, default=0),
        frame_zero_padding=int(padding.lstrip("0") or 1),
        rate=float(rate),
        available_range=available,
    )


def _address(path: Path, names: TrackNames) -> str:
    return str(path.absolute()) if names.bare_paths else url_of(path)


def _record(dub: Dubbed) -> dict[str, Any]:
    """What the timeline remembers: enough to judge the dub, repeat it and remove it."""
    result = dub.result.to_dict()
    kept = ("models", "seed", "changed", "passed_through", "warnings", "signed_by")
    return {
        "role": "dub",
        "id": dub.planned.id,
        "job": dub.planned.job,
        "request": _described(dub.planned.request),
        "result": {key: _plain(result[key]) for key in kept if key in result},
        "hashes": dict(dub.hashes),
        "consent": dub.planned.consent,
    }


def _described(request: DubRequest) -> dict[str, Any]:
    data: dict[str, Any] = _plain(to_dict(request))
    data.pop("work", None)
    return data


def _put_above(host: Any, source: Any, pieces: list[_Piece], names: TrackNames) -> None:
    """Lay the pieces on our tracks above `source`, in the lowest one where they fit."""
    ids = {piece.id for piece in pieces}
    levels = _levels_above(host, source, names)
    contents = [[p for p in _pieces_of(track) if p.id not in ids] for track in levels]
    joints = _joints(source)
    for piece in sorted(pieces, key=lambda piece: piece.span.start):
        fitting = [c for c in contents if _fits(piece, c, joints)]
        if not fitting:
            contents.append([])
            levels.append(_new_track(names.video, otio.schema.TrackKind.Video))
            host.insert(host.index(source) + len(levels), levels[-1])
            fitting = contents[-1:]
        fitting[0].append(piece)
    for track, content in zip(levels, contents, strict=True):
        _fill(track, source, content)
        if not len(track):
            del host[host.index(track)]


def _levels_above(host: Any, source: Any, names: TrackNames) -> list[Any]:
    """Our unmixed tracks of that name directly above a child of a stack."""
    levels = []
    for child in list(host)[host.index(source) + 1 :]:
        if not _is_ours(child) or child.name != names.video or _is_mixed(child):
            break
        levels.append(child)
    return levels


def _below(stack: Any, track: Any) -> Any:
    """What one of our tracks lies over."""
    for child in reversed(list(stack)[: stack.index(track)]):
        if not _is_ours(child):
            return child
    return None


def _new_track(name: str, kind: str) -> Any:
    return Track(name=name, kind=kind, metadata={METADATA: {"role": "track"}})


def _put_sounds(stack: Any, pieces: list[_Piece], ids: Collection[str], names: TrackNames) -> None:
    """Lay the new speech on our audio tracks, after all others."""
    tracks = [
        child for child in stack
        if _is_ours(child) and child.kind == otio.schema.TrackKind.Audio and not _is_mixed(child)
    ]  # fmt: skip
    contents = [[p for p in _pieces_of(track) if p.id not in ids] for track in tracks]
    for piece in sorted(pieces, key=lambda piece: piece.span.start):
        fitting = [c for c in contents if _fits(piece, c, {})]
        if not fitting:
            contents.append([])
            tracks.append(_new_track(names.audio, otio.schema.TrackKind.Audio))
            stack.append(tracks[-1])
            fitting = contents[-1:]
        fitting[0].append(piece)
    for track, content in zip(tracks, contents, strict=True):
        _fill(track, None, content)
        if not len(track):
            del stack[stack.index(track)]


def _sounds(dub: Dubbed, rate: Fraction, names: TrackNames) -> list[_Piece]:
    return [
        _Piece(dub.planned.id, span, _sound_clip(dub, part, span, rate, names))
        for part, span in dub.planned.sounds
    ]


def _sound_clip(dub: Dubbed, part: SoundPart, span: Span, rate: Fraction, names: TrackNames) -> Any:
    samples = float(part.sample_rate)
    reference = otio.schema.ExternalReference(
        _address(Path(part.path), names),
        TimeRange(RationalTime(0, samples), RationalTime(part.total, samples)),
    )
    start = rational_time(Fraction(part.first, part.sample_rate), rate)
    if start.rate != float(rate):
        start = RationalTime(part.first, samples)
    return Clip(
        name=f"{Path(part.path).stem} (speech)",
        media_reference=reference,
        source_range=TimeRange(start, _sound_length(span.duration, rate, part.sample_rate)),
        metadata={METADATA: {"role": "speech", "id": dub.planned.id, "job": dub.planned.job}},
    )


def _sound_length(length: Fraction, rate: Fraction, sample_rate: int) -> RationalTime:
    """Whole frames where the speech is cut, else its own samples."""
    if (length * rate).denominator == 1:
        return rational_time(length, rate)
    return rational_time(length, Fraction(sample_rate))


def _is_ours(item: Any) -> bool:
    return METADATA in item.metadata


def _role(item: Any) -> str:
    return str(item.metadata.get(METADATA, {}).get("role", ""))


def _is_mixed(track: Any) -> bool:
    """Whether somebody put clips of their own on one of our tracks."""
    return any(not _is_ours(child) and not isinstance(child, Gap) for child in track)


def _pieces_of(track: Any) -> list[_Piece]:
    pieces, start = [], ZERO
    for child in track:
        if isinstance(child, Transition):
            continue
        end = start + duration(child)
        if _role(child) in ("dub", "speech"):
            pieces.append(_Piece(str(child.metadata[METADATA]["id"]), Span(start, end), child))
        start = end
    return pieces


def _blank(track: Any, ids: Collection[str] | None) -> None:
    """Turn our items on a mixed track into gaps of their length."""
    for index in reversed(range(len(track))):
        child = track[index]
        if not _is_ours(child) or (
            ids is not None and child.metadata[METADATA].get("id") not in ids
        ):
            continue
        if isinstance(child, Transition):
            del track[index]
        else:
            track[index] = Gap(source_range=TimeRange(duration=child.duration()))


def _joints(source: Any) -> dict[Fraction, Overlap]:
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


def _fits(piece: _Piece, others: list[_Piece], joints: Mapping[Fraction, Overlap]) -> bool:
    """Whether a piece and the copies beside its dissolves leave the others alone."""
    return not any(
        _extent(piece, other, joints).meet(_extent(other, piece, joints)) for other in others
    )


def _extent(piece: _Piece, other: _Piece, joints: Mapping[Fraction, Overlap]) -> Span:
    """A piece with its partners; towards a touching piece it needs none."""
    start, end = piece.span.start, piece.span.end
    if start in joints and other.span.end != start:
        start = min(start, joints[start].span.start)
    if end in joints and other.span.start != end:
        end = max(end, joints[end].span.end)
    return Span(start, end)


def _fill(track: Any, source: Any, pieces: list[_Piece]) -> None:
    """Lay a track of ours out anew; without pieces it is left empty."""
    joints = _joints(source) if source is not None else {}
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
    return _part(item, whole - min(whole, _needed(joint.transition.in_offset)), whole)


def _head_of(item: Any, joint: Overlap) -> Any:
    return _part(item, ZERO, min(duration(item), _needed(joint.transition.out_offset)))


def _needed(offset: RationalTime) -> Fraction:
    return max(seconds(offset), 1 / exact_rate(offset.rate))


def _part(item: Any, start: Fraction, end: Fraction) -> Any:
    """A copy of an item, trimmed in its parent's time; it keeps playing at its own speed."""
    copy = item.deepcopy()
    speed, unclear = speed_of(item)
    if unclear:
        start, end = ZERO, duration(item)
    ranged = item.source_range
    rate = exact_rate(ranged.duration.rate if ranged is not None else item.duration().rate)
    first = own_start(item) + start * speed
    copy.source_range = TimeRange(rational_time(first, rate), rational_time(end - start, rate))
    copy.metadata[METADATA] = {"role": "partner"}
    copy.markers[:] = []
    return copy


def _plain(value: Any) -> Any:
    """Tuples and OTIO's containers as plain lists and dictionaries."""
    if hasattr(value, "items"):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (str, int, float, bool)) or value is None:
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _plain(dataclasses.asdict(value))
    return [_plain(entry) for entry in value]
