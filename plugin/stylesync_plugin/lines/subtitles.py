"""Cues of subtitles: SRT, VTT, ASS and SSA by pysubs2, TTML (with iTT and DFXP) and SBV here."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from stylesync_engine.files import decoded
from stylesync_engine.request import RequestError
from stylesync_plugin.formats import safe_xml

KINDS = {
    ".srt": "srt", ".vtt": "vtt", ".ass": "ass", ".ssa": "ssa", ".sbv": "sbv",
    ".ttml": "ttml", ".xml": "ttml", ".dfxp": "ttml", ".itt": "ttml",
}  # fmt: skip
_PARAMETERS = "{http://www.w3.org/ns/ttml#parameter}"
_CLOCK = re.compile(r"(\d{2,}):(\d\d):(\d\d)(?:(\.\d+)|[:;](\d+)(?:\.\d+)?)?")
_OFFSET = re.compile(r"(\d+(?:\.\d+)?)(h|m|s|ms|f|t)")
_SBV = re.compile(
    r"^(\d+):(\d\d):(\d\d\.\d+),(\d+):(\d\d):(\d\d\.\d+)\s*$\n(.*?)(?=\n\s*\n|\Z)", re.M | re.S
)


@dataclass(frozen=True, slots=True)
class Cue:
    """What is said from `start` to `end`: seconds as `12.5s`, or time code; `who` may be empty."""

    start: str
    end: str
    text: str
    who: str = ""


def read_cues(data: bytes, path: Path) -> list[Cue]:
    """The cues of a file, in its order. Raises RequestError where it is damaged or needs a library
    that is not there."""
    kind = KINDS[path.suffix.lower()]
    try:
        if kind == "ttml":
            return list(_cues_of_ttml(safe_xml.parse(data)))
        text = decoded(data, path.name)
        return list(_cues_of_sbv(text) if kind == "sbv" else _cues_by_library(text, kind))
    except RequestError:
        raise
    except Exception as error:  # the library raises what its parsers raise
        raise RequestError(
            f"'{path.name}' cannot be read as {kind.upper()} subtitles; export it again, or as SRT."
        ) from error


def _cues_by_library(text: str, kind: str) -> Iterator[Cue]:
    try:
        import pysubs2
    except ImportError as error:
        raise RequestError(
            "Subtitles need pysubs2; pip install 'stylesync[lines]', or give a CSV."
        ) from error
    for event in pysubs2.SSAFile.from_string(text, format_=kind).events:
        if not event.is_comment:
            start, end = (_told(Fraction(moment, 1000)) for moment in (event.start, event.end))
            yield Cue(start, end, event.plaintext, event.name)


def _cues_of_sbv(text: str) -> Iterator[Cue]:
    for found in _SBV.finditer(text.replace("\r\n", "\n")):
        start, end = (
            _told(int(h) * 3600 + int(m) * 60 + Fraction(s))
            for h, m, s in (found.groups()[:3], found.groups()[3:6])
        )
        yield Cue(start, end, found[7])


def _told(seconds: Fraction) -> str:
    return f"{float(seconds):.3f}s"


def _cues_of_ttml(root: ET.Element) -> Iterator[Cue]:
    clock = _Clock(root.attrib)
    body = next((child for child in root if _tag(child) == "body"), None)
    if _tag(root) != "tt" or body is None:
        raise ValueError("no TTML")
    yield from _within(body, Fraction(0), clock)


def _within(element: ET.Element, begins: Fraction, clock: _Clock) -> Iterator[Cue]:
    """The paragraphs of an element; times count from what holds them."""
    told = element.get("begin", "")
    if _tag(element) == "p" and told:
        text = " ".join(" ".join(_texts(element)).split())
        yield Cue(*clock.cue(element, begins), text)
        return
    begins += clock.seconds(told) if told else 0
    for child in element:
        yield from _within(child, begins, clock)


def _texts(element: ET.Element) -> Iterator[str]:
    yield element.text or ""
    for child in element:
        if _tag(child) != "metadata":
            yield from _texts(child)
        yield child.tail or ""


def _tag(element: ET.Element) -> str:
    return str(element.tag).rpartition("}")[2]


class _Clock:
    """How a document counts time: frames, ticks, and whether its times are time code."""

    def __init__(self, attributes: Any) -> None:
        told = {name.removeprefix(_PARAMETERS): value for name, value in attributes.items()}
        top, _, under = told.get("frameRateMultiplier", "1 1").replace(":", " ").partition(" ")
        self.rate = Fraction(told.get("frameRate", "30")) * Fraction(int(top), int(under))
        self.ticks = Fraction(told.get("tickRate") or (self.rate if "frameRate" in told else 1))
        self.labels = told.get("timeBase") == "smpte"
        self.drops = told.get("dropMode", "nonDrop") == "dropNTSC"

    def cue(self, element: ET.Element, begins: Fraction) -> tuple[str, str]:
        start, end, lasts = (element.get(name, "") for name in ("begin", "end", "dur"))
        if self.labels and end and _CLOCK.fullmatch(start) and _CLOCK.fullmatch(end):
            mark = ";" if self.drops else ":"
            first, last = (f"{t[:8]}{mark}{t[9:11] or '00'}" for t in (start, end))
            return first, last
        moment = begins + self.seconds(start)
        until = begins + self.seconds(end) if end else moment
        return _told(moment), _told(moment + self.seconds(lasts) if lasts else until)

    def seconds(self, text: str) -> Fraction:
        """Seconds of a time expression of TTML; raises ValueError for any other."""
        if clock := _CLOCK.fullmatch(text):
            hours, minutes, seconds = (int(clock[n]) for n in (1, 2, 3))
            part = Fraction(clock[4]) if clock[4] else int(clock[5] or 0) / self.rate
            return hours * 3600 + minutes * 60 + seconds + part
        offset = _OFFSET.fullmatch(text)
        if offset is None:
            raise ValueError(text)
        units = {"h": Fraction(3600), "m": Fraction(60), "s": Fraction(1)}
        units |= {"ms": Fraction(1, 1000), "f": 1 / self.rate, "t": 1 / self.ticks}
        return Fraction(offset[1]) * units[offset[2]]
