"""A person's timing: the filter is found, leans on the usual one, and never reaches over a gap."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d, gaussian_filter1d

from stylesync_engine.faces.face_model import MOUTH
from stylesync_engine.speech.timing import fit_timing, in_time, smoothing

Array = NDArray[np.float32]


def noise(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


LIPS = noise(MOUTH, 6, 2, seed=9)


def test_smoothing_is_a_gaussian() -> None:
    impulse = np.zeros(11)
    impulse[5] = 1
    for width in (0.5, 1.2):
        expected = gaussian_filter1d(impulse, width, radius=5)
        np.testing.assert_allclose(smoothing(width), expected, atol=1e-9)


def test_a_late_and_sluggish_person_is_found() -> None:
    """Lips two frames before what is expected, half as fast: many frames say so."""
    taps = np.array([0, 0, 0, 0, 0, 0, 0.5, 0.5, 0, 0, 0])

    def found(count: int) -> Array:
        said = noise(count, MOUTH)
        true = correlate1d(said, taps, axis=0, mode="nearest").astype(np.float32)
        return fit_timing(true, said, np.arange(count), LIPS)

    np.testing.assert_allclose(found(30000), taps, atol=0.03)
    assert np.abs(found(2000) - taps).sum() < np.abs(found(200) - taps).sum()


def test_few_frames_only_tell_how_smooth_it_is() -> None:
    said = noise(60, MOUTH)
    for width in (0.5, 2.0):
        true = gaussian_filter1d(said, width, axis=0)
        timing = fit_timing(true, said, np.arange(60), LIPS)
        np.testing.assert_allclose(timing, smoothing(width), atol=0.02)


def test_still_lips_have_a_filter_that_leaves_them() -> None:
    still = np.ones((50, MOUTH), np.float32)
    timing = fit_timing(still, still, np.arange(50), LIPS)
    assert np.isfinite(timing).all()
    np.testing.assert_allclose(in_time(still, still[0], timing), still, atol=1e-6)


def test_what_lies_beyond_a_gap_is_not_of_the_same_moment() -> None:
    motion, centre = noise(40, MOUTH), noise(MOUTH, seed=1)
    usual = smoothing(1.2).astype(np.float32)
    frames = np.r_[0:15, 30:55]
    got = in_time(motion, centre, usual, frames)
    parts = [in_time(part, centre, usual) for part in (motion[:15], motion[15:])]
    np.testing.assert_array_equal(got, np.concatenate(parts))
    assert np.abs(got - in_time(motion, centre, usual)).max() > 0.01
    resting = np.tile(centre, (8, 1))
    np.testing.assert_allclose(in_time(resting, centre, 0 * usual), resting, atol=1e-6)
