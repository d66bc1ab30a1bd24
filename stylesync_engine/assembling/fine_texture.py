"""Rendered crops at the picture's own resolution: the texture is that of the reference's pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stylesync_engine.arrays import Array
from stylesync_engine.mouth.texture import lay_texture
from stylesync_engine.pictures.image import Box
from stylesync_engine.plan.plan import Plan
from stylesync_engine.plan.warps import Warps


class FineTexture:
    """Gives a dub's rendered crops the texture of their references, frame by frame."""

    def __init__(self, plan: Plan, warps: Warps) -> None:
        self._plan, self._warps = plan, warps

    def __call__(
        self, rendered: Array, position: int, box: Box, shown: NDArray[np.bool_] | None = None
    ) -> Array:
        """Colours `[h, w, 3]` 0..1 of a box of the picture, where they are `shown` `[h, w]`, of the
        rendered lower half `[128, 256, 3]` 0..1 of the frame at this position of the plan."""
        plan, warps = self._plan, self._warps
        main = int(plan.references[position][plan.shares[position].argmax()])
        reference, maps = (warps.face(main)[0], *warps.patch(main)), warps.maps(main, position)
        return lay_texture(rendered, reference, maps, plan.matrices[position], box, shown)
