"""Step 4 of a dub: windows of frames -> rendered lower halves of the aligned crop.

A window depends on the plan, the source's frames and the models alone, so windows can be made in
any order, on any number of machines, again after a crash, and are the same.
"""

from __future__ import annotations

import contextlib
import threading
from typing import NamedTuple

import numpy as np
import torch

from stylesync_engine.arrays import Array, Image
from stylesync_engine.faces.face_model import FACE_OVAL
from stylesync_engine.mouth.compositing import match_seam
from stylesync_engine.mouth.crop import CROP, LOWER, draw_lip_map, lip_matte
from stylesync_engine.mouth.likeness import Correction
from stylesync_engine.mouth.opening import hold_opening
from stylesync_engine.mouth.texture import keep_sharp, slow_part
from stylesync_engine.plan.plan import Plan
from stylesync_engine.rendering.aligned_reference import AlignedReference
from stylesync_engine.rendering.latent_networks import Frames, LatentNetworks, batch_of
from stylesync_engine.weights.loading import Models

_AROUND = 10  # px around the face's outline
_STEP = 16  # px, to which what is seen is rounded: levels of the U-Net halve its size


class View(NamedTuple):
    """The part of the crop, in px, that the networks look at: columns and the end of its rows."""

    left: int
    right: int
    bottom: int

    def paste(self, made: Array) -> Array:
        """What they made of it, `[n, h, w, 3]`, in lower halves `[n, 128, 256, 3]` of nothing."""
        whole = np.zeros((len(made), CROP - LOWER, CROP, 3), np.float32)
        whole[:, : self.bottom - LOWER, self.left : self.right] = made
        return whole


def seen_of(plan: Plan, window: range) -> View:
    """What can show of a window's faces, and as much around it as the networks lean on. The
    plan's mesh counts, so that most windows see the same: their edges show, if ever so little."""
    some = slice(window.start, window.stop)
    faces = np.concatenate([plan.before[some], plan.after[some], plan.mesh[None]])
    outline = faces[:, list(FACE_OVAL)].reshape(-1, 2)
    low, high = outline.min(axis=0) - _AROUND, outline.max(axis=0) + _AROUND
    left, _ = np.clip(np.floor(low / _STEP) * _STEP, 0, LOWER - _STEP).astype(int).tolist()
    right, bottom = np.clip(np.ceil(high / _STEP) * _STEP, LOWER + _STEP, CROP).astype(int).tolist()
    return View(left, right, bottom)


class Diffusion:
    """The conditional latent diffusion model, started from the aligned reference or from noise."""

    def __init__(
        self,
        plan: Plan,
        models: Models,
        draft: AlignedReference,
        correction: Correction | None = None,
    ) -> None:
        """`correction` is that of a fit to the person."""
        self.device: torch.device = models.device
        self._turn = threading.Lock()
        self._draft, self._correction = draft, correction
        typical = draft.face(plan.facts.typical)
        self._networks = LatentNetworks(models, plan.request.options, typical)
        self._aligned = self._networks.sizes.aligned

    @property
    def together(self) -> int:
        return batch_of(self._networks.sizes, self.device)

    def __call__(self, plan: Plan, window: range, crops: Image) -> Array:
        aligned = self._align(plan, window, crops)
        # A GPU does one after the other anyway; its memory is for one.
        with self._turn if self.device.type != "cpu" else contextlib.nullcontext():
            made = self._compute(plan, window, aligned)
        return self._finish(plan, window, crops, aligned, *made)

    def _align(self, plan: Plan, window: range, crops: Image) -> Image:
        if not self._aligned:
            return crops
        aligned = crops.copy()
        for i, lower in enumerate(self._draft.lower_halves(plan, window, crops)):
            aligned[i, LOWER:] = np.round(lower * 255.0)
        return aligned

    def _compute(self, plan: Plan, window: range, aligned: Image) -> tuple[Array, Array]:
        inside, top = slice(window.start, window.stop), self._networks.sizes.top
        maps = np.stack([draw_lip_map(points)[top:] for points in plan.after[inside]])
        frames = Frames(aligned, plan.motion[inside], maps, plan.lacking[inside] > 0)
        if not self._aligned:
            return self._networks(frames)
        view = seen_of(plan, next(w for w in plan.windows if window.start in w))
        made, repaired = self._networks(frames.within(*view, top))
        return view.paste(made), view.paste(repaired)

    def _finish(
        self, plan: Plan, window: range, crops: Image, aligned: Image, made: Array, repaired: Array
    ) -> Array:
        """Lower halves `[n, 128, 256, 3]` 0..1 of what the networks made."""
        opened, finished = iter(repaired), []
        for crop, known, lower, position in zip(crops, aligned, made, window, strict=True):
            if self._aligned:
                known = known[LOWER:] / np.float32(255)
                lower = self._changed(known, lower, plan, position)
            if len(repaired) and plan.lacking[position]:
                # Lips of which the reference shows nothing that is true are the model's alone.
                matte = lip_matte(plan.after[position])[LOWER:, :, None]
                share = plan.lacking[position] * (2 * matte).clip(max=1)
                lower = lower + share * (next(opened).clip(0, 1) - lower)
            lower = lower.clip(0, 1)
            finished.append(match_seam(lower, crop[LOWER:], self._draft.matte(position)))
        return np.stack(finished)

    def _changed(self, known: Array, change: Array, plan: Plan, position: int) -> Array:
        """What the model, and a fit to the person, change is added to the reference's own pixels,
        so that the fine texture that the autoencoder cannot hold stays, and the opening too."""
        sampling, points = self._networks.sampling, plan.after[position]
        matte = lip_matte(points)[LOWER:, :, None]
        kept = sampling.change + (sampling.lip_change - sampling.change) * matte
        change = kept * change
        if self._correction is not None:
            change += self._correction.lower_half(position, points)
        change = slow_part(hold_opening(change, known, points, matte))
        pixel = float(np.hypot(*plan.matrices[position][:, 0]))
        return keep_sharp((known + change).clip(0, 1), known, pixel)
