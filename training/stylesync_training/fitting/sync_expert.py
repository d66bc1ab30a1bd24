"""The own sync expert: do these lips go with this sound?

A small contrastive network on speech features and mouth parameters, trained on prepared clips. Its
figures stand under its own name, since they are not SyncNet's: LSE-C and LSE-D need the published
weights (see `published`). `prepare` may ask it which clips' sound comes early or late.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from stylesync_engine.faces.face_model import MOUTH, FaceModel
from stylesync_engine.request import ModelError, RequestError
from stylesync_engine.speech.features import FEATURE_RATE
from stylesync_training.data.corpora import SourceClip
from stylesync_training.data.dataset import TrainingClip, clip_weights, read_clip
from stylesync_training.data.prepare import keep_dropped
from stylesync_training.data.workspace import read_sizes
from stylesync_training.fitting.loop import Figures, Run, Schedule
from stylesync_training.fitting.losses import contrastive_loss

Array = NDArray[np.float32]

MOST_SHIFT = 15  # frames in which the sound is looked for, either way, as for SyncNet
OFFSET_ALLOWED = 2  # frames: less than people notice, and within what tracking leaves open
_CLEARLY = 0.05  # by how much another shift has to be more alike before a clip is dropped


@dataclass(frozen=True, slots=True)
class SyncSizes:
    """Sizes of the expert; they travel in the run's config."""

    speech: int = 768
    width: int = 128
    embedding: int = 64
    window: int = 9


@dataclass(frozen=True, slots=True)
class SyncExpertTraining:
    """What a run of the expert needs."""

    sizes: SyncSizes = field(default_factory=SyncSizes)
    schedule: Schedule = field(
        default_factory=lambda: Schedule(steps=300, rate=1e-3, warm_up=20, ema=0.98)
    )
    batch: int = 16
    frames: int = 64
    noise: float = 0.2
    seed: int = 0


class SyncExpert(nn.Module):
    """Sound and lips of a window -> unit vectors that agree where both belong together."""

    def __init__(self, sizes: SyncSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.ear = _branch(sizes.speech, sizes)
        self.eye = _branch(MOUTH, sizes)
        self.temperature = nn.Parameter(torch.tensor(0.1))

    def hear(self, speech: Tensor) -> Tensor:
        """Speech features `[B, T, D]` -> `[B, T, E]`."""
        return _embed(self.ear, speech)

    def see(self, motion: Tensor) -> Tensor:
        """Mouth parameters `[B, T, 13]` -> `[B, T, E]`."""
        return _embed(self.eye, motion)


@dataclass(frozen=True, slots=True)
class SyncFigures:
    """`offset`: by how many frames the sound comes too late (early: negative); `confidence`: how
    much more alike sound and lips are there than at the median shift; `alike` at each shift
    -15 .. 15, cosine."""

    offset: int
    confidence: float
    alike: Array

    @property
    def clearly_off(self) -> bool:
        """Whether another place fits clearly better than where the sound is."""
        middle = self.alike[MOST_SHIFT - OFFSET_ALLOWED : MOST_SHIFT + OFFSET_ALLOWED + 1]
        return abs(self.offset) > OFFSET_ALLOWED and (self.alike.max() - middle.max()) > _CLEARLY

    def figures(self) -> dict[str, float]:
        return {"OwnSync_confidence": self.confidence, "OwnSync_offset": float(self.offset)}


def train_sync_expert(
    config: SyncExpertTraining,
    train: Sequence[TrainingClip],
    check: Sequence[TrainingClip],
    folder: Path,
    on_figures: Callable[[Figures], None] | None = None,
) -> SyncExpert:
    """Returns the EMA network; `check` clips give the share of them that it finds in sync."""
    torch.manual_seed(config.seed)

    def loss_of(
        network: SyncExpert, batch: tuple[Tensor, Tensor], step: int
    ) -> tuple[Tensor, Figures]:
        seen, heard = network.see(batch[1]), network.hear(batch[0])
        return contrastive_loss(seen, heard, network.temperature), {}

    def on_save(ema: SyncExpert, step: int) -> Figures:
        right = [abs(judge_sync(ema, c.speech, c.beta[:, :MOUTH]).offset) <= 1 for c in check]
        return {"check": float(np.mean(right))} if right else {}

    run = Run(folder, save_every=20.0, seed=config.seed, on_figures=on_figures)
    draw = draw_sync_batches(config, train)
    return run.train(SyncExpert(config.sizes), config.schedule, draw, loss_of, on_save, 0.01)


def draw_sync_batches(
    config: SyncExpertTraining, clips: Sequence[TrainingClip]
) -> Callable[[int], tuple[Tensor, Tensor]]:
    """Step -> speech `[B, L, D]` and motion `[B, L, 13]` of the same frames of clips.

    Raises RequestError where no clip is long enough.
    """
    long = [clip for clip in clips if len(clip.speech) >= config.frames]
    if not long:
        raise RequestError(f"No clip has {config.frames} frames; prepare longer ones.")
    weights = clip_weights(long)

    def draw(step: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng((config.seed, step))
        speech, motion = [], []
        for index in rng.choice(len(long), config.batch, p=weights):
            clip = long[index]
            first = int(rng.integers(0, len(clip.speech) - config.frames + 1))
            part = clip.speech[first : first + config.frames]
            spread = config.noise * part.std(axis=0)
            speech.append(part + spread * rng.standard_normal(part.shape).astype(np.float32))
            motion.append(clip.beta[first : first + config.frames, :MOUTH])
        return torch.from_numpy(np.stack(speech)).float(), torch.from_numpy(np.stack(motion))

    return draw


@torch.no_grad()
def judge_sync(network: SyncExpert, speech: Array, motion: Array) -> SyncFigures:
    """Speech features `[T, D]` against mouth parameters `[T, 13]` at 25 Hz.

    Raises RequestError for clips that are too short to be shifted.
    """
    count = min(len(speech), len(motion))
    if count <= 2 * MOST_SHIFT:
        raise RequestError(f"{count} frames are too few to tell sync; give more than a second.")
    heard = network.hear(torch.from_numpy(speech[:count]).float()[None])[0]
    seen = network.see(torch.from_numpy(motion[:count]).float()[None])[0]
    table = (seen @ heard.T).numpy()  # [frame of the lips, frame of the sound]
    alike = [np.diagonal(table, shift).mean() for shift in range(-MOST_SHIFT, MOST_SHIFT + 1)]
    found = np.array(alike, np.float32)
    best = int(found.argmax())
    return SyncFigures(best - MOST_SHIFT, float(found.max() - np.median(found)), found)


@dataclass(frozen=True, slots=True)
class SyncJudge:
    """The expert with what it needs to look at a video: a face model, and speech features."""

    network: SyncExpert
    face_model: FaceModel
    features: Callable[[Path], Array]

    def judge(self, video: Path, landmarks: Array, rate: Fraction) -> SyncFigures | None:
        """Landmarks `[T, 468, 3]` px at the video's `rate`, NaN where not seen; None where too
        little of the face is seen."""
        seen = np.isfinite(landmarks).all(axis=(1, 2))
        if seen.mean() < 0.9:
            return None
        motion = self.face_model.fit(landmarks[seen]).beta[:, :MOUTH]
        times = np.flatnonzero(seen) / float(rate)
        ticks = np.arange(int(len(landmarks) / rate * FEATURE_RATE)) / float(FEATURE_RATE)
        columns = [np.interp(ticks, times, column) for column in motion.T]
        speech = self.features(video)
        if min(len(ticks), len(speech)) <= 2 * MOST_SHIFT:
            return None
        return judge_sync(self.network, speech, np.stack(columns, axis=1).astype(np.float32))


def read_sync_expert(run: Path) -> SyncExpert:
    """The expert of a run. Raises ModelError where there is none."""
    path = run / "ema.safetensors"
    if not path.exists():
        raise ModelError(f"{path} is missing; run stylesync-train sync-expert first.")
    network = SyncExpert(read_sizes(run, SyncSizes, SyncSizes()))
    try:
        network.load_state_dict(load_file(path))
    except RuntimeError as error:
        raise ModelError(f"{path} holds another network; name the sync expert's run.") from error
    network.eval().requires_grad_(False)
    return network


def drop_out_of_sync(
    clips: Sequence[SourceClip], folder: Path, network: SyncExpert
) -> dict[str, str]:
    """Take out of `folder` the clips whose sound the sync expert places clearly elsewhere; returns
    the reasons, which `dropped.json` keeps too."""
    dropped: dict[str, str] = {}
    for clip in clips:
        first = clip.under(folder)
        files = [
            path for path in (first, *first.parent.glob(f"{first.stem}.shot*")) if path.exists()
        ]
        offsets = [_offset_of(path, network) for path in files]
        wrong = [offset for offset in offsets if offset]
        if wrong:
            way = "late" if wrong[0] > 0 else "early"
            frames = abs(wrong[0])
            dropped[clip.label] = f"its sound is {frames} frames {way} (own sync expert)"
            for path in files:
                path.unlink()
    keep_dropped(folder, dropped)
    return dropped


def _offset_of(path: Path, network: SyncExpert) -> int:
    """By how many frames the sound of a prepared clip is clearly late; 0 where it is not."""
    clip = read_clip(path, pictures=False)
    found = judge_sync(network, clip.speech, clip.beta[:, :MOUTH])
    return found.offset if found.clearly_off else 0


def _branch(channels: int, sizes: SyncSizes) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv1d(channels, sizes.width, sizes.window, padding=sizes.window // 2),
        nn.GELU(),
        nn.Dropout(0.2),
        nn.Conv1d(sizes.width, sizes.embedding, 3, padding=1),
    )


def _embed(branch: nn.Sequential, values: Tensor) -> Tensor:
    """Each clip is normalised by itself: voices, microphones and faces say nothing about sync."""
    spread = values.std(dim=1, keepdim=True) + 1e-3
    normal = (values - values.mean(dim=1, keepdim=True)) / spread
    out: Tensor = branch(normal.transpose(1, 2)).transpose(1, 2)
    return F.normalize(out, dim=-1)
