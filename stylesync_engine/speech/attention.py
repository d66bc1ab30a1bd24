"""Eq. 2 with its values made explicit: what the network misses of a person at each frame of the
reference, averaged over the frames whose sounds are like the one that is asked for.

Each head asks with its own temperature. A second pass reads what the first misses on the reference
itself, each frame's surroundings left out. Nothing is trained: where there are speakers enough to
teach it, the paper's own network learns all of this and more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from stylesync_engine.arrays import Array, Indices
from stylesync_engine.speech.kernel_ridge import median_distance

# Chosen by leaving people out, on whom training by 300 steps gained a hundredth at most.
_WIDTHS = np.geomspace(0.18, 0.72, 8)  # of the heads' kernels, median distances of the reference
_FIRST, _SECOND = 1.2, 0.9  # share of what each pass reads that is believed
_NOTHING_ALIKE = np.exp(-4.0)  # weight of "no frame is like it", for which nothing is missed
_SURROUNDINGS = 7  # frames that share most of their sound


@dataclass(frozen=True, slots=True)
class AttentionFit:
    """`sounds` `[n, d]` are the keys, in median distances; `values` `[n, 13]` what is missed there,
    `left` `[n, 13]` what the first pass leaves of it; `left_out_errors` `[n, 13]`: by how much
    each value is missed when its surroundings are left out."""

    sounds: Array
    scale: float
    values: Array
    left: Array
    left_out_errors: Array

    def at(self, asked: Array) -> Array:
        """What is missed `[T, 13]` at sounds `[T, d]`."""
        weights = _attend(asked / self.scale, self.sounds)
        return np.asarray(weights @ (_FIRST * self.values + _SECOND * self.left), np.float32)


def fit_attention(known: Array, values: Array, frames: Indices) -> AttentionFit:
    """Read values `[n, 13]` at sounds `[n, d]` of a clip's `frames` `[n]`."""
    scale = median_distance(known)
    sounds = known / scale
    near = np.abs(frames[:, None] - frames[None]) < _SURROUNDINGS
    weights = _attend(sounds, sounds, near)
    left = np.asarray(values - _FIRST * weights @ values, np.float32)
    errors = np.asarray(left - _SECOND * weights @ left, np.float32)
    return AttentionFit(sounds, scale, values, left, errors)


def _attend(asked: Array, sounds: Array, left_out: NDArray[np.bool_] | None = None) -> Array:
    """The heads' mean attention `[T, n]`, Gaussian in the distance of sounds."""
    squares = cdist(asked, sounds, "sqeuclidean")
    if left_out is not None:
        squares[left_out] = np.inf
    total = np.zeros_like(squares)
    for width in _WIDTHS:
        alike = np.exp(-squares / (2 * width**2))
        total += alike / (alike.sum(axis=1, keepdims=True) + _NOTHING_ALIKE)
    return np.asarray(total / len(_WIDTHS), np.float32)
