"""The quick codec learns the change and the latents that its autoencoder makes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import torch
from model_fixtures import make_parts
from stylesync_training.fitting.loop import Schedule, read_curve
from stylesync_training.fitting.quick_codec import (
    QuickCodecTraining,
    Teachers,
    train_quick_codec,
)
from training_material import make_clip, make_samples

from stylesync_engine.models.diffusion import Sampling
from stylesync_engine.models.frame_codec import QuickSizes


def test_it_learns_from_its_teachers(tmp_path: Path) -> None:
    parts = make_parts()
    autoencoder, renderer = (
        parts[n].eval().requires_grad_(False) for n in ("autoencoder", "renderer")
    )
    for block in autoencoder.modules():
        if isinstance(block, torch.nn.Conv2d) and not block.weight.any():
            torch.nn.init.normal_(block.weight, std=0.1)
    random = np.random.default_rng(0)
    crops = random.integers(0, 256, (4, 16, 16, 3)).repeat(16, 1).repeat(16, 2).astype(np.uint8)
    clip = dataclasses.replace(make_clip("a", "1", frames=4), crops=crops)
    config = QuickCodecTraining(
        QuickSizes(16, 1, 16, 1), Schedule(60, rate=3e-3, warm_up=5, ema=0.9), batch=2
    )
    teachers = Teachers(autoencoder, renderer, Sampling("dpmpp", 1, 0.3), "sample")
    before = torch.get_num_threads()
    network = train_quick_codec(config, teachers, make_samples(), [clip], tmp_path)
    assert torch.get_num_threads() == before
    first, last = read_curve(tmp_path)[0], read_curve(tmp_path)[-1]
    assert last["change"] < first["change"]
    assert last["latents"] < first["latents"]
    known = make_samples().aligned[:1].float()
    change = network.decode_change(known, known, 8)
    assert change.shape == (1, 3, 128, 256)
