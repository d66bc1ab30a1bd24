"""Numbered images as clips, EXR in and out; OpenImageIO reads what was written."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from clip_fixtures import Ffmpeg

from stylesync_engine.media import (
    Clip,
    ColourTags,
    ExrPart,
    Frame,
    Reading,
    VideoInfo,
    VideoWriter,
    probe_video,
    read_frames,
)
from stylesync_engine.pictures.formats import layout_of
from stylesync_engine.pictures.image import PixelImage
from stylesync_engine.request import Codec, FrameRange, MediaError

oiio = pytest.importorskip("OpenImageIO")
WIDTH, HEIGHT, COUNT = 32, 24, 3
RATE = Fraction(24000, 1001)


def clip_of(name: str, codec: str = "made") -> tuple[VideoInfo, list[Frame]]:
    layout = layout_of(name, HEIGHT)
    if layout.floating:
        layout = replace(layout, colour="linear")
    generator = np.random.default_rng(1)
    shape = (HEIGHT, WIDTH) if layout.channels == 1 else (HEIGHT, WIDTH, layout.channels)
    frames = []
    for index in range(COUNT):
        values = generator.random((max(p for p, _ in layout.components) + 1, *shape))
        scale = 7.0 if layout.floating else layout.peak
        scaled = (values * scale).astype(np.float16 if layout.floating else layout.dtype)
        planes = tuple(plane.astype(layout.dtype) for plane in scaled)
        frames.append(Frame(index, index / RATE, 1 / RATE, PixelImage(planes, layout)))
    info = VideoInfo(
        "made", RATE, COUNT, WIDTH, HEIGHT, layout, codec, COUNT / RATE, 1 / RATE,
        timecode="01:00:00:22", reel="A001",
    )  # fmt: skip
    return info, frames


def write(path: Path, codec: Codec, info: VideoInfo, frames: list[Frame]) -> Path:
    with VideoWriter(path, info, codec) as writer:
        for frame in frames:
            writer.write(frame)
    return path


@pytest.mark.parametrize("name", ["gbrpf32le", "gbrapf32le"])
@pytest.mark.parametrize("codec", ["exr-half", "exr-float"])
def test_light_comes_back_bit_for_bit(name: str, codec: str, tmp_path: Path) -> None:
    info, frames = clip_of(name, codec)
    path = write(tmp_path / "a.%04d.exr", "exr", replace(info, first_number=1001), frames)
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"a.{1001 + i}.exr" for i in range(3)]
    found = probe_video(path)
    assert (found.rate, found.frames, found.codec) == (RATE, COUNT, codec)
    assert (found.timecode, found.reel, found.first_number) == ("01:00:00:22", "A001", 1001)
    assert found.layout == info.layout
    for one, other in zip(frames, read_frames(path), strict=True):
        assert (one.time, one.duration) == (other.time, other.duration)
        for number in range(len(info.layout.components)):
            assert np.array_equal(one.image.component(number), other.image.component(number))
    last = oiio.ImageInput.open(str(tmp_path / "a.1003.exr")).spec()
    assert last.getattribute("FramesPerSecond") == (24000, 1001)
    assert probe_video(tmp_path / "a.####.exr").frames == COUNT
    assert [f.index for f in read_frames(path, FrameRange(1, 3))] == [1, 2]


def test_a_drop_frame_time_code_goes_on(tmp_path: Path) -> None:
    info, frames = clip_of("gbrpf32le")
    info = replace(info, rate=Fraction(30000, 1001), timecode="00:00:59;28")
    write(tmp_path / "a.%d.exr", "exr", info, frames)
    shown = tmp_path / "b.%d.exr"
    (tmp_path / "a.2.exr").rename(tmp_path / "b.7.exr")
    assert probe_video(shown).timecode == "00:01:00;02"


def test_the_data_window_lies_in_the_display_window(tmp_path: Path) -> None:
    spec = oiio.ImageSpec(8, 6, 3, oiio.FLOAT)
    spec.x, spec.y, spec.full_width, spec.full_height = -2, 5, WIDTH, HEIGHT
    pixels = np.random.default_rng(0).random((6, 8, 3)).astype(np.float32)
    file = oiio.ImageOutput.create(str(tmp_path / "w.1.exr"))
    file.open(str(tmp_path / "w.1.exr"), spec)
    file.write_image(pixels)
    file.close()
    image = next(iter(read_frames(Clip(str(tmp_path / "w.%d.exr"), Reading(rate=RATE))))).image
    assert image.size == (WIDTH, HEIGHT)
    assert np.array_equal(image.component(0)[5:11, :6], pixels[:, 2:, 0])
    assert not image.component(0)[11:].any()


@pytest.mark.parametrize("name", ["rgb24", "rgb48le"])
def test_png_comes_back_and_needs_a_rate(name: str, tmp_path: Path) -> None:
    info, frames = clip_of(name)
    info = replace(info, colour=ColourTags(2, 9, 16, 0))
    path = write(tmp_path / "s" / "a.%04d.png", "png", info, frames)
    with pytest.raises(MediaError, match="its rate"):
        probe_video(path)
    reading = Reading(rate=Fraction("23.976"))
    found = probe_video(Clip(str(path), reading))
    assert (found.rate, found.colour.primaries, found.colour.transfer) == (RATE, 9, 16)
    for one, other in zip(frames, read_frames(found.clip), strict=True):
        for number in range(3):
            assert np.array_equal(one.image.component(number), other.image.component(number))


def test_dpx_comes_back(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    info, frames = clip_of("gbrp10le")
    clip = write(tmp_path / "a.mkv", "ffv1", info, frames)
    folder = ffmpeg("dpx.%03d.dpx", "-i", clip).parent
    reading = Reading(rate=RATE)
    for one, other in zip(
        frames, read_frames(Clip(str(folder / "dpx.%03d.dpx"), reading)), strict=True
    ):
        assert other.image.layout.depth == 10
        assert np.array_equal(one.image.component(1), other.image.component(1))


@pytest.mark.parametrize(
    ("rate", "label", "bits"),
    [
        ("25", "10:00:03:24", 0x10000324),
        ("50", "10:00:03:49", 0x10000324 | 1 << 15),
        ("60", "23:59:59:58", 0x23595929),
        ("60000/1001", "01:09:00;05", 0x01090002 | 1 << 15 | 1 << 6),
    ],
)
def test_two_frames_share_a_label_above_thirty(
    tmp_path: Path, rate: str, label: str, bits: int
) -> None:
    info, frames = clip_of("gbrpf32le")
    info = replace(info, rate=Fraction(rate), timecode=label)
    path = write(tmp_path / "a.%04d.exr", "exr", info, frames[:1])
    assert probe_video(path).timecode == label
    spec = oiio.ImageInput.open(str(tmp_path / "a.0000.exr")).spec()
    assert spec.getattribute("smpte:TimeCode")[0] == bits


def test_dpx_says_its_rate_and_time_code(tmp_path: Path) -> None:
    spec = oiio.ImageSpec(64, 48, 3, oiio.UINT16)
    spec.attribute("dpx:FrameRate", 60.0)
    spec.attribute("dpx:TemporalFrameRate", 60.0)
    spec.attribute("smpte:TimeCode", oiio.TypeDesc("timecode"), (0x10000329 | 1 << 15, 0))
    file = oiio.ImageOutput.create("a.dpx")
    assert file.open(str(tmp_path / "a.0001.dpx"), spec)
    assert file.write_image(np.zeros((48, 64, 3), np.float32))
    file.close()
    info = probe_video(tmp_path / "a.%04d.dpx")
    assert (info.rate, info.timecode) == (60, "10:00:03:59")


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no image"):
        probe_video(tmp_path / "a.%04d.exr")
    info, frames = clip_of("gbrpf32le")
    path = write(tmp_path / "a.%04d.exr", "exr", info, frames)
    (tmp_path / "a.0001.exr").unlink()
    with pytest.raises(MediaError, match="Image 1 of"):
        probe_video(path)
    (tmp_path / "a.0001.exr").write_bytes(b"v/1\1")
    assert probe_video(path).frames == COUNT
    with pytest.raises(MediaError, match="damaged"):
        list(read_frames(path))


def test_parts_keep_their_own_window(tmp_path: Path) -> None:
    info, frames = clip_of("gbrpf32le")
    matte = np.random.default_rng(0).random((5, 7, 1)).astype(np.float16).astype(np.float32)
    with VideoWriter(tmp_path, info, "exr") as writer:
        writer.write(frames[0], [ExrPart("dub", ("matte.A",), matte, (9, 4))])
    file = oiio.ImageInput.open(str(tmp_path / "000000.exr"))
    assert file.seek_subimage(1, 0)
    spec = file.spec()
    assert (spec.x, spec.y, spec.width, spec.height, spec.full_width) == (9, 4, 7, 5, WIDTH)
    assert np.array_equal(file.read_image(1, 0, 0, 1, oiio.FLOAT), matte)


def test_a_movie_becomes_light_and_back(tmp_path: Path) -> None:
    info, frames = clip_of("gbrp10le")
    path = write(tmp_path / "a.%04d.exr", "exr", info, frames)
    back = probe_video(path)
    assert (back.codec, back.layout.colour) == ("exr-half", "linear")
    code = int(frames[0].image.component(0)[0, 0]) / 1023
    light = float(next(iter(read_frames(path))).image.component(0)[0, 0])
    assert light == pytest.approx(((code + 0.099) / 1.099) ** (1 / 0.45), rel=2e-3)
    again = write(tmp_path / "b.%04d.png", "png", back, list(read_frames(path)))
    images = read_frames(Clip(str(again), Reading(rate=RATE)))
    for one, other in zip(frames, images, strict=True):
        want = one.image.component(2) / 1023.0
        assert np.abs(other.image.component(2) / 65535.0 - want).max() < 1e-3
