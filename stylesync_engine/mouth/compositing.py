"""Rendered crop -> frame: seam colour, matte, moved edge; what lies outside of these stays."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from stylesync_engine.arrays import Array, Image
from stylesync_engine.mouth.crop import CROP, LOWER
from stylesync_engine.mouth.jaw import BELOW, contour_matte, jaw_move
from stylesync_engine.mouth.warping import blur_wide, sample_where
from stylesync_engine.pictures.image import Box, PixelImage

PlacedCrop = tuple[Box, Array, Array]
"""A box in the picture, px, its colours `[h, w, 3]` as the picture holds them, 0..1, and its matte
`[h, w]`, 0..1."""


class Region(NamedTuple):
    """A box in the picture, px; how far the rendering shows there, `matte` `[h, w]` 0..1, and
    whatever changes, `cover`; `move` `[h, w, 2]` px to what the source shows of the new edge."""

    box: Box
    matte: Array
    cover: Array
    move: Array

    @property
    def inner(self) -> tuple[slice, slice]:
        """Rows and columns of the box that hold all of the rendering that shows."""
        rows, columns = (np.flatnonzero(self.matte.any(axis=axis)) for axis in (1, 0))
        if not len(rows):
            return slice(0, 1), slice(0, 1)
        return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


_SEAM_SIGMA = 14.0  # px in the crop over which the seam's colour difference is spread
_SEAM_LIMIT = 0.08  # 0..1, most that a colour is moved
_SEAM_ALIKE = 0.10  # 0..1, differences above are structure, not light
_STILL, _MOVING = 0.02, 0.3  # px of the crop: what moves less stays as it is, more is replaced
_FILTER = 4  # px around a place that an interpolation reads


def match_seam(rendered: Array, source: Image, matte: Array) -> Array:
    """Take the slow colour difference along the matte's edge out of the rendering.

    `rendered` `[128, 256, 3]` 0..1, `source` `[128, 256, 3]` uint8 and `matte` `[128, 256]` 0..1,
    of `contour_matte`, are lower halves. The old mouth is far from the edge and does not count.
    """
    difference = source.astype(np.float32) / 255.0 - rendered
    edge = 4.0 * matte * (1.0 - matte)  # 1 where source and rendering meet half and half
    alike = np.exp(-np.square(largest(difference) / _SEAM_ALIKE))
    weight = (edge * alike + 1e-4).astype(np.float32)
    weighed = cv2.merge([*cv2.split(difference * weight[..., None]), weight])
    blurred = blur_wide(weighed, _SEAM_SIGMA, cv2.BORDER_REPLICATE)
    total = np.maximum(blurred[..., 3:], 5e-5)
    spread, sure = blurred[..., :3] / total, np.clip(total / 0.02, 0, 1)
    return np.asarray(
        np.clip(rendered + sure * np.clip(spread, -_SEAM_LIMIT, _SEAM_LIMIT), 0, 1), np.float32
    )


def largest(values: Array) -> Array:
    """The largest absolute value of three, `[H, W, 3]` -> `[H, W]`."""
    red, green, blue = cv2.split(np.abs(values))
    return np.asarray(np.maximum(np.maximum(red, green), blue), np.float32)


def place_region(
    matrix: Array,
    before: Array,
    after: Array,
    hidden: Image | None = None,
    matte: Array | None = None,
) -> Region:
    """Where a dub may change the picture; the box may reach beyond it.

    `matrix` `[2, 3]` is picture px -> crop px; `before` and `after` are landmarks in crop px;
    `hidden` `[16, 32]` as in `find_hidden`; `matte` `[128, 256]` where it is known.
    """
    if matte is None:
        matte = contour_matte(before, after)[LOWER:]
    move = jaw_move(before, after)
    cover = np.clip((cv2.magnitude(*cv2.split(move)) - _STILL) / (_MOVING - _STILL), 0, 1)
    matte = np.pad(matte, ((0, BELOW), (0, 0)))
    cover = np.maximum(cover, matte).astype(np.float32)
    box = _box_in_picture(cover, matrix)
    if hidden is not None and hidden.any():
        before_it = cv2.resize(hidden, (CROP, LOWER), interpolation=cv2.INTER_LINEAR)
        free = np.pad(1 - before_it.astype(np.float32) / 255.0, ((0, BELOW), (0, 0)), "edge")
        matte, cover = matte * free, cover * free
    matte, cover, move = (
        into_picture(values, matrix, box, border=cv2.BORDER_CONSTANT)
        for values in (matte, cover, move)
    )
    turn = np.linalg.inv(matrix[:, :2].astype(np.float64)).astype(np.float32)
    return Region(box, matte, cover, np.asarray(cv2.transform(move, turn), np.float32))


def compose(source: PixelImage, region: Region, colours: Array) -> PlacedCrop:
    """What to lay over the source: rendered `colours` `[h, w, 3]` of the region's box, 0..1 as
    a display shows them, within the new jaw, and around it the source, moved with the jaw."""
    rendered = source.from_view(colours)
    share = region.matte / np.maximum(region.cover, 1e-6)
    beside = (region.cover > 0) & (share < 1)
    if not beside.any():
        return region.box, rendered, region.matte
    moved = _moved(source, region, beside)
    if moved is None:
        return region.box, rendered, region.cover
    laid = rendered - moved
    laid *= share[..., None]
    laid += moved
    return region.box, laid, region.cover


def _moved(source: PixelImage, region: Region, wanted: NDArray[np.bool_]) -> Array | None:
    """The source's own samples in the region that are `wanted`, moved; None where all of it is
    beside the picture."""
    box, reach = region.box, int(np.ceil(np.abs(region.move).max())) + _FILTER
    wide = source.clip((box[0] - reach, box[1] - reach, box[2] + reach, box[3] + reach))
    if wide[0] >= wide[2] or wide[1] >= wide[3]:
        return None
    x, y = (np.arange(box[i] - wide[i], box[i + 2] - wide[i], dtype=np.float32) for i in range(2))
    at = region.move[..., 0] + x, region.move[..., 1] + y[:, None]
    return sample_where(source.region_to_rgb(wide), at, wanted, cv2.INTER_LANCZOS4)


def into_picture(
    values: Array,
    matrix: Array,
    box: Box,
    how: int = cv2.INTER_LINEAR,
    border: int = cv2.BORDER_REPLICATE,
) -> Array:
    """Values of the crop's rows from the middle on, `[128 or more, 256, ...]`, at the px of a box
    of the picture, `[h, w, ...]`; `matrix` as in `place_region`."""
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
    y0, y1 = rows[0] + LOWER - 2, rows[-1] + LOWER + 3
    corners = np.array([[x0, y0, 1], [x1, y0, 1], [x0, y1, 1], [x1, y1, 1]])
    points = corners @ cv2.invertAffineTransform(matrix).T
    low, high = (
        np.floor(points.min(axis=0)).astype(int),
        np.ceil(points.max(axis=0)).astype(int) + 1,
    )
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])
