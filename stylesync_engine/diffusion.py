"""The diffusion process in one home: noise schedule, training target, samplers.

Training and inference take the same schedule from here, on diffusers' schedulers, so that they
cannot drift apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler
from torch import Tensor

Prediction = Literal["epsilon", "sample"]
Spacing = Literal["leading", "trailing"]

TRAIN_STEPS = 1000  # T' of the paper
_FEW_STEPS = 50
_MOST_STEPS = TRAIN_STEPS // 2  # finer ones cannot be spaced evenly from the first to the last
_BETAS = {"beta_start": 0.0015, "beta_end": 0.0195, "beta_schedule": "scaled_linear"}


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


def training_scheduler(prediction: Prediction, spacing: Spacing = "leading") -> DDIMScheduler:
    """The forward process of Eq. 6: T' = 1000, beta .0015 to .0195, scaled linear."""
    return DDIMScheduler(
        num_train_timesteps=TRAIN_STEPS,
        **_BETAS,
        prediction_type=prediction,
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        timestep_spacing=spacing,
    )


def add_noise(scheduler: DDIMScheduler, clean: Tensor, noise: Tensor, steps: Tensor) -> Tensor:
    """z_t' of clean latents `[B, ...]` at steps `[B]`."""
    noisy: Tensor = scheduler.add_noise(clean, noise, steps)
    return noisy


def shared_noise(shape: tuple[int, ...], seed: int) -> Tensor:
    """The one initial noise of all frames of a shot, `[1, *shape]`, the same on every device."""
    generator = torch.Generator("cpu").manual_seed(seed)
    return torch.randn((1, *shape), generator=generator)


def sample(
    predict: Callable[[Tensor, Tensor], Tensor],
    noise: Tensor,
    sampling: Sampling,
    prediction: Prediction,
    start: Tensor | None = None,
) -> Tensor:
    """Denoise to clean latents `[B, ...]`.

    `predict(noisy, steps [B])` is the network under its conditions; `noise` `[B or 1, ...]`;
    `start` is what is noised when `sampling.strength < 1`.
    """
    strength = sampling.strength if start is not None else 1.0
    total = min(round(sampling.steps / strength), _MOST_STEPS)
    scheduler = _sampler(sampling.sampler, prediction, total)
    count = max(1, min(sampling.steps, round(total * strength)))
    scheduler.set_timesteps(total, device=noise.device)
    steps = scheduler.timesteps[total - count :]
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(total - count)
    latents = noise * scheduler.init_noise_sigma
    if start is not None and strength < 1.0:
        latents = scheduler.add_noise(start, noise.expand_as(start), steps[:1].expand(len(start)))
    for step in steps:
        output = predict(latents, step.expand(len(latents)))
        latents = scheduler.step(output, step, latents, return_dict=False)[0]
    clean: Tensor = latents
    return clean


def _sampler(
    name: str, prediction: Prediction, total: int
) -> DDIMScheduler | DPMSolverMultistepScheduler:
    if name == "ddim":
        # The paper's steps count from the clean end, so that few of them would not reach the noise.
        spacing: Spacing = "leading" if total >= _FEW_STEPS else "trailing"
        return training_scheduler(prediction, spacing)
    return DPMSolverMultistepScheduler(
        num_train_timesteps=TRAIN_STEPS,
        **_BETAS,
        prediction_type=prediction,
        algorithm_type="dpmsolver++",
        solver_order=2,
        timestep_spacing="trailing",
        lower_order_final=True,
        use_karras_sigmas=False,
    )
