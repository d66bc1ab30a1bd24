"""The frames of a delivery: rendered crops put into the source's frames, one frame at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from stylesync_engine.assembling.burn_in import burn_in
from stylesync_engine.assembling.fine_texture import FineTexture
from stylesync_engine.assembling.layers import compositing_layers
from stylesync_engine.assembling.overlay import lift_changes
from stylesync_engine.media import (
    ExrPart,
    Frame,
    VideoInfo,
    duration_of,
    read_frames,
)
from stylesync_engine.media.timecode import advance_timecode
from stylesync_engine.mouth.compositing import PlacedCrop, compose, place_region
from stylesync_engine.pictures.converting import black_picture
from stylesync_engine.pictures.formats import PixelLayout
from stylesync_engine.pictures.image import PixelImage
from stylesync_engine.plan.pipeline import ahead, spread
from stylesync_engine.plan.plan import Plan
from stylesync_engine.plan.sources import shot_of
from stylesync_engine.plan.windows import load_window
from stylesync_engine.request import FrameRange, RequestError

Placed = tuple[Frame, PlacedCrop | None, NDArray[np.float32] | None]
"""A source frame and, where the speaker is seen, the crop in the picture and the matrix picture
px -> crop px."""
T = TypeVar("T")


class CropPlacer:
    """Puts a plan's rendered lower halves where they belong in the picture."""

    def __init__(self, plan: Plan, work: Path) -> None:
        self._plan, self._texture = plan, FineTexture(plan, work)

    def __call__(
        self, source: PixelImage, rendered: NDArray[np.float32], position: int
    ) -> PlacedCrop:
        """What of the frame at this position of the plan changes, of its `[128, 256, 3]` 0..1."""
        plan = self._plan
        region = place_region(
            plan.matrices[position],
            plan.before[position],
            plan.after[position],
            plan.hidden[position],
        )
        (rows, columns), (left, top, _, _) = region.inner, region.box
        box = left + columns.start, top + rows.start, left + columns.stop, top + rows.stop
        colours = np.zeros((*region.matte.shape, 3), np.float32)
        shown = region.matte[rows, columns] > 0
        colours[rows, columns] = self._texture(rendered, position, box, shown)
        return compose(source, region, colours)


def delivered_frames(
    plan: Plan, work: Path, like: VideoInfo, layout: PixelLayout
) -> Iterator[tuple[Frame] | tuple[Frame, list[ExrPart]]]:
    """What the delivery writes of each frame, in the writer's layout; `like` is the range."""
    delivery = plan.request.options.delivery
    if delivery != "vfx":
        overlay = layout if delivery == "overlay" else None
        frames = _composited_frames(plan, work, overlay)
        if plan.request.options.burn_in:
            frames = burn_in(frames, like, plan.frames.start, plan.shown.tolist())
        yield from ((frame,) for frame in frames)
        return

    def layered(placed: Placed) -> tuple[Frame, list[ExrPart]]:
        frame, crop, matrix = placed
        part = compositing_layers(frame.image, layout, crop, matrix)
        image = frame.image if crop is None else frame.image.lay_over(*crop)
        return frame.with_image(image), [part]

    yield from _with_crops(plan, work, layered)


def _composited_frames(
    plan: Plan, work: Path, overlay: PixelLayout | None = None
) -> Iterator[Frame]:
    """The range's frames with the rendered mouths put in; others pass through untouched.

    With a layout for an overlay, the changes alone; what is untouched is transparent.
    """

    def composited(placed: Placed) -> Frame:
        frame, crop, _ = placed
        image = frame.image if overlay is None else black_picture(overlay, *frame.image.size)
        if crop is not None:
            image = frame.image.lay_over(*crop)
            if overlay is not None:
                image = lift_changes(frame.image, image, crop[0], crop[2], overlay)
        return frame.with_image(image)

    return _with_crops(plan, work, composited)


def _with_crops(plan: Plan, work: Path, put_in: Callable[[Placed], T]) -> Iterator[T]:
    """What `put_in` makes of each of the range's frames, in their order, on several cores."""
    place = CropPlacer(plan, work)

    def placed(found: tuple[Frame, NDArray[np.float32] | None, int]) -> T:
        frame, rendered, i = found
        if rendered is None:
            return put_in((frame, None, None))
        return put_in((frame, place(frame.image, rendered, i), plan.matrices[i]))

    return spread(placed, ahead(_frames_and_crops(plan, work)))


def _frames_and_crops(
    plan: Plan, work: Path
) -> Iterator[tuple[Frame, NDArray[np.float32] | None, int]]:
    """The range's source frames, times and numbers from its start, and the rendered crop and its
    position in the plan where the speaker is seen."""
    rendered = _rendered_frames(plan, work)
    position = {int(frame): i for i, frame in enumerate(plan.shown)}
    first: Fraction | None = None
    for frame in read_frames(shot_of(plan.request), plan.frames):
        first = frame.time if first is None else first
        index = frame.index - plan.frames.start
        moved = Frame(index, frame.time - first, frame.duration, frame.image)
        if index not in position:
            yield moved, None, -1
            continue
        yield moved, next(rendered), position[index]


def _rendered_frames(plan: Plan, work: Path) -> Iterator[NDArray[np.float32]]:
    for window in plan.windows:
        rendered = load_window(work, window, plan.identity)
        if rendered is None:
            raise RequestError(
                f"Rendered frames in '{work}' were damaged and are taken away;"
                " run the same command, or stylesync-engine render, again."
            )
        yield from rendered.astype(np.float32)


def excerpt_info(info: VideoInfo, frames: FrameRange) -> VideoInfo:
    """The description of a range of a clip, its time code moved to the range's first frame."""
    timecode = advance_timecode(info.timecode, frames.start, info.rate) if info.timecode else None
    duration = duration_of(info.clip, frames)
    number = info.first_number + frames.start if info.first_number or info.overscan else 0
    return replace(
        info, frames=len(frames), timecode=timecode, duration=duration, first_number=number
    )
