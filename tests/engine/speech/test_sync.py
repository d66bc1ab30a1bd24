"""How late sound is: found where it was put, unsure where it cannot be known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d, shift

from stylesync_engine.arrays import Array
from stylesync_engine.faces.face_model import MOUTH
from stylesync_engine.speech.sync import SURE, SoundOffset, find_offset

BASIS = np.random.default_rng(0).normal(size=(MOUTH, 40, 3)).astype(np.float32) * 0.01


def lips(frames: int, seed: int = 0) -> Array:
    """Lips that move as fast as in speech."""
    noise = np.random.default_rng(seed).normal(size=(frames, MOUTH))
    return np.asarray(5 * gaussian_filter1d(noise, 1.5, axis=0), np.float32)


def late(expected: Array, frames: float) -> Array:
    """The lips of which the sound lets expect `expected`, `frames` late."""
    return np.asarray(shift(expected, (-frames, 0), order=3, mode="nearest"), np.float32)


def measure(expected: Array, seen: Array, hidden: slice = slice(0)) -> SoundOffset:
    usable = np.ones(len(seen), bool)
    usable[hidden] = False
    return find_offset(expected, seen, usable, BASIS)


@pytest.mark.parametrize("frames", [0, 2, 9, -3, 2.4, -6.75])
def test_sound_is_as_late_as_it_was_made(frames: float) -> None:
    expected = lips(150)
    noise = 0.3 * lips(150, seed=1)
    found = measure(expected, late(expected, frames) + noise)
    assert found.seconds == pytest.approx(frames / 25, abs=0.006)
    assert found.sure > 0.9
    assert found.believed == found.seconds


def test_a_slow_drift_and_a_steady_offset_have_no_say() -> None:
    expected = lips(200)
    drift = np.linspace(-20, 20, 200, dtype=np.float32)[:, None]
    found = measure(expected, late(expected, 4) + drift)
    assert found.seconds == pytest.approx(0.16, abs=0.01)
    assert found.sure > SURE


def test_other_people_s_speech_is_not_sure() -> None:
    found = [measure(lips(100, seed), lips(100, seed + 100)) for seed in range(20)]
    assert max(f.sure for f in found) < SURE
    assert all(f.believed == 0.0 for f in found)


def test_frames_without_the_face_have_no_say() -> None:
    expected = lips(150)
    seen = late(expected, 5)
    seen[40:90] = 100.0
    found = measure(expected, seen, hidden=slice(40, 90))
    assert found.seconds == pytest.approx(0.2, abs=0.01)
    assert found.frames == 100


@pytest.mark.parametrize("frames", [0, 1, 5, 29])
def test_a_moment_says_nothing(frames: int) -> None:
    assert measure(lips(frames + 1)[:frames], lips(frames + 1)[:frames]).sure == 0.0


def test_lips_that_stand_still_say_nothing() -> None:
    assert measure(lips(100), np.zeros((100, MOUTH), np.float32)).sure < SURE
    assert measure(np.zeros((100, MOUTH), np.float32), lips(100)).sure < SURE


def test_a_place_at_the_end_of_the_search_is_not_believed() -> None:
    expected = lips(150)
    assert measure(expected, late(expected, 30)).sure < SURE
