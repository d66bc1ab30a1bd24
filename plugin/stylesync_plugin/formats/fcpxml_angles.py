"""What a clip of Final Cut Pro that holds others shows: `clip`, `sync-clip`, `mc-clip`, `ref-clip`.

Each element has a local time that begins at its `start`; its children lie at their `offset` in it.
Level by level a stretch of local time is followed down to the assets that are shown in it.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from stylesync_engine.request import RequestError
from stylesync_plugin.times import ZERO, Span, number_of

STORY: Final = frozenset(
    ("asset-clip", "clip", "ref-clip", "sync-clip", "mc-clip", "video", "audio", "title", "gap")
)
_HOLDERS: Final = frozenset(("clip", "sync-clip", "mc-clip", "ref-clip"))
_DEEPEST: Final = 32


@dataclass(frozen=True, slots=True)
class Shown:
    """The element that shows a stretch of an outer clip's local time; media time is
    `speed * local + shift`. `unclear` says why that cannot be told."""

    span: Span
    element: ET.Element
    speed: Fraction = Fraction(1)
    shift: Fraction = ZERO
    unclear: str = ""


@dataclass(frozen=True, slots=True)
class Rate:
    """How local time becomes media time: `value + (local - time) * speed`."""

    speed: Fraction = Fraction(1)
    time: Fraction = ZERO
    value: Fraction = ZERO
    unclear: str = ""

    def __call__(self, local: Fraction) -> Fraction:
        return self.value + (local - self.time) * self.speed

    def back(self, media: Fraction) -> Fraction:
        return (media - self.value) / self.speed + self.time


@dataclass(frozen=True, slots=True)
class Resources:
    """The document's resources by their ids, and what its elements show of them."""

    found: Mapping[str, ET.Element]

    def of(self, element: ET.Element) -> ET.Element | None:
        return self.found.get(element.get("ref", ""))

    def asset(self, element: ET.Element) -> ET.Element | None:
        found = self.of(element)
        return found if found is not None and found.tag == "asset" else None

    def inside(self, element: ET.Element) -> ET.Element | None:
        """The sequence of a compound clip, the multicam of a multicam clip."""
        wanted = {"ref-clip": "sequence", "mc-clip": "multicam"}.get(element.tag)
        media = self.of(element)
        return media.find(wanted) if wanted and media is not None else None

    def start(self, element: ET.Element) -> Fraction:
        """Local time of an item's beginning; without the attribute, where its contents begin."""
        if element.get("start") is not None:
            return time_of(element.get("start"))
        asset, inner = self.asset(element), self.inside(element)
        if asset is not None:
            return time_of(asset.get("start"))
        return origin(inner) if inner is not None else ZERO

    def length(self, element: ET.Element) -> Fraction:
        """An item's duration; without the attribute, that of what it holds."""
        asset, inner = self.asset(element), self.inside(element)
        for told in (element, inner, asset):
            if told is not None and told.get("duration") is not None:
                return time_of(told.get("duration"))
        return ZERO

    def shown(
        self, element: ET.Element, span: Span, kind: str = "video", depth: int = 0
    ) -> Iterator[Shown]:
        """The assets that an element shows (`video`) or sounds (`audio`) in a span of its local
        time. Raises RequestError where clips contain themselves."""
        if depth > _DEEPEST:
            raise RequestError("The FCPXML's clips contain themselves; export it again.")
        if element.tag not in _HOLDERS:
            if element.tag != "gap":
                yield Shown(span, element)
            return
        for start, child in self._children(element, kind):
            part = Span(start, start + self.length(child)).meet(span)
            if not part:
                continue
            rate, later = retime_of(child), self.start(child) - start
            if rate.unclear or rate.speed <= 0:
                why = rate.unclear or "freeze or reverse inside of another clip"
                yield Shown(part, child, unclear=why)
                continue
            inner = Span(rate(part.start + later), rate(part.end + later))
            for leaf in self.shown(child, inner, kind, depth + 1):
                ends = (rate.back(moment) - later for moment in (leaf.span.start, leaf.span.end))
                shift = leaf.speed * rate(later) + leaf.shift
                speed = leaf.speed * rate.speed
                yield Shown(Span(*ends).meet(part), leaf.element, speed, shift, leaf.unclear)

    def angles(self, element: ET.Element, kind: str) -> list[ET.Element]:
        """A multicam clip's angles for `video` or `audio`, as its sources choose them."""
        multicam, sources = self.inside(element), element.findall("mc-source")
        known = multicam.findall("mc-angle") if multicam is not None else []
        wanted = [s.get("angleID") for s in sources if s.get("srcEnable", "all") in ("all", kind)]
        chosen = [angle for angle in known if angle.get("angleID") in wanted]
        return chosen if sources else known[:1]

    def _children(self, element: ET.Element, kind: str) -> Iterator[tuple[Fraction, ET.Element]]:
        """What lies in the storyline of an element that holds others, and from when on."""
        inner = self.inside(element)
        if element.tag in ("mc-clip", "ref-clip"):
            stories = self.angles(element, kind)[:1]
            if element.tag == "ref-clip" and inner is not None:
                stories = inner.findall("spine")[:1]
            for story in stories:
                yield from self._storyline(story, ZERO, origin(inner))
            return
        spine = next((child for child in element if _in_story(child, ("spine",))), None)
        if spine is not None:
            yield from self._storyline(spine, time_of(spine.get("offset")), ZERO)
            return
        own = [child for child in element if _in_story(child, STORY)]
        wanted = [child for child in own if (child.tag == "audio") == (kind == "audio")]
        for child in wanted or own:
            yield time_of(child.get("offset")), child

    def _storyline(
        self, spine: ET.Element, zero: Fraction, cursor: Fraction
    ) -> Iterator[tuple[Fraction, ET.Element]]:
        """A storyline's items and when they begin; its offsets count from `zero`."""
        cursor += zero
        for child in spine:
            child = active(child)
            if child.tag in STORY:
                offset = child.get("offset")
                start = cursor if offset is None else zero + time_of(offset)
                yield start, child
                cursor = start + self.length(child)


def retime_of(element: ET.Element) -> Rate:
    """How an element's local time becomes its media's."""
    conform = element.find("conform-rate")
    if conform is not None and conform.get("scaleEnabled", "1") != "0":
        return Rate(unclear="conform rate")
    points = element.findall("timeMap/timept")
    if not points:
        return Rate()
    told = [(time_of(point.get("time")), time_of(point.get("value"))) for point in points]
    (time, value), (later, reached) = told[0], told[-1]
    if time == later:
        return Rate(unclear="retiming curve")
    rate = Rate((reached - value) / (later - time), time, value)
    return rate if all(rate(at) == shown for at, shown in told) else Rate(unclear="retiming curve")


def active(element: ET.Element) -> ET.Element:
    """An audition's chosen clip, in the audition's own place; any other element as it is."""
    if element.tag != "audition" or not len(element):
        return element
    place = {key: element.get(key, "") for key in ("lane", "offset") if element.get(key)}
    chosen = ET.Element(element[0].tag, {**element[0].attrib, **place})
    chosen.extend(element[0])
    return chosen


def origin(holder: ET.Element | None) -> Fraction:
    """The time at which a sequence or a multicam begins, as the offsets in it count: from
    `tcStart`, as Final Cut and Resolve do, or from 0, as some writers do."""
    start = time_of(holder.get("tcStart")) if holder is not None else ZERO
    if holder is None or not start:
        return ZERO
    stories = [*holder.findall("spine"), *holder.findall("mc-angle")]
    offsets = [time_of(child.get("offset")) for story in stories for child in story
               if child.tag in STORY and child.get("offset") is not None]  # fmt: skip
    return start if offsets and min(offsets) >= start else ZERO


def _in_story(child: ET.Element, tags: Collection[str]) -> bool:
    return child.tag in tags and not int(child.get("lane", "0") or 0)


def time_of(text: str | None) -> Fraction:
    """`"1001/24000s"` -> seconds; missing means 0."""
    if not text:
        return ZERO
    try:
        return number_of(text.strip().rstrip("s"))
    except (ValueError, ZeroDivisionError) as error:
        raise RequestError(f"'{text}' is not a time of FCPXML; export it again.") from error
