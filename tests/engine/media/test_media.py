"""Clips and sound in and out; the oracle is ffmpeg where it is installed, or a clip made here."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from places import DATA, SUPPORT

from stylesync_engine.media import (
    ColourTags,
    Frame,
    VideoInfo,
    VideoWriter,
    check_output,
    probe_video,
    read_audio,
    read_audio_blocks,
    read_frames,
    snap_rate,
    write_audio,
)
from stylesync_engine.media.frames import image_of
from stylesync_engine.media.movies import Movie
from stylesync_engine.media.sound import resampled_length
from stylesync_engine.pictures.formats import layout_of
from stylesync_engine.pictures.image import PixelImage
from stylesync_engine.request import DiskError, FrameRange, MediaError, RequestError
from stylesync_engine.review.comparing import compare

GRID = DATA / "speakers" / "s1" / "bbaf2n.mpg"
needs_ffmpeg = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not installed")
needs_data = pytest.mark.skipif(not GRID.exists(), reason="the data folder is not there")


def ffmpeg(*arguments: object) -> bytes:
    command = ["ffmpeg", "-v", "error", "-y", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True).stdout


def encode(
    path: Path, *arguments: object, rate: str = "25", size: str = "96x64", n: int = 30
) -> Path:
    """A moving test picture, encoded by ffmpeg."""
    source = f"testsrc2=size={size}:rate={rate}"
    ffmpeg("-f", "lavfi", "-i", source, "-frames:v", n, *arguments, f"file:{path}")
    return path


def digests(path: Path, pixel_format: str) -> list[str]:
    """The MD5 of each decoded frame, as ffmpeg sees it."""
    out = ffmpeg(
        "-i", f"file:{path}", "-map", "0:v:0", "-fps_mode", "passthrough",
        "-pix_fmt", pixel_format, "-f", "framemd5", "-",
    )  # fmt: skip
    return [line.split(",")[-1].strip() for line in out.decode().splitlines() if line[0] != "#"]


def digest(frame: Frame) -> str:
    return hashlib.md5(b"".join(p.tobytes() for p in frame.image.planes)).hexdigest()  # noqa: S324


def made_clip(
    pixel_format: str = "yuv420p", count: int = 6, **changes: object
) -> tuple[VideoInfo, list[Frame]]:
    """A clip of noise that no file holds, in any pixel format."""
    layout = layout_of(pixel_format, 48)
    generator = np.random.default_rng(3)
    frames = []
    for index in range(count):
        planes = []
        for number in range(max(plane for plane, _ in layout.components) + 1):
            chroma = layout.kind == "yuv" and number in (1, 2)
            rows = -(-48 >> layout.chroma_y) if chroma else 48
            columns = -(-64 >> layout.chroma_x) if chroma else 64
            shape = (rows, columns) if layout.channels == 1 else (rows, columns, layout.channels)
            planes.append(generator.integers(0, layout.peak + 1, shape).astype(layout.dtype))
        frames.append(
            Frame(index, Fraction(index, 25), Fraction(1, 25), PixelImage(tuple(planes), layout))
        )
    info = VideoInfo(
        "made", Fraction(25), count, 64, 48, layout, "none", Fraction(count, 25), Fraction(1, 25)
    )
    return replace(info, **changes), frames


def write(
    path: Path,
    info: VideoInfo,
    frames: list[Frame],
    codec: str,
    audio: object = None,
) -> Path:
    with VideoWriter(path, info, codec, audio) as writer:
        for frame in frames:
            writer.write(frame)
    return path


def write_and_stop(path: Path, info: VideoInfo, frames: list[Frame], codec: str) -> None:
    with VideoWriter(path, info, codec) as writer:
        writer.write(frames[0])
        raise KeyError("stop")


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def impulses(seconds: float, rate: int, channels: int = 2) -> np.ndarray:
    """Silence with a click every 1601 samples."""
    samples = np.zeros((channels, round(seconds * rate)), np.float32)
    samples[:, ::1601] = 0.5
    return samples


# Reading pictures


@needs_ffmpeg
@pytest.mark.parametrize("rate", ["24000/1001", "24", "25", "30000/1001", "50", "60000/1001"])
@pytest.mark.parametrize("suffix", [".mov", ".mkv"])
def test_rates_and_time_codes_are_exact(tmp_path, rate, suffix):
    path = encode(tmp_path / f"a{suffix}", "-timecode", "01:02:03:04", "-c:v", "libx264", rate=rate)
    info = probe_video(path)
    assert info.rate == Fraction(rate)
    assert (info.frames, info.variable_rate) == (30, False)
    assert info.timecode in ("01:02:03:04", "01:02:03;04")
    assert info.duration == 30 / Fraction(rate)
    times = [frame.time for frame in read_frames(path)]
    assert times == [index / Fraction(rate) for index in range(30)]


@needs_ffmpeg
@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        (".mp4", "-c:v libx264 -g 12 -bf 3 -x264-params open-gop=1"),
        (".mp4", "-c:v libx264 -g 250 -bf 2"),
        (".mov", "-c:v prores_ks"),
        (".mkv", "-c:v ffv1"),
        (".webm", "-c:v libvpx-vp9 -cpu-used 8 -deadline realtime -g 10"),
        (".webm", "-c:v libvpx -auto-alt-ref 1 -lag-in-frames 16 -b:v 200k -g 10"),
        (".mpg", "-c:v mpeg1video -g 8 -bf 2"),
        (".ts", "-c:v mpeg2video -g 8 -bf 2"),
        (".avi", "-c:v mpeg4 -g 8 -bf 2"),
        (".mxf", "-c:v mpeg2video -g 8 -bf 2"),
        (".mp4", "-c:v libx264 -g 5 -bf 2 -movflags frag_keyframe+empty_moov"),
    ],
)
def test_a_range_is_what_reading_from_the_start_gives(tmp_path, suffix, options):
    path = encode(tmp_path / f"a{suffix}", *options.split(), n=40)
    info = probe_video(path)
    every = [digest(frame) for frame in read_frames(path)]
    assert info.frames == len(every) == 40
    if info.codec != "prores":  # its decoders differ in depth
        assert every == digests(path, info.pixel_format)
    for start, end in ((0, 1), (1, 3), (13, 14), (23, 31), (39, 40)):
        part = list(read_frames(path, FrameRange(start, end)))
        assert [frame.index for frame in part] == list(range(start, end))
        assert [digest(frame) for frame in part] == every[start:end]


@needs_ffmpeg
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_variable_rate_follows_the_time_stamps(tmp_path, suffix):
    path = encode(
        tmp_path / f"a{suffix}", "-vf", "select='not(eq(mod(n,7),3))'", "-fps_mode", "vfr",
        "-c:v", "libx264", rate="30", n=20,
    )  # fmt: skip
    info = probe_video(path)
    kept = [n for n in range(40) if n % 7 != 3][:20]
    assert info.variable_rate
    assert info.frames == 20
    tolerance = Fraction(1, 1000) if suffix == ".mkv" else 0
    times = [frame.time for frame in read_frames(path)]
    assert all(abs(t - Fraction(n, 30)) <= tolerance for t, n in zip(times, kept, strict=True))
    frames = list(read_frames(path, FrameRange(5, 15)))
    assert [frame.time for frame in frames] == times[5:15]
    copy = write(tmp_path / "copy.mov", info, list(read_frames(path)), "prores422hq")
    assert [frame.time for frame in read_frames(copy)] == times
    assert probe_video(copy).duration == info.duration


@needs_ffmpeg
@pytest.mark.parametrize("turn", [90, 180, 270])
def test_rotated_clips_stand_upright(tmp_path, turn):
    plain = encode(tmp_path / "plain.mp4", "-c:v", "libx264", "-qp", "0")
    turned = tmp_path / "turned.mp4"
    if b"display_rotation" in ffmpeg("-h", "full"):
        ffmpeg("-display_rotation", turn, "-i", plain, "-c", "copy", turned)
    else:
        ffmpeg("-i", plain, "-c", "copy", "-metadata:s:v", f"rotate={turn}", turned)
    info = probe_video(turned)
    assert info.rotation in ((90, 270) if turn != 180 else (180,))
    assert (info.width, info.height) == ((64, 96) if turn != 180 else (96, 64))
    assert [digest(frame) for frame in read_frames(turned)] == digests(turned, "yuv420p")
    original, upright = next(iter(read_frames(plain))), next(iter(read_frames(turned)))
    for before, after in zip(original.image.planes, upright.image.planes, strict=True):
        assert np.array_equal(np.rot90(before, -info.rotation // 90), after)
    copy = write(tmp_path / "copy.mkv", info, list(read_frames(turned)), "ffv1")
    assert digest(next(iter(read_frames(copy)))) == digest(upright)
    assert probe_video(copy).rotation == 0


@needs_data
def test_a_program_stream_is_read_whole():
    info = probe_video(GRID)
    assert (info.rate, info.frames, info.width, info.height) == (25, 75, 360, 288)
    assert info.audio[0].sample_rate == 44100
    samples, rate = read_audio(GRID)
    assert abs(samples.shape[1] / rate - 75 / 25) < 0.05


@needs_data
@needs_ffmpeg
@pytest.mark.parametrize(
    "path", [GRID, *sorted((DATA / "clips").glob("*i*e*.mp4"))[:2]], ids=lambda p: p.name
)
def test_real_clips_decode_as_in_ffmpeg(path):
    frames = list(read_frames(path, FrameRange(20, 23)))
    assert [digest(f) for f in frames] == digests(path, probe_video(path).pixel_format)[20:23]


def test_a_range_beyond_the_clip_names_its_length(tmp_path):
    path = write(tmp_path / "a.mkv", *made_clip(), "ffv1")
    with pytest.raises(RequestError, match="6 frames"):
        read_frames(path, FrameRange(2, 7))


def test_bad_inputs_get_one_sentence(tmp_path):
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(5000))
    (tmp_path / "text.mp4").write_text("file 'secret.mp4'\n")
    write_audio(tmp_path / "sound.wav", impulses(0.1, 8000), 8000)
    folder = write(tmp_path / "stills", *made_clip(), "png")
    cases = {
        "missing.mp4": "does not exist", ".": "not a file", "empty.mp4": "empty",
        "noise.mp4": "damaged", "text.mp4": "damaged", "sound.wav": "only sound",
        "stills/000000.png": "still image", "stills": "not a file",
    }  # fmt: skip
    assert folder.is_dir()
    for name, words in cases.items():
        with pytest.raises(MediaError, match=words) as caught:
            probe_video(tmp_path / name)
        assert str(caught.value).count("\n") == 0
        assert str(caught.value).endswith(".")


@needs_ffmpeg
def test_a_truncated_clip_gives_what_is_there_and_then_says_so(tmp_path):
    path = encode(tmp_path / "a.mp4", "-c:v", "libx264", "-movflags", "faststart", "-g", "5", n=60)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    info = probe_video(path)
    assert 10 < info.frames < 60
    assert info.frames + info.missing_frames == 60
    delivered = []
    with pytest.raises(MediaError, match="damaged"):
        delivered.extend(frame.index for frame in read_frames(path))
    assert delivered == list(range(info.frames))
    assert len(list(read_frames(path, FrameRange(0, 10)))) == 10


@pytest.mark.parametrize("name", ["a b'c\"d.mkv", "50% #1 %04d.mkv", "кадр 映画 é.mkv", "-x:y.mkv"])
def test_any_name_works(tmp_path, name):
    info, frames = made_clip()
    path = write(tmp_path / name, info, frames, "ffv1")
    assert names_in(tmp_path) == [name]
    assert probe_video(path).frames == 6


def test_rates_snap_to_what_is_meant():
    assert snap_rate(Fraction("23.976024627685547")) == Fraction(24000, 1001)
    assert snap_rate(Fraction("29.97")) == Fraction(30000, 1001)
    assert snap_rate(Fraction("25.0001")) == 25
    assert snap_rate(Fraction("24.5")) == Fraction(49, 2)


# Writing pictures


@pytest.mark.parametrize(
    "pixel_format",
    [
        "yuv420p", "yuvj420p", "yuv422p", "yuv444p", "yuv440p", "yuv411p", "yuv420p10le",
        "yuv422p10le", "yuv444p12le", "yuv444p16le", "yuva444p10le", "gray", "gray10le",
        "gray16le", "rgb24", "bgr24", "rgba", "argb", "gbrp", "gbrp10le", "gbrp12le", "gbrp16le",
        "gbrap16le", "rgb48le", "rgba64le", "bgra64le", "ya8",
    ],
)  # fmt: skip
def test_ffv1_keeps_every_bit(tmp_path, pixel_format):
    info, frames = made_clip(pixel_format)
    path = write(tmp_path / "a.mkv", info, frames, "ffv1")
    back = list(read_frames(path))
    assert len(back) == len(frames)
    for one, other in zip(frames, back, strict=True):
        for number in range(len(info.layout.components)):
            assert np.array_equal(one.image.component(number), other.image.component(number))
    assert back[0].image.layout.full_range == info.layout.full_range


@pytest.mark.parametrize("pixel_format", ["rgb24", "rgba", "rgb48le", "rgba64le", "gbrp"])
def test_png_keeps_every_bit(tmp_path, pixel_format):
    info, frames = made_clip(pixel_format, count=2)
    write(tmp_path / "shot.%04d.png", info, frames, "png", (impulses(0.1, 8000), 8000))
    assert names_in(tmp_path) == ["shot.0000.png", "shot.0001.png", "shot.wav"]
    with av.open(str(tmp_path / "shot.0001.png")) as container:
        picture = next(container.decode(video=0)).reformat(format=pixel_format)
        back = image_of(picture, "png")
    for number in range(len(info.layout.components)):
        assert np.array_equal(back.component(number), frames[1].image.component(number))


def lone_peaks(pixel_format: str, size: tuple[int, int]) -> tuple[VideoInfo, list[Frame]]:
    """Six flat pictures with one other sample in each block of 8 x 8, as hard as any to encode."""
    width, height = size
    info, frames = made_clip(pixel_format, width=width, height=height)
    generator = np.random.default_rng(5)
    pictures = []
    for frame in frames:
        planes = []
        for number, plane in enumerate(frame.image.planes):
            subsampled = bool(number) and info.layout.chroma_x
            columns = width // 2 if subsampled else width
            level = generator.integers(64, 900, (height // 8, columns // 8))
            whole = level.repeat(8, axis=0).repeat(8, axis=1).astype(plane.dtype)
            rows, across = generator.integers(0, 8, (2, *level.shape))
            rows += 8 * np.arange(level.shape[0])[:, None]
            across += 8 * np.arange(level.shape[1])
            whole[rows, across] = generator.integers(64, 900, level.shape)
            planes.append(whole)
        pictures.append(frame.with_image(PixelImage(tuple(planes), info.layout)))
    return info, pictures


@pytest.mark.parametrize(
    ("codec", "pixel_format"), [("prores4444", "yuv444p10le"), ("prores422hq", "yuv422p10le")]
)
def test_prores_strays_by_two_code_values_of_ten_bits_at_most(tmp_path, codec, pixel_format):
    info, frames = lone_peaks(pixel_format, (320, 240))
    exact = write(tmp_path / "exact.mkv", info, frames, "ffv1")
    path = write(tmp_path / "stored.mov", info, frames, codec)
    steps = 2 ** (probe_video(path).bit_depth - 10)
    assert compare(exact, path).outside.largest / steps < 2.5


@pytest.mark.parametrize(
    ("codec", "name", "pixel_format", "stored"),
    [
        ("prores4444", "a.mov", "yuv420p", "yuv444p"),
        ("prores4444", "a.mov", "yuva444p10le", "yuva444p"),
        ("prores422hq", "a.mov", "yuv420p", "yuv422p10le"),
        ("dnxhr", "a.mov", "yuv420p", "yuv422p10le"),
        ("dnxhr", "a.mov", "yuv422p10le", "yuv422p10le"),
        ("dnxhr", "a.mxf", "yuv444p", "yuv444p10le"),
        ("h264", "a.mp4", "yuv420p", "yuv420p"),
        ("h264", "a.mov", "yuv422p10le", "yuv422p10le"),
    ],
)
def test_codecs_keep_what_they_can(tmp_path, codec, name, pixel_format, stored):
    tags = ColourTags(1, 1, 1, 1)
    info, frames = made_clip(
        pixel_format,
        rate=Fraction(30000, 1001),
        colour=tags,
        timecode="10:00:00:00",
        width=256,
        height=144,
    )
    layout = replace(info.layout, matrix="bt709")
    flat = [np.full_like(np.tile(p, (3, 4)), layout.peak * 0.45) for p in frames[0].image.planes]
    still = [frame.with_image(PixelImage(tuple(flat), layout)) for frame in frames]
    path = write(tmp_path / name, replace(info, layout=layout), still, codec)
    back = probe_video(path)
    assert back.pixel_format.startswith(stored)
    assert (back.rate, back.frames, back.width, back.height) == (info.rate, 6, 256, 144)
    assert (back.timecode or "").replace(";", ":") == "10:00:00:00"
    assert back.matrix == "bt709"
    assert (back.colour.primaries, back.colour.transfer) == (1, 1)
    shown = next(iter(read_frames(path))).to_rgb().astype(int)
    assert np.abs(shown - still[0].to_rgb()).max() <= 3


@pytest.mark.parametrize("size", [(63, 47), (64, 47), (63, 48)])
def test_odd_sizes_keep_their_size(tmp_path, size):
    width, height = size
    layout = layout_of("yuv420p", height)
    planes = (
        np.full((height, width), 90, np.uint8),
        *[np.full(((height + 1) // 2, (width + 1) // 2), 110, np.uint8)] * 2,
    )
    frame = Frame(0, Fraction(0), Fraction(1, 25), PixelImage(planes, layout))
    info = replace(made_clip()[0], width=width, height=height, frames=1)
    for codec, name in (("h264", "a.mp4"), ("ffv1", "a.mkv"), ("prores4444", "a.mov")):
        back = probe_video(write(tmp_path / name, info, [frame], codec))
        assert (back.width, back.height) == size


def test_the_same_frames_give_the_same_bytes(tmp_path):
    info, frames = made_clip()
    sound = (impulses(6 / 25, 48000), 48000)
    for codec, suffix in (("ffv1", ".mkv"), ("prores422hq", ".mov"), ("h264", ".mp4")):
        one = write(tmp_path / f"one{suffix}", info, frames, codec, sound)
        two = write(tmp_path / f"two{suffix}", info, frames, codec, sound)
        assert one.read_bytes() == two.read_bytes()


def test_an_exception_leaves_nothing_and_keeps_the_old_file(tmp_path):
    info, frames = made_clip()
    target = tmp_path / "a.mkv"
    target.write_text("older")
    with pytest.raises(KeyError):
        write_and_stop(target, info, frames, "ffv1")
    with pytest.raises(KeyError):
        write_and_stop(tmp_path / "s", info, frames, "png")
    with pytest.raises(MediaError, match="no frame"), VideoWriter(tmp_path / "b.mkv", info, "ffv1"):
        pass
    assert names_in(tmp_path) == ["a.mkv"]
    assert target.read_text() == "older"


def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch):
    info, frames = made_clip()

    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Movie, "_mux", full)
    with pytest.raises(DiskError, match="disk is full"):
        write(tmp_path / "a.mkv", info, frames, "ffv1")
    assert names_in(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs file size limits")
def test_a_file_that_cannot_grow_is_one_sentence(tmp_path):
    program = f"""
import resource, signal, sys
sys.path[:0] = {[str(SUPPORT), str(Path(__file__).parent)]!r}
from test_media import *
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
info, frames = made_clip(count=30)
try:
    write(Path({str(tmp_path)!r}) / "a.mkv", info, frames, "ffv1")
except DiskError as error:
    print("DiskError", error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("DiskError")
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(
    ("codec", "name", "kind"),
    [
        ("prores4444", "a.mp4", RequestError), ("ffv1", "a.mov", RequestError),
        ("h264", "a", RequestError), ("png", "a.png", RequestError), ("exr", "a.png", RequestError),
        ("h264", "file/b.mp4", DiskError),
    ],
)  # fmt: skip
def test_a_wrong_output_is_refused_before_any_work(tmp_path, codec, name, kind):
    (tmp_path / "file").touch()
    with pytest.raises(kind):
        check_output(tmp_path / name, codec)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_closed_folder_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(DiskError, match="not writable"):
        check_output(tmp_path / "a.mov", "prores4444")


def test_alpha_is_not_dropped_in_silence(tmp_path):
    info, _ = made_clip("yuva444p10le")
    with pytest.raises(RequestError, match="alpha"):
        VideoWriter(tmp_path / "a.mp4", info, "h264")


def test_a_picture_too_small_for_dnxhr_is_refused(tmp_path):
    with pytest.raises(MediaError, match="256x120"):
        VideoWriter(tmp_path / "a.mov", made_clip()[0], "dnxhr")


def test_a_frame_of_another_size_is_refused(tmp_path):
    info, frames = made_clip()
    with pytest.raises(MediaError, match="64x48"):
        write(tmp_path / "a.mkv", replace(info, width=32), frames, "ffv1")


# Sound


@pytest.mark.parametrize(
    ("codec", "name"), [("ffv1", "a.mkv"), ("prores422hq", "a.mov"), ("h264", "a.mov")]
)
@pytest.mark.parametrize("rate", [44100, 48000])
def test_sound_is_exact_to_the_sample(tmp_path, codec, name, rate):
    info, frames = made_clip(count=20)
    sound = impulses(0.8, rate)
    path = write(tmp_path / name, info, frames, codec, (sound, rate))
    back, back_rate = read_audio(path)
    assert back_rate == rate
    assert np.array_equal(back, sound)
    part, _ = read_audio(path, start_sample=1600, end_sample=1700)
    assert part.shape == (2, 100)
    assert part[0].argmax() == 1


def test_aac_plays_in_sync(tmp_path):
    info, frames = made_clip(count=25)
    sound = np.zeros((1, 48000), np.float32)
    sound[:, ::4800] = 0.9
    path = write(tmp_path / "a.mp4", info, frames, "h264", (sound, 48000))
    back, _ = read_audio(path)
    assert 0 <= back.shape[1] - 48000 < 1024
    for position in range(4800, 43200, 4800):
        around = np.abs(back[0, position - 1000 : position + 1000])
        assert around.argmax() == 1000


@needs_ffmpeg
def test_sound_that_starts_later_than_the_picture_stays_there(tmp_path):
    plain = tmp_path / "plain.wav"
    write_audio(plain, impulses(1, 48000, 1), 48000)
    path = tmp_path / "late.mov"
    ffmpeg(
        "-f", "lavfi", "-i", "testsrc2=size=96x64:rate=25", "-itsoffset", "0.25", "-i", plain,
        "-t", "1.6", "-c:v", "libx264", "-c:a", "pcm_s24le", path,
    )  # fmt: skip
    samples, _ = read_audio(path)
    assert abs(int(np.flatnonzero(samples[0])[0]) - 12000) <= 1
    assert abs(samples.shape[1] - 60000) <= 1


@pytest.mark.parametrize(
    ("old", "new"), [(44100, 16000), (48000, 44100), (8000, 192000), (11025, 16000)]
)
def test_resampled_sound_has_the_exact_length_and_pitch(tmp_path, old, new):
    count = old * 3 // 2 + 7
    tone = np.sin(2 * np.pi * 440 * np.arange(count) / old).astype(np.float32)[None] / 2
    write_audio(tmp_path / "a.wav", tone, old)
    back, rate = read_audio(tmp_path / "a.wav", sample_rate=new)
    assert rate == new
    assert back.shape == (1, resampled_length(count, old, new))
    expected = np.sin(2 * np.pi * 440 * np.arange(back.shape[1]) / new) / 2
    middle = slice(new // 4, -new // 4)
    assert np.abs(back[0, middle] - expected[middle]).max() < 1e-3
    blocks = list(read_audio_blocks(tmp_path / "a.wav", sample_rate=new))
    assert np.array_equal(np.concatenate(blocks, axis=1), back)


@pytest.mark.parametrize("channels", range(1, 9))
def test_every_number_of_channels(tmp_path, channels):
    samples = np.zeros((channels, 4000), np.float32)
    samples[0] = 0.5
    soundfile.write(tmp_path / "a.wav", samples.T, 8000, subtype="PCM_24")
    back, _ = read_audio(tmp_path / "a.wav")
    assert np.array_equal(back, samples)
    mono, _ = read_audio(tmp_path / "a.wav", mono=True)
    assert mono.shape == (1, 4000)
    assert 0 < mono[0, 0] <= 0.5
    info, frames = made_clip()
    path = write(tmp_path / "b.mkv", info, frames, "ffv1", (samples, 8000))
    assert np.array_equal(read_audio(path)[0], samples)


def test_a_range_of_sound_beyond_its_end(tmp_path):
    write_audio(tmp_path / "a.wav", np.ones((1, 8000), np.float32) / 2, 8000)
    padded, _ = read_audio(tmp_path / "a.wav", start_sample=7900, end_sample=8100)
    assert padded.shape == (1, 200)
    assert np.flatnonzero(padded[0]).tolist() == list(range(100))
    for start, end in ((8000, 8100), (0, 9000), (9000, None)):
        with pytest.raises(RequestError, match="8000 samples"):
            read_audio(tmp_path / "a.wav", start_sample=start, end_sample=end)


def test_no_sound_is_one_sentence(tmp_path):
    path = write(tmp_path / "a.mkv", *made_clip(), "ffv1")
    with pytest.raises(MediaError, match="no sound"):
        read_audio(path)
    (tmp_path / "b.wav").write_bytes(b"RIFF\0\0\0\0WAVE")
    with pytest.raises(MediaError):
        read_audio(tmp_path / "b.wav")
