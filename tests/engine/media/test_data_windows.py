"""EXR whose data window is larger or smaller than what is shown comes back as it was."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stylesync_engine.arrays import Array
from stylesync_engine.media import Clip, Reading, VideoWriter, probe_video, read_frames
from stylesync_engine.media.exr import read_exr
from stylesync_engine.request import MediaError

oiio = pytest.importorskip("OpenImageIO")
AT_25 = Reading(rate=Fraction(25))


def write_image(
    path: Path, corner: tuple[int, int], size: tuple[int, int], display: tuple[int, int] = (0, 0)
) -> Array:
    """Noise in a data window; 64x48 are shown."""
    spec = oiio.ImageSpec(*size, 3, oiio.HALF)
    spec.x, spec.y = corner
    spec.full_x, spec.full_y = display
    spec.full_width, spec.full_height = 64, 48
    pixels = np.random.default_rng(1).uniform(0, 2, (size[1], size[0], 3)).astype(np.float16)
    file = oiio.ImageOutput.create(str(path))
    assert file.open(str(path), spec)
    assert file.write_image(pixels.astype(np.float32))
    file.close()
    return pixels.astype(np.float32)


@pytest.mark.parametrize(
    ("corner", "size"),
    [((-8, -6), (80, 60)), ((0, 0), (64, 48)), ((4, 2), (50, 40)), ((-5, 3), (80, 30))],
)
@pytest.mark.parametrize("display", [(0, 0), (3, 2), (-10, 100)])
def test_the_windows_come_back(
    tmp_path: Path, corner: tuple[int, int], size: tuple[int, int], display: tuple[int, int]
) -> None:
    pixels = [write_image(tmp_path / f"in.{n}.exr", corner, size, display) for n in (1001, 1002)]
    info = probe_video(Clip(str(tmp_path / "in.%04d.exr"), AT_25))
    assert (info.width, info.height) == (64, 48)
    with VideoWriter(tmp_path / "out.%04d.exr", info, "exr") as writer:
        for frame in read_frames(info.clip):
            writer.write(frame)
    for number, given in zip((1001, 1002), pixels, strict=True):
        file = oiio.ImageInput.open(str(tmp_path / f"out.{number}.exr"))
        spec, made = file.spec(), file.read_image(oiio.FLOAT)
        file.close()
        assert (spec.x, spec.y, spec.width, spec.height) == (*corner, *size)
        assert (spec.full_x, spec.full_y, spec.full_width, spec.full_height) == (*display, 64, 48)
        assert np.array_equal(made, given)


def test_the_first_part_with_a_picture_is_read(tmp_path: Path) -> None:
    """Depth lies in the first part, the picture in the second, in small letters."""
    specs = []
    for name, channels in (("depth", ("Z",)), ("beauty", ("r", "g", "b"))):
        spec = oiio.ImageSpec(80, 60, len(channels), oiio.HALF)
        spec.channelnames, spec.x, spec.y = channels, -8, -6
        spec.full_x, spec.full_y, spec.full_width, spec.full_height = 0, 0, 64, 48
        spec.attribute("oiio:subimagename", name)
        specs.append(spec)
    pixels = np.random.default_rng(2).uniform(0, 2, (60, 80, 3)).astype(np.float16)
    path = tmp_path / "in.1001.exr"
    file = oiio.ImageOutput.create(str(path))
    assert file.open(str(path), specs)
    assert file.write_image(np.ones((60, 80, 1), np.float32))
    assert file.open(str(path), specs[1], "AppendSubimage")
    assert file.write_image(pixels.astype(np.float32))
    file.close()
    image = read_exr(path).image
    shown = np.stack([image.component(number) for number in range(3)], axis=2)
    assert np.array_equal(shown, pixels[6:54, 8:72].astype(np.float32))


def test_images_below_zero_are_said(tmp_path: Path) -> None:
    for number in ("-0001", "0000", "0001"):
        write_image(tmp_path / f"in.{number}.exr", (0, 0), (64, 48))
    with pytest.raises(MediaError, match="below number 0"):
        probe_video(Clip(str(tmp_path / "in.%04d.exr"), AT_25))


def test_names_that_are_not_utf_8(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    write_image(tmp_path / "in.exr", (-8, -6), (80, 60))
    (tmp_path / "in.exr").rename(folder / os.fsdecode(b"\xe9.1001.exr"))
    info = probe_video(Clip(str(folder / os.fsdecode(b"\xe9.%04d.exr")), AT_25))
    with VideoWriter(folder / os.fsdecode(b"\xe8.%04d.exr"), info, "exr") as writer:
        for frame in read_frames(info.clip):
            writer.write(frame)
    assert (folder / os.fsdecode(b"\xe8.1001.exr")).stat().st_size > 1000


@pytest.mark.parametrize(
    ("name", "kind", "value"),
    [
        ("chromaticities", "float[2]", (0.3, 0.3)), ("chromaticities", "string", "x"),
        ("FramesPerSecond", "float", 0.0), ("PixelAspectRatio", "float", 1e-6),
        ("smpte:TimeCode", "float", 1.5),
        ("reelName", "int", 7),
    ],
)  # fmt: skip
def test_an_attribute_that_says_nonsense_says_nothing(
    name: str, kind: str, value: Any, tmp_path: Path
) -> None:
    path = tmp_path / "a.exr"
    spec = oiio.ImageSpec(8, 8, 3, oiio.HALF)
    spec.attribute(name, oiio.TypeDesc(kind), value)
    file = oiio.ImageOutput.create(str(path))
    assert file.open(str(path), spec)
    assert file.write_image(np.zeros((8, 8, 3), np.float32))
    file.close()
    read = read_exr(path)
    assert (read.rate, read.timecode, read.reel, read.sample_aspect) == (None, None, None, 1)
