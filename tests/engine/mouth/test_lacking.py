"""Mouths that no reference shows open: found, named, and painted by the model alone."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from model_fixtures import front_of_face, make_plan
from numpy.typing import NDArray
from test_appearance import face_points, make_bank

from stylesync_engine.models.diffusion import Sampling
from stylesync_engine.mouth.crop import CROP, EYE_DISTANCE, EYES_ROW, LOWER, lip_matte
from stylesync_engine.mouth.references import ReferenceBank, lacking_mouths, lip_openings
from stylesync_engine.plan.warps import Warps
from stylesync_engine.rendering.windows import choose_renderer
from stylesync_engine.weights.loading import load_models

Array = NDArray[np.float32]


def bank_of(*openings: float) -> ReferenceBank:
    """References whose lips are so many px apart."""
    closed, opened = lip_openings(face_points(np.array([0, 1], np.float32))).mean(axis=1)
    return make_bank(((np.array(openings) - closed) / (opened - closed)).astype(np.float32))


def constant(value: float, count: int = 7) -> Array:
    return np.full(count, value, np.float32)


def test_closed_references_lack_an_open_mouth() -> None:
    lacking = lacking_mouths(constant(8), constant(0.3), bank_of(0, 0.2, 0.3))
    np.testing.assert_allclose(lacking, 1, atol=1e-6)


def test_a_mouth_that_is_seen_half_open_can_be_opened() -> None:
    assert not lacking_mouths(constant(8), constant(5), bank_of(0, 2, 5)).any()


def test_small_differences_are_left_to_the_warp() -> None:
    assert not lacking_mouths(constant(0.9), constant(0.3), bank_of(0, 0.2, 0.3)).any()


def test_lips_that_the_mesh_keeps_apart_are_closed_all_the_same() -> None:
    wanted, shown = constant(6), constant(3.2)
    np.testing.assert_allclose(lacking_mouths(wanted, shown, bank_of(2, 2.5, 3.2)), 1, atol=1e-6)
    assert not lacking_mouths(wanted, shown, bank_of(0, 1, 3.2)).any()


def test_frames_beside_a_lacking_one_count_in_part() -> None:
    wanted = constant(0.2, 11)
    wanted[5] = 8
    lacking = lacking_mouths(wanted, constant(0.2, 11), bank_of(0, 0.2))
    assert lacking[5] == pytest.approx(1)
    assert (np.diff(lacking[:6]) >= 0).all()
    assert (np.diff(lacking[5:]) <= 0).all()
    assert 0 < lacking[3] < 1
    assert not lacking[:3].any()


def test_only_lacking_lips_are_the_models_alone(tmp_path: Path, tiny_models: Path) -> None:
    face = front_of_face() * EYE_DISTANCE + np.array([CROP / 2, EYES_ROW], np.float32)
    numbers = np.random.default_rng(0)
    crops = numbers.integers(0, 256, (2, CROP, CROP, 3)).astype(np.uint8)
    bank = ReferenceBank(crops[:1], face[None], np.zeros((1, 3), np.float32), np.zeros(1, np.int64))
    models = load_models(str(tiny_models), "cpu")
    sizes = models.renderer.sizes
    plan = make_plan(
        face,
        2,
        motion=np.zeros((2, sizes.motion_window, sizes.motion), np.float32),
        lacking=np.array([0, 1], np.float32),
    )
    plan.save(tmp_path, bank)
    once = {"good": Sampling("dpmpp", 1, 0.3, change=0.5, lip_change=0.0)}
    repaired, plain = (
        choose_renderer(
            plan,
            dataclasses.replace(models, samplings={**once, "best": once["good"], **more}),
            Warps(plan, tmp_path),
        )(plan, range(2), crops)
        for more in ({"repair": Sampling("dpmpp", 2)}, {})
    )
    np.testing.assert_array_equal(repaired[0], plain[0])
    changed = np.abs(repaired[1] - plain[1]).max(axis=2)
    lips = lip_matte(face)[LOWER:]
    assert changed[lips > 0.5].mean() > 0.02
    assert changed[lips < 1e-3].max() < 2e-3
