"""The quick renderer: a change to the aligned reference, taken where one step as usual is asked."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from model_fixtures import make_parts

from stylesync_engine.faces.face_model import MOUTH
from stylesync_engine.models.diffusion import Sampling
from stylesync_engine.models.quick_renderer import QuickRenderer, QuickRendererSizes
from stylesync_engine.rendering.latent_networks import Frames, LatentNetworks
from stylesync_engine.request import DubOptions, ModelError
from stylesync_engine.weights.loading import Models, load_models, save_models

SIZES = QuickRendererSizes(widths=(16, 24), blocks=(1, 1), code=16)
ONE_STEP = Sampling("dpmpp", 1, 0.3)


def make_quick(sizes: QuickRendererSizes = SIZES) -> QuickRenderer:
    torch.manual_seed(0)
    network = QuickRenderer(sizes).eval().requires_grad_(False)
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.05)
    return network


def inputs(count: int = 2) -> dict[str, Any]:
    torch.manual_seed(1)
    motion = torch.randn(count, 5, MOUTH + 7 + 3)
    return {
        "motion": motion,
        "aligned": torch.randn(count, 4, 40, 64),
        "lip_map": torch.rand(count, 3, 40, 64),
    }


def test_it_starts_as_the_aligned_reference() -> None:
    network, told = QuickRenderer(SIZES), inputs()
    face = network.reference(torch.randn(1, 4, 64, 64))
    torch.testing.assert_close(network(**told, reference=face), told["aligned"][:, :, 8:])


def test_it_hears_of_lips_pose_and_face_and_not_of_who_it_is() -> None:
    network, told = make_quick(), inputs()
    face = network.reference(torch.randn(1, 4, 64, 64))
    before = network(**told, reference=face)
    assert before.shape == (2, 4, 32, 64)
    for numbers, changes in ((slice(MOUTH), True), (slice(-3, None), True), (slice(13, -3), False)):
        motion = told["motion"].clone()
        motion[:, :, numbers] += 1
        after = network(**{**told, "motion": motion}, reference=face)
        assert torch.equal(before, after) != changes
    other = network.reference(torch.randn(1, 4, 64, 64))
    assert not torch.equal(before, network(**told, reference=other))
    one = network(**{name: value[:1] for name, value in told.items()}, reference=face)
    torch.testing.assert_close(one, before[:1])


@pytest.fixture
def models(tmp_path: Path) -> Models:
    samplings = {"good": ONE_STEP, "best": ONE_STEP, "repair": Sampling("dpmpp", 3)}
    parts = {**make_parts(), "samplings": samplings, "quick_renderer": make_quick()}
    save_models(tmp_path / "quick", name="quick", **parts)
    return load_models(str(tmp_path / "quick"), "cpu")


@pytest.mark.parametrize(
    ("options", "quick"),
    [
        ({}, True),
        ({"quality": "best"}, True),
        ({"steps": 1}, True),
        ({"steps": 2}, False),
        ({"steps": 10}, False),
        ({"strength": 0.5}, False),
        ({"sampler": "ddim"}, False),
        ({"sampler": "ddim", "steps": 200, "strength": 1.0}, False),
    ],
)
def test_what_differs_from_the_usual_step_is_the_renderer_s(
    models: Models, options: dict[str, Any], quick: bool
) -> None:
    face = np.zeros((256, 256, 3), np.uint8)
    networks = LatentNetworks(models, DubOptions(**options), face)
    made, repaired = networks(frames_for(models, lacking=0))
    assert np.isfinite(made).all()
    assert not len(repaired)
    assert ("ready_renderer" in vars(models)) != quick


def test_lips_that_no_reference_shows_are_the_renderer_s(models: Models) -> None:
    face, frames = np.full((256, 256, 3), 99, np.uint8), frames_for(models, lacking=2)
    made, repaired = LatentNetworks(models, DubOptions(), face)(frames)
    full = dataclasses.replace(models, quick_renderer=None)
    slow, same = LatentNetworks(full, DubOptions(), face)(frames)
    assert len(repaired) == 2
    np.testing.assert_array_equal(repaired, same)
    assert not np.array_equal(made, slow)


def frames_for(models: Models, lacking: int, count: int = 3) -> Frames:
    random, sizes = np.random.default_rng(0), models.renderer.sizes
    return Frames(
        random.integers(0, 256, (count, 256, 256, 3)).astype(np.uint8),
        random.normal(size=(count, sizes.motion_window, sizes.motion)).astype(np.float32),
        random.integers(0, 256, (count, 40, 64, 3)).astype(np.uint8),
        np.arange(count) < lacking,
    )


def test_it_goes_with_the_renderer_that_it_was_learned_from(models: Models, tmp_path: Path) -> None:
    other = make_parts()["renderer"]
    save_models(tmp_path / "mine", name="mine", base=str(models.folder), renderer=other)
    assert load_models(str(tmp_path / "mine"), "cpu").quick_renderer is None
    lips = make_parts()["lip_motion"]
    save_models(tmp_path / "lips", name="lips", base=str(models.folder), lip_motion=lips)
    assert load_models(str(tmp_path / "lips"), "cpu").quick_renderer is not None
    save_models(models.folder, name="quick", renderer=other)
    assert load_models(str(models.folder), "cpu").quick_renderer is None


def test_one_of_other_sizes_is_refused(models: Models) -> None:
    other = make_quick(dataclasses.replace(SIZES, motion_window=3))
    save_models(models.folder, name="quick", quick_renderer=other)
    with pytest.raises(ModelError, match="do not belong together"):
        load_models(str(models.folder), "cpu")
