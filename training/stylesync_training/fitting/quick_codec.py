"""Distil the quick codec of an autoencoder that a renderer was trained on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from stylesync_engine.models.autoencoder import PaperAutoencoder, StarterAutoencoder
from stylesync_engine.models.diffusion import Prediction, Sampling, sample
from stylesync_engine.models.frame_codec import (
    FACTOR,
    ExactCodec,
    FrameCodec,
    QuickCodec,
    QuickSizes,
)
from stylesync_engine.models.renderer import Renderer
from stylesync_training.data.dataset import TrainingClip, draw_patches
from stylesync_training.fitting.loop import (
    Figures,
    Run,
    Schedule,
    channels_last,
    frozen_on_device,
    half_precision,
)
from stylesync_training.fitting.renderer_batches import Batch, conditions_of, draw_batches
from stylesync_training.fitting.renderer_samples import RendererSamples

_SIDE, _TOP = 128, 8  # px of a patch to encode; latent rows of it above what is kept


@dataclass(frozen=True, slots=True)
class QuickCodecTraining:
    """What a run needs. `mouth_weight` is how much more px around the lips count, `latent_weight`
    the encoder's share of the loss; of every `of_model` steps one learns what the renderer makes,
    the others what the truth is."""

    sizes: QuickSizes = field(default_factory=QuickSizes)
    schedule: Schedule = field(default_factory=lambda: Schedule(3000, rate=2e-3, decay=0.7))
    batch: int = 8
    mouth_weight: float = 3.0
    latent_weight: float = 0.1
    of_model: int = 2
    seed: int = 0


@dataclass(frozen=True)
class Teachers:
    """The networks that a quick codec learns from, and how the renderer samples."""

    autoencoder: StarterAutoencoder | PaperAutoencoder
    renderer: Renderer
    sampling: Sampling
    prediction: Prediction


def train_quick_codec(
    config: QuickCodecTraining,
    teachers: Teachers,
    samples: RendererSamples,
    clips: Sequence[TrainingClip],
    folder: Path,
    on_figures: Callable[[Figures], None] | None = None,
) -> QuickCodec:
    """L1 of the change and of its gradients, more around the lips; L1 of the latents."""
    torch.manual_seed(config.seed)
    latents = teachers.autoencoder.latent_channels
    network = channels_last(QuickCodec(config.sizes, latents))
    told = draw_batches(samples, config.batch, config.seed)
    pictures = draw_patches(clips, _SIDE, config.batch, config.seed)
    return Run(folder, seed=config.seed, on_figures=on_figures).train(
        network,
        config.schedule,
        lambda step: {"frames": told(step), "pictures": pictures(step)},
        _QuickCodecLoss(config, teachers),
    )


def _encode(codec: FrameCodec, pictures: Tensor, context: int) -> tuple[Tensor, Tensor]:
    return codec.encode_context(pictures, _TOP, context), codec.encode(pictures, _TOP)


class _QuickCodecLoss:
    def __init__(self, config: QuickCodecTraining, teachers: Teachers) -> None:
        self.config, self.teachers = config, teachers
        self.exact = ExactCodec(frozen_on_device(teachers.autoencoder))
        self.renderer = frozen_on_device(teachers.renderer)

    def __call__(
        self, network: QuickCodec, batch: Mapping[str, Any], step: int
    ) -> tuple[Tensor, Figures]:
        frames, context = batch["frames"], self.renderer.sizes.context
        pictures = batch["pictures"].contiguous(memory_format=torch.channels_last)
        known = frames["aligned"]
        with torch.no_grad(), half_precision():
            made = self._made(frames, step)
            wanted = self.exact.decode_change(known, made, context)
            aims = _encode(self.exact, pictures, context)
        with half_precision():
            change = network.decode_change(known, made, context)
            found = _encode(network, pictures, context)
        error = ((change - wanted).abs() * self._weight(frames)).mean()
        edges = sum((change.diff(dim=d) - wanted.diff(dim=d)).abs().mean() for d in (2, 3))
        pairs = zip(found, aims, strict=True)
        latents = torch.stack([(a - b).float().abs().mean() for a, b in pairs]).sum()
        loss = error + edges + self.config.latent_weight * latents
        figures = {"change": float(error.detach()), "latents": float(latents.detach())}
        return loss, figures

    def _made(self, frames: Batch, step: int) -> Tensor:
        """Latents of the renderer's own or of the truth, below the context that is known."""
        sizes, known, teachers = self.renderer.sizes, frames["aligned"], self.teachers
        lower = frames["clean"][:, :, sizes.top + sizes.context :]
        if step % self.config.of_model == 0:
            conditions = conditions_of(self.renderer, frames)
            lower = sample(
                lambda noisy, steps: self.renderer(noisy, steps, conditions).float(),
                torch.randn_like(lower[:1]),
                teachers.sampling,
                teachers.prediction,
                start=known[:, :, sizes.context :],
            )
        return torch.cat([known[:, :, : sizes.context], lower], dim=2)

    def _weight(self, frames: Batch) -> Tensor:
        lips = frames["lip_map"].amax(dim=1, keepdim=True)[:, :, self.renderer.sizes.context :]
        near = F.interpolate(F.max_pool2d(lips, 7, 1, 3), scale_factor=FACTOR, mode="bilinear")
        return 1 + self.config.mouth_weight * near
