"""What passes before a mouth is found and left alone; faces that only move are not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from clip_fixtures import ask
from model_fixtures import front_of_face
from numpy.typing import NDArray

from stylesync_engine.dubbing import dub
from stylesync_engine.media import Frame, VideoWriter, probe_video, read_frames
from stylesync_engine.mouth.compositing import place_region
from stylesync_engine.mouth.crop import CROP, EYE_DISTANCE, EYES_ROW, LOWER
from stylesync_engine.mouth.occlusion import CELL, find_hidden, sample_colours, watched_places
from stylesync_engine.plan.plan import Plan
from stylesync_engine.request import FrameRange
from stylesync_engine.weights.loading import Models

Array = NDArray[np.float32]
Image = NDArray[np.uint8]

FRAMES = 30
RANGE = f"0:{FRAMES}"
HAND = (110, 150, 70, 60)  # x, y, width and height in crop px
BEHIND = slice(10, 18)  # frames in which the hand is there


@pytest.fixture(scope="module")
def points() -> Array:
    """Landmarks `[T, 468, 2]` of a face that moves a little."""
    face = 0.8 * EYE_DISTANCE * front_of_face() + np.array([CROP / 2, EYES_ROW], np.float32)
    sway = 3 * np.sin(np.arange(FRAMES) / 4)[:, None, None] * np.array([1, 0.5])
    return (face + sway).astype(np.float32)


def skin(points: Array, light: Array) -> Image:
    """Crops `[T, 256, 256, 3]` of a shaded face that moves with its landmarks, and noise."""
    numbers = np.random.default_rng(0)
    y, x = np.mgrid[:CROP, :CROP].astype(np.float32)
    shade = np.stack([150 + 30 * np.sin(x / 40), 110 + 20 * np.cos(y / 50), 90 + x / 10], axis=-1)
    crops = []
    for at, more in zip(points, light, strict=True):
        shift = (at - points.mean(axis=0)).mean(axis=0)
        moved = cv2.warpAffine(
            shade, np.array([[1, 0, shift[0]], [0, 1, shift[1]]]), (CROP, CROP),
            borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
        crops.append(moved + more + numbers.normal(0, 4, shade.shape))
    return np.clip(np.stack(crops), 0, 255).round().astype(np.uint8)


def look(crops: Image, points: Array) -> Image:
    places = points[:, watched_places(points)]
    colours = [sample_colours(crop, at) for crop, at in zip(crops, places, strict=True)]
    return find_hidden(np.stack(colours), places)


def cover(crops: Image) -> Image:
    x, y, width, height = HAND
    covered = crops.copy()
    covered[BEHIND, y : y + height, x : x + width] = (205, 165, 140)
    return covered


def test_a_face_that_moves_hides_nothing(points: Array) -> None:
    assert not look(skin(points, np.zeros(FRAMES)), points).any()


def test_light_that_changes_hides_nothing(points: Array) -> None:
    assert not look(skin(points, np.linspace(-35, 35, FRAMES)), points).any()


def test_a_hand_is_found_where_and_when_it_is(points: Array) -> None:
    hidden = look(cover(skin(points, np.zeros(FRAMES))), points)
    frames = hidden.any(axis=(1, 2))
    assert frames[BEHIND].all()
    assert not np.delete(frames, np.arange(FRAMES)[BEHIND]).any()
    x, y, width, height = HAND
    truth = np.zeros((LOWER, CROP), bool)
    truth[y - LOWER : y - LOWER + height, x : x + width] = True
    found = np.kron(hidden[14], np.ones((CELL, CELL))) > 127
    assert (found & truth).sum() > 0.8 * truth.sum()
    around = cv2.dilate(truth.astype(np.uint8), np.ones((33, 33), np.uint8)).astype(bool)
    assert not (found & ~around).any()


def test_a_few_frames_say_nothing_of_what_is_usual(points: Array) -> None:
    crops = cover(skin(points, np.zeros(FRAMES)))
    assert not look(crops[8:16], points[8:16]).any()


def test_what_is_hidden_is_not_in_the_matte(points: Array) -> None:
    matrix = np.eye(2, 3, dtype=np.float32)
    hidden = np.zeros((LOWER // CELL, CROP // CELL), np.uint8)
    hidden[:, 16:] = 255
    box, open_matte, *_ = place_region(matrix, points[0], points[0])
    same, matte, cover, _ = place_region(matrix, points[0], points[0], hidden)
    assert box == same
    columns = np.arange(box[0], box[2])
    assert not cover[:, columns > CROP / 2 + CELL].any()
    left = columns < CROP / 2 - CELL
    np.testing.assert_array_equal(matte[:, left], open_matte[:, left])


def test_a_hand_before_a_real_mouth_stays(
    tmp_path: Path, talking: Path, other_speech: Path, models: Models
) -> None:
    info = probe_video(talking)
    source = list(read_frames(talking, FrameRange(0, FRAMES)))
    plain = dub(ask(talking, other_speech, tmp_path / "plain.mkv", RANGE), models)
    plan = Plan.load(tmp_path / "plain.work")
    assert not any("before the mouth" in warning for warning in plain.warnings)
    with VideoWriter(tmp_path / "hand.mkv", info, "ffv1") as writer:
        for frame in source:
            writer.write(hold_hand(frame, plan) if frame.index in range(FRAMES)[BEHIND] else frame)
    result = dub(ask(tmp_path / "hand.mkv", other_speech, tmp_path / "out.mkv", RANGE), models)
    assert any("before the mouth in" in warning for warning in result.warnings)
    covered = [frame.to_rgb() for frame in read_frames(tmp_path / "hand.mkv")]
    dubbed = [frame.to_rgb() for frame in read_frames(tmp_path / "out.mkv")]
    middle = range(FRAMES)[BEHIND][len(range(FRAMES)[BEHIND]) // 2]
    x, y = np.round(mouth_of(plan, middle)).astype(int)
    np.testing.assert_array_equal(
        dubbed[middle][y - 4 : y + 4, x - 4 : x + 4], covered[middle][y - 4 : y + 4, x - 4 : x + 4]
    )
    hand = np.array([60, 140, 200])
    for index in (2, FRAMES - 3):  # and no reference has brought it elsewhere
        x, y = np.round(mouth_of(plan, index)).astype(int)
        patch = dubbed[index][y - 6 : y + 6, x - 6 : x + 6].astype(int)
        assert np.abs(patch - hand).sum(axis=2).min() > 60


def mouth_of(plan: Plan, position: int) -> Array:
    """The middle of the mouth in the picture."""
    crop = plan.before[position, [13, 14]].mean(axis=0)
    back = cv2.invertAffineTransform(plan.matrices[position])
    return np.asarray(back @ np.append(crop, 1), np.float32)


def hold_hand(frame: Frame, plan: Plan) -> Frame:
    """A glove over the mouth, half as wide as the face."""
    size = 1 / np.hypot(*plan.matrices[frame.index][:2, 0])
    x, y = mouth_of(plan, frame.index)
    width, height = frame.image.size
    row, column = np.mgrid[:height, :width]
    inside = ((column - x) / (48 * size)) ** 2 + ((row - y) / (40 * size)) ** 2 < 1
    colour = np.broadcast_to(np.array([60, 140, 200], np.float32) / 255, (height, width, 3))
    image = frame.image.blend_region((0, 0, width, height), colour, inside.astype(np.float32))
    return replace(frame, image=image)
