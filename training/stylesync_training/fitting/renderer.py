"""Train stage 2, the conditional diffusion model, on cached samples."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stylesync_engine.models.diffusion import TRAIN_STEPS, add_noise
from stylesync_engine.models.renderer import Renderer
from stylesync_training.fitting.loop import (
    Figures,
    Run,
    channels_last,
    frozen_on_device,
    half_precision,
)
from stylesync_training.fitting.losses import PerceptualDistance, noise_loss
from stylesync_training.fitting.renderer_batches import (
    Batch,
    check_batch,
    conditions_of,
    draw_batches,
)
from stylesync_training.fitting.renderer_samples import RendererSamples, RendererTraining
from stylesync_training.fitting.renderer_sheets import draw_sheet

_PATCH_ROWS, _PATCH_COLUMNS = slice(36, 60), slice(16, 48)  # latent px around the mouth


def train_renderer(
    config: RendererTraining,
    samples: RendererSamples,
    autoencoder: nn.Module,
    folder: Path,
    check: RendererSamples | None = None,
    on_figures: Callable[[Figures], None] | None = None,
    start: Renderer | None = None,
) -> Renderer:
    """Conditional diffusion of the clean lower latent (Eq. 6), from `start` or from scratch.

    The starter weighs the mouth and adds a loss on the decoded mouth, so that teeth and lips stay
    readable. A sheet of samples of `check` is drawn with every checkpoint.
    """
    torch.manual_seed(config.seed)
    network = channels_last(Renderer(config.sizes))
    if start is not None:
        network.load_state_dict(start.state_dict())
    loss_of = _RendererLoss(config, autoencoder)

    def on_save(ema: Renderer, step: int) -> Figures:
        if check is None:
            return {}
        draw_sheet(ema, autoencoder, check, config, folder / "sheets" / f"{step:06d}.png")
        return loss_of.check(ema, check)

    draw = draw_batches(samples, config.batch, config.seed, config.sequence)
    run = Run(folder, seed=config.seed, on_figures=on_figures)
    return run.train(network, config.schedule, draw, loss_of, on_save)


class _RendererLoss:
    def __init__(self, config: RendererTraining, autoencoder: nn.Module) -> None:
        self.config = config
        self.autoencoder: Any = frozen_on_device(autoencoder)
        self.perceptual = (
            frozen_on_device(channels_last(PerceptualDistance()))
            if config.perceptual_weight
            else None
        )

    def __call__(self, network: Renderer, batch: Batch, step: int) -> tuple[Tensor, Figures]:
        config, sizes = self.config, self.config.sizes
        clean = batch["clean"][:, :, sizes.top + sizes.context :]
        steps, repaired = (drawn.to(clean.device) for drawn in self._draw_steps(len(clean)))
        noise = torch.randn_like(clean)
        start = clean
        if repaired.any():
            aligned = batch["aligned"][:, :, sizes.context :]
            start = torch.where(repaired[:, None, None, None], aligned, clean)
        noisy = add_noise(start, noise, steps)
        with half_precision():
            predicted = network(noisy, steps, conditions_of(network, batch)).float()
            aim = clean if config.prediction == "sample" else noise
            error = noise_loss(predicted, aim, self._weight(batch))
            if config.prediction == "epsilon":
                return error, {}
            pixels, perceptual = self._on_mouth(predicted, batch["clean"])
        loss = error + config.pixel_weight * pixels + config.perceptual_weight * perceptual
        figures = {"latent": error, "pixels": pixels}
        if self.perceptual:
            figures["perceptual"] = perceptual
        return loss, {name: float(value.detach()) for name, value in figures.items()}

    def _draw_steps(self, count: int) -> tuple[Tensor, Tensor]:
        """Random steps `[B]`, and which samples start from the aligned reference."""
        config = self.config
        steps = torch.randint(0, TRAIN_STEPS, (count,))
        early = torch.rand(count) < config.early
        steps = torch.where(early, steps // 2, steps)
        whole = config.prediction == "sample"  # the noise of a start that is not clean says nothing
        share = config.from_aligned if config.sizes.aligned and whole else 0.0
        repaired = early & (torch.rand(count) < share)
        last = ~early & (torch.rand(count) < config.last_step / max(1e-6, 1 - config.early))
        return torch.where(last, torch.full_like(steps, TRAIN_STEPS - 1), steps), repaired

    def _weight(self, batch: Batch) -> Tensor | float:
        if not self.config.mouth_weight:
            return 1.0
        lips = batch["lip_map"][:, :1, self.config.sizes.context :]
        near = nn.functional.max_pool2d(lips, 9, 1, 4)
        return 1.0 + self.config.mouth_weight * near

    def _on_mouth(self, predicted: Tensor, clean: Tensor) -> tuple[Tensor, Tensor]:
        """Error of the decoded mouth, in pixels and in perception."""
        nothing = predicted.new_zeros(())
        if not self.config.pixel_weight and self.perceptual is None:
            return nothing, nothing
        offset = self.config.sizes.top + self.config.sizes.context
        rows = slice(_PATCH_ROWS.start - offset, _PATCH_ROWS.stop - offset)
        decoded = self.autoencoder.decode(predicted[:, :, rows, _PATCH_COLUMNS])
        with torch.no_grad():
            truth = self.autoencoder.decode(clean[:, :, _PATCH_ROWS, _PATCH_COLUMNS])
        likeness = self.perceptual(decoded, truth).float() if self.perceptual else nothing
        return (decoded - truth).abs().mean().float(), likeness

    @torch.no_grad()
    def check(self, network: Renderer, samples: RendererSamples) -> Figures:
        """Error of one step from pure noise (`sample`: of the latent, as a share of the aligned
        reference's own where there is one; `epsilon`: of the noise at the schedule's middle)."""
        batch = check_batch(samples)
        sizes = self.config.sizes
        clean = batch["clean"][:, :, sizes.top + sizes.context :]
        noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
        whole = self.config.prediction == "sample"
        steps = torch.full((len(clean),), TRAIN_STEPS - 1 if whole else TRAIN_STEPS // 2)
        noisy = noise if whole else add_noise(clean, noise, steps)
        with torch.autocast("cpu", torch.bfloat16):
            predicted = network(noisy, steps, conditions_of(network, batch)).float()
        error = noise_loss(predicted, clean if whole else noise)
        if whole and sizes.aligned:
            error = error / noise_loss(batch["aligned"][:, :, sizes.context :], clean)
        return {"check": float(error)}
