"""What finds faces in one picture and lays the 468-point mesh on them.

The two networks are MediaPipe 0.10.21's `face_detection_full_range_sparse` and `face_landmark`
(Apache-2.0, in `mediapipe`), run by LiteRT.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter

from stylesync_engine.arrays import Array, Image
from stylesync_engine.pictures.image import PixelImage

MESH_POINTS = 468
EYE_RIGHT, EYE_LEFT = 33, 263  # outer corners, as seen in the picture from left to right

_ASSETS = Path(__file__).parent / "mediapipe"
_DETECTOR_SIDE = 192
_DETECTOR_CELLS = 48
_MESH_SIDE = 192
_MESH_MARGIN = 1.5  # crop side over landmark box, the margin that the mesh was trained with
_MOST_FACES = 6
_SILENCE = threading.Lock()  # standard error belongs to the whole process


@dataclass(frozen=True, slots=True)
class Detection:
    """One found face: box `(x0, y0, x1, y1)` in px, both eyes' centres in px, score 0..1."""

    box: Array
    eyes: Array
    score: float


class FaceDetector:
    """Finds faces of any size: the whole picture first, then overlapping tiles for small ones."""

    def __init__(self, threshold: float = 0.6) -> None:
        self._network = _load_network("face_detection_full_range_sparse.tflite")
        self._input = self._network.get_input_details()[0]["index"]
        outputs = sorted(self._network.get_output_details(), key=lambda o: -int(o["shape"][-1]))
        self._boxes, self._scores = (o["index"] for o in outputs)
        self._threshold = threshold
        cells = (np.arange(_DETECTOR_CELLS, dtype=np.float32) + 0.5) / _DETECTOR_CELLS
        self._anchors = np.stack(np.meshgrid(cells, cells), axis=-1).reshape(-1, 2)

    def detect(self, picture: Image) -> list[Detection]:
        """Faces in `picture` `[H, W, 3]` RGB, best first."""
        found = self._detect_in(picture, (0, 0))
        height, width = picture.shape[:2]
        if max(height, width) > 2 * _DETECTOR_SIDE:
            found += [d for tile, corner in _tiles(picture) for d in self._detect_in(tile, corner)]
        return _suppress_overlaps(found)[:_MOST_FACES]

    def _detect_in(self, picture: Image, corner: tuple[int, int]) -> list[Detection]:
        height, width = picture.shape[:2]
        side = max(height, width)
        square = np.zeros((_DETECTOR_SIDE, _DETECTOR_SIDE, 3), np.float32)
        scale = _DETECTOR_SIDE / side
        small = cv2.resize(
            picture,
            (max(1, round(width * scale)), max(1, round(height * scale))),
            interpolation=cv2.INTER_AREA,
        )
        square[: small.shape[0], : small.shape[1]] = small.astype(np.float32) / 127.5 - 1.0
        self._network.set_tensor(self._input, square[None])
        self._network.invoke()
        raw = self._network.get_tensor(self._boxes)[0]
        logits = np.clip(self._network.get_tensor(self._scores)[0, :, 0], -80, 80)
        scores = 1.0 / (1.0 + np.exp(-logits))
        kept = np.flatnonzero(scores > self._threshold)
        centres = raw[kept, 0:2] / _DETECTOR_SIDE + self._anchors[kept]
        halves = raw[kept, 2:4] / _DETECTOR_SIDE / 2
        eyes = raw[kept, 4:8].reshape(-1, 2, 2) / _DETECTOR_SIDE + self._anchors[kept, None]
        shift = np.array(corner, np.float32)
        boxes = np.concatenate([centres - halves, centres + halves], axis=1) * side + np.tile(
            shift, 2
        )
        return [
            Detection(box.astype(np.float32), (eye * side + shift).astype(np.float32), float(score))
            for box, eye, score in zip(boxes, eyes, scores[kept], strict=True)
        ]


class FaceMesh:
    """468 landmarks of one face, seeded by a detection or by the frame before."""

    def __init__(self) -> None:
        self._network = _load_network("face_landmark.tflite")
        self._input = self._network.get_input_details()[0]["index"]
        outputs = sorted(self._network.get_output_details(), key=lambda o: -int(o["shape"][-1]))
        self._points, self._flag = (o["index"] for o in outputs)

    def landmarks(self, picture: PixelImage, seed: Array) -> tuple[Array, float]:
        """Landmarks `[468, 3]` (x, y, z in px of `picture`; z grows away from the camera) and the
        score 0..1 that there is a face. `seed` is `[468, 3]` of the frame before."""
        low, high = seed[:, :2].min(axis=0), seed[:, :2].max(axis=0)
        centre = np.asarray((low + high) / 2, np.float32)
        side = float((high - low).max())
        return self._run(picture, centre, side, seed[[EYE_RIGHT, EYE_LEFT], :2])

    def landmarks_of(self, picture: PixelImage, detection: Detection) -> tuple[Array, float]:
        """The same for a fresh detection; run twice, since the detector's box is rough."""
        box = detection.box
        side = float(max(box[2:] - box[:2]))
        centre = np.asarray((box[:2] + box[2:]) / 2, np.float32)
        points, _ = self._run(picture, centre, side, detection.eyes)
        return self.landmarks(picture, points)

    def _run(
        self, picture: PixelImage, centre: Array, side: float, eyes: Array
    ) -> tuple[Array, float]:
        dx, dy = (eyes[1] - eyes[0]).tolist()
        angle = np.arctan2(dy, dx)
        scale = side * _MESH_MARGIN / _MESH_SIDE
        c, s = scale * np.cos(angle), scale * np.sin(angle)
        turn = np.array([[c, -s], [s, c]], np.float32)
        offset = centre - turn @ np.full(2, _MESH_SIDE / 2, np.float32)
        crop = cut_turned(picture, turn, offset, (_MESH_SIDE, _MESH_SIDE), cv2.INTER_LINEAR)
        self._network.set_tensor(self._input, crop[None].astype(np.float32) / 255.0)
        self._network.invoke()
        points = self._network.get_tensor(self._points).reshape(MESH_POINTS, 3)
        flag = float(self._network.get_tensor(self._flag).ravel()[0])
        upright = points[:, :2] @ turn.T + offset
        score = 1.0 / (1.0 + np.exp(-np.clip(flag, -80, 80)))
        return np.column_stack([upright, points[:, 2] * scale]).astype(np.float32), float(score)


class Landmarker(Protocol):
    """What following a face needs; another backend implements these two. Several threads may detect
    at once."""

    def detect(self, picture: PixelImage) -> list[Detection]: ...

    def landmarks(self, picture: PixelImage, seed: Array | Detection) -> tuple[Array, float]: ...


class MediaPipeLandmarker:
    """The default backend: detector and mesh as shipped."""

    def __init__(self) -> None:
        self._own = threading.local()  # a network is one thread's
        self._mesh = FaceMesh()

    def detect(self, picture: PixelImage) -> list[Detection]:
        if not hasattr(self._own, "detector"):
            self._own.detector = FaceDetector()
        found: list[Detection] = self._own.detector.detect(picture.to_rgb8())
        return found

    def landmarks(self, picture: PixelImage, seed: Array | Detection) -> tuple[Array, float]:
        if isinstance(seed, Detection):
            return self._mesh.landmarks_of(picture, seed)
        return self._mesh.landmarks(picture, seed)


def cut_turned(
    picture: PixelImage, turn: Array, offset: Array, size: tuple[int, int], how: int
) -> Image:
    """`[h, w, 3]` of `size` whose px `p` shows the picture's `turn @ p + offset`; `how` is
    OpenCV's interpolation. Only what it shows is converted."""
    corners = np.array([[0, 0], [size[0], 0], [0, size[1]], size]) @ turn.T + offset
    low = np.floor(corners.min(axis=0)).astype(int) - 3
    high = np.ceil(corners.max(axis=0)).astype(int) + 3
    low = np.clip(low, 0, np.array(picture.size) - 1)
    high = np.maximum(high, low + 1)
    region = picture.region_to_rgb8((*low.tolist(), *high.tolist()))
    matrix = np.column_stack([turn, offset - low]).astype(np.float64)
    flags, border = how | cv2.WARP_INVERSE_MAP, cv2.BORDER_REPLICATE
    return np.asarray(cv2.warpAffine(region, matrix, size, flags=flags, borderMode=border))


def landmark_box(points: Array) -> Array:
    """`(x0, y0, x1, y1)` around landmarks `[468, 2 or 3]`."""
    return np.concatenate([points[:, :2].min(axis=0), points[:, :2].max(axis=0)])


def _load_network(name: str) -> Interpreter:
    with _SILENCE, _native_silence():
        network = Interpreter(str(_ASSETS / name), num_threads=1)
        network.allocate_tensors()
    return network


@contextmanager
def _native_silence() -> Iterator[None]:
    """LiteRT announces itself on standard error, where only what a person should read may stand."""
    try:
        kept = os.dup(2)
    except OSError:  # a program without standard error
        yield
        return
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def _tiles(picture: Image) -> Iterator[tuple[Image, tuple[int, int]]]:
    """Square tiles of half the picture's height or width, half overlapping."""
    height, width = picture.shape[:2]
    side = max(min(height, width) * 5 // 8, 2 * _DETECTOR_SIDE)
    for y in _starts(height, side):
        for x in _starts(width, side):
            yield picture[y : y + side, x : x + side], (x, y)


def _starts(length: int, side: int) -> list[int]:
    count = max(1, int(np.ceil((length - side) / (side * 0.75))) + 1) if length > side else 1
    return [round(i * max(0, length - side) / max(1, count - 1)) for i in range(count)]


def _suppress_overlaps(found: list[Detection]) -> list[Detection]:
    kept: list[Detection] = []
    for detection in sorted(found, key=lambda d: -d.score):
        if all(overlap(detection.box, other.box) < 0.3 for other in kept):
            kept.append(detection)
    return kept


def overlap(a: Any, b: Any) -> float:
    """Intersection over union, or over the smaller box where one lies inside the other."""
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    common = float(np.prod(np.clip(high - low, 0, None)))
    areas = [float(np.prod(box[2:] - box[:2])) for box in (a, b)]
    return max(common / (sum(areas) - common + 1e-6), 0.8 * common / (min(areas) + 1e-6))
