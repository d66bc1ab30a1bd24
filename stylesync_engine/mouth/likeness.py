"""What a person's lower face looks like with given lips: fitted to frames of that person.

The reference that is warped onto a frame is one picture, with whatever was peculiar to it: a gleam,
teeth behind lips of another word, a cheek in other light. What all frames say together is surer.
Each is warped to one place, the textures' main components are found (as in active appearance
models: Cootes, Edwards and Taylor 2001), and their shares are read from lips and pose by kernel
ridge regression. A rendering is then corrected by how far its reference lies from what is expected;
whatever lies outside of the components, its fine texture, stays.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from stylesync_engine.arrays import Array, Image, Indices
from stylesync_engine.mouth.crop import LOWER
from stylesync_engine.mouth.jaw import contour_matte
from stylesync_engine.mouth.references import ReferenceBank, reference_cost, signature
from stylesync_engine.mouth.warping import (
    TOP,
    match_colour,
    triangulate,
    warp_maps,
    warp_reference,
)

KEPT = 0.7  # of a correction: lips that are predicted are less sure than those that were seen

_COMPONENTS = 64
_WIDTH = 1.4  # of the kernel, in deviations of lips and pose
_RIDGE = 0.3  # variance of what lips and pose do not tell, of that which they do
_ROUNDS = 3  # in which what clips differ by and what lips tell are found by turns
_TELLING = 48  # frames of a clip that tell its light
_BLOCKS = 8  # parts in time, each of which is left out once
_GAIN = 0.1  # dB that a fit must be better by


@dataclass(frozen=True, slots=True)
class Likeness:
    """A fit to K frames: `place` `[468, 2]` landmarks in crop px that textures lie at, `corner`
    `[2]` first row and column, in the lower half, of `components` `[C, h, w, 3]`, whose mean is
    `mean` `[h, w, 3]`; `looks` `[K, D]` and `weights` `[K, C]` of the kernel of this `width` `[1]`;
    `skin` `[32, 256, 3]`, rows above the lower half, in whose colours all are compared."""

    place: Array
    corner: Indices
    mean: Array
    components: NDArray[np.float16]
    looks: Array
    weights: Array
    width: Array
    skin: Image

    def expected(self, points: Array, angles: Array) -> Array:
        """Shares of the components `[T, C]` for landmarks `[T, 468, 2]` and angles `[T, 3]`."""
        return _kernel(signature(points, angles), self.looks, float(self.width[0])) @ self.weights

    def shares_of(self, bank: ReferenceBank) -> Array:
        """Shares of the components `[K, C]` in the textures of a bank."""
        flat = self.components.reshape(len(self.components), -1).astype(np.float32)
        rows, columns = (
            slice(first, first + size)
            for first, size in zip(self.corner, self.mean.shape[:2], strict=True)
        )
        matte = _matte(self.place)[rows, columns]
        textures = _textures(bank, self.place, (rows, columns), self.skin)
        shown = ((textures - self.mean) * matte).reshape(len(textures), -1)
        return np.asarray(shown @ flat.T, np.float32)

    def correct(
        self,
        bank: ReferenceBank,
        wanted: tuple[Array, Array],
        mixed: tuple[Indices, Array],
    ) -> Correction:
        """How references should be corrected in T frames of `wanted` landmarks and angles.

        `mixed` are numbers of the bank `[T, 2]` and their shares `[T, 2]`. What the frames of one
        clip have in common, such as its light, is no error.
        """
        numbers, shares = mixed
        some = np.union1d(numbers, _spread(bank.clips))
        clips, bank = bank.clips[some], bank.only(some)
        numbers = np.searchsorted(some, numbers)
        have, told = self.shares_of(bank), self.expected(bank.points, bank.angles)
        own = have - told - _offsets(have - told, clips)
        expected = self.expected(*wanted)
        seen = told[numbers] + own[numbers]  # [T, 2, C]
        changes = (shares[..., None] * (expected[:, None] - seen)).sum(axis=1)
        changes = (KEPT * changes).astype(np.float32)
        return Correction(self.place, self.corner, self.components, changes)


@dataclass(frozen=True, slots=True)
class Correction:
    """What is added to T frames' aligned references: `changes` `[T, C]` shares of a likeness'
    components; the rest as in `Likeness`."""

    place: Array
    corner: Indices
    components: NDArray[np.float16]
    changes: Array

    def lower_half(self, position: int, after: Array) -> Array:
        """`[128, 256, 3]` of the frame at this position with landmarks `after` `[468, 2]`, in
        colours 0..1."""
        _, height, width, _ = self.components.shape
        flat = self.components.reshape(len(self.components), -1).astype(np.float32)
        maps = warp_maps(self.place, after, triangulate(self.place))
        x, y = (m[LOWER - TOP :] for m in maps)
        return np.asarray(
            cv2.remap(
                (self.changes[position] @ flat).reshape(height, width, 3),
                x - np.float32(self.corner[1]),
                y - np.float32(self.corner[0] + LOWER),
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_CONSTANT,
            ),
            np.float32,
        )


def fit_likeness(bank: ReferenceBank) -> tuple[Likeness, tuple[float, float]]:
    """A fit to a bank of some frames; beside it how well frames that were left out are shown by
    their nearest reference, and by that with its correction, dB."""
    looks = signature(bank.points, bank.angles)
    middle = int(np.linalg.norm(looks - looks.mean(axis=0), axis=1).argmin())
    place = bank.points[middle]
    matte = _matte(place)
    rows, columns = (
        slice(int(found[0]), int(found[-1]) + 1)
        for found in (np.flatnonzero(matte.any(axis=(axis, 2))) for axis in (1, 0))
    )
    matte = matte[rows, columns]
    skin = bank.crops[middle][TOP:LOWER]
    textures = _textures(bank, place, (rows, columns), skin)
    mean = textures.mean(axis=0)
    flat = ((textures - mean) * matte).reshape(len(bank), -1)
    alike = flat @ flat.T
    width = _WIDTH * float(np.sqrt(np.square(looks - looks.mean(axis=0)).sum(axis=1).mean()))
    kernel = _kernel(looks, looks, max(width, 1e-3))
    components, shares = _main_components(flat, alike)
    likeness = Likeness(
        place,
        np.array([rows.start, columns.start]),
        mean,
        components.reshape(-1, *mean.shape).astype(np.float16),
        looks,
        _weights(kernel, shares, bank.clips),
        np.array([max(width, 1e-3)], np.float32),
        skin,
    )
    return likeness, _checked(bank, kernel, alike, float(matte.sum() * 3))


def is_better(check: tuple[float, float]) -> bool:
    """Whether a fit shows frames that were left out better than their references do."""
    return check[1] > check[0] + _GAIN


def _textures(bank: ReferenceBank, place: Array, box: tuple[slice, slice], skin: Image) -> Array:
    """The bank's faces, all of them at `place` and in the colours of this `skin`, in a box of the
    lower half, `[K, h, w, 3]` 0..1."""
    triangles = triangulate(place)
    target = np.zeros_like(bank.crops[0])
    target[TOP:LOWER] = skin
    height, width = (side.stop - side.start for side in box)
    textures = np.empty((len(bank), height, width, 3), np.float32)
    for i, (crop, points) in enumerate(zip(bank.crops, bank.points, strict=True)):
        warped = warp_reference(crop, warp_maps(points, place, triangles))
        textures[i] = match_colour(warped, target, place)[LOWER:][box] / np.float32(255)
    return textures


def _matte(place: Array) -> Array:
    """Where textures count, `[128, 256, 1]`."""
    return contour_matte(place, place)[LOWER:, :, None]


def _main_components(flat: Array, alike: Array) -> tuple[Array, Array]:
    """Orthonormal components `[C, P]` of textures `[K, P]` without their mean and their shares
    `[K, C]`, of the inner products `[K, K]`."""
    values, vectors = np.linalg.eigh(alike.astype(np.float64))
    kept = min(_COMPONENTS, max(1, len(flat) - 1))
    values, vectors = np.maximum(values[: -kept - 1 : -1], 1e-9), vectors[:, : -kept - 1 : -1]
    sizes = np.sqrt(values)
    return ((vectors / sizes).T.astype(np.float32) @ flat), (vectors * sizes).astype(np.float32)


def _weights(kernel: Array, shares: Array, clips: Indices) -> Array:
    """Of kernel ridge regression, beside an offset for each clip (backfitting), `[K, C]`."""
    offsets = np.zeros_like(shares)
    solve = np.linalg.inv(kernel + _RIDGE * np.eye(len(kernel), dtype=np.float32))
    weights = np.zeros_like(shares)
    for _ in range(_ROUNDS):
        weights = solve @ (shares - offsets)
        offsets = _offsets(shares - kernel @ weights, clips)
    return np.asarray(weights, np.float32)


def _spread(clips: Indices) -> Indices:
    """Frames enough to tell what those of each clip `[K]` have in common."""
    parts = (np.flatnonzero(clips == clip) for clip in np.unique(clips))
    picked = (p[np.linspace(0, len(p) - 1, min(len(p), _TELLING)).astype(int)] for p in parts)
    return np.concatenate(list(picked))


def _offsets(left: Array, clips: Indices) -> Array:
    """The mean of `left` `[K, C]` over the frames of the same clip, for each frame."""
    same = (clips[:, None] == clips).astype(np.float32)
    return np.asarray(same @ left / same.sum(axis=1, keepdims=True), np.float32)


def _checked(bank: ReferenceBank, kernel: Array, alike: Array, size: float) -> tuple[float, float]:
    """How well frames are shown whose surroundings were left out, by the nearest reference and
    with its correction, dB. Everything is a mixture of the bank's textures, so that their inner
    products are enough."""
    cost = reference_cost(bank, bank.points, bank.angles)
    identity = np.eye(len(bank), dtype=np.float32)
    before, after = np.zeros((2, len(bank)))
    for part in np.array_split(np.arange(len(bank)), min(_BLOCKS, len(bank))):
        rest = np.setdiff1d(np.arange(len(bank)), part)
        if not len(rest):
            continue
        nearest = rest[cost[np.ix_(part, rest)].argmin(axis=1)]
        solve = _weights(kernel[np.ix_(rest, rest)], identity[rest], bank.clips[rest])
        told = kernel[:, rest] @ solve  # [K, K], what each frame is expected to be made of
        offsets = _offsets(identity[rest] - told[rest], bank.clips[rest])
        own = np.zeros_like(identity)
        own[rest] = offsets
        change = told[part] - (identity[nearest] - own[nearest])
        for errors, mixture in (
            (before, identity[nearest]),
            (after, identity[nearest] + KEPT * change),
        ):
            left = identity[part] - mixture
            errors[part] = np.einsum("ti,ij,tj->t", left, alike, left)
    return _decibels(before / size), _decibels(after / size)


def _decibels(squares: NDArray[np.float64]) -> float:
    return float(-10 * np.log10(max(float(squares.mean()), 1e-9)))


def _kernel(a: Array, b: Array, width: float) -> Array:
    """`[A, B]`, 1 where two looks are the same."""
    squares = np.square(a).sum(axis=1)[:, None] + np.square(b).sum(axis=1) - 2 * a @ b.T
    return np.asarray(np.exp(np.minimum(-squares, 0) / (2 * width**2)), np.float32)
