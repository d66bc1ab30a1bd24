"""Stage 2 on a pretend GPU: nothing on the wrong device, nothing waited for, nothing cast twice."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from model_fixtures import front_of_face, make_plan
from pretend_gpu import CUDA, made_fake, pretend_gpu
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor

from stylesync_engine.models.diffusion import Sampling
from stylesync_engine.mouth.crop import CROP, EYE_DISTANCE, EYES_ROW
from stylesync_engine.mouth.references import ReferenceBank
from stylesync_engine.plan.warps import Warps
from stylesync_engine.rendering import latent_networks
from stylesync_engine.rendering.latent_networks import Frames, LatentNetworks
from stylesync_engine.rendering.windows import choose_renderer
from stylesync_engine.request import DubOptions
from stylesync_engine.weights.loading import Models, compute_dtype, load_models

COUNT = 3


def sample_once(predict: Any, noise: Any, sampling: Any, prediction: Any, start: Any) -> Any:
    """The schedule's numbers lie on the CPU, where fake tensors have none: tests of their own see
    to it."""
    steps = torch.full((len(noise),), 500, device=noise.device)
    return predict(noise if start is None else start, steps)


def on_gpu(models: Models) -> Models:
    """The models as `load_models` would leave them with a GPU; within `pretend_gpu`."""
    names = "autoencoder", "renderer", "quick_renderer"
    parts = {n: made_fake(p) for n in names if (p := getattr(models, n)) is not None}
    kinds: dict[str, Any] = {"device": CUDA, "dtype": compute_dtype(CUDA), **parts}
    kinds["samplings"] = {**models.samplings, "repair": Sampling("dpmpp", 10)}
    return dataclasses.replace(models, **kinds)


def ready_parts(models: Models) -> list[nn.Module]:
    parts = models.ready_autoencoder, models.ready_renderer, models.ready_quick_renderer
    return [part for part in parts if part is not None]


def frames_for(networks: LatentNetworks, lacking: bool = False) -> Frames:
    sizes = networks.sizes
    return Frames(
        np.zeros((COUNT, CROP, CROP, 3), np.uint8),
        np.zeros((COUNT, sizes.motion_window, sizes.motion), np.float32),
        np.zeros((COUNT, sizes.rows + sizes.context, 64, 3), np.uint8),
        np.arange(COUNT) < lacking,
    )


@pytest.mark.parametrize("folder", ["tiny_models", "tiny_paper_models", "starter"])
@pytest.mark.parametrize("capability", [(9, 0), (7, 5)])
def test_a_batch_stays_on_the_device(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    folder: str,
    capability: tuple[int, int],
) -> None:
    """A fake tensor has no values, so that every wait for the device raises."""
    monkeypatch.setattr(latent_networks, "sample", sample_once)
    name = folder if folder == "starter" else str(request.getfixturevalue(folder))
    models = load_models(name, "cpu")
    with pretend_gpu(capability) as counts:
        moved = on_gpu(models)
        networks = LatentNetworks(moved, DubOptions(), np.zeros((CROP, CROP, 3), np.uint8))
        for part in ready_parts(moved):
            assert {p.device for p in (*part.parameters(), *part.buffers())} == {CUDA}
            counts.watch(part)
        frames = frames_for(networks, lacking=networks.sizes.aligned)
        for kind in (counts.uploads, counts.downloads):
            kind.clear()
        made, repaired = networks.changes(frames)
    assert isinstance(made, FakeTensor)
    assert made.device == repaired.device == CUDA
    assert made.shape == (COUNT, 3, CROP // 2, CROP)
    assert len(repaired) == networks.sizes.aligned
    assert not counts.downloads
    # Crops, motion and maps; the numbers of lacking frames.
    assert len(counts.uploads) == 3 + networks.sizes.aligned
    assert not counts.casts


def test_a_draft_leaves_the_gpu_alone(tmp_path: Path, tiny_models: Path) -> None:
    face = front_of_face() * EYE_DISTANCE + np.array([CROP / 2, EYES_ROW], np.float32)
    crops = np.zeros((2, CROP, CROP, 3), np.uint8)
    bank = ReferenceBank(crops[:1], face[None], np.zeros((1, 3), np.float32), np.zeros(1, np.int64))
    plan = make_plan(face, 2)
    draft = dataclasses.replace(
        plan.request, options=dataclasses.replace(plan.request.options, quality="draft")
    )
    plan = dataclasses.replace(plan, request=draft)
    plan.save(tmp_path, bank)
    models = dataclasses.replace(load_models(str(tiny_models), "cpu"), device=CUDA)
    renderer = choose_renderer(plan, models, Warps(plan, tmp_path))
    renderer(plan, range(2), crops)
    assert renderer.device == torch.device("cpu")
    assert not any(name.startswith("ready") for name in vars(models))


def test_networks_are_made_ready_once(tiny_models: Path) -> None:
    models = load_models(str(tiny_models), "cpu")
    for one, other in zip(ready_parts(models), ready_parts(models), strict=True):
        assert one is other
    assert all(p.device.type == "cpu" for p in models.renderer.parameters())
