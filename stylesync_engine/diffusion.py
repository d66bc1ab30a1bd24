"""The diffusion process in one home: noise schedule, training target, samplers.

Training and inference take the same schedule from here, so that they cannot drift apart. The
samplers are two equations, written out: a library of them would be most of the engine's start-up.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Prediction = Literal["epsilon", "sample"]
Predict = Callable[[Tensor, Tensor], Tensor]

TRAIN_STEPS = 1000  # T' of the paper
_FEW_STEPS = 50
_MOST_STEPS = TRAIN_STEPS // 2  # finer ones cannot be spaced evenly from the first to the last
_FIRST_BETA, _LAST_BETA = 0.0015, 0.0195


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to sample: `sampler`, `steps`, and `strength`, the share of the schedule to start from
    (1.0 is pure noise, less starts from the noised aligned reference).

    `change` is the share kept of what the model changes about the aligned reference, `lip_change`
    that within the lips: trained on few speakers it is too sure of people it has never seen, and
    closes their mouths.
    """

    sampler: Literal["ddim", "dpmpp"] = "ddim"
    steps: int = 200
    strength: float = 1.0
    change: float = 1.0
    lip_change: float = 1.0


PAPER_SAMPLING = Sampling()


def add_noise(clean: Tensor, noise: Tensor, steps: Tensor) -> Tensor:
    """z_t' of clean latents `[B, ...]` at steps `[B]`: the forward process of Eq. 6."""
    kept = _kept()[steps.cpu()].to(clean.device).view(-1, *[1] * (clean.dim() - 1))
    return kept.sqrt() * clean + (1 - kept).sqrt() * noise


def shared_noise(shape: tuple[int, ...], seed: int) -> Tensor:
    """The one initial noise of all frames of a shot, `[1, *shape]`, the same on every device."""
    generator = torch.Generator("cpu").manual_seed(seed)
    return torch.randn((1, *shape), generator=generator)


def sample(
    predict: Predict,
    noise: Tensor,
    sampling: Sampling,
    prediction: Prediction,
    start: Tensor | None = None,
) -> Tensor:
    """Denoise to clean latents `[B, ...]`.

    `predict(noisy, steps [B])` is the network under its conditions; `noise` `[B or 1, ...]`;
    `start` is what is noised when `sampling.strength < 1`.

    Both samplers follow the probability flow in steps of Lu et al. 2022, "DPM-Solver++": of first
    order they are DDIM's (Song et al. 2021, Eq. 12 without noise), `dpmpp` takes those of second
    order (multistep) between the first and the last, which ends at clean latents.
    """
    steps = _choose_steps(sampling, 1.0 if start is None else sampling.strength)
    second_order = sampling.sampler == "dpmpp"
    levels = [_level(step) for step in steps] + [(1.0, 0.0) if second_order else _level(0)]
    latents = noise
    if start is not None and sampling.strength < 1.0:
        latents = levels[0][0] * start + levels[0][1] * noise
    before: Tensor | None = None
    for i, step in enumerate(steps):
        at = torch.full((len(latents),), step, device=latents.device)
        clean = _clean(predict(latents, at), latents, levels[i], prediction)
        aim = clean
        if second_order and before is not None and i + 1 < len(steps):
            aim = clean + (clean - before) * _reach(levels[i - 1 : i + 2])
        latents, before = _move(latents, aim, levels[i], levels[i + 1]), clean
    return latents


Level = tuple[float, float]
"""What is left of the clean latents, and of the noise, at a step: a^2 + s^2 = 1."""


@functools.cache
def _kept() -> Tensor:
    """abar of Eq. 6 at each step, `[T']`: beta from first to last, scaled linear."""
    betas = torch.linspace(math.sqrt(_FIRST_BETA), math.sqrt(_LAST_BETA), TRAIN_STEPS) ** 2
    return torch.cumprod(1 - betas, 0)


def _level(step: int) -> Level:
    kept = float(_kept()[step])
    return math.sqrt(kept), math.sqrt(1 - kept)


def _choose_steps(sampling: Sampling, strength: float) -> list[int]:
    """Where to evaluate the network, noisiest first; a weak start takes the last of more steps."""
    total = min(round(sampling.steps / strength), _MOST_STEPS)
    if sampling.sampler == "ddim" and total >= _FEW_STEPS:
        # The paper's count from the clean end; few of them would not reach the noise.
        steps = [1 + i * (TRAIN_STEPS // total) for i in reversed(range(total))]
    else:
        steps = [round(TRAIN_STEPS * (total - i) / total) - 1 for i in range(total)]
    return steps[total - max(1, min(sampling.steps, round(total * strength))) :]


def _clean(output: Tensor, noisy: Tensor, level: Level, prediction: Prediction) -> Tensor:
    """The network's guess at the clean latents."""
    return output if prediction == "sample" else (noisy - level[1] * output) / level[0]


def _move(noisy: Tensor, clean: Tensor, here: Level, there: Level) -> Tensor:
    """Along the probability flow from one level to another, were the clean latents these."""
    ratio = there[1] / here[1]
    return ratio * noisy + (there[0] - ratio * here[0]) * clean


def _reach(levels: list[Level]) -> float:
    """How far the change between the last two guesses goes on: half of the coming step over the
    last one, in the logarithm of signal to noise."""
    last, here, coming = (math.log(a / s) for a, s in levels)
    return (coming - here) / (here - last) / 2
