"""Parts of MLT documents that we write: entries of playlists, transitions, places of dubs."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import opentimelineio as otio

from stylesync_plugin.timeline.items import (
    METADATA,
    duration,
    remembered,
)
from stylesync_plugin.times import ZERO, frame_from

AUDIO = otio.schema.TrackKind.Audio
Transition = otio.schema.Transition


@dataclass(frozen=True, slots=True)
class Entry:
    """Frames `[first, first + length)` of a producer."""

    producer: str
    first: int
    length: int


def is_sound(child: Any) -> bool:
    return bool(getattr(child, "kind", "") == AUDIO)


def dubbed_ranges(stack: Any, rate: Fraction) -> list[tuple[int, int]]:
    """The ranges of frames over which dubs lie in a stack."""
    ranges = []
    for child in stack:
        moment = ZERO
        for item in child if METADATA in child.metadata and not is_sound(child) else ():
            if isinstance(item, Transition):
                continue
            end = moment + duration(item)
            if remembered(item, METADATA).get("role") == "dub":
                ranges.append((frame_from(moment, rate), frame_from(end, rate)))
            moment = end
    return ranges


def trim_entry(entry: Entry, start: int, end: int) -> tuple[Entry, int]:
    early = max(0, -start)
    length = max(0, min(entry.length, end - start) - early)
    return Entry(entry.producer, entry.first + early, length), start + early


def add_entry(playlist: ET.Element, entry: Entry) -> None:
    span = {"in": str(entry.first), "out": str(entry.first + entry.length - 1)}
    ET.SubElement(playlist, "entry", {"producer": entry.producer, **span})


def add_transition(
    tractor: ET.Element, service: str, below: int, above: int, properties: dict[str, str],
    span: dict[str, str] | None = None,
) -> None:  # fmt: skip
    transition = ET.SubElement(tractor, "transition", span or {})
    told = {"a_track": str(below), "b_track": str(above), "mlt_service": service, **properties}
    for name, value in told.items():
        ET.SubElement(transition, "property", name=name).text = value
