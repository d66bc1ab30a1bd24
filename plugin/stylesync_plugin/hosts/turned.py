"""An editor's own sounds as a timeline has turned them down, or up again: parts of its strips."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import opentimelineio as otio

from stylesync_plugin.timeline.items import METADATA, SOUND, duration, remembered

ID = "host_id"
"""`metadata["host_id"]` of a clip is what its editor knows it by."""


@dataclass(frozen=True, slots=True)
class Part:
    """Frames `start` to `end`, excluded, of a sound strip. `level` is empty, `off` or `-20dB`;
    `record` is what the strip remembers of it, as JSON, empty where nothing."""

    start: int
    end: int
    level: str = ""
    record: str = ""

    def to_dict(self) -> dict[str, Any]:
        return {"start": self.start, "end": self.end, "level": self.level, "record": self.record}


def part_of(start: int, end: int, record: str | None) -> Part:
    """A strip as its editor shows it now."""
    return Part(start, end, _level(json.loads(record)) if record else "", record or "")


def sound_parts(timeline: Any, rate: Fraction, zero: int) -> dict[str, list[Part]]:
    """What is left of each of the editor's own sound strips, by its id and in time order; the
    timeline begins at frame `zero` of `rate` frames/s."""
    found: dict[str, list[Part]] = {}
    for track in timeline.audio_tracks():
        if METADATA not in track.metadata:
            for key, part in _parts(track, rate, zero):
                found.setdefault(key, []).append(part)
    return found


def _parts(track: Any, rate: Fraction, zero: int) -> Iterator[tuple[str, Part]]:
    moment = Fraction(0)
    for child in track:
        start, moment = moment, moment + duration(child)
        if isinstance(child, otio.schema.Clip) and ID in child.metadata:
            first, last = (zero + round(edge * rate) for edge in (start, moment))
            told = dict(remembered(child, SOUND))
            record = json.dumps(told, sort_keys=True) if told else ""
            yield str(child.metadata[ID]), Part(first, last, _level(told), record)


def _level(record: Any) -> str:
    return str(record.get("level", "")) if "place" in record else ""


def remember(clip: Any, key: str, record: str | None) -> None:
    """Note on a clip what its editor knows it by, and what its strip remembers."""
    clip.metadata[ID] = key
    if record:
        clip.metadata[SOUND] = json.loads(record)


def refusals(editor: str, names: Collection[str], why: str) -> tuple[str, ...]:
    """What a person has to do by hand."""
    told = ", ".join(f"'{name}'" for name in dict.fromkeys(names))
    return (f"{editor} {why}; turn down {told} under the dub yourself.",) if told else ()
