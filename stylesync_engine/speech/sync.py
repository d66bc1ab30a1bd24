"""How late a clip's sound is against its lips.

The lips that the sound alone lets expect are slid along the lips that are seen. What counts is how
lip vertices move within about a second, so that a slow drift or a long silence has no say; the
best place is found to a fraction of a frame by a parabola through the peak.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from stylesync_engine.arrays import Array
from stylesync_engine.faces.face_model import FaceModel
from stylesync_engine.models.lip_motion import LipMotionNetwork
from stylesync_engine.speech.features import FEATURE_RATE, SpeechFrontEnd
from stylesync_engine.speech.style import NetworkReading

SURE = 0.5  # from here on an offset is acted upon
LEAST_FRAMES = 30  # at 25 Hz that have to be heard and seen

_MOST_SHIFT = 20  # frames in which the sound is looked for, either way
_SLOW = 7.5  # frames: movement slower than this Gaussian is left out
_NEAR = 5  # frames around the best place that belong to its own peak
# Of the likeness at the best place; of how far it stands above the next one, times the square root
# of the clip's length over 3 s; and of neither. Logistic regression over 3000 excerpts of 1.4 to
# 12 s of GRID and free speech whose sound was moved or exchanged, made stricter by one.
_LIKENESS, _MARGIN, _BIAS = 11.9, 6.8, -8.3


@dataclass(frozen=True, slots=True)
class SoundOffset:
    """`seconds` by which the sound is late (early: negative), how `sure` that is, 0..1, and how
    many `frames` at 25 Hz were compared."""

    seconds: float
    sure: float
    frames: int

    @property
    def believed(self) -> float:
        """The offset where it is sure enough to act upon, else 0."""
        return self.seconds if self.sure >= SURE else 0.0


@dataclass(frozen=True, slots=True)
class LipReader:
    """What lips a sound lets expect, whoever speaks: enough of the models to tell late sound."""

    face_model: FaceModel
    front_end: SpeechFrontEnd
    lip_motion: LipMotionNetwork

    def expect(self, features: Array) -> Array:
        """Lip motion `[T, 13]` of speech features `[T, D]`."""
        return NetworkReading(self.lip_motion).predict(features, None)

    def measure(self, expected: Array, seen: Array, usable: NDArray[np.bool_]) -> SoundOffset:
        """`find_offset` on the model's own lips."""
        return find_offset(expected, seen, usable, self.face_model.lip_basis())


def find_offset(
    expected: Array, seen: Array, usable: NDArray[np.bool_], lip_basis: Array
) -> SoundOffset:
    """`expected` and `seen` lip motion `[T, 13]` at 25 Hz, in which frames the lips are `usable`
    `[T]`, and the lips' rows of Eq. 1, `[13, V, 3]`.

    Too few frames to slide are not sure at all.
    """
    count = min(len(expected), len(seen))
    reach = min(_MOST_SHIFT, count // 3)
    if int(usable[:count].sum()) < LEAST_FRAMES or reach < 2:
        return SoundOffset(0.0, 0.0, int(usable[:count].sum()))
    bridged = _bridge(seen[:count], usable[:count])
    heard, shown = (_fast_part(motion, lip_basis) for motion in (expected[:count], bridged))
    likeness = _slide(heard, shown, usable[:count], reach)
    best = int(likeness.argmax())
    others = likeness.copy()
    others[max(0, best - _NEAR) : best + _NEAR + 1] = -1.0
    sure = _sureness(float(likeness[best]), float(others.max()), int(usable[:count].sum()))
    if best in (0, len(likeness) - 1):  # the true place may lie outside
        sure = 0.0
    place = best + top_of_parabola(likeness, best) - reach
    return SoundOffset(place / FEATURE_RATE, sure, int(usable[:count].sum()))


def _bridge(motion: Array, usable: NDArray[np.bool_]) -> Array:
    """Straight lines where the lips are not seen, so that nothing of them spreads."""
    known, frames = np.flatnonzero(usable), np.arange(len(motion))
    columns = [np.interp(frames, known, column[known]) for column in motion.T]
    return np.stack(columns, axis=1).astype(np.float32)


def _fast_part(motion: Array, lip_basis: Array) -> Array:
    """What lip vertices do in the picture, `[T, 2 V]`, without slow movement."""
    vertices = np.einsum("tk,kvc->tvc", motion, lip_basis[..., :2]).reshape(len(motion), -1)
    return np.asarray(vertices - gaussian_filter1d(vertices, _SLOW, axis=0), np.float32)


def _slide(heard: Array, shown: Array, usable: NDArray[np.bool_], reach: int) -> Array:
    """The correlation of both at each shift of the sound, `[2 reach + 1]`."""
    found = []
    for shift in range(-reach, reach + 1):
        lips, sound = slice(max(0, -shift), len(shown) - max(0, shift)), slice(max(0, shift), None)
        length = lips.stop - lips.start
        x = shown[lips][usable[lips]]
        y = heard[sound][:length][usable[lips]]
        x, y = x - x.mean(axis=0), y - y.mean(axis=0)
        found.append((x * y).sum() / np.sqrt((x * x).sum() * (y * y).sum() + 1e-12))
    return np.asarray(found, np.float32)


def _sureness(best: float, next_best: float, frames: int) -> float:
    margin = (best - next_best) * np.sqrt(frames / (3 * FEATURE_RATE))
    return float(1 / (1 + np.exp(-(_LIKENESS * best + _MARGIN * margin + _BIAS))))


def top_of_parabola(values: Array, best: int) -> float:
    """Where the parabola through `best` and its neighbours has its top, from `best` on, places."""
    if not 0 < best < len(values) - 1:
        return 0.0
    before, at, after = (float(value) for value in values[best - 1 : best + 2])
    bend = before - 2 * at + after
    return 0.5 * (before - after) / bend if bend < 0 else 0.0
