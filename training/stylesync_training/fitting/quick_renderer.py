"""Distil the quick renderer of a renderer that samples in one step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from stylesync_engine.models.diffusion import sample
from stylesync_engine.models.frame_codec import FACTOR
from stylesync_engine.models.quick_renderer import QuickRenderer, QuickRendererSizes
from stylesync_training.fitting.loop import (
    Figures,
    Run,
    Schedule,
    channels_last,
    frozen_on_device,
    half_precision,
)
from stylesync_training.fitting.quick_codec import Teachers
from stylesync_training.fitting.renderer_batches import Batch, conditions_of, draw_batches
from stylesync_training.fitting.renderer_samples import RendererSamples

_GAIN, _OFFSET = 0.12, 0.25  # standard deviations by which a latent's channels are changed
_BLURRED = 0.4  # of the batches: cameras that see less


@dataclass(frozen=True, slots=True)
class QuickRendererTraining:
    """What a run needs. `mouth_weight` is how much more what is around the lips counts,
    `picture_weight` the share of the decoded change."""

    sizes: QuickRendererSizes = field(default_factory=QuickRendererSizes)
    schedule: Schedule = field(default_factory=lambda: Schedule(4000, 8e-4, decay=0.7, ema=0.998))
    batch: int = 8
    mouth_weight: float = 3.0
    picture_weight: float = 4.0
    seed: int = 0


def train_quick_renderer(
    config: QuickRendererTraining,
    teachers: Teachers,
    samples: RendererSamples,
    folder: Path,
    on_figures: Callable[[Figures], None] | None = None,
) -> QuickRenderer:
    """L1 of the latents, of the picture's change and of its gradients, more around the lips."""
    torch.manual_seed(config.seed)
    network = channels_last(QuickRenderer(config.sizes))
    draw = draw_batches(samples, config.batch, config.seed)
    run = Run(folder, seed=config.seed, on_figures=on_figures)
    return run.train(network, config.schedule, draw, _QuickRendererLoss(config, teachers))


class _QuickRendererLoss:
    def __init__(self, config: QuickRendererTraining, teachers: Teachers) -> None:
        self.config, self.teachers = config, teachers
        self.codec = frozen_on_device(teachers.autoencoder).codec
        self.renderer = frozen_on_device(teachers.renderer)

    def __call__(self, network: QuickRenderer, batch: Batch, step: int) -> tuple[Tensor, Figures]:
        batch = _in_other_light(batch)
        known, context = batch["aligned"], self.renderer.sizes.context
        with torch.no_grad(), half_precision():
            wanted = self._mean(batch)
            aim = self._picture(known, wanted)
        with half_precision():
            reference = network.reference(batch["reference"])
            made = network(batch["motion"], known, batch["lip_map"], reference).float()
            change = self._picture(known, made)
        lips = batch["lip_map"].amax(dim=1, keepdim=True)[:, :, context:]
        weight = 1 + self.config.mouth_weight * F.max_pool2d(lips, 7, 1, 3)
        latents = ((made - wanted).abs() * weight).mean()
        pixels = ((change - aim).abs() * F.interpolate(weight, scale_factor=FACTOR)).mean()
        edges = sum((change.diff(dim=d) - aim.diff(dim=d)).abs().mean() for d in (2, 3))
        loss = latents + self.config.picture_weight * (pixels + edges)
        return loss, {"latents": float(latents.detach()), "pixels": float(pixels.detach())}

    def _mean(self, batch: Batch) -> Tensor:
        """What the renderer makes of a noise and of its opposite: what depends on the noise cancels
        out but for a few hundredths."""
        conditions = conditions_of(self.renderer, batch)
        start = batch["aligned"][:, :, self.renderer.sizes.context :]
        noise = torch.randn_like(start[:1])
        made = [
            sample(
                lambda noisy, steps: self.renderer(noisy, steps, conditions).float(),
                way.expand_as(start),
                self.teachers.sampling,
                self.teachers.prediction,
                start=start,
            )
            for way in (noise, -noise)
        ]
        return (made[0] + made[1]) / 2

    def _picture(self, known: Tensor, lower: Tensor) -> Tensor:
        context = self.renderer.sizes.context
        made = torch.cat([known[:, :, :context], lower], dim=2)
        return self.codec.decode_change(known, made, context).float()


def _in_other_light(batch: Batch) -> Batch:
    """The batch as another camera might have seen it, as far as latents can say it: the teacher
    answers for any."""
    like = batch["aligned"]
    gain = 1 + _GAIN * torch.randn_like(like[:, :, :1, :1])
    offset = _OFFSET * torch.randn_like(gain)
    soft = float(torch.rand(())) if torch.rand(()) < _BLURRED else 0.0

    def seen(latents: Tensor) -> Tensor:
        moved = latents * gain + offset
        if not soft:
            return moved
        blurred = F.avg_pool2d(F.pad(moved, (1, 1, 1, 1), mode="replicate"), 3, 1)
        return moved + soft * (blurred - moved)

    return {**batch, **{name: seen(batch[name]) for name in ("aligned", "context", "reference")}}
