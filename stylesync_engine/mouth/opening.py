"""How far lips open is decided before anything is drawn: what is drawn over them leaves it so."""

from __future__ import annotations

import cv2
import numpy as np

from stylesync_engine.arrays import Array
from stylesync_engine.faces.face_model import INNER_LIPS
from stylesync_engine.mouth.crop import CROP, LOWER

_SIGMA = 1.0  # px over which edges are looked at
_NARROWEST = 1.5  # px from the middle to either lip, of closed ones
_NOISE = 1e-3  # 0..1 squared, summed: edges that nobody sees
_LEFT, _RIGHT = 0, 10  # of the ring of inner lips, which runs below and back above


def hold_opening(change: Array, known: Array, points: Array, matte: Array) -> Array:
    """A change `[128, 256, 3]` of the known lower half, 0..1, without what of it moves the lips of
    landmarks `[468, 2]` in crop px apart or together; `matte` `[128, 256, 1]` is the lips'.

    A model that is unsure says what is right in the mean, and a mean mouth is less open: its
    change looks in part like a shift of both lips: its regression on one, beside other light.
    """
    rows, columns = (np.flatnonzero(matte.any(axis=(axis, 2))) for axis in (1, 0))
    if not len(rows):
        return change
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    weight, soft = matte[box], cv2.GaussianBlur(known[box], (0, 0), _SIGMA)
    moved = -np.gradient(soft, axis=0) * (_apart(points)[box][..., None] * weight)
    own, other = (_without_mean(values, weight) for values in (moved, change[box]))
    far = float((weight * own * other).sum()) / (float((weight * own * own).sum()) + _NOISE)
    held = change.copy()
    held[box] -= np.float32(far) * moved
    return held


def _without_mean(values: Array, weight: Array) -> Array:
    """Values `[h, w, 3]` about their mean, for other light is no movement."""
    mean = (weight * values).sum(axis=(0, 1)) / weight.sum()
    return np.asarray(values - mean, np.float32)


def _apart(points: Array) -> Array:
    """Where each px of the lower half goes when lips open: -1 is upwards, 1 downwards,
    `[128, 256]`; between the lips less, and nothing at the corners."""
    ring = points[list(INNER_LIPS)] - np.array([0, LOWER], np.float32)
    below, above = ring[: _RIGHT + 1], np.concatenate([ring[_RIGHT:], ring[:1]])
    columns, rows = np.arange(CROP, dtype=np.float32), np.arange(LOWER, dtype=np.float32)[:, None]
    low, high = (np.interp(columns, *line[np.argsort(line[:, 0])].T) for line in (below, above))
    left, right = ring[_LEFT, 0], ring[_RIGHT, 0]
    reach = np.square((2 * columns - left - right) / max(right - left, 1.0))
    half = np.maximum((low - high) / 2, _NARROWEST)
    away = np.clip((rows - (low + high) / 2) / half, -1, 1)
    return np.asarray(away * np.maximum(1 - reach, 0), np.float32)
