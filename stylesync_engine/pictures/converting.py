"""Pictures from one layout to another."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from stylesync_engine.pictures.chroma import enlarge_columns, enlarge_rows, reduce_rows
from stylesync_engine.pictures.colour import find_space
from stylesync_engine.pictures.formats import (
    PACKED,
    AnyPlane,
    FloatImage,
    PixelLayout,
)
from stylesync_engine.pictures.image import PixelImage

Levels = tuple[np.float32, np.float32, np.float32, np.float32]
"""Span and black of code values, before and after."""


def convert(image: PixelImage, layout: PixelLayout) -> PixelImage:
    """The picture in another layout; samples that both layouts share stay exact.

    A deeper layout holds the shallower one's values exactly where both are limited range.
    """
    if image.layout == layout:
        return image
    same_space = image.layout.colour == layout.colour
    same_colour = same_space and (
        image.layout.kind == layout.kind
        and (layout.kind == "rgb" or image.layout.matrix == layout.matrix)
    )
    if same_colour:
        colours = [
            _regrid(image, number, layout) for number in range(3 if layout.kind != "gray" else 1)
        ]
    elif same_space and image.layout.kind == "gray" and layout.kind == "yuv":
        colours = [_rescale(image.component(0), image, layout, 0), *_neutral_chroma(image, layout)]
    else:
        colours = _through_rgb(image, layout)
    if layout.has_alpha:
        colours.append(_alpha(image, layout))
    return PixelImage(join_components(colours, layout), layout)


def _regrid(image: PixelImage, number: int, layout: PixelLayout) -> AnyPlane:
    """One component on the other layout's chroma grid, in its code values."""
    source = image.layout
    if number == 0 or layout.kind != "yuv":
        return _rescale(image.component(number), image, layout, number)
    plane, (left, top) = image.component(number), source.siting
    if layout.chroma_y > source.chroma_y:
        plane = reduce_rows(plane, layout.chroma_y - source.chroma_y, top)
    else:
        plane = enlarge_rows(plane, 0, image.height, source.chroma_y - layout.chroma_y, top)
    if layout.chroma_x > source.chroma_x:
        plane = reduce_rows(plane.T, layout.chroma_x - source.chroma_x, left).T
    else:
        plane = enlarge_columns(plane, 0, image.width, source.chroma_x - layout.chroma_x, left)
    return _rescale(plane, image, layout, number)


def _rescale(plane: AnyPlane, image: PixelImage, layout: PixelLayout, number: int) -> AnyPlane:
    """Code values of one component in the depth and range of another layout."""
    scale, offset = image._chroma_scale if number and layout.kind == "yuv" else image._luma_scale
    target = PixelImage((), layout)
    new_scale, new_offset = (
        target._chroma_scale if number and layout.kind == "yuv" else target._luma_scale
    )
    if (scale, offset, plane.dtype) == (new_scale, new_offset, layout.dtype):
        return plane
    levels = scale, offset, new_scale, new_offset
    if plane.dtype.kind == "f":
        return _store(_levelled(plane, levels), layout)
    table, times = _table(plane.dtype, levels, layout)
    if times is not None:
        return np.asarray(np.multiply(plane, times, dtype=table.dtype))
    return np.asarray(cv2.LUT(plane, table)) if plane.dtype == np.uint8 else table[plane]


@lru_cache(maxsize=16)
def _table(
    dtype: np.dtype[Any], levels: Levels, layout: PixelLayout
) -> tuple[AnyPlane, AnyPlane | None]:
    """What every code value becomes: quicker to look up than to compute again for each px. And how
    many times as much that is, where it is a whole number, as in a deeper limited range."""
    codes = np.arange(np.iinfo(dtype).max + 1, dtype=np.float32)
    table = _store(_levelled(codes, levels), layout)
    times = table[1:2]
    return table, times if np.array_equal(table, codes * np.float32(times[0])) else None


def _levelled(values: AnyPlane, levels: Levels) -> FloatImage:
    scale, offset, new_scale, new_offset = levels
    return np.asarray((values - offset) * (new_scale / scale) + new_offset, np.float32)


def _store(value: FloatImage, layout: PixelLayout) -> AnyPlane:
    if layout.floating:
        return value
    return np.clip(np.rint(value), 0, layout.peak).astype(layout.dtype)


def _neutral_chroma(image: PixelImage, layout: PixelLayout) -> list[AnyPlane]:
    # -(-a >> n) is a / 2**n rounded up: the last chroma sample may stand for less than a cell.
    rows, columns = -(-image.height >> layout.chroma_y), -(-image.width >> layout.chroma_x)
    return [np.full((rows, columns), 1 << (layout.depth - 1), layout.dtype)] * 2


def _through_rgb(image: PixelImage, layout: PixelLayout) -> list[AnyPlane]:
    """The colours by way of RGB, for another kind of picture, another matrix or space."""
    rgb = image.region_to_rgb((0, 0, image.width, image.height))
    if image.layout.colour != layout.colour:
        light = find_space(image.layout.colour).to_linear(rgb)
        rgb = find_space(layout.colour).from_linear(light)
    target = PixelImage((), layout)
    scale, offset = target._luma_scale
    if layout.kind == "rgb":
        return [_store(rgb[:, :, channel] * scale + offset, layout) for channel in range(3)]
    yuv = np.asarray(cv2.transform(rgb, target._to_yuv_matrix), np.float32)
    colours = [_store(yuv[:, :, 0] + offset, layout)]
    for number in (1, 2) if layout.kind == "yuv" else ():
        plane = yuv[:, :, number] + target._chroma_scale[1]
        for shift, siting in (
            (layout.chroma_y, layout.siting[1]),
            (layout.chroma_x, layout.siting[0]),
        ):
            plane = reduce_rows(plane, shift, siting).T
        colours.append(_store(plane, layout))
    return colours


def _alpha(image: PixelImage, layout: PixelLayout) -> AnyPlane:
    """The alpha in another depth (it always spans all code values); opaque where there is none."""
    if not image.layout.has_alpha:
        return np.full((image.height, image.width), layout.peak, layout.dtype)
    plane = image.component(len(image.layout.components) - 1)
    if (image.layout.peak, plane.dtype) == (layout.peak, layout.dtype):
        return plane
    return _store(plane.astype(np.float32) * np.float32(layout.peak / image.layout.peak), layout)


def black_picture(layout: PixelLayout, width: int, height: int) -> PixelImage:
    """Black; transparent where the layout has alpha."""
    blank = PixelImage((), layout)
    black = np.full((height, width), blank._luma_scale[1], layout.dtype)
    if layout.kind == "yuv":
        shape = PixelImage((black,), layout)
        colours = [black, *_neutral_chroma(shape, layout)]
    else:
        colours = [black] * (3 if layout.kind == "rgb" else 1)
    if layout.has_alpha:
        colours.append(np.zeros((height, width), layout.dtype))
    return PixelImage(join_components(colours, layout), layout)


def join_components(components: list[AnyPlane], layout: PixelLayout) -> tuple[AnyPlane, ...]:
    """Components as the planes that the format stores."""
    order = sorted(zip(layout.components, components, strict=True), key=lambda pair: pair[0])
    if layout.format not in PACKED:
        return tuple(plane for _, plane in order)
    channels = len(PACKED[layout.format][0])
    packed = np.zeros((*components[0].shape, channels), layout.dtype)
    for (_, channel), plane in order:
        packed[:, :, channel] = plane
    return (packed,)
