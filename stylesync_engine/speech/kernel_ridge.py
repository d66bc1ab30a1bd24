"""Kernel ridge regression with its errors on left-out stretches, for references of half a minute.

What is known at some sounds is asked for at others: Gaussian kernel, one ridge for all values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.spatial.distance import cdist, pdist

from stylesync_engine.arrays import Array
from stylesync_engine.speech.features import FEATURE_RATE

LEAST_TO_CHOOSE = 100  # frames from which on the strength of the reading is chosen inside them
_STRETCHES = 8  # of successive frames that are left out in turn
# Bandwidth and ridge, times those of the settings, that a reference chooses from. Left-out errors
# of few frames scatter, so others than the settings' own must be clearly better.
_TRIED = [(1.0, 1.0), *((b, r) for b in (0.5, 1.0) for r in (0.3, 3.0, 10.0)), (0.5, 1.0)]
_CLEARLY = 0.97


@dataclass(frozen=True, slots=True)
class ClosedFormSettings:
    """`bandwidth` of the Gaussian kernel over the median distance of reference frames, `ridge` on
    its diagonal, and `rest`: of n frames the share n / (n + rest) of what is missed on average is
    believed, since a clip's rest is only known roughly. Of a reference of `LEAST_TO_CHOOSE` frames
    or more, bandwidth and ridge are chosen by cross-validation inside it, around these. `width` is
    how many times as far as a network without a reference says people really move their lips.
    Chosen by leaving training speakers out."""

    bandwidth: float = 1.2
    ridge: float = 1.0
    rest: float = 50.0
    width: float = 1.0


@dataclass(frozen=True, slots=True)
class RidgeFit:
    """The kernel's `width` around `sounds` `[n, d]`, their `weights` `[n, 13]`, and
    `left_out_errors` `[n, 13]`: by how much each value is missed when its stretch of frames is left
    out."""

    sounds: Array
    width: float
    weights: NDArray[np.float64]
    left_out_errors: Array

    def at(self, asked: Array) -> Array:
        """The values `[T, 13]` at sounds `[T, d]`."""
        return np.asarray(_gaussian(asked, self.sounds, self.width) @ self.weights, np.float32)


def fit_ridge(known: Array, values: Array, settings: ClosedFormSettings) -> RidgeFit:
    """Fit values `[n, 13]` at features `[n, d]`, bandwidth and ridge chosen where there are frames
    enough."""
    tried = [(1.0, 1.0)] if len(known) < LEAST_TO_CHOOSE else _TRIED
    median = median_distance(known)
    fits = []
    for bandwidth in dict.fromkeys(times for times, _ in tried):
        width = median * settings.bandwidth * bandwidth
        gram = _gaussian(known, known, width)
        for ridge in (ridge for times, ridge in tried if times == bandwidth):
            weights, errors = _fit_one(gram, values, settings.ridge * ridge)
            fits.append(RidgeFit(known, width, weights, errors))
    best = min(fits, key=_missed)
    return best if _missed(best) < _CLEARLY * _missed(fits[0]) else fits[0]


def _missed(fit: RidgeFit) -> float:
    return float(np.abs(fit.left_out_errors).sum())


def _fit_one(
    gram: NDArray[np.float64], values: Array, ridge: float
) -> tuple[NDArray[np.float64], Array]:
    """Weights, and the errors on left-out stretches without fitting again: of the inverse Q of the
    ridged kernel and the weights w = Q y the stretch B is missed by inv(Q_BB) w_B."""
    count = len(gram)
    inverse = cho_solve(cho_factor(gram + ridge * np.eye(count), lower=True), np.eye(count))
    weights = inverse @ values.astype(np.float64)
    stretches = np.array_split(np.arange(count), max(2, min(_STRETCHES, count // FEATURE_RATE)))
    errors = [np.linalg.solve(inverse[np.ix_(b, b)], weights[b]) for b in stretches]
    return weights, np.concatenate(errors).astype(np.float32)


def median_distance(known: Array) -> float:
    """Of pairs of some 300 of the features `[n, d]`."""
    return float(np.median(pdist(known[:: max(1, len(known) // 300)]))) + 1e-6


def _gaussian(some: Array, others: Array, width: float) -> NDArray[np.float64]:
    distances = np.asarray(cdist(some, others, "sqeuclidean"))
    distances /= -2 * width**2
    return np.exp(distances, out=distances)
