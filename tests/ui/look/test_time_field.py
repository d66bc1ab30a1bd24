"""Time codes as editors type them."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stylesync_plugin.contract import RequestError
from stylesync_plugin.timeline.layout import Layout
from stylesync_plugin.times import time_code
from stylesync_ui.look.time_field import TimeField, parse_entry

HOUR = Fraction(3600)


AT = Fraction(12) + Fraction(10, 25)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("01:00:10:05", "01:00:10:05"),
        ("1000", "01:00:10:00"),
        ("5", "01:00:12:05"),
        ("75", "01:00:15:00"),
        ("10.", "01:00:10:00"),
        ("1.2.3", "01:01:02:03"),
        ("02 00", "01:00:02:00"),
        ("+12", "01:00:12:22"),
        ("-11", "01:00:11:24"),
        ("+1:00", "01:00:13:10"),
        ("+100", "01:00:13:10"),
        ("-9999999", "01:00:00:00"),
        ("2.5s", "01:00:02:12"),
        ("+2s", "01:00:14:10"),
        ("30f", "01:00:01:05"),
    ],
)
def test_time_codes_as_editors_type_them(typed: str, expected: str) -> None:
    moment = parse_entry(typed, Fraction(25), HOUR, AT)
    assert time_code(moment, Fraction(25), HOUR) == expected


@pytest.mark.parametrize("typed", ["", "abc", "+", "1:2:3:4:5", "::", "12:xx", "-s"])
def test_what_is_no_time_is_said(typed: str) -> None:
    with pytest.raises(RequestError, match=r"[.]$"):
        parse_entry(typed, Fraction(25), HOUR, AT)


@given(
    st.integers(0, 200_000),
    st.sampled_from([Fraction(25), Fraction(24000, 1001), Fraction(30000, 1001), Fraction(60)]),
)
def test_a_shown_time_code_typed_again_is_the_same_frame(frame: int, rate: Fraction) -> None:
    text = time_code(frame / rate, rate)
    assert parse_entry(text, rate, Fraction(0), Fraction(0)) == frame / rate


@pytest.mark.parametrize(("drop", "shown"), [(False, "00:02:00:00"), (True, "00:02:00;04")])
def test_it_counts_as_its_timeline_does(qapp: object, drop: bool, shown: str) -> None:
    """29.97 fps: 3,600 frames, which are two minutes without drop frames."""
    rate = Fraction(30000, 1001)
    layout, field = Layout((), rate, Fraction(0), (), {}, drop), TimeField("Position")
    field.set_clock(layout, Fraction(0))
    field.show_moment(3600 / rate)
    assert field.text() == shown
    assert parse_entry(shown, rate, Fraction(0), Fraction(0), drop) == 3600 / rate
    assert parse_entry("20000" if not drop else "20004", rate, Fraction(0), Fraction(0), drop) == (
        3600 / rate
    )
