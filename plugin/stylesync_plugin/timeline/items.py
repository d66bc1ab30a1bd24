"""What an item of a timeline says of itself: length, start, speed, and what it remembers."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import opentimelineio as otio

from stylesync_engine.request import RequestError
from stylesync_plugin.times import ZERO, exact_rate, seconds, time_code

Clip = otio.schema.Clip
Stack = otio.schema.Stack

METADATA = "stylesync"
SOUND = "stylesync_sound"
"""Where a sound that lies under a dub remembers: `whole` names the clip that it is a part of,
`place` the dub, and `level` what has become of it."""
MLT = "mlt"
OBSTACLE = "obstacle"
"""`metadata["mlt"]["obstacle"]` says why a clip of an MLT project cannot be dubbed."""


_TIME_CODE = "time_code"


def timeline_rate(timeline: Any) -> Fraction:
    """The rate the timeline counts in: its start time's, else its first video clip's."""
    if timeline.global_start_time is not None:
        return exact_rate(timeline.global_start_time.rate)
    tracks = [*timeline.video_tracks(), *timeline.audio_tracks(), timeline.tracks]
    for wanted in (Clip, otio.schema.Gap):
        for track in tracks:
            for item in track.find_children(descended_from_type=wanted):
                available = getattr(getattr(item, "media_reference", None), "available_range", None)
                known = item.source_range or available
                if known is not None and known.duration.rate > 0:
                    return exact_rate(known.duration.rate)
    raise RequestError("The timeline is empty and has no frame rate; give one.", "rate")


def count_as(timeline: Any, *, drop: bool) -> None:
    """Remember how the timeline's file counts its time code."""
    timeline.metadata[_TIME_CODE] = {"drop": drop}


def counts_drop(timeline: Any) -> bool | None:
    """Whether a timeline counts in drop-frame time code; None where its file does not say.

    Where nothing else does, its start tells: sequences begin on a whole second of their own count.
    """
    told = remembered(timeline, _TIME_CODE).get("drop")
    form = str(remembered(timeline, "fcp_xml").get("timecode", {}).get("displayformat", ""))
    if told is not None or form in ("DF", "NDF"):
        return bool(told) if told is not None else form == "DF"
    start = timeline.global_start_time
    if start is None or not start.value:
        return None
    codes = {
        drop: time_code(ZERO, exact_rate(start.rate), seconds(start), drop)
        for drop in (True, False)
    }
    whole = [drop for drop, code in codes.items() if code.endswith((":00", ";00"))]
    return whole[0] if len(whole) == 1 else None


def remembered(item: Any, key: str) -> Any:
    """An item's metadata under a key, empty where anything else than an object lies there."""
    found = item.metadata.get(key)
    return found if hasattr(found, "items") else {}


def duration(item: Any) -> Fraction:
    """An item's length in its parent, in seconds."""
    if item.source_range is not None:
        length = seconds(item.source_range.duration)
        if length < 0:
            raise RequestError(f"'{item.name}' has a length below 0; export the timeline again.")
        return length
    if isinstance(item, Clip):
        available = getattr(item.media_reference, "available_range", None)
        if available is None:
            raise RequestError(
                f"The clip '{item.name}' has neither a source range nor an available range, so what"
                " follows it cannot be placed; give it one of them."
            )
        return seconds(available.duration)
    lengths = [duration(child) for child in item if isinstance(child, otio.core.Item)]
    return max(lengths, default=ZERO) if isinstance(item, Stack) else sum(lengths, ZERO)


def own_start(item: Any) -> Fraction:
    """Where an item's own time begins: its source range's start, or the media's."""
    if item.source_range is not None:
        return seconds(item.source_range.start_time)
    available = getattr(getattr(item, "media_reference", None), "available_range", None)
    return seconds(available.start_time) if available is not None else ZERO


def gain_of(item: Any) -> float:
    """By how many dB an item's sound is changed, 0 where it is not."""
    gains = [remembered(effect, METADATA).get("db", 0) for effect in item.effects]
    return float(sum(gains))


def is_picture(item: Any) -> bool:
    """Whether a neighbour across a transition shows anything; gaps do not."""
    return isinstance(item, otio.core.Item) and not isinstance(item, otio.schema.Gap)


def speed_of(item: Any) -> tuple[Fraction, str]:
    """(speed, obstacle): how fast an item plays, 0 for a freeze, and why that is unclear, if so."""
    speed = Fraction(1)
    for effect in item.effects:
        if not effect.enabled:
            continue
        if isinstance(effect, otio.schema.FreezeFrame):
            return ZERO, ""
        if isinstance(effect, otio.schema.LinearTimeWarp):
            if not math.isfinite(effect.time_scalar):
                return Fraction(1), f"has the speed {effect.time_scalar}"
            speed *= Fraction(effect.time_scalar).limit_denominator(10_000)
        elif isinstance(effect, otio.schema.TimeEffect) or _is_fcp_retime(effect):
            name = effect.name or effect.effect_name or "time effect"
            return Fraction(1), f"carries the retime '{name}', whose curve a timeline does not tell"
    if speed < 0:
        return Fraction(1), (
            f"plays backwards (speed {float(speed):g}), and applications disagree where that starts"
        )
    return speed, ""


def _is_fcp_retime(effect: Any) -> bool:
    data = remembered(effect, "fcp_xml")
    return str(data.get("effectid", "")).lower() == "timeremap"
