"""The face model of Eq. 1, `S = mean + alpha B_id + beta B_exp`, and its fit to tracked landmarks.

Coordinates of a shape: x to the right, y down, z away from the camera, in units of the outer eye
distance of the mean face; the origin lies between the eyes. The first `MOUTH` expression
parameters move the mouth and jaw and nothing else: they are the lip motion of the paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from scipy.ndimage import gaussian_filter1d

from stylesync_engine.arrays import Array
from stylesync_engine.faces.tracking import LIP_BOTTOM, LIP_TOP, lip_gap, stretches
from stylesync_engine.request import ModelError, NoFaceError

MOUTH = 13
LIPS = (
    *(61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185),
    *(78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191),
)
OUTER_LIPS, INNER_LIPS = LIPS[:20], LIPS[20:]
FACE_OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
JAW = FACE_OVAL[7:30]  # ear to ear over the chin
RIGID = (
    *(33, 133, 263, 362, 168, 6, 197, 195, 5, 4, 1, 2, 98, 327, 129, 358, 9, 8, 10, 151),
    *(127, 356, 234, 454, 54, 284, 103, 332, 67, 297, 109, 338),
)

_REST_SHARE = 0.3  # share of frames, those with the smallest lip gap, that show the person's rest
_POSE_SMOOTHING = 1.2  # frames


@dataclass(frozen=True, slots=True)
class Pose:
    """Scaled orthographic cameras of T frames: `px = scale * (S @ rotation.T) + shift`.

    `scale` `[T]` px per unit, `rotation` `[T, 3, 3]`, `shift` `[T, 3]` px. NaN where not seen.
    """

    scale: Array
    rotation: Array
    shift: Array

    def place(self, shape: Array) -> Array:
        """Shapes `[T or 1, N, 3]` in units -> landmarks `[T, N, 3]` px."""
        turned = shape @ self.rotation.transpose(0, 2, 1)
        return np.asarray(self.scale[:, None, None] * turned + self.shift[:, None], np.float32)

    def unplace(self, landmarks: Array) -> Array:
        """Landmarks `[T, N, 3]` px -> shapes `[T, N, 3]` in units."""
        centred = (landmarks - self.shift[:, None]) / self.scale[:, None, None]
        return np.asarray(centred @ self.rotation, np.float32)

    def angles(self) -> Array:
        """gamma, `[T, 3]`: pitch, yaw, roll in radians (`R = Rz Ry Rx`)."""
        r = self.rotation
        yaw = np.arcsin(np.clip(-r[:, 2, 0], -1, 1))
        pitch = np.arctan2(r[:, 2, 1], r[:, 2, 2])
        roll = np.arctan2(r[:, 1, 0], r[:, 0, 0])
        return np.stack([pitch, yaw, roll], axis=1).astype(np.float32)

    def __getitem__(self, frames: slice | NDArray[np.intp] | NDArray[np.bool_]) -> Pose:
        return Pose(self.scale[frames], self.rotation[frames], self.shift[frames])


@dataclass(frozen=True, slots=True)
class ShotFit:
    """One person's fit over a shot of T frames.

    `alpha` `[A]` identity and `neutral` `[N, 3]` (Eq. 1's first two terms plus what they leave
    over: the person's own rest) are shared; `beta` `[T, E]` is relative to that rest; NaN where
    the person is not seen.
    """

    pose: Pose
    alpha: Array
    neutral: Array
    beta: Array

    @property
    def lip_motion(self) -> Array:
        """The mouth parameters `[T, 13]`, relative to the person's rest."""
        return self.beta[:, :MOUTH]


@dataclass(frozen=True, slots=True)
class FaceModel:
    """Eq. 1's bases. `mean` `[N, 3]`, `identity` `[A, N, 3]`, `expression` `[E, N, 3]` (mouth
    first), all per unit-variance parameter; `support` `[N]` 0..1 is how far a vertex belongs to
    mouth and jaw; `triangles` `[M, 3]` mesh the front view of the mean."""

    mean: Array
    identity: Array
    expression: Array
    support: Array
    triangles: NDArray[np.int32]

    def shape(self, alpha: Array, beta: Array) -> Array:
        """Eq. 1: `[A]`, `[T, E]` -> `[T, N, 3]`."""
        bound = np.tensordot(alpha, self.identity, axes=(-1, 0))
        return np.asarray(
            self.mean + bound + np.tensordot(beta, self.expression, axes=(-1, 0)), np.float32
        )

    def move_mouth(self, motion: Array) -> Array:
        """What mouth parameters `[T, 13]` add to a shape: `[T, N, 3]` units."""
        return np.asarray(np.tensordot(motion, self.expression[:MOUTH], axes=(-1, 0)), np.float32)

    def speak(self, neutral: Array, beta: Array, motion: Array) -> Array:
        """Shapes `[T, N, 3]` of a person who makes the mouth `motion` `[T, 13]`.

        The lips come from the 13 parameters and the rest pose alone: of the other components of
        `beta` `[T, E]` only what lies outside of mouth and jaw is kept, so that nothing of the old
        mouth stays.
        """
        others = np.tensordot(beta[:, MOUTH:], self.expression[MOUTH:], axes=(-1, 0))
        shape = neutral + self.move_mouth(motion) + (1 - self.support[:, None]) * others
        return np.asarray(shape, np.float32)

    def lip_basis(self) -> Array:
        """The rows of Eq. 1 for the lips, `[13, 40, 3]`, in face heights (about 1.9 eye
        distances)."""
        height = float(np.ptp(self.mean[:, 1]))
        return np.asarray(self.expression[:MOUTH][:, list(LIPS)] / height, np.float32)

    def opening(self) -> Array:
        """How far each mouth parameter opens the inner lips, `[13]`, in face heights."""
        rows = self.lip_basis()[:, [LIPS.index(LIP_BOTTOM), LIPS.index(LIP_TOP)], 1]
        return np.asarray(rows[:, 0] - rows[:, 1], np.float32)

    def keep_apart(self, neutral: Array, motion: Array) -> Array:
        """Mouth parameters `[T, 13]` whose inner lips meet where those of `motion` on a person's
        rest `[N, 3]` would pass through each other."""
        return self._opened(motion, -np.minimum(self._gap(neutral, motion), 0.0))

    def close(self, neutral: Array, motion: Array, share: Array) -> Array:
        """Mouth parameters `[T, 13]` whose inner lips are nearer to each other by a `share` `[T]`
        of what keeps those of `motion` apart; at 1 they meet."""
        return self._opened(motion, -share * np.maximum(self._gap(neutral, motion), 0.0))

    def unopened(self, motion: Array) -> Array:
        """Mouth parameters `[T, 13]` without what moves the inner lips apart."""
        return self._opened(motion, -(motion @ self.opening()))

    def _gap(self, neutral: Array, motion: Array) -> Array:
        """Between the inner lips, `[T]`, in face heights; negative where they cross."""
        height = float(np.ptp(self.mean[:, 1]))
        rest = float(neutral[LIP_BOTTOM, 1] - neutral[LIP_TOP, 1]) / height
        return np.asarray(motion @ self.opening() + max(rest, 0.0), np.float32)

    def _opened(self, motion: Array, by: Array) -> Array:
        """Mouth parameters whose inner lips are farther apart by `[T]` face heights."""
        rows = self.opening()
        return np.asarray(motion + by[:, None] * rows / float(rows @ rows), np.float32)

    def fit(self, landmarks: Array, cuts: Sequence[int] = ()) -> ShotFit:
        """Fit a shot's landmarks `[T, N, 3]` px (NaN where the face is not seen). The camera is
        smoothed between `cuts`, the first frames after a cut.

        Raises NoFaceError where no frame shows the face.
        """
        seen: NDArray[np.bool_] = np.asarray(np.isfinite(landmarks).all(axis=(1, 2)))
        if not seen.any():
            raise NoFaceError(
                "The face is seen in no frame of the range; choose a range that shows it."
            )
        visible = landmarks[seen]
        pose = self._pose(visible, self.mean[None])
        for _ in range(2):
            unposed = pose.unplace(visible)
            neutral = rest_shape(unposed, visible)
            beta = self.expression_of(unposed - neutral)
            pose = self._pose(
                visible,
                neutral + np.tensordot(beta, self.expression, axes=(-1, 0)).astype(np.float32),
            )
        pose = _smooth_pose(_scatter_pose(pose, seen), seen, cuts)
        unposed = pose[seen].unplace(visible)
        neutral = rest_shape(unposed, visible)
        beta = np.full((len(landmarks), len(self.expression)), np.nan, np.float32)
        beta[seen] = self.expression_of(unposed - neutral)
        return ShotFit(pose, self.identity_of(neutral), neutral, beta)

    def identity_of(self, neutral: Array) -> Array:
        """alpha `[A]` of a neutral shape `[N, 3]` by ridge regression."""
        basis = self.identity.reshape(len(self.identity), -1)
        alpha: Array = _ridge(basis, (neutral - self.mean).reshape(1, -1), 0.02)[0]
        return alpha

    def expression_of(self, change: Array) -> Array:
        """beta `[T, E]` of changes `[T, N, 3]` against the rest: the mouth's share is solved first
        on its own region, what remains by the other components."""
        lips = self.lip_motion_of(change)
        rest = (change - self.move_mouth(lips)).reshape(len(change), -1)
        others = _ridge(
            self.expression[MOUTH:].reshape(len(self.expression) - MOUTH, -1), rest, 1e-2
        )
        return np.concatenate([lips, others], axis=1).astype(np.float32)

    def lip_motion_of(self, change: Array) -> Array:
        """The mouth parameters `[T, 13]` of changes `[T, N, 3]` against the rest."""
        weight = _metric(self.support)
        aim = (change * self.support[:, None] * weight).reshape(len(change), -1)
        return _ridge((self.expression[:MOUTH] * weight).reshape(MOUTH, -1), aim, 1e-3)

    def _pose(self, landmarks: Array, shape: Array) -> Pose:
        rigid = list(RIGID)
        points = landmarks[:, rigid]
        model = np.broadcast_to(shape, (len(landmarks), *shape.shape[1:]))[:, rigid]
        return align_similarity(model, points)

    def save(self, path: Path) -> None:
        save_file(
            {
                "mean": self.mean,
                "identity": self.identity,
                "expression": self.expression,
                "support": self.support,
                "triangles": self.triangles,
            },
            path,
            metadata={"kind": "face-model", "mouth": str(MOUTH)},
        )

    @classmethod
    def load(cls, path: Path) -> FaceModel:
        """Raises ModelError where the file is no face model."""
        try:
            tensors = load_file(path)
            return cls(
                **{
                    name: tensors[name].astype(np.float32)
                    for name in ("mean", "identity", "expression", "support")
                },
                triangles=tensors["triangles"].astype(np.int32),
            )
        except (OSError, SafetensorError, KeyError) as error:
            raise ModelError(
                f"{path} is not a face model ({error}); pull or train the models again."
            ) from error


def align_similarity(model: Array, points: Array) -> Pose:
    """Least-squares `points ~ scale * model @ R.T + shift` for each of T frames, `[T, n, 3]` both
    (Umeyama 1991)."""
    from_mean, to_mean = model.mean(axis=1, keepdims=True), points.mean(axis=1, keepdims=True)
    a, b = model - from_mean, points - to_mean
    u, spread, vt = np.linalg.svd(np.einsum("tni,tnj->tij", b, a))
    sign = np.ones_like(spread)
    sign[:, 2] = np.sign(np.linalg.det(u @ vt))
    rotation = (u * sign[:, None]) @ vt
    scale = (spread * sign).sum(axis=1) / (a**2).sum(axis=(1, 2))
    shift = to_mean[:, 0] - scale[:, None] * np.einsum("tij,tj->ti", rotation, from_mean[:, 0])
    return Pose(scale.astype(np.float32), rotation.astype(np.float32), shift.astype(np.float32))


def rest_shape(unposed: Array, landmarks: Array) -> Array:
    """The person's rest: the mean over the frames with the smallest lip gap, `[N, 3]`."""
    gap = lip_gap(landmarks)
    resting = gap <= np.quantile(gap, _REST_SHARE)
    return np.asarray(unposed[resting].mean(axis=0), np.float32)


def _metric(support: Array) -> Array:
    """Weights `[N, 1]` of the mouth's least squares: lips count twice, depth is left to the fit."""
    weight = np.ones((len(support), 1), np.float32)
    if len(support) > max(LIPS):
        weight[list(LIPS)] = 2.0
    return weight


def _ridge(basis: Array, aims: Array, ridge: float) -> Array:
    """Parameters `[T, K]` of `aims` `[T, D]` in `basis` `[K, D]`, unit-variance prior `ridge`
    relative to the basis' mean energy."""
    gram = basis @ basis.T
    gram = gram + ridge * np.trace(gram) / len(gram) * np.eye(len(gram), dtype=np.float32)
    return np.asarray(np.linalg.solve(gram, basis @ aims.T).T, np.float32)


def _smooth_pose(pose: Pose, seen: NDArray[np.bool_], cuts: Sequence[int]) -> Pose:
    """Smooth cameras over each stretch of successive frames, symmetric in time: no lag."""
    scale, rotation, shift = pose.scale.copy(), pose.rotation.copy(), pose.shift.copy()
    for first, last in zip([0, *cuts], [*cuts, len(seen)], strict=True):
        for start, end in stretches(seen[first:last]):
            part = slice(first + start, first + end)
            for values in (scale, rotation, shift):
                values[part] = gaussian_filter1d(
                    values[part], _POSE_SMOOTHING, axis=0, mode="nearest"
                )
    u, _, vt = np.linalg.svd(rotation[seen])
    rotation[seen] = u @ vt
    return Pose(scale, rotation, shift)


def _scatter_pose(pose: Pose, seen: NDArray[np.bool_]) -> Pose:
    def scatter(values: Array) -> Array:
        out = np.full((len(seen), *values.shape[1:]), np.nan, np.float32)
        out[seen] = values
        return out

    return Pose(scatter(pose.scale), scatter(pose.rotation), scatter(pose.shift))
