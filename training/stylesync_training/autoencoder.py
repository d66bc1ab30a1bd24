"""Train the starter's autoencoder on face crops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from stylesync_engine.models.autoencoder import AutoencoderSizes, StarterAutoencoder, to_pictures
from stylesync_engine.mouth import LOWER
from stylesync_training.dataset import TrainingClip, picture_patches
from stylesync_training.loop import Run, Schedule
from stylesync_training.losses import PerceptualDistance


@dataclass(frozen=True, slots=True)
class AutoencoderTraining:
    """What a run of the autoencoder needs; a preset is one of these."""

    sizes: AutoencoderSizes = AutoencoderSizes()
    schedule: Schedule = Schedule(steps=3000, rate=1e-3)
    batch: int = 8
    side: int = 128
    perceptual: float = 0.03
    latent_noise: float = 0.1
    seed: int = 0


def train_autoencoder(
    config: AutoencoderTraining, train: Sequence[TrainingClip], check: Sequence[TrainingClip], folder: Path
) -> StarterAutoencoder:
    """L1 + perceptual distance, noise on the latent so that small errors of the renderer do not show."""
    torch.manual_seed(config.seed)
    network = StarterAutoencoder(config.sizes).to(memory_format=torch.channels_last)
    perceptual = PerceptualDistance().to(memory_format=torch.channels_last)

    def loss_of(module: nn.Module, batch: object, step: int) -> tuple[Tensor, dict[str, float]]:
        assert isinstance(batch, Tensor) and isinstance(module, StarterAutoencoder)
        pictures = batch.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            latents = module.encode(pictures)
            decoded = module.decode(latents + config.latent_noise * torch.randn_like(latents))
            likeness = perceptual(decoded, pictures)
        l1 = (decoded.float() - pictures).abs().mean()
        return l1 + config.perceptual * likeness.float(), {"l1": float(l1.detach())}

    def on_save(ema: nn.Module, step: int) -> dict[str, float]:
        assert isinstance(ema, StarterAutoencoder)
        return {f"psnr_{c.speaker}": lower_half_psnr(ema, c) for c in check}

    batches = picture_patches(train, config.side, config.batch, config.seed)
    network_out = Run(folder).train(network, config.schedule, batches, loss_of, on_save)
    assert isinstance(network_out, StarterAutoencoder)
    return network_out


@torch.no_grad()
def lower_half_psnr(network: StarterAutoencoder, clip: TrainingClip) -> float:
    """PSNR in dB of the reconstructed lower half over every fifteenth frame."""
    network.eval()
    pictures = to_pictures(torch.from_numpy(clip.crops[::15]))
    decoded = network.decode(network.encode(pictures)).clamp(-1, 1)
    error = (decoded - pictures)[:, :, LOWER:].square().mean(dim=(1, 2, 3)) / 4
    return float((-10 * torch.log10(error)).mean())
