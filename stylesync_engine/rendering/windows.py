""""""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from stylesync_engine.arrays import Image
from stylesync_engine.media import read_frames
from stylesync_engine.mouth.crop import cut_from
from stylesync_engine.plan.pipeline import ahead, spread
from stylesync_engine.plan.plan import Plan
from stylesync_engine.plan.sources import shot_of
from stylesync_engine.plan.warps import Warps
from stylesync_engine.plan.windows import has_window, save_window
from stylesync_engine.rendering.aligned_reference import AlignedReference, WindowRenderer
from stylesync_engine.rendering.diffusion_renderer import Diffusion
from stylesync_engine.request import FrameRange
from stylesync_engine.weights.loading import Models


class Rendering:
    """What is missing of a plan's windows, rendered part by part and kept window by window."""

    def __init__(
        self, plan: Plan, work: Path, models: Models, wanted: FrameRange | None = None
    ) -> None:
        """Windows that touch `wanted` (frames of the range, from 0) count, or all of them."""
        self._plan, self._work, self._models = plan, work, models
        named = plan.named_windows.items()
        windows = {n: w for n, w in named if wanted is None or _touches(plan, w, wanted)}
        self.missing = [w for name, w in windows.items() if not has_window(work, name)]
        self.warps = Warps(plan, work)
        self._total = sum(len(w) for w in windows.values())
        self._done = self._total - sum(len(w) for w in self.missing)
        self._kept: dict[int, NDArray[np.float16]] = {}

    @cached_property
    def _renderer(self) -> WindowRenderer:
        return choose_renderer(self._plan, self._models, self.warps)

    @property
    def together(self) -> int:
        """Positions of the plan that are rendered at a time."""
        return self._renderer.together

    @property
    def state(self) -> tuple[int, int]:
        """How many frames of the windows are done, those found included, and how many there are."""
        return self._done, self._total

    def __call__(self, part: range, crops: Image) -> NDArray[np.float16]:
        """Lower halves `[n, 128, 256, 3]` of some positions, of their crops `[n, 256, 256, 3]`; by
        several threads at once."""
        return self._renderer(self._plan, part, crops).astype(np.float16)

    def keep(self, part: range, rendered: NDArray[np.float16]) -> bool:
        """Keep a part, in their order; whether a window is whole and on disk with it."""
        name, window = self._plan.window_at(part.start)
        self._kept[part.start] = rendered
        if part.stop < window.stop:
            return False
        whole = np.concatenate([self._kept.pop(p.start) for p in self.parts(window)])
        save_window(self._work, name, whole, name_device(self._renderer.device))
        self._done = min(self._done + len(window), self._total)
        return True

    def parts(self, window: range) -> list[range]:
        return self._plan.parts(window, self.together)


def render_windows(
    plan: Plan, work: Path, models: Models, wanted: FrameRange | None
) -> Iterator[tuple[int, int]]:
    """Render and keep every missing window that touches `wanted` (frames of the range, from 0);
    yields how many of these windows' frames are done, those found included, and how many there
    are."""
    rendering = Rendering(plan, work, models, wanted)
    yield rendering.state

    def render(part: tuple[range, Image]) -> tuple[range, NDArray[np.float16]]:
        return part[0], rendering(*part)

    if rendering.missing:
        for part, rendered in spread(render, ahead(_crops_of(plan, rendering))):
            if rendering.keep(part, rendered):
                yield rendering.state


def name_device(device: torch.device) -> str:
    """What computes: `cpu`, `mps`, or the name of the GPU, whose kinds round differently."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def choose_renderer(plan: Plan, models: Models, warps: Warps) -> WindowRenderer:
    """`draft` pastes the aligned reference; the others run the diffusion model."""
    draft = AlignedReference(warps)
    if plan.request.options.quality == "draft":
        return draft
    return Diffusion(plan, models, draft, warps.correction)


def _touches(plan: Plan, window: range, wanted: FrameRange) -> bool:
    shown = plan.shown[window.start : window.stop]
    return bool(((shown >= wanted.start) & (shown < wanted.end)).any())


def _crops_of(plan: Plan, rendering: Rendering) -> Iterator[tuple[range, Image]]:
    """Source crops of each part of the missing windows; frames stream."""
    for run in _runs(rendering.missing):
        crops: list[Image] = []
        waiting = chain.from_iterable(rendering.parts(window) for window in run)
        part = next(waiting)
        for frame in read_frames(shot_of(plan.request), _source_range(plan, run)):
            position = part.start + len(crops)
            if frame.index - plan.frames.start != plan.shown[position]:
                continue
            crops.append(cut_from(frame.image, plan.matrices[position]))
            if len(crops) == len(part):
                yield part, np.stack(crops)
                crops, part = [], next(waiting, part)


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
