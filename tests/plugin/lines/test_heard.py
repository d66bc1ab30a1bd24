"""What is heard of a line: slipped, trimmed, stretched, in one file for ears and for the dub."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stylesync_plugin.lines.document import Line, Lines
from stylesync_plugin.lines.exporting import jobs_of
from stylesync_plugin.lines.heard import fit_of, heard_sound, heard_span

from stylesync_engine.media import read_audio, stretch, write_audio
from stylesync_engine.request import RequestError

RATE, HERTZ = Fraction(25), 48_000
FRAME = HERTZ // 25


@pytest.fixture
def line(tmp_path: Path) -> Line:
    """A second of loud noise."""
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, (1, HERTZ)).astype(np.float32)
    write_audio(tmp_path / "7.wav", sound, HERTZ)
    return Line(
        "7", "00:00:01:00", "00:00:02:00", sound=str(tmp_path / "7.wav"), fit=0.0, status="ready"
    )


def heard(line: Line, folder: Path) -> Any:
    return read_audio(heard_sound(line, RATE, folder / "made"))[0][0]


def test_an_untouched_sound_is_used_as_it_is(line: Line, tmp_path: Path) -> None:
    assert heard_sound(line, RATE, tmp_path / "made") == Path(str(line.sound))
    assert not (tmp_path / "made").exists()


def test_slip_is_by_whole_frames_to_the_sample(line: Line, tmp_path: Path) -> None:
    sound = read_audio(str(line.sound))[0][0]
    later = heard(replace(line, slip=2), tmp_path)
    assert not later[: 2 * FRAME].any()
    assert (later[2 * FRAME :] == sound).all()
    earlier = heard(replace(line, slip=-2), tmp_path)
    assert (earlier[240:] == sound[2 * FRAME + 240 :]).all()
    assert earlier[0] == 0


def test_trims_leave_the_rest_where_it_was(line: Line, tmp_path: Path) -> None:
    sound = read_audio(str(line.sound))[0][0]
    kept = heard(replace(line, trim_in=0.2, trim_out=0.3), tmp_path)
    first, last = round(0.2 * HERTZ), round(0.7 * HERTZ)
    assert not kept[:first].any()
    assert (kept[first + 240 : last - 240] == sound[first + 240 : last - 240]).all()
    assert len(kept) == last


def test_slip_and_stretch_together(line: Line, tmp_path: Path) -> None:
    changed = replace(line, slip=2, stretch=1.05)
    sound, _ = read_audio(str(line.sound))
    made = heard(changed, tmp_path)
    wanted = stretch(sound, HERTZ, 1.05)[0]
    assert not made[: 2 * FRAME].any()
    assert np.abs(made[2 * FRAME :] - wanted).max() < 1e-6
    assert heard_span(changed, RATE, Fraction(1)) == (
        Fraction(2, 25),
        Fraction(2, 25) + Fraction(1.05),
    )
    assert fit_of(changed, RATE, Fraction(1), Fraction(1)) == 0.13


def test_a_sound_is_made_once_and_named_by_what_it_is_made_of(line: Line, tmp_path: Path) -> None:
    made = heard_sound(replace(line, slip=1), RATE, tmp_path)
    before = made.stat().st_mtime_ns
    assert heard_sound(replace(line, slip=1, text="other"), RATE, tmp_path) == made
    assert made.stat().st_mtime_ns == before
    others = [replace(line, slip=2), replace(line, slip=1, stretch=1.01)]
    assert len({made, *(heard_sound(other, RATE, tmp_path) for other in others)}) == 3
    write_audio(str(line.sound), np.zeros((1, HERTZ), np.float32), HERTZ)
    assert heard_sound(replace(line, slip=1), RATE, tmp_path) != made


def test_the_job_dubs_what_is_heard(line: Line, tmp_path: Path) -> None:
    changed = replace(line, slip=2, stretch=1.05)
    lines = Lines(1, "cut.otio", (changed,), rate="25")
    [job] = jobs_of(lines, None, tmp_path / "made")[0]["jobs"]
    assert job["speech"] == str(heard_sound(changed, RATE, tmp_path / "made"))
    json.dumps(job)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"trim_in": 0.6, "trim_out": 0.5}, "Nothing is left"),
        ({"slip": -30}, "ends before the line"),
        ({"sound": None}, "has no sound"),
        ({"sound": "/nowhere.wav", "slip": 1}, "cannot be read"),
    ],
)
def test_what_cannot_be_heard_is_said(
    line: Line, tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    with pytest.raises(Exception, match=says):
        heard_sound(replace(line, **change), RATE, tmp_path / "made")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("change", [{"stretch": 1.2}, {"stretch": float("nan")}, {"trim_in": -1}])
def test_a_line_is_stretched_by_a_tenth_at_most(line: Line, change: dict[str, Any]) -> None:
    with pytest.raises(RequestError, match="of line 7 is not from"):
        replace(line, **change)
