"""The quick renderer learns what its renderer makes in one step, whatever the noise."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from model_fixtures import make_parts
from stylesync_training.fitting.loop import Schedule, read_curve
from stylesync_training.fitting.quick_codec import Teachers
from stylesync_training.fitting.quick_renderer import QuickRendererTraining, train_quick_renderer
from training_material import make_samples

from stylesync_engine.models.diffusion import Sampling
from stylesync_engine.models.quick_renderer import QuickRendererSizes

SIZES = QuickRendererSizes(widths=(16, 24), blocks=(1, 1), code=16)


@pytest.fixture(scope="module")
def teachers() -> Teachers:
    parts = make_parts()
    autoencoder, renderer = (
        parts[n].eval().requires_grad_(False) for n in ("autoencoder", "renderer")
    )
    return Teachers(autoencoder, renderer, Sampling("dpmpp", 1, 0.3), "sample")


def test_it_learns_from_its_teacher(tmp_path: Path, teachers: Teachers) -> None:
    schedule = Schedule(100, rate=3e-3, warm_up=5, ema=0.9)
    config = QuickRendererTraining(SIZES, schedule, batch=4)
    network = train_quick_renderer(config, teachers, make_samples(), tmp_path)
    first, last = read_curve(tmp_path)[0], read_curve(tmp_path)[-1]
    assert last["latents"] < first["latents"]
    assert last["pixels"] < first["pixels"]
    samples = make_samples()
    aligned = samples.aligned[:2].float()
    lip_map = samples.lip_map[:2].permute(0, 3, 1, 2).float()
    with torch.no_grad():
        face = network.reference(samples.clean[:1].float())
        made = network(samples.motion[:2], aligned, lip_map, face)
    assert made.shape == (2, 4, 32, 64)
