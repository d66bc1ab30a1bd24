"""Eq. 2 with explicit values: a mean over like sounds, and honest about what it was not shown."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stylesync_engine.faces.face_model import MOUTH
from stylesync_engine.speech.attention import fit_attention

Array = NDArray[np.float32]


def noise(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_a_habit_of_one_sound_is_read_at_that_sound_alone() -> None:
    sounds = np.concatenate([noise(1, 8), noise(1, 8, seed=1)]).repeat(40, axis=0)
    values = np.repeat([[1.0], [-1.0]], 40, axis=0) * np.ones(MOUTH, np.float32)
    fit = fit_attention(sounds, values.astype(np.float32), np.arange(0, 800, 10))
    got = fit.at(sounds[[0, 79]])
    np.testing.assert_allclose(got, np.outer([1, -1], np.ones(MOUTH)), atol=0.25)
    far = fit.at(50 * noise(3, 8, seed=2))
    np.testing.assert_allclose(far, 0, atol=1e-3)  # nothing is like it, so nothing is missed


def test_errors_are_those_without_the_surroundings() -> None:
    """Values that only neighbours in time share are missed, those of the same sound later are
    not."""
    sounds = noise(60, 16)
    values = noise(60, MOUTH, seed=1)
    known, wanted = np.concatenate([sounds, sounds]), np.concatenate([values, values])

    def missed(frames: NDArray[np.int64]) -> float:
        errors = fit_attention(known, wanted, frames).left_out_errors
        return float(np.abs(errors).mean() / np.abs(values).mean())

    apart = np.arange(0, 1200, 10)
    beside = np.concatenate([10 * np.arange(60), 10 * np.arange(60) + 3])
    assert missed(apart) < 0.5
    assert missed(beside) > 0.9
