"""Files as cameras and recorders write them: whose time code counts otherwise than their pictures.

The oracles are bytes that the tests set themselves and plain arithmetic.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
import pytest
from places import DATA

from stylesync_engine.media import probe_video, read_frames
from stylesync_engine.media.timecode import recount_timecode
from stylesync_engine.request import FrameRange, MediaError

NTSC: Final = Fraction(30000, 1001)


def write_card(path: Path, rate: Fraction, timecode: str, codec: str = "mpeg4") -> Path:
    """A gray clip with a time code."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        stream.metadata["timecode"] = timecode
        for _ in range(10):
            picture = av.VideoFrame.from_ndarray(np.full((240, 320, 3), 99, np.uint8), "rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def count_half(path: Path) -> None:
    """Let the time code's sample description say half as many frames a second."""
    data = bytearray(path.read_bytes())
    at = data.rindex(b"tmcd", 0, data.rindex(b"stts")) + 20  # time scale, duration, frames
    data[at : at + 4] = (int.from_bytes(data[at : at + 4]) // 2).to_bytes(4)
    data[at + 8] //= 2
    path.write_bytes(data)


@pytest.mark.parametrize("suffix", [".mov", ".mp4"])
@pytest.mark.parametrize(
    ("rate", "label"),
    [(Fraction(50), "10:00:00:06"), (2 * NTSC, "00:01:00:05"), (Fraction(48), "01:00:00:23")],
)
def test_a_time_code_that_counts_half_the_frames(
    tmp_path: Path, suffix: str, rate: Fraction, label: str
) -> None:
    path = write_card(tmp_path / f"cam{suffix}", rate, label)
    assert probe_video(path).timecode == label
    count_half(path)
    # The number in the file is the same, and each now stands for two frames.
    found = probe_video(path).timecode
    assert found is not None
    assert number_of(found, round(rate)) == 2 * number_of(label, round(rate))


def number_of(label: str, counted: int) -> int:
    hours, minutes, seconds, frames = map(int, label.split(":"))
    return ((hours * 60 + minutes) * 60 + seconds) * counted + frames


def test_the_same_in_mxf(tmp_path: Path) -> None:
    path = write_card(tmp_path / "cam.mxf", Fraction(50), "10:00:00:06", codec="mpeg2video")
    assert probe_video(path).timecode == "10:00:00:06"
    data = path.read_bytes()
    path.write_bytes(data.replace(b"\x15\x02\x00\x02\x00\x32", b"\x15\x02\x00\x02\x00\x19"))
    assert probe_video(path).timecode == "20:00:00:12"


@pytest.mark.parametrize(
    ("label", "counted", "nominal", "same_moment"),
    [
        ("10:00:00:06", 25, 50, "10:00:00:12"),
        ("00:59:59;29", 30, 60, "00:59:59;58"),
        ("01:00:00;00", 30, 60, "01:00:00;00"),  # 107892 of 29.97 are 215784 of 59.94
        ("00:01:00;02", 30, 60, "00:01:00;04"),  # the first label after the dropped ones
        ("10:00:00:25", 50, 25, "10:00:00:12"),
        ("01:00:00:12", 24, 25, "01:00:00:12"),
        ("00:59:59:24", 25, 25, "00:59:59:24"),
    ],
)
def test_labels_recounted(label: str, counted: int, nominal: int, same_moment: str) -> None:
    assert recount_timecode(label, counted, nominal) == same_moment


def test_the_cameras_own_file() -> None:
    path = DATA / "cases" / "24-half-rate-tc-in-edl" / "cam50.mov"
    if not path.is_file():
        pytest.skip(f"needs {path}")
    assert probe_video(path).timecode == "10:00:00:12"  # 10:00:00:06 of 25


def cut_between_keys(source: Path, target: Path, first: int, last: int | None = None) -> list[int]:
    """The packets `first` to `last`, as a copy without encoding writes them; returns the numbers
    of their frames from the first key on."""
    with av.open(str(source)) as given, av.open(str(target), "w") as made:
        stream = made.add_stream_from_template(given.streams.video[0])
        packets = [packet for packet in given.demux(video=0) if packet.size]
        stamps = sorted(packet.pts for packet in packets)
        kept = packets[first:last]
        key = stamps.index(next(packet.pts for packet in kept if packet.is_keyframe))
        there = sorted(stamps.index(packet.pts) for packet in kept)
        for packet in kept:
            packet.stream = stream
            made.mux(packet)
    return [number for number in there if number >= key]


def write_numbers(path: Path, codec: str, options: dict[str, str]) -> Path:
    """50 frames of which each has its own shade of gray: 4 n + 20."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        stream.bit_rate = 20_000_000
        for number in range(50):
            shade = np.full((360, 320), 128, np.uint8)
            shade[:240] = 4 * number + 20
            container.mux(stream.encode(av.VideoFrame.from_ndarray(shade, "yuv420p")))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("suffix", "codec", "options"),
    [
        (".mkv", "libx264", {"g": "12", "bf": "2", "sc_threshold": "0"}),
        (".mov", "libx264", {"g": "12", "bf": "2", "x264-params": "open-gop=1"}),
        (".mp4", "libx265", {"g": "12", "x265-params": "log-level=error:keyint=12"}),
        (".mxf", "mpeg2video", {"g": "12", "bf": "2"}),
        (".ts", "mpeg2video", {"g": "12", "bf": "2"}),
    ],
)
@pytest.mark.parametrize(
    ("first", "last"),
    [(0, None), (1, None), (5, None), (8, None), (0, 41), (0, 42), (5, 44), (1, 45)],
)
def test_a_file_cut_between_key_frames(
    tmp_path: Path,
    suffix: str,
    codec: str,
    options: dict[str, str],
    first: int,
    last: int | None,
) -> None:
    stamped = {".mkv": ".mov"}.get(suffix, suffix)  # one that states when packets are decoded
    whole = write_numbers(tmp_path / f"whole{stamped}", codec, options)
    cut = tmp_path / f"cut{suffix}"
    there = cut_between_keys(whole, cut, first, last)
    if suffix != ".mxf":  # which counts its frames and knows no hole
        there = [number for at, number in enumerate(there, there[0]) if number == at]
    info = probe_video(cut)
    shades = [float(frame.image.planes[0].mean()) for frame in read_frames(cut)]
    numbers = [round((shade - 20) / 4) for shade in shades]
    assert len(numbers) == info.frames
    assert max(abs(s - 20 - 4 * n) for s, n in zip(shades, numbers, strict=True)) < 1.5
    # Everything from the first good frame on, and nothing beyond it that is whole.
    assert numbers == there
    assert (info.rate, info.variable_rate) == (25, False)
    assert info.missing_frames == 0
    part = FrameRange(info.frames - 9, info.frames - 2)
    assert [round((f.image.planes[0].mean() - 20) / 4) for f in read_frames(cut, part)] == (
        numbers[-9:-2]
    )


def test_the_film_is_the_default_stream(tmp_path: Path) -> None:
    """A small picture stream comes first and is not the default."""
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("mpeg4", rate=25) for _ in range(2)]
        for stream, width in zip(streams, (64, 320), strict=True):
            stream.width, stream.height, stream.pix_fmt = width, 64, "yuv420p"
        streams[0].disposition = av.stream.Disposition(0)
        streams[1].disposition = av.stream.Disposition.default
        for _ in range(5):
            for stream in streams:
                shade = np.full((96, stream.width), 100, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(shade, "yuv420p")))
        for stream in streams:
            container.mux(stream.encode(None))
    assert probe_video(path).width == 320
    assert [frame.image.width for frame in read_frames(path)] == [320] * 5


@pytest.mark.parametrize("name", ["cover.mp4", "coverfirst.mp4"])
def test_a_cover_is_not_the_film(name: str) -> None:
    path = DATA / "cases" / "11-two-pictures" / name
    if not path.is_file():
        pytest.skip(f"needs {path}")
    assert (probe_video(path).width, len(list(read_frames(path)))) == (360, 50)


def gray(width: int, height: int, pixel_format: str = "yuv420p") -> av.VideoFrame:
    frame = av.VideoFrame(width, height, pixel_format)
    for plane in frame.planes:
        plane.update(bytes([100]) * plane.buffer_size)
    return frame


@pytest.mark.parametrize("flagged", [True, False])
def test_a_still_that_does_not_say_that_it_is_one(tmp_path: Path, flagged: bool) -> None:
    """A camera's preview picture as the first stream, flagged as the default."""
    path = tmp_path / "preview.mkv"
    with av.open(str(path), "w") as container:
        still, film = container.add_stream("mjpeg", rate=25), container.add_stream("mpeg4", rate=25)
        for stream, size in ((still, 64), (film, 128)):
            stream.width, stream.height = size, size
            stream.disposition = av.stream.Disposition(0)
        still.pix_fmt, film.pix_fmt = "yuvj420p", "yuv420p"
        if flagged:
            still.disposition = av.stream.Disposition.default
        container.mux(still.encode(gray(64, 64, "yuvj420p")))
        for _ in range(5):
            container.mux(film.encode(gray(128, 128)))
        for stream in (still, film):
            container.mux(stream.encode(None))
    assert (probe_video(path).width, len(list(read_frames(path)))) == (128, 5)


def test_the_containers_colours_count_where_the_codecs_are_unsaid(tmp_path: Path) -> None:
    """ProRes has tags in each frame, QuickTime others beside them."""
    path = tmp_path / "hdr.mov"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("prores_ks", rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 64, "yuv422p10le"
        context = stream.codec_context
        context.color_primaries, context.color_trc, context.colorspace = 9, 16, 9
        for _ in range(3):
            frame = gray(128, 64, "yuv422p10le")
            frame.color_primaries, frame.color_trc, frame.colorspace = 2, 2, 2
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    info = probe_video(path)
    assert (info.colour.primaries, info.colour.transfer, info.colour.matrix) == (9, 16, 9)
    assert info.layout.colour == "pq"
    assert {frame.image.layout.colour for frame in read_frames(path)} == {"pq"}


def test_pictures_that_change_their_size_are_said(tmp_path: Path) -> None:
    whole = b""
    for number, width in enumerate((128, 256)):
        part = tmp_path / f"{number}.ts"
        with av.open(str(part), "w") as container:
            stream = container.add_stream("mpeg2video", rate=25, options={"bf": "0"})
            stream.width, stream.height, stream.pix_fmt = width, 128, "yuv420p"
            for _ in range(8):
                container.mux(stream.encode(gray(width, 128)))
            container.mux(stream.encode(None))
        whole += part.read_bytes()
    path = tmp_path / "both.ts"
    path.write_bytes(whole)
    with pytest.raises(MediaError, match="256x128 from frame [5-8] on, not 128x128"):
        list(read_frames(path))
