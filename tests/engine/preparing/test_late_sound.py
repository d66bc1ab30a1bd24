"""Late sound of real clips: found, moved, and told."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from stylesync_engine.arrays import Array
from stylesync_engine.faces.face_model import MOUTH
from stylesync_engine.preparing.late_sound import Listener, OwnSound, SeenLips
from stylesync_engine.request import MediaError, NoFaceError
from stylesync_engine.speech.features import SAMPLE_RATE, STEP
from stylesync_engine.speech.sync import SoundOffset, find_offset
from stylesync_engine.weights.loading import load_lip_reader

MARGIN = 2 * SAMPLE_RATE
HELD = STEP // MOUTH  # samples of a parameter


def test_moved_sound_is_that_of_other_samples() -> None:
    ramp = np.arange(10 * STEP + 2 * MARGIN, dtype=np.float32)
    sound = OwnSound(ramp, 10)
    np.testing.assert_array_equal(sound.moved(), ramp[MARGIN:-MARGIN])
    np.testing.assert_array_equal(sound.moved(0.1), ramp[MARGIN + 1600 : 1600 - MARGIN])
    np.testing.assert_array_equal(sound.moved(-0.1, 2, 4), ramp[MARGIN - 320 : MARGIN + 960])
    silent = sound.moved(2.5)
    assert len(silent) == 10 * STEP
    assert not silent[-SAMPLE_RATE // 2 :].any()


class Mimic:
    """A lip reader to whom sound is lip motion: each step's samples hold one row, parameter by
    parameter."""

    def expect(self, features: Array) -> Array:
        return features

    def measure(self, expected: Array, seen: Array, usable: Any) -> SoundOffset:
        basis = np.ones((MOUTH, 2, 3), np.float32)
        basis[:, 1] = np.arange(MOUTH)[:, None]
        return find_offset(expected, seen, usable, basis)


def hear(samples: Array) -> Array:
    return samples.reshape(-1, STEP)[:, HELD // 2 :: HELD][:, :MOUTH]


def clip(late: list[int]) -> tuple[OwnSound, SeenLips]:
    """A clip whose sound is late by so many steps, ten seconds each."""
    steps, margin = 250 * len(late), MARGIN // STEP
    noise = np.random.default_rng(0).normal(size=(steps + 2 * margin, MOUTH))
    rows = np.asarray(gaussian_filter1d(noise, 1.2, axis=0), np.float32)
    at = np.concatenate([np.arange(250) + 250 * i + margin + s for i, s in enumerate(late)])
    samples = np.pad(np.repeat(rows, HELD, axis=1), ((0, 0), (0, STEP - HELD * MOUTH)))
    seen = SeenLips(rows[at], np.ones(steps, bool), np.arange(steps))
    return OwnSound(samples.ravel(), steps), seen


def place(late: list[int], given: float | None = None) -> Any:
    sound, lips = clip(late)
    return Listener(sound, lips, Mimic(), hear).place(given), lips  # type: ignore[arg-type]


def test_late_sound_is_moved_to_its_lips_and_told() -> None:
    placed, lips = place([6])
    assert placed.seconds == pytest.approx(0.24, abs=0.004)
    assert placed.says == "is 240 ms late; its lips were read with it moved."
    assert np.corrcoef(placed.features[20:-20, 0], lips.motion[20:-20, 0])[0, 1] > 0.99


def test_sound_in_time_is_left_alone_and_a_given_offset_is_believed() -> None:
    assert place([0])[0].seconds == pytest.approx(0, abs=0.004)
    assert place([0])[0].says == ""
    assert place([6], given=0.0)[0].seconds == 0.0


def test_sound_that_runs_away_is_read_in_parts() -> None:
    placed, lips = place([0, 4, 8])
    assert placed.says.startswith("runs away from its lips, from")
    assert placed.says.endswith(" ms; it was read in parts.")
    for part in (slice(20, 230), slice(270, 480), slice(520, 730)):
        assert np.corrcoef(placed.features[part, 0], lips.motion[part, 0])[0, 1] > 0.99


def test_a_short_clip_s_sound_runs_away_too() -> None:
    """Sound of film at 24 frames/s beside pictures at 25: after 12 s it is half a second early."""
    steps, margin = 300, 50
    noise = np.random.default_rng(0).normal(size=(steps + 2 * margin, MOUTH))
    rows = np.asarray(gaussian_filter1d(noise, 1.2, axis=0), np.float32)
    at = (np.arange(steps) - steps / 2) * 25 / 24 + steps / 2 + margin
    low, share = at.astype(int), (at % 1)[:, None]
    lips = (rows[low] * (1 - share) + rows[low + 1] * share).astype(np.float32)
    samples = np.pad(np.repeat(rows, HELD, axis=1), ((0, 0), (0, STEP - HELD * MOUTH)))
    seen = SeenLips(lips, np.ones(steps, bool), np.arange(steps))
    listener = Listener(OwnSound(samples.ravel(), steps), seen, Mimic(), hear)  # type: ignore[arg-type]
    assert listener.place().says.startswith("runs away from its lips, from -")


def delay(source: Path, target: Path, seconds: Fraction) -> Path:
    """The clip with its sound `seconds` later."""
    with av.open(str(source)) as inside, av.open(str(target), "w") as outside:
        streams = {}
        for stream in (inside.streams.video[0], inside.streams.audio[0]):
            streams[stream.index] = outside.add_stream_from_template(stream)
        for packet in inside.demux(*[inside.streams[i] for i in streams]):
            if packet.dts is None or packet.pts is None:
                continue
            if packet.stream.type == "audio":
                move = round(seconds / packet.time_base)
                packet.pts, packet.dts = packet.pts + move, packet.dts + move
            packet.stream = streams[packet.stream.index]
            outside.mux(packet)
    return target


@pytest.mark.parametrize("late", [Fraction(4, 25), Fraction(9, 25)])
def test_a_real_clip_is_as_late_as_it_was_made(
    grid: Callable[[str], Path], tmp_path: Path, late: Fraction
) -> None:
    from stylesync_engine import dubbing

    source = grid("s33/bwwy3s")
    before = dubbing.sync(str(source))
    after = dubbing.sync(str(delay(source, tmp_path / "late.mkv", late)))
    assert after["offset"] - before["offset"] == pytest.approx(float(late), abs=0.03)
    assert min(before["sure"], after["sure"]) > 0.4


def test_without_sound_or_face_there_is_a_sentence(
    grid: Callable[[str], Path], ffmpeg: Callable[..., Path]
) -> None:
    from stylesync_engine import dubbing

    silent = ffmpeg("silent.mkv", "-i", grid("s33/bwwy3s"), "-an", "-c", "copy")
    with pytest.raises(MediaError, match="no sound"):
        dubbing.sync(str(silent))
    grey = ["-f", "lavfi", "-i", "color=gray:s=320x240:d=2", "-f", "lavfi", "-i", "sine=d=2"]
    with pytest.raises(NoFaceError):
        dubbing.sync(str(ffmpeg("grey.mkv", *grey)))


def test_the_lip_reader_is_a_part_of_the_models() -> None:
    reader = load_lip_reader("starter")
    assert reader.front_end.dim == reader.lip_motion.sizes.speech
    rows = reader.expect(reader.front_end.features(np.zeros(SAMPLE_RATE, np.float32)))
    assert rows.shape == (25, MOUTH)


def test_lips_that_make_another_sound_are_doubted() -> None:
    sound, lips = clip([0])
    other = SeenLips(lips.motion[::-1].copy(), lips.usable, lips.frames)
    assert not Listener(sound, lips, Mimic(), hear).place().doubted  # type: ignore[arg-type]
    assert Listener(sound, other, Mimic(), hear).place().doubted  # type: ignore[arg-type]
    assert not Listener(sound, other, Mimic(), hear).place(0.0).doubted  # type: ignore[arg-type]
