"""Rendered crops at the picture's own resolution: the texture is that of the reference's pixels."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stylesync_engine.arrays import Array, Image
from stylesync_engine.mouth.texture import lay_texture, unpack
from stylesync_engine.mouth.warping import triangulate, warp_maps
from stylesync_engine.pictures.image import Box
from stylesync_engine.plan.plan import Plan, damaged, read_patch, read_references

_KEPT = 8  # references kept unpacked: a path plays on, and comes back soon


class FineTexture:
    """Gives a dub's rendered crops the texture of their references, frame by frame."""

    def __init__(self, plan: Plan, work: Path) -> None:
        self._plan, self._work = plan, work
        self._triangles = triangulate(np.median(plan.after, axis=0))
        self._read = functools.lru_cache(_KEPT)(self._read_reference)

    def __call__(
        self, rendered: Array, position: int, box: Box, shown: NDArray[np.bool_] | None = None
    ) -> Array:
        """Colours `[h, w, 3]` 0..1 of a box of the picture, where they are `shown` `[h, w]`, of the
        rendered lower half `[128, 256, 3]` 0..1 of the frame at this position of the plan."""
        plan = self._plan
        main = plan.references[position][plan.shares[position].argmax()]
        crop, points, pixels, place = self._read(int(main))
        maps = warp_maps(points, plan.after[position], self._triangles)
        reference, matrix = (crop, pixels, place), plan.matrices[position]
        return lay_texture(rendered, reference, maps, matrix, box, shown)

    def _read_reference(self, number: int) -> tuple[Image, Array, Image, Array]:
        crop, points = read_references(self._work, [number])[number]
        packed, place = read_patch(self._work, number)
        pixels = unpack(packed)
        if pixels is None:
            raise damaged(self._work, "its references cannot be read")
        return crop, points, pixels, place
