"""The diffusion process in one home: noise schedule, forward process, samplers.

Training and inference take the same schedule from here, on diffusers' schedulers, so that they
cannot drift apart. Loading these takes seconds, so they are imported where they are needed, which
a single step of a clean-latent prediction does not; `load_schedulers` does it early, beside other
work.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from stylesync_engine.threads import IMPORTS

if TYPE_CHECKING:
    from diffusers import DDIMScheduler, DPMSolverMultistepScheduler

Prediction = Literal["epsilon", "sample"]
Spacing = Literal["leading", "trailing"]

TRAIN_STEPS = 1000  # T' of the paper
_FEW_STEPS = 50
_MOST_STEPS = TRAIN_STEPS // 2  # finer ones cannot be spaced evenly from the first to the last
_BETAS = {"beta_start": 0.0015, "beta_end": 0.0195}
_SCHEDULE = {**_BETAS, "beta_schedule": "scaled_linear"}


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


def load_schedulers() -> tuple[type[DDIMScheduler], type[DPMSolverMultistepScheduler]]:
    """The schedulers' classes; called early, the first frame need not wait for them."""
    with IMPORTS:
        from diffusers import DDIMScheduler, DPMSolverMultistepScheduler

    return DDIMScheduler, DPMSolverMultistepScheduler


def _scheduler(prediction: Prediction, spacing: Spacing = "leading") -> DDIMScheduler:
    """The process of Eq. 6: T' = 1000, beta .0015 to .0195, scaled linear."""
    ddim, _ = load_schedulers()
    return ddim(
        num_train_timesteps=TRAIN_STEPS,
        **_SCHEDULE,
        prediction_type=prediction,
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        timestep_spacing=spacing,
    )


def add_noise(clean: Tensor, noise: Tensor, steps: Tensor) -> Tensor:
    """z_t' of clean latents `[B, ...]` at steps `[B]`: the forward process of Eq. 6."""
    noisy: Tensor = _forward_process().add_noise(clean, noise, steps)
    return noisy


@functools.cache
def _forward_process() -> DDIMScheduler:
    return _scheduler("epsilon")


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
    if is_single(sampling, prediction):
        step = round(TRAIN_STEPS / total) - 1  # the last of `total`
        latents = noise
        if start is not None and strength < 1.0:
            latents = _noised(start, noise, float(_signal()[step]))
        return predict(latents, torch.full((len(noise),), step, device=noise.device))
    scheduler = _sampler(sampling.sampler, prediction, total)
    count = max(1, min(sampling.steps, round(total * strength)))
    # The schedule stays on the CPU: read on a GPU, every step would wait for it.
    scheduler.set_timesteps(total)
    steps = scheduler.timesteps[total - count :]
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(total - count)
    latents = noise * scheduler.init_noise_sigma
    if start is not None and strength < 1.0:
        # The scheduler's own would look its numbers up on the device.
        latents = _noised(start, noise, float(scheduler.alphas_cumprod[int(steps[0])]))
    for step in steps:
        output = predict(latents, torch.full((len(latents),), int(step), device=noise.device))
        latents = scheduler.step(output, step, latents, return_dict=False)[0]
    clean: Tensor = latents
    return clean


def is_single(sampling: Sampling, prediction: Prediction) -> bool:
    """Whether sampling is one step of DPM-Solver++ to the clean end: that is the prediction itself,
    and no scheduler has to be loaded for it."""
    return (sampling.sampler, sampling.steps, prediction) == ("dpmpp", 1, "sample")


def _noised(start: Tensor, noise: Tensor, share: float) -> Tensor:
    return math.sqrt(share) * start + math.sqrt(1 - share) * noise


@functools.cache
def _signal() -> Tensor:
    """Share of the signal in z_t' at every step, `[T']`, as diffusers' schedulers have it."""
    first, last = (_BETAS[name] ** 0.5 for name in ("beta_start", "beta_end"))
    return torch.cumprod(1 - torch.linspace(first, last, TRAIN_STEPS) ** 2, dim=0)


def _sampler(
    name: str, prediction: Prediction, total: int
) -> DDIMScheduler | DPMSolverMultistepScheduler:
    if name == "ddim":
        # The paper's steps count from the clean end, so that few of them would not reach the noise.
        spacing: Spacing = "leading" if total >= _FEW_STEPS else "trailing"
        return _scheduler(prediction, spacing)
    _, multistep = load_schedulers()
    return multistep(
        num_train_timesteps=TRAIN_STEPS,
        **_SCHEDULE,
        prediction_type=prediction,
        algorithm_type="dpmsolver++",
        solver_order=2,
        timestep_spacing="trailing",
        lower_order_final=True,
        use_karras_sigmas=False,
    )
