"""The 68 face landmarks of the 300-W convention and the face model's 468 mesh points.

Each of the 68 has a twin in the mesh; the 468 are rebuilt from the 68 by fitting Eq. 1.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from stylesync_engine.arrays import Array
from stylesync_engine.faces.face_model import FaceModel, align_similarity

COUNT: Final = 68
NOSE_TIP: Final = 30
INNER_TOP: Final = 62
INNER_BOTTOM: Final = 66
OUTER_EYES: Final = (36, 45)  # as seen in the picture from left to right
EARS: Final = (0, 16)
LIPS: Final = slice(48, 68)
TWINS: Final = (
    *(127, 234, 132, 58, 172, 150, 149, 148, 152),  # jaw, left half of the picture, and chin
    *(377, 378, 379, 397, 288, 361, 454, 356),
    *(70, 63, 105, 66, 107),  # brows
    *(336, 296, 334, 293, 300),
    *(168, 197, 5, 4),  # bridge of the nose, from above
    *(98, 97, 2, 326, 327),  # nostrils
    *(33, 160, 158, 133, 153, 144),  # eyes
    *(362, 385, 387, 263, 373, 380),
    *(61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91),  # outer lips
    *(78, 81, 13, 311, 308, 402, 14, 178),  # inner lips
)

_NOISE = 0.02  # how far a landmark may be off, in outer eye distances
_ROUNDS = 12


def lift(model: FaceModel, landmarks: Array) -> Array:
    """The 468 mesh landmarks `[468, 3]` px of 68 landmarks `[68, 3]` px: pose, alpha and beta by
    least squares with unit-variance priors.

    The depth of `landmarks` may grow either way; that of the result grows away from the camera.
    """
    points = _face_away(landmarks)
    twins = list(TWINS)
    components = np.concatenate([model.identity, model.expression])  # [K, 468, 3]
    basis = components[:, twins].reshape(len(components), -1)
    prior = basis @ basis.T + _NOISE**2 * np.eye(len(basis), dtype=np.float32)
    shape = model.mean
    for _ in range(_ROUNDS):
        pose = align_similarity(shape[None, twins], points[None])
        aim = pose.unplace(points[None])[0] - model.mean[twins]
        weights = np.linalg.solve(prior, basis @ aim.ravel())
        shape = model.mean + np.tensordot(weights, components, axes=(0, 0)).astype(np.float32)
    return np.asarray(pose.place(shape[None])[0], np.float32)


def _face_away(landmarks: Array) -> Array:
    """Depth that grows away from the camera: the nose's tip is nearer than the ears."""
    nose, ears = landmarks[NOSE_TIP, 2], landmarks[list(EARS), 2].mean()
    sign = np.array([1, 1, 1 if nose < ears else -1], np.float32)
    return np.asarray(landmarks * sign, np.float32)
