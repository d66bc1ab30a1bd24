"""Time as editors type it: `1000`, `+12`, `10.`, `1:02:03`, `12.5s`, `300f`."""

from __future__ import annotations

import math
import re
from fractions import Fraction

from stylesync_plugin.contract import RequestError
from stylesync_plugin.times import parse_time, time_code

_SECONDS = re.compile(r"\d+(?:\.\d+)?\s*s")
_FRAMES = re.compile(r"(\d+)\s*f")
_FIELDS = re.compile(r"[\d:;.,]{1,14}")


def parse_entry(text: str, rate: Fraction, zero: Fraction, current: Fraction) -> Fraction:
    """Seconds on the timeline, never before its start.

    A sign moves from `current`. Fields that are left out at the front are those of `current`;
    too many frames or seconds carry over. Raises RequestError with one sentence.
    """
    written = text.strip().replace(" ", "")
    if written[:1] in ("+", "-") and len(written) > 1:
        moved = _amount(written[1:], rate)
        return max(Fraction(0), current + (moved if written[0] == "+" else -moved))
    if _SECONDS.fullmatch(written):
        return parse_time(written, rate)
    if found := _FRAMES.fullmatch(written):
        return int(found[1]) / rate
    fields = _fields(written)
    leading = _fields(time_code(current, rate, zero))
    return parse_time(_carried(leading[: 4 - len(fields)] + fields, rate), rate, zero)


def _amount(text: str, rate: Fraction) -> Fraction:
    """A length: plain digits up to two are frames, more fill fields from the right."""
    if _SECONDS.fullmatch(text):
        return parse_time(text, rate)
    if found := _FRAMES.fullmatch(text):
        return int(found[1]) / rate
    fields = _fields(text)
    padded = [0] * (4 - len(fields)) + fields
    hours, minutes, seconds, frames = padded
    whole = (hours * 60 + minutes) * 60 + seconds
    return (whole * math.ceil(rate) + frames) / rate


def _fields(text: str) -> list[int]:
    """`1000` -> [10, 0]; `10.` -> [10, 0]; `1:2:3` -> [1, 2, 3]."""
    if not _FIELDS.fullmatch(text) or not re.search(r"\d", text):
        raise RequestError(f"'{text}' is no time; type 01:00:10:00, 1000, +12 or 12.5s.")
    if text.isdecimal():
        padded = text.rjust(-(-len(text) // 2) * 2, "0")
        parts = [padded[i : i + 2] for i in range(0, len(padded), 2)]
    else:
        parts = re.split(r"[:;.,]", text)
    if len(parts) > 4:
        raise RequestError(f"'{text}' has more than hours, minutes, seconds and frames.")
    return [int(part or 0) for part in parts]


def _carried(fields: list[int], rate: Fraction) -> str:
    hours, minutes, seconds, frames = fields
    seconds, frames = seconds + frames // math.ceil(rate), frames % math.ceil(rate)
    minutes, seconds = minutes + seconds // 60, seconds % 60
    hours, minutes = hours + minutes // 60, minutes % 60
    mark = ";" if rate.denominator == 1001 and math.ceil(rate) % 30 == 0 else ":"
    return f"{hours:02}:{minutes:02}:{seconds:02}{mark}{frames:02}"
