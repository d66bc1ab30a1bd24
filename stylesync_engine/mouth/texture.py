"""References in their picture's own pixels: cut out, warped once, compared with what is rendered.

A crop of 256 px is what the models see. Whatever goes through it, to its size and back, comes out
softer than it was filmed: small faces are interpolated three times, large ones lose skin, beard
and the edges of teeth.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from stylesync_engine.arrays import Array, Image
from stylesync_engine.mouth.compositing import into_picture, largest
from stylesync_engine.mouth.crop import CROP, LOWER, cut_from, magnify
from stylesync_engine.mouth.warping import TOP, blur_wide, sample_where
from stylesync_engine.pictures.image import Box, PixelImage

_FINEST = 4  # px of a patch in a px of the crop; of larger faces no more is kept
_MARGIN = 4  # px of the picture around a patch, for the interpolation
_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 97, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x111111]
_ALIKE = 0.1  # 0..1, differences above mean that rendering and reference show different things
_SLOW_SIGMA = 6.0  # px of the crop: slower differences are light
_CONTRAST = 0.6, 1.6  # that the texture may be given, times its own
_FINE_SIGMA = 1.0  # px of the crop: finer differences are texture
_PATCH_SIGMA = 6.0  # px of the crop over which two textures are compared
_MOST_SHARPENED = 2.0
_GRAIN = 3e-6  # power of texture, 0..1 squared, that nobody sees
_MEAN = np.full((1, 3), 1 / 3, np.float32)  # of three channels, which NumPy takes one by one


class Patch(NamedTuple):
    """A reference's own pixels, a JPEG of nearly all of them, and `place` `[2, 3]`, crop px -> px
    of the patch."""

    packed: bytes
    place: Array


def cut_patch(picture: PixelImage, matrix: Array) -> Patch:
    """What a picture shows of the crop's rows from `TOP` on.

    `matrix` `[2, 3]` is picture px -> crop px.
    """
    place = np.asarray(cv2.invertAffineTransform(matrix), np.float64)
    if np.hypot(place[0, 0], place[1, 0]) > _FINEST:
        pixels, low = cut_from(picture, matrix, _FINEST)[TOP * _FINEST :], (0, TOP * _FINEST)
        place = magnify(np.eye(2, 3), _FINEST)
    else:
        pixels, low = _cut_around(picture, place)
    place[:, 2] -= low
    packed = cv2.imencode(".jpg", pixels[..., ::-1], _JPEG)[1]
    return Patch(bytes(packed), place.astype(np.float32))


def unpack(packed: Image) -> Image | None:
    """The pixels `[h, w, 3]` of a patch; None where it is damaged."""
    pixels = cv2.imdecode(packed, cv2.IMREAD_COLOR_RGB) if len(packed) else None
    return None if pixels is None else np.asarray(pixels, np.uint8)


def lay_texture(
    rendered: Array,
    reference: tuple[Image, Image, Array],
    maps: tuple[Array, Array],
    matrix: Array,
    box: Box,
    shown: NDArray[np.bool_] | None = None,
) -> Array:
    """Colours `[h, w, 3]` 0..1 of a box of the picture: the reference, warped once from its own
    pixels, with what the rendered lower half `[128, 256, 3]` 0..1 changes about it in the crop.

    `reference` is its crop `[256, 256, 3]`, its pixels and their `place`; `maps` are those of
    `warp_maps`, `matrix` is picture px -> crop px; the colours matter where they are `shown`
    `[h, w]`, or everywhere. Where the two show different things, the
    rendering is right and is left alone.
    """
    crop, pixels, place = reference
    x, y = (np.ascontiguousarray(m[LOWER - TOP :]) for m in maps)
    whole = crop.astype(np.float32) / 255
    coarse = np.asarray(
        cv2.remap(whole, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), np.float32
    )
    contrast = _contrast(coarse, rendered)
    believed = _agreement(rendered, coarse * contrast)[..., None] * contrast
    # The way from a px of the picture to one of the patch, so that there is one interpolation.
    x, y = into_picture(x, matrix, box), into_picture(y, matrix, box)
    across, down = (row[0] * x + row[1] * y + row[2] for row in place)
    shown = np.ones(x.shape, bool) if shown is None else shown
    own = sample_where(pixels.astype(np.float32) / 255, (across, down), shown, cv2.INTER_LANCZOS4)
    gained = own - into_picture(coarse, matrix, box, cv2.INTER_CUBIC)
    laid = into_picture(rendered, matrix, box, cv2.INTER_CUBIC)
    laid += into_picture(believed, matrix, box) * gained
    return np.asarray(np.clip(laid, 0, 1), np.float32)


def slow_part(change: Array) -> Array:
    """What of a change `[128, 256, 3]` is no texture: that stays the reference's, moves as grain
    does, and is sharp, where what a model says of it is the mean of what may be right."""
    return np.asarray(cv2.GaussianBlur(change, (0, 0), _FINE_SIGMA), np.float32)


def keep_sharp(rendered: Array, reference: Array, pixel: float = 1.0) -> Array:
    """The rendered lower half `[128, 256, 3]` 0..1, its texture as strong as the reference's
    around each place, never weaker than it was. A px of the picture is `pixel` px of the crop: of a
    small face, the crop holds nothing finer.

    What a model adds to a reference is the mean of what may be right, which takes more away from
    the teeth and lips that were there than it gives.
    """
    sigma = _FINE_SIGMA * max(pixel, 1.0)
    fine, wanted = (p - cv2.GaussianBlur(p, (0, 0), sigma) for p in (rendered, reference))
    gain = np.sqrt(_power(wanted) / _power(fine)).clip(1, _MOST_SHARPENED)
    return np.asarray(np.clip(rendered + (gain[..., None] - 1) * fine, 0, 1), np.float32)


def _power(fine: Array) -> Array:
    """Of texture `[H, W, 3]` around each px, `[H, W]`."""
    squares = np.square(cv2.transform(fine, _MEAN))
    return np.asarray(cv2.GaussianBlur(squares, (0, 0), _PATCH_SIGMA) + _GRAIN, np.float32)


def _cut_around(picture: PixelImage, place: NDArray[np.float64]) -> tuple[Image, tuple[int, int]]:
    """The px of a picture that a crop's rows from `TOP` on come from, and the first one's x, y."""
    corners = np.array([[0, TOP, 1], [CROP, TOP, 1], [0, CROP, 1], [CROP, CROP, 1]]) @ place.T
    edge = np.array(picture.size)
    low = np.clip(np.floor(corners.min(axis=0)).astype(int) - _MARGIN, 0, edge - 1)
    high = np.clip(np.ceil(corners.max(axis=0)).astype(int) + _MARGIN, low + 1, edge)
    left, top, right, bottom = map(int, (*low, *high))
    return picture.region_to_rgb8((left, top, right, bottom)), (left, top)


def _contrast(reference: Array, rendered: Array) -> Array:
    """How much more the rendering's colours vary than the reference's, a channel, `[3]`."""
    have, want = (c - np.array(cv2.mean(c)[:3], np.float32) for c in (reference, rendered))
    both, own = (np.array(cv2.mean(have * other)[:3]) * have[..., 0].size for other in (want, have))
    return np.asarray(np.clip(both / (own + 1e-3), *_CONTRAST), np.float32)


def _agreement(rendered: Array, reference: Array) -> Array:
    """How sure it is that both show the same thing there, `[128, 256]` 0..1."""
    difference = rendered - reference
    difference -= blur_wide(difference, _SLOW_SIGMA)
    return np.asarray(np.exp(-np.square(largest(difference) / _ALIKE)), np.float32)
