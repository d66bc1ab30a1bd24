"""A plan's references as its windows and its delivery use them: read once, their maps made once."""

from __future__ import annotations

import functools
from pathlib import Path

from stylesync_engine.arrays import Array, Image
from stylesync_engine.mouth.crop import LOWER
from stylesync_engine.mouth.jaw import contour_matte
from stylesync_engine.mouth.likeness import Correction
from stylesync_engine.mouth.texture import unpack
from stylesync_engine.mouth.warping import triangulate, warp_maps
from stylesync_engine.plan.plan import (
    Plan,
    damaged,
    read_correction,
    read_patch,
    read_references,
)

_REFERENCES = 16  # kept unpacked: a path plays on, and comes back soon
_PATCHES = 8
_MAPS = 64  # of 320 KiB, mattes of 128: those of what the cores have under way


class Warps:
    """The references of a plan in its work folder, and how they are warped; for several threads."""

    def __init__(self, plan: Plan, work: Path) -> None:
        self._plan, self._work = plan, work
        self._triangles = triangulate(plan.mesh)
        self.face = functools.lru_cache(_REFERENCES)(self._read_face)
        self.patch = functools.lru_cache(_PATCHES)(self._read_patch)
        self.maps = functools.lru_cache(_MAPS)(self._make_maps)
        self.matte = functools.lru_cache(_MAPS)(self._make_matte)

    @functools.cached_property
    def correction(self) -> Correction | None:
        """What a fit to the person corrects about references."""
        return read_correction(self._work)

    def _read_face(self, number: int) -> tuple[Image, Array]:
        """The crop `[256, 256, 3]` and landmarks `[468, 2]` of a reference."""
        return read_references(self._work, [number])[number]

    def _read_patch(self, number: int) -> tuple[Image, Array]:
        """The pixels and `place` of a reference in its picture. Raises RequestError for a damaged
        plan."""
        packed, place = read_patch(self._work, number)
        pixels = unpack(packed)
        if pixels is None:
            raise damaged(self._work, "its references cannot be read")
        return pixels, place

    def _make_maps(self, number: int, position: int) -> tuple[Array, Array]:
        """`warp_maps` of a reference onto the wanted face at a position of the plan."""
        return warp_maps(self.face(number)[1], self._plan.after[position], self._triangles)

    def _make_matte(self, position: int) -> Array:
        """`contour_matte` of the lower half `[128, 256]` at a position of the plan."""
        return contour_matte(self._plan.before[position], self._plan.after[position])[LOWER:]
