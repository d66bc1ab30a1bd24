"""Time code counted against lists of labels written out frame by frame."""

from __future__ import annotations

from fractions import Fraction
from itertools import islice, pairwise

import pytest

from stylesync_engine.media.timecode import advance_timecode

NTSC, DOUBLE = Fraction(30000, 1001), Fraction(60000, 1001)


def labels(nominal: int, dropped: int, mark: str) -> list[str]:
    """Every label of the first 21 minutes, in order (ST 12-1: at the start of each minute but
    every tenth, the first `dropped` numbers are left out)."""
    return [
        f"00:{minute:02d}:{second:02d}{mark}{frame:02d}"
        for minute in range(21)
        for second in range(60)
        for frame in range(nominal)
        if second or minute % 10 == 0 or frame >= dropped
    ]


@pytest.mark.parametrize(
    ("rate", "nominal", "dropped", "mark"),
    [
        (Fraction(25), 25, 0, ":"),
        (Fraction(24000, 1001), 24, 0, ":"),
        (NTSC, 30, 2, ";"),
        (NTSC, 30, 0, ":"),
        (DOUBLE, 60, 4, ";"),
    ],
)
def test_labels_follow_each_other(rate: Fraction, nominal: int, dropped: int, mark: str) -> None:
    written = labels(nominal, dropped, mark)
    assert [advance_timecode(written[0], i, rate) for i in range(0, len(written), 7)] == (
        written[::7]
    )
    for before, after in islice(pairwise(written), 0, None, 11):
        assert advance_timecode(before, 1, rate) == after


def test_an_hour_of_drop_frame_is_an_hour() -> None:
    assert advance_timecode("10:00:00;00", 107892, NTSC) == "11:00:00;00"


def test_midnight_starts_the_day_again() -> None:
    assert advance_timecode("23:59:59:24", 1, Fraction(25)) == "00:00:00:00"
    assert advance_timecode("23:59:59;29", 2, NTSC) == "00:00:00;01"


def test_what_is_no_time_code_stays() -> None:
    for text in ("", "take 3", "1:2:3:4", "00:00:00"):
        assert advance_timecode(text, 5, Fraction(25)) == text
