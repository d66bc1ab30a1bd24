"""The aligned reference: real frames of the person, the nearest mouth for each wanted one, warped
onto the target face.

Chosen frame by frame it would flicker; so a whole path through the reference frames is chosen
(Viterbi): distance of mouth and pose, a price for every jump, none for playing on. At jumps the
two references are cross-faded.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, uniform_filter1d
from scipy.spatial import Delaunay
from scipy.spatial.distance import cdist

from stylesync_engine.faces.face_model import FACE_OVAL, LIPS
from stylesync_engine.mouth.crop import CROP, LOWER

Array = NDArray[np.float32]
Image = NDArray[np.uint8]
Indices = NDArray[np.int64]

MOST_REFERENCES = 192  # crops kept in memory: 36 MiB
FADE = 2  # frames before and after a jump over which references are mixed

_JUMP, _STEP = 1.6, 0.05  # px of mean lip distance that a jump, a step to a neighbour, may cost
_POSE_WEIGHT = 30.0  # px per radian
_OPENING_WEIGHT = 2.0
_INNER_UPPER, _INNER_LOWER = (81, 82, 13, 312, 311), (178, 87, 14, 317, 402)
TOP = LOWER - 32  # px, first row of the crop that a warped reference is needed in
_COLOUR_RIDGE = 60.0  # squared 8-bit code values, the noise of a pixel pair
_TONE_WEIGHT = 0.03  # px per 8-bit code value
_EASE = 1  # frames before and after a mouth that is lacking
_MOST_CLOSED = 3.0  # px that the mesh may see between closed lips
_MISSED, _ALL_MISSED = 0.7, 1.2  # px of opening from which a reference is too closed, wholly so
_ENOUGH, _TOO_LITTLE = 0.5, 0.4  # of the wanted opening that a warp can widen, and cannot
_FOLD = 5  # px that folds of the mesh are not wider than
_RING = 8  # fixed points a side on the crop's border


@dataclass(frozen=True, slots=True)
class ReferenceBank:
    """K frames of one person: `crops` `[K, 256, 256, 3]`, `points` `[K, 468, 2]` crop px,
    `angles` `[K, 3]` rad, `frames` `[K]` numbers of which successive ones follow in time; of
    large faces also `fine` `[K]`, the crops' lower parts at the source's resolution, packed."""

    crops: Image
    points: Array
    angles: Array
    frames: Indices
    fine: tuple[bytes, ...] = ()

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
        chosen = np.flatnonzero(wanted)
        return ReferenceBank(
            self.crops[chosen],
            self.points[chosen],
            self.angles[chosen],
            self.frames[chosen],
            tuple(self.fine[i] for i in chosen),
        )

    def join(self, other: ReferenceBank) -> ReferenceBank:
        """Both banks; the other's frame numbers are moved: they never look like neighbours."""
        moved = other.frames + (self.frames.max(initial=0) + 1000)
        return ReferenceBank(
            np.concatenate([self.crops, other.crops]),
            np.concatenate([self.points, other.points]),
            np.concatenate([self.angles, other.angles]),
            np.concatenate([self.frames, moved]),
            self.fine + other.fine,
        )


def choose_coverage(points: Array, angles: Array, most: int = MOST_REFERENCES) -> Indices:
    """Which of T frames to keep as references: all where they fit, else those that cover most
    mouths and poses (farthest-point order), sorted in time."""
    if len(points) <= most:
        return np.arange(len(points))
    look = _signature(points, angles)
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
    wanted, have = _signature(points, angles), _signature(bank.points, bank.angles)
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


def triangulate(points: Array) -> NDArray[np.int64]:
    """Triangles over landmarks `[468, 2]` and the border's fixed points, once a shot."""
    return np.asarray(Delaunay(_with_ring(points)).simplices, np.int64)


def warp_reference(
    crop: Image, points: Array, wanted: Array, triangles: NDArray[np.int64]
) -> Image:
    """The reference crop `[256, 256, 3]` with its landmarks `points` moved to `wanted`, both
    `[468, 2]`: affine over each triangle. Rows above the middle of the face are left empty."""
    out = np.zeros_like(crop)
    cv2.remap(
        crop,
        *warp_maps(points, wanted, triangles),
        cv2.INTER_CUBIC,
        out[TOP:],
        cv2.BORDER_REPLICATE,
    )
    return out


def warp_maps(points: Array, wanted: Array, triangles: NDArray[np.int64]) -> tuple[Array, Array]:
    """Where in the crop of `points` each px of the rows from `TOP` on comes from when they are
    moved to `wanted`: x and y, each `[256 - TOP, 256]`."""
    source, target = _with_ring(points)[triangles], _with_ring(wanted)[triangles]  # [M, 3, 2]
    edges = np.stack([target[:, 1] - target[:, 0], target[:, 2] - target[:, 0]], axis=2)
    area = edges[:, 0, 0] * edges[:, 1, 1] - edges[:, 0, 1] * edges[:, 1, 0]
    area = np.where(np.abs(area) < 1e-3, 1e-3, area)
    inverse = np.empty_like(edges)
    inverse[:, 0, 0], inverse[:, 1, 1] = edges[:, 1, 1] / area, edges[:, 0, 0] / area
    inverse[:, 0, 1], inverse[:, 1, 0] = -edges[:, 0, 1] / area, -edges[:, 1, 0] / area
    turn = np.stack([source[:, 1] - source[:, 0], source[:, 2] - source[:, 0]], axis=2) @ inverse
    shift = source[:, 0] - np.einsum("mij,mj->mi", turn, target[:, 0])
    owner = _paint_triangles(target)
    y, x = np.mgrid[TOP:CROP, 0:CROP].astype(np.float32)
    a, b = turn[owner], shift[owner]  # [H, W, 2, 2], [H, W, 2]
    map_x = a[..., 0, 0] * x + a[..., 0, 1] * y + b[..., 0]
    map_y = a[..., 1, 0] * x + a[..., 1, 1] * y + b[..., 1]
    # Where a face turns away the mesh folds, and single px of slivers would come from anywhere.
    return tuple(cv2.medianBlur(m.astype(np.float32), _FOLD) for m in (map_x, map_y))


def match_colour(reference: Image, target: Image, points: Array) -> Image:
    """Move a warped reference's colours so that cheeks and nose above the mouth look as in the
    target crop: one affine change of RGB, by ridge regression over the pixels that both show.

    `points` `[468, 2]` are the target's landmarks.
    """
    skin = np.zeros((CROP, CROP), np.uint8)
    cv2.fillConvexPoly(skin, np.round(points[list(FACE_OVAL)]).astype(np.int32), 1)
    inside = skin[TOP + 4 : LOWER].astype(bool)
    if inside.sum() < 200:
        return reference
    have = reference[TOP + 4 : LOWER][inside][::2].astype(np.float32)
    want = target[TOP + 4 : LOWER][inside][::2].astype(np.float32)
    change = _colour_change(have, want)
    rows = reference[TOP:].reshape(-1, 3).astype(np.float32)
    out = reference.copy()
    out[TOP:] = np.clip(rows @ change[:3] + change[3], 0, 255).round().reshape(-1, CROP, 3)
    return out


def _colour_change(have: Array, want: Array) -> Array:
    """`[4, 3]` with `want ~ have @ change[:3] + change[3]`: gains a channel first, what the pixels
    say beyond them as far as they are sure."""
    mean_have, mean_want = have.mean(axis=0), want.mean(axis=0)
    gain = np.diag(np.clip((mean_want + 4) / (mean_have + 4), 0.6, 1.6))
    centred = have - mean_have
    missed = want - mean_want - centred @ gain
    gram = centred.T @ centred + _COLOUR_RIDGE * len(have) * np.eye(3)
    turn = gain + np.linalg.solve(gram, centred.T @ missed)
    return np.asarray(np.concatenate([turn, (mean_want - mean_have @ turn)[None]]), np.float32)


def _signature(points: Array, angles: Array) -> Array:
    """What makes two frames alike, scaled so that Euclid's distance is px of mean lip distance.

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


def _with_ring(points: Array) -> Array:
    along = np.linspace(-1, CROP, _RING, endpoint=False, dtype=np.float32)
    low, high = np.full(_RING, -1, np.float32), np.full(_RING, CROP, np.float32)
    step = along + (CROP + 1) / _RING
    ring = np.concatenate(
        [
            np.stack(pair, axis=1)
            for pair in ((along, low), (high, along), (step, high), (low, step))
        ]
    )
    return np.concatenate([points, ring]).astype(np.float32)


def _paint_triangles(target: Array) -> NDArray[np.int32]:
    """Which triangle each px of the rows from `TOP` on lies in, `[H, W]`."""
    owner = np.zeros((CROP - TOP, CROP), np.int32)
    corners = target - np.array([0, TOP], np.float32)
    fixed = np.round(corners * 16).astype(np.int32)
    for index in np.flatnonzero(corners[:, :, 1].max(axis=1) >= -1):
        cv2.fillConvexPoly(owner, fixed[index], int(index), cv2.LINE_8, 4)
    return owner
