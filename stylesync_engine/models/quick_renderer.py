"""What the renderer does in one step, by a small network that was distilled from it.

Sampled in one step, the renderer's prediction is a change to the aligned reference. That part of it
which depends on the noise is no likeness of anything, so this network is told of none and learned
the mean. It knows the lips by their map, the aligned reference, and the person by a face, without
attention: a quarter of the time.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stylesync_engine.faces.face_model import MOUTH
from stylesync_engine.models.layers import ChannelNorm
from stylesync_engine.models.renderer import LIP_MAP_CHANNELS

_ANGLES = 3


@dataclass(frozen=True, slots=True)
class QuickRendererSizes:
    """Sizes of the quick renderer; they travel inside the checkpoint.

    Rows and `patch` as in `RendererSizes`; `blocks` is how many there are at each of the levels of
    `widths`, on the way down and again on the way up.
    """

    latent_channels: int = 4
    patch: int = 2
    top: int = 24
    context: int = 8
    widths: tuple[int, ...] = (64, 128, 192)
    blocks: tuple[int, ...] = (2, 2, 1)
    code: int = 128
    motion_window: int = 5


class QuickRenderer(nn.Module):
    """Predicts the clean lower latent as a change to the aligned reference, in one go."""

    def __init__(self, sizes: QuickRendererSizes) -> None:
        super().__init__()
        self.sizes = sizes
        widths, fold = sizes.widths, sizes.patch**2
        latents, told = sizes.latent_channels * fold, LIP_MAP_CHANNELS * fold
        self.motion_encoder = nn.Sequential(
            nn.Linear((MOUTH + _ANGLES) * sizes.motion_window, sizes.code),
            nn.SiLU(),
            nn.Linear(sizes.code, sizes.code),
            nn.SiLU(),
        )
        self.enter = nn.Conv2d(latents + told, widths[0], 3, padding=1)
        self.face = nn.Conv2d(latents, widths[0], 3, padding=1)
        levels = list(zip(widths, sizes.blocks, strict=True))
        self.down = nn.ModuleList(_Blocks(w, sizes.code, count) for w, count in levels)
        self.up = nn.ModuleList(_Blocks(w, sizes.code, count) for w, count in levels)
        pairs = list(itertools.pairwise(widths))
        self.coarser = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairs)
        self.finer = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in pairs)
        self.norm = ChannelNorm(widths[0])
        self.leave = nn.Conv2d(widths[0], latents, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def reference(self, latents: Tensor) -> Tensor:
        """What is known of a person from a face's latents `[B, C, 64, 64]`, once a shot:
        `[B, width, h, w]`."""
        known: Tensor = self.face(
            F.pixel_unshuffle(latents[:, :, self.sizes.top :], self.sizes.patch)
        )
        return known

    def forward(
        self, motion: Tensor, aligned: Tensor, lip_map: Tensor, reference: Tensor
    ) -> Tensor:
        """`motion` `[B, W, P]`, `aligned` `[B, C, rows + context, 64]` and `lip_map` `[B, 3, rows +
        context, 64]` as in `Conditions`, `reference` of one face or B -> `[B, C, rows, 64]`."""
        patch, context = self.sizes.patch, self.sizes.context
        lips = torch.cat([motion[..., :MOUTH], motion[..., -_ANGLES:]], dim=2)  # of any person
        code = self.motion_encoder(lips.flatten(1))
        x = F.pixel_unshuffle(torch.cat([aligned, lip_map], dim=1), patch)
        x = self.enter(x.contiguous(memory_format=torch.channels_last)) + reference
        change = F.pixel_shuffle(self.leave(F.silu(self.norm(self._levels(x, code)))), patch)
        return aligned[:, :, context:] + change[:, :, context:]

    def _levels(self, x: Tensor, code: Tensor) -> Tensor:
        skips = []
        for blocks, coarser in zip(self.down, [*self.coarser, None], strict=True):
            x = blocks(x, code)
            if coarser is not None:
                skips.append(x)
                x = coarser(x)
        x = self.up[-1](x, code)
        for blocks, finer in reversed(list(zip(self.up, self.finer, strict=False))):
            skip = skips.pop()
            x = blocks(skip + F.interpolate(finer(x), size=skip.shape[2:]), code)
        return x


class _Blocks(nn.Module):
    def __init__(self, width: int, code: int, count: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_Block(width, code) for _ in range(count))

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x, code)
        return x


class _Block(nn.Module):
    """Two convolutions, the lips' movement between them, beside the way past."""

    def __init__(self, width: int, code: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(width)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.style = nn.Linear(code, width)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        y = F.silu(self.first(self.norm(x)))
        y = y * (1 + self.style(code))[:, :, None, None]
        out: Tensor = x + self.second(y)
        return out
