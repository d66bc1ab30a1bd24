"""Where a moment lies on the strip: zoom, ruler, snapping."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stylesync_ui.strip.scale import Scale, ruler_step, snap


@given(st.floats(0.1, 50), st.floats(0, 900), st.floats(0, 500))
def test_zooming_keeps_the_moment_under_the_mouse(factor: float, x: float, start: float) -> None:
    scale = Scale(start, 40.0)
    before = scale.moment_at(x)
    scale.zoom(factor, x, 1.0)
    if scale.start > 0:
        assert scale.moment_at(x) == pytest.approx(before)
    assert 1.0 <= scale.density <= 800.0


@pytest.mark.parametrize("density", [0.05, 1.0, 40.0, 800.0])
def test_ruler_labels_keep_their_distance(density: float) -> None:
    step = ruler_step(density, Fraction(25), 96)
    assert step * Fraction(density) >= 95
    assert (step * 25).denominator == 1


def test_snapping_takes_the_nearest_edge_in_reach() -> None:
    edges = [Fraction(1), Fraction(2)]
    assert snap(1.96, edges, 0.1) == 2
    assert snap(1.5, edges, 0.1) is None
    assert snap(1.5, [], 9.0) is None
