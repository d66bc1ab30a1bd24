"""What is drawn over lips leaves them as open as they are."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from test_appearance import face_points

from stylesync_engine.arrays import Array
from stylesync_engine.mouth.crop import CROP, LOWER, lip_matte
from stylesync_engine.mouth.opening import hold_opening

INNER_TOP, INNER_BOTTOM = 13, 14


def face(opening: float) -> Array:
    return np.asarray(face_points(np.array([opening], np.float32))[0])


def mouth(points: Array, extra: float = 0.0) -> Array:
    """Light skin with a dark mouth whose lips are so many px farther apart, `[128, 256, 3]`."""
    top, bottom = points[INNER_TOP], points[INNER_BOTTOM]
    centre = (top + bottom) / 2 - np.array([0, LOWER])
    axes = 22.0, max(float(bottom[1] - top[1]) / 2 + extra, 0.5)
    picture = np.full((CROP - LOWER, CROP, 3), 0.7, np.float32)
    fixed = [tuple(round(16 * v) for v in pair) for pair in (centre, axes)]
    cv2.ellipse(picture, fixed[0], fixed[1], 0, 0, 360, (0.1, 0.1, 0.1), -1, cv2.LINE_AA, 4)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 1.0), np.float32)


def dark(picture: Array) -> float:
    return float((0.7 - picture).clip(0).sum())


@pytest.mark.parametrize("extra", [-0.7, 0.7])
def test_lips_that_a_change_would_move_stay(extra: float) -> None:
    points = face(0.6)
    matte = lip_matte(points)[LOWER:, :, None]
    known = mouth(points)
    change = mouth(points, extra) - known
    held = hold_opening(change, known, points, matte)
    assert abs(dark(known + held) - dark(known)) < 0.35 * abs(dark(known + change) - dark(known))


def test_a_change_of_light_and_whatever_lies_around_the_lips_stay() -> None:
    points = face(0.6)
    matte = lip_matte(points)[LOWER:, :, None]
    known = mouth(points)
    lighter = np.full_like(known, 0.05)
    lighter[:8] = np.random.default_rng(0).uniform(size=lighter[:8].shape)
    held = hold_opening(lighter, known, points, matte)
    np.testing.assert_allclose(held, lighter, atol=0.01)
    np.testing.assert_array_equal(held[:8], lighter[:8])


def test_closed_lips_and_lips_beyond_the_crop_are_no_trouble() -> None:
    closed = face(0.0)
    change = np.full((CROP - LOWER, CROP, 3), 0.1, np.float32)
    matte = lip_matte(closed)[LOWER:, :, None]
    assert np.isfinite(hold_opening(change, mouth(closed), closed, matte)).all()
    away = closed + np.array([0, 400], np.float32)
    np.testing.assert_array_equal(
        hold_opening(change, mouth(closed), away, np.zeros_like(matte)), change
    )
