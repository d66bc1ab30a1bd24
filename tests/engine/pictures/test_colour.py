"""Colour spaces against published values, their inverses, and pictures that live in them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from stylesync_engine.pictures.colour import (
    find_space,
    is_ambiguous,
    linear_space_of,
    space_of_tags,
)
from stylesync_engine.pictures.converting import black_picture, convert
from stylesync_engine.pictures.formats import layout_of
from stylesync_engine.pictures.image import PixelImage
from stylesync_engine.request import RequestError

SPACES = ["pq", "hlg", "linear", "linear-bt2020", "acescg", "aces2065-1"]
Array = NDArray[np.float32]


def gray(value: float) -> Array:
    return np.full((1, 1, 3), value, np.float32)


@pytest.mark.parametrize(
    ("name", "signal", "light"),
    [
        # BT.2408, table 1: reference white is 58 % PQ and 75 % HLG.
        ("pq", 0.5807, 1.0), ("hlg", 0.75, 1.0),
        # ST 2084: half the signal is 92.2 cd/m2, all of it 10000; BT.2100: half of HLG is 1/12.
        ("pq", 0.5, 92.2457 / 203), ("pq", 1.0, 10000 / 203), ("hlg", 0.5, 1 / 12 / 0.26496),
        ("bt709", 0.5, 0.25965), ("linear", 0.18, 0.18),
    ],
)  # fmt: skip
def test_signals_mean_the_published_light(name: str, signal: float, light: float) -> None:
    space = find_space(name)
    assert space.to_linear(gray(signal))[0, 0, 0] == pytest.approx(light, rel=2e-3)
    assert space.from_linear(gray(light))[0, 0, 0] == pytest.approx(signal, rel=2e-3)


def test_wide_primaries_become_bt709() -> None:
    green = np.array([[[0, 1, 0]]], np.float32)
    # ITU-R BT.2087: BT.2020 green in BT.709 primaries.
    expected = [-0.5876, 1.1329, -0.1006]
    assert find_space("linear-bt2020").to_linear(green)[0, 0] == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("name", SPACES)
def test_the_view_has_an_inverse(name: str) -> None:
    space = find_space(name)
    view = np.random.default_rng(0).uniform(0.1, 1, (40, 40, 3)).astype(np.float32)
    assert np.abs(space.to_view(space.from_view(view)) - view).max() < 2e-3
    ramp = space.to_view(np.linspace(0, 1, 50, dtype=np.float32)[None, :, None].repeat(3, 2))
    assert (np.diff(ramp[0, :, 1]) >= 0).all()


def test_a_camera_log_by_opencolorio() -> None:
    pytest.importorskip("PyOpenColorIO")
    space = find_space("ARRI LogC3 (EI800)")
    # ARRI: middle gray lies at 0.391 in LogC3 at EI 800.
    assert space.to_linear(gray(0.391))[0, 0] == pytest.approx([0.18] * 3, rel=5e-3)
    with pytest.raises(RequestError, match="no colour space"):
        find_space("LogQ")


def test_tags_name_the_space() -> None:
    assert [space_of_tags(9, t, 9) for t in (16, 18, 14, 2)] == ["pq", "hlg", "bt709", "bt709"]
    assert is_ambiguous(9, 2, 9)
    assert not is_ambiguous(9, 16, 9)
    assert not is_ambiguous(1, 2, 1)
    ap1 = (0.713, 0.293, 0.165, 0.83, 0.128, 0.044, 0.32168, 0.33767)
    assert linear_space_of(ap1) == "acescg"
    assert linear_space_of(None) == "linear"


@pytest.mark.parametrize(("name", "space"), [("yuv420p10le", "pq"), ("gbrpf32le", "linear")])
def test_a_mouth_is_blended_in_the_picture_own_space(name: str, space: str) -> None:
    layout = replace(layout_of(name, 48, matrix="bt2020nc"), colour=space)
    base = black_picture(layout, 64, 48)
    shade = np.full((48, 64, 3), 0.5, np.float32)
    gray_picture = base.blend_region((0, 0, 64, 48), shade, np.ones((48, 64), np.float32))
    assert np.abs(gray_picture.to_rgb8().astype(int) - 128).max() <= 1
    matte = np.zeros((20, 20), np.float32)
    matte[4:16, 4:16] = 1
    face = np.full((20, 20, 3), 0.75, np.float32)
    mouth = gray_picture.blend_region((10, 10, 30, 30), face, matte)
    shown = mouth.to_rgb8().astype(int)
    assert np.abs(shown[16:24, 16:24] - 191).max() <= 2
    untouched = np.ones((48, 64), bool)
    untouched[14:26, 14:26] = False
    for number in range(1 if layout.kind == "yuv" else 3):
        before, after = gray_picture.component(number), mouth.component(number)
        assert np.array_equal(before[untouched], after[untouched])


def test_light_becomes_a_signal_where_a_codec_has_no_room_for_it() -> None:
    layout = replace(layout_of("gbrpf32le", 8), colour="linear")
    planes = tuple(np.full((8, 8), v, np.float32) for v in (0.18, 0.0, 1.0))
    made = convert(PixelImage(planes, layout), layout_of("gbrp16le", 8))
    signal = [int(made.component(n)[0, 0]) / 65535 for n in range(3)]
    assert signal == pytest.approx([1.0, 0.4091, 0.0], abs=1e-3)
