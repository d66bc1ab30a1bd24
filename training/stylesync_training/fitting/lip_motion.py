"""Train stage 1 (Eq. 3 to 5) on clips of many speakers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stylesync_engine.faces.face_model import MOUTH, FaceModel
from stylesync_engine.models.lip_motion import LipMotionNetwork, LipMotionSizes
from stylesync_engine.speech.style import StyleReference
from stylesync_training.data.dataset import TrainingClip, clip_weights
from stylesync_training.fitting.loop import Figures, Run, Schedule, half_precision
from stylesync_training.fitting.losses import VERTEX_WEIGHT, lip_motion_loss

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LipMotionTraining:
    """What a run of stage 1 needs; a preset is one of these.

    `restyle` is the share of samples whose target and reference get one random invertible change of
    style, so that the reference has to be read; `speed` stretches time by up to that share. Of the
    `frames` of a sequence only one in `every` is decoded, from another first one each step:
    neighbours share ten of their eleven tokens and teach little more than one of them.
    """

    sizes: LipMotionSizes = field(default_factory=LipMotionSizes)
    schedule: Schedule = field(
        default_factory=lambda: Schedule(steps=120, rate=2e-4, warm_up=20, ema=0.97)
    )
    batch: int = 16
    frames: int = 64
    every: int = 1
    reference: int = 128
    vertex_weight: float = VERTEX_WEIGHT
    restyle: float = 0.5
    speed: float = 0.1
    noise: float = 0.1
    seed: int = 0


@dataclass(frozen=True, slots=True)
class LipBatch:
    """Speech `[B, L, D]`, motion `[B, L, 13]`, and the reference's, `[B, n, ...]`."""

    speech: Tensor
    motion: Tensor
    reference_speech: Tensor
    reference_motion: Tensor

    def to(self, device: torch.device) -> LipBatch:
        parts = (self.speech, self.motion, self.reference_speech, self.reference_motion)
        return LipBatch(*(part.to(device) for part in parts))


def train_lip_motion(
    config: LipMotionTraining,
    face_model: FaceModel,
    train: Sequence[TrainingClip],
    check: Sequence[TrainingClip],
    folder: Path,
    on_figures: Callable[[Figures], None] | None = None,
) -> LipMotionNetwork:
    """Returns the EMA network; its figures on `check` are in the run's curve."""
    torch.manual_seed(config.seed)
    network = LipMotionNetwork(config.sizes)
    centred = np.concatenate([clip.speech - clip.speech.mean(axis=0) for clip in train])
    network.speech_std.copy_(torch.from_numpy(centred.std(axis=0) + 1e-3))
    if config.sizes.members:
        normal = torch.from_numpy(centred) / network.speech_std
        network.committee.directions.copy_(leading_directions(normal, config.sizes.components))
    basis = lip_basis(face_model)

    def loss_of(module: LipMotionNetwork, batch: LipBatch, step: int) -> tuple[Tensor, Figures]:
        decoded = slice(step % config.every, None, config.every)
        true = batch.motion[:, decoded]
        with half_precision():
            if config.sizes.members:  # each learns by itself: what they have in common is kept
                predicted = module.answers(batch.speech, decoded).flatten(0, 1).float()
                true = true.repeat(config.sizes.members, 1, 1)
            else:
                memory = module.remember(batch.reference_speech, batch.reference_motion)
                predicted = module(batch.speech, memory, decoded).float()
        return lip_motion_loss(predicted, true, basis.to(true), config.vertex_weight), {}

    def on_save(ema: LipMotionNetwork, step: int) -> Figures:
        return {"check": check_error(ema, basis, check)} if check else {}

    run = Run(folder, save_every=20.0, seed=config.seed, on_figures=on_figures)
    draw = draw_lip_batches(config, train)
    return run.train(network, config.schedule, draw, loss_of, on_save, weight_decay=0.01)


def leading_directions(rows: Tensor, count: int) -> Tensor:
    """The `count` directions in which rows `[n, D]` without a mean vary most, `[D, count]`."""
    _, directions = torch.linalg.eigh(rows.T @ rows)
    return directions.flip(1)[:, :count]


def lip_basis(face_model: FaceModel) -> Tensor:
    """`FaceModel.lip_basis` for losses."""
    return torch.from_numpy(face_model.lip_basis())


def draw_lip_batches(
    config: LipMotionTraining, clips: Sequence[TrainingClip]
) -> Callable[[int], LipBatch]:
    """Step -> batch: L successive frames of a clip, n frames of other clips of its speaker."""
    weights = clip_weights(clips)
    partners = {c.speaker: [d for d in clips if d.speaker == c.speaker] for c in clips}

    def draw(step: int) -> LipBatch:
        rng = np.random.default_rng((config.seed, step))
        rows = []
        for index in rng.choice(len(clips), config.batch, p=weights):
            target = clips[index]
            others = [c for c in partners[target.speaker] if c is not target] or [target]
            rows.append(_draw_pair(config, rng, target, others))
        return LipBatch(*(torch.from_numpy(np.stack(part)) for part in zip(*rows, strict=True)))

    return draw


def _draw_pair(
    config: LipMotionTraining,
    rng: np.random.Generator,
    target: TrainingClip,
    others: Sequence[TrainingClip],
) -> tuple[Array, ...]:
    """Speech and motion of the target, speech and motion of the reference."""
    speed = 1 + rng.uniform(-config.speed, config.speed)
    speech, motion = _stretch(target, speed, rng, config.frames)
    reference = draw_reference(others, config.reference, rng)
    motion_r = reference.motion
    if rng.random() < config.restyle:
        change, shift = random_style(rng)
        motion, motion_r = motion @ change + shift, motion_r @ change + shift
    speech = speech + config.noise * speech.std(axis=0) * rng.standard_normal(speech.shape)
    drawn = (speech, motion, reference.speech, motion_r)
    return tuple(np.asarray(part, np.float32) for part in drawn)


def draw_reference(
    clips: Sequence[TrainingClip], frames: int, rng: np.random.Generator
) -> StyleReference:
    """`frames` successive frames of as many clips as they take, in random order; short clips are
    used again where there are not enough, so that all references of a batch are equally long."""
    pieces: list[StyleReference] = []
    while sum(len(piece) for piece in pieces) < frames:
        for index in rng.permutation(len(clips)):
            pieces.append(reference_of([clips[index]]))
    speech = np.concatenate([piece.speech for piece in pieces])[:frames]
    return StyleReference(speech, np.concatenate([piece.motion for piece in pieces])[:frames])


def reference_of(clips: Sequence[TrainingClip]) -> StyleReference:
    """All frames of `clips`, each clip's speech without its mean."""
    return StyleReference(
        np.concatenate([clip.speech - clip.speech.mean(axis=0) for clip in clips]),
        np.concatenate([clip.beta[:, :MOUTH] for clip in clips]),
    )


def _stretch(
    clip: TrainingClip, speed: float, rng: np.random.Generator, frames: int
) -> tuple[Array, Array]:
    """L frames of a clip played `speed` times as fast."""
    length = len(clip.speech)
    span = (frames - 1) * speed
    if span > length - 1:
        span = float(length - 1)
    start = rng.uniform(0, length - 1 - span)
    at = start + np.linspace(0, span, frames)
    low = np.minimum(at.astype(int), max(0, length - 2))
    part = (at - low)[:, None]
    speech = clip.speech - clip.speech.mean(axis=0)
    motion = clip.beta[:, :MOUTH]
    return speech[low] * (1 - part) + speech[low + 1] * part, motion[low] * (1 - part) + motion[
        low + 1
    ] * part


def random_style(rng: np.random.Generator) -> tuple[Array, Array]:
    """An invertible change of style: gains, a little mixing between parameters, another rest."""
    gains = np.exp(rng.normal(0, 0.25, MOUTH))
    mixing = np.eye(MOUTH) + rng.normal(0, 0.08, (MOUTH, MOUTH))
    return (mixing * gains).astype(np.float32), rng.normal(0, 0.2, MOUTH).astype(np.float32)


@torch.no_grad()
def check_error(network: LipMotionNetwork, basis: Tensor, clips: Sequence[TrainingClip]) -> float:
    """Mean distance of lip vertices in face heights over `clips`, the next clip as reference."""
    network.eval()
    errors = []
    for clip, other in zip(clips, [*clips[1:], clips[0]], strict=True):
        memory = network.remember(
            *(torch.from_numpy(x)[None] for x in (other.speech, other.beta[:, :MOUTH]))
        )
        predicted = network(torch.from_numpy(clip.speech)[None], memory)[0]
        difference = torch.einsum(
            "tk,kvc->tvc", predicted - torch.from_numpy(clip.beta[:, :MOUTH]), basis
        )
        errors.append(float(difference[..., :2].norm(dim=-1).mean()))
    return float(np.mean(errors))
