"""What an EDL does not say: its frame rate, and that its record times are time code."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import Any

from stylesync_engine.request import RequestError
from stylesync_plugin.times import RationalTime, seconds


def rate_of(source: Path) -> Fraction:
    """29.97 where the file says drop frame; raises RequestError where it does not tell."""
    if re.search(r"FCM:\s*DROP", source.read_text(encoding="utf-8", errors="replace")):
        return Fraction(30000, 1001)
    raise RequestError(
        f"An EDL does not say its frame rate; give that of '{source.name}', for example --rate 25."
    )


def lift_record_start(timeline: Any) -> None:
    """The EDL adapter writes record time 01:00:00:00 as a negative track start: it is time code."""
    starts = [
        -seconds(track.source_range.start_time)
        for track in timeline.tracks
        if track.source_range and track.source_range.start_time.value < 0
    ]
    for track in timeline.tracks:
        if track.source_range and track.source_range.start_time.value < 0:
            start = track.source_range.start_time
            timeline.global_start_time = RationalTime(-start.value, start.rate)
            track.source_range = None
    if len(set(starts)) > 1:
        raise RequestError(
            "The EDL's tracks start at different record times; export them one by one."
        )
