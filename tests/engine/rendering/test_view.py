"""The networks look at what can show, and at no more."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from model_fixtures import front_of_face, make_plan

from stylesync_engine.mouth.crop import CROP, EYE_DISTANCE, EYES_ROW, LOWER
from stylesync_engine.mouth.jaw import contour_matte
from stylesync_engine.mouth.references import ReferenceBank
from stylesync_engine.plan.plan import Plan
from stylesync_engine.plan.warps import Warps
from stylesync_engine.rendering.aligned_reference import AlignedReference
from stylesync_engine.rendering.diffusion_renderer import Diffusion, View, seen_of
from stylesync_engine.weights.loading import load_models

FACE = front_of_face() * EYE_DISTANCE + np.array([CROP / 2, EYES_ROW], np.float32)
WHOLE = View(0, CROP, CROP)


def plan_of(*faces: np.ndarray) -> Plan:
    plan = make_plan(FACE, len(faces))
    return dataclasses.replace(plan, before=np.stack(faces), after=np.stack(faces))


@pytest.mark.parametrize("move", [(0, 0), (-30, 0), (45, 8), (-200, 0), (0, 90), (300, 300)])
def test_all_that_shows_is_seen(move: tuple[int, int]) -> None:
    face = FACE + np.array(move, np.float32)
    view = seen_of(plan_of(face, FACE), range(2))
    shows = contour_matte(face, face) > 0
    assert not shows[:, : view.left].any()
    assert not shows[:, view.right :].any()
    assert not shows[view.bottom :].any()
    assert 0 <= view.left < LOWER < view.right <= CROP
    assert LOWER < view.bottom <= CROP
    assert not any(side % 16 for side in view)


def test_a_face_that_turns_a_little_sees_what_the_others_see() -> None:
    view = seen_of(plan_of(FACE), range(1))
    assert view.right - view.left < CROP
    narrow = (FACE - CROP / 2) * np.array([0.9, 1], np.float32) + CROP / 2
    assert seen_of(plan_of(narrow), range(1)) == view


def test_another_window_s_faces_change_nothing() -> None:
    plan = plan_of(FACE, FACE, FACE + 60)
    assert seen_of(plan, range(2)) == seen_of(plan_of(FACE, FACE), range(2))


def test_what_is_made_of_a_part_is_that_of_the_whole(
    tmp_path: Path, tiny_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for what the networks see beside it."""
    models = load_models(str(tiny_models), "cpu")
    motion = np.zeros((3, 5, models.renderer.sizes.motion), np.float32)
    plan = dataclasses.replace(plan_of(FACE, FACE, FACE), motion=motion)
    random = np.random.default_rng(0)
    crops = random.integers(0, 256, (4, 16, 16, 3)).repeat(16, 1).repeat(16, 2).astype(np.uint8)
    bank = ReferenceBank(crops[3:], FACE[None], np.zeros((1, 3), np.float32), np.zeros(1, np.int64))
    plan = plan.save(tmp_path, bank)
    made = {}
    for name in ("part", "whole"):
        if name == "whole":
            target = "stylesync_engine.rendering.diffusion_renderer.seen_of"
            monkeypatch.setattr(target, lambda *_: WHOLE)
        warps = Warps(plan, tmp_path)
        made[name] = Diffusion(plan, models, AlignedReference(warps))(plan, range(3), crops[:3])
    assert made["part"].shape == (3, LOWER, CROP, 3)
    assert np.abs(made["part"] - made["whole"]).max() < 0.2
    assert np.abs(made["part"] - made["whole"]).mean() < 0.002
