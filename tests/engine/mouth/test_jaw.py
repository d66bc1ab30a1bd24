"""The new jaw: the rendering ends within it, and the source's own edge follows it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from stylesync_engine.faces.face_model import JAW, LIPS
from stylesync_engine.mouth.compositing import compose, place_region
from stylesync_engine.mouth.crop import CROP, LOWER
from stylesync_engine.mouth.jaw import contour_matte, jaw_move
from stylesync_engine.pictures.formats import layout_of
from stylesync_engine.pictures.image import PixelImage

Array = NDArray[np.float32]
CHIN = 152


@pytest.fixture
def small(face: Array) -> Array:
    """A face whose chin has room below it."""
    centre = np.array([CROP / 2, CROP / 2], np.float32)
    return centre + (face - centre) * np.float32(0.8)


def lowered(face: Array, px: float) -> Array:
    """The same face with its jaw lower by `px` at the chin, less towards the ears."""
    depth = np.clip((face[:, 1] - LOWER) / (face[CHIN, 1] - LOWER), 0, 1)
    moved = face.copy()
    moved[:, 1] += px * depth
    return moved


def chin_of(face: Array) -> tuple[int, int]:
    x, y = face[CHIN].round().astype(int)
    return int(x), int(y)


@pytest.mark.parametrize("px", [-12.0, 0.0, 12.0])
def test_the_rendering_ends_within_the_new_jaw(small: Array, px: float) -> None:
    new = lowered(small, px)
    matte = contour_matte(small, new)
    x, y = np.round(new[list(JAW)]).astype(int).T
    assert matte[y, x].max() < 0.1
    x, y = np.round(new[list(LIPS)]).astype(int).T
    assert matte[y, x].min() > 0.95


def test_a_jaw_that_rests_moves_nothing(small: Array) -> None:
    assert not jaw_move(small, small).any()


@pytest.mark.parametrize("px", [-9.0, -4.0, 4.0, 9.0])
def test_the_edge_follows_the_jaw_and_what_is_far_stays(small: Array, px: float) -> None:
    move = jaw_move(small, lowered(small, px))
    x, y = chin_of(lowered(small, px))
    np.testing.assert_allclose(move[y - LOWER, x], [0, -px], atol=0.6)
    mouth = small[list(LIPS)].mean(axis=0).round().astype(int)
    assert np.abs(move[mouth[1] - LOWER, mouth[0]]).max() < 0.4 * abs(px)
    assert not move[:, [0, -1]].any()
    assert not move[[0, -1]].any()
    below = y - LOWER + int(14 + 2.2 * abs(px))
    assert np.abs(move[below:]).max(initial=0) < 0.2


@pytest.mark.parametrize("px", [-20.0, 20.0])
def test_nothing_folds(small: Array, px: float) -> None:
    """Going down the picture, the place that is shown goes down too."""
    move = jaw_move(small, lowered(small, px))
    assert np.diff(move[..., 1], axis=0).min() > -0.95
    assert np.diff(move[..., 0], axis=1).min() > -0.95


@pytest.mark.parametrize("px", [-10.0, 10.0])
def test_there_is_one_edge_and_it_is_at_the_new_jaw(small: Array, px: float) -> None:
    """A bright face on black: down from its mouth it is bright as far as the new chin only."""
    new = lowered(small, px)
    rows = np.arange(CROP)[:, None, None]
    bright = np.broadcast_to(rows <= small[CHIN, 1], (CROP, CROP, 3)).astype(np.uint8) * 200
    image = PixelImage((bright,), layout_of("rgb24", CROP))
    region = place_region(np.eye(2, 3, dtype=np.float32), small, new)
    colours = np.full((*region.matte.shape, 3), 200 / 255, np.float32)
    column = image.lay_over(*compose(image, region, colours)).to_rgb8()[:, CROP // 2, 0].astype(int)
    falls = np.flatnonzero(np.diff(column[LOWER:]) < -60) + LOWER
    assert len(falls) <= 2
    assert abs(falls.mean() - new[CHIN, 1]) < 1.5
    below = int(new[CHIN, 1]) + 4
    assert column[below:].max() < 12
    assert column[LOWER : below - 8].min() > 188
