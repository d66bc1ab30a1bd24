"""Comparing clips: the frame, region and size of changes that the test itself made."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from clip_fixtures import MODELS

from stylesync_engine.commands import app
from stylesync_engine.media import Frame, VideoInfo, VideoWriter
from stylesync_engine.pictures.formats import layout_of
from stylesync_engine.pictures.image import PixelImage
from stylesync_engine.request import Codec, DubOptions, DubRequest, FrameRange, RequestError
from stylesync_engine.review.comparing import compare

if TYPE_CHECKING:
    from stylesync_engine.weights.loading import Models

WIDTH, HEIGHT, COUNT = 64, 48, 4


def noise(index: int, name: str) -> PixelImage:
    layout = layout_of(name, HEIGHT)
    generator = np.random.default_rng(index)
    shapes = [(HEIGHT, WIDTH)]
    if len(layout.components) > 1:
        shapes += [(HEIGHT >> layout.chroma_y, WIDTH >> layout.chroma_x)] * 2
    planes = [generator.integers(60, 200, shape).astype(layout.dtype) for shape in shapes]
    return PixelImage(tuple(planes), layout)


def changed(image: PixelImage, number: int, row: int, column: int, step: int) -> PixelImage:
    planes = [plane.copy() for plane in image.planes]
    planes[number][row, column] += step
    return PixelImage(tuple(planes), image.layout)


def write(path: Path, images: list[PixelImage], codec: Codec = "ffv1", **facts: Any) -> Path:
    layout, step = images[0].layout, Fraction(1, 25)
    info = VideoInfo("made", 1 / step, len(images), WIDTH, HEIGHT, layout, "none", step * 4, step)
    with VideoWriter(path, replace(info, **facts), codec) as writer:
        for index, image in enumerate(images):
            writer.write(Frame(index, index * step, step, image))
    return path


def test_a_changed_sample_is_found_with_its_frame_and_region(tmp_path: Path) -> None:
    images = [noise(index, "yuv420p") for index in range(COUNT)]
    one = write(tmp_path / "a.mkv", images)
    images[1] = changed(images[1], 0, 20, 30, 3)
    images[3] = changed(changed(images[3], 0, 5, 9, 1), 2, 10, 12, 7)
    two = write(tmp_path / "b.mkv", images)
    found = compare(one, two)
    assert [d.frame for d in found.differences] == [1, 3]
    assert [d.region for d in found.differences] == [(30, 20, 31, 21), (9, 5, 26, 22)]
    assert [d.outside.largest for d in found.differences] == [3, 7]
    assert found.outside.largest == 7
    samples = COUNT * WIDTH * HEIGHT * 1.5
    assert found.outside.psnr == pytest.approx(
        10 * np.log10(255**2 * samples / (9 + 1 + 49)), abs=0.01
    )
    assert [d.frame for d in compare(one, two, tolerance=3).differences] == [3]
    assert not compare(two, two).differs


def test_a_depth_rounds_both_before(tmp_path: Path) -> None:
    given = [noise(index, "yuv420p") for index in range(COUNT)]
    layout = layout_of("yuv420p12le", HEIGHT)
    deeper = [PixelImage(tuple(p.astype(np.uint16) << 4 for p in i.planes), layout) for i in given]
    deeper[0] = changed(deeper[0], 0, 20, 30, 7)
    deeper[1] = changed(deeper[1], 1, 4, 4, 9)
    one, two = write(tmp_path / "a.mkv", given), write(tmp_path / "b.mkv", deeper)
    assert compare(one, two).outside.largest == 9
    found = compare(one, two, depth=8)
    assert [(d.frame, d.outside.largest) for d in found.differences] == [(1, 1)]
    assert found.outside.psnr == pytest.approx(
        10 * np.log10(255**2 * COUNT * WIDTH * HEIGHT * 1.5), abs=0.01
    )
    assert compare(one, two, depth=12).outside.largest == 9


def test_a_part_is_compared_with_where_it_came_from(tmp_path: Path) -> None:
    images = [noise(index, "yuv422p10le") for index in range(COUNT)]
    one = write(tmp_path / "a.mkv", images, timecode="01:00:00:00")
    two = write(tmp_path / "b.mkv", images[2:], timecode="01:00:00:02")
    found = compare(one, two, first_frame=2)
    assert not found.differs
    assert found.facts["timecode"] == ("01:00:00:00", "01:00:00:02")
    assert found.facts["frames"] == ("4", "2")
    with pytest.raises(RequestError, match="first frame"):
        compare(one, two, first_frame=3)


def test_what_a_matte_covers_may_differ(tmp_path: Path) -> None:
    images = [noise(index, "yuv420p") for index in range(COUNT)]
    one = write(tmp_path / "a.mkv", images)
    images[2] = changed(changed(images[2], 0, 20, 30, 9), 1, 10, 15, 9)
    two = write(tmp_path / "b.mkv", images)
    plane = np.zeros((HEIGHT, WIDTH), np.uint8)
    plane[18:24, 28:34] = 255
    layout = layout_of("gray", HEIGHT)
    matte = write(tmp_path / "m.mkv", [PixelImage((plane,), layout)] * COUNT)
    found = compare(one, two, matte=matte)
    assert not found.differs
    assert found.outside.psnr is None
    assert found.inside is not None
    assert found.inside.largest == 9
    images[2] = changed(images[2], 0, 17, 30, 1)
    found = compare(one, write(tmp_path / "c.mkv", images), matte=matte)
    assert [(d.frame, d.outside.largest) for d in found.differences] == [(2, 1)]


def test_the_exit_code_says_it(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    images = [noise(index, "yuv420p") for index in range(COUNT)]
    one = write(tmp_path / "a.mkv", images)
    images[1] = changed(images[1], 0, 20, 30, 3)
    two = write(tmp_path / "b.mkv", images)
    assert app.main(["compare", str(one), str(one)]) == 0
    assert "0 of 4 frames differ" in capfd.readouterr().out
    assert app.main(["compare", str(one), str(two), "--json"]) == 1
    said = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert said["differs"] is True
    assert said["differences"][0]["region"] == [30, 20, 31, 21]
    assert app.main(["compare", str(one), str(tmp_path / "none.mkv")]) == 3


def test_a_dub_differs_inside_its_matte_alone(
    models: Models, talking: Path, other_speech: Path, tmp_path: Path
) -> None:
    from stylesync_engine import dubbing

    work = tmp_path / "work"
    request = DubRequest(
        str(talking), str(other_speech), str(tmp_path / "dub.mkv"), frames=FrameRange(4, 9),
        work=str(work),
        options=DubOptions(models=MODELS, quality="draft", codec="ffv1", device="cpu"),
    )  # fmt: skip
    dubbing.dub(request, models)
    found = compare(talking, request.output, matte=work)
    assert (found.differs, found.outside.psnr) == (False, None)
    assert found.inside is not None
    assert found.inside.largest > 5
    assert len(compare(talking, request.output, first_frame=4).differences) == 5
    assert len(compare(talking, request.output, first_frame=5).differences) == 5
