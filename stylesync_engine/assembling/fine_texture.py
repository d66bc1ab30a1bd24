"""Fine texture of large faces.

The models see crops of 256 px, so whatever they render is soft beside a larger face: skin, beard
and the edges of teeth lose what makes them look filmed. It is not made up: the aligned reference's
frames have it at their own resolution. They are warped as the reference itself is, and what a crop
of 256 px cannot hold of them is laid over the rendering, where the two agree.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from stylesync_engine.arrays import Array, Image
from stylesync_engine.mouth.crop import CROP, LOWER
from stylesync_engine.mouth.texture import agreement, remap
from stylesync_engine.mouth.warping import TOP, triangulate, warp_maps
from stylesync_engine.plan.plan import Plan, read_fine_references
from stylesync_engine.request import RequestError


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
        believed = self._enlarged(agreement(rendered, small * gain), cv2.INTER_LINEAR)
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
            mixed += share * remap(picture, maps, times)
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
