"""What StyleSync remembers of a timeline's items, in XML formats that keep no metadata of others.

    text = with_notes(text, timeline)
    take_back(timeline, data)

It stands in a processing instruction at the document's end, which applications pass over, and which
goes when they save the document themselves. Items are known again by kind, frame, name and file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any

import opentimelineio as otio

from stylesync_plugin.timeline.items import (
    METADATA,
    SOUND,
    duration,
    own_start,
    remembered,
    timeline_rate,
)
from stylesync_plugin.times import ZERO, seconds

Track = otio.schema.Track
_NOTE = re.compile(rb"<\?stylesync (.*?)\?>\s*$", re.DOTALL)
_FILTERS = ("audiolevels", "audio levels")


def with_notes(text: str, timeline: Any) -> str:
    """A document with what is remembered of its items."""
    rate = timeline_rate(timeline) if any(timeline.find_clips()) else Fraction(1)
    notes = []
    for item, place in _places(timeline, rate):
        known = [key for key in (METADATA, SOUND) if key in item.metadata]
        told = {key: _plain(item.metadata[key]) for key in known}
        if told:
            notes.append({**place, "told": told, "gains": _gains(item)})
    if not notes:
        return text
    noted = json.dumps(notes, ensure_ascii=False).replace(">", "\\u003e")
    return f"{text.rstrip()}\n<?stylesync {noted}?>\n"


def take_back(timeline: Any, data: bytes) -> None:
    """Give the items of a timeline that was read from `data` what is noted there; what no longer
    lies where it did is left as it is."""
    found = _NOTE.search(data)
    if found is None:
        return
    try:
        notes = {_key(note): note for note in json.loads(found[1])}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return  # somebody else's, or damaged: the timeline itself is whole
    for item, place in _places(timeline, timeline_rate(timeline)):
        note = notes.get(_key(place))
        if note is not None:
            _remember(item, note)
    for track in timeline.tracks.find_children(descended_from_type=Track):
        own = [child for child in track if not isinstance(child, otio.schema.Gap)]
        if own and all(METADATA in child.metadata for child in own):
            track.metadata[METADATA] = {"role": "track"}
            track.name = str(own[0].metadata[METADATA].get("track", track.name))


def _places(timeline: Any, rate: Fraction) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Every item and transition, with what it is known by: its frames within its track's stack."""
    for track in timeline.tracks.find_children(descended_from_type=Track):
        moment = -own_start(track) if track.source_range is not None else ZERO
        for child in track:
            start = moment
            if isinstance(child, otio.core.Item):
                moment += duration(child)
            else:
                start -= seconds(child.in_offset)
            url = str(getattr(getattr(child, "media_reference", None), "target_url", "") or "")
            file = PurePosixPath(url.replace("\\", "/")).name
            if not isinstance(child, otio.schema.Gap):
                yield child, {"kind": track.kind, "frame": round(start * rate), "file": file}


def _key(place: dict[str, Any]) -> tuple[str, int, str]:
    return str(place["kind"]), int(place["frame"]), str(place["file"])


def _gains(item: Any) -> list[Any]:
    """Our own effects, which these formats hold as filters of their own."""
    ours = [e for e in getattr(item, "effects", ()) if METADATA in e.metadata]
    return [_plain(effect) for effect in ours]


def _remember(item: Any, note: dict[str, Any]) -> None:
    for key in (METADATA, SOUND):
        if key in note["told"]:
            item.metadata[key] = note["told"][key]
    if not note.get("gains"):
        return
    told = remembered(item, "fcp_xml")
    told.pop("filter", None)
    for index in reversed(range(len(item.effects))):
        name = str(remembered(item.effects[index], "fcp_xml").get("effectid", "")).lower()
        if name in _FILTERS:
            del item.effects[index]
    for gain in note["gains"]:
        item.effects.append(otio.adapters.read_from_string(json.dumps(gain), "otio_json"))


def _plain(value: Any) -> Any:
    return json.loads(otio.core.serialize_json_to_string(value, indent=-1))
