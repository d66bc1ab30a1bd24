"""Step 4 of a dub: windows of frames -> rendered lower halves of the aligned crop.

A window depends on the plan, the source's frames and the models alone, so windows can be made in
any order, on any number of machines, again after a crash, and are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stylesync_engine.media import read_frames
from stylesync_engine.models.autoencoder import to_crops, to_pictures
from stylesync_engine.models.diffusion import Sampling, sample, shared_noise
from stylesync_engine.models.renderer import LATENT_SIDE, Conditions
from stylesync_engine.mouth.compositing import match_seam
from stylesync_engine.mouth.crop import CROP, LOWER, cut_crop, draw_lip_map, lip_matte, mask_lower
from stylesync_engine.mouth.references import match_colour, triangulate, warp_reference
from stylesync_engine.plan.identity import reading_of
from stylesync_engine.plan.plan import Plan, has_window, read_references, save_window
from stylesync_engine.request import DubOptions, FrameRange
from stylesync_engine.weights.loading import Models

Array = NDArray[np.float32]
Image = NDArray[np.uint8]


class WindowRenderer(Protocol):
    """Renders the lower halves `[n, 128, 256, 3]` 0..1 of a window of crops `[n, 256, 256, 3]`."""

    def __call__(self, plan: Plan, window: range, crops: Image) -> Array: ...


def render_windows(
    plan: Plan, work: Path, models: Models, wanted: FrameRange | None
) -> Iterator[tuple[int, int]]:
    """Render and keep every missing window that touches `wanted` (frames of the range, from 0);
    yields how many of these windows' frames are done, those found included, and how many there
    are."""
    renderer, device = choose_renderer(plan, work, models), name_device(models.device)
    windows = [w for w in plan.windows if wanted is None or _touches(plan, w, wanted)]
    missing = [w for w in windows if not has_window(work, w, plan.identity)]
    total = sum(len(w) for w in windows)
    done = total - sum(len(w) for w in missing)
    yield done, total
    for window, crops in _crops_of(plan, missing):
        rendered = renderer(plan, window, crops)
        save_window(work, window, plan.identity, rendered.astype(np.float16), device)
        done += len(window)
        yield done, total


def name_device(device: torch.device) -> str:
    """What computes: `cpu`, `mps`, or the name of the GPU, whose kinds round differently."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def choose_renderer(plan: Plan, work: Path, models: Models) -> WindowRenderer:
    """`draft` pastes the aligned reference; the others run the diffusion model."""
    draft = AlignedReference(plan, work)
    if plan.request.options.quality == "draft":
        return draft
    return Diffusion(plan, models, draft)


def resolve_sampling(options: DubOptions, models: Models) -> Sampling:
    """The models' own settings for the quality, with what the request overrides."""
    sampling = models.samplings["best" if options.quality == "best" else "good"]
    chosen = {
        k: v for k in ("sampler", "steps", "strength") if (v := getattr(options, k)) is not None
    }
    return replace(sampling, **chosen)


class AlignedReference:
    """Real frames of the person warped onto the wanted face: a whole quality by itself."""

    def __init__(self, plan: Plan, work: Path) -> None:
        self._work = work
        self._triangles = triangulate(np.median(plan.after, axis=0))

    def __call__(self, plan: Plan, window: range, crops: Image) -> Array:
        return np.stack(
            [
                match_seam(lower, crop[LOWER:], plan.before[position], plan.after[position])
                for lower, crop, position in zip(
                    self.lower_halves(plan, window, crops), crops, window, strict=True
                )
            ]
        )

    def lower_halves(self, plan: Plan, window: range, crops: Image) -> Iterator[Array]:
        """`[128, 256, 3]` 0..1 of each frame, references mixed around jumps."""
        inside = slice(window.start, window.stop)
        used = plan.references[inside][plan.shares[inside] > 0]
        bank = read_references(self._work, used.tolist())
        for position, crop in zip(window, crops, strict=True):
            yield self._mix(plan, position, crop, bank)

    def face(self, index: int) -> Image:
        """The reference crop `[256, 256, 3]` of this number."""
        return read_references(self._work, [index])[index][0]

    def _mix(
        self, plan: Plan, position: int, crop: Image, bank: Mapping[int, tuple[Image, Array]]
    ) -> Array:
        mixed = np.zeros((len(crop) - LOWER, *crop.shape[1:]), np.float32)
        for index, share in zip(plan.references[position], plan.shares[position], strict=True):
            if share > 0:
                warped = warp_reference(*bank[index], plan.after[position], self._triangles)
                mixed += share * match_colour(warped, crop, plan.before[position])[LOWER:]
        return np.asarray(mixed / 255.0, np.float32)


@dataclass(frozen=True, slots=True)
class Diffusion:
    """The conditional latent diffusion model, started from the aligned reference or from noise."""

    models: Models
    draft: AlignedReference
    sampling: Sampling
    repair: Sampling | None  # of mouths that the references lack
    noise: Tensor  # [1, C, rows, 64], the same for every frame
    reference: list[tuple[Tensor, Tensor]]  # keys and values of the reference face, once a shot

    def __init__(self, plan: Plan, models: Models, draft: AlignedReference) -> None:
        sizes = models.renderer.sizes
        shape = sizes.latent_channels, sizes.rows, LATENT_SIDE
        noise = shared_noise(shape, plan.request.options.seed)
        face = draft.face(_typical(plan))[None]
        object.__setattr__(self, "models", models)
        object.__setattr__(self, "draft", draft)
        object.__setattr__(self, "sampling", resolve_sampling(plan.request.options, models))
        object.__setattr__(self, "repair", models.samplings.get("repair"))
        object.__setattr__(self, "noise", noise.to(models.device))
        with torch.no_grad(), models.autocast():
            latents = models.autoencoder.encode(self._pictures(face))
            object.__setattr__(self, "reference", models.renderer.reference(latents))

    @torch.no_grad()
    def __call__(self, plan: Plan, window: range, crops: Image) -> Array:
        aligned = crops.copy()
        for i, lower in enumerate(self.draft.lower_halves(plan, window, crops)):
            aligned[i, LOWER:] = np.round(lower * 255.0)
        with self.models.autocast():
            rendered = self._render(plan, window, crops, aligned)
        return np.stack(
            [
                match_seam(lower, crop[LOWER:], plan.before[position], plan.after[position])
                for lower, crop, position in zip(rendered, crops, window, strict=True)
            ]
        )

    def _render(self, plan: Plan, window: range, crops: Image, aligned: Image) -> Array:
        """Encode, sample and decode one window, `[n, 128, 256, 3]` 0..1."""
        autoencoder, renderer = self.models.autoencoder, self.models.renderer
        sizes, device = renderer.sizes, self.models.device
        top, context = sizes.top, sizes.context
        masked = autoencoder.encode(mask_lower(self._pictures(crops)))[:, :, top : top + context]
        reference = autoencoder.encode(self._pictures(aligned))[:, :, top:].float()
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
        pictures = known + kept * (made - self._decoded(reference))
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
        renderer, sizes = self.models.renderer, self.models.renderer.sizes
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
        rows = slice(LOWER - CROP // LATENT_SIDE * self.models.renderer.sizes.top, None)
        return self.models.autoencoder.decode(latents)[:, :, rows].float()

    def _pictures(self, crops: Image) -> Tensor:
        pictures = to_pictures(torch.from_numpy(crops).to(self.models.device))
        return pictures.contiguous(memory_format=torch.channels_last)


def _to_array(pictures: Tensor) -> Array:
    return np.asarray(to_crops(pictures).cpu().numpy(), np.float32)


def _lip_maps(plan: Plan, window: range, top: int) -> Tensor:
    maps = np.stack([draw_lip_map(plan.after[position])[top:] for position in window])
    return torch.from_numpy(maps).permute(0, 3, 1, 2).float() / 255.0


def _typical(plan: Plan) -> int:
    """The reference face: the one used most."""
    return int(np.bincount(plan.references[:, 0]).argmax())


def _touches(plan: Plan, window: range, wanted: FrameRange) -> bool:
    shown = plan.shown[window.start : window.stop]
    return bool(((shown >= wanted.start) & (shown < wanted.end)).any())


def _crops_of(plan: Plan, windows: Sequence[range]) -> Iterator[tuple[range, Image]]:
    """Source crops of each window; frames stream, one window is in memory."""
    for run in _runs(windows):
        crops: list[Image] = []
        waiting = iter(run)
        window = next(waiting)
        video, reading = plan.request.video, reading_of(plan.request, plan.request.video)
        for frame in read_frames(video, _source_range(plan, run), reading):
            position = window.start + len(crops)
            if frame.index - plan.frames.start != plan.shown[position]:
                continue
            crops.append(cut_crop(frame.to_rgb(), plan.matrices[position]))
            if len(crops) == len(window):
                yield window, np.stack(crops)
                crops, window = [], next(waiting, window)


def _runs(windows: Sequence[range]) -> list[list[range]]:
    """Windows that follow each other: their frames are read in one go."""
    runs: list[list[range]] = []
    for window in windows:
        if runs and runs[-1][-1].stop == window.start:
            runs[-1].append(window)
        else:
            runs.append([window])
    return runs


def _source_range(plan: Plan, run: Sequence[range]) -> FrameRange:
    first, last = plan.shown[run[0].start], plan.shown[run[-1].stop - 1]
    return FrameRange(plan.frames.start + int(first), plan.frames.start + int(last) + 1)
