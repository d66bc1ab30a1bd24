"""The rest of a shot: what its lips are beyond those that its own sound lets expect."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from stylesync_engine.arrays import Array
from stylesync_engine.faces.face_model import FaceModel
from stylesync_engine.preparing.late_sound import SeenLips
from stylesync_engine.speech.features import FEATURE_RATE
from stylesync_engine.speech.style import LEAST_REFERENCE

_REST = 50.0  # frames: of n frames the share n / (n + this) of a shot's own rest is believed
_LITTLE_TURN = 0.003  # rad^2, summed over the frames: heads that turn less say little
_SLOW = 0.5 * FEATURE_RATE  # steps: what is slower than this Gaussian is slower than words


def rest_of_shot(
    expected: Array,
    lips: SeenLips,
    angles: Array,
    first: int,
    face_model: FaceModel,
    last: int | None = None,
) -> Array:
    """What is added to new lips at each frame of a shot, `[T, 13]`, of the lips `[T25, 13]` that
    its own sound lets expect, those that are seen, and the head's `angles` `[T, 3]` rad from the
    source's frame `first` on.

    A shot's rest is known only roughly from its least open mouths; its own sound tells more. It
    also turns with the head, as a tracked mouth is only nearly rigid with it, and drifts with
    smiles and moods. All of that is the picture's, whatever is said in it; without it new lips
    slide over the face. How far the lips open is the speech's alone: of that the mean is taken and
    nothing else. After the `last` frame that speaks, held lips turn with the head and do nothing
    else.
    """
    steps, usable = lips.frames - first, lips.usable
    if usable.sum() < LEAST_REFERENCE:
        return np.zeros((len(angles), expected.shape[1]), np.float32)
    beyond = lips.motion - expected
    count = int(usable.sum())
    mean = beyond[usable].mean(axis=0) * count / (count + _REST)
    left = face_model.unopened(beyond - mean)
    turns = np.where(np.isfinite(angles), angles, 0.0) - angles[steps[usable]].mean(axis=0)
    turned = turns @ _regress(turns[steps[usable]], left[usable])
    slow = _slow(left - turned[steps], usable)
    at = np.minimum(np.arange(len(angles)), len(angles) if last is None else last)
    drift = np.stack([np.interp(at, steps, column) for column in slow.T], 1)
    return np.asarray(mean + turned + drift, np.float32)


def _regress(turns: Array, values: Array) -> NDArray[np.float64]:
    """Ridge regression of values `[n, 13]` on angles about their mean `[n, 3]`."""
    square = turns.T @ turns + _LITTLE_TURN * np.eye(turns.shape[1])
    return np.asarray(np.linalg.solve(square, turns.T @ (values - values.mean(axis=0))), np.float64)


def _slow(values: Array, usable: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Values `[T25, 13]` smoothed, from the usable steps."""
    weight = gaussian_filter1d(usable.astype(np.float64), _SLOW, mode="constant")
    kept = np.where(usable[:, None], values, 0.0).astype(np.float64)
    total = gaussian_filter1d(kept, _SLOW, axis=0, mode="constant")
    return np.asarray(total / np.maximum(weight, 0.05)[:, None], np.float64)
