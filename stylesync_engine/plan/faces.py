"""Several faces of one shot: each has a plan of its own, and all are put into one picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np

from stylesync_engine.arrays import Array
from stylesync_engine.plan.places import work_folders
from stylesync_engine.plan.plan import Plan
from stylesync_engine.request import RequestError

_APART = 0.25  # of a crop's width: the mouths of two people are farther from each other


def plans_beside(plan: Plan, work: Path) -> list[tuple[Plan, Path]]:
    """The plan in `work` and those of the faces beside it, with their folders. Raises RequestError
    where one is missing."""
    asked, folders = plan.request.faces, work_folders(plan.request, work)
    others = zip(asked[1:], folders[1:], strict=True)
    return [(plan, work), *((replace(Plan.load(at), request=face), at) for face, at in others)]


def check_apart(plans: Sequence[Plan]) -> None:
    """Raises RequestError where two plans of a picture follow the same face in the same frames."""
    for one, other in combinations(plans, 2):
        _, first, second = np.intersect1d(one.shown, other.shown, return_indices=True)
        if not len(first):
            continue
        (place, size), (beside, _) = _crops(one.matrices[first]), _crops(other.matrices[second])
        if np.median(np.linalg.norm(place - beside, axis=1) / size) < _APART:
            raise RequestError(
                "Two of the speakers are the same face; click on another person for each.",
                "speaker",
            )


def shown_in(plans: Sequence[Plan]) -> list[int]:
    """The frames of the range in which any of the faces is dubbed."""
    return sorted({int(index) for plan in plans for index in plan.shown})


def gaps_between(shown: Sequence[int], total: int) -> tuple[tuple[int, int], ...]:
    """Half-open ranges of `total` frames that are left as they are."""
    return tuple((a + 1, b) for a, b in pairwise([-1, *shown, total]) if b > a + 1)


def _crops(matrices: Array) -> tuple[Array, Array]:
    """Centres `[n, 2]` of crops in picture px and their widths `[n]`, of matrices picture px ->
    crop px."""
    turns, shifts = matrices[:, :, :2], matrices[:, :, 2]
    centres = np.linalg.solve(turns, (128.0 - shifts)[..., None])[..., 0]
    return centres, 256.0 / np.sqrt(np.abs(np.linalg.det(turns)))
