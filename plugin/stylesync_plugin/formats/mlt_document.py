"""An MLT document: its timeline, its producers by id, its times as frames."""

from __future__ import annotations

import hashlib
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio

from stylesync_engine.files import read_bounded
from stylesync_engine.request import RequestError
from stylesync_plugin.formats import safe_xml
from stylesync_plugin.formats.otio_files import MOST_BYTES
from stylesync_plugin.timeline.items import (
    METADATA,
    duration,
    remembered,
)
from stylesync_plugin.times import ZERO, frame_from, number_of

RECORD = "kdenlive:stylesync"
"""The property that marks a producer of ours; both editors keep what begins like this."""


@dataclass(slots=True)
class Document:
    """One document: `root` its tree, `main` the tractor that is the timeline."""

    path: Path
    root: ET.Element
    digest: str
    rate: Fraction = field(init=False)
    by_id: dict[str, ET.Element] = field(init=False)
    main: ET.Element = field(init=False)

    def __post_init__(self) -> None:
        profile = self.root.find("profile")
        if self.root.tag != "mlt" or profile is None:
            raise RequestError(
                f"'{self.path.name}' holds no MLT profile; save it from the editor again."
            )
        try:
            self.rate = Fraction(*(int(profile.get(f"frame_rate_{part}", "")) for part in _RATIO))
        except (ValueError, ZeroDivisionError):
            self.rate = Fraction(0)
        if self.rate <= 0:
            raise RequestError(f"'{self.path.name}' names no frame rate; save it again.")
        self.by_id = {node.get("id", ""): node for node in self.root if node.get("id")}
        self.main = self._main()

    def _main(self) -> ET.Element:
        """The last tractor; where it holds nothing but another one, that one is the timeline."""
        tractors = self.root.findall("tractor")
        seen: list[ET.Element] = []
        node = tractors[-1] if tractors else None
        while node is not None and node not in seen:
            seen.append(node)
            tracks = [self.producer_of(track) for track in node.findall("track")]
            if len(tracks) != 1 or tracks[0] is None or tracks[0].tag != "tractor":
                return node
            node = tracks[0]
        raise RequestError(f"'{self.path.name}' has no timeline; save the project from the editor.")

    @property
    def is_kdenlive(self) -> bool:
        bin_list = self.by_id.get("main_bin")
        return bin_list is not None and bool(text_of(bin_list, "kdenlive:docproperties.version"))

    @property
    def folder(self) -> Path:
        """What relative resources are relative to."""
        return self.path.absolute().parent / self.root.get("root", "")

    def producer_of(self, node: ET.Element) -> ET.Element | None:
        """What an entry or a track plays."""
        return self.by_id.get(node.get("producer", ""))

    def setting(self, name: str) -> str:
        """A setting of Kdenlive's, which newer versions keep with the sequence."""
        own = text_of(self.main, f"kdenlive:sequenceproperties.{name}")
        bin_list = self.by_id.get("main_bin")
        if own or bin_list is None:
            return own
        return text_of(bin_list, f"kdenlive:docproperties.{name}")

    def frames(self, text: str | None) -> int:
        """Frames, `HH:MM:SS.mmm` or `HH:MM:SS:FF`, as MLT writes them; raises RequestError."""
        try:
            if not text or ":" not in text:
                return int(text or "0")
            hours, minutes, rest = text.split(":", 2)
            whole = (int(hours) * 60 + int(minutes)) * 60
            if ":" in rest:
                secs, frames = rest.split(":")
                return round((whole + int(secs)) * self.rate) + int(frames)
            return round((whole + number_of(rest.replace(",", "."))) * self.rate)
        except (ValueError, ZeroDivisionError) as error:
            raise RequestError(f"'{text}' is not a time of MLT; save the project again.") from error

    def span(self, node: ET.Element) -> tuple[int, int]:
        """First frame and number of frames that an entry plays; raises RequestError."""
        producer = self.producer_of(node)
        if producer is None:
            raise RequestError(
                f"The project plays '{node.get('producer')}', which it does not hold;"
                " save it again."
            )
        first = self.frames(node.get("in") or producer.get("in"))
        told = node.get("out") or producer.get("out")
        length = text_of(producer, "length")
        last = self.frames(told) if told else self.frames(length) - 1
        if first < 0 or last < first:
            raise RequestError(
                f"The clip '{name_of(producer)}' plays the frames {first} to {last}; trim it anew."
            )
        return first, last - first + 1


_RATIO = ("num", "den")


def read_document(path: Path) -> Document:
    """Raises RequestError where the file is no project, OSError and ParseError of its reading."""
    data = read_bounded(path, MOST_BYTES)
    return Document(path, safe_xml.parse(data, comments=True), hashlib.sha256(data).hexdigest())


def text_of(node: ET.Element, name: str) -> str:
    """The value of a property, empty where there is none."""
    for child in node.findall("property"):
        if child.get("name") == name:
            return (child.text or "").strip()
    return ""


def name_of(producer: ET.Element) -> str:
    """What the editor calls a clip."""
    told = text_of(producer, "kdenlive:clipname") or text_of(producer, "shotcut:caption")
    resource = text_of(producer, "warp_resource") or text_of(producer, "resource")
    return told or Path(resource).name or producer.get("id", "clip")


def is_ours(document: Document, track: ET.Element) -> bool:
    """Whether a track holds clips of ours and nothing else."""
    entries = [entry for playlist in playlists(document, track) for entry in playlist.iter("entry")]
    producers = [document.producer_of(entry) for entry in entries]
    return bool(producers) and all(p is not None and text_of(p, RECORD) for p in producers)


def playlists(document: Document, track: ET.Element) -> list[ET.Element]:
    """A track's playlists: one in Shotcut, a pair that takes turns at mixes in Kdenlive."""
    node = document.producer_of(track)
    if node is None:
        return []
    if node.tag == "playlist":
        return [node]
    inner = [document.producer_of(part) for part in node.findall("track")]
    return [part for part in inner if part is not None and part.tag == "playlist"]


def effects_of(producer: ET.Element, entry: ET.Element) -> list[ET.Element]:
    """The filters that the person has put on a clip and that are on."""
    found = [*producer.findall("filter"), *entry.findall("filter")]
    return [
        effect for effect in found
        if not text_of(effect, "internal_added") and text_of(effect, "disable") != "1"
    ]  # fmt: skip


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
