"""Where a new lower face meets the picture: what of it shows, and how the old edge follows it.

A jaw that is drawn anew beside the old one is a second line, and what an old one hid is in no
picture of this head. So the edge is never drawn: the source's own edge, with the neck, hair and
background around it, is moved to where the new jaw lies, and the new face ends within it.
"""

from __future__ import annotations

import cv2
import numpy as np

from stylesync_engine.arrays import Array
from stylesync_engine.faces.face_model import FACE_OVAL, JAW, OUTER_LIPS
from stylesync_engine.mouth.crop import CROP, LOWER

BELOW = 48  # rows below the crop that a neck may stretch in

_NOSE_BASE = 2
_EDGE = 2.0, 16.0  # px within the face's outline between which the rendering fades in
_TOP = 10  # rows above and below the nose's base over which it does
_AROUND_LIPS = 4.0, 12.0  # px around old and new lips that it covers, and fades out over
_WITHIN = 16.0  # px within the outline that move as it does
_NEAR, _STRETCH = 12.0, 2.2  # px beside these that follow it, and more for each px of a move
_BEGINS = 40.0  # rows over which the moves begin
_SPREAD = 12.0  # px along the outline over which its moves are evened out
_CELL = 8  # px: between the places at which that is done
_CROSSING = 4  # points between two landmarks of the jaw


def contour_matte(before: Array, after: Array) -> Array:
    """How much of each crop px comes from the rendering, `[256, 256]` 0..1.

    `before` and `after` are landmarks `[468, 2]` in crop px of the source and of the rendering. The
    matte lies within the new face from the nose's base to its jaw, and covers both mouths.
    """
    inside = -_outside(after, 0, CROP)
    face = _smooth((inside - _EDGE[0]) / (_EDGE[1] - _EDGE[0]))
    mouths = np.zeros((CROP, CROP), np.uint8)
    for points in (before, after):
        cv2.fillConvexPoly(mouths, cv2.convexHull(_whole(points[list(OUTER_LIPS)])), 255)
    away = cv2.distanceTransform(255 - mouths, cv2.DIST_L2, 5)
    lips = 1 - _smooth((away - _AROUND_LIPS[0]) / (_AROUND_LIPS[1] - _AROUND_LIPS[0]))
    matte = np.maximum(face, lips * _smooth(inside / _EDGE[0]))
    top = max(LOWER + _TOP, float(min(before[_NOSE_BASE, 1], after[_NOSE_BASE, 1])))
    rows = np.arange(CROP, dtype=np.float32)
    ramp = ((rows - top + _TOP) / (2 * _TOP)).astype(np.float32)
    matte *= _smooth(ramp)[:, None]
    matte[:LOWER] = 0
    return np.asarray(matte, np.float32)


def jaw_move(before: Array, after: Array) -> Array:
    """How far from each px, with the new jaw, lies what the source shows there, in crop px:
    `[128 + BELOW, 256, 2]`, x and y, of the rows from `LOWER` on.

    It is what the jaw moves on its outline, fades out around it the slower the more it moves, so
    that nothing folds, and is nothing at the mouth.
    """
    rows = LOWER + BELOW
    move = _spread_moves(before, after, rows)
    outside = _outside(after, LOWER, rows)
    reach = _NEAR + _STRETCH * cv2.magnitude(*cv2.split(move))
    held = np.maximum(outside, -outside - _WITHIN) / reach
    share = 1 - _smooth(held)
    share *= _smooth(np.arange(rows, dtype=np.float32) / _BEGINS)[:, None]
    border = np.minimum(np.arange(CROP), np.arange(CROP)[::-1]).astype(np.float32)
    share *= _smooth(border / _NEAR)[None]
    return np.asarray(move * share[..., None], np.float32)


def _spread_moves(before: Array, after: Array, rows: int) -> Array:
    """The jaw's way back, evened out along it and carried on beside it, `[rows, 256, 2]`."""
    places, back = _between(after[list(JAW)]), _between((before - after)[list(JAW)])
    # A bell of the distance is one of the columns' times one of the rows'.
    across, down = (
        np.exp(-np.square(np.arange(0, size + _CELL, _CELL)[:, None] - at) / (2 * _SPREAD**2))
        for size, at in ((CROP, places[:, 0]), (rows, places[:, 1] - LOWER))
    )
    weights = down[:, None] * across[None]
    total = np.maximum(weights.sum(axis=2, keepdims=True), np.finfo(np.float64).tiny)
    coarse = (weights @ back / total).astype(np.float32)
    columns, lines = (np.arange(n, dtype=np.float32) / _CELL for n in (CROP, rows))
    return np.asarray(cv2.remap(coarse, *np.meshgrid(columns, lines), cv2.INTER_LINEAR), np.float32)


def _between(values: Array) -> Array:
    """Values `[n, 2]` along a line, and some more between each two of them."""
    at = np.linspace(0, len(values) - 1, (len(values) - 1) * _CROSSING + 1)
    own = np.arange(len(values))
    return np.stack([np.interp(at, own, values[:, axis]) for axis in range(2)], axis=1)


def _outside(points: Array, first: int, rows: int) -> Array:
    """Px outside of the face's outline, negative within it, `[rows, 256]` from the row `first`."""
    face = np.zeros((rows, CROP), np.uint8)
    outline = points[list(FACE_OVAL)] - np.array([0, first], np.float32)
    cv2.fillConvexPoly(face, cv2.convexHull(_whole(outline)), 1)
    beyond, within = (cv2.distanceTransform(m, cv2.DIST_L2, 5) for m in (1 - face, face))
    return np.asarray(beyond - within, np.float32)


def _smooth(values: Array) -> Array:
    """0 up to 0 and 1 from 1 on, without a corner between."""
    x = np.clip(values, 0, 1)
    return np.asarray(x * x * (3 - 2 * x), np.float32)


def _whole(points: Array) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    return np.round(points).astype(np.int32)
