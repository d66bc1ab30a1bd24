"""The Basel face model, for those who have it: `BFM_model_front.mat` -> `FaceModel`.

The model may not be redistributed. Its file is laid out by Deep3DFaceRecon (Deng et al., 2019).
The engine works with the 468 points of the face mesh, so the converter finds each point's place on
the Basel surface and takes Eq. 1's bases there; nothing downstream needs to know.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import scipy.io
from scipy.interpolate import RBFInterpolator
from scipy.spatial import cKDTree

from stylesync_engine.arrays import Array, Indices
from stylesync_engine.faces import landmarks68
from stylesync_engine.faces.face_model import MOUTH, FaceModel
from stylesync_engine.faces.tracking import LIP_BOTTOM, LIP_TOP
from stylesync_engine.request import ModelError

IDENTITY: Final = 80
EXPRESSION: Final = 64
MOUTH_COMPONENTS: Final = (0, 1, 2, 3, 4, 5, 7, 9, 10, 11, 12, 13, 14)
VERTICES: Final = 35709
LIP_VERTICES: Final = (
    *(5522, 6025, 7495, 8215, 8935, 10395, 10795, 9555, 8836, 8236, 7636, 6915),
    *(5909, 7384, 8223, 9064, 10537, 8829, 8229, 7629),
)  # landmarks 48..67 of the published file

# x to the right, y up, z to the camera -> x to the right, y down, z away from the camera.
_TURN = np.array([1, -1, -1], np.float32)
_OPENING = 0.25  # outer eye distances: a mouth so far open has no two lips in one place
_ORDER = np.array([*MOUTH_COMPONENTS, *(i for i in range(EXPRESSION) if i not in MOUTH_COMPONENTS)])


@dataclass(frozen=True, slots=True)
class BaselModel:
    """The published bases in our coordinates (`face_model`), expression with the mouth first:
    `mean` `[V, 3]`, `identity` `[80, V, 3]`, `expression` `[64, V, 3]`, `keypoints` `[68]`."""

    mean: Array
    identity: Array
    expression: Array
    keypoints: Indices


def convert_bfm(path: Path, template: FaceModel) -> FaceModel:
    """The Basel bases at the 468 mesh points.

    `template` is a face model whose mean says where those points lie on a face; its `support` and
    triangles are kept. Raises ModelError where the file is not of the published layout.
    """
    basel = read_bfm(path)
    places = find_places(basel, template)
    expression = basel.expression[:, places].copy()
    expression[:MOUTH] *= template.support[:, None]  # the mouth's parameters move nothing else
    return FaceModel(
        mean=basel.mean[places],
        identity=basel.identity[:, places],
        expression=expression,
        support=template.support,
        triangles=template.triangles,
    )


def read_bfm(path: Path) -> BaselModel:
    """Read `BFM_model_front.mat`; raises ModelError where it is another file."""
    wanted = ("meanshape", "idBase", "exBase", "keypoints")
    try:
        data = scipy.io.loadmat(path, variable_names=wanted)
        mean = np.asarray(data["meanshape"], np.float32).reshape(-1, 3)
        identity = _basis(data["idBase"], len(mean), IDENTITY)
        expression = _basis(data["exBase"], len(mean), EXPRESSION)
        keypoints = np.asarray(data["keypoints"], np.int64).ravel() - 1  # Matlab counts from 1
    except Exception as error:  # damaged files fail in whatever part of scipy's reader they hit
        reason = " ".join(f"{type(error).__name__} {error}".split())[:120]
        raise ModelError(
            f"{path} is not Deep3DFaceRecon's BFM_model_front.mat ({reason}); give the file that"
            " its converter writes."
        ) from error
    _check_keypoints(path, keypoints, len(mean))
    eyes = mean[keypoints[list(landmarks68.OUTER_EYES)]]
    unit = float(np.linalg.norm(eyes[1] - eyes[0]))
    if not unit > 0:
        raise ModelError(f"{path} has both eyes in one place; convert the Basel model again.")
    turn = _TURN / unit
    return BaselModel(
        mean=(mean - eyes.mean(axis=0)) * turn,
        identity=identity * turn,
        expression=expression[_ORDER] * turn,
        keypoints=keypoints,
    )


def find_places(basel: BaselModel, template: FaceModel) -> Indices:
    """The vertex of each of the 468 mesh points, `[468]`.

    The template's mean is bent onto the Basel mean through the 68 twins (thin plates) and each
    point takes the nearest vertex; both with open mouths, where upper and lower lip lie apart.
    """
    twins = list(landmarks68.TWINS)
    mesh = _open(template.mean, template.expression[:MOUTH], LIP_TOP, LIP_BOTTOM)
    top, bottom = basel.keypoints[[landmarks68.INNER_TOP, landmarks68.INNER_BOTTOM]].tolist()
    surface = _open(basel.mean, basel.expression[:MOUTH], top, bottom)
    bend = RBFInterpolator(mesh[twins], surface[basel.keypoints], kernel="thin_plate_spline")
    _, places = cKDTree(surface).query(bend(mesh))
    places = np.asarray(places, np.int64)
    places[twins] = basel.keypoints
    return places


def _open(mean: Array, mouth: Array, top: int, bottom: int) -> Array:
    """The likeliest shape `[N, 3]` whose inner lips, vertices `top` and `bottom`, lie `_OPENING`
    apart."""
    growth = mouth[:, bottom, 1] - mouth[:, top, 1]
    energy = float(growth @ growth)
    if energy == 0:
        return mean
    wanted = _OPENING - (mean[bottom, 1] - mean[top, 1])
    return np.asarray(
        mean + np.tensordot(growth * (wanted / energy), mouth, axes=(0, 0)), np.float32
    )


def _basis(values: object, vertices: int, components: int) -> Array:
    """`[3 V, K]` as the file has it -> `[K, V, 3]`."""
    columns = np.asarray(values, np.float32)
    if columns.shape != (3 * vertices, components):
        raise ValueError(f"a basis is {columns.shape}, not {(3 * vertices, components)}")
    return columns.T.reshape(components, vertices, 3)


def _check_keypoints(path: Path, keypoints: Indices, vertices: int) -> None:
    inside = len(keypoints) == landmarks68.COUNT and bool(
        (keypoints >= 0).all() and (keypoints < vertices).all()
    )
    published = vertices == VERTICES
    if not inside or (published and tuple(keypoints[landmarks68.LIPS]) != LIP_VERTICES):
        raise ModelError(
            f"{path} does not have the published 68 keypoints; convert the Basel model again."
        )
