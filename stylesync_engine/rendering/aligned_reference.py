"""Real frames of the person warped onto the wanted face."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch

from stylesync_engine.arrays import Array, Image
from stylesync_engine.mouth.compositing import match_seam
from stylesync_engine.mouth.crop import LOWER
from stylesync_engine.mouth.warping import cross_fade, match_colour, warp_reference
from stylesync_engine.plan.plan import Plan
from stylesync_engine.plan.warps import Warps

TOGETHER = 4
"""Frames that a core renders together: the same for any number of cores, since another batch may
give other last bits."""


class WindowRenderer(Protocol):
    """Renders the lower halves `[n, 128, 256, 3]` 0..1 of some positions of a plan, of their crops
    `[n, 256, 256, 3]`: at most `together` at a time, several threads beside each other."""

    @property
    def together(self) -> int: ...

    device: torch.device

    def __call__(self, plan: Plan, window: range, crops: Image) -> Array: ...


class AlignedReference:
    """Real frames of the person warped onto the wanted face: a whole quality by itself."""

    together = 1  # each frame is drawn by itself

    def __init__(self, warps: Warps) -> None:
        self.device = torch.device("cpu")  # whatever there is
        self._warps = warps

    def __call__(self, plan: Plan, window: range, crops: Image) -> Array:
        return np.stack(
            [
                match_seam(lower, crop[LOWER:], self.matte(position))
                for lower, crop, position in zip(
                    self.lower_halves(plan, window, crops), crops, window, strict=True
                )
            ]
        )

    def lower_halves(self, plan: Plan, window: range, crops: Image) -> Iterator[Array]:
        """`[128, 256, 3]` 0..1 of each frame, references mixed around jumps."""
        for position, crop in zip(window, crops, strict=True):
            yield self._mix(plan, position, crop)

    def matte(self, position: int) -> Array:
        """Where the rendering shows, `[128, 256]` 0..1."""
        return self._warps.matte(position)

    def face(self, index: int) -> Image:
        """The reference crop `[256, 256, 3]` of this number."""
        return self._warps.face(index)[0]

    def _mix(self, plan: Plan, position: int, crop: Image) -> Array:
        used = plan.shares[position] > 0
        warped = [
            warp_reference(self.face(index), self._warps.maps(index, position))
            for index in plan.references[position][used].tolist()
        ]
        lower = [match_colour(w, crop, plan.before[position])[LOWER:] / 255 for w in warped]
        mixed = cross_fade([part.astype(np.float32) for part in lower], plan.shares[position][used])
        return np.clip(mixed, 0, 1)
