"""The shot's own sound under the dubs of a project: a volume on the tracks that play it.

It lies on the track from the dub's first frame to its last, so that no clip of the person's is cut;
it goes with the dub. Music and other clips that play other media are left alone.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any

import opentimelineio as otio

from stylesync_plugin.formats.mlt_document import Document, is_ours, playlists, text_of
from stylesync_plugin.timeline.items import METADATA, MLT, duration, remembered

AUDIO = otio.schema.TrackKind.Audio
TURNED = "kdenlive:stylesync_sound"
"""The property that marks a filter of ours."""
_LEVELS = {"off": "-100", "-20dB": "-20"}  # dB


def turn_up(document: Document) -> None:
    """Take away what an earlier dub has turned down."""
    for track in document.main.findall("track"):
        holder = document.producer_of(track)
        for node in holder.findall("filter") if holder is not None else ():
            if holder is not None and text_of(node, TURNED):
                holder.remove(node)


def turn_down(document: Document, before: list[ET.Element], tracks: Any) -> None:
    """Turn down the sound under every dub on the `tracks` of a timeline, as much as each says;
    `before` are the project's own tracks by their number there."""
    original = before[0]
    for track in tracks:
        if METADATA not in track.metadata and MLT in track.metadata:
            original = before[int(track.metadata[MLT]["track"])]
        elif METADATA in track.metadata and track.kind != AUDIO:
            for first, end, record in _dubs(document, track):
                level = _LEVELS.get(str(record.get("original_sound", "keep")))
                media = {_stem(p) for _, _, p in _playing(document, original, first, end)}
                spoken = {_stem_of(str(path)) for path in record.get("in_place", ())}
                if level is not None:
                    _turn(document, before, (first, end), media - spoken, level)


def _dubs(document: Document, track: Any) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """First frame, end and record of each dub on a track."""
    moment = 0
    for child in track:
        length = round(duration(child) * document.rate)
        record = remembered(child, METADATA)
        if record.get("role") == "dub":
            yield moment, moment + length, record
        moment += length


def _turn(
    document: Document, before: Iterable[ET.Element], span: tuple[int, int], media: set[str],
    level: str,
) -> None:  # fmt: skip
    for track in before:
        holder = document.producer_of(track)
        if holder is None or is_ours(document, track) or not _is_heard(document, track, holder):
            continue
        for first, end, producer in _playing(document, track, *span):
            if _stem(producer) in media - {""}:
                told = {"in": str(max(first, span[0])), "out": str(min(end, span[1]) - 1)}
                node = ET.SubElement(holder, "filter", told)
                for name, value in {**_VOLUME, "level": level}.items():
                    ET.SubElement(node, "property", name=name).text = value


def _is_heard(document: Document, track: ET.Element, holder: ET.Element) -> bool:
    """Kdenlive keeps sound on tracks of its own; Shotcut's pictures bring theirs."""
    return not document.is_kdenlive or bool(text_of(holder, "kdenlive:audio_track"))


def _playing(
    document: Document, track: ET.Element, first: int, end: int
) -> Iterator[tuple[int, int, ET.Element]]:
    """When the entries of a track that are played from `first` to `end` begin and end, and what
    they play."""
    for playlist in playlists(document, track):
        moment = 0
        for node in playlist:
            if node.tag == "blank":
                moment += document.frames(node.get("length"))
            elif node.tag == "entry":
                length = document.span(node)[1]
                producer = document.by_id.get(node.get("producer", ""))
                if moment < end and moment + length > first and producer is not None:
                    yield moment, moment + length, producer
                moment += length


def _stem(producer: ET.Element) -> str:
    """The name of what a producer plays, without its kind: sound may lie in another file."""
    original = text_of(producer, "kdenlive:originalurl")
    return _stem_of(original or text_of(producer, "warp_resource") or text_of(producer, "resource"))


def _stem_of(path: str) -> str:
    return PurePosixPath(path.replace("\\", "/")).stem


_VOLUME = {
    "mlt_service": "volume", "kdenlive_id": "volume", "shotcut:filter": "audioGain",
    "kdenlive:force_in_out": "1", TURNED: "1",
}  # fmt: skip
