"""Prepared clips in memory, and how training draws from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file
from torch import Tensor

from stylesync_engine.models.autoencoder import to_pictures
from stylesync_engine.mouth import CROP, LOWER
from stylesync_engine.request import ModelError

Array = NDArray[np.float32]

_BALANCE = 0.6  # a speaker with c clips is drawn c^(1 - 0.6) as often: count^-0.6 a clip


@dataclass(frozen=True, slots=True)
class TrainingClip:
    """One prepared clip of T frames (see `prepare`)."""

    speaker: str
    name: str
    crops: NDArray[np.uint8]  # [T, 256, 256, 3]
    points: Array  # [T, 468, 2] crop px
    beta: Array  # [T, 64], relative to the clip's rest
    alpha: Array  # [A]
    neutral: Array  # [468, 3] units, the rest
    angles: Array  # [T, 3] rad
    scale: Array  # [T] px per unit, of the source picture
    rotation: Array  # [T, 3, 3]
    speech: Array  # [T, D]


def load_clips(folder: Path, speakers: Sequence[str] | None = None, pictures: bool = True) -> list[TrainingClip]:
    """All prepared clips of `folder`, or those of `speakers`. A damaged file stops with its name."""
    clips = []
    for path in sorted(folder.glob("*/*.safetensors")):
        if speakers is not None and path.parent.name not in speakers:
            continue
        try:
            tensors = load_file(path)
        except (SafetensorError, OSError) as error:
            raise ModelError(f"{path} is damaged ({error}); delete it and prepare again.") from error
        crops = tensors["crops"] if pictures else np.zeros((0, CROP, CROP, 3), np.uint8)
        clips.append(
            TrainingClip(
                path.parent.name,
                path.stem,
                crops,
                *(tensors[k] for k in ("points", "beta", "alpha", "neutral", "angles", "scale", "rotation")),
                tensors["speech"].astype(np.float32),
            )
        )
    return clips


def clip_weights(clips: Sequence[TrainingClip]) -> Array:
    """Probability of each clip: speakers with many clips are damped by count^-0.6."""
    counts = {s: sum(c.speaker == s for c in clips) for s in {c.speaker for c in clips}}
    weights = np.array([counts[clip.speaker] ** -_BALANCE for clip in clips], np.float64)
    return np.asarray(weights / weights.sum(), np.float64)


def picture_patches(clips: Sequence[TrainingClip], side: int, batch: int, seed: int) -> Iterator[Tensor]:
    """Endless `[B, 3, side, side]` in [-1, 1] for the autoencoder, twice as many from the lower half."""
    rng = np.random.default_rng(seed)
    weights = clip_weights(clips)
    while True:
        patches = []
        for index in rng.choice(len(clips), batch, p=weights):
            crop = clips[index].crops[rng.integers(len(clips[index].crops))]
            top = rng.integers(LOWER // 2, CROP - side + 1) if rng.random() < 0.67 else rng.integers(CROP - side + 1)
            left = rng.integers(CROP - side + 1)
            patch = crop[top : top + side, left : left + side]
            patches.append(patch[:, ::-1] if rng.random() < 0.5 else patch)
        pictures = to_pictures(torch.from_numpy(np.stack(patches)))
        yield _vary_colours(pictures, rng)


def _vary_colours(pictures: Tensor, rng: np.random.Generator) -> Tensor:
    """Random gain a channel and offset a picture: speakers are few, cameras are many."""
    gain = torch.from_numpy(rng.uniform(0.8, 1.2, (len(pictures), 3, 1, 1)).astype(np.float32))
    offset = torch.from_numpy(rng.uniform(-0.12, 0.12, (len(pictures), 1, 1, 1)).astype(np.float32))
    return (pictures * gain + offset).clamp(-1, 1)
