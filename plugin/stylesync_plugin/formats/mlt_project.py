"""Projects of Kdenlive and Shotcut: their MLT documents, read as timelines.

Frames count from 0 at the project's rate, `in` and `out` both lie inside, and every file is
counted from its own first frame, whatever its time code says. What these timelines remember of
their document under `metadata["mlt"]` lets `mlt_editing` put dubs back into it.
"""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio

from stylesync_engine.request import RequestError
from stylesync_plugin.formats.mlt_document import (
    RECORD,
    Document,
    effects_of,
    is_ours,
    name_of,
    playlists,
    read_document,
    text_of,
)
from stylesync_plugin.timeline.items import METADATA, MLT, OBSTACLE
from stylesync_plugin.timeline.paths import url_of
from stylesync_plugin.times import RationalTime, TimeRange, number_of

VIDEO, AUDIO = otio.schema.TrackKind.Video, otio.schema.TrackKind.Audio

ZONE = "zone"

_PLAIN = ("avformat", "avformat-novalidate")
_MADE_UP = ("color", "colour", "kdenlivetitle", "qtext", "pango", "count", "noise", "glaxnimate")
_TIME_FILTERS = ("freeze", "timeremap")


def read_project(path: Path) -> Any:
    """The timeline of a project; guides, markers and the zone are markers of the timeline."""
    document = read_document(path)
    timeline = otio.schema.Timeline(
        path.stem, global_start_time=RationalTime(0, float(document.rate))
    )
    timeline.metadata[MLT] = {"project": str(path.absolute()), "sha256": document.digest}
    nodes = document.main.findall("track")
    tracks = [_track(document, node, number) for number, node in enumerate(nodes)]
    sounds = [track for track in tracks if track is not None and track.kind == AUDIO]
    pictures = [track for track in tracks if track is not None and track.kind == VIDEO]
    # Kdenlive shows its first track lowest, the sound below the pictures: A2, A1, V1, V2.
    timeline.tracks.extend([*pictures, *(reversed(sounds) if document.is_kdenlive else sounds)])
    timeline.tracks.markers.extend(_markers(document))
    return timeline


def _track(document: Document, track: ET.Element, number: int) -> Any:
    """A track of the timeline; None for the black that lies below them all."""
    node = document.producer_of(track)
    parts = playlists(document, track)
    if node is None or not parts or _is_background(document, parts, number):
        return None
    hidden = {track.get("hide", "")} | {part.get("hide", "") for part in node.findall("track")}
    is_sound = _is_sound(node, hidden)
    name = text_of(node, "kdenlive:track_name") or text_of(node, "shotcut:name")
    made = otio.schema.Track(name=name, kind=AUDIO if is_sound else VIDEO)
    made.enabled = "both" not in hidden and (is_sound or "video" not in hidden)
    made.metadata[MLT] = {"track": number}
    if is_ours(document, track):
        made.metadata[METADATA] = {"role": "track"}
    end = 0
    for start, clip in sorted(_placed(document, parts), key=lambda placed: placed[0]):
        if start > end:
            made.append(otio.schema.Gap(source_range=_range(0, start - end, document.rate)))
        elif start < end:
            # Both ends of a mix lie in both clips: only the first shows it here.
            for mixed in (made[-1], clip):
                mixed.metadata[MLT][OBSTACLE] = "is mixed with its neighbour inside its track"
            _cut_head(clip, end - start)
        end = max(end, start) + int(clip.source_range.duration.value)
        made.append(clip)
    return made


def _cut_head(clip: Any, frames: int) -> None:
    """Take off a clip's first frames; a clip that a mix covers wholly keeps none."""
    told = clip.source_range
    cut = RationalTime(min(frames, told.duration.value), told.duration.rate)
    clip.source_range = TimeRange(told.start_time + cut, told.duration - cut)


def _is_background(document: Document, parts: list[ET.Element], number: int) -> bool:
    producers = [document.producer_of(entry) for part in parts for entry in part.iter("entry")]
    services = {text_of(p, "mlt_service") for p in producers if p is not None}
    return number == 0 and bool(services) and services <= {"color", "colour"}


def _is_sound(node: ET.Element, hidden: set[str]) -> bool:
    if text_of(node, "kdenlive:audio_track") or text_of(node, "shotcut:audio"):
        return True
    if text_of(node, "shotcut:video") or node.tag == "tractor":
        return False
    return "video" in hidden


def _placed(document: Document, parts: list[ET.Element]) -> Iterator[tuple[int, Any]]:
    """The clips of a track with the frames where they begin."""
    for part in parts:
        moment = 0
        for child in part:
            if child.tag == "blank":
                moment += document.frames(child.get("length"))
            elif child.tag == "entry":
                yield moment, _clip(document, child)
                moment += document.span(child)[1]


def _clip(document: Document, entry: ET.Element) -> Any:
    first, length = document.span(entry)
    producer = document.by_id[entry.get("producer", "")]
    speed = _speed(producer)
    clip = otio.schema.Clip(
        name_of(producer),
        _reference(document, producer),
        _range(first * speed, length, document.rate),
        metadata={MLT: {}},
    )
    obstacle = _obstacle(document, producer, entry)
    if obstacle:
        clip.metadata[MLT][OBSTACLE] = obstacle
    if speed != 1:
        clip.effects.append(otio.schema.LinearTimeWarp(time_scalar=float(speed)))
    if text_of(producer, RECORD):
        clip.metadata[METADATA] = _record(producer)
    return clip


def _record(producer: ET.Element) -> Any:
    try:
        record = json.loads(text_of(producer, RECORD))
    except ValueError:
        record = None
    return record if isinstance(record, dict) else {"role": "unknown"}


def _speed(producer: ET.Element) -> Fraction:
    """How fast a producer plays its file; raises RequestError for nonsense."""
    if text_of(producer, "mlt_service") != "timewarp":
        return Fraction(1)
    told = text_of(producer, "warp_speed") or text_of(producer, "resource").partition(":")[0]
    try:
        speed = number_of(told)
    except (ValueError, ZeroDivisionError) as error:
        raise RequestError(f"'{told}' is not a speed; retime the clip anew and save it.") from error
    return speed.limit_denominator(10_000)


def _reference(document: Document, producer: ET.Element) -> Any:
    """The media file behind a producer; what the editor makes up itself is a generator."""
    service = text_of(producer, "mlt_service")
    if service == "timewarp":
        resource = text_of(producer, "warp_resource")
        resource = resource or text_of(producer, "resource").partition(":")[2]
    elif service in _PLAIN:
        resource = text_of(producer, "resource")
    else:
        return otio.schema.GeneratorReference(generator_kind=service or producer.tag)
    proxy = text_of(producer, "kdenlive:proxy")
    if proxy not in ("", "-"):
        resource = text_of(producer, "kdenlive:originalurl") or resource
    reference = otio.schema.ExternalReference(url_of(document.folder / resource))
    length = document.frames(text_of(producer, "length"))
    if length > 0 and service in _PLAIN:
        reference.available_range = _range(0, length, document.rate)
    reference.metadata[MLT] = {}
    return reference


def _obstacle(document: Document, producer: ET.Element, entry: ET.Element) -> str:
    """Why a dub on a track above would not show what this clip shows; empty where it would."""
    service = text_of(producer, "mlt_service")
    if producer.tag in ("tractor", "playlist"):
        return "is a sequence or a mix of its own"
    if service not in (*_PLAIN, *_MADE_UP, "timewarp"):
        return f"is made by '{service}', not from a media file"
    if any(text_of(link, "mlt_service") == "timeremap" for link in producer.findall("link")):
        return "is retimed by a curve"
    for effect in effects_of(producer, entry):
        name = text_of(effect, "kdenlive_id") or text_of(effect, "mlt_service")
        if name in _TIME_FILTERS:
            return f"is retimed by the effect '{name}'"
        if _moves(document, effect, entry):
            return f"carries the effect '{name}', which changes over time"
    return ""


def _moves(document: Document, effect: ET.Element, entry: ET.Element) -> bool:
    """Whether an effect has keyframes, or covers a part of its clip only."""
    if any(len(_KEYFRAME.findall(child.text or "")) > 1 for child in effect.findall("property")):
        return True
    first, length = document.span(entry)
    begin, end = effect.get("in"), effect.get("out")
    if begin is None and end is None:
        return False
    last = first + length - 1
    return document.frames(begin) > first or (end is not None and document.frames(end) < last)


_KEYFRAME = re.compile(r"(?:^|;)\s*-?[\d:.,]+[^\d=;]?=")


def _markers(document: Document) -> Iterator[Any]:
    """Guides of Kdenlive, markers of Shotcut and the zone, where one is set."""
    for name, first, end in (*_guides(document), *_shotcut_markers(document)):
        span = _range(first, max(0, end - first), document.rate)
        yield otio.schema.Marker(name, span, metadata={MLT: {}})
    zone = (document.setting("zonein"), document.setting("zoneout"))
    if all(zone):
        first, end = (document.frames(text) for text in zone)
        if 0 <= first < end:
            span = _range(first, end - first, document.rate)
            yield otio.schema.Marker(ZONE, span, metadata={MLT: {"zone": True}})


def _guides(document: Document) -> Iterator[tuple[str, int, int]]:
    try:
        guides = json.loads(document.setting("guides") or "[]")
        for guide in guides:
            first = int(guide["pos"])
            yield str(guide["comment"]), first, first + int(guide.get("duration", 0))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise RequestError("The project's guides cannot be read; save it again.") from error


def _shotcut_markers(document: Document) -> Iterator[tuple[str, int, int]]:
    for group in document.main.findall("properties"):
        if group.get("name") == "shotcut:markers":
            for marker in group.findall("properties"):
                first, last = (document.frames(text_of(marker, key)) for key in ("start", "end"))
                yield text_of(marker, "text"), first, last


def _range(start: Fraction | int, length: int, rate: Fraction) -> TimeRange:
    return TimeRange(RationalTime(float(start), float(rate)), RationalTime(length, float(rate)))
