"""Rendered crop -> frame: seam colour, matte, inverse warp; what lies outside the matte stays."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from stylesync_engine.arrays import Array, Image
from stylesync_engine.mouth.crop import CROP, LOWER, contour_matte
from stylesync_engine.pictures.image import Box

PlacedCrop = tuple[Box, Array, Array]
"""A box in the picture, px, and its colours `[h, w, 3]` and matte `[h, w]`, 0..1."""

_SEAM_SIGMA = 14.0  # px in the crop over which the seam's colour difference is spread
_SEAM_LIMIT = 0.08  # 0..1, most that a colour is moved
_SEAM_ALIKE = 0.10  # 0..1, differences above are structure, not light


def match_seam(rendered: Array, source: Image, before: Array, after: Array) -> Array:
    """Take the slow colour difference along the matte's edge out of the rendering.

    `rendered` `[128, 256, 3]` 0..1 and `source` `[128, 256, 3]` uint8 are lower halves; `before`
    and `after` landmarks in crop px. The old mouth is far from the edge and does not count.
    """
    matte = contour_matte(before, after)[LOWER:]
    difference = source.astype(np.float32) / 255.0 - rendered
    edge = 4.0 * matte * (1.0 - matte)  # 1 where source and rendering meet half and half
    alike = np.exp(-np.square(np.abs(difference).max(axis=2) / _SEAM_ALIKE))
    weight = (edge * alike + 1e-4).astype(np.float32)
    total = _blur(weight)
    spread = (
        np.stack([_blur(difference[..., c] * weight) for c in range(3)], axis=-1) / total[..., None]
    )
    sure = np.clip(total / 0.02, 0, 1)[..., None]
    return np.asarray(
        np.clip(rendered + sure * np.clip(spread, -_SEAM_LIMIT, _SEAM_LIMIT), 0, 1), np.float32
    )


def place_matte(
    matrix: Array, before: Array, after: Array, hidden: Image | None = None
) -> tuple[Box, Array]:
    """Where a dub may change the picture: box and matte `[h, w]`, 0..1.

    `matrix` `[2, 3]` is picture px -> crop px; landmarks as in `match_seam`; `hidden` `[16, 32]` as
    in `find_hidden`. The box may reach beyond the picture.
    """
    matte = contour_matte(before, after)[LOWER:]
    box = _box_in_picture(matte, matrix)
    if hidden is not None and hidden.any():
        before_it = cv2.resize(hidden, matte.shape[::-1], interpolation=cv2.INTER_LINEAR)
        matte = matte * (1 - before_it.astype(np.float32) / 255.0)
    return box, into_picture(matte, matrix, box, border=cv2.BORDER_CONSTANT)


def into_picture(
    values: Array,
    matrix: Array,
    box: Box,
    how: int = cv2.INTER_LINEAR,
    border: int = cv2.BORDER_REPLICATE,
) -> Array:
    """Values of the crop's lower half `[128, 256, ...]` at the px of a box of the picture,
    `[h, w, ...]`; `matrix` as in `place_matte`."""
    size = box[2] - box[0], box[3] - box[1]
    way = _into_box(matrix, box)
    flags = how | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(values, way, size, flags=flags, borderMode=border), np.float32)


def _into_box(matrix: Array, box: Box) -> NDArray[np.float64]:
    """Px of the box -> px of the crop's lower half, `[2, 3]`."""
    back = matrix.astype(np.float64).copy()
    back[:, 2] += back[:, 0] * box[0] + back[:, 1] * box[1]
    back[1, 2] -= LOWER
    return back


def _box_in_picture(matte: Array, matrix: Array) -> Box:
    """The picture's px that the matte can touch, `(x0, y0, x1, y1)`."""
    rows, columns = np.flatnonzero(matte.any(axis=1)), np.flatnonzero(matte.any(axis=0))
    x0, x1 = columns[0] - 2, columns[-1] + 3
    y0, y1 = rows[0] + LOWER - 2, min(rows[-1] + LOWER + 3, CROP + 2)
    corners = np.array([[x0, y0, 1], [x1, y0, 1], [x0, y1, 1], [x1, y1, 1]])
    points = corners @ cv2.invertAffineTransform(matrix).T
    low, high = (
        np.floor(points.min(axis=0)).astype(int),
        np.ceil(points.max(axis=0)).astype(int) + 1,
    )
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _blur(values: Array) -> Array:
    return np.asarray(
        cv2.GaussianBlur(values, (0, 0), _SEAM_SIGMA, borderType=cv2.BORDER_REPLICATE), np.float32
    )
