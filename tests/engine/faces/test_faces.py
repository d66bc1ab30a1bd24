"""Following people through a shot, with a landmarker whose answers the test wrote itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from model_fixtures import jaw_field, make_face_model
from numpy.typing import NDArray
from places import DEMO

from stylesync_engine.faces import landmarker
from stylesync_engine.faces.landmarker import (
    Detection,
    FaceDetector,
    MediaPipeLandmarker,
    landmark_box,
)
from stylesync_engine.faces.tracking import (
    ShotFaces,
    Speaker,
    choose_speaker,
    follow_faces,
    is_cut,
    lip_gap,
    smooth_landmarks,
    stretches,
)
from stylesync_engine.pictures.image import PixelImage, picture_of
from stylesync_engine.request import SMALLEST_FACE, NoFaceError, SpeakerPoint

Array = NDArray[np.float32]
Image = NDArray[np.uint8]
MODEL = make_face_model()
TAKE = DEMO / "take_to_dub.mp4"


@dataclass(frozen=True)
class Person:
    """A face that moves over the picture: `centre(t)` px, eye distance px, mouth opening 0.."""

    centre: Callable[[int], tuple[float, float]]
    size: float
    colour: int
    opening: Callable[[int], float] = lambda t: 0.0
    seen: Callable[[int], bool] = lambda t: True

    def mesh(self, t: int) -> Array:
        shape = MODEL.mean + self.opening(t) * jaw_field(MODEL.mean)
        place = np.array([*self.centre(t), 0], np.float32)
        return np.asarray(shape * self.size + place, np.float32)


class Stage:
    """Pictures of persons, and a landmarker that reads which frame it sees from a corner px."""

    def __init__(self, people: Sequence[Person], length: int, cuts: Sequence[int] = ()) -> None:
        self.people, self.length, self.cuts = people, length, cuts
        self.detections = 0

    def picture(self, t: int) -> Image:
        background = 40 + 120 * (sum(t >= cut for cut in self.cuts) % 2)
        picture = np.full((360, 640, 3), background, np.uint8)
        for person in self.people:
            if person.seen(t):
                x0, y0, x1, y1 = (int(v) for v in landmark_box(person.mesh(t)))
                _, x = np.mgrid[y0:y1, x0:x1]
                pattern = person.colour + 30 * np.sin((x - x0) / (x1 - x0) * person.colour / 8)
                picture[max(y0, 0) : y1, max(x0, 0) : x1] = pattern.astype(np.uint8)[..., None]
        picture[0, 0] = t
        return picture

    def pictures(self) -> list[PixelImage]:
        return [picture_of(self.picture(t)) for t in range(self.length)]

    def detect(self, picture: PixelImage) -> list[Detection]:
        self.detections += 1
        t = int(picture.planes[0][0, 0, 0])
        boxes = [landmark_box(p.mesh(t)) for p in self.people if p.seen(t)]
        return [Detection(box, box.reshape(2, 2), 0.9) for box in boxes]

    def landmarks(self, picture: PixelImage, seed: Array | Detection) -> tuple[Array, float]:
        box = seed.box if isinstance(seed, Detection) else landmark_box(seed)
        t = int(picture.planes[0][0, 0, 0])
        near = [p for p in self.people if p.seen(t) and overlap(landmark_box(p.mesh(t)), box)]
        if not near:
            return (seed if not isinstance(seed, Detection) else MODEL.mean * 50 + 100), 0.1
        return near[0].mesh(t), 0.95


def overlap(one: Array, other: Array) -> bool:
    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])
    return bool((high - low > 0.3 * (one[2:] - one[:2])).all())


def follow(stage: Stage) -> ShotFaces:
    *progress, last = list(follow_faces(stage.pictures(), stage))
    assert progress == list(range(1, stage.length + 1))
    assert isinstance(last, ShotFaces)
    return last


def still(x: float, y: float = 120.0) -> Callable[[int], tuple[float, float]]:
    return lambda t: (x, y)


def test_a_person_is_followed_in_every_frame() -> None:
    walker = Person(lambda t: (150 + 4.0 * t, 120), 60, 150)
    found = follow(Stage([walker], 40))
    assert found.length == 40
    assert len(found.speakers) == 1
    assert found.speakers[0].seen.all()
    for t in (0, 17, 39):  # smoothing leaves even motion where it is
        np.testing.assert_allclose(found.speakers[0].landmarks[t], walker.mesh(t), atol=0.05)


def test_two_people_are_told_apart_and_the_speaking_one_comes_first() -> None:
    listener = Person(still(160), 70, 90)
    speaker = Person(still(460), 60, 190, opening=lambda t: 2 * abs(np.sin(t / 3)))
    found = follow(Stage([listener, speaker], 30))
    assert len(found.speakers) == 2
    assert found.speakers[0].landmarks[0, :, 0].mean() > 320
    assert choose_speaker(found) is found.speakers[0]
    clicked = choose_speaker(found, SpeakerPoint(5, 160, 150))
    assert clicked is found.speakers[1]
    with pytest.raises(NoFaceError, match="no face at 320,300"):
        choose_speaker(found, SpeakerPoint(5, 320, 300))
    with pytest.raises(NoFaceError, match="frames 0 to 29"):
        choose_speaker(found, SpeakerPoint(30, 160, 150))


def test_frames_without_the_face_are_known_and_the_person_comes_back() -> None:
    hidden = Person(still(300), 60, 150, seen=lambda t: not 10 <= t < 16)
    found = follow(Stage([hidden], 40))
    assert len(found.speakers) == 1
    assert stretches(found.speakers[0].seen) == [(0, 10), (16, 40)]
    assert np.isnan(found.speakers[0].landmarks[10:16]).all()


def test_somebody_who_enters_late_is_found() -> None:
    first, late = Person(still(160), 60, 90), Person(still(460), 60, 190, seen=lambda t: t >= 9)
    found = follow(Stage([first, late], 40))
    assert len(found.speakers) == 2
    starts = sorted(int(np.flatnonzero(s.seen)[0]) for s in found.speakers)
    assert starts[0] == 0
    assert 9 <= starts[1] <= 9 + 12


def test_a_cut_is_seen_and_nothing_is_smoothed_across_it() -> None:
    person = Person(lambda t: (200.0 if t < 12 else 215.0, 120), 60, 100)
    found = follow(Stage([person], 30, cuts=[12]))
    assert found.cuts == (12,)
    for speaker in found.speakers:
        for t in np.flatnonzero(speaker.seen):
            np.testing.assert_allclose(speaker.landmarks[t], person.mesh(int(t)), atol=0.05)


def test_an_empty_shot_and_a_tiny_face_are_refused_in_a_sentence() -> None:
    empty = follow(Stage([], 5))
    assert empty.speakers == ()
    with pytest.raises(NoFaceError, match="No face was found"):
        choose_speaker(empty)
    tiny = follow(Stage([Person(still(300), 15, 150)], 5))
    with pytest.raises(NoFaceError, match=f"at least {SMALLEST_FACE} px"):
        choose_speaker(tiny)
    *_, nothing = list(follow_faces([], Stage([], 0)))
    assert isinstance(nothing, ShotFaces)
    assert nothing.length == 0


def test_smoothing_keeps_motion_and_takes_jitter() -> None:
    time = np.arange(40, dtype=np.float32)[:, None, None]
    path = np.broadcast_to(100 + 3 * time + 0.05 * time**2, (40, 468, 3)).astype(np.float32)
    seen = np.ones(40, bool)
    np.testing.assert_allclose(smooth_landmarks(path, seen), path, atol=1e-3)
    jitter = np.random.default_rng(0).normal(size=path.shape).astype(np.float32)
    smoothed = smooth_landmarks(path + jitter, seen) - path
    assert smoothed.std() < 0.75
    assert abs(smoothed[5:-5].mean()) < 0.02
    seen[20] = False
    gap = np.where(seen[:, None, None], path, np.nan)
    out = smooth_landmarks(gap, seen)
    assert np.isnan(out[20]).all()
    assert np.isfinite(out[seen]).all()


def test_a_cut_changes_picture_and_colours_but_motion_and_flashes_do_not() -> None:
    numbers = np.random.default_rng(0)
    room = np.full((36, 64, 3), (150, 60, 40), np.uint8)
    room[:, 20:40] = (30, 90, 160)
    panned = np.roll(room, 6, axis=1)
    street = numbers.integers(0, 60, room.shape).astype(np.uint8)
    assert is_cut(room, street)
    assert not is_cut(room, panned)
    assert not is_cut(room, np.clip(room.astype(int) + 8, 0, 255).astype(np.uint8))
    assert not is_cut(room, room)


def test_stretches_are_half_open_ranges() -> None:
    flags = np.array([1, 1, 0, 0, 1, 0, 1], bool)
    assert stretches(flags) == [(0, 2), (4, 5), (6, 7)]
    assert stretches(np.zeros(3, bool)) == []


def test_the_lip_gap_is_a_share_of_the_face_s_height() -> None:
    meshes = np.stack([Person(still(0), size, 0, lambda t: 3.0).mesh(0) for size in (50, 200)])
    gaps = lip_gap(meshes)
    assert gaps[0] == pytest.approx(gaps[1], rel=1e-4)
    points = meshes[0]
    expected = np.hypot(*(points[13] - points[14])[:2]) / np.hypot(*(points[10] - points[152])[:2])
    assert gaps[0] == pytest.approx(expected, rel=1e-4)


def test_tiles_cover_the_whole_picture() -> None:
    picture = np.zeros((1080, 1920, 3), np.uint8)
    for tile, (x, y) in landmarker._tiles(picture):
        tile[:] = 1
        assert picture[y, x].all()
    assert picture.all()


def test_of_overlapping_detections_the_surest_stays() -> None:
    boxes = [[0, 0, 100, 100], [8, 4, 104, 106], [300, 0, 400, 100], [20, 20, 60, 60]]
    found = [
        Detection(np.array(box, np.float32), np.zeros((2, 2), np.float32), score)
        for box, score in zip(boxes, (0.7, 0.9, 0.8, 0.95), strict=True)
    ]
    kept = landmarker._suppress_overlaps(found)
    assert [d.score for d in kept] == [0.95, 0.8]


@pytest.mark.parametrize("size", [(360, 640), (1080, 1920), (50, 30)])
def test_there_is_no_face_in_noise_or_grey(size: tuple[int, int]) -> None:
    detector = FaceDetector()
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)
    assert detector.detect(noise) == []
    assert detector.detect(np.full((*size, 3), 128, np.uint8)) == []


@pytest.mark.skipif(not TAKE.is_file(), reason="the demo clip is not there")
def test_the_presenter_is_found_where_she_is_however_the_picture_is_placed() -> None:
    from stylesync_engine.media import read_frames

    frame = next(iter(read_frames(str(TAKE)))).to_rgb()
    landmarker = MediaPipeLandmarker()
    (face,) = landmarker.detect(picture_of(frame))
    points, score = landmarker.landmarks(picture_of(frame), face)
    assert score > 0.9
    assert points[33, 0] < points[263, 0]
    wide = np.zeros((720, 1280, 3), np.uint8)
    wide[100 : 100 + frame.shape[0], 400 : 400 + frame.shape[1]] = frame[:620, :880]
    (moved,) = landmarker.detect(picture_of(wide))
    again, _ = landmarker.landmarks(picture_of(wide), moved)
    size = np.ptp(points[:, 0])
    assert np.abs(again[:, :2] - points[:, :2] - [400, 100]).max() < 0.05 * size


def test_importance_wants_size_motion_and_presence() -> None:
    landmarks, seen = np.zeros((4, 468, 3), np.float32), np.ones(4, bool)
    base = Speaker(landmarks, seen, 100, 0.02)
    assert Speaker(landmarks, seen, 50, 0.02).importance < base.importance
    assert Speaker(landmarks, seen, 100, 0.0).importance < base.importance
    rarely = np.array([True, False, False, False])
    assert Speaker(landmarks, rarely, 100, 0.02).importance < base.importance
