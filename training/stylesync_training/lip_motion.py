"""Train stage 1 (Eq. 3 to 5) on clips of many speakers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from stylesync_engine.face_model import LIPS, MOUTH, FaceModel
from stylesync_engine.models.lip_motion import LipMotionNetwork, LipMotionSizes
from stylesync_engine.style import StyleReference
from stylesync_training.dataset import TrainingClip, clip_weights
from stylesync_training.loop import Run, Schedule
from stylesync_training.losses import VERTEX_WEIGHT, lip_motion_loss

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LipMotionTraining:
    """What a run of stage 1 needs; a preset is one of these.

    `restyle` is the share of samples whose target and reference get one random invertible change of
    style, so that the reference has to be read; `speed` stretches time by up to that share.
    """

    sizes: LipMotionSizes = LipMotionSizes()
    schedule: Schedule = Schedule(steps=300, rate=2e-4, warm_up=20, ema=0.97)
    batch: int = 16
    frames: int = 64
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


def train_lip_motion(
    config: LipMotionTraining, face_model: FaceModel, train: Sequence[TrainingClip], check: Sequence[TrainingClip], folder: Path
) -> LipMotionNetwork:
    """Returns the EMA network; its figures on `check` are in the run's curve."""
    torch.manual_seed(config.seed)
    network = LipMotionNetwork(config.sizes)
    centred = np.concatenate([clip.speech - clip.speech.mean(axis=0) for clip in train])
    network.speech_std.copy_(torch.from_numpy(centred.std(axis=0) + 1e-3))
    basis = lip_basis(face_model)

    def loss_of(module: nn.Module, batch: object, step: int) -> tuple[Tensor, dict[str, float]]:
        assert isinstance(batch, LipBatch) and isinstance(module, LipMotionNetwork)
        with torch.autocast("cpu", torch.bfloat16):
            memory = module.remember(batch.reference_speech, batch.reference_motion)
            predicted = module(batch.speech, memory).float()
        return lip_motion_loss(predicted, batch.motion, basis, config.vertex_weight), {}

    def on_save(ema: nn.Module, step: int) -> dict[str, float]:
        assert isinstance(ema, LipMotionNetwork)
        return {"check": check_error(ema, basis, check)} if check else {}

    batches = draw_lip_batches(config, train)
    run = Run(folder, save_every=20.0)
    out = run.train(network, config.schedule, batches, loss_of, on_save, weight_decay=0.01)
    assert isinstance(out, LipMotionNetwork)
    return out


def lip_basis(face_model: FaceModel) -> Tensor:
    """The rows of Eq. 1 for the lips, `[13, 40, 3]`, in units of face height (about 1.9 eye distances)."""
    height = float(np.ptp(face_model.mean[:, 1]))
    return torch.from_numpy(face_model.expression[:MOUTH][:, list(LIPS)] / height)


def draw_lip_batches(config: LipMotionTraining, clips: Sequence[TrainingClip]) -> Iterator[LipBatch]:
    """Endless batches: L successive frames of a clip, n frames of another clip of the same speaker."""
    rng = np.random.default_rng(config.seed)
    weights = clip_weights(clips)
    partners = {c.speaker: [d for d in clips if d.speaker == c.speaker] for c in clips}
    while True:
        rows = []
        for index in rng.choice(len(clips), config.batch, p=weights):
            target = clips[index]
            others = [c for c in partners[target.speaker] if c is not target] or [target]
            rows.append(_draw_pair(config, rng, target, others))
        yield LipBatch(*(torch.from_numpy(np.stack(part)) for part in zip(*rows, strict=True)))


def _draw_pair(
    config: LipMotionTraining, rng: np.random.Generator, target: TrainingClip, others: Sequence[TrainingClip]
) -> tuple[Array, Array, Array, Array]:
    speed = 1 + rng.uniform(-config.speed, config.speed)
    speech, motion = _stretch(target, speed, rng, config.frames)
    pieces = [
        (other.speech - other.speech.mean(axis=0), other.beta[:, :MOUTH])
        for other in (others[i] for i in rng.integers(len(others), size=1 + config.reference // 75))
    ]
    reference = StyleReference(*(np.concatenate(p)[: config.reference] for p in zip(*pieces, strict=True)))
    motion_r = reference.motion
    if rng.random() < config.restyle:
        change, shift = random_style(rng)
        motion, motion_r = motion @ change + shift, motion_r @ change + shift
    noise = config.noise * speech.std(axis=0)
    speech = speech + noise * rng.standard_normal(speech.shape)
    return speech.astype(np.float32), motion.astype(np.float32), reference.speech.astype(np.float32), motion_r.astype(np.float32)


def _stretch(clip: TrainingClip, speed: float, rng: np.random.Generator, frames: int) -> tuple[Array, Array]:
    """L frames of a clip played `speed` times as fast."""
    length = len(clip.speech)
    span = (frames - 1) * speed
    if span > length - 1:
        span = float(length - 1)
    start = rng.uniform(0, length - 1 - span)
    at = start + np.linspace(0, span, frames)
    low = np.minimum(at.astype(int), length - 2)
    part = (at - low)[:, None]
    speech = clip.speech - clip.speech.mean(axis=0)
    motion = clip.beta[:, :MOUTH]
    return speech[low] * (1 - part) + speech[low + 1] * part, motion[low] * (1 - part) + motion[low + 1] * part


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
        memory = network.remember(*(torch.from_numpy(x)[None] for x in (other.speech, other.beta[:, :MOUTH])))
        predicted = network(torch.from_numpy(clip.speech)[None], memory)[0]
        difference = torch.einsum("tk,kvc->tvc", predicted - torch.from_numpy(clip.beta[:, :MOUTH]), basis)
        errors.append(float(difference[..., :2].norm(dim=-1).mean()))
    return float(np.mean(errors))
