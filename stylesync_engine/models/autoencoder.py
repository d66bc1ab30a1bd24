"""The image autoencoder of stage 2: E and D of the paper, frozen while the renderer trains.

`starter` is a small f = 4 network of our own; `paper` is latent-diffusion's f = 4 `VQModel` in
diffusers' form, whose scale factor is 1.0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from stylesync_engine.models.frame_codec import ExactCodec, FrameCodec, QuickCodec, QuickSizes
from stylesync_engine.models.layers import ResidualConv

PAPER_VQ: dict[str, Any] = {
    "in_channels": 3,
    "out_channels": 3,
    "down_block_types": ["DownEncoderBlock2D"] * 3,
    "up_block_types": ["UpDecoderBlock2D"] * 3,
    "block_out_channels": [128, 256, 512],
    "layers_per_block": 2,
    "act_fn": "silu",
    "latent_channels": 3,
    "sample_size": 256,
    "num_vq_embeddings": 8192,
    "norm_num_groups": 32,
    "vq_embed_dim": 3,
    "scaling_factor": 1.0,
}


@dataclass(frozen=True, slots=True)
class AutoencoderSizes:
    """Sizes of the starter's autoencoder; they travel inside the checkpoint."""

    latent_channels: int = 4
    factor: int = 4
    encoder_width: int = 96
    encoder_blocks: int = 2
    decoder_width: int = 96
    decoder_blocks: int = 4
    quick: QuickSizes | None = None  # where a quick codec was distilled


class StarterAutoencoder(nn.Module):
    """PixelUnshuffle stem, residual blocks at latent resolution, PixelShuffle head.

    Latent channels are normalised to zero mean and unit variance by running statistics.
    """

    def __init__(self, sizes: AutoencoderSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.latent_channels = sizes.latent_channels
        pixels = 3 * sizes.factor**2
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(sizes.factor),
            nn.Conv2d(pixels, sizes.encoder_width, 3, padding=1),
            *(ResidualConv(sizes.encoder_width) for _ in range(sizes.encoder_blocks)),
            nn.Conv2d(sizes.encoder_width, sizes.latent_channels, 3, padding=1),
        )
        self.normalise = nn.BatchNorm2d(sizes.latent_channels, affine=False, momentum=0.02)
        self.decoder = nn.Sequential(
            nn.Conv2d(sizes.latent_channels, sizes.decoder_width, 3, padding=1),
            *(ResidualConv(sizes.decoder_width) for _ in range(sizes.decoder_blocks)),
            nn.SiLU(),
            nn.Conv2d(sizes.decoder_width, pixels, 3, padding=1),
            nn.PixelShuffle(sizes.factor),
        )
        self.quick = QuickCodec(sizes.quick, sizes.latent_channels) if sizes.quick else None

    @property
    def codec(self) -> FrameCodec:
        return self.quick or ExactCodec(self)

    def encode(self, pictures: Tensor, rows: range | None = None) -> Tensor:
        factor, height = self.sizes.factor, pictures.shape[2] // self.sizes.factor
        rows = rows or range(height)
        # Convolutions of 3 rows see one row more on each side a layer, and nothing beyond.
        reach = 2 + 2 * self.sizes.encoder_blocks
        first, last = max(rows.start - reach, 0), min(rows.stop + reach, height)
        seen = pictures[:, :, first * factor : last * factor]
        latents: Tensor = self.normalise(self.encoder(seen))  # [B, C, last - first, W/4]
        return latents[:, :, rows.start - first : rows.stop - first]

    def decode(self, latents: Tensor) -> Tensor:
        pictures: Tensor = self.decoder(latents)  # [B, 3, H, W]
        return pictures


class PaperAutoencoder(nn.Module):
    """latent-diffusion's f = 4 VQ autoencoder; diffusion works on latents before quantisation."""

    def __init__(self, config: dict[str, Any] | None = None) -> None:
        super().__init__()
        from diffusers import VQModel  # seconds, which the starter's models do without

        self.vq = VQModel(**(config or PAPER_VQ))
        self.latent_channels = int(self.vq.config["latent_channels"])

    @property
    def codec(self) -> FrameCodec:
        return ExactCodec(self)

    def encode(self, pictures: Tensor, rows: range | None = None) -> Tensor:
        latents: Tensor = self.vq.encode(pictures).latents  # attention sees the whole picture
        return latents if rows is None else latents[:, :, rows.start : rows.stop]

    def decode(self, latents: Tensor) -> Tensor:
        pictures: Tensor = self.vq.decode(latents).sample
        return pictures


def parameter_count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def to_pictures(crops: Tensor) -> Tensor:
    """uint8 `[..., H, W, 3]` -> float `[..., 3, H, W]` in [-1, 1]."""
    return torch.movedim(crops.float() / 127.5 - 1.0, -1, -3)


def to_crops(pictures: Tensor) -> Tensor:
    """float `[..., 3, H, W]` in [-1, 1] -> float `[..., H, W, 3]` in [0, 1]."""
    return torch.movedim((pictures.float() + 1.0) / 2.0, -3, -1).clamp(0.0, 1.0)
