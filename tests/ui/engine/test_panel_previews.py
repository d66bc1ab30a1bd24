"""What the panel asks of the engine about media: facts, faces and cuts, sound to play."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile
from panel_material import write_clip

from stylesync_engine.request import FrameRange, MediaError, RequestError
from stylesync_engine.review import previews


def write_tone(path: Path, rate: int, channels: int, seconds: float) -> str:
    count = int(rate * seconds)
    wave = 0.5 * np.sin(np.arange(count) * 2 * np.pi * 440 / rate)
    soundfile.write(path, np.repeat(wave[:, None], channels, axis=1), rate, subtype="PCM_16")
    return str(path)


def test_facts_of_picture_and_sound(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a clip #1.mkv", [(0, 0, 0)] * 7, Fraction(30000, 1001))
    tone = write_tone(tmp_path / "tone.wav", 22050, 1, 0.5)
    picture = {"rate": "30000/1001", "frames": 7, "width": 160, "height": 120}
    found = previews.facts(clip)
    assert found["sound"] is None
    assert {key: found["picture"][key] for key in picture} == picture
    assert previews.facts(tone) == {
        "picture": None,
        "sound": {"sample_rate": 22050, "samples": 11025},
    }
    with pytest.raises(MediaError):
        previews.facts(str(tmp_path / "nothing.mov"))


def test_a_survey_finds_cuts_and_no_faces_where_there_are_none(tmp_path: Path) -> None:
    colours = [(200, 30, 30)] * 6 + [(20, 40, 220)] * 6
    clip = write_clip(tmp_path / "cut.mkv", colours, Fraction(25))
    found = previews.survey(clip, FrameRange(2, 12), 3)
    assert found["size"] == [160, 120]
    assert found["cuts"] == [6]
    assert [entry["boxes"] for entry in found["faces"]] == [[], [], []]
    assert found["faces"][0]["frame"] == 2
    assert found["faces"][-1]["frame"] == 11
    with pytest.raises(RequestError):
        previews.survey(clip, FrameRange(0, 12), 0)


@pytest.mark.parametrize(("rate", "channels"), [(16000, 1), (48000, 2), (44100, 6)])
def test_playback_sound_is_stereo_at_48_khz(tmp_path: Path, rate: int, channels: int) -> None:
    tone = write_tone(tmp_path / "tone.wav", rate, channels, 0.5)
    previews.write_playback_sound(tone, tmp_path / "out" / "play.wav")
    samples, found = soundfile.read(tmp_path / "out" / "play.wav")
    assert found == 48000
    assert samples.shape == (24000, 2)
    assert np.sqrt(np.mean(samples**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)
