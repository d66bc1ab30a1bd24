"""The aligned reference: real frames of the person, the nearest mouth for each wanted one, warped
onto the target face.

Chosen frame by frame it would flicker; so a whole path through the reference frames is chosen
(Viterbi): distance of mouth and pose, a price for every jump, none for playing on. At jumps the
two references are cross-faded.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, uniform_filter1d
from scipy.spatial.distance import cdist

from stylesync_engine.arrays import Array, Image, Indices
from stylesync_engine.faces.face_model import LIPS
from stylesync_engine.mouth.crop import LOWER
from stylesync_engine.mouth.texture import Patch
from stylesync_engine.mouth.warping import TOP

MOST_REFERENCES = 192  # crops kept in memory: 36 MiB
FADE = 2  # frames before and after a jump over which references are mixed

_APART = 1000  # numbers between frames of two clips
_JUMP, _STEP = 1.6, 0.05  # px of mean lip distance that a jump, a step to a neighbour, may cost
_POSE_WEIGHT = 30.0  # px per radian
_OPENING_WEIGHT = 2.0
_INNER_UPPER, _INNER_LOWER = (81, 82, 13, 312, 311), (178, 87, 14, 317, 402)
_TONE_WEIGHT = 0.03  # px per 8-bit code value
_EASE = 1  # frames before and after a mouth that is lacking
_MOST_CLOSED = 3.0  # px that the mesh may see between closed lips
_MISSED, _ALL_MISSED = 0.7, 1.2  # px of opening from which a reference is too closed, wholly so
_ENOUGH, _TOO_LITTLE = 0.5, 0.4  # of the wanted opening that a warp can widen, and cannot


@dataclass(frozen=True, slots=True)
class ReferenceBank:
    """K frames of one person: `crops` `[K, 256, 256, 3]`, `points` `[K, 468, 2]` crop px,
    `angles` `[K, 3]` rad, `frames` `[K]` numbers of which successive ones follow in time;
    `patches` are the same faces in their picture's own pixels, K of them or none."""

    crops: Image
    points: Array
    angles: Array
    frames: Indices
    patches: tuple[Patch, ...] = ()

    @property
    def clips(self) -> Indices:
        """Which clip, or which part far from others, each frame is of, `[K]`."""
        return np.cumsum(np.diff(self.frames, prepend=self.frames[:1]) >= _APART)

    @property
    def tone(self) -> Array:
        """Mean colour between eyes and mouth, `[K, 3]`: other light makes a worse reference."""
        return skin_tone(self.crops)

    def __len__(self) -> int:
        return len(self.frames)

    def part(self, wanted: NDArray[np.bool_]) -> ReferenceBank:
        """The frames that are wanted `[K]`; all of them where none is, for there must be some."""
        if wanted.all() or not wanted.any():
            return self
        return self.only(np.flatnonzero(wanted))

    def only(self, used: Indices) -> ReferenceBank:
        """The frames of these numbers."""
        return ReferenceBank(
            self.crops[used],
            self.points[used],
            self.angles[used],
            self.frames[used],
            tuple(self.patches[i] for i in used if self.patches),
        )

    def join(self, other: ReferenceBank) -> ReferenceBank:
        """Both banks; the other's frame numbers are moved: they never look like neighbours."""
        moved = other.frames + (self.frames.max(initial=0) + _APART)
        return ReferenceBank(
            np.concatenate([self.crops, other.crops]),
            np.concatenate([self.points, other.points]),
            np.concatenate([self.angles, other.angles]),
            np.concatenate([self.frames, moved]),
            self.patches + other.patches,
        )


def choose_coverage(points: Array, angles: Array, most: int = MOST_REFERENCES) -> Indices:
    """Which of T frames to keep as references: all where they fit, else those that cover most
    mouths and poses (farthest-point order), sorted in time."""
    if len(points) <= most:
        return np.arange(len(points))
    look = signature(points, angles)
    chosen = [int(np.linalg.norm(look - look.mean(axis=0), axis=1).argmin())]
    distance = np.linalg.norm(look - look[chosen[0]], axis=1)
    while len(chosen) < most:
        distance[chosen] = -1.0  # equal frames lie at distance 0 too, and none may come twice
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(look - look[chosen[-1]], axis=1))
    return np.sort(np.array(chosen))


def choose_path(
    bank: ReferenceBank,
    points: Array,
    angles: Array,
    allowed: NDArray[np.bool_] | None = None,
    tone: Array | None = None,
) -> Indices:
    """For wanted landmarks `[T, 468, 2]` and angles `[T, 3]` the reference of each frame, `[T]`.

    `allowed` `[T, K]` forbids pairs, such as a frame being its own reference; `tone` `[3]` is the
    shot's own colour, which references should share.
    """
    cost = reference_cost(bank, points, angles)
    if tone is not None:
        cost = cost + _TONE_WEIGHT * np.abs(bank.tone - tone).mean(axis=1)
    if allowed is not None:
        cost = np.where(allowed, cost, 1e6)
    neighbours = [np.flatnonzero(np.diff(bank.frames) == 1)]
    best = cost[0]
    came = np.zeros(cost.shape, np.int64)
    own = np.arange(len(bank))
    for t in range(1, len(cost)):
        jump_from = int(best.argmin())
        options = np.full((4, len(bank)), np.inf)
        options[0] = best[jump_from] + _JUMP
        options[1] = best + _STEP
        left = neighbours[0]
        options[2, left + 1] = best[left]
        options[3, left] = best[left + 1] + _STEP
        choice = options.argmin(axis=0)
        came[t] = np.choose(choice, [jump_from, own, own - 1, own + 1])
        best = options[choice, own] + cost[t]
    path = np.empty(len(cost), np.int64)
    path[-1] = int(best.argmin())
    for t in range(len(cost) - 1, 0, -1):
        path[t - 1] = came[t, path[t]]
    return path


def reference_cost(bank: ReferenceBank, points: Array, angles: Array) -> Array:
    """How unlike each reference is, `[T, K]` in px of mean lip distance."""
    wanted, have = signature(points, angles), signature(bank.points, bank.angles)
    return np.asarray(cdist(wanted, have), np.float32)


def mixing_weights(path: Indices, bank: ReferenceBank) -> list[list[tuple[int, float]]]:
    """For each frame its references and their weights: one, or two around a jump.

    Where two jumps are near each other, each has the frames up to the middle between them.
    """
    weights: list[list[tuple[int, float]]] = [[(int(index), 1.0)] for index in path]
    jumps = np.flatnonzero(np.abs(np.diff(bank.frames[path])) > 2) + 1
    middles = (jumps[:-1] + jumps[1:]) // 2
    firsts = np.maximum(jumps - FADE, [0, *middles][: len(jumps)])
    ends = np.minimum(jumps + FADE, [*middles, len(path)][: len(jumps)])
    for jump, first, end in zip(jumps, firsts, ends, strict=True):
        for t in range(first, end):
            own, other = (path[t], path[jump] if t < jump else path[jump - 1])
            new = (t - first + 0.5) / (end - first)
            share = new if t < jump else 1 - new
            if other != own:
                weights[t] = [(int(own), 1 - share), (int(other), share)]
    return weights


def skin_tone(crops: Image) -> Array:
    """Mean colour of crops `[K, 256, 256, 3]` in a field between eyes and mouth, `[K, 3]`."""
    return np.asarray(crops[:, TOP:LOWER, 96:160].mean(axis=(1, 2), dtype=np.float32), np.float32)


def signature(points: Array, angles: Array) -> Array:
    """What makes two frames alike, `[T, D]`, scaled so that Euclid's distance is px of mean lip
    distance.

    The opening counts on its own: a warp moves lips, but it cannot show teeth that are not there.
    """
    lips = points[:, list(LIPS)]
    shape = (lips - lips.mean(axis=1, keepdims=True)).reshape(len(points), -1) / np.sqrt(len(LIPS))
    opening = lip_openings(points) / np.sqrt(len(_INNER_LOWER))
    turn = angles * _POSE_WEIGHT / np.sqrt(3)
    return np.concatenate([shape, _OPENING_WEIGHT * opening, turn], axis=1).astype(np.float32)


def lip_openings(points: Array) -> Array:
    """Px between the inner lips at five places across the mouth, `[T, 5]`, of landmarks
    `[T, 468, 2]`."""
    below, above = points[:, list(_INNER_LOWER), 1], points[:, list(_INNER_UPPER), 1]
    return np.asarray(below - above, np.float32)


def lacking_mouths(wanted: Array, shown: Array, bank: ReferenceBank) -> Array:
    """How much of each mouth the references lack, `[T]` 0..1, of the openings `[T]` px that are
    wanted and those that the chosen references show.

    A warp opens a mouth that is open; of a closed one it only makes thick lips. Closed is what the
    person's least open mouths are, for the mesh keeps some lips apart. Frames beside lacking ones
    count in part, so that nothing jumps.
    """
    rest = min(float(np.quantile(lip_openings(bank.points).mean(axis=1), 0.02)), _MOST_CLOSED)
    missed = np.clip((wanted - shown - _MISSED) / (_ALL_MISSED - _MISSED), 0, 1)
    open_part = (shown - rest) / np.maximum(wanted - rest, 1e-3)
    lacking = missed * np.clip((_ENOUGH - open_part) / (_ENOUGH - _TOO_LITTLE), 0, 1)
    reach = 2 * _EASE + 1
    widest = maximum_filter1d(lacking, reach, mode="nearest")
    return np.asarray(uniform_filter1d(widest, reach, mode="nearest"), np.float32)
