"""Final Cut Pro XML (FCPXML), read.

Times are fractions of a second from end to end, so that 24000/1001 and its kin stay exact.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import opentimelineio as otio

from stylesync_engine.request import RequestError
from stylesync_plugin.formats.fcpxml_tracks import AUDIO, VIDEO, OnLane, tracks_of
from stylesync_plugin.times import ZERO, Span, rational_time

_STORY = (
    "asset-clip",
    "clip",
    "ref-clip",
    "sync-clip",
    "mc-clip",
    "video",
    "audio",
    "title",
    "gap",
)


def read_from_string(input_str: str) -> Any:
    """The timeline of the file's project, or a collection where there are several.

    Raises RequestError where there is no project.
    """
    root = ET.fromstring(input_str)  # noqa: S314 - expat resolves no external entities
    projects = list(root.iter("project"))
    if root.tag != "fcpxml" or not projects:
        raise RequestError("The FCPXML holds no project; export the project, not single clips.")
    reader = _Reader(root)
    timelines = [reader.timeline(project) for project in projects]
    if len(timelines) == 1:
        return timelines[0]
    collection = otio.schema.SerializableCollection()
    collection.extend(timelines)
    return collection


class _Reader:
    """Reads the sequences of one document."""

    def __init__(self, root: ET.Element) -> None:
        resources = root.find("resources")
        found = list(resources) if resources is not None else []
        self.resources = {entry.get("id", ""): entry for entry in found}
        self.depth = 0

    def timeline(self, project: ET.Element) -> Any:
        sequence = project.find("sequence")
        if sequence is None:
            raise RequestError(f"The project '{project.get('name')}' has no sequence.")
        timeline = otio.schema.Timeline(name=project.get("name", ""))
        timeline.tracks = self._stack(sequence)
        timeline.global_start_time = rational_time(
            _time(sequence.get("tcStart")), self._rate(sequence)
        )
        return timeline

    def _rate(self, element: ET.Element) -> Fraction:
        form = self.resources.get(element.get("format", ""))
        duration = _time(form.get("frameDuration")) if form is not None else ZERO
        if not duration:
            raise RequestError("A sequence of the FCPXML has no frame rate; export it again.")
        return 1 / duration

    def _stack(self, sequence: ET.Element) -> Any:
        self.depth += 1
        if self.depth > 32:
            raise RequestError("The FCPXML's compound clips contain themselves; export it again.")
        rate = self._rate(sequence)
        spine = sequence.find("spine")
        placed = list(self._spine(spine, ZERO, 0, rate)) if spine is not None else []
        stack = otio.schema.Stack(name="tracks")
        for track in tracks_of(placed, rate):
            stack.append(track)
        self.depth -= 1
        return stack

    def _spine(
        self, spine: ET.Element, zero: Fraction, lane: int, rate: Fraction
    ) -> Iterator[OnLane]:
        """A storyline: items one after the other, transitions over their cuts."""
        cut = zero
        for element in spine:
            if element.tag == "transition":
                start = zero + _time(element.get("offset"))
                yield _transition(element, lane, start, cut, rate)
                continue
            if element.tag == "audition" and len(element):
                element = element[0]
            if element.tag not in _STORY:
                continue
            offset = element.get("offset")
            start = zero + _time(offset) if offset is not None else cut
            yield from self._element(element, start, lane, rate)
            cut = start + self._length(element)

    def _element(
        self, element: ET.Element, start: Fraction, lane: int, rate: Fraction
    ) -> Iterator[OnLane]:
        """An item that starts at `start` s, and what is connected to it."""
        length = self._length(element)
        if element.tag != "gap":
            kind = AUDIO if self._is_sound(element) else VIDEO
            item = self._item(element, length, rate)
            yield OnLane(lane, kind, Span(start, start + length), item)
        own = self._start(element)
        for child in element:
            attached = int(child.get("lane", "0") or 0)
            if child.tag == "audition" and len(child):
                child = child[0]
            if not attached or child.tag not in (*_STORY, "spine"):
                continue
            place = start + _time(child.get("offset")) - own
            if child.tag == "spine":
                yield from self._spine(child, place, attached, rate)
            else:
                yield from self._element(child, place, attached, rate)

    def _item(self, element: ET.Element, length: Fraction, rate: Fraction) -> Any:
        name = element.get("name", "")
        retime = _retime(element)
        local = self._start(element)
        if element.tag == "ref-clip":
            item = self._compound(element, name)
            first = local
        else:
            item, shift = self._clip(element, name)
            first = retime.source(local) + shift
        item.source_range = otio.opentime.TimeRange(
            rational_time(first, rate), rational_time(length, rate)
        )
        if retime.effect is not None:
            item.effects.append(retime.effect)
        item.enabled = element.get("enabled", "1") != "0"
        for marker in element.findall("marker"):
            item.markers.append(_marker(marker, first - local, rate))
        return item

    def _clip(self, element: ET.Element, name: str) -> tuple[Any, Fraction]:
        """The clip and what to add to its local time for media time."""
        holder = element
        shift = ZERO
        if element.tag in ("clip", "sync-clip"):
            inner = next((e for e in element.iter() if e.tag in ("video", "audio", "asset-clip")
                          and not int(e.get("lane", "0") or 0)), None)  # fmt: skip
            if inner is None:
                inner = next((e for e in element.iter() if e.tag in ("video", "audio")), None)
            if inner is not None:
                holder = inner
                shift = self._start(inner) - _time(inner.get("offset"))
        asset = self.resources.get(holder.get("ref", ""))
        return otio.schema.Clip(name=name, media_reference=self._media(asset, holder)), shift

    def _media(self, asset: ET.Element | None, holder: ET.Element) -> Any:
        if asset is None or asset.tag != "asset":
            if holder.tag in ("title", "video"):
                return otio.schema.GeneratorReference(
                    name=holder.get("name", ""), generator_kind=holder.tag
                )
            return otio.schema.MissingReference()
        file = asset.find("media-rep")
        url = asset.get("src") or (file.get("src") if file is not None else None)
        if not url:
            return otio.schema.MissingReference(name=asset.get("name", ""))
        form = self.resources.get(asset.get("format", ""))
        duration = _time(form.get("frameDuration")) if form is not None else ZERO
        rate = 1 / duration if duration else Fraction(asset.get("audioRate") or 48000)
        return otio.schema.ExternalReference(
            url,
            otio.opentime.TimeRange(
                rational_time(_time(asset.get("start")), rate),
                rational_time(_time(asset.get("duration")), rate),
            ),
        )

    def _compound(self, element: ET.Element, name: str) -> Any:
        media = self.resources.get(element.get("ref", ""))
        sequence = media.find("sequence") if media is not None else None
        if sequence is None:
            return otio.schema.Clip(name=name)
        stack = self._stack(sequence)
        stack.name = name
        wanted = {"video": VIDEO, "audio": AUDIO}.get(element.get("srcEnable", "all"))
        for index in reversed(range(len(stack))):
            if wanted is not None and stack[index].kind != wanted:
                del stack[index]
        return stack

    def _start(self, element: ET.Element) -> Fraction:
        """Local time of an item's beginning; without the attribute, its asset's start."""
        if element.get("start") is not None:
            return _time(element.get("start"))
        asset = self.resources.get(element.get("ref", ""))
        if asset is not None and asset.tag == "asset":
            return _time(asset.get("start"))
        return ZERO

    def _length(self, element: ET.Element) -> Fraction:
        """An item's duration; without the attribute, its asset's."""
        if element.get("duration") is not None:
            return _time(element.get("duration"))
        asset = self.resources.get(element.get("ref", ""))
        return _time(asset.get("duration")) if asset is not None else ZERO

    def _is_sound(self, element: ET.Element) -> bool:
        if element.tag == "audio" or element.get("srcEnable") == "audio":
            return True
        if element.tag == "clip":
            return element.find(".//video") is None and element.find(".//audio") is not None
        asset = self.resources.get(element.get("ref", ""))
        return asset is not None and asset.tag == "asset" and asset.get("hasVideo", "0") == "0"


@dataclass(frozen=True, slots=True)
class _Retime:
    """source = value + (local - time) * speed."""

    speed: Fraction = Fraction(1)
    time: Fraction = ZERO
    value: Fraction = ZERO
    effect: Any = None

    def source(self, local: Fraction) -> Fraction:
        return self.value + (local - self.time) * self.speed


def _retime(element: ET.Element) -> _Retime:
    conform = element.find("conform-rate")
    if conform is not None and conform.get("scaleEnabled", "1") != "0":
        return _Retime(effect=otio.schema.TimeEffect("conform rate", "conform-rate"))
    points = element.findall("timeMap/timept")
    if not points:
        return _Retime()
    ends = [(_time(point.get("time")), _time(point.get("value"))) for point in points]
    if len(ends) != 2 or ends[0][0] == ends[1][0]:
        return _Retime(effect=otio.schema.TimeEffect("retiming curve", "timeMap"))
    (time, value), (later, reached) = ends
    speed = (reached - value) / (later - time)
    if speed == 0:
        return _Retime(speed, time, value, otio.schema.FreezeFrame())
    return _Retime(speed, time, value, otio.schema.LinearTimeWarp(time_scalar=float(speed)))


def _transition(
    element: ET.Element, lane: int, start: Fraction, cut: Fraction, rate: Fraction
) -> OnLane:
    end = start + _time(element.get("duration"))
    item = otio.schema.Transition(
        name=element.get("name", ""),
        transition_type=otio.schema.TransitionTypes.SMPTE_Dissolve,
        in_offset=rational_time(max(ZERO, cut - start), rate),
        out_offset=rational_time(max(ZERO, end - cut), rate),
    )
    return OnLane(lane, VIDEO, Span(cut, cut), item)


def _marker(element: ET.Element, shift: Fraction, rate: Fraction) -> Any:
    return otio.schema.Marker(
        name=element.get("value", ""),
        marked_range=otio.opentime.TimeRange(
            rational_time(_time(element.get("start")) + shift, rate),
            rational_time(_time(element.get("duration")), rate),
        ),
    )


def _time(text: str | None) -> Fraction:
    """`"1001/24000s"` -> seconds; missing means 0."""
    if not text:
        return ZERO
    try:
        return Fraction(text.strip().rstrip("s"))
    except (ValueError, ZeroDivisionError) as error:
        raise RequestError(f"'{text}' is not a time of FCPXML; export it again.") from error
