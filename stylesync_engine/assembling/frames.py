"""The frames of a delivery: rendered crops put into the source's frames, one frame at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from stylesync_engine.arrays import Image
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
from stylesync_engine.mouth.crop import cut_from
from stylesync_engine.pictures.converting import black_picture, convert
from stylesync_engine.pictures.formats import PixelLayout
from stylesync_engine.pictures.image import PixelImage
from stylesync_engine.plan.faces import shown_in
from stylesync_engine.plan.pipeline import ahead, spread, workers_for
from stylesync_engine.plan.plan import Plan
from stylesync_engine.plan.sources import shot_of
from stylesync_engine.plan.warps import Warps
from stylesync_engine.plan.windows import load_window
from stylesync_engine.request import FrameRange, RequestError

T = TypeVar("T")
Look = Callable[[int, PixelImage], None]
_PICTURES = 3  # that there are of a frame at a time: as it was read, and with the mouth in it
_CONVERTED = 5  # the same, where it becomes deeper and has more chroma


class Shown(NamedTuple):
    """A source frame, and its picture with the mouths that were put in so far."""

    source: Frame
    image: PixelImage


class Placed(NamedTuple):
    """A frame and, where the speaker is seen, its position in the plan, the crop in the picture and
    the matrix picture px -> crop px."""

    frame: Frame
    source: Frame
    position: int = -1
    crop: PlacedCrop | None = None
    matrix: NDArray[np.float32] | None = None


class _Part(NamedTuple):
    """Frames that one worker puts together: of these positions, with their rendered lower halves
    where there are some, perhaps just `made`; or one that stays as it is."""

    frames: list[Shown]
    positions: range = range(0)
    rendered: NDArray[np.float16] | None = None
    made: bool = False


class Rendering(Protocol):
    """Renders what is missing, and keeps it: see `rendering.windows`."""

    warps: Warps
    missing: list[range]

    @property
    def together(self) -> int: ...

    @property
    def state(self) -> tuple[int, int]: ...

    def __call__(self, part: range, crops: Image) -> NDArray[np.float16]: ...

    def keep(self, part: range, rendered: NDArray[np.float16]) -> bool: ...


class Face(NamedTuple):
    """What is put in of one face: its plan, the folder with its windows, what renders those that
    are missing, and who is given the position and picture of each of its frames, before anything
    else is written into it."""

    plan: Plan
    work: Path
    rendering: Rendering | None = None
    look: Look | None = None


class CropPlacer:
    """Puts a plan's rendered lower halves where they belong in the picture."""

    def __init__(self, plan: Plan, warps: Warps) -> None:
        self._plan, self._warps, self._texture = plan, warps, FineTexture(plan, warps)

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
            self._warps.matte(position),
        )
        (rows, columns), (left, top, _, _) = region.inner, region.box
        box = left + columns.start, top + rows.start, left + columns.stop, top + rows.stop
        colours = np.zeros((*region.matte.shape, 3), np.float32)
        shown = region.matte[rows, columns] > 0
        colours[rows, columns] = self._texture(rendered, position, box, shown)
        return compose(source, region, colours)


def delivered_frames(
    faces: Sequence[Face], like: VideoInfo, layout: PixelLayout
) -> Iterator[tuple[Frame] | tuple[Frame, list[ExrPart]]]:
    """What the delivery writes of each frame, in the writer's layout; `like` is the range.

    The first of the `faces` says how; the others are put in before it, of full frames only.
    """
    main = faces[0]
    plan, options = main.plan, main.plan.request.options
    pictures = _source_frames(plan)
    for face in faces[1:]:
        pictures = _each_frame(face, pictures, like, _beneath(face.look))
    if options.delivery == "vfx":
        yield from _each_frame(main, pictures, like, _layered(layout))
        return
    overlay = layout if options.delivery == "overlay" else None
    frames = _each_frame(main, pictures, like, _composited(overlay, main.look))
    if options.burn_in:
        dubbed = shown_in([face.plan for face in faces])
        frames = burn_in(frames, like, plan.frames.start, dubbed)

    def stored(frame: Frame) -> tuple[Frame]:
        return (frame.with_image(convert(frame.image, layout)),)

    yield from spread(stored, frames, workers_for(_CONVERTED * like.picture_bytes))


def _beneath(look: Look | None) -> Callable[[Placed], Shown]:
    """The frames with a mouth put in, for another that comes over it."""
    put_in = _composited(None, look)
    return lambda placed: Shown(placed.source, put_in(placed).image)


def _layered(layout: PixelLayout) -> Callable[[Placed], tuple[Frame, list[ExrPart]]]:
    def put_in(placed: Placed) -> tuple[Frame, list[ExrPart]]:
        part = compositing_layers(placed.frame.image, layout, placed.crop, placed.matrix)
        image = placed.frame.image
        image = image if placed.crop is None else image.lay_over(*placed.crop)
        return placed.frame.with_image(image), [part]

    return put_in


def _composited(overlay: PixelLayout | None, look: Look | None) -> Callable[[Placed], Frame]:
    """The frames with the rendered mouths put in; others pass through untouched.

    With a layout for an overlay, the changes alone; what is untouched is transparent.
    """

    def put_in(placed: Placed) -> Frame:
        source, crop = placed.frame.image, placed.crop
        image = source if overlay is None else black_picture(overlay, *source.size)
        if crop is not None:
            image = source.lay_over(*crop)
            if overlay is not None:
                image = lift_changes(source, image, crop[0], crop[2], overlay)
            elif look is not None:
                look(placed.position, image)
        return placed.frame.with_image(image)

    return put_in


def _each_frame(
    face: Face, pictures: Iterator[Shown], like: VideoInfo, put_in: Callable[[Placed], T]
) -> Iterator[T]:
    """What `put_in` makes of each of the range's frames, in their order, on several cores."""
    plan, rendering = face.plan, face.rendering
    place = CropPlacer(plan, rendering.warps if rendering else Warps(plan, face.work))

    def make(part: _Part) -> tuple[_Part, list[T]]:
        if part.rendered is None and len(part.positions) and rendering:
            crops = [
                cut_from(shown.source.image, plan.matrices[i])
                for shown, i in zip(part.frames, part.positions, strict=True)
            ]
            part = part._replace(rendered=rendering(part.positions, np.stack(crops)), made=True)
        return part, [put_in(placed) for placed in _placed(plan, place, part)]

    together = rendering.together if rendering and rendering.missing else 1
    workers = workers_for(_PICTURES * like.picture_bytes * together)
    for part, made in spread(make, ahead(_parts(face, pictures)), workers):
        if part.made and rendering and part.rendered is not None:
            rendering.keep(part.positions, part.rendered)
        yield from made


def _placed(plan: Plan, place: CropPlacer, part: _Part) -> Iterator[Placed]:
    frames = [source.with_image(image) for source, image in part.frames]
    sources = [shown.source for shown in part.frames]
    if part.rendered is None:
        yield from map(Placed, frames, sources)
        return
    for frame, source, lower, i in zip(frames, sources, part.rendered, part.positions, strict=True):
        crop = place(frame.image, lower.astype(np.float32), i)
        yield Placed(frame, source, i, crop, plan.matrices[i])


def _source_frames(plan: Plan) -> Iterator[Shown]:
    """The range's frames as they are, times and numbers from its start."""
    first: Fraction | None = None
    for frame in read_frames(shot_of(plan.request), plan.frames):
        first = frame.time if first is None else first
        index = frame.index - plan.frames.start
        yield Shown(Frame(index, frame.time - first, frame.duration, frame.image), frame.image)


def _parts(face: Face, pictures: Iterator[Shown]) -> Iterator[_Part]:
    """The frames of successive positions of a window, or one where the speaker is not seen."""
    waiting = _windows(face.plan, face.work, face.rendering)
    frames: list[Shown] = []
    positions, rendered = next(waiting, (range(0), None))
    for shown in pictures:
        wanted = face.plan.shown
        if not positions or shown.source.index != wanted[positions.start + len(frames)]:
            yield _Part([shown])
            continue
        frames.append(shown)
        if len(frames) == len(positions):
            yield _Part(frames, positions, rendered)
            frames, (positions, rendered) = [], next(waiting, (range(0), None))


def _windows(
    plan: Plan, work: Path, rendering: Rendering | None
) -> Iterator[tuple[range, NDArray[np.float16] | None]]:
    """The positions of each part, with their lower halves where these were rendered before."""
    for name, window in plan.named_windows.items():
        rendered = load_window(work, name)
        if rendered is None and rendering is None:
            raise RequestError(
                f"Rendered frames in '{work}' were damaged and are taken away;"
                " run the same command, or stylesync-engine render, again."
            )
        together = rendering.together if rendering and rendered is None else 1
        for part in plan.parts(window, together):
            inside = slice(part.start - window.start, part.stop - window.start)
            yield part, None if rendered is None else rendered[inside]


def excerpt_info(info: VideoInfo, frames: FrameRange) -> VideoInfo:
    """The description of a range of a clip, its time code moved to the range's first frame."""
    timecode = advance_timecode(info.timecode, frames.start, info.rate) if info.timecode else None
    duration = duration_of(info.clip, frames)
    number = info.first_number + frames.start if info.first_number or info.overscan else 0
    return replace(
        info, frames=len(frames), timecode=timecode, duration=duration, first_number=number
    )
