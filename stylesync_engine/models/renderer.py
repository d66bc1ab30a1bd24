"""Stage 2: the conditional denoising U-Net (Sec. III-C) and its appearance encoder.

Only the lower rows of the latent are diffused; rows above are given clean beside them. Lip motion
enters by modulated convolutions (Eq. 7), the reference face by spatial cross-attention. The
starter adds two spatially aligned conditions that the paper does not have: the aligned
reference's latent and a map of the wanted lips. Each is a flag in `RendererSizes`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stylesync_engine.arrays import Array
from stylesync_engine.faces.face_model import MOUTH
from stylesync_engine.models.layers import (
    ChannelNorm,
    ModulatedConv2d,
    SpatialCrossAttention,
    timestep_embedding,
)

LATENT_SIDE = 64  # a 256 px crop at f = 4
LIP_MAP_CHANNELS = 3

KeysValues = list[tuple[Tensor, Tensor]]
_Reference = Iterator[tuple[Tensor, Tensor]]


@dataclass(frozen=True, slots=True)
class RendererSizes:
    """Sizes of the U-Net; they travel inside the checkpoint.

    Rows count at latent resolution: the window starts at `top` and holds `context` clean rows and
    then the diffused ones down to the crop's edge. `patch` folds that many latent px a side into
    channels. `attention` names the levels (0 is the finest) with spatial cross-attention.
    """

    latent_channels: int = 4
    patch: int = 2
    top: int = 24
    context: int = 8
    widths: tuple[int, ...] = (64, 128, 256)
    blocks: int = 2
    attention: tuple[int, ...] = (1, 2)
    heads: int = 4
    code: int = 256
    motion_window: int = 5
    identity: int = 11
    aligned: bool = True
    lip_map: bool = True

    @property
    def rows(self) -> int:
        """Diffused rows of the latent."""
        return LATENT_SIDE - self.top - self.context

    @property
    def motion(self) -> int:
        """Numbers a frame: 13 mouth parameters, alpha, gamma."""
        return MOUTH + self.identity + 3


PAPER_SIZES = RendererSizes(
    latent_channels=3,
    patch=1,
    top=0,
    context=LATENT_SIDE // 2,
    widths=(224, 448, 672, 896),
    attention=(1, 2, 3),
    heads=8,
    code=512,
    identity=80,
    aligned=False,
    lip_map=False,
)


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the U-Net is told about B frames.

    `motion` `[B, W, P]`; `context` `[B, C, context, 64]` clean rows of the masked face;
    `reference` from `Renderer.reference`, one batch entry or B; `aligned` `[B, C, rows + context,
    64]` and `lip_map` `[B, 3, rows + context, 64]` 0..1 where the sizes ask for them.
    """

    motion: Tensor
    context: Tensor
    reference: KeysValues
    aligned: Tensor | None = None
    lip_map: Tensor | None = None

    def part(self, frames: Tensor) -> Conditions:
        """Those of the frames of these numbers `[b]`, where `reference` is one for all."""
        return Conditions(
            self.motion[frames],
            self.context[frames],
            self.reference,
            None if self.aligned is None else self.aligned[frames],
            None if self.lip_map is None else self.lip_map[frames],
        )


class Renderer(nn.Module):
    """Predicts the clean lower latent (starter: as a change to the aligned reference) or the noise
    (paper), from noisy rows `[B, C, rows, 64]`."""

    def __init__(self, sizes: RendererSizes) -> None:
        super().__init__()
        self.sizes = sizes
        code, widths, fold = sizes.code, sizes.widths, sizes.patch**2
        extra = (sizes.latent_channels if sizes.aligned else 0) + (
            LIP_MAP_CHANNELS if sizes.lip_map else 0
        )
        self.motion_encoder = MotionEncoder(sizes.motion, sizes.motion_window, code)
        self.time_encoder = nn.Sequential(nn.Linear(code, code), nn.SiLU(), nn.Linear(code, code))
        self.appearance = AppearanceEncoder(sizes)
        self.enter = nn.Conv2d((sizes.latent_channels + 1 + extra) * fold, widths[0], 3, padding=1)
        self.down = nn.ModuleList()
        skips = [widths[0]]
        channels = widths[0]
        for level, width in enumerate(widths):
            for _ in range(sizes.blocks):
                self.down.append(_Block(channels, width, sizes, level))
                channels = width
                skips.append(width)
            if level < len(widths) - 1:
                self.down.append(_Down(width))
                skips.append(width)
        last = len(widths) - 1
        self.middle = nn.ModuleList(
            [_Block(channels, channels, sizes, last), _Block(channels, channels, sizes, last)]
        )
        self.up = nn.ModuleList()
        for level, width in reversed(list(enumerate(widths))):
            for _ in range(sizes.blocks + 1):
                self.up.append(_Block(channels + skips.pop(), width, sizes, level))
                channels = width
            if level > 0:
                self.up.append(_Up(width))
        last_layer = nn.Conv2d(channels, sizes.latent_channels * fold, 3, padding=1)
        for parameter in last_layer.parameters():
            nn.init.zeros_(parameter)
        self.leave = nn.Sequential(ChannelNorm(channels), nn.SiLU(), last_layer)

    def reference(self, latents: Tensor) -> KeysValues:
        """Keys and values of reference latents `[B, C, 64, 64]` for every attention layer: they
        depend on neither step nor frame, so they are computed once a shot."""
        features = self.appearance(latents)
        return [block.attention.keys_values(features[block.level]) for block in self._attending()]

    def forward(self, noisy: Tensor, steps: Tensor, conditions: Conditions) -> Tensor:
        """Noisy rows `[B, C, rows, 64]` at diffusion steps `[B]` -> prediction, same shape."""
        sizes = self.sizes
        code = self.motion_encoder(conditions.motion) + self.time_encoder(
            timestep_embedding(steps, sizes.code).to(noisy.dtype)
        )
        window = torch.cat([conditions.context, noisy], dim=2)  # [B, C, context + rows, 64]
        known = torch.zeros_like(window[:, :1])
        known[:, :, : sizes.context] = 1.0
        inputs = [window, known]
        if sizes.aligned and conditions.aligned is not None:
            inputs.append(conditions.aligned)
        if sizes.lip_map and conditions.lip_map is not None:
            inputs.append(conditions.lip_map)
        x = F.pixel_unshuffle(torch.cat(inputs, dim=1), sizes.patch)
        x = self.enter(x.contiguous(memory_format=torch.channels_last))
        y = self._unet(x, F.silu(code), iter(conditions.reference))
        out = F.pixel_shuffle(self.leave(y), sizes.patch)[:, :, sizes.context :]
        if conditions.aligned is not None and sizes.aligned:
            return conditions.aligned[:, :, sizes.context :] + out
        return out

    def _unet(self, x: Tensor, code: Tensor, reference: _Reference) -> Tensor:
        skips = [x]
        for layer in self.down:
            x = layer(x, code, reference) if isinstance(layer, _Block) else layer(x)
            skips.append(x)
        for layer in self.middle:
            x = layer(x, code, reference)
        for layer in self.up:
            if isinstance(layer, _Block):
                x = layer(torch.cat([x, skips.pop()], dim=1), code, reference)
            else:
                x = layer(x, skips[-1].shape[2:])
        return x

    def _attending(self) -> list[_Block]:
        layers = [*self.down, *self.middle, *self.up]
        return [layer for layer in layers if isinstance(layer, _Block) and layer.attends]


class MotionEncoder(nn.Module):
    """Mouth parameters, alpha and gamma over a short window -> latent code (Sec. III-C1)."""

    def __init__(self, width: int, window: int, code: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv1d(width, code, 3, padding=1),
            nn.SiLU(),
            nn.Conv1d(code, code, 3, padding=1),
            nn.SiLU(),
        )
        self.out = nn.Linear(code * window, code)

    def forward(self, motion: Tensor) -> Tensor:
        """`[B, W, P]` -> `[B, code]`."""
        x = self.convolutions(motion.transpose(1, 2))  # [B, code, W]
        out: Tensor = self.out(x.flatten(1))
        return out


class AppearanceEncoder(nn.Module):
    """Residual convolutions over the reference latent -> features at every level (Sec. III-C2)."""

    def __init__(self, sizes: RendererSizes) -> None:
        super().__init__()
        self.patch = sizes.patch
        self.enter = nn.Conv2d(
            sizes.latent_channels * sizes.patch**2, sizes.widths[0], 3, padding=1
        )
        before = (sizes.widths[0], *sizes.widths)
        self.levels = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(a, b, 3, stride=1 if level == 0 else 2, padding=1),
                *(_Residual(b) for _ in range(sizes.blocks)),
            )
            for level, (a, b) in enumerate(zip(before, sizes.widths, strict=False))
        )

    def forward(self, latents: Tensor) -> list[Tensor]:
        """`[B, C, 64, 64]` -> `[B, width, h, w]` a level."""
        x = self.enter(F.pixel_unshuffle(latents, self.patch))
        features = []
        for level in self.levels:
            x = level(x)
            features.append(x)
        return features


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            ChannelNorm(width),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.body(x)
        return out


class _Block(nn.Module):
    """Two modulated convolutions, then, on levels that ask for it, attention on the reference."""

    def __init__(self, channels: int, width: int, sizes: RendererSizes, level: int) -> None:
        super().__init__()
        self.level = level
        self.attends = level in sizes.attention
        self.norm = ChannelNorm(channels)
        self.first = ModulatedConv2d(channels, width, sizes.code)
        self.second = ModulatedConv2d(width, width, sizes.code)
        self.gain = nn.Parameter(torch.full((width, 1, 1), 0.3))
        self.skip = nn.Conv2d(channels, width, 1) if channels != width else nn.Identity()
        if self.attends:
            self.attention = SpatialCrossAttention(width, width, sizes.heads)

    def forward(self, x: Tensor, code: Tensor, reference: _Reference) -> Tensor:
        y = self.first(F.silu(self.norm(x)), code)
        y = self.second(F.silu(y), code)
        x = self.skip(x) + self.gain.to(y.dtype) * y
        if self.attends:
            keys, values = next(reference)
            x = x + self.attention(
                x, keys.expand(len(x), -1, -1, -1), values.expand(len(x), -1, -1, -1)
            )
        return x


class _Down(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        return out


class _Up(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor, size: Sequence[int]) -> Tensor:
        out: Tensor = self.conv(F.interpolate(x, size=tuple(size), mode="nearest"))
        return out


def motion_rows(motion: Array, alpha: Array, angles: Array, sizes: RendererSizes) -> Array:
    """What the network is told of T frames, `[T, W, P]`: mouth parameters `[T, 13]`, alpha `[A]`,
    gamma `[T, 3]`, over a centred window; frames that are not known count as rest."""
    bound = np.broadcast_to(alpha[: sizes.identity], (len(motion), sizes.identity))
    rows = np.nan_to_num(np.concatenate([motion, bound, angles], axis=1))
    half = sizes.motion_window // 2
    padded = np.pad(rows, ((half, half), (0, 0)), mode="edge")
    return np.stack([padded[i : i + len(rows)] for i in range(sizes.motion_window)], axis=1).astype(
        np.float32
    )
