"""Reading a style reference: the paper's network, or in closed form on top of a network without
reference. Both answer one question: which lip motion for this speech, in this person's way?

The closed form is Eq. 2 with the values made explicit, the person's deviations from what the
network predicts, and the softmax replaced by a regularised solve (kernel ridge regression).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.spatial.distance import cdist, pdist

from stylesync_engine.arrays import Array
from stylesync_engine.models.lip_motion import LipMotionNetwork

PAPER_REFERENCE = 256  # n of the paper: 10 s
LEAST_REFERENCE = 8  # frames at 25 Hz below which nothing can be read
_MOST_REFERENCE = 750  # frames, half a minute: time and memory of the solve grow with the square
_ASKED_AT_ONCE = 256  # frames, so that a long shot takes no more memory than a short one


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
    """The paper's network; with one that reads no reference, or without one, no style is read."""

    def __init__(self, network: LipMotionNetwork, most: int = PAPER_REFERENCE) -> None:
        self._network = network.eval()
        self._most = most

    @torch.no_grad()
    def predict(self, speech: Array, reference: StyleReference | None) -> Array:
        memory = None
        if reference is not None and self._network.sizes.reference != "none":
            kept = choose_sounds(reference, self._most)
            memory = self._network.remember(
                _batch(reference.speech[kept]), _batch(reference.motion[kept])
            )
        motion: Array = self._network(_batch(speech), memory)[0].numpy()
        return motion


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
class ClosedFormSettings:
    """`bandwidth` of the Gaussian kernel over the median distance of reference frames, `ridge` on
    its diagonal, and `rest`: of n frames the share n / (n + rest) of what is missed on average is
    believed, since a clip's rest is only known roughly. Chosen by leaving training speakers out."""

    bandwidth: float = 0.6
    ridge: float = 1.0
    rest: float = 50.0


class ClosedFormReading:
    """Kernel ridge regression from sounds to what the network misses of this person. Two frames
    are alike where both the decoder's features and the speech itself are."""

    def __init__(
        self, network: LipMotionNetwork, settings: ClosedFormSettings | None = None
    ) -> None:
        self._network = network.eval()
        self._settings = settings or ClosedFormSettings()

    @torch.no_grad()
    def predict(self, speech: Array, reference: StyleReference | None) -> Array:
        asked, motion = self._run(speech)
        if reference is None or len(reference) < LEAST_REFERENCE:
            return motion
        known, predicted = self._run(reference.speech)
        kept = reference.frames
        if len(kept) > _MOST_REFERENCE:
            kept = kept[np.linspace(0, len(kept) - 1, _MOST_REFERENCE).astype(int)]
        missed = reference.motion[kept] - predicted[kept]
        always = missed.mean(axis=0)
        # Both kinds of features count alike: each is measured in its own median distance.
        known = [part[kept] for part in known]
        scales = [_median_distance(part) for part in known]
        sounds, wanted = (
            np.concatenate(
                [part / scale for part, scale in zip(parts, scales, strict=True)], axis=1
            )
            for parts in (known, asked)
        )
        style = ridge_regression(sounds, missed - always, wanted, self._settings)
        believed = always * (len(kept) / (len(kept) + self._settings.rest))
        return np.asarray(motion + style + believed, np.float32)

    def _run(self, speech: Array) -> tuple[list[Array], Array]:
        """What sounds are compared by, decoder features `[T, d]` and the clip's speech without its
        mean `[T, D]`; and the predicted lip motion `[T, 13]`."""
        features = self._network.features(_batch(speech))
        sounds = (speech - speech.mean(axis=0)) / self._network.speech_std.numpy()
        return [features[0].numpy(), sounds], self._network.head(features)[0].numpy()


def _median_distance(known: Array) -> float:
    return float(np.median(pdist(known[:: max(1, len(known) // 300)]))) + 1e-6


def ridge_regression(
    known: Array, values: Array, asked: Array, settings: ClosedFormSettings
) -> Array:
    """Gaussian kernel ridge: values `[n, 13]` at features `[n, d]` -> `[T, 13]` at `[T, d]`."""
    width = settings.bandwidth * _median_distance(known)
    gram = _gaussian(known, known, width)
    gram[np.diag_indices_from(gram)] += settings.ridge
    weights = cho_solve(cho_factor(gram, lower=True, overwrite_a=True), values.astype(np.float64))
    parts = np.array_split(asked, math.ceil(len(asked) / _ASKED_AT_ONCE))
    answers = [_gaussian(part, known, width) @ weights for part in parts]
    return np.concatenate(answers).astype(np.float32)


def _gaussian(some: Array, others: Array, width: float) -> NDArray[np.float64]:
    distances = np.asarray(cdist(some, others, "sqeuclidean"))
    distances /= -2 * width**2
    return np.exp(distances, out=distances)


def _batch(values: Array) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))[None]
