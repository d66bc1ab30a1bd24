"""Fine texture of faces larger than the crop: cut from the picture, warped, compared."""

from __future__ import annotations

import math

import cv2
import numpy as np

from stylesync_engine.arrays import Array, Image
from stylesync_engine.mouth.crop import CROP, LOWER, cut_crop
from stylesync_engine.mouth.warping import TOP

_ENOUGH = 1.4  # px of the picture in a px of the crop that are not missed


_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 97, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x111111]


_ALIKE = 0.06  # 0..1, differences above mean that rendering and reference show different things


_SLOW_SIGMA = 6.0  # px of the crop: slower differences are light


def magnification(matrices: Array) -> int:
    """How many times finer than 256 px the crops of a shot have to be for its faces, 1 to 4.

    `matrices` `[T, 2, 3]` are picture px -> crop px.
    """
    size = 1 / float(np.median(np.hypot(matrices[:, 0, 0], matrices[:, 1, 0])))
    return 1 if size <= _ENOUGH else min(MOST_MAGNIFIED, math.ceil(size - 0.25))


def cut_fine(picture: Image, matrix: Array, times: int) -> bytes:
    """What of a frame may serve as fine texture, a JPEG of nearly all that a crop `times` as fine
    shows below the eyes."""
    crop = cut_crop(picture, matrix, times)[TOP * times :]
    return bytes(cv2.imencode(".jpg", crop[..., ::-1], _JPEG)[1])


def remap(picture: Image, maps: tuple[Array, Array], times: int) -> Image:
    """A fine crop, its rows from `TOP` on, through maps made for 256 px, lower half alone."""
    size = (CROP * times, LOWER * times)
    across, down = (cv2.resize(values[LOWER - TOP :], size) for values in maps)
    return np.asarray(
        cv2.remap(
            picture,
            (across + 0.5) * times - 0.5,
            (down - TOP + 0.5) * times - 0.5,
            cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REPLICATE,
        ),
        np.uint8,
    )


def agreement(rendered: Array, reference: Array) -> Array:
    """How sure it is that both show the same thing there, `[128, 256]` 0..1."""
    difference = rendered - reference
    difference -= cv2.GaussianBlur(difference, (0, 0), _SLOW_SIGMA)
    return np.asarray(np.exp(-np.square(np.abs(difference).max(axis=2) / _ALIKE)), np.float32)


MOST_MAGNIFIED = 4  # times 256 px that the texture of a face may have
