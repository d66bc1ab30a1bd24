"""Stage 2 on a real GPU; `pytest -m gpu` where there is one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from stylesync_engine.mouth.crop import CROP
from stylesync_engine.rendering import latent_networks
from stylesync_engine.rendering.latent_networks import Frames, LatentNetworks
from stylesync_engine.request import DubOptions
from stylesync_engine.weights.loading import load_models

pytestmark = pytest.mark.gpu


def networks_on(device: str) -> LatentNetworks:
    random = np.random.default_rng(1)
    face = random.integers(0, 256, (CROP, CROP, 3)).astype(np.uint8)
    return LatentNetworks(load_models("starter", device), DubOptions(), face)


def some_frames(count: int = 5) -> Frames:
    random = np.random.default_rng(0)
    sizes = load_models("starter", "cpu").renderer.sizes
    smooth = random.integers(0, 256, (count, 16, 16, 3)).repeat(16, 1).repeat(16, 2)
    return Frames(
        smooth.astype(np.uint8),
        random.normal(size=(count, sizes.motion_window, sizes.motion)).astype(np.float32),
        np.zeros((count, sizes.rows + sizes.context, 64, 3), np.uint8),
        np.arange(count) == 1,
    )


def test_a_gpu_makes_what_a_cpu_makes() -> None:
    frames = some_frames()
    for one, other in zip(networks_on("cuda")(frames), networks_on("cpu")(frames), strict=True):
        assert np.abs(one - other).mean() < 0.004  # half precision rounds each in its own way
        assert np.quantile(np.abs(one - other), 0.999) < 0.04


def test_nothing_waits_within_a_batch() -> None:
    networks, frames = networks_on("cuda"), some_frames()
    networks(frames)
    torch.cuda.set_sync_debug_mode("error")
    try:
        networks.changes(frames)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_the_same_request_gives_the_same_bytes() -> None:
    networks, frames = networks_on("cuda"), some_frames()
    for one, other in zip(networks(frames), networks(frames), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_lack_of_memory_makes_parts_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    networks, frames = networks_on("cuda"), some_frames()
    whole = networks.changes

    def scarce(part: Frames) -> tuple[torch.Tensor, torch.Tensor]:
        if len(part.crops) > 2:
            torch.empty(2**50, dtype=torch.uint8, device="cuda")
        return whole(part)

    monkeypatch.setattr(networks, "changes", scarce)
    made, _ = networks(frames)
    assert len(made) == len(frames.crops)


def test_a_draft_needs_no_memory_there(tmp_path: Path) -> None:
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated()
    models = load_models("starter", "cuda")
    assert torch.cuda.memory_allocated() == before
    assert latent_networks.batch_of(models.renderer.sizes, models.device) >= 1
