"""The lips of a delivery against the wanted ones: openings whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from stylesync_engine.arrays import Array
from stylesync_engine.assembling.delivered_lips import compare_openings


def opening(frames: int, seed: int = 0) -> Array:
    noise = np.random.default_rng(seed).normal(size=frames + 20)
    return np.asarray(0.05 + 0.05 * gaussian_filter1d(noise, 1.5), np.float32)


def test_lips_that_do_as_they_should() -> None:
    wanted = opening(60)
    found = compare_openings([(wanted[:30], wanted[:30]), (wanted[30:], wanted[30:])], 25)
    assert found == {"follows": 1.0, "width": 1.0, "offset": pytest.approx(0, abs=1e-3)}


@pytest.mark.parametrize("late", [-2, 1, 2])
def test_late_and_narrow_lips_are_told(late: int) -> None:
    wanted = opening(80)
    curves = [(wanted[a : a + 30], 0.02 + 0.5 * wanted[a - late : a + 30 - late]) for a in (5, 45)]
    found = compare_openings(curves, 25)
    assert found is not None
    assert found["follows"] > 0.99
    assert found["width"] == pytest.approx(0.5, abs=0.01)
    assert found["offset"] == pytest.approx(late / 25, abs=0.01)


def test_lips_of_another_line_do_not_follow() -> None:
    found = compare_openings([(opening(100), opening(100, seed=1))], 25)
    assert found is not None
    assert found["follows"] < 0.5


def test_frames_without_a_face_do_not_count() -> None:
    wanted = opening(60)
    seen = wanted.copy()
    seen[10:20] = np.nan
    found = compare_openings([(wanted, seen)], 25)
    assert found is not None
    assert found["follows"] == 1.0


def test_nothing_is_said_of_a_mouth_that_rests_or_is_not_seen() -> None:
    still = np.full(60, 0.02, np.float32)
    assert compare_openings([(still, opening(40))], 25) is None
    assert compare_openings([(opening(40), np.full(60, np.nan, np.float32))], 25) is None
    assert compare_openings([], 25) is None
    assert compare_openings([(opening(5)[:5], opening(5)[:5])], 25) is None
