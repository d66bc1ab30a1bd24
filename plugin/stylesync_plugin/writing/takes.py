"""Takes: the dubs of one place, one of them picked, the others kept beside it in its metadata.

A place is a stretch of a clip; a take is one dub of it, known by what was asked for. The timeline
shows and plays the picked take; the others travel with it, so that a saved timeline holds them all.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import opentimelineio as otio

from stylesync_engine.request import RequestError
from stylesync_plugin.timeline.items import METADATA, remembered
from stylesync_plugin.times import Span, number_of
from stylesync_plugin.writing.laying import Piece, is_ours, pieces_of, role

OTHERS = "others"


@dataclass(frozen=True, slots=True)
class Take:
    """One take as the timeline remembers it."""

    id: str
    place: str
    job: str
    output: str
    picked: bool
    request: dict[str, Any]


def takes_on(timeline: Any) -> list[Take]:
    """Every take on a timeline, whatever its file is called, the picked one of a place first."""
    takes = []
    for clip in timeline.find_clips():
        if role(clip) == "dub":
            takes.append(_take(clip, picked=True))
            takes += [_take(other["item"], False) for other in _others(clip)]
    return takes


def moved_to(place: str, takes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Takes of another place, which belong to this one from now on."""
    for other in takes:
        for kept in (other, *other["sounds"]):
            kept["item"].metadata[METADATA]["id"] = place
    return takes


def _take(clip: Any, picked: bool) -> Take:
    record = remembered(clip, METADATA)
    request = json.loads(otio.core.serialize_json_to_string(record.get("request", {}), indent=-1))
    take, place, job = (str(record.get(name, "")) for name in ("take", "id", "job"))
    return Take(take, place, job, str(request.get("output", "")), picked, request)


def take_of(clip: Any) -> str:
    return str(remembered(clip, METADATA).get("take", ""))


def earlier_takes(timeline: Any, places: Collection[str]) -> dict[str, list[dict[str, Any]]]:
    """What lies at these places now, and the takes beside it, ready to lie beside another."""
    tracks = timeline.find_children(descended_from_type=otio.schema.Track)
    pieces = [piece for track in tracks if is_ours(track) for piece in pieces_of(track)]
    found: dict[str, list[dict[str, Any]]] = {}
    for piece in pieces:
        if piece.id in places and role(piece.item) == "dub":
            item = piece.item.deepcopy()
            others = list(_others(item))
            item.metadata[METADATA].pop(OTHERS, None)
            sounds = [_packed(p) for p in pieces if p.id == piece.id and role(p.item) == "speech"]
            span = [str(piece.span.start), str(piece.span.end)]
            found[piece.id] = [{"item": item, "span": span, "sounds": sounds}, *others]
    return found


def keep_beside(clip: Any, earlier: list[dict[str, Any]]) -> None:
    """Remember earlier takes of its place in a dubbed clip; the same take is not kept twice."""
    kept = [other for other in earlier if take_of(object_of(other["item"])) != take_of(clip)]
    if kept:
        clip.metadata[METADATA][OTHERS] = kept


def unpacked(other: dict[str, Any], place: str) -> tuple[Piece, list[Piece]]:
    """The picture and the sounds of a take that lay beside another."""
    picture = Piece(place, _span(other["span"]), object_of(other["item"]).deepcopy())
    sounds = [
        Piece(place, _span(sound["span"]), object_of(sound["item"]).deepcopy())
        for sound in other["sounds"]
    ]
    return picture, sounds


def choose(earlier: list[dict[str, Any]], place: str, take: str) -> dict[str, Any]:
    """The take of that id among those of a place; raises RequestError where there is none."""
    for other in earlier:
        if take_of(object_of(other["item"])) == take:
            return other
    raise RequestError(f"There is no take {take} of the place {place} on the timeline.")


def object_of(value: Any) -> Any:
    """An OTIO object, or one that a format without them kept as plain data."""
    if isinstance(value, otio.core.SerializableObject):
        return value
    text = otio.core.serialize_json_to_string(value, indent=-1)
    return otio.adapters.read_from_string(text, "otio_json")


def _others(clip: Any) -> Iterator[dict[str, Any]]:
    """Copies, since what metadata hands out ends with the metadata."""
    for other in remembered(clip, METADATA).get(OTHERS, []):
        sounds = [_copied(sound) for sound in other["sounds"]]
        yield {**_copied(other), "sounds": sounds}


def _copied(other: Any) -> dict[str, Any]:
    return {"item": object_of(other["item"]).deepcopy(), "span": [str(t) for t in other["span"]]}


def _packed(piece: Piece) -> dict[str, Any]:
    span = [str(piece.span.start), str(piece.span.end)]
    return {"item": piece.item.deepcopy(), "span": span}


def _span(ends: Any) -> Span:
    start, end = (number_of(str(end)) for end in ends)
    return Span(start, end)
