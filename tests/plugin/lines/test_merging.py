"""Sounds that come later, scripts that come again, numbers that come twice."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from stylesync_plugin.lines.document import FORMAT, Anchor, Character, Line, Lines
from stylesync_plugin.lines.merging import add_sounds, carry_over, distinct, with_sound
from stylesync_plugin.timeline.sources import SoundFacts
from timeline_material import MadeUpProbe, clip, made_up, timeline, track

RATE = Fraction(25)
PLACED = Anchor("A", "a.mov", "0")


class Probe(MadeUpProbe):
    """Sounds of two seconds."""

    def sound(self, path: str) -> SoundFacts:
        return SoundFacts(48_000, 96_000)


def line(number: str, start: int, **more: Any) -> Line:
    return Line(number, f"{start}s", f"{start + 2}s", anchor=PLACED, **more)


def lines(*made: Line) -> Lines:
    return Lines(FORMAT, "cut.otio", made, (Character("Anna"),), rate="25")


def test_sounds_that_come_later_find_their_lines(tmp_path: Path) -> None:
    cut = timeline(track(clip("A", made_up(tmp_path, RATE, 5000), 0, 500, 25, (0, 5000))))
    for name in ("line_1.wav", "line_2.wav", "line_9.wav"):
        (tmp_path / name).touch()
    kept = line("1", 1, sound="own.wav", status="ready")
    done = add_sounds(lines(kept, line("2", 5), line("3", 9)), tmp_path, cut, Probe())
    assert done.lines[0] == kept
    assert [entry.status for entry in done.lines] == ["ready", "ready", "no sound"]
    assert Path(str(done.lines[1].sound)).name == "line_2.wav"
    assert {Path(path).name for path in done.unused} == {"line_1.wav", "line_9.wav"}


def test_another_sound_begins_untouched() -> None:
    old = line("1", 1, sound="a.wav", slip=3, stretch=1.05, status="unclear", why="No sound fits.")
    new = with_sound(old, "b.wav", RATE, Fraction(0), Probe())
    assert (new.sound, new.slip, new.stretch, new.fit) == ("b.wav", 0, 1.0, 0.0)
    assert (new.status, new.why) == ("ready", "")


@pytest.mark.parametrize(("start", "kept"), [(1, "approved"), (2, "ready")])
def test_a_script_that_comes_again_keeps_what_was_done(start: int, kept: str) -> None:
    """A line that has moved is to be dubbed anew, but its takes stay."""
    old = line("1", 1, sound="a.wav", status="approved", takes=("t.mov",), pick="t.mov", slip=2)
    cast = (Character("Anna", style="anna.mov"),)
    came = lines(line("1", start, sound="a.wav", status="ready"), line("2", 8, status="no sound"))
    done = carry_over(replace(lines(old), cast=cast), came)
    first, second = done.lines
    assert (first.status, first.takes, first.pick) == (kept, ("t.mov",), "t.mov")
    assert first.slip == (2 if kept == "approved" else 0)
    assert second == came.lines[1]
    assert done.cast == cast


def test_numbers_that_come_twice_are_told_apart() -> None:
    done = distinct(lines(line("7", 1), line("7", 4), line("8", 6)))
    assert [entry.number for entry in done.lines] == ["7", "7 (2)", "8"]
