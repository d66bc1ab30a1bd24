"""Faces in a shot: detection, the 468-point mesh, and following people from frame to frame.

The two networks are MediaPipe 0.10.21's `face_detection_full_range_sparse` and `face_landmark`
(Apache-2.0, in `assets/mediapipe`), run by LiteRT. Boxes and landmarks stay, pixels go: memory
grows by a few kB a frame.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray
from scipy.signal import savgol_filter

from stylesync_engine.request import NoFaceError, SpeakerPoint

Array = NDArray[np.float32]
Image = NDArray[np.uint8]

MESH_POINTS = 468
SMALLEST_FACE = 48  # px of face width below which a dub could not look right

EYE_RIGHT, EYE_LEFT = 33, 263  # outer corners, as seen in the picture from left to right
LIP_TOP, LIP_BOTTOM = 13, 14  # inner lips, middle
FOREHEAD, CHIN = 10, 152

_ASSETS = Path(__file__).parent / "assets" / "mediapipe"
_DETECTOR_SIDE = 192
_DETECTOR_CELLS = 48
_MESH_SIDE = 192
_MESH_MARGIN = 1.5  # crop side over landmark box, the margin that the mesh was trained with
_DETECT_EVERY = 12  # frames between two looks for new faces
_MOST_FACES = 6
_SUDDEN = 12.0  # 0..255, least change of a picture that can be a cut
_SILENCE = threading.Lock()  # standard error belongs to the whole process
_SUDDEN_OVERLAP = 0.9  # of the colours, most that a sudden cut may leave alike


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

    def landmarks(self, picture: Image, seed: Array) -> tuple[Array, float]:
        """Landmarks `[468, 3]` (x, y, z in px of `picture`; z grows away from the camera) and the
        score 0..1 that there is a face. `seed` is `[468, 3]` of the frame before."""
        low, high = seed[:, :2].min(axis=0), seed[:, :2].max(axis=0)
        centre = np.asarray((low + high) / 2, np.float32)
        side = float((high - low).max())
        return self._run(picture, centre, side, seed[[EYE_RIGHT, EYE_LEFT], :2])

    def landmarks_of(self, picture: Image, detection: Detection) -> tuple[Array, float]:
        """The same for a fresh detection; run twice, since the detector's box is rough."""
        box = detection.box
        side = float(max(box[2:] - box[:2]))
        centre = np.asarray((box[:2] + box[2:]) / 2, np.float32)
        points, _ = self._run(picture, centre, side, detection.eyes)
        return self.landmarks(picture, points)

    def _run(self, picture: Image, centre: Array, side: float, eyes: Array) -> tuple[Array, float]:
        dx, dy = (eyes[1] - eyes[0]).tolist()
        angle = np.arctan2(dy, dx)
        scale = side * _MESH_MARGIN / _MESH_SIDE
        c, s = scale * np.cos(angle), scale * np.sin(angle)
        turn = np.array([[c, -s], [s, c]], np.float32)
        offset = centre - turn @ np.full(2, _MESH_SIDE / 2, np.float32)
        crop = cv2.warpAffine(
            picture,
            np.column_stack([turn, offset]).astype(np.float32),
            (_MESH_SIDE, _MESH_SIDE),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        self._network.set_tensor(self._input, crop[None].astype(np.float32) / 255.0)
        self._network.invoke()
        points = self._network.get_tensor(self._points).reshape(MESH_POINTS, 3)
        flag = float(self._network.get_tensor(self._flag).ravel()[0])
        upright = points[:, :2] @ turn.T + offset
        score = 1.0 / (1.0 + np.exp(-np.clip(flag, -80, 80)))
        return np.column_stack([upright, points[:, 2] * scale]).astype(np.float32), float(score)


class Landmarker(Protocol):
    """What following a face needs; another backend implements these two."""

    def detect(self, picture: Image) -> list[Detection]: ...

    def landmarks(self, picture: Image, seed: Array | Detection) -> tuple[Array, float]: ...


class MediaPipeLandmarker:
    """The default backend: detector and mesh as shipped."""

    def __init__(self) -> None:
        self._detector = FaceDetector()
        self._mesh = FaceMesh()

    def detect(self, picture: Image) -> list[Detection]:
        return self._detector.detect(picture)

    def landmarks(self, picture: Image, seed: Array | Detection) -> tuple[Array, float]:
        if isinstance(seed, Detection):
            return self._mesh.landmarks_of(picture, seed)
        return self._mesh.landmarks(picture, seed)


@dataclass(slots=True)
class Track:
    """One face without interruption: frames `[n]`, landmarks `[n, 468, 3]` and looks, by which
    people are told apart."""

    frames: list[int] = field(default_factory=list)
    landmarks: list[Array] = field(default_factory=list)
    looks: list[Array] = field(default_factory=list)

    @property
    def last_box(self) -> Array:
        return landmark_box(self.landmarks[-1])

    @property
    def look(self) -> Array:
        return np.asarray(np.mean(self.looks, axis=0), np.float32)


@dataclass(frozen=True, slots=True)
class Speaker:
    """One person in a shot of T frames.

    `landmarks` `[T, 468, 3]` px, smoothed, NaN where not seen; `seen` `[T]` bool;
    `size` px, the median width of the face; `mouth_motion`, spread of the lip gap over face height.
    """

    landmarks: Array
    seen: NDArray[np.bool_]
    size: float
    mouth_motion: float

    @property
    def importance(self) -> float:
        return self.size * (0.02 + self.mouth_motion) * float(self.seen.mean())

    @classmethod
    def of(cls, landmarks: Array, seen: NDArray[np.bool_]) -> Speaker:
        """Size and mouth motion measured over the frames that show the person."""
        visible = landmarks[seen]
        if not len(visible):
            return cls(landmarks, seen, 0.0, 0.0)
        size = float(np.median(np.ptp(visible[:, :, 0], axis=1)))
        return cls(landmarks, seen, size, float(lip_gap(visible).std()))

    def part(self, frames: slice) -> Speaker:
        """The same person in fewer frames."""
        return Speaker.of(self.landmarks[frames], self.seen[frames])


@dataclass(frozen=True, slots=True)
class ShotFaces:
    """Everybody seen in a shot of `length` frames; `cuts` are first frames after a cut."""

    length: int
    speakers: tuple[Speaker, ...]
    cuts: tuple[int, ...]


def landmark_box(points: Array) -> Array:
    """`(x0, y0, x1, y1)` around landmarks `[468, 2 or 3]`."""
    return np.concatenate([points[:, :2].min(axis=0), points[:, :2].max(axis=0)])


def lip_gap(landmarks: Array) -> Array:
    """Inner-lip opening over face height for landmarks `[..., 468, 2 or 3]`."""
    opening = np.linalg.norm(landmarks[..., LIP_TOP, :2] - landmarks[..., LIP_BOTTOM, :2], axis=-1)
    height = np.linalg.norm(landmarks[..., FOREHEAD, :2] - landmarks[..., CHIN, :2], axis=-1)
    return np.asarray(opening / height, np.float32)


def follow_faces(
    pictures: Iterable[Image], landmarker: Landmarker | None = None
) -> Iterator[ShotFaces | int]:
    """Follow all faces through a stream of RGB pictures.

    Yields the number of pictures seen so far after each one, and the `ShotFaces` at the end.
    """
    landmarker = landmarker or MediaPipeLandmarker()
    tracks: list[Track] = []
    active: list[Track] = []
    cuts: list[int] = []
    before: Image | None = None
    usual, index = 1.0, -1
    for index, picture in enumerate(pictures):
        thumbnail = np.asarray(
            cv2.resize(picture, (64, 36), interpolation=cv2.INTER_AREA), np.uint8
        )
        if before is not None:
            if is_cut(before, thumbnail, usual):
                cuts.append(index)
                active = []
            else:
                usual += 0.2 * (picture_change(before, thumbnail) - usual)
        before = thumbnail
        still = [track for track in active if _extend(track, index, picture, landmarker)]
        if len(still) < len(active) or not still or index % _DETECT_EVERY == 0:
            fresh = _start_tracks(index, picture, landmarker, still)
            tracks += fresh
            still += fresh
        active = still
        yield index + 1
    yield ShotFaces(index + 1, _speakers(tracks, index + 1, cuts), tuple(cuts))


def choose_speaker(
    faces: ShotFaces, point: SpeakerPoint | None = None, within: slice = slice(None)
) -> Speaker:
    """The clicked speaker, else the one whose mouth moves most `within` a part of the frames,
    larger faces first.

    Raises NoFaceError where nobody is there or the faces are too small.
    """
    if point is not None:
        chosen = _speaker_at(faces, point)
    else:
        present = [speaker for speaker in faces.speakers if speaker.seen[within].any()]
        if not present:
            raise NoFaceError(
                "No face was found in the shot; choose a range in which the speaker's face is seen."
            )
        chosen = max(present, key=lambda speaker: speaker.part(within).importance)
    _check_size(chosen.part(within))
    return chosen


def is_cut(before: Image, after: Image, usual: float = np.inf) -> bool:
    """Whether two thumbnails `[36, 64, 3]` belong to different shots: both the picture and its
    colours change (motion changes the first alone, a flash mostly the second).

    Less is asked of a sudden change, far above the `usual` one from frame to frame: two people
    may be filmed before the same wall.
    """
    change = picture_change(before, after)
    sudden = change > max(_SUDDEN, 4 * usual)
    if change < 18 and not sudden:
        return False
    histograms = [
        cv2.calcHist([image], [0, 1, 2], None, [6, 6, 6], [0, 256] * 3).astype(np.float32)
        / image[..., 0].size
        for image in (before, after)
    ]
    overlap = float(np.minimum(*histograms).sum())
    return overlap < (_SUDDEN_OVERLAP if sudden else 0.6)


def picture_change(before: Image, after: Image) -> float:
    """Mean difference of two thumbnails, 0..255."""
    return float(np.abs(before.astype(np.int16) - after).mean())


def smooth_landmarks(landmarks: Array, seen: NDArray[np.bool_]) -> Array:
    """Remove jitter without lag: a symmetric second-order Savitzky-Golay window of 5 frames over
    each stretch in which the face is seen. `[T, 468, 3]` in and out."""
    out = landmarks.copy()
    for start, end in stretches(seen):
        if end - start >= 5:
            out[start:end] = savgol_filter(landmarks[start:end], 5, 2, axis=0, mode="interp")
    return out


def stretches(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Half-open ranges in which `flags` `[T]` is true."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


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


def _extend(track: Track, index: int, picture: Image, landmarker: Landmarker) -> bool:
    points, score = landmarker.landmarks(picture, track.landmarks[-1])
    if score < 0.5 or not _plausible(points, track.landmarks[-1], picture):
        return False
    track.frames.append(index)
    track.landmarks.append(points)
    if len(track.frames) % _DETECT_EVERY == 0:
        track.looks.append(_look(picture, points))
    return True


def _start_tracks(
    index: int, picture: Image, landmarker: Landmarker, known: list[Track]
) -> list[Track]:
    fresh: list[Track] = []
    for detection in landmarker.detect(picture):
        if any(_overlap(detection.box, track.last_box) > 0.2 for track in known + fresh):
            continue
        points, score = landmarker.landmarks(picture, detection)
        if score < 0.5 or any(
            _overlap(landmark_box(points), t.last_box) > 0.2 for t in known + fresh
        ):
            continue
        fresh.append(Track([index], [points], [_look(picture, points)]))
    return fresh


def _plausible(points: Array, before: Array, picture: Image) -> bool:
    """A mesh that jumps, collapses or leaves the picture no longer follows its face."""
    if not np.isfinite(points).all():
        return False
    box, old = landmark_box(points), landmark_box(before)
    size, old_size = float(box[2] - box[0]), float(old[2] - old[0])
    height, width = picture.shape[:2]
    centre = (box[:2] + box[2:]) / 2
    inside = bool(0 <= centre[0] < width and 0 <= centre[1] < height)
    return inside and size > 8 and 0.6 < size / old_size < 1.67 and _overlap(box, old) > 0.2


def _look(picture: Image, points: Array) -> Array:
    """A small picture of the upper face, `[16, 24, 3]` without mean, that tells people apart."""
    eyes = points[[EYE_RIGHT, EYE_LEFT], :2]
    across = eyes[1] - eyes[0]
    turn = np.array([[across[0], -across[1]], [across[1], across[0]]], np.float32) / 12.0
    offset = eyes[0] - turn @ np.array([6.0, 8.0], np.float32)
    matrix = np.column_stack([turn, offset]).astype(np.float32)
    small = cv2.warpAffine(
        picture,
        matrix,
        (24, 16),
        flags=cv2.INTER_AREA | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return small.astype(np.float32) / 255.0


def _same_person(one: Track, other: Track, cuts: list[int]) -> bool:
    """Whether two tracks that do not overlap in time show one person; after a cut the same place
    in the picture says nothing."""
    first, second = sorted((one, other), key=lambda track: track.frames[0])
    if set(first.frames) & set(second.frames):
        return False
    pause = second.frames[0] - first.frames[-1]
    cut = any(first.frames[-1] < frame <= second.frames[0] for frame in cuts)
    near = not cut and _overlap(first.last_box, landmark_box(second.landmarks[0])) > 0.3
    a, b = first.look - first.look.mean(), second.look - second.look.mean()
    likeness = float((a * b).sum() / (np.linalg.norm(a) * np.linalg.norm(b) + 1e-6))
    colour = float(np.abs(first.look.mean(axis=(0, 1)) - second.look.mean(axis=(0, 1))).max())
    return likeness > (0.5 if near and pause <= 25 else 0.75) and colour < 0.2


def _speakers(tracks: list[Track], length: int, cuts: list[int]) -> tuple[Speaker, ...]:
    people: list[list[Track]] = []
    for track in sorted(tracks, key=lambda t: -len(t.frames)):
        home = next(
            (
                p
                for p in people
                if all(not set(t.frames) & set(track.frames) for t in p)
                and _same_person(p[0], track, cuts)
            ),
            None,
        )
        if home is None:
            people.append([track])
        else:
            home.append(track)
    speakers = [_speaker(person, length, cuts) for person in people]
    return tuple(sorted(speakers, key=lambda s: -s.importance))


def _speaker(tracks: list[Track], length: int, cuts: list[int]) -> Speaker:
    landmarks = np.full((length, MESH_POINTS, 3), np.nan, np.float32)
    seen = np.zeros(length, bool)
    for track in tracks:
        landmarks[track.frames] = np.stack(track.landmarks)
        seen[track.frames] = True
    smoothed = landmarks.copy()
    for start, end in zip([0, *cuts], [*cuts, length], strict=True):
        smoothed[start:end] = smooth_landmarks(landmarks[start:end], seen[start:end])
    return Speaker.of(smoothed, seen)


def _speaker_at(faces: ShotFaces, point: SpeakerPoint) -> Speaker:
    if not 0 <= point.frame < faces.length:
        raise NoFaceError(
            f"Frame {point.frame} of the speaker point lies outside of the range;"
            f" click in frames 0 to {faces.length - 1}."
        )
    click = np.array([point.x, point.y], np.float32)
    for speaker in faces.speakers:
        if speaker.seen[point.frame]:
            box = landmark_box(speaker.landmarks[point.frame])
            margin = 0.15 * (box[2:] - box[:2])
            if np.all(click >= box[:2] - margin) and np.all(click <= box[2:] + margin):
                return speaker
    raise NoFaceError(
        f"There is no face at {point.x:g},{point.y:g} in frame {point.frame};"
        " click on the face that is to be dubbed."
    )


def _check_size(speaker: Speaker) -> None:
    if speaker.size < SMALLEST_FACE:
        raise NoFaceError(
            f"The speaker's face is {speaker.size:.0f} px wide, too small to dub;"
            f" use a shot with a face of at least {SMALLEST_FACE} px."
        )


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
        if all(_overlap(detection.box, other.box) < 0.3 for other in kept):
            kept.append(detection)
    return kept


def _overlap(a: Any, b: Any) -> float:
    """Intersection over union, or over the smaller box where one lies inside the other."""
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    common = float(np.prod(np.clip(high - low, 0, None)))
    areas = [float(np.prod(box[2:] - box[:2])) for box in (a, b)]
    return max(common / (sum(areas) - common + 1e-6), 0.8 * common / (min(areas) + 1e-6))
