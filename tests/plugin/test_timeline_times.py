"""Exact time, against OpenTimelineIO's own time codes and plain arithmetic."""

from __future__ import annotations

from fractions import Fraction

import opentimelineio as otio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stylesync_plugin.timeline.items import counts_drop
from stylesync_plugin.times import (
    Mapping,
    Span,
    exact_rate,
    frame_at,
    frame_from,
    number_of,
    parse_range,
    parse_rate,
    parse_time,
    rational_time,
    seconds,
    time_code,
)

from stylesync_engine.request import RequestError

NTSC = Fraction(30000, 1001)
RATES = [
    Fraction(24000, 1001), Fraction(24), Fraction(25), NTSC, Fraction(30), Fraction(50),
    Fraction(60000, 1001), Fraction(60),
]  # fmt: skip


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        (23.976024627685547, Fraction(24000, 1001)), (23.976, Fraction(24000, 1001)),
        (23.98, Fraction(24000, 1001)), (29.97, NTSC), (59.94, Fraction(60000, 1001)),
        (24.0, Fraction(24)), (12.5, Fraction(25, 2)), (15.0, Fraction(15)), (1.0, Fraction(1)),
        (48000.0, Fraction(48000)), (119.88, Fraction(120000, 1001)),
    ],
)  # fmt: skip
def test_rates_of_hosts_become_exact(told: float, meant: Fraction) -> None:
    assert exact_rate(told) == meant


@pytest.mark.parametrize("rate", [0.0, -25.0, float("nan"), float("inf")])
def test_impossible_rates_are_refused(rate: float) -> None:
    with pytest.raises(RequestError, match="frame rate"):
        exact_rate(rate)


@pytest.mark.parametrize("rate", RATES)
def test_exact_rates_survive_as_floating_numbers(rate: Fraction) -> None:
    assert exact_rate(float(rate)) == rate


@given(st.sampled_from(RATES), st.integers(0, 24 * 3600 * 24))
def test_frames_survive_time(rate: Fraction, frame: int) -> None:
    moment = frame / rate
    assert frame_at(moment, rate) == frame_from(moment, rate) == frame
    assert seconds(rational_time(moment, rate)) == moment


@given(st.sampled_from(RATES), st.sampled_from(RATES), st.integers(0, 10**6))
def test_off_grid_times_are_kept_exactly(one: Fraction, other: Fraction, frame: int) -> None:
    assert seconds(rational_time(frame / one, other)) == frame / one


@given(st.integers(0, 2_589_407))
def test_drop_frame_codes_agree_with_opentimelineio(frame: int) -> None:
    said = time_code(frame / NTSC, NTSC)
    assert said == otio.opentime.RationalTime(frame, float(NTSC)).to_timecode(float(NTSC), True)
    assert parse_time(said, NTSC) * NTSC == frame


@given(st.sampled_from([Fraction(24), Fraction(25), Fraction(50)]), st.integers(0, 10**6))
def test_codes_count_from_the_start_of_the_timeline(rate: Fraction, frame: int) -> None:
    zero = Fraction(3600)
    assert parse_time(time_code(frame / rate, rate, zero), rate, zero) == frame / rate


@pytest.mark.parametrize(
    ("start", "drop"),
    [(107_892, True), (108_000, False), (0, None), (107_893, None), (17_982, True)],
)
def test_a_start_on_a_whole_second_tells_how_a_timeline_counts(
    start: int, drop: bool | None
) -> None:
    cut = otio.schema.Timeline(global_start_time=otio.opentime.RationalTime(start, float(NTSC)))
    assert counts_drop(cut) is drop


def test_a_timeline_counts_its_own_way_whatever_the_mark() -> None:
    for drop, zero in ((True, 107_892), (False, 108_000)):
        for text in ("01:00:00:00", "01:00:00;00"):
            assert parse_time(text, NTSC, zero / NTSC, drop) == 0


def test_times_as_editors_write_them() -> None:
    rate = Fraction(25)
    assert parse_time("12.5s", rate) == Fraction(25, 2)
    assert parse_time(250, rate) == 10
    assert parse_range("00:00:01:05-2s", rate) == Span(Fraction(6, 5), Fraction(2))
    assert parse_rate("24000/1001") == parse_rate("23.976") == Fraction(24000, 1001)


@pytest.mark.parametrize("text", ["", "1:2:3", "00:00:00:25", "00:61:00:00", "-5", "one"])
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(RequestError):
        parse_time(text, Fraction(25))


def test_empty_and_early_ranges_are_refused() -> None:
    with pytest.raises(RequestError, match="empty"):
        parse_range("2s-2s", Fraction(25))
    with pytest.raises(RequestError, match="before the timeline's start"):
        parse_time("00:59:00:00", Fraction(25), Fraction(3600))


fractions = st.fractions(-100, 100, max_denominator=60_060)


@settings(max_examples=30)
@given(fractions.filter(bool), fractions, fractions.filter(bool), fractions, fractions)
def test_mappings_compose_and_invert(
    a: Fraction, b: Fraction, c: Fraction, d: Fraction, moment: Fraction
) -> None:
    first, second = Mapping(a, b), Mapping(c, d)
    assert first.then(second)(moment) == c * (a * moment + b) + d
    assert first.inverse()(first(moment)) == moment


@settings(max_examples=30)
@given(fractions, fractions, fractions, fractions)
def test_spans_meet_and_leave(a: Fraction, b: Fraction, c: Fraction, d: Fraction) -> None:
    one, other = Span(min(a, b), max(a, b)), Span(min(c, d), max(c, d))
    shared = one.meet(other)
    rest = sum((part.duration for part in one.without(other)), Fraction(0))
    assert rest + (shared.duration if shared else 0) == one.duration


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "text", ["1e999999999", "1.0e-999999999", "9" * 5000, "1/" + "9" * 5000, "nan", "", ".", "1_0"]
)
def test_no_number_takes_an_age(text: str) -> None:
    with pytest.raises(ValueError, match="no number"):
        number_of(text)
    with pytest.raises(RequestError, match="frame rate"):
        parse_rate(text)
    for time in (text, f"{text}s"):
        with pytest.raises(RequestError, match="not a time"):
            parse_time(time, Fraction(25))


def test_numbers_as_files_write_them() -> None:
    told = ["12", "-1.5", "1001/24000", ".5", "5.", "1e-2", "+3"]
    assert [float(number_of(text)) for text in told] == pytest.approx(
        [12, -1.5, 1001 / 24000, 0.5, 5, 0.01, 3]
    )
