"""Dubs onto a copy of the timeline, and off it again.

Each dubbed clip lies on a track of ours directly above the track of its original, so that titles
further up stay on top. These tracks are laid out anew from their dubs whenever one comes or goes:
gaps, and at dissolves a copy of the clip on the other side, so that the dissolve above mixes what
the one below mixes. Everything of ours carries `metadata["stylesync"]`; nothing else is touched.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import opentimelineio as otio

from stylesync_engine.request import RequestError
from stylesync_plugin.planning.plan import Place
from stylesync_plugin.timeline.items import METADATA, remembered
from stylesync_plugin.timeline.layout import PlacedClip, lay_out
from stylesync_plugin.writing.dubbed_clips import Dubbed, TrackNames, clip_of, plain, sounds_of
from stylesync_plugin.writing.laying import (
    Piece,
    blank,
    fill,
    fits,
    is_mixed,
    is_ours,
    joints_of,
    pieces_of,
    role,
)
from stylesync_plugin.writing.original_sound import turn_down, turn_up
from stylesync_plugin.writing.takes import (
    OTHERS,
    choose,
    earlier_takes,
    keep_beside,
    moved_to,
    unpacked,
)

Track = otio.schema.Track


def write_back(timeline: Any, dubs: Sequence[Dubbed], names: TrackNames | None = None) -> Any:
    """A copy of the timeline with the dubs on new tracks; earlier takes of a place lie beside the
    new one in its metadata.

    Raises RequestError where the timeline is not the one that was planned.
    """
    names = names or TrackNames()
    copy = timeline.deepcopy()
    absorbed = _absorbed(copy, dubs)
    places = {dub.planned.id for dub in dubs}
    turn_up(copy.tracks, places)
    earlier = earlier_takes(copy, {*places, *absorbed})
    for old, new in absorbed.items():
        earlier[new] = [*earlier.get(new, []), *moved_to(new, earlier.pop(old, []))]
    copy = remove(copy, absorbed) if absorbed else copy
    layout = lay_out(copy)
    over: dict[int, tuple[Any, Any, list[Piece]]] = {}
    for dub in dubs:
        original = _original(layout.clips, dub.planned.place)
        host = _follow(copy.tracks, original.path)
        source = host[original.layer]
        pieces = over.setdefault(id(source), (host, source, []))[2]
        clip = clip_of(original, dub, names)
        keep_beside(clip, earlier.get(dub.planned.id, []))
        pieces.append(Piece(dub.planned.id, dub.planned.place.span, clip))
        place, level = dub.planned.place, names.original_sound
        turn_down(host, original.clip, dub.planned.in_place, place, dub.planned.id, level)
    for host, source, pieces in over.values():
        _put_above(host, source, pieces, names)
    sounds = [piece for dub in dubs for piece in sounds_of(dub, layout.rate, names)]
    _put_sounds(copy.tracks, sounds, places, names)
    return copy


def pick_take(timeline: Any, place: str, take: str, names: TrackNames | None = None) -> Any:
    """A copy of the timeline that shows and plays another take of a place.

    Raises RequestError where the place has no such take.
    """
    copy = timeline.deepcopy()
    takes = earlier_takes(copy, {place}).get(place, [])
    picture, sounds = unpacked(choose(takes, place, take), place)
    keep_beside(picture.item, takes)
    for stack in [copy.tracks, *copy.tracks.find_children(descended_from_type=otio.schema.Stack)]:
        for track in [child for child in stack if is_ours(child) and not is_mixed(child)]:
            pieces = pieces_of(track)
            if any(piece.id == place and role(piece.item) == "dub" for piece in pieces):
                others = [piece for piece in pieces if piece.id != place]
                fill(track, _below(stack, track), [*others, picture])
    _put_sounds(copy.tracks, sounds, {place}, names or TrackNames())
    return copy


def remove(timeline: Any, ids: Collection[str] | None = None) -> Any:
    """A copy of the timeline without our dubs: all of them, or those with the given ids."""
    copy = timeline.deepcopy()
    for stack in [copy.tracks, *copy.tracks.find_children(descended_from_type=otio.schema.Stack)]:
        for track in [child for child in stack if is_ours(child)]:
            kept = [p for p in pieces_of(track) if ids is not None and p.id not in ids]
            if is_mixed(track):
                blank(track, ids)
            else:
                fill(track, _below(stack, track), kept)
            if not len(track):
                del stack[stack.index(track)]
    turn_up(copy.tracks, ids)
    return copy


def only_ours(timeline: Any) -> Any:
    """A copy of the timeline with StyleSync's own tracks alone, to be pasted above somebody's own:
    every dub and its speech lies where it lay. Raises RequestError where there is none.

    Dubs inside of nested sequences stay there, and are not taken out.
    """
    copy = timeline.deepcopy()
    for index in reversed(range(len(copy.tracks))):
        if not is_ours(copy.tracks[index]):
            del copy.tracks[index]
    copy.tracks.markers[:] = []
    if not list_dubs(copy):
        raise RequestError(f"'{timeline.name}' holds no dubs on tracks of its own; dub it first.")
    return copy


def list_dubs(timeline: Any) -> list[dict[str, Any]]:
    """What we put on the timeline: the metadata of every dubbed clip, as plain data."""
    records = [clip.metadata[METADATA] for clip in timeline.find_clips() if role(clip) == "dub"]
    return [
        {name: plain(value) for name, value in record.items() if name != OTHERS}
        for record in records
    ]


def _absorbed(timeline: Any, dubs: Sequence[Dubbed]) -> dict[str, str]:
    """Dubs of one face each that a new one of several holds too, by their ids: the new one's id.
    They would hide each other, and be heard twice."""
    found: dict[str, str] = {}
    for clip in timeline.find_clips():
        record = remembered(clip, METADATA)
        jobs = set(record.get("jobs", ())) or {str(record.get("job", ""))}
        for dub in dubs if role(clip) == "dub" else ():
            new = dub.planned
            if len(new.jobs) > 1 and jobs <= set(new.jobs) and record["id"] != new.id:
                same = dict(record.get("request", {})).get("video") == new.request.video
                found |= {str(record["id"]): new.id} if same else {}
    return found


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


def _put_above(host: Any, source: Any, pieces: list[Piece], names: TrackNames) -> None:
    """Lay the pieces on our tracks above `source`, in the lowest one where they fit."""
    ids = {piece.id for piece in pieces}
    levels = _levels_above(host, source, names)
    contents = [[p for p in pieces_of(track) if p.id not in ids] for track in levels]
    joints = joints_of(source)
    for piece in sorted(pieces, key=lambda piece: piece.span.start):
        fitting = [c for c in contents if fits(piece, c, joints)]
        if not fitting:
            contents.append([])
            levels.append(_new_track(names.video, otio.schema.TrackKind.Video))
            host.insert(host.index(source) + len(levels), levels[-1])
            fitting = contents[-1:]
        fitting[0].append(piece)
    for track, content in zip(levels, contents, strict=True):
        fill(track, source, content)
        if not len(track):
            del host[host.index(track)]


def _levels_above(host: Any, source: Any, names: TrackNames) -> list[Any]:
    """Our unmixed tracks of that name directly above a child of a stack."""
    levels = []
    for child in list(host)[host.index(source) + 1 :]:
        if not is_ours(child) or child.name != names.video or is_mixed(child):
            break
        levels.append(child)
    return levels


def _below(stack: Any, track: Any) -> Any:
    """What one of our tracks lies over."""
    for child in reversed(list(stack)[: stack.index(track)]):
        if not is_ours(child):
            return child
    return None


def _new_track(name: str, kind: str) -> Any:
    return Track(name=name, kind=kind, metadata={METADATA: {"role": "track"}})


def _put_sounds(stack: Any, pieces: list[Piece], ids: Collection[str], names: TrackNames) -> None:
    """Lay the new speech on our audio tracks, after all others."""
    tracks = [
        child for child in stack
        if is_ours(child) and child.kind == otio.schema.TrackKind.Audio and not is_mixed(child)
    ]  # fmt: skip
    contents = [[p for p in pieces_of(track) if p.id not in ids] for track in tracks]
    for piece in sorted(pieces, key=lambda piece: piece.span.start):
        fitting = [c for c in contents if fits(piece, c, {})]
        if not fitting:
            contents.append([])
            tracks.append(_new_track(names.audio, otio.schema.TrackKind.Audio))
            stack.append(tracks[-1])
            fitting = contents[-1:]
        fitting[0].append(piece)
    for track, content in zip(tracks, contents, strict=True):
        fill(track, None, content)
        if not len(track):
            del stack[stack.index(track)]


__all__ = [
    "Dubbed",
    "TrackNames",
    "list_dubs",
    "only_ours",
    "pick_take",
    "remove",
    "write_back",
]
