"""Where two clips differ: frame, region and PSNR, inside and outside of a dub's matte.

Samples are compared as they are stored, plane by plane. Where the layouts differ, the first clip's
pictures are brought into the second's exactly as they would be for writing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from stylesync_engine.media import PLAIN, Clip, Frame, Reading, VideoInfo, probe_video, read_frames
from stylesync_engine.mouth.compositing import place_region
from stylesync_engine.pictures.converting import convert
from stylesync_engine.pictures.formats import PixelLayout, is_supported
from stylesync_engine.pictures.image import Box, PixelImage
from stylesync_engine.plan.plan import Plan
from stylesync_engine.request import FrameRange, MediaError, RequestError

Mask = NDArray[np.bool_]
"""`[H, W]`: the px of an upright picture that a dub may change."""


@dataclass(frozen=True, slots=True)
class Measure:
    """How far samples lie apart: `largest` in code values of the second clip, `psnr` in dB, none
    where they are equal."""

    largest: float
    psnr: float | None


@dataclass(frozen=True, slots=True)
class FrameDifference:
    """One frame of the second clip, counted from 0. `region` is the box of all that differs by
    more than the tolerance; without a matte everything lies outside of it."""

    frame: int
    region: Box | None
    outside: Measure
    inside: Measure | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs between two clips. `facts` are pairs of what is stated, by name."""

    frames: int
    differences: tuple[FrameDifference, ...]
    facts: dict[str, tuple[str, str]]
    outside: Measure
    inside: Measure | None

    @property
    def differs(self) -> bool:
        """Whether any frame differs, where a matte is given outside of it."""
        return bool(self.differences)

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "differs": self.differs}


def compare(
    first: str | Path,
    second: str | Path,
    *,
    first_frame: int | None = None,
    matte: str | Path | None = None,
    tolerance: float = 0.0,
    depth: int | None = None,
    reading: Reading = PLAIN,
) -> Comparison:
    """Compare every frame of `second` with those of `first` from `first_frame` on.

    `matte` is a work folder of `second`, or a clip whose alpha (else luma) is above 0 where it may
    differ; a work folder knows the first frame too. Differences of up to `tolerance` code values
    count as none. With a `depth` below that of `second`, both are rounded to it before, and code
    values are those of this depth. Both clips are read as `reading` says. Raises RequestError where
    sizes or numbers of frames do not fit.
    """
    work = _plan_of(matte)
    start = first_frame if first_frame is not None else work.frames.start if work else 0
    a, b = probe_video(Clip(str(first), reading)), probe_video(Clip(str(second), reading))
    frames = FrameRange(start, start + b.frames)
    if (a.width, a.height) != (b.width, b.height) or frames.end > a.frames:
        raise RequestError(
            f"'{first}' ({a.frames} frames of {a.width}x{a.height}) does not hold {b.frames} frames"
            f" of {b.width}x{b.height} from frame {start} on; give the clip that '{second}' was"
            " made from, and its first frame there.",
            "first_frame",
        )
    shown = _at_depth(b.layout, depth)
    totals = _Totals(shown.peak)
    old_frames = read_frames(a.clip, frames)
    pairs = zip(old_frames, read_frames(b.clip), strict=True)
    masks = _masks(work, matte, b)
    found = [
        difference
        for (old, new), mask in zip(pairs, masks, strict=False)
        if (difference := _compare_frame(old, new, mask, tolerance, totals, depth))
    ]
    outside, inside = totals.measures()
    return Comparison(b.frames, tuple(found), _facts(a, b), outside, inside)


def _at_depth(layout: PixelLayout, depth: int | None) -> PixelLayout:
    """The layout with `depth` bits where it has more. Raises RequestError where there is none."""
    if depth is None or layout.floating or depth >= layout.depth:
        return layout
    name = re.sub(r"\d+le$", "" if depth == 8 else f"{depth}le", layout.format)
    if not is_supported(name):
        said = f"{layout.format} cannot be compared at {depth} bit; leave the depth out."
        raise RequestError(said, "depth")
    return replace(layout, format=name, depth=depth)


class _Totals:
    """Sums of squares over all frames, outside and inside of the matte."""

    def __init__(self, peak: float) -> None:
        self._peak = peak
        self._sums = np.zeros((2, 2))
        self._largest = [0.0, 0.0]

    def add(self, part: int, gaps: list[NDArray[np.float64]]) -> Measure:
        """Add one frame's samples, 0 outside and 1 inside; returns the frame's own measure."""
        largest = max((float(gap.max()) for gap in gaps if gap.size), default=0.0)
        total = float(sum(np.square(gap).sum() for gap in gaps))
        count = sum(gap.size for gap in gaps)
        self._sums[part] += total, count
        self._largest[part] = max(self._largest[part], largest)
        return self._measure(largest, total, count)

    def measures(self) -> tuple[Measure, Measure | None]:
        outside, inside = (
            self._measure(largest, *map(float, sums))
            for largest, sums in zip(self._largest, self._sums, strict=True)
        )
        return outside, inside if self._sums[1, 1] else None

    def _measure(self, largest: float, total: float, count: float) -> Measure:
        decibel = 10 * math.log10(self._peak**2 * count / total) if total else None
        return Measure(largest, None if decibel is None else round(decibel, 2))


def _compare_frame(
    old: Frame,
    new: Frame,
    mask: Mask | None,
    tolerance: float,
    totals: _Totals,
    depth: int | None,
) -> FrameDifference | None:
    """What differs in one frame; None where nothing that counts does."""
    # A file need not say where its chroma lies; the picture that it was made from does.
    given = replace(new.image.layout, siting=old.image.layout.siting)
    layout = _at_depth(given, depth)
    before = convert(old.image, layout)
    after = convert(PixelImage(new.image.planes, given), layout)
    numbers = range(min(len(before.layout.components), len(after.layout.components)))
    gaps = [_gap(before.component(n), after.component(n)) for n in numbers]
    may = [_may_change(mask, n, old.image.layout, layout, gaps[n].shape) for n in numbers]
    outside = totals.add(0, [gap[~free] for gap, free in zip(gaps, may, strict=True)])
    inside = None
    if mask is not None:
        inside = totals.add(1, [gap[free] for gap, free in zip(gaps, may, strict=True)])
    if outside.largest <= tolerance:
        return None
    return FrameDifference(new.index, _region(gaps, layout, after, tolerance), outside, inside)


def _gap(before: NDArray[Any], after: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(np.abs(before.astype(np.float64) - after), np.float64)


def _may_change(
    mask: Mask | None, number: int, source: PixelLayout, layout: PixelLayout, shape: tuple[int, ...]
) -> Mask:
    """The samples of one component that the matte lets change, `[h, w]`."""
    if mask is None:
        return np.zeros(shape, bool)
    if number not in (1, 2) or layout.kind != "yuv":
        return mask
    shifts = (max(source.chroma_y, layout.chroma_y), max(source.chroma_x, layout.chroma_x))
    regridded = (source.chroma_y, source.chroma_x) != (layout.chroma_y, layout.chroma_x)
    for shift, kept in zip(shifts, (layout.chroma_y, layout.chroma_x), strict=True):
        missing = -mask.shape[0] % (1 << shift)
        cells = np.pad(mask, ((0, missing), (0, 0))).reshape(-1, 1 << shift, mask.shape[1])
        touched = cells.any(axis=1)
        if regridded:  # a changed chroma sample reaches halfway to its neighbours
            touched = touched | np.roll(touched, 1, 0) | np.roll(touched, -1, 0)
        mask = touched.repeat(1 << (shift - kept), axis=0).T
    return mask[: shape[0], : shape[1]]


def _region(
    gaps: list[NDArray[np.float64]], layout: PixelLayout, image: PixelImage, tolerance: float
) -> Box | None:
    """The px box of all samples that differ."""
    boxes = []
    for number, gap in enumerate(gaps):
        chroma = layout.kind == "yuv" and number in (1, 2)
        shifts = (layout.chroma_x, layout.chroma_y) if chroma else (0, 0)
        rows, columns = np.nonzero(gap > tolerance)
        if len(rows):
            left, top = columns.min() << shifts[0], rows.min() << shifts[1]
            right, bottom = (columns.max() + 1) << shifts[0], (rows.max() + 1) << shifts[1]
            boxes.append((left, top, right, bottom))
    if not boxes:
        return None
    left, top = np.min(boxes, axis=0)[:2]
    right, bottom = np.max(boxes, axis=0)[2:]
    return image.clip((int(left), int(top), int(right), int(bottom)))


def _plan_of(matte: str | Path | None) -> Plan | None:
    return Plan.load(Path(matte)) if matte and Path(matte).is_dir() else None


def _masks(plan: Plan | None, matte: str | Path | None, info: VideoInfo) -> Iterator[Mask | None]:
    """Where each frame may change; None where there is no matte at all."""
    if plan is not None:
        yield from _plan_masks(plan, (info.height, info.width))
    elif matte is None:
        yield from (None for _ in range(info.frames))
    else:
        found = probe_video(matte)
        if (found.frames, found.width, found.height) != (info.frames, info.width, info.height):
            raise MediaError(f"The matte '{matte}' has another size or number of frames.")
        for frame in read_frames(matte):
            number = 3 if frame.image.layout.has_alpha else 0
            floor = 0 if number else float(np.min(frame.image.component(0)))
            yield frame.image.component(number) > floor


def _plan_masks(plan: Plan, shape: tuple[int, int]) -> Iterator[Mask]:
    position = {int(frame): i for i, frame in enumerate(plan.shown)}
    for index in range(len(plan.frames)):
        mask = np.zeros(shape, bool)
        if index in position:
            i = position[index]
            box, _, cover, _ = place_region(plan.matrices[i], plan.before[i], plan.after[i])
            left, top = max(box[0], 0), max(box[1], 0)
            part = cover[top - box[1] : shape[0] - box[1], left - box[0] : shape[1] - box[0]]
            mask[top : top + part.shape[0], left : left + part.shape[1]] = part > 0
        yield mask


_FACTS: Final = (
    *("rate", "frames", "duration", "sample_aspect", "timecode", "reel"),
    *("pixel_format", "color_range"),
)


def _facts(a: VideoInfo, b: VideoInfo) -> dict[str, tuple[str, str]]:
    """What the files state otherwise."""
    tags = {name: (getattr(a.colour, name), getattr(b.colour, name)) for name in _TAGS}
    pairs = {name: (getattr(a, name), getattr(b, name)) for name in _FACTS} | tags
    return {name: (str(old), str(new)) for name, (old, new) in pairs.items() if old != new}


_TAGS: Final = ("primaries", "transfer", "matrix")
