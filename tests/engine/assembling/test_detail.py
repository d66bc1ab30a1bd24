"""Fine texture of large faces: it comes back where it was filmed, and only where it belongs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
from model_fixtures import make_plan
from numpy.typing import NDArray

from stylesync_engine.assembling.fine_texture import FineTexture
from stylesync_engine.mouth.compositing import place_crop
from stylesync_engine.mouth.crop import CROP, LOWER, cut_crop, magnify
from stylesync_engine.mouth.references import ReferenceBank
from stylesync_engine.mouth.texture import cut_fine, magnification
from stylesync_engine.plan.plan import Plan
from stylesync_engine.request import RequestError

Array = NDArray[np.float32]
Image = NDArray[np.uint8]


@pytest.fixture(scope="module")
def picture() -> Image:
    """Skin with pores, 768 px: slow shading and texture of 3 px."""
    y, x = np.mgrid[:768, :768]
    shade = 120 + 40 * np.sin(x / 150)[..., None] + np.array([20, 0, -20])
    noise = np.random.default_rng(0).standard_normal((768, 768)).astype(np.float32)
    pores = 60 * cv2.GaussianBlur(noise, (0, 0), 1.2)
    return np.clip(shade + pores[..., None] + y[..., None] / 40, 0, 255).round().astype(np.uint8)


def scaled(size: float) -> Array:
    """Picture px -> crop px for a face of `size` picture px a crop px, its crop at the origin."""
    return np.array([[1 / size, 0, 0.5 / size - 0.5], [0, 1 / size, 0.5 / size - 0.5]], np.float32)


def save_plan(folder: Path, face: Array, picture: Image, times: int) -> Plan:
    matrix = scaled(times)
    bank = ReferenceBank(
        cut_crop(picture, matrix)[None],
        face[None],
        np.zeros((1, 3), np.float32),
        np.zeros(1, np.int64),
        (cut_fine(picture, matrix, times) if times > 1 else b"",),
    )
    plan = make_plan(face, matrices=matrix[None], facts={"magnification": times})
    plan.save(folder, bank)
    return Plan.load(folder)


def error(some: Array, other: Array) -> float:
    """Root mean square of what differs inside, without the outermost 16 px."""
    return float(np.sqrt(np.square(some - other)[16:-16, 16:-16].mean()))


@pytest.mark.parametrize(("size", "times"), [(0.5, 1), (1.0, 1), (1.3, 1), (1.5, 2), (2.1, 2),
                                             (2.4, 3), (9.0, 4)])  # fmt: skip
def test_crops_are_as_fine_as_the_face_is_large(size: float, times: int) -> None:
    assert magnification(np.stack([scaled(size)] * 3)) == times


@pytest.mark.parametrize("times", [2, 3])
def test_a_fine_crop_is_the_coarse_one_in_smaller_px(picture: Image, times: int) -> None:
    fine = cut_crop(picture, scaled(times), times)
    assert fine.shape == (CROP * times, CROP * times, 3)
    np.testing.assert_array_equal(fine, picture[: CROP * times, : CROP * times])
    small = cv2.resize(fine, (CROP, CROP), interpolation=cv2.INTER_AREA)
    assert np.abs(small.astype(int) - cut_crop(picture, scaled(times))).mean() < 3


@pytest.mark.parametrize("times", [2, 3])
def test_texture_comes_back_at_the_resolution_of_the_source(
    tmp_path: Path, face: Array, picture: Image, times: int
) -> None:
    plan = save_plan(tmp_path, face, picture, times)
    truth = picture[LOWER * times : CROP * times, : CROP * times].astype(np.float32) / 255
    rendered = cv2.resize(truth, (CROP, LOWER), interpolation=cv2.INTER_AREA)
    soft = cv2.resize(rendered, (CROP * times, LOWER * times), interpolation=cv2.INTER_CUBIC)
    fine = FineTexture(plan, tmp_path)(rendered, 0)
    assert fine.shape == truth.shape
    assert error(fine, truth) < 0.35 * error(soft, truth)


def test_texture_stays_away_from_what_it_does_not_belong_to(
    tmp_path: Path, face: Array, picture: Image
) -> None:
    plan = save_plan(tmp_path, face, picture, 2)
    rendered = cut_crop(picture, scaled(2))[LOWER:].astype(np.float32) / 255
    stripes = (np.arange(CROP) // 4 % 2 * 0.6 - 0.3).astype(np.float32)
    other = np.clip(rendered + stripes[:, None], 0, 1)
    soft = cv2.resize(other, (CROP * 2, LOWER * 2), interpolation=cv2.INTER_CUBIC)
    fine = FineTexture(plan, tmp_path)(other, 0)
    assert error(fine, np.clip(soft, 0, 1)) < 0.003


def test_light_that_differs_keeps_the_texture(tmp_path: Path, face: Array, picture: Image) -> None:
    plan = save_plan(tmp_path, face, picture, 2)
    truth = picture[LOWER * 2 : CROP * 2, : CROP * 2].astype(np.float32) / 255 * 0.8
    rendered = cv2.resize(truth, (CROP, LOWER), interpolation=cv2.INTER_AREA)
    soft = cv2.resize(rendered, (CROP * 2, LOWER * 2), interpolation=cv2.INTER_CUBIC)
    assert error(FineTexture(plan, tmp_path)(rendered, 0), truth) < 0.35 * error(soft, truth)


def test_damaged_texture_is_named(tmp_path: Path, face: Array, picture: Image) -> None:
    plan = save_plan(tmp_path, face, picture, 2)
    finer = dataclasses.replace(plan, facts={"magnification": 3})
    with pytest.raises(RequestError, match="damaged references"):
        FineTexture(finer, tmp_path)(np.zeros((LOWER, CROP, 3), np.float32), 0)


def test_small_faces_are_left_as_they_were_rendered(
    tmp_path: Path, face: Array, picture: Image
) -> None:
    rendered = np.random.default_rng(1).random((LOWER, CROP, 3)).astype(np.float32)
    assert FineTexture(save_plan(tmp_path, face, picture, 1), tmp_path)(rendered, 0) is rendered


def test_fine_crops_land_where_coarse_ones_do(face: Array) -> None:
    y, x = np.mgrid[:LOWER, :CROP].astype(np.float32)
    coarse = np.stack([x / CROP, y / LOWER, np.full_like(x, 0.5)], axis=-1)
    fine = cv2.resize(coarse, (CROP * 3, LOWER * 3), interpolation=cv2.INTER_LINEAR)
    matrix = scaled(2.7)
    (box, colours, matte), (other, finer, same) = (
        place_crop(lower, matrix, face, face) for lower in (coarse, fine)
    )
    assert box == other
    np.testing.assert_array_equal(matte, same)
    assert np.abs(colours - finer)[matte > 0.5].max() < 2e-3
    assert magnify(matrix, 1).tolist() == matrix.tolist()
