"""What stage 2 is trained on, and what its loss says of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from model_fixtures import make_face_model
from stylesync_training.fitting import renderer, renderer_samples
from stylesync_training.fitting.renderer_batches import draw_batches
from stylesync_training.fitting.renderer_samples import (
    RendererSamples,
    RendererTraining,
    mirror_matrix,
)
from torch import Tensor, nn

from stylesync_engine.faces.face_model import MOUTH
from stylesync_engine.models.renderer import Renderer, RendererSizes
from stylesync_engine.request import ModelError


def make_samples(frames: int = 60, clips: int = 3, stride: int = 1) -> RendererSamples:
    """Samples whose clean latent says which clip and frame they are."""
    clip = torch.arange(clips).repeat_interleave(frames)
    frame = (torch.arange(frames) * stride).repeat(clips)
    clean = torch.stack([clip, frame], dim=1).half()[:, :, None, None].expand(-1, -1, 64, 64)
    count = len(clip)
    return RendererSamples(
        clean=clean,
        aligned=torch.zeros(count, 2, 40, 64).half(),
        context=torch.zeros(count, 2, 8, 64).half(),
        lip_map=torch.zeros(count, 40, 64, 3, dtype=torch.uint8),
        motion=torch.ones(count, 5, MOUTH + 2 + 3),
        clip=clip,
        speaker=clip % 2,
        frame=frame,
    )


def test_mirroring_twice_changes_little() -> None:
    """On a symmetric face, mirroring maps the jaw onto itself and is its own inverse there."""
    model = make_face_model()
    jaw = np.zeros((1, MOUTH), np.float32)
    jaw[0, 0] = 1.0
    mirror = mirror_matrix(model)
    assert mirror.shape == (MOUTH, MOUTH)
    moved, once = model.move_mouth(jaw), model.move_mouth(jaw @ mirror)
    assert np.abs(once - moved).max() < 0.35 * np.abs(moved).max()


@pytest.mark.parametrize("sequence", [1, 5])
def test_the_reference_face_is_a_far_frame_of_the_same_clip(sequence: int) -> None:
    draw = draw_batches(make_samples(), 16, 0, sequence)
    chosen = set()
    for step in range(20):
        batch = draw(step)
        own, other = batch["clean"][:, :, 0, 0], batch["reference"][:, :, 0, 0]
        assert torch.equal(own[:, 0], other[:, 0])
        assert int((own[:, 1] - other[:, 1]).abs().min()) > 12
        chosen |= {int(frame) for frame in other[:, 1]}
    assert len(chosen) > 30


def test_five_frames_follow_each_other() -> None:
    batch = draw_batches(make_samples(), 4, 0, sequence=5)(1)
    own = batch["clean"][:, :, 0, 0].reshape(4, 5, 2)
    steps = own[:, 1:, 1] - own[:, :-1, 1]
    assert set(steps.unique().tolist()) <= {0.0, 1.0}
    assert torch.equal(own[..., 0], own[:, :1, 0].expand(-1, 5))


def test_a_short_clip_gives_its_farthest_frame() -> None:
    batch = draw_batches(make_samples(frames=6), 8, 0)(0)
    own, other = batch["clean"][:, 1, 0, 0], batch["reference"][:, 1, 0, 0]
    assert torch.equal(other, torch.where(own < 2.5, 5.0, 0.0))


def test_the_neighbourhood_of_a_frame_is_its_own_clips_alone() -> None:
    near = renderer_samples.is_near(np.array([20]), np.array([-1, 20, 32, 33, 8, 7]))
    assert near.tolist() == [[False, True, True, False, True, False]]


def test_samples_come_back_from_their_file(tmp_path: Path) -> None:
    samples = make_samples(frames=4)
    samples.save(tmp_path / "samples.safetensors")
    loaded = RendererSamples.load(tmp_path / "samples.safetensors")
    assert torch.equal(loaded.frame, samples.frame)
    (tmp_path / "samples.safetensors").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="damaged"):
        RendererSamples.load(tmp_path / "samples.safetensors")


@pytest.mark.parametrize("prediction", ["sample", "epsilon"])
def test_the_renderers_loss_falls_to_nothing_for_the_truth(prediction: str) -> None:
    """A network that answers with what is asked has no loss; another has."""
    sizes = RendererSizes(latent_channels=2, widths=(8, 8), blocks=1, heads=1, code=16, identity=2)
    config = RendererTraining(
        sizes=sizes,
        prediction="sample" if prediction == "sample" else "epsilon",
        pixel_weight=0.0,
        perceptual_weight=0.0,
    )
    loss_of = renderer._RendererLoss(config, nn.Identity())
    batch = draw_batches(make_samples(), 4, 0)(0)
    clean = batch["clean"][:, :, sizes.top + sizes.context :]

    class Oracle(Renderer):
        def forward(self, noisy: Tensor, steps: Tensor, conditions: object) -> Tensor:
            if prediction == "sample":
                return clean
            beta = torch.linspace(0.0015**0.5, 0.0195**0.5, 1000) ** 2
            kept = torch.cumprod(1 - beta, dim=0)[steps][:, None, None, None]
            return (noisy - kept.sqrt() * clean) / (1 - kept).sqrt()

    batch["clean"] = batch["clean"] / 60
    clean = clean / 60
    torch.manual_seed(0)
    assert float(loss_of(Oracle(sizes), batch, 0)[0]) < 1e-3
    assert float(loss_of(Renderer(sizes), batch, 0)[0].detach()) > 0.05
