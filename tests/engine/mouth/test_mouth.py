"""The aligned crop and its exact way back, the lip map and the matte, against plain geometry."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from model_fixtures import make_face_model
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from stylesync_engine.faces.face_model import INNER_LIPS, JAW, LIPS, OUTER_LIPS, FaceModel, Pose
from stylesync_engine.faces.landmarker import EYE_LEFT, EYE_RIGHT
from stylesync_engine.mouth.crop import (
    CROP,
    EYE_DISTANCE,
    EYES_ROW,
    LOWER,
    Alignment,
    cut_crop,
    cut_from,
    draw_lip_map,
    lip_matte,
    mask_lower,
    place_in_crop,
)
from stylesync_engine.mouth.jaw import contour_matte
from stylesync_engine.pictures.image import picture_of

Array = NDArray[np.float32]


def head(scale: float, turn: tuple[float, float, float] = (0.1, 0.3, 0.25)) -> Pose:
    rotation = Rotation.from_euler("xyz", turn).as_matrix()[None].astype(np.float32)
    shift = np.array([[330.4, 210.7, 5]], np.float32)
    return Pose(np.array([scale], np.float32), rotation, shift)


def points_in_crop(model: FaceModel | None = None) -> Array:
    model = model or make_face_model()
    return place_in_crop(model.mean[None], head(100, (0, 0, 0)))[0]


@pytest.mark.parametrize("scale", [40.0, 102.4, 400.0])
def test_landmarks_reach_the_crop_by_either_way(face_model: FaceModel, scale: float) -> None:
    pose = head(scale)
    by_picture = Alignment.of(pose).points(pose.place(face_model.mean[None]))
    by_model = place_in_crop(face_model.mean[None], pose)
    np.testing.assert_allclose(by_picture, by_model, atol=0.02)


def test_eyes_lie_level_at_their_row_and_size(face_model: FaceModel) -> None:
    pose = head(77, (0, 0, 0.4))
    crop = Alignment.of(pose).points(pose.place(face_model.mean[None]))[0]
    np.testing.assert_allclose(crop[EYE_RIGHT], [CROP / 2 - EYE_DISTANCE / 2, EYES_ROW], atol=0.02)
    np.testing.assert_allclose(crop[EYE_LEFT], [CROP / 2 + EYE_DISTANCE / 2, EYES_ROW], atol=0.02)


def waves(x: Array, y: Array) -> Array:
    return 128 + 60 * np.sin(x / 17.0 + 0.5) + 60 * np.cos(y / 23.0 - x / 61.0)


@pytest.mark.parametrize("scale", [60.0, 102.4, 170.0, 260.0, 520.0])
def test_a_crop_shows_exactly_what_its_matrix_says(scale: float) -> None:
    """At enlargements and at every averaging factor: no half pixel is lost on the way."""
    matrix = Alignment.of(head(scale, (0, 0, 0.2))).matrices[0]
    size = max(1.0, scale / 102.4)
    y, x = np.mgrid[0:480, 0:640].astype(np.float32)
    picture = np.repeat(waves(x / size, y / size)[..., None], 3, axis=2).round().astype(np.uint8)
    crop = cut_crop(picture, matrix)[..., 0].astype(np.float32)
    v, u = np.mgrid[0:CROP, 0:CROP].astype(np.float32)
    back = cv2.invertAffineTransform(matrix)
    px = back[0, 0] * u + back[0, 1] * v + back[0, 2]
    py = back[1, 0] * u + back[1, 1] * v + back[1, 2]
    inside = (px > 8) & (px < 631) & (py > 8) & (py < 471)
    assert inside.mean() > 0.1
    # A shift of 0.1 px would already show as more than twice this in the steep places.
    wrong = np.abs(crop - waves(px / size, py / size))[inside]
    assert wrong.mean() < 1.0
    steep = waves((px + 0.5) / size, py / size) - waves((px - 0.5) / size, py / size)
    shift = float((steep * (crop - waves(px / size, py / size)))[inside].sum())
    assert abs(shift / float((steep[inside] ** 2).sum())) < 0.06  # px of the picture


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("scale", [60.0, 102.4, 170.0, 520.0])
@pytest.mark.parametrize("shift", [0.0, 100.0])
def test_a_crop_of_the_part_that_it_shows_is_the_same(
    scale: float, shift: float, times: int
) -> None:
    matrix = Alignment.of(head(scale, (0, 0, 0.2))).matrices[0].copy()
    matrix[:, 2] += shift  # beyond the picture's corner
    picture = np.random.default_rng(0).integers(0, 256, (480, 640, 3)).astype(np.uint8)
    part = cut_from(picture_of(picture), matrix, times)
    apart = np.abs(part.astype(int) - cut_crop(picture, matrix, times))
    assert apart.max() <= 1  # rare, where a filter's step is met within rounding
    assert apart.mean() < 0.01


def test_there_and_back_is_the_picture() -> None:
    matrix = Alignment.of(head(102.4, (0, 0, 0.3))).matrices[0]
    y, x = np.mgrid[0:480, 0:640].astype(np.float32)
    picture = np.repeat(waves(x, y)[..., None], 3, axis=2).round().astype(np.uint8)
    crop = cut_crop(picture, matrix)
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    again = cv2.warpAffine(crop, matrix, (640, 480), flags=flags)
    inside = cv2.warpAffine(
        np.ones((CROP, CROP), np.uint8), matrix, (640, 480), flags=cv2.WARP_INVERSE_MAP
    )
    inside = cv2.erode(inside, np.ones((9, 9), np.uint8)).astype(bool)
    assert inside.sum() > 30000
    assert np.abs(again.astype(int) - picture)[inside].mean() < 1.5


def test_masking_leaves_nothing_of_the_lower_half() -> None:
    pictures = torch.randn(2, 3, CROP, CROP)
    masked = mask_lower(pictures)
    assert torch.equal(masked[..., :LOWER, :], pictures[..., :LOWER, :])
    assert not masked[..., LOWER:, :].any()
    other = pictures.clone()
    other[..., LOWER:, :] += 1
    assert torch.equal(mask_lower(other), masked)


def area(polygon: Array) -> float:
    x, y = polygon.T.astype(np.float64)
    return abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2


def test_the_lip_map_covers_the_lips_area(face_model: FaceModel) -> None:
    opened = face_model.mean + 3 * face_model.expression[0]
    points = place_in_crop(opened[None], head(100, (0, 0, 0)))[0]
    drawn = draw_lip_map(points).astype(np.float64) / 255
    assert drawn.shape == (64, 64, 3)
    for channel, ring in ((0, OUTER_LIPS), (1, INNER_LIPS)):
        true = area(points[list(ring)]) / 16  # map px are 4 crop px wide
        perimeter = np.linalg.norm(np.diff(points[list(ring)], axis=0), axis=1).sum() / 4
        assert abs(drawn[..., channel].sum() - true) < 0.3 * perimeter
        rows, columns = np.mgrid[0:64, 0:64]
        weight = drawn[..., channel]
        centre = np.array([(columns * weight).sum(), (rows * weight).sum()]) / weight.sum()
        middle = (points[list(ring)].min(axis=0) + points[list(ring)].max(axis=0)) / 2
        np.testing.assert_allclose(centre * 4 + 1.5, middle, atol=2.0)
    assert drawn[..., 2].sum() > 20
    assert (drawn[..., 1] > drawn[..., 0] + 0.1).sum() == 0  # the mouth lies within the lips


def test_the_matte_covers_both_mouths_and_nothing_above_the_middle(face_model: FaceModel) -> None:
    closed = place_in_crop(face_model.mean[None], head(100, (0, 0, 0)))[0]
    opened = face_model.mean + 3 * face_model.expression[0]
    wide = place_in_crop(opened[None], head(100, (0, 0, 0)))[0]
    matte = contour_matte(closed, wide)
    assert matte.shape == (CROP, CROP)
    assert (matte.min(), matte[:LOWER].max()) == (0, 0)
    assert matte.max() == pytest.approx(1, abs=1e-3)
    for points in (closed, wide):
        x, y = points[list(LIPS)].round().astype(int).T
        assert matte[y, x].min() > 0.95
    assert np.abs(np.diff(matte, axis=0)).max() < 0.2  # soft, no edge that shows
    assert np.abs(np.diff(matte, axis=1)).max() < 0.2
    outside = np.ones((CROP, CROP), np.uint8)
    both = np.concatenate([closed[list(JAW)], wide[list(JAW)]])
    cv2.fillConvexPoly(outside, cv2.convexHull(both.round().astype(np.int32)), 0)
    far = cv2.erode(outside, np.ones((61, 61), np.uint8)).astype(bool)
    assert matte[far].max(initial=0) == 0


def test_the_lips_matte_is_the_lips_and_what_is_between_them() -> None:
    points = points_in_crop()
    matte = lip_matte(points)
    x, y = points[list(LIPS)].mean(axis=0).round().astype(int)
    assert matte[y, x] > 0.8
    x, y = points[list(JAW)].T.round().astype(int)
    assert matte[np.clip(y, 0, CROP - 1), x].max() < 0.05
    assert matte.shape == (CROP, CROP)


def test_the_matte_grows_with_the_face() -> None:
    points = points_in_crop()
    centre = np.array([CROP / 2, CROP / 2], np.float32)
    small = centre + (points - centre) * 0.8
    assert contour_matte(small, small).sum() < 0.8 * contour_matte(points, points).sum()
