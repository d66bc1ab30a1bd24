"""Eq. 1 and its fit, on faces whose parameters are known because the test made them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from model_fixtures import EXPRESSIONS, IDENTITIES, make_face_model
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from stylesync_engine.faces.face_model import LIPS, MOUTH, FaceModel, Pose, align_similarity
from stylesync_engine.faces.tracking import LIP_BOTTOM, LIP_TOP
from stylesync_engine.request import ModelError, NoFaceError

Array = NDArray[np.float32]
T = 60


def rotations(angles: Array) -> Array:
    """R = Rz Ry Rx of (pitch, yaw, roll) `[T, 3]`, by scipy."""
    return np.asarray(Rotation.from_euler("xyz", angles).as_matrix(), np.float32)


def slow_angles(frames: int = T, size: float = 0.2) -> Array:
    time = np.linspace(0, 3, frames)
    waves = [np.sin(time), 1.5 * np.cos(0.7 * time), 0.6 * np.sin(1.3 * time)]
    return (size * np.stack(waves, axis=1)).astype(np.float32)


def slow_pose(frames: int = T) -> Pose:
    time = np.linspace(0, 3, frames)
    shift = np.stack([300 + 20 * np.sin(time), 250 + 5 * time, 0 * time], axis=1)
    scale = 90 + 3 * np.cos(time)
    return Pose(scale.astype(np.float32), rotations(slow_angles(frames)), shift.astype(np.float32))


def speaking(frames: int = T, seed: int = 0) -> Array:
    """beta `[T, E]`: a mouth that opens and shuts, 0 in a third of the frames."""
    numbers = np.random.default_rng(seed)
    time = np.linspace(0, 12, frames)
    phases = numbers.uniform(0, 6.28, EXPRESSIONS)
    beta = 0.8 * np.sin(time[:, None] * numbers.uniform(0.5, 2, EXPRESSIONS) + phases)
    beta[:, 0] = 2 * np.clip(np.sin(2 * time), 0, None)
    beta[np.sin(2 * time) <= 0] = 0
    return beta.astype(np.float32)


def test_equation_1(face_model: FaceModel) -> None:
    alpha, beta = np.arange(IDENTITIES, dtype=np.float32), speaking(3)
    shape = face_model.shape(alpha, beta)
    for t in range(3):
        expected = face_model.mean.astype(np.float64).copy()
        for k in range(IDENTITIES):
            expected += alpha[k] * face_model.identity[k]
        for k in range(EXPRESSIONS):
            expected += beta[t, k] * face_model.expression[k]
        np.testing.assert_allclose(shape[t], expected, atol=1e-5)


def test_place_and_unplace_are_each_other_s_inverse(face_model: FaceModel) -> None:
    pose, shapes = slow_pose(), face_model.shape(np.zeros(IDENTITIES, np.float32), speaking())
    np.testing.assert_allclose(pose.unplace(pose.place(shapes)), shapes, atol=1e-4)
    one = pose.place(shapes)[7, 100]
    expected = pose.scale[7] * pose.rotation[7] @ shapes[7, 100] + pose.shift[7]
    np.testing.assert_allclose(one, expected, atol=1e-3)


def test_angles_are_those_that_the_rotation_was_made_of() -> None:
    angles = slow_angles(size=0.5)
    pose = Pose(np.ones(T, np.float32), rotations(angles), np.zeros((T, 3), np.float32))
    np.testing.assert_allclose(pose.angles(), angles, atol=1e-5)


@pytest.mark.parametrize("mirrored", [False, True])
def test_alignment_finds_the_similarity_and_never_mirrors(mirrored: bool) -> None:
    model = np.random.default_rng(0).normal(size=(1, 30, 3)).astype(np.float32)
    if mirrored:
        model[..., 2] *= 1e-4  # nearly flat: noise could make a mirror image fit as well
    pose = Pose(
        np.array([3.0], np.float32),
        rotations(np.array([[0.3, -0.5, 0.2]], np.float32)),
        np.array([[5.0, -2.0, 1.0]], np.float32),
    )
    points = pose.place(model)
    if mirrored:
        points = points + np.random.default_rng(1).normal(size=points.shape) * 1e-3
    found = align_similarity(model, points.astype(np.float32))
    assert np.linalg.det(found.rotation[0]) == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(found.place(model), points, atol=5e-3)
    if not mirrored:
        np.testing.assert_allclose(found.rotation, pose.rotation, atol=1e-4)
        assert found.scale[0] == pytest.approx(3, rel=1e-4)


def test_a_fit_recovers_what_a_face_was_made_of(face_model: FaceModel) -> None:
    alpha = np.array([1.2, -0.8, 0.5, -1.0, 0.3, 0.9], np.float32)
    beta, pose = speaking(), slow_pose()
    landmarks = pose.place(face_model.shape(alpha, beta))
    fit = face_model.fit(landmarks)
    rebuilt = fit.pose.place(fit.neutral + np.tensordot(fit.beta, face_model.expression, (1, 0)))
    assert np.linalg.norm(rebuilt - landmarks, axis=-1).mean() < 0.012 * 90  # of the eye distance
    assert np.abs(fit.pose.angles() - pose.angles()).max() < 0.04
    assert np.abs(fit.pose.scale / pose.scale - 1).max() < 0.03
    # Single parameters trade with each other on the small mouth; what they do to the lips counts.
    lips = list(LIPS)
    true = face_model.move_mouth(beta[:, :MOUTH])[:, lips]
    found = face_model.move_mouth(fit.lip_motion)[:, lips]
    true, found = true - true.mean(axis=0), found - found.mean(axis=0)
    assert np.corrcoef(true.ravel(), found.ravel())[0, 1] > 0.9
    assert np.corrcoef(fit.lip_motion[:, 0], beta[:, 0])[0, 1] > 0.98
    assert np.corrcoef(fit.alpha, alpha)[0, 1] > 0.8


def test_lip_motion_is_solved_on_the_mouth_alone(face_model: FaceModel) -> None:
    motion = speaking()[:, :MOUTH]
    change = face_model.move_mouth(motion)
    found = face_model.lip_motion_of(change)
    np.testing.assert_allclose(
        face_model.move_mouth(found)[:, list(LIPS)], change[:, list(LIPS)], atol=0.01
    )
    raised_brows = (1 - (face_model.support > 0)[:, None]) * np.ones((1, 468, 3), np.float32)
    np.testing.assert_allclose(face_model.lip_motion_of(raised_brows), 0, atol=1e-4)


def test_a_new_mouth_keeps_nothing_of_the_old_one(face_model: FaceModel) -> None:
    neutral, motion = face_model.mean, speaking(seed=1)[:, :MOUTH]
    one = face_model.speak(neutral, speaking(seed=2), motion)
    other = face_model.speak(neutral, speaking(seed=3), motion)
    mouth = face_model.support == 1
    np.testing.assert_allclose(one[:, mouth], other[:, mouth], atol=1e-6)
    np.testing.assert_allclose(
        one[:, mouth], (neutral + face_model.move_mouth(motion))[:, mouth], atol=1e-6
    )
    assert np.abs(one - other)[:, face_model.support == 0].max() > 1e-3


def test_frames_without_a_face_stay_unknown_and_spoil_nothing(face_model: FaceModel) -> None:
    landmarks = slow_pose().place(face_model.shape(np.zeros(IDENTITIES, np.float32), speaking()))
    whole = face_model.fit(landmarks)
    gaps = landmarks.copy()
    gaps[20:25] = np.nan
    fit = face_model.fit(gaps)
    assert np.isnan(fit.beta[20:25]).all()
    assert np.isfinite(np.delete(fit.beta, np.s_[20:25], axis=0)).all()
    assert np.isnan(fit.pose.scale[20:25]).all()
    far = np.r_[0:12, 35:T]
    assert np.abs(fit.lip_motion[far, 0] - whole.lip_motion[far, 0]).max() < 0.2
    with pytest.raises(NoFaceError, match="range that shows it"):
        face_model.fit(np.full((3, 468, 3), np.nan, np.float32))


def test_the_camera_is_not_smoothed_across_a_cut(face_model: FaceModel) -> None:
    shape = face_model.shape(np.zeros(IDENTITIES, np.float32), np.zeros((T, EXPRESSIONS)))
    pose = slow_pose()
    jump = np.where(np.arange(T) < 30, 0, 200).astype(np.float32)
    moved = Pose(pose.scale, pose.rotation, pose.shift + jump[:, None] * np.array([1, 0, 0]))
    landmarks = moved.place(shape)
    fit = face_model.fit(landmarks, cuts=(30,))
    assert np.abs(fit.pose.shift[:, 0] - moved.shift[:, 0]).max() < 2
    blurred = face_model.fit(landmarks)
    assert np.abs(blurred.pose.shift[:, 0] - moved.shift[:, 0]).max() > 20


def test_smoothing_has_no_lag(face_model: FaceModel) -> None:
    shape = face_model.shape(np.zeros(IDENTITIES, np.float32), np.zeros((T, EXPRESSIONS)))
    steady = Pose(
        np.full(T, 90, np.float32),
        np.tile(np.eye(3, dtype=np.float32), (T, 1, 1)),
        np.stack([3.0 * np.arange(T), 2.0 * np.arange(T), 0 * np.arange(T)], 1).astype(np.float32),
    )
    fit = face_model.fit(steady.place(shape))
    np.testing.assert_allclose(fit.pose.shift[8:-8, :2], steady.shift[8:-8, :2], atol=0.3)


def test_a_face_model_comes_back_from_its_file(face_model: FaceModel, tmp_path: Path) -> None:
    face_model.save(tmp_path / "face.safetensors")
    again = FaceModel.load(tmp_path / "face.safetensors")
    for name in ("mean", "identity", "expression", "support", "triangles"):
        np.testing.assert_array_equal(getattr(again, name), getattr(face_model, name))
    (tmp_path / "bad.safetensors").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="not a face model"):
        FaceModel.load(tmp_path / "bad.safetensors")


def test_lips_meet_and_never_cross() -> None:
    model = make_face_model()
    rows, height = model.opening(), float(np.ptp(model.mean[:, 1]))
    motion = np.random.default_rng(0).normal(size=(50, MOUTH)).astype(np.float32)

    def gap(parameters: Array) -> Array:
        shape = model.mean + model.move_mouth(parameters)
        return (shape[:, LIP_BOTTOM, 1] - shape[:, LIP_TOP, 1]) / height

    rest = float(model.mean[LIP_BOTTOM, 1] - model.mean[LIP_TOP, 1]) / height
    np.testing.assert_allclose(motion @ rows + rest, gap(motion), atol=1e-5)
    kept = gap(model.keep_apart(model.mean, motion))
    np.testing.assert_allclose(kept, np.maximum(gap(motion), min(rest, 0.0)), atol=1e-5)
    assert (gap(motion) < 0).any()
