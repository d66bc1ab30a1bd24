"""Fig. 4: which sounds of the reference the network looks at for each sound of the new speech."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stylesync_engine.models.lip_motion import LipMotionNetwork
from stylesync_engine.request import RequestError
from stylesync_training.data.dataset import TrainingClip
from stylesync_training.fitting.lip_motion import reference_of

Array = NDArray[np.float32]


@torch.no_grad()
def attention_of(network: LipMotionNetwork, query: TrainingClip, reference: TrainingClip) -> Array:
    """The mean weights of all cross-attention layers, `[T, n]`, each row summing to 1.

    Raises RequestError for a network that reads no reference frame by frame.
    """
    if network.sizes.reference not in ("audio-aware", "lips-only"):
        raise RequestError(
            f"This network's reference is '{network.sizes.reference}', which has no attention to"
            " draw; train one with stylesync-train ablate or the preset paper."
        )
    style = reference_of([reference])
    memory = network.remember(
        torch.from_numpy(style.speech)[None], torch.from_numpy(style.motion)[None]
    )
    if memory is None:
        raise RequestError("The network kept nothing of the reference; train it again.")
    weights = network.eval().attention(torch.from_numpy(query.speech)[None], memory)
    return np.asarray(weights[0].numpy(), np.float32)


def draw_attention(
    weights: Array, query: TrainingClip, reference: TrainingClip, path: Path
) -> None:
    """A PNG: the weights, beside and below them how far each frame's speech is from its clip's
    mean."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 7), layout="constrained")
    grid: Any = figure.add_gridspec(2, 2, width_ratios=(1, 5), height_ratios=(5, 1))
    middle = figure.add_subplot(grid[0, 1])
    ends = (0.0, len(reference.speech) / 25, len(query.speech) / 25, 0.0)
    picture = middle.imshow(weights, aspect="auto", cmap="magma", extent=ends)
    figure.colorbar(picture, ax=middle, label="mean attention")
    middle.set_title("Each row: where one frame of new speech looks in the reference")
    left = figure.add_subplot(grid[0, 0])
    left.plot(_energy(query), np.arange(len(query.speech)) / 25)
    left.invert_yaxis()
    left.set_ylabel(f"new speech ({query.name}), s")
    below = figure.add_subplot(grid[1, 1])
    below.plot(np.arange(len(reference.speech)) / 25, _energy(reference))
    below.set_xlabel(f"reference speech ({reference.name}), s")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def _energy(clip: TrainingClip) -> Array:
    """How far each frame's speech features lie from the clip's mean, `[T]`."""
    return np.asarray(np.linalg.norm(clip.speech - clip.speech.mean(axis=0), axis=1), np.float32)
