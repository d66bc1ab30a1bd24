"""Layers of a dub for compositing by hand: rendering, matte and ST map beside the composite."""

from __future__ import annotations

import cv2
import numpy as np

from stylesync_engine.arrays import Array
from stylesync_engine.media import ExrPart
from stylesync_engine.mouth.compositing import PlacedCrop
from stylesync_engine.mouth.crop import CROP, LOWER
from stylesync_engine.pictures.colour import find_space
from stylesync_engine.pictures.formats import PixelLayout
from stylesync_engine.pictures.image import PixelImage

CHANNELS = ("render.R", "render.G", "render.B", "matte.A", "forward.u", "forward.v")
"""What is laid over the source; where it shows; and where each px lies in the rendered
crop, from its lower left corner, 0..1, as an ST map."""


def compositing_layers(
    source: PixelImage, layout: PixelLayout, crop: PlacedCrop | None, matrix: Array | None
) -> ExrPart:
    """The layers of one frame, with the changed region as their data window.

    `layout` is that of the written picture, `matrix` `[2, 3]` picture px -> crop px. Without a crop
    one empty px.
    """
    if crop is None or matrix is None:
        return _empty()
    box, colours, matte = crop
    left, top, right, bottom = source.clip(box)
    if left >= right or top >= bottom:
        return _empty()
    rows, columns = slice(top - box[1], bottom - box[1]), slice(left - box[0], right - box[0])
    light = _as_light(colours[rows, columns], source.layout.colour, layout.colour)
    where = _positions(matrix, (left, top, right, bottom))
    pixels = np.concatenate([light, matte[rows, columns, None], where], axis=2)
    return ExrPart("dub", CHANNELS, pixels, (left, top))


def _empty() -> ExrPart:
    return ExrPart("dub", CHANNELS, np.zeros((1, 1, len(CHANNELS)), np.float32))


def _as_light(colours: Array, source: str, target: str) -> Array:
    """Colours as the source holds them -> the light that the written picture holds."""
    return find_space(target).from_linear(find_space(source).to_linear(colours))


def _positions(matrix: Array, box: tuple[int, int, int, int]) -> Array:
    """`[h, w, 2]`: u to the right and v upwards in the crop's rendered lower half."""
    left, top, right, bottom = box
    y, x = np.mgrid[top:bottom, left:right].astype(np.float32)
    at = cv2.transform(np.stack([x, y], axis=2), matrix.astype(np.float32))
    u = (at[:, :, 0] + 0.5) / CROP
    v = 1 - (at[:, :, 1] - LOWER + 0.5) / (CROP - LOWER)
    return np.stack([u, v], axis=2).astype(np.float32)
