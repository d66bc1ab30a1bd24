"""A reference face warped onto the wanted one, and its colours matched to the frame's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay

from stylesync_engine.arrays import Array, Image
from stylesync_engine.faces.face_model import FACE_OVAL
from stylesync_engine.mouth.crop import CROP, LOWER

TOP = LOWER - 32  # px, first row of the crop that a warped reference is needed in


_COLOUR_RIDGE = 60.0  # squared 8-bit code values, the noise of a px
_CONTRAST = 0.6, 1.6  # that a reference may be given, times its own


_FOLD = 5  # px that folds of the mesh are not wider than


_FADED_SIGMA = 3.0  # px: finer differences of two references do not fade
_SAMPLED = 1024  # places in a row
_WIDE = 8.0  # px of a blur that is computed on a quarter of the picture's sides
_RING = 8  # fixed points a side on the crop's border
_ROWS = np.arange(TOP, CROP, dtype=np.float32)[:, None]
_COLUMNS = np.arange(CROP, dtype=np.float32)[None]


def triangulate(points: Array) -> NDArray[np.int64]:
    """Triangles over landmarks `[468, 2]` and the border's fixed points, once a shot."""
    return np.asarray(Delaunay(_with_ring(points)).simplices, np.int64)


def warp_reference(crop: Image, maps: tuple[Array, Array]) -> Image:
    """The reference crop `[256, 256, 3]` where its `warp_maps` say. Rows above the middle of the
    face are left empty."""
    out = np.zeros_like(crop)
    cv2.remap(crop, *maps, cv2.INTER_CUBIC, out[TOP:], cv2.BORDER_REPLICATE)
    return out


def warp_maps(points: Array, wanted: Array, triangles: NDArray[np.int64]) -> tuple[Array, Array]:
    """Where in the crop of `points` each px of the rows from `TOP` on comes from when they are
    moved to `wanted`: x and y, each `[256 - TOP, 256]`."""
    source, target = _with_ring(points)[triangles], _with_ring(wanted)[triangles]  # [M, 3, 2]
    edges = np.stack([target[:, 1] - target[:, 0], target[:, 2] - target[:, 0]], axis=2)
    area = edges[:, 0, 0] * edges[:, 1, 1] - edges[:, 0, 1] * edges[:, 1, 0]
    area = np.where(np.abs(area) < 1e-3, 1e-3, area)
    inverse = np.empty_like(edges)
    inverse[:, 0, 0], inverse[:, 1, 1] = edges[:, 1, 1] / area, edges[:, 0, 0] / area
    inverse[:, 0, 1], inverse[:, 1, 0] = -edges[:, 0, 1] / area, -edges[:, 1, 0] / area
    turn = np.stack([source[:, 1] - source[:, 0], source[:, 2] - source[:, 0]], axis=2) @ inverse
    shift = source[:, 0] - np.einsum("mij,mj->mi", turn, target[:, 0])
    owner = _paint_triangles(target)
    # Each number of the affine maps is gathered by itself: that is four times as fast.
    maps = (
        np.take(a, owner) * _COLUMNS + np.take(b, owner) * _ROWS + np.take(c, owner)
        for a, b, c in zip(
            turn[:, :, 0].T.copy(), turn[:, :, 1].T.copy(), shift.T.copy(), strict=True
        )
    )
    # Where a face turns away the mesh folds, and single px of slivers would come from anywhere.
    return tuple(cv2.medianBlur(m.astype(np.float32), _FOLD) for m in maps)


def sample_where(
    picture: NDArray[Any], at: tuple[Array, Array], wanted: NDArray[np.bool_], how: int
) -> Array:
    """`picture` `[H, W, 3]` at those places x and y, `[h, w]` each, that are `wanted`; else 0."""
    chosen = np.flatnonzero(wanted)
    # OpenCV samples maps of any shape, but none of a single endless row.
    rows = -(-len(chosen) // _SAMPLED)
    shape = np.resize(chosen, rows * _SAMPLED).reshape(rows, _SAMPLED)
    out = np.zeros((wanted.size, 3), np.float32)
    if len(chosen):
        x, y = (np.take(values, shape) for values in at)
        found = cv2.remap(picture, x, y, how, borderMode=cv2.BORDER_REPLICATE)
        out[chosen] = found.reshape(-1, 3)[: len(chosen)]
    return out.reshape(*wanted.shape, 3)


def blur_wide(values: Array, sigma: float, border: int = cv2.BORDER_REFLECT_101) -> Array:
    """A Gaussian blur of `[H, W, ...]` by many px, computed where it is as sharp as it has to be:
    on a picture that is smaller by whole numbers, within a few ten thousandths."""
    times = 2 if sigma < _WIDE else 4
    height, width = values.shape[:2]
    small = cv2.resize(values, (width // times, height // times), interpolation=cv2.INTER_AREA)
    left = np.sqrt(sigma**2 - (times**2 - 1) / 12) / times  # beyond what the means have blurred
    small = cv2.GaussianBlur(small, (0, 0), float(left), borderType=border)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)


def cross_fade(pictures: Sequence[Array], shares: Sequence[float]) -> Array:
    """Pictures `[H, W, 3]` mixed by their shares: slow changes of colour fade. Fine texture is that
    of the largest share alone, for two of them would blur, and make double lips."""
    main = pictures[int(np.argmax(shares))]
    mixed = main.copy()
    for picture, share in zip(pictures, shares, strict=True):
        if picture is not main:
            mixed += share * cv2.GaussianBlur(picture - main, (0, 0), _FADED_SIGMA)
    return np.asarray(mixed, np.float32)


def match_colour(reference: Image, target: Image, points: Array) -> Image:
    """Move a warped reference's colours so that cheeks and nose above the mouth look as in the
    target crop: one affine change of RGB, from the skin that both show.

    `points` `[468, 2]` are the target's landmarks.
    """
    skin = np.zeros((CROP, CROP), np.uint8)
    cv2.fillConvexPoly(skin, np.round(points[list(FACE_OVAL)]).astype(np.int32), 1)
    inside = skin[TOP + 4 : LOWER].astype(bool)
    if inside.sum() < 200:
        return reference
    chosen = np.flatnonzero(inside)[::2]
    have, want = (
        crop[TOP + 4 : LOWER].reshape(-1, 3)[chosen].astype(np.float32)
        for crop in (reference, target)
    )
    out = reference.copy()
    cv2.transform(reference[TOP:], _colour_change(have, want).T, out[TOP:])
    return out


def _colour_change(have: Array, want: Array) -> Array:
    """`[4, 3]` with `want ~ have @ change[:3] + change[3]`: the one symmetric change that gives
    pixels `[n, 3]` the mean and the covariance of the others (Pitie and Kokaram 2007).

    Not a regression from px to px: where a head has turned, these show different things, and the
    reference would lose its contrast.
    """
    noise = _COLOUR_RIDGE * np.eye(3)
    root = _square_root(np.cov(have.T) + noise)
    back = np.linalg.inv(root)
    inner = _square_root(root @ (np.cov(want.T) + noise) @ root)
    values, axes = np.linalg.eigh(back @ inner @ back)
    turn = (axes * np.clip(values, *_CONTRAST)) @ axes.T
    shift = want.mean(axis=0) - have.mean(axis=0) @ turn
    return np.asarray(np.concatenate([turn, shift[None]]), np.float32)


def _square_root(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of a symmetric, positive matrix `[n, n]`."""
    values, axes = np.linalg.eigh(matrix)
    return np.asarray((axes * np.sqrt(np.maximum(values, 0))) @ axes.T)


def _with_ring(points: Array) -> Array:
    along = np.linspace(-1, CROP, _RING, endpoint=False, dtype=np.float32)
    low, high = np.full(_RING, -1, np.float32), np.full(_RING, CROP, np.float32)
    step = along + (CROP + 1) / _RING
    ring = np.concatenate(
        [
            np.stack(pair, axis=1)
            for pair in ((along, low), (high, along), (step, high), (low, step))
        ]
    )
    return np.concatenate([points, ring]).astype(np.float32)


def _paint_triangles(target: Array) -> NDArray[np.int32]:
    """Which triangle each px of the rows from `TOP` on lies in, `[H, W]`."""
    owner = np.zeros((CROP - TOP, CROP), np.int32)
    corners = target - np.array([0, TOP], np.float32)
    fixed = np.round(corners * 16).astype(np.int32)
    for index in np.flatnonzero(corners[:, :, 1].max(axis=1) >= -1).tolist():
        cv2.fillConvexPoly(owner, fixed[index], index, cv2.LINE_8, 4)
    return owner
