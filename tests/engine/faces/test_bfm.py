"""The Basel converter on a made-up file of the published layout, and landmarks lifted from 68."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import scipy.io
from model_fixtures import depth_of, front_of_face, jaw_field, smooth_field
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from stylesync_engine.faces import landmarks68
from stylesync_engine.faces.basel import (
    LIP_VERTICES,
    MOUTH_COMPONENTS,
    VERTICES,
    convert_bfm,
    find_places,
    read_bfm,
)
from stylesync_engine.faces.face_alignment import FaceAlignmentLandmarker
from stylesync_engine.faces.face_model import FACE_OVAL, LIPS, MOUTH, FaceModel, Pose
from stylesync_engine.faces.landmarker import EYE_LEFT, EYE_RIGHT, Detection
from stylesync_engine.faces.tracking import lip_gap
from stylesync_engine.pictures.image import picture_of
from stylesync_engine.request import ModelError
from stylesync_engine.weights import fetching
from stylesync_engine.weights.loading import import_model, load_models, missing_parts, save_models

Array = NDArray[np.float32]

UNIT = 0.9  # outer eye distance of the made-up Basel face, in the file's decimetres
DENSE = 6000


@functools.cache
def basel_surface() -> tuple[Array, Array, NDArray[np.int64]]:
    """A dense face of other proportions: where its vertices lie on the undeformed face, `[V, 2]`,
    where they lie on its own, `[V, 3]`, and which of them are the 468 mesh points. On the line of
    the mouth both lips nearly touch."""
    numbers = np.random.default_rng(0)
    radius, angle = np.sqrt(numbers.uniform(size=DENSE)), numbers.uniform(0, 6.283, DENSE)
    oval = np.stack([0.95 * radius * np.sin(angle), 0.45 - 1.15 * radius * np.cos(angle)], axis=1)
    order = numbers.permutation(DENSE + 468)
    front = np.concatenate([front_of_face(), oval]).astype(np.float32)[order]
    shape = np.column_stack([front, depth_of(front)])
    return front, shape + smooth_field(shape, 900, 0.1), np.argsort(order)[:468]


def keypoints_of(places: NDArray[np.int64]) -> NDArray[np.int64]:
    return places[list(landmarks68.TWINS)]


def movements(front: Array) -> Array:
    """What the 64 expression components do at places of the undeformed face, `[64, N, 3]`; the
    third of the file's order (a mouth component) opens the jaw."""
    fields = np.stack([smooth_field(front, 500 + k) for k in range(64)])
    fields[2] = jaw_field(front)
    return fields


@pytest.fixture(scope="session")
def basel_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`BFM_model_front.mat` as Deep3DFaceRecon lays it out: y up, z towards the camera."""
    front, shape, places = basel_surface()
    keypoints = keypoints_of(places)
    turn = np.array([1, -1, -1]) * UNIT / eye_distance(shape, keypoints)
    expression = movements(front) * turn
    identity = np.stack([smooth_field(front, 700 + k, 0.05) for k in range(80)]) * turn
    file = tmp_path_factory.mktemp("basel") / "BFM_model_front.mat"
    scipy.io.savemat(
        file,
        {
            "meanshape": (shape * turn + [0.1, -0.2, 0.3]).reshape(1, -1),
            "idBase": identity.reshape(80, -1).T,
            "exBase": expression.reshape(64, -1).T,
            "keypoints": keypoints[None] + 1,
            "meantex": np.zeros((1, shape.size)),
            "tri": np.ones((5, 3)),
        },
    )
    return file


def eye_distance(shape: Array, keypoints: NDArray[np.int64]) -> float:
    left, right = shape[keypoints[36]], shape[keypoints[45]]
    return float(np.linalg.norm(left - right))


def test_the_mesh_points_are_found_on_the_basel_surface(
    basel_file: Path, face_model: FaceModel
) -> None:
    basel = read_bfm(basel_file)
    eyes = basel.mean[basel.keypoints[[36, 45]]]
    assert np.linalg.norm(eyes[0] - eyes[1]) == pytest.approx(1, abs=1e-4)
    np.testing.assert_allclose(eyes.mean(axis=0), 0, atol=1e-4)
    places = find_places(basel, face_model)
    _, _, true = basel_surface()
    off = np.linalg.norm(basel.mean[places] - basel.mean[true], axis=1)
    assert off.mean() < 0.03
    assert off[list(landmarks68.TWINS)].max() == 0
    inside = np.setdiff1d(np.arange(468), FACE_OVAL)
    assert off[inside].max() < 0.12


def test_eq_1_comes_over_with_the_mouth_first(basel_file: Path, face_model: FaceModel) -> None:
    converted = convert_bfm(basel_file, face_model)
    assert converted.identity.shape == (80, 468, 3)
    assert converted.expression.shape == (64, 468, 3)
    _, shape, places = basel_surface()
    unit = 1 / eye_distance(shape, keypoints_of(places))
    fields = movements(front_of_face()) * unit
    rest = [k for k in range(64) if k not in MOUTH_COMPONENTS]
    support = face_model.support[:, None]
    for ours, theirs in enumerate([*MOUTH_COMPONENTS, *rest]):
        if theirs == 2:
            continue
        expected = fields[theirs] * (support if ours < MOUTH else 1)
        wrong = np.linalg.norm(converted.expression[ours] - expected, axis=1)
        size = np.linalg.norm(fields[theirs], axis=1).mean()
        assert wrong.mean() < 0.1 * size
    eyes = converted.mean[[EYE_RIGHT, EYE_LEFT]]
    assert eyes[0, 0] < eyes[1, 0]  # x to the right of the picture
    assert converted.mean[152, 1] > converted.mean[10, 1]  # y down
    assert converted.mean[4, 2] < converted.mean[234, 2]  # z away from the camera


def test_upper_and_lower_lip_are_told_apart(basel_file: Path, face_model: FaceModel) -> None:
    """In the mean both touch; the component that opens the jaw must move the lower one alone."""
    converted = convert_bfm(basel_file, face_model)
    jaw = converted.expression[list(MOUTH_COMPONENTS).index(2), :, 1]
    upper, lower = list(LIPS[31:40]), list(LIPS[21:30])
    assert jaw[lower][2:7].min() > 0.03
    assert np.abs(jaw[upper]).max() < 0.01
    opened = converted.mean + 3 * converted.expression[2]
    assert lip_gap(opened[None])[0] > lip_gap(converted.mean[None])[0] + 0.05


def test_a_converted_face_can_be_fitted(basel_file: Path, face_model: FaceModel) -> None:
    converted = convert_bfm(basel_file, face_model)
    beta = np.zeros((20, 64), np.float32)
    beta[:, 2] = 2 * np.clip(np.sin(np.arange(20) / 2), 0, None)
    pose = Pose(
        np.full(20, 100, np.float32),
        np.tile(np.eye(3, dtype=np.float32), (20, 1, 1)),
        np.full((20, 3), 200, np.float32),
    )
    fit = converted.fit(pose.place(converted.shape(np.zeros(80, np.float32), beta)))
    mouth = converted.move_mouth(fit.lip_motion)[:, 14, 1]
    assert np.corrcoef(mouth, beta[:, 2])[0, 1] > 0.98


def test_other_files_are_refused(tmp_path: Path, basel_file: Path) -> None:
    (tmp_path / "text.mat").write_text("no matlab file")
    scipy.io.savemat(tmp_path / "other.mat", {"shapePC": np.zeros((6, 2))})
    data = scipy.io.loadmat(basel_file)
    scipy.io.savemat(tmp_path / "cut.mat", {**public(data), "exBase": data["exBase"][:, :46]})
    scipy.io.savemat(tmp_path / "far.mat", {**public(data), "keypoints": data["keypoints"] + 10**6})
    damaged = bytearray(basel_file.read_bytes())
    damaged[128:400] = b"\xff" * 272
    (tmp_path / "damaged.mat").write_bytes(damaged)
    for name, says in (
        ("damaged.mat", "BFM_model_front.mat"),
        ("missing.mat", "BFM_model_front.mat"),
        ("text.mat", "BFM_model_front.mat"),
        ("other.mat", "meanshape"),
        ("cut.mat", "64"),
        ("far.mat", "68 keypoints"),
    ):
        with pytest.raises(ModelError, match=says) as error:
            read_bfm(tmp_path / name)
        assert "\n" not in str(error.value)


def public(data: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if not name.startswith("__")}


def test_the_published_size_must_have_the_published_lips(tmp_path: Path) -> None:
    keypoints = np.arange(68)
    mean = np.random.default_rng(0).normal(size=(1, VERTICES * 3))
    data = {"meanshape": mean, "keypoints": keypoints[None] + 1}
    data |= {"idBase": np.zeros((VERTICES * 3, 80), np.float32)}
    data |= {"exBase": np.zeros((VERTICES * 3, 64), np.float32)}
    scipy.io.savemat(tmp_path / "wrong.mat", data)
    with pytest.raises(ModelError, match="published 68 keypoints"):
        read_bfm(tmp_path / "wrong.mat")
    keypoints[48:] = LIP_VERTICES
    scipy.io.savemat(tmp_path / "right.mat", {**data, "keypoints": keypoints[None] + 1})
    assert read_bfm(tmp_path / "right.mat").keypoints[48:].tolist() == list(LIP_VERTICES)


def test_importing_the_basel_model(
    basel_file: Path,
    tiny_models: Path,
    own_models: Path,
    face_model: FaceModel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    find = fetching.tables.find_folder
    monkeypatch.setattr(
        fetching.tables,
        "find_folder",
        lambda name: tiny_models if name == "starter" else find(name),
    )
    folder = import_model("bfm", str(basel_file))
    assert missing_parts("paper") == ["speech", "lip_motion", "autoencoder", "renderer"]
    tiny = load_models(str(tiny_models), "cpu")
    parts = ("front_end", "lip_motion", "autoencoder", "renderer")
    save_models(folder, name="paper", **{part: getattr(tiny, part) for part in parts})
    assert load_models("paper", "cpu").face_model.identity.shape[0] == 80


# 68 landmarks -> 468


def head(turn: tuple[float, float, float]) -> Pose:
    rotation = Rotation.from_euler("xyz", turn).as_matrix().astype(np.float32)
    return Pose(np.array([110], np.float32), rotation[None], np.array([[320, 240, 0]], np.float32))


@pytest.mark.parametrize("turn", [(0, 0, 0), (0.2, -0.5, 0.1), (-0.3, 0.6, -0.4)])
@pytest.mark.parametrize("towards", [1, -1])
def test_lifting_rebuilds_the_whole_mesh(
    face_model: FaceModel, turn: tuple[float, float, float], towards: int
) -> None:
    numbers = np.random.default_rng(1)
    alpha = numbers.normal(size=len(face_model.identity)).astype(np.float32)
    beta = numbers.normal(size=(1, len(face_model.expression))).astype(np.float32) * 0.7
    beta[0, 0] = 2.5
    mesh = head(turn).place(face_model.shape(alpha, beta))[0]
    landmarks = mesh[list(landmarks68.TWINS)] * np.array([1, 1, towards])
    found = landmarks68.lift(face_model, landmarks.astype(np.float32))
    off = np.linalg.norm(found - mesh, axis=1) / 110  # outer eye distances
    assert off.mean() < 0.02
    assert off[list(LIPS)].max() < 0.03
    assert lip_gap(found[None])[0] == pytest.approx(lip_gap(mesh[None])[0], abs=0.01)


def test_lifting_withstands_noise(face_model: FaceModel) -> None:
    mesh = head((0.1, 0.2, 0)).place(face_model.mean[None])[0]
    landmarks = mesh[list(landmarks68.TWINS)]
    shaken = landmarks + np.random.default_rng(0).normal(size=landmarks.shape) * 1.1
    found = landmarks68.lift(face_model, shaken.astype(np.float32))
    assert np.linalg.norm(found - mesh, axis=1).mean() < 2.5  # px, where the noise has 1.9


def test_the_twins_are_mirror_images() -> None:
    front = front_of_face()
    mirrored = [*range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1)]
    mirrored += [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40]
    mirrored += [54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65]
    twins = np.array(landmarks68.TWINS)
    assert len(set(twins.tolist())) == 68
    np.testing.assert_allclose(front[twins[mirrored]] * [-1, 1], front[twins], atol=1e-5)


class FakeNetwork:
    """Answers as `face_alignment.FaceAlignment` does, for a face that the test knows."""

    def __init__(self, landmarks: Array) -> None:
        self.face_detector = self
        self.landmarks = landmarks
        self.boxes: list[Any] = []

    def detect_from_image(self, picture: Array) -> list[list[float]]:
        return [[10, 20, 110, 140, 0.7], [300, 20, 420, 150, 0.95], [0, 0, 9, 9, 0.2]]

    def get_landmarks_from_image(
        self, picture: Array, detected_faces: list[Any], return_landmark_score: bool
    ) -> tuple[Any, Any, None]:
        self.boxes += detected_faces
        return [self.landmarks], [np.full(68, 0.8)], None


def test_face_alignment_serves_as_a_landmarker(face_model: FaceModel) -> None:
    mesh = head((0, 0.3, 0)).place(face_model.mean[None])[0]
    network = FakeNetwork(mesh[list(landmarks68.TWINS)])
    landmarker = FaceAlignmentLandmarker(face_model, network=network)
    picture = picture_of(np.zeros((480, 640, 3), np.uint8))
    found = landmarker.detect(picture)
    assert [round(d.score, 2) for d in found] == [0.95, 0.7]
    assert isinstance(found[0], Detection)
    points, score = landmarker.landmarks(picture, found[0])
    assert points.shape == (468, 3)
    assert score > 0.5
    assert np.abs(points - mesh).max() < 5
    landmarker.landmarks(picture, points)
    assert network.boxes[0][:4] == [300, 20, 420, 150]
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    np.testing.assert_allclose(network.boxes[1][:4], [*low, *high], atol=1e-3)


def test_missing_weights_of_face_alignment_are_one_sentence(
    face_model: FaceModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    face_alignment: Any = pytest.importorskip("face_alignment")

    def fail(*_: Any, compile: bool = True, **__: Any) -> None:  # noqa: A002
        assert not compile
        raise URLError("no route to host")

    monkeypatch.setattr(face_alignment, "FaceAlignment", fail)
    with pytest.raises(ModelError, match=r"s3fd, 3DFAN4 and depth") as error:
        FaceAlignmentLandmarker(face_model)
    assert "\n" not in str(error.value)
