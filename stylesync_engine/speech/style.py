"""Reading a style reference: the paper's network, or in closed form on top of a network without
reference. Both answer one question: which lip motion for this speech, in this person's way?

The closed form is Eq. 2 with the values made explicit, the person's deviations from what the
network predicts, and the softmax kept (`attention`) or replaced by a regularised solve
(`kernel_ridge`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from stylesync_engine.arrays import Array, Indices
from stylesync_engine.faces.face_model import FaceModel
from stylesync_engine.models.lip_motion import LipMotionNetwork
from stylesync_engine.speech.attention import AttentionFit, fit_attention
from stylesync_engine.speech.kernel_ridge import (
    LEAST_TO_CHOOSE,
    ClosedFormSettings,
    RidgeFit,
    fit_ridge,
    median_distance,
)
from stylesync_engine.speech.timing import fit_timing, in_time

PAPER_REFERENCE = 256  # n of the paper: 10 s
LEAST_REFERENCE = 8  # frames at 25 Hz below which nothing can be read
_MOST_REFERENCE = 750  # frames, half a minute: time and memory of the solve grow with the square
_PIECE = 75  # frames that stay together of a longer one
_ASKED_AT_ONCE = 256  # frames, so that a long shot takes no more memory than a short one
_LEAST_GAIN, _MOST_GAIN = 0.7, 3.0
# Left-out predictions are more timid than those with all frames, the more the less the frames
# say: of a gain that they ask for about the power .7 is what people turned out to need. Less is
# believed, since wrong lips that open wide are worse than wrong lips that do not.
_BELIEVED = 0.5
_GAIN_REST, _USUAL_GAIN = 10.0, 1.4  # frames that what is usual counts as much as, and that
_CLOSED = 0.012  # face heights of opening below which lips touch


@dataclass(frozen=True, slots=True)
class StyleReference:
    """n frames at 25 Hz of the person speaking: speech features `[n, D]`, lip motion `[n, 13]`
    relative to the person's rest, and which of the frames may be used, `[n]` bool (all if None)."""

    speech: Array
    motion: Array
    usable: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.motion) if self.usable is None else int(self.usable.sum())

    @property
    def frames(self) -> NDArray[np.int64]:
        """Numbers of the usable frames."""
        return np.arange(len(self.motion)) if self.usable is None else np.flatnonzero(self.usable)


class StyleReading(Protocol):
    """Speech features `[T, D]` and a reference -> lip motion `[T, 13]`."""

    def predict(self, speech: Array, reference: StyleReference | None) -> Array: ...


class NetworkReading:
    """The paper's network; with one that reads no reference, or without one, no style is read.

    `articulation` is as for the closed form: each quarter of the reference is predicted from the
    others to see how much less wide the network's lips are than the person's.
    """

    def __init__(
        self,
        network: LipMotionNetwork,
        most: int = PAPER_REFERENCE,
        articulation: float = 0.0,
        opening: Array | None = None,
    ) -> None:
        self._opening = opening
        self._network = network.eval()
        self._most = most
        self._articulation = articulation

    def predict(self, speech: Array, reference: StyleReference | None) -> Array:
        motion = self._predict(speech, reference)
        if not self._articulation or reference is None or len(reference) < LEAST_TO_CHOOSE:
            return motion
        quarters = np.array_split(reference.frames, 4)
        left_out = np.concatenate(
            [self._predict(reference.speech, _without(reference, part))[part] for part in quarters]
        )
        gain = _gain(reference.motion[reference.frames], left_out, self._opening)
        wider = 1 + self._articulation * (gain - 1)
        return widen(motion, left_out.mean(axis=0), wider, self._opening)

    @torch.no_grad()
    def _predict(self, speech: Array, reference: StyleReference | None) -> Array:
        memory = None
        if reference is not None and self._network.sizes.reference != "none":
            kept = choose_sounds(reference, self._most)
            memory = self._network.remember(
                _batch(reference.speech[kept]), _batch(reference.motion[kept])
            )
        motion: Array = self._network(_batch(speech), memory)[0].numpy()
        return motion


def _without(reference: StyleReference, left_out: NDArray[np.int64]) -> StyleReference:
    usable = np.zeros(len(reference.motion), bool)
    usable[np.setdiff1d(reference.frames, left_out)] = True
    return StyleReference(reference.speech, reference.motion, usable)


def choose_sounds(reference: StyleReference, most: int) -> NDArray[np.int64]:
    """Up to `most` usable frames: of a longer reference those that cover most sounds, as whole
    stretches of a quarter second, in their order."""
    frames = reference.frames
    if len(frames) <= most:
        return frames
    pieces = np.array_split(frames, math.ceil(len(frames) / 6))
    means = np.stack([reference.speech[piece].mean(axis=0) for piece in pieces])
    chosen = [int(np.linalg.norm(means - means.mean(axis=0), axis=1).argmin())]
    distance = np.linalg.norm(means - means[chosen[0]], axis=1)
    while sum(len(pieces[i]) for i in chosen) + 6 <= most:
        distance[chosen] = -1.0  # equal sounds lie at distance 0 too, and none may come twice
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(means - means[chosen[-1]], axis=1))
    return np.concatenate([pieces[i] for i in sorted(chosen)])


@dataclass(frozen=True, slots=True)
class Manner:
    """How a person differs from the network: what was `missed` at known sounds, both kinds of
    features in their `scales`; what is missed always, how much wider the lips move around their
    `centre` `[13]`, and the filter of their `timing`, None for as it comes."""

    missed: RidgeFit | AttentionFit
    scales: tuple[float, ...]
    always: Array
    centre: Array
    gain: float
    timing: Array | None


class ClosedFormReading:
    """Kernel ridge regression from sounds to what the network misses of this person. Two frames
    are alike where both the decoder's features and the speech itself are.

    The regression shrinks what it is not sure of, so lips come out less wide than the person's.
    `articulation` 1 lets them open as far as the person does for the same sounds, as frames of the
    reference tell that were left out; 0 leaves the regression as it is. These frames also tell the
    person's timing. The face model tells how far each parameter opens the mouth and moves the
    lips; without it all movement counts, and its timing is not touched. With `attend` what is
    missed is averaged by attention instead of regressed.
    """

    def __init__(
        self,
        network: LipMotionNetwork,
        settings: ClosedFormSettings | None = None,
        articulation: float = 1.0,
        face_model: FaceModel | None = None,
        attend: bool = False,
    ) -> None:
        self._attend = attend
        self._opening = None if face_model is None else face_model.opening()
        self._lips = None if face_model is None else face_model.lip_basis()[..., :2]
        self._network = network.eval()
        self._settings = settings or ClosedFormSettings()
        self._articulation = articulation

    def predict(self, speech: Array, reference: StyleReference | None) -> Array:
        return self.speak(speech, self.read(reference))

    @torch.no_grad()
    def read(self, reference: StyleReference | None) -> Manner | None:
        """What the reference says about the person; None where it is too short to say anything."""
        if reference is None or len(reference) < LEAST_REFERENCE:
            return None
        known, predicted = self._run(reference.speech)
        kept = _spread(reference.frames)
        true, missed = reference.motion[kept], reference.motion[kept] - predicted[kept]
        always = missed.mean(axis=0)
        # Both kinds of features count alike: each is measured in its own median distance.
        scales = tuple(median_distance(part[kept]) for part in known)
        sounds = _side_by_side([part[kept] for part in known], scales)
        fit: RidgeFit | AttentionFit
        if self._attend:
            fit = fit_attention(sounds, missed - always, kept)
        else:
            fit = fit_ridge(sounds, missed - always, self._settings)
        always = np.asarray(always * (len(kept) / (len(kept) + self._settings.rest)), np.float32)
        left_out = predicted[kept] + always + (missed - missed.mean(axis=0) - fit.left_out_errors)
        timing, centre = None, left_out.mean(axis=0)
        if self._lips is not None:
            timing = fit_timing(true, left_out, kept, self._lips)
            left_out = in_time(left_out, centre, timing, kept)
        gain = _gain(true, left_out, self._opening)
        return Manner(fit, scales, always, centre, gain, timing)

    @torch.no_grad()
    def speak(self, speech: Array, manner: Manner | None) -> Array:
        """Lip motion `[T, 13]` of speech features `[T, D]` in a person's manner."""
        asked, motion = self._run(speech)
        if manner is None:
            wider = 1 + self._articulation * (self._settings.width - 1)
            return widen(motion, np.zeros_like(motion[0]), wider, self._opening)
        wanted = _side_by_side(asked, manner.scales)
        parts = np.array_split(wanted, math.ceil(len(wanted) / _ASKED_AT_ONCE))
        style = np.concatenate([manner.missed.at(part) for part in parts])
        motion = motion + style + manner.always
        wider = 1 + self._articulation * (manner.gain - 1)
        wide = widen(motion, manner.centre, wider, self._opening)
        if manner.timing is None or self._opening is None:
            return wide
        timed = in_time(motion, manner.centre, manner.timing)
        timed = widen(timed, manner.centre, wider, self._opening)
        return close_as(timed, wide, self._opening)

    def _run(self, speech: Array) -> tuple[list[Array], Array]:
        """What sounds are compared by, decoder features `[T, d]` and the clip's speech without its
        mean `[T, D]`; and the predicted lip motion `[T, 13]`."""
        features = self._network.features(_batch(speech))
        sounds = (speech - speech.mean(axis=0)) / self._network.speech_std.numpy()
        return [features[0].numpy(), sounds], self._network.head(features)[0].numpy()


def _spread(frames: Indices) -> Indices:
    """Those of a reference that are read: of too many, whole pieces from all over it."""
    if len(frames) <= _MOST_REFERENCE:
        return frames
    pieces = np.array_split(frames, len(frames) // _PIECE)
    chosen = np.linspace(0, len(pieces) - 1, _MOST_REFERENCE // _PIECE).astype(int)
    return np.concatenate([pieces[index] for index in chosen])[:_MOST_REFERENCE]


def _gain(true: Array, left_out: Array, opening: Array | None) -> float:
    """How many times as far the lips open, or move, as predictions `[n, 13]` of left-out frames let
    them: a power of one over the slope of these on the truth, bounded; of a handful of frames
    rather what is usual."""
    x, y = (
        motion if opening is None else (motion @ opening)[:, None] for motion in (true, left_out)
    )
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    slope = float((x * y).sum()) / (float((x * x).sum()) + 1e-12)
    gain = float(np.clip(max(slope, 1e-3) ** -_BELIEVED, _LEAST_GAIN, _MOST_GAIN))
    return _USUAL_GAIN + (gain - _USUAL_GAIN) * len(true) / (len(true) + _GAIN_REST)


def widen(motion: Array, centre: Array, wider: float, opening: Array | None) -> Array:
    """Lip motion `[T, 13]` whose lips open `wider` times as far around those of `centre` `[13]`;
    without `opening`, which moves everything else only as far as that takes, all of it."""
    moved = motion - centre
    if opening is not None:
        moved = np.outer(moved @ opening, opening / (opening @ opening))
    return np.asarray(motion + (wider - 1) * moved, np.float32)


def close_as(motion: Array, sharp: Array, opening: Array) -> Array:
    """Lip motion `[T, 13]` whose lips touch where those of `sharp` do: a filter over time would
    part them."""
    gap, closed = motion @ opening, np.maximum(sharp @ opening, 0.0)
    by = np.where(closed < _CLOSED, np.minimum(closed - gap, 0.0), 0.0)
    return np.asarray(motion + np.outer(by, opening / (opening @ opening)), np.float32)


def _side_by_side(parts: Sequence[Array], scales: Sequence[float]) -> Array:
    return np.concatenate([part / scale for part, scale in zip(parts, scales, strict=True)], axis=1)


def _batch(values: Array) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))[None]
