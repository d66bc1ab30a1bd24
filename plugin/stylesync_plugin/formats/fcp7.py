"""FCP 7 XML around its adapter, which knows neither disabled clips nor changes of speed.

A clip of constant speed carries the filter `timeremap` with its speed in percent, and its `in`
counts frames of the retimed clip: frame 100 at 200 % is the 200th of the source.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from copy import deepcopy
from fractions import Fraction
from math import ceil
from typing import Any

import opentimelineio as otio

from stylesync_engine.request import RequestError
from stylesync_plugin.formats import safe_xml
from stylesync_plugin.timeline.items import duration, gain_of, remembered, timeline_rate
from stylesync_plugin.times import (
    ZERO,
    TimeRange,
    exact_rate,
    frame_range,
    number_of,
    rational_time,
    seconds,
)

_FCP = "fcp_xml"
_FINE = 1000  # a second: what is counted finer is no picture
Warp = otio.schema.LinearTimeWarp


def read(text: bytes) -> Any:
    """What the adapter reads of a document; placeholders, whose rate is 0, count as what holds
    them does, clips without a file are slugs, and nested sequences show what they hold."""
    root = safe_xml.parse(text)
    for holder in root.iter():
        for rate in holder.findall("rate"):
            if not _is_rate(rate.findtext("timebase")):
                holder.remove(rate)
    multiclips = {m.get("id"): m for m in root.iter("multiclip") if m.find("angle") is not None}
    for clip in list(root.iter("clipitem")):
        _show_angle(clip, multiclips)
        _drop_idle_retimes(clip)
    nested = {id(sequence): sequence for sequence in _nested(root)}
    for sequence in nested.values():
        sequence.extend(sequence.findall("media/*"))  # where the adapter looks for their tracks
    content = otio.adapters.read_from_string(ET.tostring(root, encoding="unicode"), "fcp_xml")
    kind = otio.schema.Timeline
    whole = [content] if isinstance(content, kind) else content.find_children(kind)
    for timeline in whole:
        for name in ("video", "audio"):
            remembered(timeline, _FCP).pop(name, None)
    return content


def _nested(root: ET.Element) -> Iterator[ET.Element]:
    """The sequences that clips show, where they are told in full."""
    told = {s.get("id"): s for s in root.iter("sequence") if s.find("media") is not None}
    for clip in root.iter("clipitem"):
        sequence = clip.find("sequence")
        if sequence is None and clip.find("file") is None:
            ET.SubElement(ET.SubElement(clip, "file"), "mediaSource").text = "Slug"
        elif sequence is not None and sequence.find("media") is not None:
            yield sequence
        elif sequence is not None and sequence.get("id") in told:
            yield told[sequence.get("id")]


def _show_angle(clip: ET.Element, told: Mapping[str | None, ET.Element]) -> None:
    """A multiclip is a nested sequence of the angle that is seen; it is told in full once."""
    multiclip = clip.find("multiclip")
    if multiclip is None:
        return
    angles = told.get(multiclip.get("id"), multiclip).findall("angle[clip]")
    if not angles:
        return
    seen = [a for a in angles if a.findtext("activevideoangle", "").strip().upper() == "TRUE"]
    shown = (seen or angles)[0].find("clip")
    if shown is not None:
        sequence = ET.SubElement(clip, "sequence", {"id": shown.get("id", "")})
        sequence.extend(deepcopy(entry) for entry in shown)
        clip.remove(multiclip)


def _drop_idle_retimes(clip: ET.Element) -> None:
    for entry in clip.findall("filter"):
        kind, works = (entry.findtext(name, "") for name in ("effect/effectid", "enabled"))
        if kind.lower() == "timeremap" and works.strip().upper() == "FALSE":
            clip.remove(entry)


def _is_rate(text: str | None) -> bool:
    try:
        return text is not None and float(text) > 0
    except ValueError:
        return True  # the adapter says what is wrong


def settle(timeline: Any) -> None:
    """Lift what the adapter leaves in metadata: disabled items, constant speeds, slugs."""
    for clip in timeline.find_clips():
        source = remembered(clip.media_reference, _FCP).get("mediaSource")
        if source is not None and not getattr(clip.media_reference, "target_url", None):
            clip.media_reference = otio.schema.GeneratorReference(
                name=str(source), generator_kind=str(source)
            )
    for item in timeline.find_children(descended_from_type=otio.core.Item):
        if str(remembered(item, _FCP).get("enabled", "TRUE")).upper() == "FALSE":
            item.enabled = False
    for clip in timeline.find_clips():
        for index, effect in enumerate(clip.effects):
            speed = _speed(remembered(effect, _FCP))
            if speed is not None and clip.source_range is not None:
                warp = Warp(effect.name, time_scalar=float(speed), metadata=dict(effect.metadata))
                clip.effects[index] = warp
                _scale_start(clip, abs(speed))


def prepared(timeline: Any) -> Any:
    """A copy that the adapter writes with its speeds, its disabled clips and its gains; raises
    RequestError for other retimes."""
    copy = timeline.deepcopy()
    _count_in_frames(copy, timeline_rate(timeline))
    for clip in copy.find_clips():
        if not clip.enabled or "enabled" in remembered(clip, _FCP):
            told = {**dict(remembered(clip, _FCP)), "enabled": "TRUE" if clip.enabled else "FALSE"}
            clip.metadata[_FCP] = told
        if gain_of(clip):
            _put_filter(clip, _levels(gain_of(clip)), "audiolevels")
    for item in copy.find_children(descended_from_type=otio.core.Item):
        for effect in item.effects:
            if not isinstance(effect, otio.schema.TimeEffect) or not effect.enabled:
                continue
            speed = Fraction(getattr(effect, "time_scalar", 0)).limit_denominator(10_000)
            plain = isinstance(effect, Warp) and not isinstance(effect, otio.schema.FreezeFrame)
            if not plain or not speed or not isinstance(item, otio.schema.Clip):
                raise RequestError(
                    f"FCP 7 XML cannot hold the retime of '{item.name}'; write .otio or .fcpxml."
                )
            _scale_start(item, 1 / abs(speed))
            _remember(item, speed)
    return copy


def _count_in_frames(timeline: Any, rate: Fraction) -> None:
    """Sound is counted in whole frames, which are all that these applications have; what follows on
    a track stays in its place to half a frame."""
    for track in timeline.find_children(descended_from_type=otio.schema.Track):
        if track.kind != otio.schema.TrackKind.Audio:
            continue
        exact, end = ZERO, 0
        for item in track:
            if not isinstance(item, otio.core.Item):
                continue
            exact, start = exact + duration(item), end
            end = round(exact * rate)
            if item.source_range is None or not _is_fine(item):
                continue
            first = round(seconds(item.source_range.start_time) * rate)
            item.source_range = frame_range(first, end - start, rate)
            told = getattr(getattr(item, "media_reference", None), "available_range", None)
            if told is not None and exact_rate(told.duration.rate) > _FINE:
                zero, length = (seconds(t) * rate for t in (told.start_time, told.duration))
                item.media_reference.available_range = frame_range(round(zero), ceil(length), rate)


def _is_fine(item: Any) -> bool:
    """Whether an item or its media are counted in samples."""
    told = getattr(getattr(item, "media_reference", None), "available_range", None)
    ranges = [found for found in (item.source_range, told) if found is not None]
    rates = [exact_rate(t.rate) for found in ranges for t in (found.start_time, found.duration)]
    return max(rates) > _FINE


def _scale_start(clip: Any, scale: Fraction) -> None:
    """Count a clip's start from its media's beginning in frames that are `scale` times as long."""
    told = clip.source_range
    rate = exact_rate(told.start_time.rate)
    available = clip.media_reference.available_range
    zero = seconds(available.start_time) if available is not None else ZERO
    start = zero + (seconds(told.start_time) - zero) * scale
    clip.source_range = TimeRange(rational_time(start, rate), told.duration)


def _speed(effect: Any) -> Fraction | None:
    """The constant speed of a time remap as Final Cut and Premiere write it, else None."""
    if str(effect.get("effectid", "")).lower() != "timeremap":
        return None
    values = {str(p.get("parameterid")): str(p.get("value", "")) for p in _parameters(effect)}
    # A lone speed is another application's, which may mean a ratio instead of percent.
    if values.get("variablespeed", "").upper() not in ("0", "FALSE"):
        return None
    try:
        speed = number_of(values.get("speed", "")).limit_denominator(1_000_000) / 100
    except (ValueError, ZeroDivisionError):
        return None
    backwards = values.get("reverse", "").upper() == "TRUE"
    return (-abs(speed) if backwards else speed) or None


def _parameters(effect: Any) -> Iterator[Any]:
    found = effect.get("parameter", [])
    for parameter in [found] if hasattr(found, "items") else found:
        if hasattr(parameter, "items"):
            yield parameter


def _remember(clip: Any, speed: Fraction) -> None:
    """The filter that says the speed."""
    parameters = [
        {"parameterid": name, "name": name, "value": value}
        for name, value in (
            ("variablespeed", "0"), ("speed", f"{float(abs(speed) * 100):.10g}"),
            ("reverse", "TRUE" if speed < 0 else "FALSE"), ("frameblending", "FALSE"),
        )
    ]  # fmt: skip
    effect = {
        "name": "Time Remap", "effectid": "timeremap", "effectcategory": "motion",
        "effecttype": "motion", "mediatype": "video", "parameter": parameters,
    }  # fmt: skip
    _put_filter(clip, effect, "timeremap")


def _levels(db: float) -> dict[str, Any]:
    """The filter by which these applications change a clip's volume; its level is a factor."""
    return {
        "name": "Audio Levels", "effectid": "audiolevels", "effectcategory": "audiolevels",
        "effecttype": "audiolevels", "mediatype": "audio",
        "parameter": [{"parameterid": "level", "name": "Level", "value": f"{10 ** (db / 20):.6g}"}],
    }  # fmt: skip


def _put_filter(clip: Any, effect: dict[str, Any], name: str) -> None:
    """Put a filter among those that the clip had when it was read, in place of one of its name."""
    known = remembered(clip, _FCP).get("filter", [])
    filters = [known] if hasattr(known, "items") else list(known)
    others = [e for e in filters if str(e.get("effect", {}).get("effectid", "")).lower() != name]
    metadata = dict(remembered(clip, _FCP))
    clip.metadata[_FCP] = {**metadata, "filter": [*others, {"effect": effect}]}
