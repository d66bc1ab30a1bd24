"""The aligned face crop, what of it is rendered anew, and the exact way back.

Training and inference share everything here. Crop coordinates are px of the 256 x 256 crop with
the origin at its upper left corner's centre, as OpenCV has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from stylesync_engine.arrays import Array, Image
from stylesync_engine.faces.face_model import INNER_LIPS, JAW, OUTER_LIPS, Pose
from stylesync_engine.pictures.image import PixelImage

F = TypeVar("F", bound=np.floating[Any])

CROP = 256  # px, side of the aligned crop
LOWER = CROP // 2  # first row of the half that is rendered anew
EYES_ROW = 0.36 * CROP  # where the middle between the outer eye corners lies
EYE_DISTANCE = 0.40 * CROP  # px of the outer eye distance of a face seen from the front

_MAP_SIDE = 64  # the lip map has the latent's resolution
_LIP_SIGMA = 3.0  # px
_SUBPIXEL = 4  # fractional bits of OpenCV's polygon corners


@dataclass(frozen=True, slots=True)
class Alignment:
    """Similarities from picture px to crop px, one a frame: `matrices` `[T, 2, 3]`."""

    matrices: Array

    @classmethod
    def of(cls, pose: Pose) -> Alignment:
        """The crop follows the head's place, size and roll; pitch and yaw stay visible."""
        roll = pose.angles()[:, 2]
        scale = EYE_DISTANCE / pose.scale
        c, s = scale * np.cos(roll), scale * np.sin(roll)
        turn = np.stack([np.stack([c, s], axis=1), np.stack([-s, c], axis=1)], axis=1)
        centre = np.array([CROP / 2, EYES_ROW], np.float32)
        offset = centre - np.einsum("tij,tj->ti", turn, pose.shift[:, :2])
        return cls(np.concatenate([turn, offset[:, :, None]], axis=2).astype(np.float32))

    def points(self, landmarks: Array) -> Array:
        """Landmarks `[T, N, 2 or 3]` in picture px -> `[T, N, 2]` in crop px."""
        turn, offset = self.matrices[:, :, :2], self.matrices[:, :, 2]
        return np.asarray(
            landmarks[..., :2] @ turn.transpose(0, 2, 1) + offset[:, None], np.float32
        )

    def __getitem__(self, frames: slice | NDArray[np.intp] | NDArray[np.bool_]) -> Alignment:
        return Alignment(self.matrices[frames])


def cut_crop(picture: Image, matrix: NDArray[Any], times: int = 1) -> Image:
    """The aligned crop `[256, 256, 3]` of an RGB picture `[H, W, 3]`, or one that is `times` as
    fine, `[256 t, 256 t, 3]`; `matrix` `[2, 3]` is picture px -> px of the crop of 256 px."""
    side = CROP * times
    matrix = magnify(matrix, times)
    scale = float(np.hypot(*matrix[:, 0].astype(np.float32)))
    shrink = int(1 / scale) if scale < 0.67 else 1
    if shrink > 1:
        return _cut_shrunk(picture, matrix, shrink, side)
    flags = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_LINEAR
    return np.asarray(
        cv2.warpAffine(picture, matrix, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE),
        np.uint8,
    )


def cut_from(picture: PixelImage, matrix: Array, times: int = 1) -> Image:
    """`cut_crop` of a picture of which only what the crop shows is converted to RGB."""
    corners = np.array([[0, 0, 1], [CROP, 0, 1], [0, CROP, 1], [CROP, CROP, 1]])
    points = corners @ cv2.invertAffineTransform(matrix).T
    margin = 4 + 3 / float(np.hypot(matrix[0, 0], matrix[1, 0]))  # for filters and averages
    low = np.floor(points.min(axis=0) - margin).astype(int)
    high = np.ceil(points.max(axis=0) + margin).astype(int)
    # What lies wholly beside the picture repeats its edge.
    low = np.clip(low, 0, np.array(picture.size) - 1)
    high = np.maximum(high, low + 1)
    moved = matrix.astype(np.float64)
    moved[:, 2] += moved[:, :2] @ low
    region = picture.region_to_rgb8((*low.tolist(), *high.tolist()))
    return cut_crop(region, moved, times)


def magnify(matrix: NDArray[F], times: int) -> NDArray[F]:
    """The matrix `[2, 3]` onto a crop that is `times` as fine; edges of px fall on edges."""
    fine = matrix * matrix.dtype.type(times)
    fine[:, 2] += (times - 1) / 2
    return fine


def _cut_shrunk(picture: Image, matrix: NDArray[Any], shrink: int, side: int) -> Image:
    """Large faces: average `shrink` x `shrink` px first, so that fine texture does not alias."""
    inverse = cv2.invertAffineTransform(matrix)
    corners = np.array([[0, 0, 1], [side, 0, 1], [0, side, 1], [side, side, 1]]) @ inverse.T
    height, width = picture.shape[:2]
    low = np.floor(np.clip(corners.min(axis=0) - 2 * shrink, 0, [width - 1, height - 1])).astype(
        int
    )
    high = np.ceil(np.clip(corners.max(axis=0) + 2 * shrink, low + shrink, [width, height])).astype(
        int
    )
    size = np.maximum((high - low) // shrink, 1)
    low_x, low_y = low
    region = picture[low_y : low_y + size[1] * shrink, low_x : low_x + size[0] * shrink]
    small = cv2.resize(region, tuple(int(v) for v in size), interpolation=cv2.INTER_AREA)
    back = np.array(
        [[shrink, 0, low_x + (shrink - 1) / 2], [0, shrink, low_y + (shrink - 1) / 2], [0, 0, 1]]
    )
    adapted = (matrix @ back).astype(np.float32)
    return np.asarray(
        cv2.warpAffine(
            small, adapted, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        ),
        np.uint8,
    )


def mask_lower(pictures: Tensor) -> Tensor:
    """Pictures `[..., 3, 256, 256]` in [-1, 1] with the lower half grey: nothing of the old mouth
    gets in."""
    masked = pictures.clone()
    masked[..., LOWER:, :] = 0.0
    return masked


def place_in_crop(shape: Array, pose: Pose) -> Array:
    """Shapes `[T, N, 3]` in units of the face model -> landmarks `[T, N, 2]` in crop px."""
    roll = pose.angles()[:, 2]
    c, s = np.cos(roll), np.sin(roll)
    level = np.stack([np.stack([c, s], axis=1), np.stack([-s, c], axis=1)], axis=1)  # [T, 2, 2]
    turned = (shape @ pose.rotation.transpose(0, 2, 1))[..., :2] @ level.transpose(0, 2, 1)
    return np.asarray(turned * EYE_DISTANCE + np.array([CROP / 2, EYES_ROW]), np.float32)


def draw_lip_map(points: Array) -> Image:
    """Lips, inner mouth and jaw of landmarks `[468, 2]` in crop px, drawn as coverage 0..255,
    `[64, 64, 3]`."""
    jaw = np.zeros((CROP, CROP), np.uint8)
    cv2.polylines(jaw, [_fixed(points[list(JAW)])], False, 255, 4, cv2.LINE_AA, _SUBPIXEL)
    canvas = cv2.merge([_fill(points[list(OUTER_LIPS)]), _fill(points[list(INNER_LIPS)]), jaw])
    return np.asarray(
        cv2.resize(canvas, (_MAP_SIDE, _MAP_SIDE), interpolation=cv2.INTER_AREA), np.uint8
    )


def lip_matte(points: Array) -> Array:
    """The lips and what is between them of landmarks `[468, 2]` in crop px, `[256, 256]` 0..1,
    soft at its edge."""
    lips = _fill(points[list(OUTER_LIPS)])
    soft = cv2.GaussianBlur(lips, (0, 0), _LIP_SIGMA).astype(np.float32) / 255.0
    return np.asarray(soft, np.float32)


def _fill(ring: Array) -> Image:
    """How much of each crop px lies within a ring of points `[N, 2]`, `[256, 256]` 0..255."""
    covered = np.zeros((CROP, CROP), np.uint8)
    cv2.fillPoly(covered, [_fixed(ring)], 255, cv2.LINE_AA, _SUBPIXEL)
    return covered


def _fixed(points: Array) -> NDArray[np.int32]:
    return np.round(points * (1 << _SUBPIXEL)).astype(np.int32)
