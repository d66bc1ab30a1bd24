"""The shot's own sound under a dub, and that it comes back."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest
from stylesync_plugin.jobs import job_from
from stylesync_plugin.planning.planner import PlanSettings, plan
from stylesync_plugin.timeline.items import gain_of
from stylesync_plugin.writing.write_back import Dubbed, TrackNames, remove, write_back
from timeline_material import Audio, MadeUpProbe, clip, made_up, timeline, track

from stylesync_engine.request import DubResult

RATE = Fraction(25)


@pytest.fixture
def cut(tmp_path: Path) -> Any:
    """A shot of 100 frames with its own sound, music beneath, and another shot."""
    (tmp_path / "line.wav").touch()
    film, other = made_up(tmp_path, RATE, 5000), made_up(tmp_path, RATE, 4000)
    music = clip("music", tmp_path / "music.wav", 0, 160, 25, (0, 6000))
    return timeline(
        track(clip("A", film, 50, 100, 25, (0, 5000)), clip("B", other, 0, 60, 25, (0, 4000))),
        track(
            clip("A", film, 50, 100, 25, (0, 5000)),
            clip("B", other, 0, 60, 25, (0, 4000)),
            kind=Audio,
            name="Dialogue",
        ),
        track(music, kind=Audio, name="Music"),
    )


def dubbed(folder: Path, cut: Any, *ranges: str) -> list[Dubbed]:
    jobs = [
        job_from({"clip": "A", "range": text, "speech": "line.wav"}, f"job {text}")
        for text in ranges
    ]
    planned = plan(cut, jobs, PlanSettings(folder / "out", (folder,), probe=MadeUpProbe()))
    assert not planned.refused
    return [
        Dubbed(
            dub,
            DubResult(
                dub.request.output, RATE, dub.place.frames, dub.place.frames, (), {}, "m", "cpu", 0
            ),
        )
        for dub in planned.dubs
    ]


def heard(track: Any) -> list[tuple[int, int, bool, float]]:
    """(first source frame, frames, enabled, gain) of each clip of a track."""
    return [
        (
            int(item.source_range.start_time.value),
            int(item.source_range.duration.value),
            item.enabled,
            gain_of(item),
        )
        for item in track
    ]


def test_the_shots_sound_is_off_under_the_dub_alone(cut: Any, tmp_path: Path) -> None:
    done = write_back(cut, dubbed(tmp_path, cut, "20-60"))
    dialogue = next(t for t in done.tracks if t.name == "Dialogue")
    music = next(t for t in done.tracks if t.name == "Music")
    assert heard(dialogue) == [
        (50, 20, True, 0),
        (70, 40, False, 0),
        (110, 40, True, 0),
        (0, 60, True, 0),
    ]
    assert heard(music) == [(0, 160, True, 0)]


@pytest.mark.parametrize("level", ["off", "-20dB", "keep"])
def test_taking_the_dub_off_gives_the_sound_back(cut: Any, tmp_path: Path, level: Any) -> None:
    names = TrackNames(original_sound=level)
    done = write_back(cut, dubbed(tmp_path, cut, "20-60"), names)
    gains = [gain for _, _, _, gain in heard(next(t for t in done.tracks if t.name == "Dialogue"))]
    assert (-20 in gains) == (level == "-20dB")
    assert remove(done).is_equivalent_to(cut)


def test_two_dubs_of_one_clip_come_off_one_by_one(cut: Any, tmp_path: Path) -> None:
    dubs = dubbed(tmp_path, cut, "10-30", "40-60")
    done = write_back(write_back(cut, dubs[:1]), dubs[1:])
    dialogue = next(t for t in done.tracks if t.name == "Dialogue")
    assert [enabled for _, _, enabled, _ in heard(dialogue)] == [
        True, False, True, False, True, True,
    ]  # fmt: skip
    half = remove(done, {dubs[0].planned.id})
    dialogue = next(t for t in half.tracks if t.name == "Dialogue")
    assert heard(dialogue)[:3] == [
        (50, 40, True, 0), (90, 20, False, 0), (110, 40, True, 0),
    ]  # fmt: skip
    assert remove(half).is_equivalent_to(cut)


def test_the_same_place_twice_is_turned_down_once(cut: Any, tmp_path: Path) -> None:
    dubs = dubbed(tmp_path, cut, "20-60")
    once = write_back(cut, dubs)
    assert write_back(once, dubs).is_equivalent_to(once)


def test_speech_that_lies_on_the_timeline_stays(cut: Any, tmp_path: Path) -> None:
    """The new speech is already heard there: nothing is laid, and the shot's own is off."""
    voice = clip("line", tmp_path / "line.wav", 0, 100, 25, (0, 6000))
    cut.tracks.append(track(voice, kind=Audio, name="New"))
    job = job_from({"clip": "A", "speech": {"track": "New"}}, "job")
    [dub] = plan(cut, [job], PlanSettings(tmp_path / "out", (tmp_path,), probe=MadeUpProbe())).dubs
    result = DubResult(
        dub.request.output, RATE, dub.place.frames, dub.place.frames, (), {}, "m", "cpu", 0
    )
    done = write_back(cut, [Dubbed(dub, result)])
    new = next(t for t in done.tracks if t.name == "New")
    assert heard(new) == [(0, 100, True, 0)]
    dialogue = next(t for t in done.tracks if t.name == "Dialogue")
    assert [enabled for _, _, enabled, _ in heard(dialogue)] == [False, True]
    assert remove(done).is_equivalent_to(cut)
    assert isinstance(new[0], otio.schema.Clip)
