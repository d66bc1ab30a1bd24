"""Where a moment lies on the strip, and which marks its ruler shows."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

MOST_ZOOM = 800.0  # px per second: a frame is then as wide as a finger
RULER_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)


@dataclass(slots=True)
class Scale:
    """`start` (s) is at x = 0; `density` is px per second."""

    start: float = 0.0
    density: float = 40.0

    def x_of(self, moment: Fraction | float) -> float:
        return (float(moment) - self.start) * self.density

    def moment_at(self, x: float) -> float:
        return self.start + x / self.density

    def zoom(self, factor: float, x: float, least: float) -> None:
        """Zoom so that what lies at `x` stays there; `least` is the density of the whole."""
        anchor = self.moment_at(x)
        self.density = min(MOST_ZOOM, max(least, self.density * factor))
        self.start = max(0.0, anchor - x / self.density)

    def fit(self, duration: float, width: float) -> None:
        self.start, self.density = 0.0, self.whole(duration, width)

    @staticmethod
    def whole(duration: float, width: float) -> float:
        return max(0.01, width / max(duration * 1.04, 1.0))


def ruler_step(density: float, rate: Fraction, label_px: float) -> Fraction:
    """Seconds between labels that are at least `label_px` apart: whole frames or seconds."""
    for frames in (1, 2, 5, 10):
        if frames < rate and frames / float(rate) * density >= label_px:
            return Fraction(frames) / rate
    for seconds in RULER_STEPS:
        if seconds * density >= label_px:
            return Fraction(seconds)
    return Fraction(math.ceil(label_px / density / 3600) * 3600)


def snap(moment: float, edges: Iterable[Fraction], reach: float) -> Fraction | None:
    """The nearest edge within `reach` s, else None."""
    nearest = min(edges, key=lambda edge: abs(float(edge) - moment), default=None)
    return nearest if nearest is not None and abs(float(nearest) - moment) <= reach else None
