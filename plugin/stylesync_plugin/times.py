"""Exact time: rates and seconds are fractions, RationalTime stands at the borders.

A rate such as 23.976024627685547 is snapped once, where it enters; everything behind it counts
in `Fraction` seconds, so that ten thousand clips later a cut still lies on its frame.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

import opentimelineio as otio

from stylesync_engine.ranges import (
    TIME_CODE,
    dropped_a_minute,
    label_of_number,
    number_of_label,
)
from stylesync_engine.request import RequestError

RationalTime: TypeAlias = otio.opentime.RationalTime
TimeRange: TypeAlias = otio.opentime.TimeRange

ZERO = Fraction(0)

# A time that lies less than this part of a frame before a frame counts as on it: hosts that
# multiply by 23.976 where 24000/1001 is meant are off by a few hundred-thousandths.
EDGE = Fraction(1, 10_000)

_NTSC_TOLERANCE = 0.0041  # 23.98 is a common way to write 24000/1001
_SECONDS = re.compile(r"(\d{1,12}(?:\.\d{1,40}|/[1-9]\d{0,40})?)\s*s")
_EXACT = re.compile(
    r"[+-]?(?:(?=\.?\d)\d{0,40}(?:\.\d{0,40})?(?:e[+-]?\d{1,2})?|\d{1,40}/\d{1,40})",
    re.ASCII | re.IGNORECASE,
)
_DIGITS = 12  # of a number of frames


def exact_rate(rate: float) -> Fraction:
    """The rate that a host's floating number stands for; raises RequestError for nonsense.

    Whole numbers stay, anything close to N * 1000/1001 becomes that, the rest keeps its value.
    """
    if not math.isfinite(rate) or rate <= 0:
        raise RequestError(f"The timeline has a rate of {rate}; export it with a real frame rate.")
    whole = round(rate)
    if whole and abs(rate - whole) < 1e-5:
        return Fraction(whole)
    above = math.ceil(rate)
    if above >= 10 and abs(rate - above * 1000 / 1001) < _NTSC_TOLERANCE:
        return Fraction(above * 1000, 1001)
    return Fraction(rate).limit_denominator(1_000_000)


def seconds(time: RationalTime) -> Fraction:
    """A RationalTime as exact seconds; raises RequestError where it is not a number."""
    if not math.isfinite(time.value):
        raise RequestError(f"The timeline holds the time {time.value}; export it again.")
    if not time.value:  # whatever it is counted in: placeholders have no rate
        return ZERO
    return Fraction(time.value) / exact_rate(time.rate)


def rational_time(moment: Fraction, rate: Fraction) -> RationalTime:
    """Seconds as RationalTime: at `rate` where they fall on its grid, else exactly as a ratio."""
    value = moment * rate
    if value.denominator == 1:
        return RationalTime(value.numerator, float(rate))
    finer = math.lcm(moment.denominator, rate.numerator)
    if finer < 2**40:
        return RationalTime(int(moment * finer), finer)
    return RationalTime(float(value), float(rate))


def frame_range(start: int, length: int, rate: Fraction) -> TimeRange:
    """So many frames from the frame `start`."""
    return TimeRange(RationalTime(start, float(rate)), RationalTime(length, float(rate)))


def frame_at(moment: Fraction, rate: Fraction) -> int:
    """The frame that is shown at a moment: frame k covers [k / rate, (k + 1) / rate)."""
    return math.floor(moment * rate + EDGE)


def frame_from(moment: Fraction, rate: Fraction) -> int:
    """The first frame that starts at a moment or after it."""
    return math.ceil(moment * rate - EDGE)


@dataclass(frozen=True, slots=True)
class Span:
    """Half-open range of exact seconds."""

    start: Fraction
    end: Fraction

    @property
    def duration(self) -> Fraction:
        return self.end - self.start

    def __bool__(self) -> bool:
        return self.start < self.end

    def meet(self, other: Span) -> Span:
        """What both share; false where they share nothing."""
        return Span(max(self.start, other.start), min(self.end, other.end))

    def without(self, other: Span) -> list[Span]:
        """What is left of this span, in order."""
        parts = (
            Span(self.start, min(self.end, other.start)),
            Span(max(self.start, other.end), self.end),
        )
        return [part for part in parts if part] if self.meet(other) else [self]


def span_of(time_range: TimeRange) -> Span:
    start = seconds(time_range.start_time)
    return Span(start, start + seconds(time_range.duration))


@dataclass(frozen=True, slots=True)
class Mapping:
    """inner = scale * outer + offset, in seconds."""

    scale: Fraction = Fraction(1)
    offset: Fraction = ZERO

    def __call__(self, moment: Fraction) -> Fraction:
        return self.scale * moment + self.offset

    def then(self, inner: Mapping) -> Mapping:
        """First this, then `inner`."""
        return Mapping(self.scale * inner.scale, inner.scale * self.offset + inner.offset)

    def inverse(self) -> Mapping:
        return Mapping(1 / self.scale, -self.offset / self.scale)

    def span(self, outer: Span) -> Span:
        return Span(self(outer.start), self(outer.end))


def number_of(text: str) -> Fraction:
    """An exact number, such as `12`, `-1.5` or `1001/24000`; raises ValueError for all else, and
    for what takes an age to compute, as `1e999999999` does."""
    if not _EXACT.fullmatch(text.strip()):
        raise ValueError(f"'{text[:80]}' is no number")
    return Fraction(text.strip())


def parse_rate(text: str) -> Fraction:
    """`"25"`, `"23.976"`, `"24000/1001"` -> the exact rate."""
    try:
        value = number_of(text)
    except (ValueError, ZeroDivisionError) as error:
        raise RequestError(
            f"'{text[:80]}' is not a frame rate; write 25, 23.976 or 24000/1001."
        ) from error
    return value if "/" in text and value > 0 else exact_rate(float(value))


def parse_time(
    text: str | int, rate: Fraction, zero: Fraction = ZERO, counts_drop: bool | None = None
) -> Fraction:
    """A time as editors write it -> seconds on the timeline.

    `01:00:10:00` or `01:00:10;00` is a time code counted from the timeline's start `zero` (s),
    `12.5s` are seconds and `300` frames from the first frame. A timeline that says whether it
    counts drop frame counts so whatever the mark. Raises RequestError.
    """
    written = str(text).strip()
    if code := TIME_CODE.fullmatch(written):
        drop = code[4] == ";" if counts_drop is None else counts_drop
        moment = _frames_of(code, rate, drop) / rate - zero
        if moment < 0:
            raise RequestError(
                f"{written} lies before the timeline's start,"
                f" {time_code(ZERO, rate, zero, counts_drop)}; choose a later time."
            )
        return moment
    if found := _SECONDS.fullmatch(written):
        return Fraction(found[1])
    if written.isdecimal() and len(written) <= _DIGITS:
        return int(written) / rate
    raise RequestError(
        f"'{written[:80]}' is not a time; write a time code 01:00:10:00, seconds 12.5s or a frame"
        " 300."
    )


def parse_range(
    text: str | list[str | int],
    rate: Fraction,
    zero: Fraction = ZERO,
    counts_drop: bool | None = None,
) -> Span:
    """`"START-END"` or `[START, END]` -> span in seconds; END is excluded."""
    parts: list[str | int] = list(text.split("-")) if isinstance(text, str) else list(text)
    if len(parts) != 2:
        raise RequestError(f"'{text}' is not a range; write START-END, for example 12s-15.5s.")
    start, end = (parse_time(part, rate, zero, counts_drop) for part in parts)
    span = Span(start, end)
    if not span:
        raise RequestError(f"The range {text} is empty; its end must come after its start.")
    return span


def time_code(
    moment: Fraction, rate: Fraction, zero: Fraction = ZERO, counts_drop: bool | None = None
) -> str:
    """Seconds on the timeline as a time code for people: drop frame or not, by rate where the
    timeline does not say."""
    drops = counts_drop is not False and _can_drop(rate)
    frame = max(0, frame_at(moment + zero, rate))
    return label_of_number(frame, math.ceil(rate), ";" if drops else ":")


def _can_drop(rate: Fraction) -> bool:
    """Only 29.97 and its multiples do."""
    return rate.denominator == 1001 and dropped_a_minute(math.ceil(rate)) > 0


def frames_of_time_code(text: str, rate: Fraction, drop: bool = False) -> int:
    """`01:00:00:00`, or `;` for drop frame, as frames since midnight; plain numbers are frames.

    `drop` says that `:` stands for drop frame too. Raises RequestError.
    """
    if text.isdecimal():
        return int(text)
    code = TIME_CODE.fullmatch(text)
    if code is None:
        raise RequestError(f"'{text}' is not a time code; write 01:00:10:00.")
    return _frames_of(code, rate, drop or code[4] == ";")


def _frames_of(code: re.Match[str], rate: Fraction, drop: bool) -> int:
    nominal = math.ceil(rate)
    if int(code[2]) > 59 or int(code[3]) > 59 or int(code[5]) >= nominal:
        raise RequestError(f"'{code[0]}' is not a time code at {float(rate):g} frames a second.")
    return number_of_label(code, nominal, drop and _can_drop(rate))
