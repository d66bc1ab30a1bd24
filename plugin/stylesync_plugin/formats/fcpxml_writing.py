"""Final Cut Pro XML out: the lowest video track is the storyline, the others hang on it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio

from stylesync_engine.request import RequestError
from stylesync_plugin.timeline.items import (
    counts_drop,
    duration,
    gain_of,
    own_start,
    speed_of,
    timeline_rate,
)
from stylesync_plugin.timeline.paths import path_of, url_of
from stylesync_plugin.times import ZERO, Span, exact_rate, frame_from, seconds

AUDIO = otio.schema.TrackKind.Audio
Transition = otio.schema.Transition

_DISSOLVE = "FxPlug:4731E73A-8DAC-4113-9A30-AE85B1761265"


def write_to_string(input_otio: Any) -> str:
    """A timeline as FCPXML 1.9; raises RequestError for what it cannot hold."""
    writer = _Writer(timeline_rate(input_otio))
    project = writer.project(input_otio)
    root = ET.Element("fcpxml", version="1.9")
    root.append(writer.resources)
    ET.SubElement(
        ET.SubElement(root, "library"), "event", name=input_otio.name or "StyleSync"
    ).append(project)
    ET.indent(root, " ")
    text = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n{text}\n'


@dataclass(frozen=True, slots=True)
class _Item:
    """An item (or a transition) of a track, in whole frames of the sequence."""

    item: Any
    start: int
    end: int
    exact: Fraction


@dataclass(frozen=True, slots=True)
class _Anchor:
    """An element of the storyline: what is connected to it counts in its local time."""

    element: ET.Element
    start: int
    end: int
    local: Fraction


class _Writer:
    """Collects the resources and elements of one document."""

    def __init__(self, rate: Fraction) -> None:
        self.rate = rate
        self.resources = ET.Element("resources")
        self.known: dict[tuple[str, ...], str] = {}

    def project(self, timeline: Any) -> ET.Element:
        project = ET.Element("project", name=timeline.name or "timeline")
        start = timeline.global_start_time
        zero, drop = seconds(start) if start else ZERO, counts_drop(timeline)
        project.append(self._sequence(timeline.tracks, zero, "DF" if drop else "NDF"))
        return project

    def _sequence(self, stack: Any, zero: Fraction, form: str = "NDF") -> ET.Element:
        length = frame_from(duration(stack) + own_start(stack), self.rate)
        sequence = ET.Element(
            "sequence", format=self._format(self.rate), duration=self._time(length),
            tcStart=_text(zero), tcFormat=form,
        )  # fmt: skip
        spine = ET.SubElement(sequence, "spine")
        videos = [child for child in stack if getattr(child, "kind", "Video") != AUDIO]
        sounds = [child for child in stack if getattr(child, "kind", "Video") == AUDIO]
        main = self._items(videos[0]) if videos else []
        anchors = self._storyline(spine, main, length)
        for element in spine:  # which Final Cut counts from the sequence's start
            element.set("offset", _text(zero + Fraction(element.get("offset", "0s").rstrip("s"))))
        for lane, track in enumerate(videos[1:], 1):
            for run in _runs(self._items(track)):
                self._connect(anchors, run, lane)
        for lane, track in enumerate(sounds, 1):
            for item in self._items(track):
                if not isinstance(item.item, Transition):
                    self._connect(anchors, [item], -lane)
        return sequence

    def _items(self, child: Any) -> list[_Item]:
        """The items of a track without its gaps; ends are rounded to frames, never lengths."""
        if not isinstance(child, otio.schema.Track):
            return [_Item(child, 0, frame_from(duration(child), self.rate), ZERO)]
        window = Span(ZERO, duration(child))
        moment = -own_start(child) if child.source_range is not None else ZERO
        items = []
        for entry in child:
            if isinstance(entry, Transition):
                before = frame_from(moment - seconds(entry.in_offset), self.rate)
                after = frame_from(moment + seconds(entry.out_offset), self.rate)
                items.append(_Item(entry, before, after, moment))
                continue
            span = Span(moment, moment + duration(entry))
            shown = span.meet(window)
            if shown and not isinstance(entry, otio.schema.Gap):
                end = frame_from(shown.end, self.rate)
                if child.kind == AUDIO and end / self.rate > shown.end:
                    end -= 1
                items.append(_Item(entry, frame_from(shown.start, self.rate), end, moment))
            moment = span.end
        return [item for item in items if item.end > item.start]

    def _storyline(self, spine: ET.Element, items: Sequence[_Item], length: int) -> list[_Anchor]:
        anchors, cursor = [], 0
        for item in items:
            if isinstance(item.item, Transition):
                spine.append(self._transition(item, 0))
                continue
            if item.start > cursor:
                anchors.append(self._gap(spine, cursor, item.start))
            element, local = self._element(item)
            element.set("offset", self._time(item.start))
            spine.append(element)
            anchors.append(_Anchor(element, item.start, item.end, local))
            cursor = item.end
        if cursor < length or not anchors:
            anchors.append(self._gap(spine, cursor, max(length, cursor + 1)))
        return anchors

    def _gap(self, spine: ET.Element, start: int, end: int) -> _Anchor:
        gap = ET.SubElement(
            spine, "gap", name="Gap", offset=self._time(start), duration=self._time(end - start),
            start="0s",
        )  # fmt: skip
        return _Anchor(gap, start, end, ZERO)

    def _connect(self, anchors: Sequence[_Anchor], run: Sequence[_Item], lane: int) -> None:
        """Connect one clip, or a storyline of its own where there are more or dissolves."""
        first = min(item.start for item in run if not isinstance(item.item, Transition))
        anchor = next((a for a in anchors if a.start <= first < a.end), anchors[-1])
        offset = _text(anchor.local + (first - anchor.start) / self.rate)
        if len(run) == 1:
            element, _ = self._element(run[0])
            element.set("lane", str(lane))
            element.set("offset", offset)
            _attach(anchor.element, element)
            return
        spine = ET.Element("spine", lane=str(lane), offset=offset)
        for item in run:
            if isinstance(item.item, Transition):
                spine.append(self._transition(item, first))
                continue
            element, _ = self._element(item)
            element.set("offset", self._time(item.start - first))
            spine.append(element)
        _attach(anchor.element, spine)

    def _element(self, item: _Item) -> tuple[ET.Element, Fraction]:
        """A clip's element and the local time of its beginning."""
        content = item.item
        late = max(ZERO, item.start / self.rate - item.exact)
        speed, unclear = speed_of(content)
        if unclear:
            raise RequestError(
                f"The clip '{content.name}' {unclear}, which FCPXML cannot hold; write .otio."
            )
        first = own_start(content) + late * speed
        if isinstance(content, otio.schema.Clip):
            element = self._clip(content)
        else:
            element = ET.Element("ref-clip", ref=self._compound(content))
        element.set("name", content.name or "clip")
        element.set("duration", self._time(item.end - item.start))
        if not content.enabled:
            element.set("enabled", "0")
        local = first if speed == 1 else first / speed if speed else late
        element.set("start", _text(local))
        if speed != 1:
            _retime(element, speed, first, local, (item.end - item.start) / self.rate)
        return element, local

    def _clip(self, clip: Any) -> ET.Element:
        reference = clip.media_reference
        if isinstance(reference, otio.schema.ImageSequenceReference):
            raise RequestError(
                f"FCPXML cannot hold the image sequence of '{clip.name}'; write .otio."
            )
        url = getattr(reference, "target_url", None)
        if not url:
            return ET.Element("gap")
        sound = clip.parent() is not None and getattr(clip.parent(), "kind", "") == AUDIO
        element = ET.Element("asset-clip", ref=self._asset(clip, str(url), sound))
        if sound:
            element.set("audioRole", "dialogue")
            element.set("srcEnable", "audio")
            if gain_of(clip):
                ET.SubElement(element, "adjust-volume", amount=f"{gain_of(clip):g}dB")
        return element

    def _asset(self, clip: Any, url: str, sound: bool) -> str:
        path = path_of(url)
        address = url_of(path) if Path(path).is_absolute() else url
        reference = clip.media_reference
        available = reference.available_range or clip.source_range
        start, length = seconds(available.start_time), seconds(available.duration)
        rate = exact_rate(available.duration.rate)
        key = ("asset", address, str(start), str(length), str(sound))
        attributes = {
            "name": Path(path).name, "start": _text(start), "duration": _text(length),
            "hasAudio": "1", "audioSources": "1", "audioChannels": "2",
        }  # fmt: skip
        if sound:
            attributes["audioRate"] = "48000" if rate < 1000 else str(rate)
        else:
            attributes |= {"hasVideo": "1", "format": self._format(rate)}
        found, new = self._resource("asset", key, attributes)
        if new is not None:
            ET.SubElement(new, "media-rep", kind="original-media", src=address)
        return found

    def _compound(self, item: Any) -> str:
        stack = item
        if isinstance(item, otio.schema.Track):
            stack = otio.schema.Stack(name=item.name)
            stack.append(item.deepcopy())
            stack[0].source_range = None
        else:
            stack = item.deepcopy()
            stack.source_range = None
        sequence = self._sequence(stack, ZERO)
        text = ET.tostring(sequence, encoding="unicode")
        found, new = self._resource("media", ("media", text), {"name": item.name or "compound"})
        if new is not None:
            new.append(sequence)
        return found

    def _format(self, rate: Fraction) -> str:
        attributes = {"frameDuration": _text(1 / rate), "name": f"StyleSync{float(rate):.2f}"}
        return self._resource("format", ("format", str(rate)), attributes)[0]

    def _transition(self, item: _Item, zero: int) -> ET.Element:
        attributes = {"name": "Cross Dissolve", "uid": _DISSOLVE}
        effect = self._resource("effect", ("effect", _DISSOLVE), attributes)[0]
        transition = ET.Element(
            "transition", name=item.item.name or "Cross Dissolve",
            offset=self._time(item.start - zero), duration=self._time(item.end - item.start),
        )  # fmt: skip
        ET.SubElement(transition, "filter-video", ref=effect, name="Cross Dissolve")
        return transition

    def _resource(
        self, tag: str, key: tuple[str, ...], attributes: dict[str, str]
    ) -> tuple[str, ET.Element | None]:
        """The id of a resource, and its element where it is new."""
        if key in self.known:
            return self.known[key], None
        name = f"r{len(self.known) + 1}"
        self.known[key] = name
        return name, ET.SubElement(self.resources, tag, {"id": name, **attributes})

    def _time(self, frames: int) -> str:
        return _text(frames / self.rate)


def _runs(items: Sequence[_Item]) -> Iterator[list[_Item]]:
    """Runs of items without a gap between them; transitions stay with their clips."""
    run: list[_Item] = []
    end: int | None = None
    for item in items:
        is_transition = isinstance(item.item, Transition)
        if run and not is_transition and end is not None and item.start != end:
            yield run
            run = []
        run.append(item)
        end = end if is_transition else item.end
    if any(not isinstance(item.item, Transition) for item in run):
        yield run


def _retime(
    element: ET.Element, speed: Fraction, first: Fraction, local: Fraction, length: Fraction
) -> None:
    """A straight time map from local time to source time."""
    points = ET.Element("timeMap")
    for time in (local, local + length):
        value = first + (time - local) * speed
        ET.SubElement(points, "timept", time=_text(time), value=_text(value), interp="linear")
    element.insert(0, points)


def _attach(anchor: ET.Element, element: ET.Element) -> None:
    """The format wants connected items after a time map and before everything else."""
    anchor.append(element)


def _text(moment: Fraction) -> str:
    if moment.denominator == 1:
        return f"{moment.numerator}s"
    return f"{moment.numerator}/{moment.denominator}s"
