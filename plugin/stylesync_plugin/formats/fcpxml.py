"""Final Cut Pro XML (FCPXML), read.

Times are fractions of a second from end to end, so that 24000/1001 and its kin stay exact.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import opentimelineio as otio

from stylesync_engine.request import RequestError
from stylesync_plugin.formats import safe_xml
from stylesync_plugin.formats.fcpxml_angles import (
    STORY,
    Rate,
    Resources,
    Shown,
    active,
    origin,
    retime_of,
    time_of,
)
from stylesync_plugin.formats.fcpxml_tracks import AUDIO, VIDEO, OnLane, tracks_of
from stylesync_plugin.timeline.items import count_as
from stylesync_plugin.times import ZERO, Span, rational_time


def read_from_string(input_str: str | bytes) -> Any:
    """The timeline of the file's project, or a collection where there are several.

    Raises RequestError where there is no project.
    """
    root = safe_xml.parse(input_str)
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
        self.resources = Resources({entry.get("id", ""): entry for entry in found})
        self.depth = 0

    def timeline(self, project: ET.Element) -> Any:
        sequence = project.find("sequence")
        if sequence is None:
            raise RequestError(f"The project '{project.get('name')}' has no sequence.")
        timeline = otio.schema.Timeline(name=project.get("name", ""))
        timeline.tracks = self._stack(sequence)
        timeline.global_start_time = rational_time(
            time_of(sequence.get("tcStart")), self._rate(sequence)
        )
        if sequence.get("tcFormat") in ("DF", "NDF"):
            count_as(timeline, drop=sequence.get("tcFormat") == "DF")
        return timeline

    def _rate(self, element: ET.Element) -> Fraction:
        form = self.resources.found.get(element.get("format", ""))
        duration = time_of(form.get("frameDuration")) if form is not None else ZERO
        if not duration:
            raise RequestError("A sequence of the FCPXML has no frame rate; export it again.")
        return 1 / duration

    def _stack(self, sequence: ET.Element) -> Any:
        self.depth += 1
        if self.depth > 32:
            raise RequestError("The FCPXML's compound clips contain themselves; export it again.")
        rate = self._rate(sequence)
        spine = sequence.find("spine")
        zero = -origin(sequence)
        placed = list(self._spine(spine, zero, 0, rate)) if spine is not None else []
        stack = otio.schema.Stack(name="tracks")
        for track in tracks_of(placed, rate):
            stack.append(track)
        self.depth -= 1
        return stack

    def _spine(
        self, spine: ET.Element, zero: Fraction, lane: int, rate: Fraction
    ) -> Iterator[OnLane]:
        """A storyline: items one after the other, transitions over their cuts."""
        cut = max(zero, ZERO)
        for element in spine:
            if element.tag == "transition":
                start = zero + time_of(element.get("offset"))
                yield _transition(element, lane, start, cut, rate)
                continue
            element = active(element)
            if element.tag not in STORY:
                continue
            offset = element.get("offset")
            start = zero + time_of(offset) if offset is not None else cut
            yield from self._element(element, start, lane, rate)
            cut = start + self.resources.length(element)

    def _element(
        self,
        element: ET.Element,
        start: Fraction,
        lane: int,
        rate: Fraction,
        within: Span | None = None,
    ) -> Iterator[OnLane]:
        """An item that starts at `start` s, and what is connected to it; of a synchronised clip's
        sounds what lies `within` it."""
        span = Span(start, start + self.resources.length(element))
        if element.tag != "gap":
            shown = span.meet(within) if within else span
            yield from self._items(element, start, shown, lane, rate)
        own = self.resources.start(element)
        inside = span if element.tag == "sync-clip" else within
        for child in element:
            child = active(child)
            attached = int(child.get("lane", "0") or 0)
            if not attached or child.tag not in (*STORY, "spine"):
                continue
            place = start + time_of(child.get("offset")) - own
            if child.tag == "spine":
                yield from self._spine(child, place, attached, rate)
            else:
                yield from self._element(child, place, attached, rate, inside)

    def _items(
        self, element: ET.Element, start: Fraction, span: Span, lane: int, rate: Fraction
    ) -> Iterator[OnLane]:
        """What an element that starts at `start` s puts on the timeline within `span`."""
        retime, local = retime_of(element), self.resources.start(element) - start
        if not span:
            return
        if element.tag == "ref-clip":
            kind = AUDIO if element.get("srcEnable") == "audio" else VIDEO
            first = local + span.start - origin(self.resources.inside(element))
            item = _retimed(self._compound(element), retime)
            yield OnLane(lane, kind, span, _described(item, element, first, span, rate))
            return
        kinds = {"audio"} if self._is_sound(element) else {"video"}
        if element.tag == "mc-clip" and self.resources.angles(element, "audio") != (
            self.resources.angles(element, "video")
        ):
            kinds.add("audio")
        for kind in sorted(kinds, reverse=True):
            for seen, leaf in self._leaves(element, retime, local, span, kind):
                media = retime(seen.start + local)
                clip = self._clip(element, leaf, retime)
                item = _described(clip, element, leaf.speed * media + leaf.shift, seen, rate)
                yield OnLane(lane, AUDIO if kind == "audio" else VIDEO, seen, item)

    def _leaves(
        self, element: ET.Element, retime: Rate, local: Fraction, span: Span, kind: str
    ) -> Iterator[tuple[Span, Shown]]:
        """Stretches of the timeline and the asset that each shows."""
        inner = Span(retime(span.start + local), retime(span.end + local))
        if retime.speed <= 0:  # one frame stands for all, whatever follows it
            inner = Span(inner.start, inner.start + Fraction(1, 1000))
        found = list(self.resources.shown(element, inner, kind))
        if retime.speed <= 0 or not found:
            yield span, found[0] if found else Shown(inner, element)
            return
        for leaf in found:
            ends = (retime.back(moment) - local for moment in (leaf.span.start, leaf.span.end))
            if seen := Span(*ends).meet(span):
                yield seen, leaf

    def _clip(self, element: ET.Element, leaf: Shown, retime: Rate) -> Any:
        """A clip of what a leaf shows, under the outer element's name."""
        asset = self.resources.of(leaf.element)
        clip = otio.schema.Clip(
            name=element.get("name", ""), media_reference=self._media(asset, leaf.element)
        )
        unclear = retime.unclear or leaf.unclear
        return _retimed(clip, replace(retime, speed=retime.speed * leaf.speed, unclear=unclear))

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
        form = self.resources.found.get(asset.get("format", ""))
        duration = time_of(form.get("frameDuration")) if form is not None else ZERO
        rate = 1 / duration if duration else time_of(asset.get("audioRate")) or Fraction(48000)
        return otio.schema.ExternalReference(
            url,
            otio.opentime.TimeRange(
                rational_time(time_of(asset.get("start")), rate),
                rational_time(time_of(asset.get("duration")), rate),
            ),
        )

    def _compound(self, element: ET.Element) -> Any:
        sequence, name = self.resources.inside(element), element.get("name", "")
        if sequence is None:
            return otio.schema.Clip(name=name)
        stack = self._stack(sequence)
        stack.name = name
        wanted = {"video": VIDEO, "audio": AUDIO}.get(element.get("srcEnable", "all"))
        for index in reversed(range(len(stack))):
            if wanted is not None and stack[index].kind != wanted:
                del stack[index]
        return stack

    def _is_sound(self, element: ET.Element) -> bool:
        if element.tag == "audio" or element.get("srcEnable") == "audio":
            return True
        if element.tag in ("clip", "sync-clip"):
            holds = {entry.tag for entry in element.iter()}
            return "audio" in holds and not holds & {"video", "asset-clip", "ref-clip", "mc-clip"}
        asset = self.resources.asset(element)
        return asset is not None and asset.get("hasVideo", "0") == "0"


def _described(item: Any, element: ET.Element, first: Fraction, span: Span, rate: Fraction) -> Any:
    """The item with its range, which begins at `first` of its own time, and its markers."""
    item.source_range = otio.opentime.TimeRange(
        rational_time(first, rate), rational_time(span.duration, rate)
    )
    item.enabled = element.get("enabled", "1") != "0"
    shift = first - time_of(element.get("start"))
    for marker in element.findall("marker"):
        item.markers.append(_marker(marker, shift, rate))
    return item


def _retimed(item: Any, retime: Rate) -> Any:
    if retime.unclear:
        item.effects.append(otio.schema.TimeEffect(retime.unclear, "unknown"))
    elif not retime.speed:
        item.effects.append(otio.schema.FreezeFrame())
    elif retime.speed != 1:
        item.effects.append(otio.schema.LinearTimeWarp(time_scalar=float(retime.speed)))
    return item


def _transition(
    element: ET.Element, lane: int, start: Fraction, cut: Fraction, rate: Fraction
) -> OnLane:
    end = start + time_of(element.get("duration"))
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
            rational_time(time_of(element.get("start")) + shift, rate),
            rational_time(time_of(element.get("duration")), rate),
        ),
    )
