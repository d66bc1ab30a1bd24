"""Learn the face model of Eq. 1 from tracked faces (method: PCA, the mouth and jaw first)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay

from stylesync_engine.faces.face_model import (
    LIPS,
    MOUTH,
    RIGID,
    FaceModel,
    align_similarity,
    rest_shape,
)
from stylesync_engine.faces.landmarker import EYE_LEFT, EYE_RIGHT
from stylesync_engine.request import RequestError
from stylesync_training.data.corpora import SourceClip
from stylesync_training.data.prepare import DROPPED, read_track

Array = NDArray[np.float32]

_NOSE_BASE, _LIP_TOP = 2, 0


def learn_face_model(
    clips: Mapping[str, Sequence[Array]], expressions: int = 64, identities: int = 80
) -> FaceModel:
    """Learn from `{speaker: [landmarks [T, 468, 3] px, ...]}`.

    Fewer speakers than `identities` give fewer identity components; of one speaker alone, the
    clips' rest shapes stand in for people. Raises RequestError where there is a single clip.
    """
    mean = _mean_shape([clip for group in clips.values() for clip in group])
    neutrals, changes = _split(clips, mean)
    people = _people(neutrals)
    count = min(identities, len(people) - 1)
    identity = _components((people - people.mean(axis=0)).reshape(len(people), -1), count)
    support = _mouth_support(mean)
    mouth = _mouth_basis(changes, support)
    model = FaceModel(
        mean=people.mean(axis=0).astype(np.float32),
        identity=identity.reshape(-1, *mean.shape),
        expression=mouth,
        support=support,
        triangles=_front_triangles(mean),
    )
    others = changes - model.move_mouth(model.lip_motion_of(changes))
    rest = _components(others.reshape(len(others), -1), expressions - MOUTH).reshape(
        -1, *mean.shape
    )
    return FaceModel(
        model.mean, model.identity, np.concatenate([mouth, rest]), support, model.triangles
    )


def learn_from_tracks(
    clips: Sequence[SourceClip], folder: Path, expressions: int = 64, identities: int = 80
) -> FaceModel:
    """The face model of all tracked clips among `clips`."""
    groups: dict[str, list[NDArray[np.float32]]] = {}
    for clip in clips:
        if clip.under(folder).exists():
            landmarks, shots = read_track(clip.under(folder))
            groups.setdefault(clip.speaker, []).extend(landmarks[a:b] for a, b in shots)
    if not groups:
        raise RequestError(
            f"No clip was tracked, so there is no face to learn from; {folder / DROPPED} says why."
        )
    return learn_face_model(groups, expressions, identities)


def _people(neutrals: Mapping[str, Sequence[Array]]) -> Array:
    """One rest shape a speaker, `[P, N, 3]`, P at least 2."""
    if len(neutrals) > 1:
        return np.stack([np.mean(shapes, axis=0) for shapes in neutrals.values()])
    shapes = [shape for group in neutrals.values() for shape in group]
    if len(shapes) < 2:
        raise RequestError("A face model needs two clips at least; give more clips or speakers.")
    return np.stack(shapes)


def _mean_shape(clips: Sequence[Array]) -> Array:
    """Generalised Procrustes mean of every tenth frame, upright, in outer eye distances."""
    frames = np.concatenate([clip[::10] for clip in clips])
    rigid = list(RIGID)
    mean = frames[0] - frames[0].mean(axis=0)
    for _ in range(6):
        pose = align_similarity(
            np.broadcast_to(mean[rigid], (len(frames), len(rigid), 3)), frames[:, rigid]
        )
        mean = _normalise(pose.unplace(frames).mean(axis=0))
    return mean


def _normalise(shape: Array) -> Array:
    """Eyes level, the face towards the camera by left-right symmetry, eye distance 1, the origin
    between them."""
    mirrored = shape * np.array([-1, 1, 1], np.float32)
    twins = _twins(mirrored, shape)
    both = (shape + mirrored[twins]) / 2 if twins is not None else shape
    eyes = both[[EYE_RIGHT, EYE_LEFT]]
    across = eyes[1] - eyes[0]
    both = both - eyes.mean(axis=0)
    angle = np.arctan2(across[1], across[0])
    turn = np.array(
        [[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    return np.asarray(both @ turn.T / np.linalg.norm(across), np.float32)


def _twins(mirrored: Array, shape: Array) -> NDArray[np.intp] | None:
    """For each vertex the one that mirrors it; None where the pairing is not one to one."""
    centre = shape[[EYE_RIGHT, EYE_LEFT]].mean(axis=0) * np.array([1, 0, 0], np.float32)
    distance = np.linalg.norm((mirrored + 2 * centre)[None] - shape[:, None], axis=-1)
    nearest = distance.argmin(axis=1)
    return nearest if len(set(nearest.tolist())) == len(shape) else None


def _split(
    clips: Mapping[str, Sequence[Array]], mean: Array
) -> tuple[dict[str, list[Array]], Array]:
    """Rest shape of each clip, and all frames' changes against it, `[F, N, 3]`."""
    rigid = list(RIGID)
    neutrals: dict[str, list[Array]] = {}
    changes = []
    for speaker, group in clips.items():
        for clip in group:
            aim = mean
            for _ in range(2):
                pose = align_similarity(
                    np.broadcast_to(aim[rigid], (len(clip), len(rigid), 3)), clip[:, rigid]
                )
                unposed = pose.unplace(clip)
                aim = rest_shape(unposed, clip)
            neutrals.setdefault(speaker, []).append(aim)
            changes.append((unposed - aim)[:: max(1, len(group) // 10)])
    return neutrals, np.concatenate(changes)


def _mouth_support(mean: Array) -> Array:
    """1 from the upper lip down, 0 from the nose's base up, smooth between, `[N]`."""
    top, bottom = mean[_NOSE_BASE, 1], mean[_LIP_TOP, 1]
    ramp = np.clip((mean[:, 1] - top) / (bottom - top), 0, 1)
    return np.asarray(ramp * ramp * (3 - 2 * ramp), np.float32)


def _mouth_basis(changes: Array, support: Array) -> Array:
    weight = np.ones((len(support), 1), np.float32)
    weight[list(LIPS)] = 2.0
    weighted = (changes * support[:, None] * weight).reshape(len(changes), -1)
    basis = _components(weighted, MOUTH, centre=False)
    return np.asarray(basis.reshape(MOUTH, *changes.shape[1:]) / weight, np.float32)


def _components(samples: Array, count: int, centre: bool = True) -> Array:
    """Principal components `[count, D]` of `samples` `[F, D]`, for unit-variance parameters."""
    centred = samples - samples.mean(axis=0) if centre else samples
    _, spread, vt = np.linalg.svd(centred.astype(np.float64), full_matrices=False)
    return np.asarray(vt[:count] * (spread[:count, None] / np.sqrt(len(samples))), np.float32)


def _front_triangles(mean: Array) -> NDArray[np.int32]:
    return np.asarray(Delaunay(mean[:, :2]).simplices, np.int32)
