"""Building blocks that stage 1 and stage 2 share."""

from __future__ import annotations

import copy
import math
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MODULATION_EPSILON = 1e-8

N = TypeVar("N", bound=nn.Module)

# What autocast leaves as it is.
_EXACT = nn.LayerNorm, nn.GroupNorm, nn.BatchNorm2d, nn.Embedding


class ModulatedConv2d(nn.Module):
    """Eq. 7: a convolution whose weights are scaled by a style and demodulated.

    Computed as "scale the input channels, convolve, scale the output channels", which is the same
    and keeps one weight for the whole batch. The style's bias is 1, so an untrained style is none.
    """

    energy: Tensor | None  # of weights that no longer change

    def __init__(self, channels: int, out_channels: int, code: int, kernel: int = 3) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_channels, channels, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.style = nn.Linear(code, channels)
        self.register_buffer("energy", None, persistent=False)  # see `prepared`
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if not self.style.weight.is_meta:  # there it would load torch's compiler, for seconds
            nn.init.normal_(self.style.weight, std=0.02)
        nn.init.ones_(self.style.bias)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        """`x` `[B, C, H, W]`, `code` `[B, K]` -> `[B, C', H, W]`."""
        style = self.style(code)  # [B, C]
        # In half precision epsilon would be nothing, and gains be off by half a percent.
        with torch.autocast(x.device.type, enabled=False):
            energy = self.weight_energy() if self.energy is None else self.energy  # [C', C]
            power = style.float().square() @ energy.T
            demodulate = torch.rsqrt(power + MODULATION_EPSILON)  # [B, C']
        y = F.conv2d(
            x * style[:, :, None, None].to(x.dtype),
            self.weight,  # cast by autocast, where it was not before
            padding=self.weight.shape[-1] // 2,
        )
        return y * demodulate[:, :, None, None].to(y.dtype) + self.bias.to(y.dtype)[:, None, None]

    def weight_energy(self) -> Tensor:
        """Sum of squares of each kernel, `[C', C]`."""
        return self.weight.float().square().sum(dim=(2, 3))


def prepared(network: N, dtype: torch.dtype) -> N:
    """A copy for computing under autocast in `dtype`: what would be cast, or summed up, again at
    every call is done once. It gives the same numbers, and is not for training."""
    copied = copy.deepcopy(network)
    for module in copied.modules():
        if isinstance(module, ModulatedConv2d):
            module.energy = module.weight_energy()
        if isinstance(module, _EXACT):
            continue
        for name, parameter in module.named_parameters(recurse=False):
            setattr(module, name, nn.Parameter(parameter.to(dtype), requires_grad=False))
    return copied


class ChannelNorm(nn.Module):
    """LayerNorm over the channels of `[B, C, H, W]`, without leaving channels_last."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return out


class ResidualConv(nn.Module):
    """Two convolutions beside the way past them, which is all that is there at first."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.second(F.silu(self.first(F.silu(x))))
        return out


class SpatialCrossAttention(nn.Module):
    """Queries from the hidden features, keys and values from reference features (Sec. III-C2).

    `keys_values` is computed once a reference; the output is added residually by the caller.
    """

    def __init__(self, channels: int, reference_channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = ChannelNorm(channels)
        self.query = nn.Conv2d(channels, channels, 1)
        self.key_value = nn.Conv2d(reference_channels, 2 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)
        for parameter in self.out.parameters():
            nn.init.zeros_(parameter)

    def keys_values(self, reference: Tensor) -> tuple[Tensor, Tensor]:
        """`[B, C', h, w]` -> keys and values, each `[B, heads, h w, C / heads]`."""
        key, value = self.key_value(reference).chunk(2, dim=1)
        return self._split(key), self._split(value)

    def forward(self, x: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """`x` `[B, C, H, W]` -> `[B, C, H, W]`."""
        query = self._split(self.query(self.norm(x)))  # [B, heads, H W, C / heads]
        mixed = F.scaled_dot_product_attention(query, keys.to(query.dtype), values.to(query.dtype))
        rows = mixed.transpose(1, 2).flatten(2)  # [B, H W, C]
        image = rows.transpose(1, 2).unflatten(2, x.shape[2:])
        out: Tensor = self.out(image)
        return out

    def _split(self, x: Tensor) -> Tensor:
        flat = x.flatten(2).transpose(1, 2)  # [B, H W, C]
        return flat.unflatten(2, (self.heads, -1)).transpose(1, 2)


def timestep_embedding(steps: Tensor, width: int) -> Tensor:
    """Sinusoids of diffusion steps `[B]` -> `[B, width]` (Vaswani et al. 2017)."""
    half = width // 2
    frequencies = torch.exp(-math.log(10000.0) * torch.arange(half, device=steps.device) / half)
    angles = steps.float()[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=1)


def sinusoidal_positions(length: int, width: int) -> Tensor:
    """Fixed positions `[length, width]` of a Transformer (Vaswani et al. 2017)."""
    return timestep_embedding(torch.arange(length), width)
