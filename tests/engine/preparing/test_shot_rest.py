"""A shot's own rest: its place, its turning with the head, its drift, and never how lips open."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from stylesync_engine.faces.face_model import MOUTH, FaceModel
from stylesync_engine.preparing.late_sound import SeenLips
from stylesync_engine.preparing.shot_rest import rest_of_shot
from stylesync_engine.weights.loading import Models

Array = NDArray[np.float32]
FRAMES = 200


@pytest.fixture
def face_model(models: Models) -> FaceModel:
    return models.face_model


def still(frames: int = FRAMES) -> Array:
    return np.zeros((frames, 3), np.float32)


def lips_with(motion: Array, usable: slice = slice(None)) -> SeenLips:
    seen = np.zeros(len(motion), bool)
    seen[usable] = True
    return SeenLips(motion.astype(np.float32), seen, np.arange(len(motion)) + 7)


def speech(frames: int = FRAMES) -> Array:
    return np.random.default_rng(0).normal(size=(frames, MOUTH)).astype(np.float32)


def test_another_rest_is_added_as_far_as_frames_show_it(face_model: FaceModel) -> None:
    offset = np.linspace(-1, 1, MOUTH).astype(np.float32)
    lips = lips_with(speech() + offset)
    rest = rest_of_shot(speech(), lips, still(), 7, face_model)
    opening = face_model.opening()
    believed = FRAMES / (FRAMES + 50)
    np.testing.assert_allclose(rest @ opening, believed * (offset @ opening), atol=1e-5)
    np.testing.assert_allclose(rest, np.broadcast_to(offset, rest.shape), atol=0.25)


def test_a_mouth_that_turns_with_the_head_goes_on_doing_so(face_model: FaceModel) -> None:
    angles = still()
    angles[:, 0] = 0.2 * np.sin(np.arange(FRAMES) / 3)
    way = face_model.unopened(speech(1))
    rest = rest_of_shot(speech(), lips_with(speech() + angles[:, :1] * way), angles, 7, face_model)
    np.testing.assert_allclose(rest, angles[:, :1] * way, atol=0.03 * np.abs(way).max())


def test_a_smile_that_comes_slowly_stays_and_quick_lips_do_not(face_model: FaceModel) -> None:
    smile = face_model.unopened(speech(1)) * np.linspace(-1, 1, FRAMES)[:, None]
    quick = np.sin(np.arange(FRAMES) * 1.5)[:, None] * face_model.unopened(speech(1))
    rest = rest_of_shot(speech(), lips_with(speech() + smile + quick), still(), 7, face_model)
    middle = slice(30, -30)
    aim = smile[middle]
    np.testing.assert_allclose(rest[middle], aim, atol=0.1 * np.abs(aim).max())


def test_how_the_old_mouth_opened_has_no_say(face_model: FaceModel) -> None:
    opening = face_model.opening()
    old = np.outer(np.sin(np.arange(FRAMES) / 20), opening / (opening @ opening))
    angles = np.stack([np.sin(np.arange(FRAMES) / 20)] * 3, axis=1).astype(np.float32)
    rest = rest_of_shot(speech(), lips_with(speech() + old), angles, 7, face_model)
    assert np.ptp(rest @ opening) < 1e-4


def test_frames_that_were_not_seen_are_not_used(face_model: FaceModel) -> None:
    motion, angles = speech() + 0.5, still()
    spoilt, turned = motion.copy(), angles.copy()
    spoilt[120:], turned[120:] = 1e3, np.nan
    lips = [lips_with(m, slice(0, 120)) for m in (motion, spoilt)]
    one = rest_of_shot(speech(), lips[0], angles, 7, face_model)
    other = rest_of_shot(speech(), lips[1], turned, 7, face_model)
    np.testing.assert_allclose(one, other, atol=1e-5)
    assert np.isfinite(other).all()
    few = rest_of_shot(speech(), lips_with(motion, slice(0, 7)), angles, 7, face_model)
    np.testing.assert_array_equal(few, 0)


def test_held_lips_follow_the_head_and_no_old_mouth(face_model: FaceModel) -> None:
    angles, last = still(), 120
    angles[:, 1] = 0.2 * np.sin(np.arange(FRAMES) / 3)
    way, smile = face_model.unopened(speech(1)), face_model.unopened(speech(2)[1:])
    seen = speech() + angles[:, 1:2] * way + np.linspace(-1, 1, FRAMES)[:, None] * smile
    rest = rest_of_shot(speech(), lips_with(seen), angles, 7, face_model, last)
    spoken = rest_of_shot(speech(), lips_with(seen), angles, 7, face_model)
    np.testing.assert_array_equal(rest[: last + 1], spoken[: last + 1])
    held = rest[last:] - rest[last] - (angles[last:, 1:2] - angles[last, 1]) * way
    assert np.abs(held).max() < 0.06 * np.abs(way).max()
    assert np.abs(spoken[-1] - spoken[last] - (rest[-1] - rest[last])).max() > 0.3
