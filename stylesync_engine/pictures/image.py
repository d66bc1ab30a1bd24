"""Pictures as their native code values: to RGB and back, only where something changes.

A `PixelImage` keeps the planes of a video frame as the file has them (any depth, any chroma
grid). `blend_region` adds a change to those code values, so every sample that the matte leaves
alone is the source's, bit for bit; there is no trip through RGB for the rest of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from stylesync_engine.pictures.chroma import (
    enlarge_columns,
    enlarge_rows,
    reduce_rows,
    whole_cells,
)
from stylesync_engine.pictures.colour import DISPLAY, find_space
from stylesync_engine.pictures.formats import (
    LUMA_WEIGHTS,
    AnyPlane,
    FloatImage,
    PixelLayout,
    layout_of,
)

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in px of the upright picture; right and bottom are excluded."""
_VIEW_ROWS: Final = 128
"""Rows of a picture that are shown at a time."""
_ENOUGH: Final = 4
"""Samples in a row and in a column that make a px of a much smaller picture."""


@dataclass(frozen=True)
class PixelImage:
    """The native code values of one upright picture.

    `planes` are as the format stores them: `[H, W]` each, or one `[H, W, C]` where it is packed;
    they are not to be written to (decoded frames share their memory).
    """

    planes: tuple[AnyPlane, ...]
    layout: PixelLayout

    @property
    def height(self) -> int:
        return int(self.planes[0].shape[0])

    @property
    def width(self) -> int:
        return int(self.planes[0].shape[1])

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in px."""
        return self.width, self.height

    def component(self, number: int) -> AnyPlane:
        """Y, U, V (or R, G, B) and alpha as a 2-D view of the planes."""
        plane, channel = self.layout.components[number]
        array = self.planes[plane]
        return array if array.ndim == 2 else array[:, :, channel]

    def to_rgb8(self) -> npt.NDArray[np.uint8]:
        """The whole picture as a display shows it, uint8 `[H, W, 3]`; not to be written to."""
        return self.region_to_rgb8((0, 0, self.width, self.height))

    def region_to_rgb8(self, box: Box) -> npt.NDArray[np.uint8]:
        """The box, clipped to the picture, as `to_rgb8` shows it; not to be written to."""
        box = self.clip(box)
        if self.layout.colour != DISPLAY:
            return self._view_rgb8(box)
        if self.layout.depth == 8 and self.layout.kind == "yuv":
            yuv = cv2.merge([self._samples(number, box) for number in range(3)])
            matrix = self._to_rgb_matrix * np.float32(255)
            return cv2.transform(yuv, matrix)  # type: ignore[return-value]
        if self.layout.depth == 8 and self.layout.kind == "rgb":
            left, top, right, bottom = box
            if self.layout.format == "rgb24":
                return self.planes[0][top:bottom, left:right]
            parts = [self.component(number)[top:bottom, left:right] for number in range(3)]
            return np.stack(parts, axis=2)
        return _to_bytes(self.region_to_rgb(box))

    def shrink(self, width: int, height: int) -> npt.NDArray[np.uint8]:
        """Much smaller, as a display shows it, `[height, width, 3]`: each component averaged by
        itself, where to show the whole picture first would cost many times as much; of large
        pictures every few samples."""
        count = 1 if self.layout.kind == "gray" else 3
        planes = []
        for plane in map(self.component, range(count)):
            step = max(min(plane.shape[0] // height, plane.shape[1] // width) // _ENOUGH, 1)
            some = np.ascontiguousarray(plane[::step, ::step])
            planes.append(
                np.asarray(cv2.resize(some, (width, height), interpolation=cv2.INTER_AREA))
            )
        layout = replace(
            self.layout,
            format="planes",
            chroma_x=0,
            chroma_y=0,
            has_alpha=False,
            components=tuple((number, 0) for number in range(count)),
        )
        return PixelImage(tuple(planes), layout).to_rgb8()

    def _view_rgb8(self, box: Box) -> npt.NDArray[np.uint8]:
        """The display-referred view, in bands of rows: light takes more room than the picture."""
        space, (left, first, right, last) = find_space(self.layout.colour), box
        view = np.empty((last - first, right - left, 3), np.uint8)
        for top in range(first, last, _VIEW_ROWS):
            bottom = min(top + _VIEW_ROWS, last)
            rgb = self.region_to_rgb((left, top, right, bottom))
            view[top - first : bottom - first] = _to_bytes(space.to_view(rgb))
        return view

    def region_to_rgb(self, box: Box) -> FloatImage:
        """The box, clipped to the picture, as float32 `[h, w, 3]`.

        0..1 is black to white; code values beyond (super-white, out-of-gamut chroma) are kept
        beyond, so that nothing is lost on the way back.
        """
        box = self.clip(box)
        if self.layout.kind == "yuv":
            yuv = np.stack(
                [self._samples(number, box).astype(np.float32) for number in range(3)], axis=2
            )
            return np.asarray(cv2.transform(yuv, self._to_rgb_matrix), np.float32)
        scale, offset = self._luma_scale
        numbers = (0, 1, 2) if self.layout.kind == "rgb" else (0, 0, 0)
        rows, columns = slice(box[1], box[3]), slice(box[0], box[2])
        rgb = np.stack([self.component(number)[rows, columns] for number in numbers], axis=2)
        return (rgb.astype(np.float32) - offset) / scale

    def blend_region(self, box: Box, rgb: FloatImage, matte: FloatImage) -> PixelImage:
        """A copy in which `rgb` shows through `matte` inside the box.

        `rgb` is `[h, w, 3]`, 0..1, as `to_rgb8` shows the picture; `matte` is `[h, w]`, 0..1; both
        have the size of the box, which may reach beyond the picture. Every sample of
        a pixel whose matte is 0, and all of alpha, stays bit for bit; a chroma sample changes
        only when every pixel that it covers has a matte above 0.
        """
        return self.lay_over(box, self.from_view(np.asarray(rgb, np.float32)), matte)

    def from_view(self, rgb: FloatImage) -> FloatImage:
        """Colours `[h, w, 3]` as a display shows them, 0..1, as this picture holds them."""
        space = self.layout.colour
        return rgb if space == DISPLAY else find_space(space).from_view(rgb)

    def lay_over(self, box: Box, rgb: FloatImage, matte: FloatImage) -> PixelImage:
        """`blend_region` of colours as `region_to_rgb` gives them."""
        inner = self.clip(box)
        if inner[0] >= inner[2] or inner[1] >= inner[3]:
            return self
        rows = slice(inner[1] - box[1], inner[3] - box[1])
        columns = slice(inner[0] - box[0], inner[2] - box[0])
        matte = np.asarray(matte, np.float32)[rows, columns]
        rgb = np.asarray(rgb, np.float32)[rows, columns]
        change = self.region_to_rgb(inner)
        np.subtract(rgb, change, out=change)
        change *= matte[:, :, None]
        np.copyto(change, 0, where=(matte <= 0)[:, :, None])  # there it need not be a number
        copy = PixelImage(tuple(plane.copy() for plane in self.planes), self.layout)
        if self.layout.kind == "yuv":
            copy._add_yuv(inner, change, matte)
        else:
            copy._add_direct(inner, change)
        return copy

    def clip(self, box: Box) -> Box:
        """The part of the box that lies in the picture."""
        left, top, right, bottom = box
        return max(left, 0), max(top, 0), min(right, self.width), min(bottom, self.height)

    @property
    def _luma_scale(self) -> tuple[np.float32, np.float32]:
        """Code values from black to white, and the code value of black."""
        if self.layout.full_range or self.layout.floating:
            return np.float32(self.layout.peak), np.float32(0)
        step = 1 << (self.layout.depth - 8)
        return np.float32(219 * step), np.float32(16 * step)

    @property
    def _chroma_scale(self) -> tuple[np.float32, np.float32]:
        """Code values that chroma spans, and the code value of no colour."""
        step = 1 << (self.layout.depth - 8)
        span = self.layout.peak if self.layout.full_range else 224 * step
        return np.float32(span), np.float32(128 * step)

    @cached_property
    def _to_rgb_matrix(self) -> FloatImage:
        """`[3, 4]`: code values of Y, Cb, Cr -> RGB in 0..1 (ITU-T H.273, equations 38 to 46)."""
        linear = np.linalg.inv(self._to_yuv_matrix.astype(np.float64))
        offsets = [float(self._luma_scale[1])] + [float(self._chroma_scale[1])] * 2
        return np.column_stack([linear, -linear @ np.array(offsets)]).astype(np.float32)

    @cached_property
    def _to_yuv_matrix(self) -> FloatImage:
        """`[3, 3]`: a change of RGB in 0..1 -> the change of the code values of Y, Cb, Cr."""
        red, blue = LUMA_WEIGHTS[self.layout.matrix]
        luma = np.array([red, 1.0 - red - blue, blue])
        scale, span = float(self._luma_scale[0]), float(self._chroma_scale[0])
        cb = (np.array([0.0, 0.0, 1.0]) - luma) / (2.0 * (1.0 - blue)) * span
        cr = (np.array([1.0, 0.0, 0.0]) - luma) / (2.0 * (1.0 - red)) * span
        return np.stack([luma * scale, cb, cr]).astype(np.float32)

    def _samples(self, number: int, box: Box) -> AnyPlane:
        """One component of the box at full resolution, in code values."""
        left, top, right, bottom = box
        plane = self.component(number)
        if number == 0 or (self.layout.chroma_x, self.layout.chroma_y) == (0, 0):
            return plane[top:bottom, left:right]
        shifts, siting = (self.layout.chroma_y, self.layout.chroma_x), self.layout.siting[::-1]
        plane = enlarge_rows(plane, top, bottom, shifts[0], siting[0])
        return enlarge_columns(plane, left, right, shifts[1], siting[1])

    def _add_direct(self, box: Box, change: FloatImage) -> None:
        """Add a change of RGB `[h, w, 3]` to RGB planes, or its luma to a gray plane."""
        change = change * self._luma_scale[0]
        if self.layout.kind == "gray":
            red, blue = LUMA_WEIGHTS[self.layout.matrix]
            change = change @ np.array([[red], [1.0 - red - blue], [blue]], np.float32)
        for number in range(change.shape[2]):
            self._add(number, box[:2], change[:, :, number])

    def _add_yuv(self, box: Box, change: FloatImage, matte: FloatImage) -> None:
        """Add a change of RGB `[h, w, 3]` to luma, and on its own grid to chroma."""
        yuv = np.asarray(cv2.transform(change, self._to_yuv_matrix), np.float32)
        self._add(0, box[:2], yuv[:, :, 0])
        shift_x, shift_y = self.layout.chroma_x, self.layout.chroma_y
        # Two cells more on each side, so that the filters end in what does not change.
        left = max((box[0] >> shift_x) - 2, 0)
        top = max((box[1] >> shift_y) - 2, 0)
        right = min(((box[2] >> shift_x) + 3) << shift_x, self.width)
        bottom = min(((box[3] >> shift_y) + 3) << shift_y, self.height)
        shape = (bottom - (top << shift_y), right - (left << shift_x))
        rows = slice(box[1] - (top << shift_y), box[3] - (top << shift_y))
        columns = slice(box[0] - (left << shift_x), box[2] - (left << shift_x))
        covered = np.zeros(shape, bool)
        covered[rows, columns] = matte > 0
        touched = whole_cells(whole_cells(covered, shift_y).T, shift_x).T
        for number in (1, 2):
            whole = np.zeros(shape, np.float32)
            whole[rows, columns] = yuv[:, :, number]
            reduced = reduce_rows(whole, shift_y, self.layout.siting[1])
            reduced = reduce_rows(reduced.T, shift_x, self.layout.siting[0]).T
            self._add(number, (left, top), np.where(touched, reduced, np.float32(0)))

    def _add(self, number: int, corner: tuple[int, int], change: FloatImage) -> None:
        """Add to one component in place, rounded and kept within the depth."""
        (left, top), (rows, columns) = corner, change.shape
        target = self.component(number)[top : top + rows, left : left + columns]
        value = target + change
        if not self.layout.floating:
            np.rint(value, out=value)
            np.clip(value, 0, self.layout.peak, out=value)
        target[:] = value


def picture_of(rgb: npt.NDArray[np.uint8]) -> PixelImage:
    """An RGB picture `[H, W, 3]` as one that lies in memory as it is."""
    return PixelImage((rgb,), layout_of("rgb24", rgb.shape[0]))


def _to_bytes(rgb: FloatImage) -> npt.NDArray[np.uint8]:
    """0..1 -> 0..255, rounded; what lies beyond is cut."""
    return (np.clip(rgb, 0.0, 1.0) * np.float32(255) + np.float32(0.5)).astype(np.uint8)
