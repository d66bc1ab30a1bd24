"""Texture of faces of all sizes: it comes back as it was filmed, and only where it belongs."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from model_fixtures import make_plan
from numpy.typing import NDArray

from stylesync_engine.assembling.fine_texture import FineTexture
from stylesync_engine.mouth.compositing import into_picture
from stylesync_engine.mouth.crop import CROP, LOWER, cut_crop
from stylesync_engine.mouth.references import ReferenceBank
from stylesync_engine.mouth.texture import Patch, cut_patch, keep_sharp, slow_part, unpack
from stylesync_engine.mouth.warping import TOP
from stylesync_engine.pictures.image import Box, picture_of
from stylesync_engine.plan.plan import Plan
from stylesync_engine.plan.warps import Warps
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


def save_plan(folder: Path, face: Array, picture: Image, size: float) -> Plan:
    matrix = scaled(size)
    bank = ReferenceBank(
        cut_crop(picture, matrix)[None],
        face[None],
        np.zeros((1, 3), np.float32),
        np.zeros(1, np.int64),
        (cut_patch(picture_of(picture), matrix),),
    )
    plan = make_plan(face, matrices=matrix[None])
    plan.save(folder, bank)
    return Plan.load(folder)


def whole(size: float) -> Box:
    """The picture's px of the crop's lower half."""
    return 0, round(LOWER * size), round(CROP * size), round(CROP * size)


def part(picture: Image, box: Box) -> Array:
    return picture[box[1] : box[3], box[0] : box[2]].astype(np.float32) / 255


def error(some: Array, other: Array) -> float:
    """Root mean square of what differs inside, without the outermost tenth."""
    rows, columns = len(some) // 10, some.shape[1] // 10
    return float(np.sqrt(np.square(some - other)[rows:-rows, columns:-columns].mean()))


@pytest.mark.parametrize("size", [0.6, 1.0, 1.7, 2.0, 3.0])
def test_a_reference_comes_back_as_its_picture_shows_it(
    tmp_path: Path, face: Array, picture: Image, size: float
) -> None:
    plan, box = save_plan(tmp_path, face, picture, size), whole(size)
    truth = part(picture, box)
    rendered = cut_crop(picture, scaled(size))[LOWER:].astype(np.float32) / 255
    there_and_back = into_picture(rendered, scaled(size), box, cv2.INTER_CUBIC)
    fine = FineTexture(plan, Warps(plan, tmp_path))(rendered, 0, box)
    assert fine.shape == truth.shape
    assert error(fine, truth) < max(0.35 * error(there_and_back, truth), 0.012)
    assert laplacian(fine) > 0.93 * laplacian(truth)


def laplacian(picture: Array) -> float:
    """How sharp a picture is."""
    return float(cv2.Laplacian(picture.mean(axis=2), cv2.CV_32F)[8:-8, 8:-8].var())


def test_the_largest_faces_keep_four_times_a_crop(picture: Image) -> None:
    packed, place = cut_patch(
        picture_of(np.repeat(picture, 2, axis=0).repeat(2, axis=1)), scaled(6.0)
    )
    pixels = unpack(np.frombuffer(packed, np.uint8))
    assert pixels is not None
    assert pixels.shape == ((CROP - TOP) * 4, CROP * 4, 3)
    np.testing.assert_allclose(place @ [0, TOP, 1], [1.5, 1.5])


def test_a_patch_knows_where_it_was_cut(picture: Image) -> None:
    turn = np.array([[0.8, 0.3, -40], [-0.3, 0.8, 60]], np.float32)
    packed, place = cut_patch(picture_of(picture), turn)
    pixels = unpack(np.frombuffer(packed, np.uint8))
    assert pixels is not None
    spot = np.array([90, 200, 1])  # crop px
    x, y = (place @ spot).round().astype(int)
    u, v = (cv2.invertAffineTransform(turn) @ spot).round().astype(int)
    assert np.abs(pixels[y, x].astype(int) - picture[v, u]).max() < 8


def test_texture_stays_away_from_what_it_does_not_belong_to(
    tmp_path: Path, face: Array, picture: Image
) -> None:
    plan, box = save_plan(tmp_path, face, picture, 2), whole(2)
    rendered = cut_crop(picture, scaled(2))[LOWER:].astype(np.float32) / 255
    stripes = (np.arange(CROP) // 4 % 2 * 0.6 - 0.3).astype(np.float32)
    other = np.clip(rendered + stripes[:, None], 0, 1)
    soft = into_picture(other, scaled(2), box, cv2.INTER_CUBIC)
    fine = FineTexture(plan, Warps(plan, tmp_path))(other, 0, box)
    assert error(fine, np.clip(soft, 0, 1)) < 0.003


def test_light_that_differs_keeps_the_texture(tmp_path: Path, face: Array, picture: Image) -> None:
    plan, box = save_plan(tmp_path, face, picture, 2), whole(2)
    truth = part(picture, box) * 0.8
    rendered = cut_crop(picture, scaled(2))[LOWER:].astype(np.float32) / 255 * 0.8
    soft = into_picture(rendered, scaled(2), box, cv2.INTER_CUBIC)
    fine = FineTexture(plan, Warps(plan, tmp_path))(rendered, 0, box)
    assert error(fine, truth) < 0.4 * error(soft, truth)


def test_damaged_texture_is_named(tmp_path: Path, face: Array) -> None:
    plan = make_plan(face, matrices=scaled(2)[None])
    crops = np.zeros((1, CROP, CROP, 3), np.uint8)
    patch = Patch(b"no picture", np.eye(2, 3, dtype=np.float32))
    angles, frames = np.zeros((1, 3), np.float32), np.zeros(1, np.int64)
    plan.save(tmp_path, ReferenceBank(crops, face[None], angles, frames, (patch,)))
    with pytest.raises(RequestError, match="damaged"):
        FineTexture(plan, Warps(plan, tmp_path))(
            np.zeros((LOWER, CROP, 3), np.float32), 0, whole(2)
        )


@pytest.mark.parametrize("times", [2, 3])
def test_a_fine_crop_is_the_coarse_one_in_smaller_px(picture: Image, times: int) -> None:
    fine = cut_crop(picture, scaled(times), times)
    assert fine.shape == (CROP * times, CROP * times, 3)
    np.testing.assert_array_equal(fine, picture[: CROP * times, : CROP * times])
    small = cv2.resize(fine, (CROP, CROP), interpolation=cv2.INTER_AREA)
    assert np.abs(small.astype(int) - cut_crop(picture, scaled(times))).mean() < 3


def test_what_a_model_softens_gets_the_references_texture_back(picture: Image) -> None:
    reference = cut_crop(picture, scaled(1))[LOWER:].astype(np.float32) / 255
    soft = cv2.GaussianBlur(reference, (0, 0), 1.0)
    kept = keep_sharp(soft, reference)
    assert laplacian(soft) < 0.25 * laplacian(reference)
    assert 1.5 * laplacian(soft) < laplacian(kept) <= 1.05 * laplacian(reference)
    np.testing.assert_array_equal(keep_sharp(reference, soft), reference)


def test_texture_is_never_what_a_model_says() -> None:
    numbers = np.random.default_rng(1)
    grain = numbers.standard_normal((128, 256, 1)).repeat(3, axis=2).astype(np.float32)
    shade = np.tile(np.sin(np.arange(256) / 20)[None, :, None], (128, 1, 3)).astype(np.float32)
    np.testing.assert_allclose(slow_part(shade)[:, 8:-8], shade[:, 8:-8], atol=0.05)
    assert slow_part(grain).std() < 0.4 * grain.std()
