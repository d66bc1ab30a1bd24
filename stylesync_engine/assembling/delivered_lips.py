"""How good the lips of a delivery are: tracked again in the finished pictures, against the wanted.

The wanted lips follow the speech to the frame, so where the delivered ones do not follow them, they
do not follow the speech. Of a long dub some stretches are looked at.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from stylesync_engine.arrays import Array
from stylesync_engine.faces.landmarker import FaceMesh
from stylesync_engine.faces.tracking import lip_gap, stretches
from stylesync_engine.mouth.crop import cut_from
from stylesync_engine.pictures.image import PixelImage, picture_of
from stylesync_engine.plan.plan import Plan
from stylesync_engine.speech.sync import top_of_parabola

_LEAST = 12  # frames in a row, below which nothing can be said
_BLOCK, _BLOCKS = 30, 5  # frames in a row, and how many such
_MOST_LATE = 3  # frames
_STILL = 0.002  # spread of the wanted opening, face heights, of a mouth that hardly moves

Curves = Sequence[tuple[Array, Array]]


class LipsWatch:
    """Looks at the pictures of a delivery on their way to the file; for several threads."""

    def __init__(self, plan: Plan) -> None:
        self._plan, self._lock = plan, threading.Lock()
        watched = plan.request.options.delivery == "composite"
        self._blocks = _blocks(plan) if watched else []
        self._seen = {i: np.float32(np.nan) for block in self._blocks for i in block}

    def look(self, position: int, image: PixelImage) -> None:
        """Note how far the mouth is open in the finished picture of a position of the plan."""
        if position not in self._seen:
            return
        crop = cut_from(image, self._plan.matrices[position])
        seed = np.pad(self._plan.after[position], ((0, 0), (0, 1)))
        with self._lock:
            points, score = self._mesh.landmarks(picture_of(crop), seed)
        if score > 0.5:
            self._seen[position] = np.float32(lip_gap(points))

    @cached_property
    def _mesh(self) -> FaceMesh:
        return FaceMesh()

    def measure(self, rate: float) -> dict[str, float] | None:
        """`follows`: the correlation of the delivered opening with the wanted one; `width`: how far
        it opens against that; `offset`: how late it is, s. None where the delivery shows no whole
        faces, or the mouth hardly has to move."""
        after, seen = self._plan.after, self._seen
        curves = [
            (lip_gap(after[b.start : b.stop]), np.array([seen[i] for i in b], np.float32))
            for b in self._blocks
        ]
        return compare_openings(curves, rate)


def compare_openings(curves: Curves, rate: float) -> dict[str, float] | None:
    """`LipsWatch.measure` of stretches of wanted and delivered openings, `[T]` each, NaN where the
    face was not found."""
    wanted = np.concatenate([curve for curve, _ in curves]) if curves else np.zeros(0)
    if len(wanted) < _LEAST or float(wanted.std()) < _STILL:
        return None
    found = [_pooled(curves, shift) for shift in range(-_MOST_LATE, _MOST_LATE + 1)]
    follows = np.array([correlation for correlation, _ in found])
    if not np.isfinite(follows).all():
        return None
    best = int(follows.argmax())
    late = best + top_of_parabola(follows, best) - _MOST_LATE
    return {
        "follows": round(float(follows[best]), 3),
        "width": round(found[best][1], 3),
        "offset": round(late / rate, 3),
    }


def _blocks(plan: Plan) -> list[range]:
    """Positions in `shown` of stretches of successive frames, spread over the dub."""
    flags = np.zeros(len(plan.frames), bool)
    flags[plan.shown] = True
    position = np.cumsum(flags) - 1
    long = [(a, b) for a, b in stretches(flags) if b - a >= _LEAST]
    parts = [range(s, min(s + _BLOCK, b)) for a, b in long for s in range(a, b, _BLOCK)]
    parts = [part for part in parts if len(part) >= _LEAST]
    chosen = np.unique(np.linspace(0, len(parts) - 1, _BLOCKS).round().astype(int))
    frames = [parts[i] for i in chosen] if parts else []
    return [range(int(position[f.start]), int(position[f.start]) + len(f)) for f in frames]


def _pooled(curves: Curves, shift: int) -> tuple[float, float]:
    """Correlation, and slope of the delivered on the wanted opening, where all are late by
    `shift`."""
    pairs: list[NDArray[np.float32]] = []
    for wanted, seen in curves:
        last = len(wanted) - abs(shift)
        early, late = (wanted, seen) if shift >= 0 else (seen, wanted)
        pair = [early[:last], late[abs(shift) :]]
        pairs.append(np.stack(pair if shift >= 0 else pair[::-1]))
    both = np.concatenate(pairs, axis=1)
    both = both[:, np.isfinite(both).all(axis=0)]
    if both.shape[1] < _LEAST:
        return float("nan"), float("nan")
    (x, y), square = both - both.mean(axis=1, keepdims=True), 1e-12
    correlation = float((x * y).sum() / np.sqrt((x * x).sum() * (y * y).sum() + square))
    return correlation, float((x * y).sum() / ((x * x).sum() + square))
