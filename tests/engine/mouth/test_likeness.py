"""The fit to a person: what frames say together corrects what one reference shows."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from stylesync_engine.faces.face_model import LIPS
from stylesync_engine.mouth.crop import CROP, LOWER
from stylesync_engine.mouth.jaw import contour_matte
from stylesync_engine.mouth.likeness import KEPT, Likeness, fit_likeness, is_better
from stylesync_engine.mouth.references import ReferenceBank

Array = NDArray[np.float32]
FRAMES = 48


def smile(face: Array, much: float) -> Array:
    """The same face with its lips wider by `much` px."""
    points = face.copy()
    lips = list(LIPS)
    middle = points[lips, 0].mean()
    points[lips, 0] += much * np.sign(points[lips, 0] - middle)
    return points


def bank_of(face: Array, seed: int, light: float = 0.0, gleam: float = 30.0) -> ReferenceBank:
    """Frames whose cheeks are the brighter the wider the lips, each with a gleam of its own."""
    random = np.random.default_rng(seed)
    widths = random.uniform(-6, 6, FRAMES)
    crops = np.full((FRAMES, CROP, CROP, 3), 120.0)
    crops[:, LOWER:] += light
    crops[:, LOWER + 30 : LOWER + 60, 80:176] += 5 * widths[:, None, None, None]
    for crop in crops:
        y, x = random.integers(LOWER + 30, LOWER + 50), random.integers(90, 150)
        crop[y : y + 12, x : x + 12] += gleam
    points = np.stack([smile(face, width) for width in widths])
    frames = np.arange(FRAMES)
    angles = np.zeros((FRAMES, 3), np.float32)
    return ReferenceBank(np.clip(crops, 0, 255).astype(np.uint8), points, angles, frames)


def corrected(
    likeness: Likeness, bank: ReferenceBank, face: Array, used: int, width: float
) -> tuple[Array, NDArray[np.bool_]]:
    """The change of a reference for lips of this width, and where it counts."""
    wanted = smile(face, width)[None]
    references, shares = np.array([[used, used]]), np.array([[1.0, 0.0]], np.float32)
    correction = likeness.correct(
        bank, (wanted, np.zeros((1, 3), np.float32)), (references, shares)
    )
    inside = contour_matte(face, wanted[0])[LOWER:] > 0.9
    inside[:35] = inside[55:] = inside[:, :90] = inside[:, 166:] = False
    return correction.lower_half(0, wanted[0]), inside


def test_a_gleam_is_taken_away_and_what_lips_tell_is_given(face: Array) -> None:
    bank = bank_of(face, 0)
    likeness, check = fit_likeness(bank)
    assert is_better(check)
    assert check[1] - check[0] > 1.5
    change, inside = corrected(likeness, bank, face, 7, 3.0)
    have = bank.crops[7, LOWER:].astype(np.float32) / 255
    want = np.float32((120 + 5 * 3.0) / 255)
    before, after = have[inside] - want, have[inside] + change[inside] - want
    assert np.sqrt(np.square(after).mean()) < 0.6 * np.sqrt(np.square(before).mean())


def test_other_light_in_another_clip_is_no_error(face: Array) -> None:
    dark, bright = bank_of(face, 1, gleam=0.0), bank_of(face, 2, light=40.0, gleam=0.0)
    bank = dark.join(bright)
    likeness, _ = fit_likeness(bank)
    # In the middle of what was seen, where nothing is shrunk towards it.
    wider = np.abs(bank.points[:, LIPS[0], 0] - face[LIPS[0], 0])
    for used in (int(wider[:FRAMES].argmin()), FRAMES + int(wider[FRAMES:].argmin())):
        change, inside = corrected(likeness, bank, face, used, 0.0)
        assert np.abs(change[inside]).mean() < 2.5 / 255


def test_a_person_whose_every_frame_is_the_same_needs_nothing(face: Array) -> None:
    crops = np.full((30, CROP, CROP, 3), 120, np.uint8)
    points, angles = np.repeat(face[None], 30, axis=0), np.zeros((30, 3), np.float32)
    bank = ReferenceBank(crops, points, angles, np.arange(30))
    likeness, check = fit_likeness(bank)
    assert not is_better(check)
    change, _ = corrected(likeness, bank, face, 0, 0.0)
    assert np.abs(change).max() < 1e-3


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_mixed_references_are_corrected_by_their_shares(face: Array, share: float) -> None:
    bank = bank_of(face, 3)
    likeness, _ = fit_likeness(bank)
    wanted, angles = smile(face, 1.0)[None], np.zeros((1, 3), np.float32)
    mixed = likeness.correct(
        bank,
        (wanted, angles),
        (np.array([[4, 9]]), np.array([[1 - share, share]], np.float32)),
    )
    used = 9 if share else 4
    alone = likeness.correct(
        bank, (wanted, angles), (np.array([[used, used]]), np.array([[1.0, 0.0]], np.float32))
    )
    np.testing.assert_allclose(mixed.changes, alone.changes, atol=1e-5)
    assert 0 < KEPT <= 1
