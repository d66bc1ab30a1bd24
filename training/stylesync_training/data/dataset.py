"""Prepared clips in memory, and how training draws from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from torch import Tensor

from stylesync_engine.models.autoencoder import to_pictures
from stylesync_engine.mouth.crop import CROP, LOWER
from stylesync_engine.request import ModelError
from stylesync_training.data.workspace import read_json, write_json

Array = NDArray[np.float32]

INDEX = "index.json"
_PLAIN = ("points", "beta", "alpha", "neutral", "angles", "scale", "rotation")
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


def load_clips(
    folder: Path, speakers: Sequence[str] | None = None, pictures: bool = True
) -> list[TrainingClip]:
    """All prepared clips of `folder`, or those of `speakers`; without `pictures` no crops.

    Raises ModelError naming the shard that is damaged, missing or not as the index has it.
    """
    check_index(folder, speakers)
    clips = []
    for path in sorted(folder.glob("*/*.safetensors")):
        if speakers is not None and path.parent.name not in speakers:
            continue
        clips.append(read_clip(path, pictures))
    return clips


def write_index(folder: Path) -> None:
    """`index.json`: frames and bytes of every shard, which is a clip's file."""
    shards = {}
    for path in sorted(folder.glob("*/*.safetensors")):
        with safe_open(path, framework="np") as file:
            frames = file.get_slice("beta").get_shape()[0]
        name = path.relative_to(folder).as_posix()
        shards[name] = {"frames": frames, "bytes": path.stat().st_size}
    write_json(folder / INDEX, shards)


def check_index(folder: Path, speakers: Sequence[str] | None = None) -> None:
    """Raises ModelError naming a shard of `speakers` that is missing or of another size than when
    it was prepared; folders without an index pass."""
    path = folder / INDEX
    shards = read_json(path) if path.exists() else {}
    for name, row in shards.items():
        shard = folder / name
        if speakers is not None and shard.parent.name not in speakers:
            continue
        size = shard.stat().st_size if shard.exists() else 0
        if size != row["bytes"]:
            raise ModelError(
                f"The shard {shard} has {size} bytes instead of {row['bytes']}; delete it and run"
                " stylesync-train prepare again."
            )


def read_clip(path: Path, pictures: bool = True) -> TrainingClip:
    """One prepared clip. Raises ModelError naming the file where it is damaged."""
    names = (*_PLAIN, "speech", *(("crops",) if pictures else ()))
    try:
        with safe_open(path, framework="np") as file:
            tensors = {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} is damaged ({error}); delete it and prepare again.") from error
    tensors.setdefault("crops", np.zeros((0, CROP, CROP, 3), np.uint8))
    tensors["speech"] = tensors["speech"].astype(np.float32)
    return TrainingClip(speaker=path.parent.name, name=path.stem, **tensors)


def clip_weights(clips: Sequence[TrainingClip]) -> Array:
    """Probability of each clip: speakers with many clips are damped by count^-0.6."""
    counts = {s: sum(c.speaker == s for c in clips) for s in {c.speaker for c in clips}}
    weights = np.array([counts[clip.speaker] ** -_BALANCE for clip in clips], np.float64)
    return np.asarray(weights / weights.sum(), np.float64)


def describe_clips(clips: Sequence[TrainingClip]) -> list[dict[str, Any]]:
    """One row a speaker: clips, minutes at 25 Hz."""
    frames: Counter[str] = Counter()
    for clip in clips:
        frames[clip.speaker] += len(clip.speech)
    numbers = Counter(clip.speaker for clip in clips)
    return [
        {"speaker": name, "clips": numbers[name], "minutes": round(frames[name] / 25 / 60, 2)}
        for name in sorted(numbers)
    ]


def draw_patches(
    clips: Sequence[TrainingClip], side: int, batch: int, seed: int
) -> Callable[[int], Tensor]:
    """Step -> `[B, 3, side, side]` in [-1, 1] for the autoencoder, twice as many from the lower
    half."""
    weights = clip_weights(clips)

    def draw(step: int) -> Tensor:
        rng = np.random.default_rng((seed, step))
        chosen = rng.choice(len(clips), batch, p=weights)
        patches = [_cut_patch(clips[index].crops, side, rng) for index in chosen]
        return _vary_colours(to_pictures(torch.from_numpy(np.stack(patches))), rng)

    return draw


def _cut_patch(crops: NDArray[np.uint8], side: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    crop = crops[rng.integers(len(crops))]
    lowest = LOWER // 2 if rng.random() < 0.67 else 0
    top, left = rng.integers(lowest, CROP - side + 1), rng.integers(CROP - side + 1)
    patch = crop[top : top + side, left : left + side]
    return patch[:, ::-1] if rng.random() < 0.5 else patch


def _vary_colours(pictures: Tensor, rng: np.random.Generator) -> Tensor:
    """Random gain a channel and offset a picture: speakers are few, cameras are many."""
    gain = torch.from_numpy(rng.uniform(0.8, 1.2, (len(pictures), 3, 1, 1)).astype(np.float32))
    offset = torch.from_numpy(rng.uniform(-0.12, 0.12, (len(pictures), 1, 1, 1)).astype(np.float32))
    return (pictures * gain + offset).clamp(-1, 1)
