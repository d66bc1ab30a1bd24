"""Autoencoder and U-Net on their device: aligned crops -> what the model makes of them.

A window's data goes to the device once and what was made comes back once, so that a GPU is waited
for once a batch; everything between is computed where the networks lie.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stylesync_engine.arrays import Array, Image
from stylesync_engine.failures import is_out_of_memory
from stylesync_engine.models.autoencoder import to_pictures
from stylesync_engine.models.diffusion import (
    Sampling,
    is_single,
    load_schedulers,
    sample,
    shared_noise,
)
from stylesync_engine.models.frame_codec import FACTOR
from stylesync_engine.models.renderer import (
    LATENT_SIDE,
    Conditions,
    KeysValues,
    RendererSizes,
)
from stylesync_engine.mouth.crop import CROP
from stylesync_engine.plan.plan import WINDOW
from stylesync_engine.rendering.aligned_reference import TOGETHER
from stylesync_engine.request import DubOptions
from stylesync_engine.weights.loading import Models

_MAPS_AT_ONCE = 270  # of the finest level's size that a frame takes, of 8 GB for 16 at paper's size
_HALF = 2  # bytes of a number in half precision


@dataclass(frozen=True, slots=True)
class Frames:
    """What the networks are told of N frames.

    `crops` `[N, H, W, 3]`, aligned references below where the renderer asks for them; `motion`
    `[N, W, P]`; `lip_maps` `[N, rows, W / 4, 3]` from the renderer's top row on; `lacking` `[N]`,
    whether the reference shows nothing that is true of the lips. Of crops of 256 px `left` latent
    columns are left out, and whatever lies right of them and below.
    """

    crops: Image
    motion: Array
    lip_maps: Image
    lacking: NDArray[np.bool_]
    left: int = 0

    def part(self, first: int, last: int) -> Frames:
        some = slice(first, last)
        return replace(
            self,
            crops=self.crops[some],
            motion=self.motion[some],
            lip_maps=self.lip_maps[some],
            lacking=self.lacking[some],
        )

    def within(self, left: int, right: int, bottom: int, top: int) -> Frames:
        """What lies within these px of the crop, where `lip_maps` begin at the latent row `top`."""
        columns = slice(left // FACTOR, right // FACTOR)
        return replace(
            self,
            crops=self.crops[:, :bottom, left:right],
            lip_maps=self.lip_maps[:, : bottom // FACTOR - top, columns],
            left=columns.start,
        )


class LatentNetworks:
    """The conditional latent diffusion model of one shot, whose person `face` `[256, 256, 3]`
    shows."""

    def __init__(self, models: Models, options: DubOptions, face: Image) -> None:
        self._models = models
        self._autoencoder = models.ready_autoencoder
        self.sizes = sizes = models.renderer.sizes
        self.sampling = resolve_sampling(options, models)
        self._repair = models.samplings.get("repair") if sizes.aligned else None
        noise = shared_noise((sizes.latent_channels, sizes.rows, LATENT_SIDE), options.seed)
        self._noise = noise.to(models.device)  # [1, C, rows, 64], the same for every frame
        with torch.no_grad(), models.autocast():
            self._face = self._autoencoder.encode(self._pictures(face[None]))
            self._quick = _quick_step(models, self.sampling, self._face)

    def __call__(self, frames: Frames) -> tuple[Array, Array]:
        """Lower halves `[N, H - 128, W, 3]`, and `[M, H - 128, W, 3]` of the M lacking frames made
        by the model alone, both 0..1. Where the renderer starts from aligned references, the first
        are what it changes about them, -1..1.

        As many frames are computed at a time as the device has memory for.
        """
        count = len(frames.crops)
        size = batch_of(self.sizes, self._models.device)
        while True:
            try:
                parts = [
                    self._download(*self.changes(frames.part(i, i + size)))
                    for i in range(0, count, size)
                ]
                made, repaired = zip(*parts, strict=True)
                return np.concatenate(made), np.concatenate(repaired)
            except RuntimeError as error:
                if size == 1 or not is_out_of_memory(error):
                    raise
            size = min(size, count) // 2 or 1
            if self._models.device.type == "cuda":
                torch.cuda.empty_cache()

    @torch.no_grad()
    def changes(self, frames: Frames) -> tuple[Tensor, Tensor]:
        """What `__call__` says, on the device, as `[N, 3, H - 128, W]`."""
        with self._models.autocast():
            return self._changes(frames)

    def _changes(self, frames: Frames) -> tuple[Tensor, Tensor]:
        sizes, codec, pictures = self.sizes, self._autoencoder.codec, self._pictures(frames.crops)
        known = codec.encode(pictures, sizes.top).float()
        motion = self._upload(frames.motion)
        maps = self._upload(frames.lip_maps).movedim(-1, 1).float() / 255.0
        conditions = functools.partial(self._conditions, motion, maps, known, pictures)
        if self._quick is not None:
            made = self._below(known, self._quick(motion, known, maps, frames.left).float())
        else:
            made = self._sampled(conditions(), known, self.sampling, frames.left)
        if not sizes.aligned:
            return self._decoded(made) / 2 + 0.5, made[:0]
        change = codec.decode_change(known, made, sizes.context) / 2
        lacking = np.flatnonzero(frames.lacking)
        if self._repair is None or not len(lacking):
            return change, change[:0]
        some = self._upload(lacking)
        opened = self._sampled(conditions().part(some), known[some], self._repair, frames.left)
        return change, self._decoded(opened) / 2 + 0.5

    def _conditions(
        self, motion: Tensor, maps: Tensor, known: Tensor, pictures: Tensor
    ) -> Conditions:
        sizes = self.sizes
        context = self._autoencoder.codec.encode_context(pictures, sizes.top, sizes.context)
        return Conditions(
            motion=motion,
            context=context.float(),
            reference=self._reference,
            aligned=known if sizes.aligned else None,
            lip_map=maps if sizes.lip_map else None,
        )

    @functools.cached_property
    def _reference(self) -> KeysValues:
        return self._models.ready_renderer.reference(self._face)

    def _sampled(
        self, conditions: Conditions, known: Tensor, sampling: Sampling, left: int
    ) -> Tensor:
        """Latents like `known`, by the renderer; `left` latent columns lie beside them."""
        context, renderer = self.sizes.context, self._models.ready_renderer
        noise = self._noise[:, :, : known.shape[2] - context, left : left + known.shape[3]]
        latents = sample(
            lambda noisy, steps: renderer(noisy, steps, conditions).float(),
            noise.expand(len(known), -1, -1, -1),
            sampling,
            self._models.prediction,
            start=known[:, :, context:] if self.sizes.aligned else None,
        )
        return self._below(known, latents)

    def _below(self, known: Tensor, latents: Tensor) -> Tensor:
        """The new latents below the known ones of the upper half: beside them the decoder draws no
        line between both."""
        return torch.cat([known[:, :, : self.sizes.context], latents], dim=2)

    def _decoded(self, latents: Tensor) -> Tensor:
        """Lower halves in [-1, 1]."""
        below = self.sizes.context * CROP // LATENT_SIDE
        return self._autoencoder.decode(latents)[:, :, below:].float()

    def _pictures(self, crops: Image) -> Tensor:
        return to_pictures(self._upload(crops)).contiguous(memory_format=torch.channels_last)

    def _upload(self, values: NDArray[np.generic]) -> Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(values))
        if self._models.device.type == "cuda":  # a GPU need not wait for memory that stays in place
            return tensor.pin_memory().to(self._models.device, non_blocking=True)
        return tensor.to(self._models.device)

    def _download(self, *pictures: Tensor) -> tuple[Array, ...]:
        """As `[n, h, w, 3]`."""
        return tuple(np.asarray(p.movedim(1, -1).cpu().numpy(), np.float32) for p in pictures)


def _quick_step(
    models: Models, sampling: Sampling, face: Tensor
) -> Callable[[Tensor, Tensor, Tensor, int], Tensor] | None:
    """The quick renderer for the person of `face`, where one step as `good` takes it is wanted."""
    quick, usual = models.ready_quick_renderer, models.samplings["good"]
    same = (sampling.sampler, sampling.strength) == (usual.sampler, usual.strength)
    if quick is None or sampling.steps != 1 or not same:
        return None
    reference, patch = quick.reference(face), quick.sizes.patch

    def step(motion: Tensor, known: Tensor, maps: Tensor, left: int) -> Tensor:
        rows, columns = (side // patch for side in known.shape[2:])
        first = left // patch
        beside = reference[:, :, :rows, first : first + columns]
        made: Tensor = quick(motion, known, maps, beside)
        return made

    return step


def resolve_sampling(options: DubOptions, models: Models) -> Sampling:
    """The models' own settings for the quality, with what the request overrides."""
    sampling = models.samplings["best" if options.quality == "best" else "good"]
    chosen = {
        k: v for k in ("sampler", "steps", "strength") if (v := getattr(options, k)) is not None
    }
    return replace(sampling, **chosen)


def load_samplers(options: DubOptions, models: Models) -> None:
    """Load early what a dub will sample with, where that takes seconds."""
    if options.quality != "draft" and not is_single(
        resolve_sampling(options, models), models.prediction
    ):
        load_schedulers()


def batch_of(sizes: RendererSizes, device: torch.device) -> int:
    """Frames that are computed at a time, a window's at most; halved where that is too many.

    On one device and model it is always the same, since another batch may give other last bits.
    """
    if device.type == "cpu":
        return TOGETHER
    if device.type != "cuda":
        return WINDOW
    memory = torch.cuda.get_device_properties(device).total_memory
    a_frame = _MAPS_AT_ONCE * sizes.widths[0] * (LATENT_SIDE // sizes.patch) ** 2 * _HALF
    return max(1, min(WINDOW, memory // 2 // a_frame))
