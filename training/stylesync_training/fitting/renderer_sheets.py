"""What a renderer makes of cached samples: sheets to look at, lower halves to measure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stylesync_engine.models.autoencoder import to_crops
from stylesync_engine.models.diffusion import Prediction, Sampling, sample, shared_noise
from stylesync_engine.models.renderer import LATENT_SIDE, Renderer, RendererSizes
from stylesync_engine.mouth.crop import CROP, LOWER
from stylesync_engine.review.contact_sheet import CELL, lay_out
from stylesync_engine.review.previews import write_png
from stylesync_training.fitting.renderer_batches import Batch, check_batch, conditions_of
from stylesync_training.fitting.renderer_samples import RendererSamples, RendererTraining


@torch.no_grad()
def render_samples(
    network: Renderer,
    autoencoder: Any,
    samples: RendererSamples,
    prediction: Prediction,
    reference: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Lower halves `[N, 3, 128, 256]` in [-1, 1] that the network renders from pure noise, and the
    decoded truth. `reference` `[1, C, 64, 64]` is the reference face of all."""
    rendered: list[Tensor] = []
    truth: list[Tensor] = []
    for start in range(0, len(samples.clean), 8):
        index = torch.arange(start, min(start + 8, len(samples.clean)))
        batch = check_batch(samples.part(index), len(index))
        if reference is not None:
            batch["reference"] = reference.float().expand(len(index), -1, -1, -1)
        latents = _sample(network, batch, prediction)
        for rows, out in ((latents, rendered), (batch["clean"], truth)):
            out.append(_decode_lower(autoencoder, network.sizes, batch["clean"], rows))
    return torch.cat(rendered), torch.cat(truth)


def _sample(network: Renderer, batch: Batch, prediction: Prediction) -> Tensor:
    """Lower latents in a few steps from pure noise, the same for all frames."""
    sizes = network.sizes
    noise = shared_noise((sizes.latent_channels, sizes.rows, LATENT_SIDE), 0)
    with torch.autocast("cpu", torch.bfloat16):
        conditions = conditions_of(network, batch)
        return sample(
            lambda noisy, steps: network(noisy, steps, conditions).float(),
            noise.expand(len(batch["clean"]), -1, -1, -1),
            Sampling("dpmpp", 4 if prediction == "sample" else 20),
            prediction,
        )


def _decode_lower(autoencoder: Any, sizes: RendererSizes, clean: Tensor, rows: Tensor) -> Tensor:
    """The lower half of pictures whose lower latent is `rows` (its last ones count)."""
    upper = clean[:, :, sizes.top : sizes.top + sizes.context]
    with torch.autocast("cpu", torch.bfloat16):
        decoded = autoencoder.decode(torch.cat([upper, rows[:, :, -sizes.rows :]], dim=2))
    lower: Tensor = decoded.float()[:, :, -(CROP - LOWER) :]
    return lower


@torch.no_grad()
def draw_sheet(
    network: Renderer,
    autoencoder: Any,
    samples: RendererSamples,
    config: RendererTraining,
    path: Path,
    columns: int = 8,
) -> None:
    """A PNG of lower halves: the truth, what the network renders, the aligned reference."""
    batch = check_batch(samples, columns)
    rows = {"truth": batch["clean"], "rendered": _sample(network, batch, config.prediction)}
    if network.sizes.aligned:
        rows["aligned reference"] = batch["aligned"]
    cells = [
        [_to_cell(p) for p in _decode_lower(autoencoder, network.sizes, batch["clean"], latents)]
        for latents in rows.values()
    ]
    labels = [str(number) for number in range(len(batch["clean"]))]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_png(path, lay_out(cells, labels, list(rows)))


def _to_cell(picture: Tensor) -> NDArray[np.uint8]:
    """A picture `[3, H, W]` in [-1, 1] in the middle of a sheet's cell."""
    image = (to_crops(picture).numpy() * 255).round().astype(np.uint8)
    scale = CELL / max(image.shape[:2])
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    cell = np.zeros((CELL, CELL, 3), np.uint8)
    top = (CELL - small.shape[0]) // 2
    cell[top : top + small.shape[0], : small.shape[1]] = small
    return cell
