"""A person's own timing: lips that speak freely open before the sound and move more smoothly than
those of the few people whom a network heard.

A short filter over time, one for all lip vertices, is fitted to what a reading says of frames that
were left out (a Wiener filter). As far as too few frames tell it leans on a Gaussian, of the widths
of some on the one with which these frames are missed least.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

from stylesync_engine.arrays import Array, Indices

_REACH = 5  # frames at 25 Hz, either way
_SMOOTH = (0.5, 1.0, 1.5, 2.0)  # frames, of the Gaussians: those who read aloud need the least
_COUNTS = 1000.0  # frames that the Gaussian counts as much as; 300 to 3000 do about as well


def smoothing(width: float) -> NDArray[np.float64]:
    """A Gaussian filter of `width` frames, `[2 _REACH + 1]`."""
    weights = np.exp(-(np.arange(-_REACH, _REACH + 1) ** 2) / (2 * width**2))
    return np.asarray(weights / weights.sum(), np.float64)


def fit_timing(true: Array, said: Array, frames: Indices, lips: Array) -> Array:
    """The filter `[2 _REACH + 1]` that brings motion `said` `[n, 13]` of the clip's `frames` `[n]`
    nearest to the `true` one, by the lips' rows of Eq. 1 in the picture, `[13, V, 2]`."""
    rows = lips.reshape(len(lips), -1).astype(np.float64)
    moved, wanted = (motion - motion.mean(axis=0) for motion in (said, true))
    shifted = np.concatenate([_shifts(part) for part in _successive(moved, frames)], axis=1)
    known = (shifted @ rows).reshape(len(shifted), -1)  # [2 _REACH + 1, n V 2]
    aim = (wanted @ rows).ravel()
    gram = known @ known.T
    ridged = gram + (_COUNTS / len(said) * np.trace(gram) / len(gram) + 1e-12) * np.eye(len(gram))
    found = []
    for width in _SMOOTH:
        usual = smoothing(width)
        timing = usual + np.linalg.solve(ridged, known @ (aim - usual @ known))
        missed = (aim - timing @ known).reshape(-1, 2)
        found.append((float(np.linalg.norm(missed, axis=1).mean()), timing))
    return np.asarray(min(found, key=lambda one: one[0])[1], np.float32)


def in_time(motion: Array, centre: Array, timing: Array, frames: Indices | None = None) -> Array:
    """Lip motion `[T, 13]` filtered around a `centre` `[13]`; each stretch of successive `frames`
    by itself."""
    parts = [motion] if frames is None else _successive(motion, frames)
    filtered = [correlate1d(part - centre, timing, axis=0, mode="nearest") for part in parts]
    return np.asarray(np.concatenate(filtered) + centre, np.float32)


def _successive(motion: Array, frames: Indices) -> list[Array]:
    return np.split(motion, np.flatnonzero(np.diff(frames) != 1) + 1)


def _shifts(motion: Array) -> NDArray[np.float64]:
    """`[2 _REACH + 1, T, 13]`: the motion at each tap's frame, the ends held."""
    padded = np.pad(motion.astype(np.float64), ((_REACH, _REACH), (0, 0)), mode="edge")
    return np.stack([padded[tap : tap + len(motion)] for tap in range(2 * _REACH + 1)])
