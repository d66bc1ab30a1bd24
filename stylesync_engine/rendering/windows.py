""""""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import torch

from stylesync_engine.arrays import Image
from stylesync_engine.media import read_frames
from stylesync_engine.mouth.crop import cut_from
from stylesync_engine.plan.pipeline import ahead, spread
from stylesync_engine.plan.plan import Plan
from stylesync_engine.plan.sources import shot_of
from stylesync_engine.plan.windows import has_window, save_window
from stylesync_engine.rendering.aligned_reference import AlignedReference, WindowRenderer
from stylesync_engine.rendering.diffusion_renderer import Diffusion
from stylesync_engine.request import FrameRange
from stylesync_engine.weights.loading import Models


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
    parts = ahead(_crops_of(plan, missing, renderer.together))
    rendered = spread(lambda part: renderer(plan, *part).astype(np.float16), parts)
    for window in missing:
        whole = np.concatenate([next(rendered) for _ in _cuts(window, renderer.together)])
        save_window(work, window, plan.identity, whole, device)
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


def _touches(plan: Plan, window: range, wanted: FrameRange) -> bool:
    shown = plan.shown[window.start : window.stop]
    return bool(((shown >= wanted.start) & (shown < wanted.end)).any())


def _crops_of(plan: Plan, windows: Sequence[range], together: int) -> Iterator[tuple[range, Image]]:
    """Source crops of each window, `together` at a time; frames stream."""
    for run in _runs(windows):
        crops: list[Image] = []
        waiting = chain.from_iterable(_cuts(window, together) for window in run)
        part = next(waiting)
        for frame in read_frames(shot_of(plan.request), _source_range(plan, run)):
            position = part.start + len(crops)
            if frame.index - plan.frames.start != plan.shown[position]:
                continue
            crops.append(cut_from(frame.image, plan.matrices[position]))
            if len(crops) == len(part):
                yield part, np.stack(crops)
                crops, part = [], next(waiting, part)


def _cuts(window: range, together: int) -> list[range]:
    """A window in parts of so many positions, the last one perhaps of fewer."""
    return [window[i : i + together] for i in range(0, len(window), together)]


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
