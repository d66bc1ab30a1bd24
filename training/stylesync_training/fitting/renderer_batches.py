"""Batches of cached samples, and what the renderer is told of them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from stylesync_engine.faces.face_model import MOUTH
from stylesync_engine.models.renderer import Conditions, Renderer
from stylesync_training.fitting.renderer_samples import APART, RendererSamples

Batch = dict[str, Tensor]


def draw_batches(
    samples: RendererSamples, batch: int, seed: int, sequence: int = 1
) -> Callable[[int], Batch]:
    """Step -> batch of `batch` x `sequence` samples: speakers balanced, successive frames of a
    clip, each with a random far frame of the same clip as its reference face."""
    counts = torch.bincount(samples.speaker).float()
    weights = counts[samples.speaker] ** -0.6
    ends = torch.searchsorted(samples.clip, samples.clip, right=True)
    starts = torch.searchsorted(samples.clip, samples.clip)

    def draw(step: int) -> Batch:
        generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
        first = torch.multinomial(weights, batch, replacement=True, generator=generator)
        run = first[:, None] + torch.arange(sequence)
        index = torch.minimum(run, ends[first, None] - 1).flatten()
        other = torch.stack([_far_frame(samples, i, starts, ends, generator) for i in index])
        motion = samples.motion[index].clone()
        hidden = torch.rand(len(index), generator=generator) < 0.5
        motion[hidden, :, MOUTH:-3] = 0.0  # alpha would name the speaker
        return {
            "clean": samples.clean[index].float(),
            "aligned": samples.aligned[index].float(),
            "context": samples.context[index].float(),
            "lip_map": samples.lip_map[index].permute(0, 3, 1, 2).float() / 255.0,
            "motion": motion,
            "reference": samples.clean[other].float(),
        }

    return draw


def _far_frame(
    samples: RendererSamples,
    index: Tensor,
    starts: Tensor,
    ends: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """Number of a random sample of the same clip outside the neighbourhood of sample `index`, the
    farthest one where the clip is all neighbourhood."""
    first, last = int(starts[index]), int(ends[index])
    away = (samples.frame[first:last] - samples.frame[index]).abs()
    far = torch.nonzero(away > APART)[:, 0]
    if not len(far):
        return first + away.argmax()
    return first + far[torch.randint(len(far), (), generator=generator)]


def check_batch(samples: RendererSamples, count: int = 48) -> Batch:
    """`count` samples spread over all, always the same, each with the far reference of its clip."""
    index = torch.linspace(0, len(samples.clean) - 1, min(count, len(samples.clean))).long()
    generator = torch.Generator().manual_seed(1)
    starts = torch.searchsorted(samples.clip, samples.clip)
    ends = torch.searchsorted(samples.clip, samples.clip, right=True)
    other = torch.stack([_far_frame(samples, i, starts, ends, generator) for i in index])
    chosen = samples.part(index)
    return {
        "clean": chosen.clean.float(),
        "aligned": chosen.aligned.float(),
        "context": chosen.context.float(),
        "lip_map": chosen.lip_map.permute(0, 3, 1, 2).float() / 255.0,
        "motion": chosen.motion,
        "reference": samples.clean[other].float(),
    }


def conditions_of(network: Renderer, batch: Batch) -> Conditions:
    sizes = network.sizes
    return Conditions(
        motion=batch["motion"],
        context=batch["context"],
        reference=network.reference(batch["reference"]),
        aligned=batch["aligned"] if sizes.aligned else None,
        lip_map=batch["lip_map"] if sizes.lip_map else None,
    )
