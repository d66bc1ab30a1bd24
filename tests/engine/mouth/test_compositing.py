"""Putting a rendered crop back: where it lands, what it leaves alone, how the seam is matched."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from stylesync_engine.faces.face_model import JAW
from stylesync_engine.mouth.compositing import compose, into_picture, match_seam, place_region
from stylesync_engine.mouth.crop import CROP, LOWER
from stylesync_engine.mouth.jaw import contour_matte
from stylesync_engine.pictures.formats import layout_of
from stylesync_engine.pictures.image import PixelImage

Array = NDArray[np.float32]

FORMATS = ["yuv420p", "yuv422p10le", "yuv444p12le", "rgb24", "gbrp16le"]
SOFTNESS = 14.0  # px in the crop by which the matte may reach beyond the jaw


def similarity(scale: float, degrees: float, centre: tuple[float, float]) -> Array:
    """Picture px -> crop px: the picture's `centre` lands in the middle of the crop."""
    c, s = scale * np.cos(np.radians(degrees)), scale * np.sin(np.radians(degrees))
    turn = np.array([[c, s], [-s, c]])
    return np.column_stack([turn, CROP / 2 - turn @ np.array(centre)]).astype(np.float32)


def noise_picture(name: str, width: int = 320, height: int = 240) -> PixelImage:
    layout = layout_of(name, height)
    random = np.random.default_rng(0)

    def plane(number: int) -> NDArray[Any]:
        chroma = layout.kind == "yuv" and number in (1, 2)
        rows = -(-height // (1 << layout.chroma_y)) if chroma else height
        columns = -(-width // (1 << layout.chroma_x)) if chroma else width
        shape = (rows, columns, layout.channels) if layout.channels > 1 else (rows, columns)
        return random.integers(0, int(layout.peak) + 1, shape).astype(layout.dtype)

    return PixelImage(tuple(plane(i) for i in range(1 if layout.channels > 1 else 3)), layout)


def composite(
    image: PixelImage, rendered: Array, matrix: Array, before: Array, after: Array
) -> PixelImage:
    """The frame with a rendered lower half put back."""
    region = place_region(matrix, before, after)
    colours = into_picture(rendered, matrix, region.box, cv2.INTER_CUBIC)
    return image.lay_over(*compose(image, region, colours))


def may_change(matrix: Array, face: Array, width: int, height: int) -> NDArray[np.bool_]:
    """Picture px within reach of the lower face, found by going to the crop point by point."""
    y, x = np.mgrid[:height, :width]
    crop = np.stack([x, y, np.ones_like(x)], axis=-1) @ matrix.T.astype(np.float64)
    hull = cv2.convexHull(face[list(JAW)].astype(np.float32))
    distance = [cv2.pointPolygonTest(hull, tuple(p), True) for p in crop.reshape(-1, 2).tolist()]
    return (np.reshape(distance, x.shape) > -SOFTNESS) & (crop[..., 1] > LOWER - 2)


@pytest.mark.parametrize("name", FORMATS)
def test_what_lies_outside_of_the_face_stays_bit_for_bit(name: str, face: Array) -> None:
    image, matrix = noise_picture(name), similarity(0.9, 12, (150, 110))
    rendered = np.random.default_rng(1).random((LOWER, CROP, 3), np.float32)
    result = composite(image, rendered, matrix, face, face)
    allowed = may_change(matrix, face, image.width, image.height)
    for number in range(3):
        before, after = image.component(number), result.component(number)
        rows, columns = -(-240 // before.shape[0]), -(-320 // before.shape[1])
        cells = allowed[::rows, ::columns][: before.shape[0], : before.shape[1]]
        cells = cv2.dilate(cells.astype(np.uint8), np.ones((3, 3))).astype(bool)
        changed = before != after
        assert changed.any()
        assert not (changed & ~cells).any()


@pytest.mark.parametrize("degrees", [0.0, -20.0, 35.0])
@pytest.mark.parametrize("scale", [0.6, 1.0, 2.3])
def test_the_crop_lands_where_it_was_cut(scale: float, degrees: float, face: Array) -> None:
    """A slope over the crop must be found at each picture px's own place in the crop."""
    image, matrix = noise_picture("gbrp16le"), similarity(scale, degrees, (160, 80))
    x, y = np.meshgrid(np.arange(CROP), np.arange(LOWER, CROP))
    slope = np.stack([x / CROP, y / CROP, (x + y) / (2 * CROP)], axis=2).astype(np.float32)
    got = composite(image, slope, matrix, face, face).region_to_rgb((0, 0, 320, 240))
    mouth = cv2.invertAffineTransform(matrix) @ np.array([CROP / 2, 0.8 * CROP, 1])
    left, top = np.round(mouth).astype(int) - 4
    for row, column in np.ndindex(8, 8):
        place = matrix.astype(np.float64) @ np.array([left + column, top + row, 1])
        want = np.array([place[0], place[1], place.sum() / 2]) / CROP
        np.testing.assert_allclose(got[top + row, left + column], want, atol=0.002)


def test_a_face_at_the_border_is_cut_off(face: Array) -> None:
    image = noise_picture("yuv420p")
    rendered = np.zeros((LOWER, CROP, 3), np.float32)
    result = composite(image, rendered, similarity(1.0, 0, (0, 200)), face, face)
    assert (result.component(0) != image.component(0)).any()
    far = composite(image, rendered, similarity(1.0, 0, (-900, -900)), face, face)
    assert far is image


def test_the_source_is_not_written_to(face: Array) -> None:
    image = noise_picture("yuv420p")
    copies = [plane.copy() for plane in image.planes]
    composite(image, np.ones((LOWER, CROP, 3), np.float32), similarity(1, 0, (160, 90)), face, face)
    for plane, copy in zip(image.planes, copies, strict=True):
        np.testing.assert_array_equal(plane, copy)


def test_a_slow_difference_of_light_is_taken_away(face: Array) -> None:
    rendered = np.full((LOWER, CROP, 3), 0.5, np.float32)
    source = np.full((LOWER, CROP, 3), round(0.545 * 255), np.uint8)
    matched = match_seam(rendered, source, contour_matte(face, face)[LOWER:])
    jaw = np.round(face[list(JAW)]).astype(int)
    edge = [(x, y - LOWER) for x, y in jaw.tolist() if LOWER + 16 < y < CROP - 4]
    assert edge
    for x, y in edge:
        np.testing.assert_allclose(matched[y, x], 0.545, atol=0.006)


def test_structure_at_the_seam_is_not_light(face: Array) -> None:
    """A dark collar beside the chin must not darken the skin."""
    rendered = np.full((LOWER, CROP, 3), 0.5, np.float32)
    source = np.zeros((LOWER, CROP, 3), np.uint8)
    matched = match_seam(rendered, source, contour_matte(face, face)[LOWER:])
    assert float(np.abs(matched - rendered).max()) < 0.085
    assert float(np.abs(matched - rendered)[:100].mean()) < 0.02
