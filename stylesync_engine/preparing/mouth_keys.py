"""What an editor has set by hand: frames in which the lips are closed, or stay the shot's own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stylesync_engine.arrays import Array
from stylesync_engine.faces.face_model import FaceModel
from stylesync_engine.ranges import MouthKey
from stylesync_engine.request import FrameRange, RequestError

_EASE = 0.1  # s over which the mouth comes into a key's shape and leaves it


def check_keys(keys: Sequence[MouthKey], frames: FrameRange) -> None:
    """Raises RequestError for a key that lies outside of the frames to dub."""
    for key in keys:
        if key.end <= frames.start or key.start >= frames.end:
            raise RequestError(
                f"The key {key} lies outside of the frames {frames}; give frames within.",
                "mouth_keys",
            )


def apply_keys(
    keys: Sequence[MouthKey], motion: Array, own: Array, frames: FrameRange, rate: float,
    face_model: FaceModel, neutral: Array,
) -> Array:  # fmt: skip
    """Lip motion `[T, 13]` of source `frames` at `rate` frames/s as the keys want it: NaN, which
    stays as it is, where they say `original`. `own` `[T, 13]` is what the shot's lips do."""
    moments = np.arange(frames.start, frames.end)
    known = np.where(np.isfinite(own), own, motion)
    for key in keys:
        share = _share(moments, key, _EASE * rate)
        if key.shape == "closed":
            motion = face_model.close(neutral, motion, share)
        else:
            motion = np.asarray(motion + share[:, None] * (known - motion), np.float32)
    for key in keys:
        if key.shape == "original":
            motion[(moments >= key.start) & (moments < key.end)] = np.nan
    return motion


def _share(moments: np.ndarray, key: MouthKey, ease: float) -> Array:
    """1 in the key's frames, from there down to 0 over `ease` frames."""
    away = np.maximum(np.maximum(key.start - moments, moments - (key.end - 1)), 0)
    part = np.clip(1 - away / (ease + 1), 0, 1)
    return np.asarray(part * part * (3 - 2 * part), np.float32)
