"""Step 4 of a dub: windows of frames -> rendered lower halves of the aligned crop.

A window depends on the plan, the source's frames and the models alone, so windows can be made in
any order, on any number of machines, again after a crash, and are the same.
"""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from stylesync_engine.arrays import Array, Image
from stylesync_engine.failures import is_out_of_memory
from stylesync_engine.models.autoencoder import Autoencoder, to_crops, to_pictures
from stylesync_engine.models.diffusion import Sampling, sample, shared_noise
from stylesync_engine.models.layers import prepared
from stylesync_engine.models.renderer import LATENT_SIDE, Conditions, Renderer, RendererSizes
from stylesync_engine.mouth.compositing import match_seam
from stylesync_engine.mouth.crop import CROP, LOWER, draw_lip_map, lip_matte, mask_lower
from stylesync_engine.mouth.texture import keep_sharp
from stylesync_engine.plan.plan import WINDOW, Plan
from stylesync_engine.rendering.aligned_reference import TOGETHER, AlignedReference
from stylesync_engine.request import DubOptions
from stylesync_engine.weights.loading import Models

_MAPS_AT_ONCE = 270  # of the finest level's size that a frame takes, of 8 GB for 16 at paper's size
_HALF = 2  # bytes of a number in half precision


def resolve_sampling(options: DubOptions, models: Models) -> Sampling:
    """The models' own settings for the quality, with what the request overrides."""
    sampling = models.samplings["best" if options.quality == "best" else "good"]
    chosen = {
        k: v for k in ("sampler", "steps", "strength") if (v := getattr(options, k)) is not None
    }
    return replace(sampling, **chosen)


@dataclass(frozen=True, slots=True)
class Diffusion:
    """The conditional latent diffusion model, started from the aligned reference or from noise."""

    models: Models
    renderer: Renderer
    autoencoder: Autoencoder
    draft: AlignedReference
    sampling: Sampling
    repair: Sampling | None  # of mouths that the references lack
    noise: Tensor  # [1, C, rows, 64], the same for every frame
    reference: list[tuple[Tensor, Tensor]]  # keys and values of the reference face, once a shot
    turn: threading.Lock

    def __init__(self, plan: Plan, models: Models, draft: AlignedReference) -> None:
        sizes = models.renderer.sizes
        shape = sizes.latent_channels, sizes.rows, LATENT_SIDE
        noise = shared_noise(shape, plan.request.options.seed)
        face = draft.face(_typical(plan))[None]
        object.__setattr__(self, "models", models)
        object.__setattr__(self, "turn", threading.Lock())
        object.__setattr__(self, "renderer", prepared(models.renderer, models.dtype))
        object.__setattr__(self, "autoencoder", prepared(models.autoencoder, models.dtype))
        object.__setattr__(self, "draft", draft)
        object.__setattr__(self, "sampling", resolve_sampling(plan.request.options, models))
        object.__setattr__(self, "repair", models.samplings.get("repair"))
        object.__setattr__(self, "noise", noise.to(models.device))
        with torch.no_grad(), models.autocast():
            latents = self.autoencoder.encode(self._pictures(face))
            object.__setattr__(self, "reference", self.renderer.reference(latents))

    @property
    def together(self) -> int:
        return batch_of(self.renderer.sizes, self.models.device)

    def __call__(self, plan: Plan, window: range, crops: Image) -> Array:
        aligned = self._align(plan, window, crops)
        lower = self._compute(plan, window, crops, aligned)
        return self._match_seams(plan, window, crops, lower)

    def _align(self, plan: Plan, window: range, crops: Image) -> Image:
        aligned = crops.copy()
        for i, lower in enumerate(self.draft.lower_halves(plan, window, crops)):
            aligned[i, LOWER:] = np.round(lower * 255.0)
        return aligned

    @torch.no_grad()
    def _compute(self, plan: Plan, window: range, crops: Image, aligned: Image) -> Array:
        # A GPU does one after the other anyway; its memory is for one.
        turn = self.turn if self.models.device.type != "cpu" else contextlib.nullcontext()
        with turn, self.models.autocast():
            return self._render_in_parts(plan, window, crops, aligned)

    def _match_seams(self, plan: Plan, window: range, crops: Image, rendered: Array) -> Array:
        return np.stack(
            [
                match_seam(lower, crop[LOWER:], plan.before[position], plan.after[position])
                for lower, crop, position in zip(rendered, crops, window, strict=True)
            ]
        )

    def _render_in_parts(self, plan: Plan, window: range, crops: Image, aligned: Image) -> Array:
        """`_render`, of as many frames at a time as the device has memory for."""
        size = batch_of(self.renderer.sizes, self.models.device)
        while True:
            cuts = [range(i, min(i + size, len(window))) for i in range(0, len(window), size)]
            try:
                parts = [
                    self._render(
                        plan,
                        window[c.start : c.stop],
                        *(x[c.start : c.stop] for x in (crops, aligned)),
                    )
                    for c in cuts
                ]
                return np.concatenate(parts)
            except RuntimeError as error:
                if size == 1 or not is_out_of_memory(error):
                    raise
            size = min(size, len(window)) // 2 or 1
            if self.models.device.type == "cuda":
                torch.cuda.empty_cache()

    def _render(self, plan: Plan, window: range, crops: Image, aligned: Image) -> Array:
        """Encode, sample and decode some frames, `[n, 128, 256, 3]` 0..1."""
        autoencoder, sizes, device = self.autoencoder, self.renderer.sizes, self.models.device
        top, context = sizes.top, sizes.context
        masked = autoencoder.encode(mask_lower(self._pictures(crops)), range(top, top + context))
        reference = autoencoder.encode(self._pictures(aligned), range(top, LATENT_SIDE)).float()
        conditions = Conditions(
            motion=torch.from_numpy(plan.motion[window.start : window.stop]).to(device),
            context=masked.float(),
            reference=self.reference,
            aligned=reference if sizes.aligned else None,
            lip_map=_lip_maps(plan, window, top).to(device) if sizes.lip_map else None,
        )
        if not sizes.aligned:
            return _to_array(self._sampled(conditions, reference, self.sampling))
        # What the model changes is added to the reference's own pixels, so that the fine texture
        # that the autoencoder cannot hold stays.
        known = self._pictures(aligned)[:, :, LOWER:]
        made = self._sampled(conditions, reference, self.sampling)
        lips = np.stack([lip_matte(plan.after[position])[LOWER:] for position in window])
        matte = torch.from_numpy(lips).to(device)[:, None]
        kept = self.sampling.change + (self.sampling.lip_change - self.sampling.change) * matte
        pictures = _kept_sharp(known + kept * (made - self._decoded(reference)), known)
        some = torch.from_numpy(np.flatnonzero(plan.lacking[window.start : window.stop])).to(device)
        if self.repair is not None and len(some):
            # Lips of which the reference shows nothing that is true are the model's alone.
            opened = self._sampled(conditions.part(some), reference[some], self.repair)
            lacking = torch.from_numpy(plan.lacking[window.start : window.stop]).to(device)
            share = lacking[some, None, None, None] * (2 * matte[some]).clamp(max=1)
            pictures[some] += share * (opened - pictures[some])
        return _to_array(pictures)

    def _sampled(self, conditions: Conditions, reference: Tensor, sampling: Sampling) -> Tensor:
        """Lower halves that the model makes, `[n, 3, 128, 256]` in [-1, 1]."""
        renderer, sizes = self.renderer, self.renderer.sizes
        latents = sample(
            lambda noisy, steps: renderer(noisy, steps, conditions).float(),
            self.noise.expand(len(reference), -1, -1, -1),
            sampling,
            self.models.prediction,
            start=reference[:, :, sizes.context :] if sizes.aligned else None,
        )
        # The decoder sees the true upper rows beside the new lower ones: no line between them.
        joined = torch.cat([reference[:, :, : sizes.context], latents], dim=2)
        return self._decoded(joined)

    def _decoded(self, latents: Tensor) -> Tensor:
        rows = slice(LOWER - CROP // LATENT_SIDE * self.renderer.sizes.top, None)
        return self.autoencoder.decode(latents)[:, :, rows].float()

    def _pictures(self, crops: Image) -> Tensor:
        pictures = to_pictures(torch.from_numpy(crops).to(self.models.device))
        return pictures.contiguous(memory_format=torch.channels_last)


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


def _to_array(pictures: Tensor) -> Array:
    return np.asarray(to_crops(pictures).cpu().numpy(), np.float32)


def _kept_sharp(pictures: Tensor, known: Tensor) -> Tensor:
    """Lower halves `[n, 3, 128, 256]` with texture as strong as that of the `known` ones."""
    sharp = [keep_sharp(*map(_to_array, pair)) for pair in zip(pictures, known, strict=True)]
    return torch.from_numpy(np.stack(sharp)).movedim(-1, -3).to(pictures.device) * 2 - 1


def _lip_maps(plan: Plan, window: range, top: int) -> Tensor:
    maps = np.stack([draw_lip_map(plan.after[position])[top:] for position in window])
    return torch.from_numpy(maps).permute(0, 3, 1, 2).float() / 255.0


def _typical(plan: Plan) -> int:
    """The reference face: the one used most."""
    return int(np.bincount(plan.references[:, 0]).argmax())
