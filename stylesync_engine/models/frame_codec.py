"""What the renderer needs of an autoencoder a frame: conditions in, what changed out.

A dub never looks at a decoded picture: what changed between two of them is added to a reference's
own pixels. `ExactCodec` asks the autoencoder for all of it. `QuickCodec` was distilled from it: one
network says the change at once, on patches of 8 px, the U-Net's own grid; another encodes into the
same latents, whose errors the change does not see. It takes a fifth of the time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stylesync_engine.models.layers import ResidualConv

FACTOR = 4  # px a side in one px of a latent
FOLD = 2  # latent px a side in one px of the quick networks
SEEN_ABOVE = 4  # latent rows above the wanted ones that they look at


class Autoencoder(Protocol):
    """Pictures `[B, 3, H, W]` in [-1, 1] <-> latents `[B, C, H / 4, W / 4]`, all of them or some
    `rows` of them."""

    latent_channels: int

    def encode(self, pictures: Tensor, rows: range | None = None) -> Tensor: ...

    def decode(self, latents: Tensor) -> Tensor: ...


class FrameCodec(Protocol):
    """Latents count `[B, C, H / 4, W / 4]` of pictures `[B, 3, H, W]` in [-1, 1]."""

    def encode(self, pictures: Tensor, top: int) -> Tensor:
        """Latents of the rows from `top` to the end."""
        ...

    def encode_context(self, pictures: Tensor, top: int, context: int) -> Tensor:
        """Latents of `context` rows from `top` on, down to the picture's middle, as they are where
        all below is masked."""
        ...

    def decode_change(self, known: Tensor, made: Tensor, context: int) -> Tensor:
        """How the picture of latents `made` differs from that of `known`, `[B, C, rows, W]` both,
        below the `context` rows that they share: `[B, 3, 4 (rows - context), 4 W]`."""
        ...


@dataclass(frozen=True, slots=True)
class ExactCodec:
    """An autoencoder, asked for all of it."""

    autoencoder: Autoencoder

    def encode(self, pictures: Tensor, top: int) -> Tensor:
        return self.autoencoder.encode(pictures, range(top, pictures.shape[2] // FACTOR))

    def encode_context(self, pictures: Tensor, top: int, context: int) -> Tensor:
        masked = pictures.clone()
        masked[:, :, (top + context) * FACTOR :] = 0.0  # grey
        return self.autoencoder.encode(masked, range(top, top + context))

    def decode_change(self, known: Tensor, made: Tensor, context: int) -> Tensor:
        decode = self.autoencoder.decode
        change = decode(made).float() - decode(known).float()
        return change[:, :, context * FACTOR :]


@dataclass(frozen=True, slots=True)
class QuickSizes:
    """Sizes of the quick networks; they travel inside the autoencoder's checkpoint."""

    encoder_width: int = 96
    encoder_blocks: int = 2
    decoder_width: int = 96
    decoder_blocks: int = 3


class QuickCodec(nn.Module):
    """Residual convolutions on patches of 8 px."""

    def __init__(self, sizes: QuickSizes, latent_channels: int) -> None:
        super().__init__()
        patch, latents = FACTOR * FOLD, latent_channels * FOLD**2
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(patch),
            nn.Conv2d(3 * patch**2, sizes.encoder_width, 1),
            *(ResidualConv(sizes.encoder_width) for _ in range(sizes.encoder_blocks)),
            nn.SiLU(),
            nn.Conv2d(sizes.encoder_width, latents, 3, padding=1),
            nn.PixelShuffle(FOLD),
        )
        self.enter = nn.Conv2d(2 * latents, sizes.decoder_width, 3, padding=1)
        self.body = nn.Sequential(
            *(ResidualConv(sizes.decoder_width) for _ in range(sizes.decoder_blocks)), nn.SiLU()
        )
        self.leave = nn.Conv2d(sizes.decoder_width, 3 * patch**2, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def encode(self, pictures: Tensor, top: int) -> Tensor:
        return self._rows(pictures, range(top, pictures.shape[2] // FACTOR))

    def encode_context(self, pictures: Tensor, top: int, context: int) -> Tensor:
        return self._rows(pictures, range(top, top + context))

    def decode_change(self, known: Tensor, made: Tensor, context: int) -> Tensor:
        above = min(SEEN_ABOVE, context)
        seen = torch.cat([made - known, known], dim=1)[:, :, context - above :]
        x = F.pixel_unshuffle(seen, FOLD).contiguous(memory_format=torch.channels_last)
        pictures = F.pixel_shuffle(self.leave(self.body(self.enter(x))), FACTOR * FOLD)
        return pictures[:, :, above * FACTOR :].float()

    def _rows(self, pictures: Tensor, rows: range) -> Tensor:
        """Those rows of the latents; what lies below them counts as masked."""
        first = max(rows.start - SEEN_ABOVE, 0)
        seen = pictures[:, :, first * FACTOR : rows.stop * FACTOR]
        latents: Tensor = self.encoder(seen)
        return latents[:, :, rows.start - first :]
