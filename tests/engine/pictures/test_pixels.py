"""Code values in place: conversions against OpenCV, blends against what they promise."""

from __future__ import annotations

import itertools
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stylesync_engine.pictures.chroma import enlarge_columns, enlarge_rows
from stylesync_engine.pictures.converting import convert
from stylesync_engine.pictures.formats import PixelLayout, is_supported, layout_of
from stylesync_engine.pictures.image import PixelImage
from stylesync_engine.request import MediaError

FORMATS = (
    "yuv420p", "yuvj420p", "yuv422p", "yuv440p", "yuv444p", "yuv411p", "yuv420p10le",
    "yuv422p10le", "yuv444p12le", "yuv420p16le", "yuva444p10le", "gray", "gray10le", "gray16le",
    "ya8", "rgb24", "bgr24", "rgba", "bgra", "argb", "bgr0", "rgb48le", "rgba64le", "gbrp",
    "gbrp10le", "gbrp12le", "gbrp16le", "gbrap", "gbrap16le", "gbrpf32le",
)  # fmt: skip


def random_image(layout: PixelLayout, width: int, height: int, seed: int = 0) -> PixelImage:
    """Noise over all code values, legal or not."""
    generator = np.random.default_rng(seed)
    planes = []
    for number in range(max(plane for plane, _ in layout.components) + 1):
        chroma = layout.kind == "yuv" and number in (1, 2)
        rows = -(-height >> layout.chroma_y) if chroma else height
        columns = -(-width >> layout.chroma_x) if chroma else width
        shape = (rows, columns) if layout.channels == 1 else (rows, columns, layout.channels)
        values = generator.random(shape) * (layout.peak + (0 if layout.floating else 1))
        planes.append(values.astype(layout.dtype))
    return PixelImage(tuple(planes), layout)


def same(one: PixelImage, other: PixelImage) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one.planes, other.planes, strict=True))


@st.composite
def images_and_boxes(draw: st.DrawFn) -> tuple[PixelImage, tuple[int, int, int, int]]:
    layout = layout_of(draw(st.sampled_from(FORMATS)), draw(st.sampled_from((288, 1080))))
    siting = draw(st.sampled_from(((0.0, 0.5), (0.5, 0.5), (1.0, 0.5), (0.5, 0.0), (0.0, 0.0))))
    layout = replace(layout, siting=siting)
    width, height = draw(st.integers(3, 23)), draw(st.integers(3, 19))
    left, top = draw(st.integers(-4, width - 1)), draw(st.integers(-4, height - 1))
    right, bottom = left + draw(st.integers(1, 20)), top + draw(st.integers(1, 20))
    return random_image(layout, width, height, draw(st.integers(0, 99))), (left, top, right, bottom)


def paste(region: np.ndarray, image: PixelImage, box: tuple[int, int, int, int]) -> np.ndarray:
    """A region of the clipped box as a picture of the whole box."""
    inner = image.clip(box)
    whole = np.zeros((box[3] - box[1], box[2] - box[0], 3), np.float32)
    whole[inner[1] - box[1] : inner[3] - box[1], inner[0] - box[0] : inner[2] - box[0]] = region
    return whole


@settings(max_examples=120, deadline=None)
@given(images_and_boxes())
def test_own_pixels_through_a_full_matte_change_nothing(case):
    image, box = case
    if image.clip(box)[0] >= image.clip(box)[2] or image.clip(box)[1] >= image.clip(box)[3]:
        return
    own = paste(image.region_to_rgb(box), image, box)
    assert same(image.blend_region(box, own, np.ones(own.shape[:2], np.float32)), image)


@settings(max_examples=120, deadline=None)
@given(images_and_boxes(), st.integers(0, 99))
def test_pixels_without_matte_stay_bit_for_bit(case, seed):
    image, box = case
    generator = np.random.default_rng(seed)
    size = (box[3] - box[1], box[2] - box[0])
    rgb = generator.random((*size, 3)).astype(np.float32)
    matte = np.where(generator.random(size) < 0.3, 0, generator.random(size)).astype(np.float32)
    rgb[matte == 0] = np.nan
    before = [plane.copy() for plane in image.planes]
    result = image.blend_region(box, rgb, matte)
    assert all(np.array_equal(a, b) for a, b in zip(before, image.planes, strict=True))
    kept = np.ones((image.height, image.width), bool)
    for y, x in np.add(np.argwhere(matte > 0), (box[1], box[0])):
        if 0 <= y < image.height and 0 <= x < image.width:
            kept[y, x] = False
    for number in range(len(image.layout.components)):
        old, new = image.component(number), result.component(number)
        alpha = image.layout.has_alpha and number == len(image.layout.components) - 1
        for row, column in itertools.product(range(old.shape[0]), range(old.shape[1])):
            chroma = image.layout.kind == "yuv" and number in (1, 2)
            y, x = (image.layout.chroma_y, image.layout.chroma_x) if chroma else (0, 0)
            cell = kept[row << y : (row + 1) << y, column << x : (column + 1) << x]
            if alpha or cell.any():
                assert np.array_equal(old[row, column], new[row, column])


@pytest.mark.parametrize("name", FORMATS)
def test_a_full_matte_shows_the_new_colour_alone(name):
    image = random_image(layout_of(name, 1080), 16, 12)
    colour = np.array([0.25, 0.5, 0.75], np.float32)
    rgb = np.broadcast_to(colour, (12, 16, 3)).astype(np.float32)
    shown = image.blend_region((0, 0, 16, 12), rgb, np.ones((12, 16), np.float32))
    expected = (
        rgb if image.layout.kind != "gray" else np.full_like(rgb, colour @ (0.2126, 0.7152, 0.0722))
    )
    # Old chroma halfway between two samples was rounded once: up to half a code of it remains.
    seen = shown.region_to_rgb((0, 0, 16, 12))
    assert np.abs(seen - expected).max() <= 2.5 / image.layout.peak + 1e-5


def test_half_a_matte_is_half_the_way():
    layout = layout_of("yuv444p16le", 1080)
    image = random_image(layout, 8, 8)
    rgb = np.random.default_rng(1).random((8, 8, 3)).astype(np.float32)
    old = image.region_to_rgb((0, 0, 8, 8))
    new = image.blend_region((0, 0, 8, 8), rgb, np.full((8, 8), 0.5, np.float32))
    inside = np.all((new.planes[0] > 0) & (new.planes[0] < 65535))
    assert inside
    assert np.abs(new.region_to_rgb((0, 0, 8, 8)) - (old + rgb) / 2).max() < 1e-3


def test_rgb_of_4_4_4_agrees_with_the_equations_of_the_standard():
    layout = layout_of("yuv444p", 1080, full_range=False, matrix="bt709")
    image = PixelImage(tuple(np.array([[value]], np.uint8) for value in (235, 128, 128)), layout)
    assert np.allclose(image.region_to_rgb((0, 0, 1, 1)), 1.0, atol=1e-6)
    red = PixelImage(tuple(np.array([[v]], np.uint8) for v in (63, 102, 240)), layout)
    assert np.allclose(red.region_to_rgb((0, 0, 1, 1)), [[[1.0, 0.0, 0.0]]], atol=0.01)
    assert red.to_rgb8()[0, 0].tolist() == pytest.approx([255, 0, 0], abs=2)


def test_full_range_601_agrees_with_opencv():
    image = random_image(layout_of("yuvj444p", 288), 32, 32)
    crcb = cv2.merge([image.planes[0], image.planes[2], image.planes[1]])
    expected = cv2.cvtColor(crcb, cv2.COLOR_YCrCb2RGB)
    assert np.abs(image.to_rgb8().astype(int) - expected).max() <= 2


def test_limited_601_agrees_with_opencv_on_flat_chroma():
    layout = layout_of("yuv420p", 288, full_range=False)
    luma = np.random.default_rng(0).integers(16, 236, (16, 16), dtype=np.uint8)
    chroma = [np.full((8, 8), value, np.uint8) for value in (110, 150)]
    i420 = np.concatenate([plane.reshape(-1) for plane in (luma, *chroma)]).reshape(24, 16)
    expected = cv2.cvtColor(i420, cv2.COLOR_YUV2RGB_I420)
    image = PixelImage((luma, *chroma), layout)
    assert np.abs(image.to_rgb8().astype(int) - expected).max() <= 2


@pytest.mark.parametrize("name", FORMATS)
def test_the_whole_picture_and_a_region_agree(name):
    image = random_image(layout_of(name, 288), 21, 17)
    region = np.clip(image.region_to_rgb((4, 3, 15, 14)), 0, 1) * 255
    assert np.abs(image.to_rgb8()[3:14, 4:15] - region).max() <= 1.01
    shown = image.region_to_rgb8((4, 3, 15, 14)).astype(int)
    assert np.abs(image.to_rgb8()[3:14, 4:15] - shown).max() <= 1


@pytest.mark.parametrize("siting", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("shift", [0, 1, 2])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_columns_are_enlarged_as_rows_are(dtype, shift, siting):
    plane = (np.random.default_rng(0).random((5, 9)) * 255).astype(dtype)
    for start, end in ((0, 9 << shift), (1, (9 << shift) - 1), (3, 4), (8, 9)):
        by_rows = enlarge_rows(np.ascontiguousarray(plane.T), start, end, shift, siting).T
        np.testing.assert_array_equal(enlarge_columns(plane, start, end, shift, siting), by_rows)


@pytest.mark.parametrize("name", ["yuv420p", "yuv422p10le", "rgb24", "gbrpf32le", "gray"])
def test_a_shrunk_picture_is_the_mean_of_what_is_shown(name):
    image = random_image(layout_of(name, 288), 64, 48)
    smooth = tuple(
        cv2.GaussianBlur(plane.astype(np.float32), (0, 0), 4).astype(plane.dtype)
        for plane in image.planes
    )
    image = PixelImage(smooth, image.layout)
    means = cv2.resize(image.to_rgb8(), (8, 6), interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(image.shrink(8, 6) - means).max() <= 4


def test_what_the_file_does_not_say_takes_the_custom():
    assert layout_of("yuv420p", 576).matrix == "bt601"
    assert layout_of("yuv420p", 720).matrix == "bt709"
    assert layout_of("yuvj420p", 720).full_range
    assert not layout_of("yuv420p", 720).full_range
    assert layout_of("rgb24", 720, full_range=False).full_range
    assert layout_of("rgba64le", 720).has_alpha
    assert not is_supported("bayer_bggr8")
    with pytest.raises(MediaError, match="bayer_bggr8"):
        layout_of("bayer_bggr8", 720)
    with pytest.raises(MediaError, match="ycgco"):
        layout_of("yuv444p", 720, matrix="ycgco")


@pytest.mark.parametrize(
    ("source", "wider"),
    [
        ("yuv420p", "yuv422p10le"), ("yuv420p", "yuv444p10le"), ("yuv422p", "yuv422p10le"),
        ("yuv420p10le", "yuv444p16le"), ("rgb24", "bgr0"), ("rgba", "bgra"), ("gbrp", "rgb48le"),
        ("gbrap", "rgba64le"), ("gray", "yuv420p"), ("rgb24", "gbrp10le"),
    ],
)  # fmt: skip
def test_a_wider_layout_gives_everything_back(source, wider):
    image = random_image(layout_of(source, 288), 17, 13)
    there = convert(image, layout_of(wider, 288, full_range=image.layout.full_range))
    assert same(convert(there, image.layout), image)


def test_a_deeper_limited_range_is_a_shift():
    image = random_image(layout_of("yuv422p", 288), 8, 8)
    deep = convert(image, layout_of("yuv422p10le", 288))
    assert all(
        np.array_equal(a.astype(int) * 4, b) for a, b in zip(image.planes, deep.planes, strict=True)
    )


def test_rgb_survives_yuv_within_two_codes():
    image = random_image(layout_of("rgb24", 1080), 16, 16)
    there = convert(image, layout_of("yuv444p10le", 1080))
    assert np.abs(there.to_rgb8().astype(int) - image.planes[0]).max() <= 1
