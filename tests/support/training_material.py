"""Small stand-ins for what trainings take: clips of random speakers, tiny settings of stage 1."""

from __future__ import annotations

import numpy as np
import torch
from model_fixtures import IDENTITIES
from stylesync_training.data.dataset import TrainingClip
from stylesync_training.fitting.lip_motion import LipMotionTraining
from stylesync_training.fitting.loop import Schedule
from stylesync_training.fitting.renderer_samples import RendererSamples

from stylesync_engine.faces.face_model import MOUTH
from stylesync_engine.models.lip_motion import LipMotionSizes


def make_clip(speaker: str, name: str, frames: int = 60, seed: int = 0) -> TrainingClip:
    rng = np.random.default_rng(seed)
    return TrainingClip(
        speaker=speaker,
        name=name,
        crops=np.zeros((0, 256, 256, 3), np.uint8),
        points=np.zeros((frames, 468, 2), np.float32),
        beta=rng.normal(size=(frames, 20)).astype(np.float32),
        alpha=np.zeros(3, np.float32),
        neutral=np.zeros((468, 3), np.float32),
        angles=np.zeros((frames, 3), np.float32),
        scale=np.ones(frames, np.float32),
        rotation=np.broadcast_to(np.eye(3, dtype=np.float32), (frames, 3, 3)).copy(),
        speech=rng.normal(size=(frames, 8)).astype(np.float32),
    )


def make_samples(count: int = 24) -> RendererSamples:
    random = torch.Generator().manual_seed(0)
    latents = torch.randn(count, 4, 64, 64, generator=random).half()
    return RendererSamples(
        clean=latents,
        aligned=latents[:, :, 24:].flip(3),
        context=latents[:, :, 24:32],
        lip_map=torch.zeros(count, 40, 64, 3, dtype=torch.uint8),
        motion=torch.zeros(count, 5, MOUTH + IDENTITIES + 3),
        clip=torch.zeros(count, dtype=torch.long),
        speaker=torch.zeros(count, dtype=torch.long),
        frame=torch.arange(count) * 20,
    )


TINY_LIPS = LipMotionTraining(
    sizes=LipMotionSizes(8, 16, 2, 32, 1, 1),
    schedule=Schedule(steps=6, rate=1e-3, warm_up=2, ema=0.9),
    batch=2,
    frames=16,
    reference=16,
)
