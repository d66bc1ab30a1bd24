"""Train the starter's autoencoder on face crops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from stylesync_engine.models.autoencoder import AutoencoderSizes, StarterAutoencoder, to_pictures
from stylesync_engine.mouth.crop import LOWER
from stylesync_training.data.dataset import TrainingClip, draw_patches
from stylesync_training.fitting.loop import (
    Figures,
    Run,
    Schedule,
    channels_last,
    frozen_on_device,
    half_precision,
)
from stylesync_training.fitting.losses import PerceptualDistance


@dataclass(frozen=True, slots=True)
class AutoencoderTraining:
    """What a run of the autoencoder needs; a preset is one of these."""

    sizes: AutoencoderSizes = field(default_factory=AutoencoderSizes)
    schedule: Schedule = field(default_factory=lambda: Schedule(steps=2000, rate=1e-3))
    batch: int = 8
    side: int = 128
    perceptual: float = 0.03
    latent_noise: float = 0.1
    seed: int = 0


def train_autoencoder(
    config: AutoencoderTraining,
    train: Sequence[TrainingClip],
    check: Sequence[TrainingClip],
    folder: Path,
    on_figures: Callable[[Figures], None] | None = None,
) -> StarterAutoencoder:
    """L1 + perceptual distance, noise on the latent so that small errors of the renderer do not
    show. `check` gives the figures of the curve."""
    torch.manual_seed(config.seed)
    network = channels_last(StarterAutoencoder(config.sizes))
    return Run(folder, seed=config.seed, on_figures=on_figures).train(
        network,
        config.schedule,
        draw_patches(train, config.side, config.batch, config.seed),
        _AutoencoderLoss(config),
        lambda ema, step: {f"psnr_{clip.speaker}": lower_half_psnr(ema, clip) for clip in check},
    )


class _AutoencoderLoss:
    def __init__(self, config: AutoencoderTraining) -> None:
        self.config = config
        self.perceptual = (
            frozen_on_device(channels_last(PerceptualDistance())) if config.perceptual else None
        )

    def __call__(
        self, network: StarterAutoencoder, batch: Tensor, step: int
    ) -> tuple[Tensor, Figures]:
        pictures = batch.contiguous(memory_format=torch.channels_last)
        with half_precision():
            latents = network.encode(pictures)
            noise = self.config.latent_noise * torch.randn_like(latents)
            decoded = network.decode(latents + noise)
            likeness = self.perceptual(decoded, pictures).float() if self.perceptual else 0.0
        l1 = (decoded.float() - pictures).abs().mean()
        figures = {"l1": float(l1.detach())} if self.perceptual else {}
        return l1 + self.config.perceptual * likeness, figures


@torch.no_grad()
def lower_half_psnr(network: StarterAutoencoder, clip: TrainingClip) -> float:
    """PSNR in dB of the reconstructed lower half over every fifteenth frame."""
    network.eval()
    pictures = to_pictures(torch.from_numpy(clip.crops[::15]))
    decoded = network.decode(network.encode(pictures)).clamp(-1, 1)
    error = (decoded - pictures)[:, :, LOWER:].square().mean(dim=(1, 2, 3)) / 4
    return float((-10 * torch.log10(error)).mean())
