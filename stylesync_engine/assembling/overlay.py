"""Only what a dub changed, with alpha: laid over the source it is the composite.

Over: `result = alpha * overlay + (1 - alpha) * source`, sample by sample on the full grid. The
colours are solved from the alpha as it is stored, so that rounding the alpha costs nothing.
Floating pictures, which EXR holds, have the alpha multiplied in, as EXR's readers expect.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from stylesync_engine.pictures.converting import black_picture, convert, join_components
from stylesync_engine.pictures.formats import FloatImage, PixelLayout, layout_of
from stylesync_engine.pictures.image import Box, PixelImage

_MARGIN: Final = 16
"""Px around the matte in which the picture goes on beneath alpha 0.

Scaling, and codecs that work in blocks, would otherwise draw black into the edge.
"""


def overlay_layout(source: PixelLayout, height: int) -> PixelLayout:
    """Where an overlay of such pictures loses nothing: every pixel its own chroma, 10 bit or more,
    alpha; matrix and range stay. `height` in px of the upright picture."""
    depth = next(d for d in (10, 12, 16, 32) if d >= source.depth or source.floating)
    if source.floating:
        name = "gbrapf32le"
    else:
        name = f"{'gbra' if source.kind == 'rgb' else 'yuva444'}p{depth}le"
    full = source.full_range if source.kind != "rgb" else None
    layout = layout_of(name, height, full_range=full, matrix=source.matrix)
    return replace(layout, siting=source.siting, colour=source.colour)


def lift_changes(
    source: PixelImage, changed: PixelImage, box: Box, matte: FloatImage, layout: PixelLayout
) -> PixelImage:
    """What to lay over `source` to see `changed`, in a layout with alpha and without subsampling.

    `matte` `[h, w]`, 0..1, has the size of `box`, which may reach beyond the picture. Alpha is the
    matte, and more where the change is too large for it; an alpha of the source does not count.
    """
    region = source.clip((box[0] - _MARGIN, box[1] - _MARGIN, box[2] + _MARGIN, box[3] + _MARGIN))
    if region[0] >= region[2] or region[1] >= region[3]:
        return black_picture(layout, source.width, source.height)
    before, after = (_colours(convert(image, layout), region) for image in (source, changed))
    alpha = _stored_alpha(_cut_matte(matte, box, region), before, after, layout)
    shown = np.where(alpha > 0, alpha, layout.peak) / np.float32(layout.peak)
    colours = before + (after - before) / shown
    if layout.floating:
        colours = colours * alpha
    return _place([*colours, alpha], region, layout, source)


def _colours(image: PixelImage, region: Box) -> FloatImage:
    """Code values `[3, h, w]` of a region."""
    rows, columns = slice(region[1], region[3]), slice(region[0], region[2])
    planes = [image.component(number)[rows, columns] for number in range(3)]
    return np.stack(planes).astype(np.float32)


def _cut_matte(matte: FloatImage, box: Box, region: Box) -> FloatImage:
    """The matte `[h, w]` of the region out of that of the box; 0 around it."""
    margins = ((box[1] - region[1], region[3] - box[3]), (box[0] - region[0], region[2] - box[2]))
    padded = np.pad(matte, [(max(low, 0), max(high, 0)) for low, high in margins])
    top, left = max(-margins[0][0], 0), max(-margins[1][0], 0)
    return padded[top : top + region[3] - region[1], left : left + region[2] - region[0]]


def _stored_alpha(
    matte: FloatImage, before: FloatImage, after: FloatImage, layout: PixelLayout
) -> FloatImage:
    """Alpha `[h, w]` in code values: the matte, raised where a colour would leave the code range.

    That is where chroma, interpolated between its samples, changes next to the matte.
    """
    if layout.floating:
        moved = (before != after).any(axis=0)
        return np.where(moved & (matte <= 0), np.float32(1), matte)
    peak = np.float32(layout.peak)
    room = np.where(after > before, peak - before, before)
    needed = np.abs(after - before) / np.maximum(room, 1)
    codes = np.maximum(np.rint(matte * peak), np.ceil(needed.max(axis=0) * peak))
    return np.asarray(codes, np.float32)


def _place(
    components: list[FloatImage], region: Box, layout: PixelLayout, like: PixelImage
) -> PixelImage:
    """Components of a region in an otherwise transparent picture."""
    black = black_picture(layout, like.width, like.height)
    planes: list[npt.NDArray[np.generic]] = []
    for number, values in enumerate(components):
        plane = black.component(number).copy()
        stored = values if layout.floating else np.clip(np.rint(values), 0, layout.peak)
        plane[region[1] : region[3], region[0] : region[2]] = stored
        planes.append(plane)
    return PixelImage(join_components(planes, layout), layout)
