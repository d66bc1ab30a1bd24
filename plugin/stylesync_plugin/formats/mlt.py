"""MLT XML out: what `melt`, Shotcut and Kdenlive play, frame for frame.

Items are placed on whole frames of the timeline by rounding
their ends, never their lengths, so that nothing drifts. A dissolve becomes a small tractor of both
clips between their shortened neighbours; upper tracks hide lower ones without any transition.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import opentimelineio as otio

from stylesync_engine.request import DubError
from stylesync_plugin.formats.mlt_document import (
    AUDIO,
    Entry,
    Transition,
    add_entry,
    add_transition,
    dubbed_ranges,
    is_sound,
    trim_entry,
)
from stylesync_plugin.timeline.items import (
    METADATA,
    duration,
    gain_of,
    own_start,
    remembered,
    speed_of,
    timeline_rate,
)
from stylesync_plugin.timeline.layout import lay_out
from stylesync_plugin.timeline.paths import path_of
from stylesync_plugin.timeline.sources import EngineProbe, Library, Probe
from stylesync_plugin.times import ZERO, frame_from, seconds


def write_to_string(input_otio: Any, probe: Probe | None = None) -> str:
    """A timeline as MLT XML; raises RequestError where it cannot be laid out.

    Media that are not here become black; their names stay as titles.
    """
    writer = _Writer(timeline_rate(input_otio), Library((), probe or EngineProbe()))
    writer.timeline(input_otio)
    ET.indent(writer.root, " ")
    return ET.tostring(writer.root, encoding="unicode", xml_declaration=True) + "\n"


class _Writer:
    """Collects the parts of one document; times are s, places are frames of the timeline."""

    def __init__(self, rate: Fraction, library: Library) -> None:
        self.rate, self.library = rate, library
        self.root = ET.Element("mlt", LC_NUMERIC="C", version="7.0.0", producer="main")
        self.known: dict[tuple[str, ...], str] = {}
        self.count = 0

    def timeline(self, timeline: Any) -> None:
        width, height = self._size(timeline)
        ET.SubElement(
            self.root, "profile", description=timeline.name or "timeline", width=str(width),
            height=str(height), progressive="1", sample_aspect_num="1", sample_aspect_den="1",
            display_aspect_num=str(width), display_aspect_den=str(height),
            frame_rate_num=str(self.rate.numerator), frame_rate_den=str(self.rate.denominator),
            colorspace="709" if height >= 720 else "601",
        )  # fmt: skip
        tractor = self._stack(timeline.tracks)
        tractor.set("id", "main")
        ET.SubElement(tractor, "property", name="title").text = timeline.name

    def _size(self, timeline: Any) -> tuple[int, int]:
        """The picture size of the first clip that is here, 1920 x 1080 without one."""
        for placed in lay_out(timeline, self.rate).clips:
            if placed.kind == AUDIO or not placed.has_picture:
                continue
            try:
                facts = self.library.source_of(placed.clip, "").facts
            except DubError:
                continue
            if facts.width and facts.height:
                return facts.width, facts.height
        return 1920, 1080

    def _stack(self, stack: Any) -> ET.Element:
        """A tractor with a track for each child; audio is mixed, pictures hide one another."""
        length = max(1, frame_from(duration(stack) + own_start(stack), self.rate))
        tracks = [(self._background(length), "")]
        sounds = [METADATA in child.metadata for child in stack if is_sound(child)]
        for child in stack:
            is_ours = METADATA in child.metadata
            # Where nobody but us has laid sound, pictures bring their own, though not under a dub.
            has_own_sound = not all(sounds) or (is_ours and bool(sounds))
            hidden = "video" if is_sound(child) else "audio" if has_own_sound else ""
            hidden = hidden if child.enabled else "both"
            silent = dubbed_ranges(stack, self.rate) if sounds and not hidden else []
            tracks.append((self._playlist(child, silent), hidden))
        tractor = ET.SubElement(
            self.root, "tractor", {"id": self._id("tractor"), "in": "0", "out": str(length - 1)}
        )
        for producer, hidden in tracks:
            track = ET.SubElement(tractor, "track", producer=producer)
            if hidden:
                track.set("hide", hidden)
        for number, child in enumerate(stack, 1):
            self._mix_track(tractor, number, child)
        return tractor

    def _background(self, length: int) -> str:
        """Black of the stack's own length; a bare colour would play for thousands of frames."""
        colour = self._colour("0x000000ff")
        playlist = ET.SubElement(self.root, "playlist", id=self._id("background"))
        add_entry(playlist, Entry(colour, 0, length))
        return playlist.get("id", "")

    def _mix_track(self, tractor: ET.Element, number: int, child: Any) -> None:
        """Sound of every track is added up; only a track of overlays is blended."""
        add_transition(tractor, "mix", 0, number, {"always_active": "1", "sum": "1"})
        clips = child.find_clips() if hasattr(child, "find_clips") else []
        if any(_is_overlay(clip) for clip in clips):
            add_transition(tractor, "affine", 0, number, {"always_active": "1", "fill": "1"})

    def _playlist(self, child: Any, silent: list[tuple[int, int]]) -> str:
        """The playlist of a track, in the time of the stack that holds it; no sound of it is heard
        in the `silent` ranges of frames."""
        entries = list(self._entries(child))
        for start, end in silent:
            entries = list(self._hushed(entries, start, end))
        playlist = ET.SubElement(self.root, "playlist", id=self._id("playlist"))
        if child.name:
            ET.SubElement(playlist, "property", name="shotcut:name").text = child.name
        for entry in entries:
            if not entry.length:
                continue
            if entry.producer:
                add_entry(playlist, entry)
            else:
                ET.SubElement(playlist, "blank", length=str(entry.length))
        return playlist.get("id", "")

    def _hushed(self, entries: list[Entry], start: int, end: int) -> Iterator[Entry]:
        """The entries, cut at the range, with their sound off inside it."""
        at = 0
        for entry in entries:
            last = at + entry.length
            edges = [at, *(edge for edge in (start, end) if at < edge < last), last]
            for one, other in pairwise(edges):
                inside = start <= one < end
                producer = self._without_sound(entry.producer) if inside else entry.producer
                yield Entry(producer, entry.first + one - at, other - one)
            at = last

    def _without_sound(self, producer: str) -> str:
        """The same producer without sound; nested sequences keep theirs."""
        for (service, resource, *told), known in list(self.known.items()):
            if known == producer and service != "color":
                properties = dict(entry.split("=", 1) for entry in told)
                return self._producer(service, resource, {**properties, "audio_index": "-1"})
        return producer

    def _entries(self, child: Any) -> Iterator[Entry]:
        if not isinstance(child, otio.schema.Track):
            yield self._part(child, ZERO, 0, frame_from(duration(child), self.rate))
            return
        shift = own_start(child) if child.source_range is not None else ZERO
        end = frame_from(duration(child), self.rate)
        for entry, start in self._of_track(list(child), shift):
            if start < 0 or start + entry.length > end:
                entry, start = trim_entry(entry, start, end)
            if entry.length:
                yield entry

    def _of_track(self, children: list[Any], shift: Fraction) -> Iterator[tuple[Entry, int]]:
        """Entries with their place; what lies inside a dissolve belongs to the dissolve."""
        moment = -shift
        if moment > 0:
            yield Entry("", 0, frame_from(moment, self.rate)), 0
        for index, child in enumerate(children):
            if isinstance(child, Transition):
                first = frame_from(moment - seconds(child.in_offset), self.rate)
                last = frame_from(moment + seconds(child.out_offset), self.rate)
                yield self._dissolve(children, index, moment, first, last), first
                continue
            end = moment + duration(child)
            start_frame = frame_from(moment + _offset(children, index - 1, "out_offset"), self.rate)
            end_frame = frame_from(end - _offset(children, index + 1, "in_offset"), self.rate)
            yield self._part(child, moment, start_frame, end_frame), start_frame
            moment = end

    def _dissolve(
        self, children: list[Any], index: int, cut: Fraction, first: int, last: int
    ) -> Entry:
        before = children[index - 1] if index else None
        after = children[index + 1] if index + 1 < len(children) else None
        start = cut - duration(before) if before is not None else cut
        parts = []
        for item, moment in ((before, start), (after, cut)):
            found = self._part(item, moment, first, last) if item is not None else None
            if found is None or not found.producer:
                found = Entry(self._colour("0x00000000"), 0, last - first)
            parts.append(found)
        tractor = ET.SubElement(
            self.root, "tractor",
            {"id": self._id("dissolve"), "in": "0", "out": str(last - first - 1)},
        )  # fmt: skip
        for part in parts:
            track = ET.SubElement(tractor, "track", {"producer": part.producer})
            track.set("in", str(part.first))
            track.set("out", str(part.first + part.length - 1))
        span = {"in": "0", "out": str(last - first - 1)}
        add_transition(tractor, "luma", 0, 1, {}, span)
        add_transition(tractor, "mix", 0, 1, {"start": "-1"}, span)
        return Entry(tractor.get("id", ""), 0, last - first)

    def _part(self, item: Any, start: Fraction, first: int, last: int) -> Entry:
        """What an item that begins at `start` s shows in the frames `[first, last)`."""
        length = max(0, last - first)
        if not isinstance(item, otio.core.Item) or isinstance(item, otio.schema.Gap):
            return Entry("", 0, length)
        if not item.enabled or not length:
            return Entry("", 0, length)
        late = first / self.rate - start
        if isinstance(item, otio.core.Composition):
            return self._nested(item, late, length)
        return self._clip(item, late, length)

    def _nested(self, item: Any, late: Fraction, length: int) -> Entry:
        if isinstance(item, otio.schema.Track):
            holder = otio.schema.Stack()
            copy = item.deepcopy()
            copy.source_range = None
            holder.append(copy)
            producer = self._stack(holder).get("id", "")
        else:
            plain = item.deepcopy()
            plain.source_range = None
            producer = self._stack(plain).get("id", "")
        return Entry(producer, self._rounded(own_start(item) + late), length)

    def _clip(self, clip: Any, late: Fraction, length: int) -> Entry:
        if isinstance(clip.media_reference, otio.schema.GeneratorReference):
            return Entry(self._colour("0x00000000"), 0, length)
        try:
            path, zero = self._media(clip)
        except DubError:
            return Entry(self._missing(clip), 0, length)
        speed, _ = speed_of(clip)
        inside = own_start(clip) - zero
        if speed == 0:
            return Entry(self._still(path, self._rounded(inside)), 0, length)
        if speed != 1:
            warped = self._warped(path, speed)
            return Entry(warped, self._rounded(inside / speed + late), length)
        file = self._file(path, f"{gain_of(clip):g}" if gain_of(clip) else "")
        return Entry(file, self._rounded(inside + late), length)

    def _media(self, clip: Any) -> tuple[str, Fraction]:
        """The path and the media time of its beginning."""
        try:
            source = self.library.source_of(clip, "")
        except DubError:
            sound = self.library.sound_of(clip, "")
            return sound.path, sound.zero
        if source.is_sequence:
            return f"{source.path}?begin={source.facts.first_number}", source.zero
        return source.path, source.zero

    def _file(self, path: str, gain: str = "") -> str:
        """A file's producer, its sound changed by `gain` dB."""
        if "?begin=" in Path(path).name:
            return self._producer("qimage", path, {"ttl": "1"})
        return self._producer("avformat", path, {"stylesync:gain": gain} if gain else {})

    def _warped(self, path: str, speed: Fraction) -> str:
        told = f"{float(speed):g}"
        return self._producer(
            "timewarp", f"{told}:{path}", {"warp_speed": told, "warp_resource": path}
        )

    def _still(self, path: str, frame: int) -> str:
        return self._producer("hold", path, {"frame": str(frame)})

    def _missing(self, clip: Any) -> str:
        url = getattr(clip.media_reference, "target_url", "") or ""
        title = f"{clip.name} (missing: {path_of(url)})" if url else f"{clip.name} (missing)"
        return self._producer("color", "0x000000ff", {"shotcut:caption": title})

    def _colour(self, colour: str) -> str:
        return self._producer("color", colour, {})

    def _producer(self, service: str, resource: str, properties: dict[str, str]) -> str:
        """The id of a producer; the same one serves all clips of a file."""
        key = (service, resource, *(f"{k}={v}" for k, v in properties.items()))
        if key not in self.known:
            producer = ET.SubElement(self.root, "producer", id=self._id("producer"))
            told = {"mlt_service": service, "resource": resource, **properties}
            if service == "color":
                told["length"] = "10000000"
            for name, value in told.items():
                ET.SubElement(producer, "property", name=name).text = value
            if "stylesync:gain" in told:
                volume = ET.SubElement(producer, "filter")
                for name, value in (("mlt_service", "volume"), ("level", told["stylesync:gain"])):
                    ET.SubElement(volume, "property", name=name).text = value
            self.known[key] = producer.get("id", "")
        return self.known[key]

    def _id(self, kind: str) -> str:
        self.count += 1
        return f"{kind}{self.count}"

    def _rounded(self, moment: Fraction) -> int:
        """In-points off the grid go to the nearest frame, never before the file."""
        return max(0, round(moment * self.rate))


def _offset(children: list[Any], index: int, end: str) -> Fraction:
    if 0 <= index < len(children) and isinstance(children[index], Transition):
        return seconds(getattr(children[index], end))
    return ZERO


def _is_overlay(clip: Any) -> bool:
    request = remembered(clip, METADATA).get("request", {})
    return str(request.get("options", {}).get("delivery", "composite")) == "overlay"
