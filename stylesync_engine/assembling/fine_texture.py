"""Fine texture of large faces.

The models see crops of 256 px, so whatever they render is soft beside a larger face: skin, beard
and the edges of teeth lose what makes them look filmed. It is not made up: the aligned reference's
frames have it at their own resolution. They are warped as the reference itself is, and what a crop
of 256 px cannot hold of them is laid over the rendering, where the two agree.
"""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from stylesync_engine.mouth.crop import CROP, LOWER, cut_crop
from stylesync_engine.mouth.references import TOP, triangulate, warp_maps
from stylesync_engine.plan.plan import MOST_MAGNIFIED, Plan, read_fine_references
from stylesync_engine.request import RequestError

Array = NDArray[np.float32]
Image = NDArray[np.uint8]

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


class FineTexture:
    """Lays the references' fine texture over a dub's rendered crops, frame by frame."""

    def __init__(self, plan: Plan, work: Path) -> None:
        self._plan, self._work = plan, work
        self._times = plan.magnification
        self._triangles = triangulate(np.median(plan.after, axis=0))

    def __call__(self, rendered: Array, position: int) -> Array:
        """The rendered lower half `[128, 256, 3]` 0..1 of the frame at this position of the plan,
        `times` as fine."""
        if self._times == 1:
            return rendered
        texture = self._warped(position)
        small = np.asarray(
            cv2.resize(texture, (CROP, LOWER), interpolation=cv2.INTER_AREA), np.float32
        )
        gain = np.clip(
            (rendered.mean(axis=(0, 1)) + 0.02) / (small.mean(axis=(0, 1)) + 0.02), 0.6, 1.6
        )
        fine = (texture - self._enlarged(small)) * gain
        believed = self._enlarged(_agreement(rendered, small * gain), cv2.INTER_LINEAR)
        laid = self._enlarged(rendered) + believed[..., None] * fine
        return np.asarray(np.clip(laid, 0, 1), np.float32)

    def _warped(self, position: int) -> Array:
        """The aligned reference's lower half at full resolution, `[128 t, 256 t, 3]` 0..1."""
        plan, times = self._plan, self._times
        used = plan.shares[position] > 0
        numbers, shares = plan.references[position][used], plan.shares[position][used]
        found = read_fine_references(self._work, numbers.tolist())
        mixed = np.zeros((LOWER * times, CROP * times, 3), np.float32)
        for number, share in zip(numbers, shares, strict=True):
            packed, points = found[int(number)]
            picture = self._unpacked(packed)
            maps = warp_maps(points, plan.after[position], self._triangles)
            mixed += share * _remap(picture, maps, times)
        return mixed / np.float32(255.0)

    def _unpacked(self, packed: Image) -> Image:
        picture = cv2.imdecode(packed, cv2.IMREAD_COLOR_RGB) if len(packed) else None
        if picture is None or picture.shape != ((CROP - TOP) * self._times, CROP * self._times, 3):
            raise RequestError(
                f"The plan in '{self._work}' holds damaged references;"
                " run stylesync-engine prepare again."
            )
        return np.asarray(picture, np.uint8)

    def _enlarged(self, values: Array, how: int = cv2.INTER_CUBIC) -> Array:
        size = (CROP * self._times, LOWER * self._times)
        return np.asarray(cv2.resize(values, size, interpolation=how), np.float32)


def _remap(picture: Image, maps: tuple[Array, Array], times: int) -> Image:
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


def _agreement(rendered: Array, reference: Array) -> Array:
    """How sure it is that both show the same thing there, `[128, 256]` 0..1."""
    difference = rendered - reference
    difference -= cv2.GaussianBlur(difference, (0, 0), _SLOW_SIGMA)
    return np.asarray(np.exp(-np.square(np.abs(difference).max(axis=2) / _ALIKE)), np.float32)
