"""Clips and sound in and out, streaming; the only module that knows PyAV.

Time is exact: rates and times are fractions, frames count from 0 in presentation order, and
sound is addressed by sample from the moment of the clip's first frame.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from itertools import chain, pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import av
import numpy as np
import numpy.typing as npt
from av.codec.context import Flags as CodecFlags
from av.container import Flags as ContainerFlags
from av.container import InputContainer, OutputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame

from stylesync_engine.delivery import (
    CONTAINERS,
    appearing,
    appearing_sequence,
    check_output,
    delivered_format,
    disk_errors,
    image_name,
    keeps_full_range,
    sound_name,
)
from stylesync_engine.pixels import PixelImage, PixelLayout, convert, is_supported, layout_of
from stylesync_engine.request import Codec, FrameRange, MediaError, RequestError
from stylesync_engine.sound import (
    Sound,
    mono_weights,
    resample_blocks,
    to_24_bit,
    write_audio,
)

__all__ = [
    "AudioTrack",
    "Frame",
    "VideoInfo",
    "VideoWriter",
    "check_output",
    "duration_of",
    "probe_sound",
    "probe_video",
    "read_audio",
    "read_audio_blocks",
    "read_frames",
    "write_audio",
]

Turn = tuple[int, int, int, int]
"""a, b, c, d of a display matrix, each -1, 0 or 1."""

MATRICES: Final = {
    1: "bt709", 4: "fcc", 5: "bt601", 6: "bt601", 7: "smpte240m",
    8: "ycgco", 9: "bt2020nc", 10: "bt2020c", 14: "ictcp",
}  # fmt: skip
RANGES: Final = {1: "limited", 2: "full"}
UNSPECIFIED: Final = 2
"""Codes of ITU-T H.273 and of FFmpeg's range."""

_SEEKABLE: Final = frozenset({"mov", "matroska", "mxf"})
"""Containers whose packets carry every frame's own time."""

_CENTRED_CHROMA: Final = frozenset({"mpeg1video", "mjpeg"})
"""Codecs whose chroma samples lie between pixels in both directions."""

_ROUNDING_GAP: Final = Fraction(1, 25)
"""Jumps in the time stamps of sound up to this many seconds are rounding, not silence."""


@dataclass(frozen=True, slots=True)
class AudioTrack:
    """One sound stream of a file."""

    channels: int
    sample_rate: int
    codec: str


@dataclass(frozen=True, slots=True)
class ColourTags:
    """Codes of ITU-T H.273 as the file states them, 2 for unspecified; `range` as in FFmpeg."""

    range: int = 0
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    matrix: int = UNSPECIFIED


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What a clip is. `width`, `height` and `sample_aspect` are those of the upright picture.

    `frames` is counted, not believed; `missing_frames` are those that the container promises
    beyond. `rotation` is how far the stored picture is turned clockwise to stand upright.
    """

    path: str
    rate: Fraction
    frames: int
    width: int
    height: int
    layout: PixelLayout
    codec: str
    duration: Fraction
    time_base: Fraction
    sample_aspect: Fraction = Fraction(1)
    rotation: int = 0
    interlaced: bool = False
    variable_rate: bool = False
    colour: ColourTags = field(default_factory=ColourTags)
    timecode: str | None = None
    reel: str | None = None
    audio: tuple[AudioTrack, ...] = ()
    missing_frames: int = 0

    @property
    def pixel_format(self) -> str:
        return self.layout.format

    @property
    def bit_depth(self) -> int:
        return self.layout.depth

    @property
    def has_alpha(self) -> bool:
        return self.layout.has_alpha

    @property
    def color_range(self) -> str | None:
        return RANGES.get(self.colour.range)

    @property
    def matrix(self) -> str | None:
        return MATRICES.get(self.colour.matrix)


@dataclass(frozen=True, slots=True)
class Frame:
    """One upright picture of a clip and when it is shown.

    `time` and `duration` are seconds; time 0 is the clip's first frame.
    """

    index: int
    time: Fraction
    duration: Fraction
    image: PixelImage

    def to_rgb(self) -> npt.NDArray[np.uint8]:
        """uint8 `[H, W, 3]`."""
        return self.image.to_rgb8()

    def with_image(self, image: PixelImage) -> Frame:
        return Frame(self.index, self.time, self.duration, image)


@dataclass(frozen=True, slots=True)
class _Clip:
    """What reading needs beyond the information: every frame's time stamp, where it is known."""

    info: VideoInfo
    stamps: tuple[int, ...] | None
    keys: tuple[int, ...]
    turned: Turn | None

    def time(self, index: int) -> Fraction:
        if self.stamps is None or not self.info.variable_rate:
            return index / self.info.rate
        return (self.stamps[index] - self.stamps[0]) * self.info.time_base

    def duration(self, index: int) -> Fraction:
        after = self.time(index + 1) if index + 1 < self.info.frames else self.info.duration
        return after - self.time(index)


def probe_video(path: str | Path) -> VideoInfo:
    """What the clip is; its frames are counted.

    Raises MediaError, one sentence, for anything that is not a readable clip.
    """
    return _load(path).info


def duration_of(path: str | Path, frames: FrameRange) -> Fraction:
    """Seconds from the appearance of a range's first frame to the end of its last one."""
    clip = _load(path)
    last = frames.end - 1
    return clip.time(last) + clip.duration(last) - clip.time(frames.start)


def read_frames(path: str | Path, frames: FrameRange | None = None) -> Iterator[Frame]:
    """Stream frames in the order in which they are shown.

    A range gives exactly the frames that reading from the start would give. Raises RequestError
    for a range beyond the clip; MediaError, after the frames that could be read, for damage.
    """
    clip = _load(path)
    count = clip.info.frames
    if frames is not None and frames.end > count:
        raise RequestError(
            f"Frames {frames} were asked of '{path}', which has {count} frames;"
            f" give a range within 0:{count}."
        )
    wanted = frames or FrameRange(0, count)
    return _deliver(clip, wanted, whole=frames is None)


def _deliver(clip: _Clip, wanted: FrameRange, whole: bool) -> Iterator[Frame]:
    expected = wanted.start
    with _open(clip.info.path) as container:
        for index, frame in _decode_from(container, clip, wanted.start):
            if index < expected:
                continue
            if index >= wanted.end:
                break
            if index > expected:
                raise _damaged(clip, expected)
            image = _image_of(frame, clip.info.codec, clip.turned)
            yield Frame(index, clip.time(index), clip.duration(index), image)
            expected += 1
            if expected == wanted.end:
                break
    if expected < wanted.end or (whole and clip.info.missing_frames):
        raise _damaged(clip, expected)


def _damaged(clip: _Clip, index: int) -> MediaError:
    total = clip.info.frames + clip.info.missing_frames
    return MediaError(
        f"'{clip.info.path}' is damaged: frame {index} of {total} cannot be read;"
        f" repair the file or dub the frames before it (0:{index})."
    )


def _decode_from(
    container: InputContainer, clip: _Clip, start: int
) -> Iterator[tuple[int, VideoFrame]]:
    """Frames with their numbers, from `start` or somewhat before it."""
    if clip.stamps is None:
        yield from enumerate(_decode(container))
        return
    numbers: dict[int | None, int] = {stamp: index for index, stamp in enumerate(clip.stamps)}
    key = _key_before(clip, start)
    if key is not None:
        container.seek(key, stream=container.streams.video[0])
    frames = _decode(container)
    first = next(frames, None)
    if key is not None and (first is None or numbers.get(first.pts, start + 1) > start):
        with _open(clip.info.path) as again:
            yield from _numbered(_decode(again), numbers)
        return
    if first is not None:
        yield from _numbered(chain([first], frames), numbers)


def _numbered(
    frames: Iterator[VideoFrame], numbers: dict[int | None, int]
) -> Iterator[tuple[int, VideoFrame]]:
    return ((numbers[frame.pts], frame) for frame in frames if frame.pts in numbers)


def _key_before(clip: _Clip, start: int) -> int | None:
    """The stamp of the key frame to seek to; None to read from the beginning.

    One key frame more than needed: after a seek to an open or gradually refreshed group the
    first frames may refer to what was not read.
    """
    if clip.stamps is None or not clip.keys:
        return None
    position = bisect_right(clip.keys, clip.stamps[start]) - 2
    return clip.keys[position] if position > 0 else None


def _decode(container: InputContainer) -> Iterator[VideoFrame]:
    """Every frame that decodes; damaged packets are left out."""
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    for packet in _packets(container):
        try:
            yield from stream.decode(packet)
        except av.error.InvalidDataError:
            continue


def _packets(container: InputContainer) -> Iterator[Any]:
    """The packets of the picture up to the end of what can be read; the last is the flush."""
    stream = container.streams.video[0]
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.error.EOFError):
            return
        except av.error.FFmpegError:
            break
        if not packet.is_corrupt:
            yield packet
    yield None


def _open(path: str | Path) -> InputContainer:
    """Open a file by its own name only: no protocols, patterns or playlists of names."""
    path = Path(path)
    if not path.exists():
        raise MediaError(f"'{path}' does not exist; check the path.")
    if not path.is_file():
        raise MediaError(f"'{path}' is not a file; give the path of a clip.")
    if path.stat().st_size == 0:
        raise MediaError(f"'{path}' is empty; export or copy it again.")
    try:
        return av.open(f"file:{path.absolute()}", mode="r", metadata_errors="replace")
    except av.error.PermissionError as error:
        raise MediaError(f"'{path}' may not be read; change its permissions.") from error
    except (av.error.FFmpegError, ValueError) as error:
        raise MediaError(f"'{path}' is no clip or is damaged; export it again.") from error


def _load(path: str | Path) -> _Clip:
    absolute = Path(path).absolute()
    try:
        status = absolute.stat()
    except OSError as error:
        raise MediaError(f"'{path}' does not exist; check the path.") from error
    return _scan(str(absolute), status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=32)
def _scan(path: str, _changed: int, _size: int) -> _Clip:
    """Read the clip once through: its first picture and the stamps of all frames."""
    with _open(path) as container:
        stream = _picture_stream(container, path)
        family = container.format.name.split(",")[0]
        stamps, keys, last, missing = _stamps_of_packets(container)
        first = _first_frame(path)
        trusted = family in _SEEKABLE and stream.codec_context.name != "vp8"
        if not trusted or not stamps or None in stamps or len(set(stamps)) < len(stamps):
            stamps, keys, missing = _stamps_of_frames(path), [], 0
            if None in stamps or any(b <= a for a, b in pairwise(stamps)):
                return _describe(container, path, first, None, len(stamps), (), last, 0)
        times = tuple(sorted(stamps))
        return _describe(
            container, path, first, times, len(times), tuple(sorted(keys)), last, missing
        )


def _picture_stream(container: InputContainer, path: str) -> Any:
    kinds = container.format.name
    pictures = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not pictures:
        has_sound = bool(container.streams.audio)
        what = "only sound" if has_sound else "no picture"
        raise MediaError(f"'{path}' holds {what}; give a clip with a picture.")
    if kinds.endswith("_pipe") or kinds.startswith("image2"):
        raise MediaError(f"'{path}' is a still image; give a clip.")
    return pictures[0]


def _stamps_of_packets(container: InputContainer) -> tuple[list[Any], list[Any], int, int]:
    """Stamps of all frames and of the key frames as the container states them.

    Also the last frame's duration, and how many frames the container's index promises that the
    file does not hold.
    """
    stamps, keys, durations, seen = [], [], {}, 0
    for packet in _packets(container):
        if packet is None or packet.size == 0:
            continue
        seen += 1
        if packet.is_discard:
            continue
        stamps.append(packet.pts)
        durations[packet.pts] = packet.duration or 0
        if packet.is_keyframe and packet.pts is not None:
            keys.append(packet.pts)
    known = [stamp for stamp in stamps if stamp is not None]
    promised = 0
    if container.format.name.startswith("mov"):
        promised = len(container.streams.video[0].index_entries)
    last = durations[max(known)] if known else 0
    return stamps, keys, last, max(promised - seen, 0)


def _stamps_of_frames(path: str) -> list[Any]:
    with _open(path) as container:
        return [frame.pts for frame in _decode(container)]


def _first_frame(path: str) -> VideoFrame:
    with _open(path) as container:
        for frame in _decode(container):
            return frame
    raise MediaError(f"'{path}' has no picture that can be decoded; export or copy it again.")


def _describe(
    container: Any,
    path: str,
    first: VideoFrame,
    stamps: tuple[int, ...] | None,
    count: int,
    keys: tuple[int, ...],
    last_duration: int,
    missing: int,
) -> _Clip:
    stream = container.streams.video[0]
    rate, variable = _rate_of(stream, stamps)
    duration = count / rate
    if variable and stamps:
        duration = (stamps[-1] - stamps[0] + last_duration) * stream.time_base
        duration += 0 if last_duration else 1 / rate
    colour = ColourTags(first.color_range, first.color_primaries, first.color_trc, first.colorspace)
    turned = _matrix_of(first)
    image = _image_of(first, stream.codec_context.name, turned)
    aspect = stream.sample_aspect_ratio or Fraction(1)
    info = VideoInfo(
        path=path,
        rate=rate,
        frames=count,
        width=image.width,
        height=image.height,
        layout=image.layout,
        codec=stream.codec_context.name,
        duration=duration,
        time_base=stream.time_base,
        sample_aspect=1 / aspect if turned is not None and turned[0] == 0 else aspect,
        rotation=-first.rotation % 360,
        interlaced=first.interlaced_frame,
        variable_rate=variable,
        colour=colour,
        timecode=_tag(container, "timecode"),
        reel=_tag(container, "reel_name"),
        audio=tuple(
            AudioTrack(s.codec_context.channels, s.codec_context.sample_rate, s.codec_context.name)
            for s in container.streams.audio
        ),
        missing_frames=missing,
    )
    return _Clip(info, stamps, keys, turned)


def _rate_of(stream: Any, stamps: tuple[int, ...] | None) -> tuple[Fraction, bool]:
    """The rate, and whether the frames' times do not follow any one rate."""
    stated = [r for r in (stream.guessed_rate, stream.average_rate, stream.base_rate) if r]
    if not stamps or len(stamps) < 2:
        return snap_rate(stated[0] if stated else Fraction(25)), False
    mean = Fraction(len(stamps) - 1) / ((stamps[-1] - stamps[0]) * stream.time_base)
    for rate in dict.fromkeys(snap_rate(rate) for rate in (*stated, mean)):
        step = 1 / (rate * stream.time_base)
        if all(abs(s - stamps[0] - i * step) <= Fraction(101, 100) for i, s in enumerate(stamps)):
            return rate, False
    return snap_rate(mean), True


def snap_rate(rate: Fraction) -> Fraction:
    """The exact rate that is meant: whole frames/s or a multiple of 1000/1001, within 1e-4."""
    whole = round(rate)
    ntsc = Fraction(round(rate * Fraction(1001, 1000)) * 1000, 1001)
    for exact in (Fraction(whole), ntsc):
        if exact and abs(rate / exact - 1) <= Fraction(1, 10_000):
            return exact
    return rate.limit_denominator(1_000_000)


def _tag(container: InputContainer, name: str) -> str | None:
    """A metadata value of the picture, the time code track or the file."""
    places = [container.streams.video[0], *container.streams, container]
    for place in places:
        for key, value in place.metadata.items():
            if key.lower() == name and value:
                return str(value)
    return None


_EQUIVALENT: Final = {
    "nv12": "yuv420p", "nv21": "yuv420p", "nv16": "yuv422p", "nv24": "yuv444p",
    "p010le": "yuv420p10le", "p012le": "yuv420p12le", "p016le": "yuv420p16le",
    "p210le": "yuv422p10le", "p216le": "yuv422p16le",
    "yuyv422": "yuv422p", "uyvy422": "yuv422p", "y210le": "yuv422p10le",
    "pal8": "rgba", "monob": "gray", "monow": "gray", "rgb565le": "rgb24", "rgb555le": "rgb24",
    "x2rgb10le": "gbrp10le", "ya16be": "ya16le", "gbrp9le": "gbrp10le",
}  # fmt: skip


def _image_of(frame: VideoFrame, codec: str, turned: Turn | None = None) -> PixelImage:
    """The frame's own code values, upright, sharing the decoder's memory."""
    frame = _supported(frame)
    layout = layout_of(
        frame.format.name,
        frame.height,
        full_range={1: False, 2: True}.get(int(frame.color_range)),
        matrix=MATRICES.get(frame.colorspace),
        centred_chroma=codec in _CENTRED_CHROMA,
    )
    planes = tuple(_plane(plane, layout) for plane in frame.planes)
    image = PixelImage(planes, layout)
    return _upright(image, turned) if turned else image


def _supported(frame: VideoFrame) -> VideoFrame:
    """The frame in a format whose code values can be edited, losslessly wherever there is one."""
    name = frame.format.name
    if is_supported(name) and all(plane.line_size > 0 for plane in frame.planes):
        return frame
    if name in _EQUIVALENT:
        target = _EQUIVALENT[name]
    elif name.endswith("be") and is_supported(name[:-2] + "le"):
        target = name[:-2] + "le"
    else:
        target = "gbrp16le" if frame.format.is_rgb else "yuv444p16le"
    return frame.reformat(format=target)


def _plane(plane: Any, layout: PixelLayout) -> npt.NDArray[Any]:
    """`[H, W]` or `[H, W, C]` over the plane's memory."""
    rows = np.frombuffer(plane, layout.dtype).reshape(plane.height, -1)
    view = rows[:, : plane.width * layout.channels]
    if layout.channels == 1:
        return view
    return view.reshape(plane.height, plane.width, layout.channels)


def _matrix_of(frame: VideoFrame) -> Turn | None:
    """`x' = a x + c y, y' = b x + d y` of the display matrix; None where it turns nothing.

    Asked of a clip's first frame alone: a frame whose side data was looked at refers to itself
    and stays in memory until the collector comes.
    """
    try:
        data: Any = frame.side_data["DISPLAYMATRIX"]  # type: ignore[typeddict-item]
    except KeyError:
        return None
    a, b, _, c, d = (int(v) for v in np.frombuffer(bytes(data), np.int32)[:5])
    turn = tuple((v > 0x8000) - (v < -0x8000) for v in (a, b, c, d))
    quarter = turn in {(0, 1, 1, 0), (0, 1, -1, 0), (0, -1, 1, 0), (0, -1, -1, 0)}
    half = turn in {(-1, 0, 0, 1), (1, 0, 0, -1), (-1, 0, 0, -1)}
    return turn if quarter or half else None  # type: ignore[return-value]


def _upright(image: PixelImage, matrix: Turn) -> PixelImage:
    """Turn and mirror planes, chroma grid and siting alike."""
    a, b, c, d = matrix
    planes, layout = image.planes, image.layout
    siting, shifts = layout.siting, (layout.chroma_x, layout.chroma_y)
    if a == 0:
        planes = tuple(plane.swapaxes(0, 1) for plane in planes)
        siting, shifts = (siting[1], siting[0]), (shifts[1], shifts[0])
    mirrored, upside_down = (c if a == 0 else a) < 0, (b if a == 0 else d) < 0
    planes = tuple(plane[:: -1 if upside_down else 1, :: -1 if mirrored else 1] for plane in planes)
    siting = (1 - siting[0] if mirrored else siting[0], 1 - siting[1] if upside_down else siting[1])
    name = layout.format
    if shifts in ((1, 0), (0, 1)):
        name = name.replace(
            "422" if shifts == (0, 1) else "440", "440" if shifts == (0, 1) else "422"
        )
    turned = PixelLayout(
        name, layout.kind, layout.depth, *shifts, layout.full_range, layout.matrix,
        layout.has_alpha, layout.floating, siting, layout.components,
    )  # fmt: skip
    return PixelImage(tuple(np.ascontiguousarray(plane) for plane in planes), turned)


def read_audio(
    path: str | Path,
    sample_rate: int | None = None,
    start_sample: int | None = None,
    end_sample: int | None = None,
    mono: bool = False,
) -> tuple[Sound, int]:
    """Sound as float32 `[C, S]` and its rate in Hz.

    `start_sample` and `end_sample` (excluded) count the file's own samples; sample 0 is heard
    with the first frame of the picture, or is the first one where there is no picture. An end
    up to 0.1 s past the last sample is filled with silence. Raises MediaError where there is no
    sound or it is damaged, RequestError for a range beyond it.
    """
    blocks = list(read_audio_blocks(path, sample_rate, start_sample, end_sample, mono))
    with _open(path) as container:
        own = _sound_stream(container, path).codec_context.sample_rate
    return np.concatenate(blocks, axis=1), sample_rate or own


def read_audio_blocks(
    path: str | Path,
    sample_rate: int | None = None,
    start_sample: int | None = None,
    end_sample: int | None = None,
    mono: bool = False,
) -> Iterator[Sound]:
    """The same as `read_audio`, block by block: an hour needs no more memory than a second."""
    with _open(path) as container:
        stream = _sound_stream(container, path)
        own = stream.codec_context.sample_rate
        blocks = _cut(_placed_blocks(container, stream, path), start_sample or 0, end_sample, own)
        if mono:
            names = [channel.name for channel in stream.codec_context.layout.channels]
            weights = mono_weights(names)
            blocks = ((weights @ block)[None] for block in blocks)
        yield from resample_blocks(blocks, own, sample_rate or own)


def probe_sound(path: str | Path) -> AudioTrack:
    """What the first sound of a file is. Raises MediaError where there is none."""
    with _open(path) as container:
        context = _sound_stream(container, path).codec_context
        if context.channels > MOST_CHANNELS:
            raise MediaError(
                f"The sound of '{path}' has {context.channels} channels;"
                f" give one with at most {MOST_CHANNELS}."
            )
        return AudioTrack(context.channels, context.sample_rate, context.name)


def _sound_stream(container: InputContainer, path: str | Path) -> Any:
    if not container.streams.audio:
        raise MediaError(f"'{path}' has no sound; give a file with speech.")
    stream = container.streams.audio[0]
    if not stream.codec_context.sample_rate or not stream.codec_context.channels:
        raise MediaError(f"The sound of '{path}' is damaged; export it again.")
    return stream


def _placed_blocks(container: InputContainer, stream: Any, path: str | Path) -> Iterator[Sound]:
    """Decoded blocks from sample 0 on: gaps filled with silence, what lies before 0 left out."""
    rate = stream.codec_context.sample_rate
    tolerance = int(rate * _ROUNDING_GAP)
    origin = _picture_start(container)
    cursor: int | None = None
    for frame in _decode_sound(container, stream, path):
        block = _float_block(frame)
        time = None if frame.pts is None else frame.pts * frame.time_base
        if cursor is None:
            if origin is None:
                origin = time or Fraction(0)
            cursor = 0
            position = round(((time if time is not None else origin) - origin) * rate)
        else:
            position = cursor if time is None else round((time - origin) * rate)
            if abs(position - cursor) <= tolerance:
                position = cursor
        if position > cursor:
            yield np.zeros((block.shape[0], position - cursor), np.float32)
            cursor = position
        block = block[:, cursor - position :]
        cursor += block.shape[1]
        if block.shape[1]:
            yield block
    if not cursor:
        raise MediaError(f"The sound of '{path}' cannot be decoded; export or copy it again.")


def _picture_start(container: Any) -> Fraction | None:
    pictures = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not pictures or pictures[0].start_time is None:
        return None
    return Fraction(pictures[0].start_time * pictures[0].time_base)


def _decode_sound(container: InputContainer, stream: Any, path: str | Path) -> Iterator[Any]:
    errors = 0
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.error.EOFError):
            return
        except av.error.FFmpegError as error:
            raise MediaError(f"The sound of '{path}' is damaged; export it again.") from error
        try:
            yield from stream.decode(packet)
        except av.error.InvalidDataError as error:
            errors += 1
            if errors > 3:
                raise MediaError(f"The sound of '{path}' is damaged; export it again.") from error


def _float_block(frame: Any) -> Sound:
    """Samples of one decoded block as float32 `[C, S]` in [-1, 1]."""
    if frame.format.is_planar and frame.layout.nb_channels >= MOST_PLANES:
        frame = _with_format(frame, frame.format.packed.name)
    array = frame.to_ndarray()
    if not frame.format.is_planar:
        array = array.reshape(-1, frame.layout.nb_channels).T
    if array.dtype == np.uint8:
        return np.asarray((array.astype(np.float32) - 128) / 128, np.float32)
    if array.dtype.kind == "i":
        scale = float(1 << (8 * array.dtype.itemsize - 1))
        return np.asarray(array.astype(np.float64) / scale, np.float32)
    return np.asarray(array, np.float32)


def _cut(blocks: Iterator[Sound], start: int, end: int | None, rate: int) -> Iterator[Sound]:
    """Samples `start..end` of a stream of blocks."""
    position, channels = 0, 1
    for block in blocks:
        first, position = position, position + block.shape[1]
        channels = block.shape[0]
        part = block[:, max(start - first, 0) : None if end is None else max(end - first, 0)]
        if part.shape[1]:
            yield part
        if end is not None and position >= end:
            return
    if start >= position or (end is not None and end - position > rate // 10):
        raise RequestError(
            f"Samples {start}:{end if end is not None else ''} were asked of a sound of {position}"
            f" samples; give a range within 0:{position}."
        )
    if end is not None:
        yield np.zeros((channels, end - position), np.float32)


_ENCODERS: Final[dict[Codec, tuple[str, dict[str, str]]]] = {
    "prores4444": ("prores_ks", {"profile": "4444", "vendor": "apl0"}),
    "prores422hq": ("prores_ks", {"profile": "hq", "vendor": "apl0"}),
    "dnxhr": ("dnxhd", {}),
    "ffv1": ("ffv1", {"level": "3", "slices": "4", "slicecrc": "1", "g": "1"}),
    "h264": ("libx264", {"crf": "15", "preset": "medium"}),
    "png": ("png", {}),
}
_DNXHR_PROFILES: Final = {
    "yuv422p": "dnxhr_hq",
    "yuv422p10le": "dnxhr_hqx",
    "yuv444p10le": "dnxhr_444",
}
DNXHR_SIZE: Final = (256, 120)
"""The smallest width and height that DNxHR has, in px."""
MOST_PLANES: Final = 8
"""From so many planes of sound on, PyAV reads and writes beyond its memory."""
MOST_CHANNELS: Final = 8
"""The most channels of sound that are read and written."""
STUDIO_RATE: Final = 48_000
"""The only sample rate that MXF carries, in Hz."""
AAC_RATES: Final = (
    *(7350, 8000, 11025, 12000, 16000, 22050, 24000),
    *(32000, 44100, STUDIO_RATE, 64000, 88200, 96000),
)
"""Sample rates that AAC has, in Hz (ISO/IEC 14496-3, table 1.18)."""
ENCODER_THREADS: Final = 4
"""Fixed, since the bytes that some encoders write depend on it."""


class VideoWriter:
    """Write frames, and sound beside them, like an existing clip; a context manager.

    Size, rate, each frame's own time, time code, reel, colour tags and pixel shape are those of
    `like`; depth and chroma as far as the codec can hold them (FFV1 holds them all, bit for bit).
    Frames are stored upright. The same frames give the same bytes. The file appears under its
    name only when all is written; after an exception nothing is left.
    """

    def __init__(
        self,
        path: str | Path,
        like: VideoInfo,
        codec: Codec,
        audio: tuple[Sound, int] | None = None,
    ) -> None:
        check_output(path, codec)
        if codec == "dnxhr" and (like.width < DNXHR_SIZE[0] or like.height < DNXHR_SIZE[1]):
            raise MediaError(
                f"DNxHR starts at {DNXHR_SIZE[0]}x{DNXHR_SIZE[1]} and the clip has"
                f" {like.width}x{like.height}; choose prores422hq."
            )
        self._path, self._like, self._codec, self._audio = Path(path), like, codec, audio
        self._layout = _delivered_layout(codec, like)
        self._cleanup = ExitStack()
        self._sink: _Sequence | _Movie | None = None

    @property
    def layout(self) -> PixelLayout:
        """The layout in which pictures are stored; one that arrives in it is not converted."""
        return self._layout

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            if self._codec == "png":
                folder = stack.enter_context(appearing_sequence(self._path))
                self._sink = _Sequence(folder, self._path, self._layout, self._audio)
            else:
                draft = stack.enter_context(appearing(self._path))
                self._sink = _Movie(draft, self._like, self._codec, self._layout, self._audio)
            self._cleanup = stack.pop_all()
        return self

    def write(self, frame: Frame) -> None:
        """Append a frame. Raises MediaError for another size than the clip's."""
        if self._sink is None:
            raise RuntimeError("VideoWriter is used in a with block")
        size = (frame.image.width, frame.image.height)
        if size != (self._like.width, self._like.height):
            raise MediaError(
                f"Frame {frame.index} is {size[0]}x{size[1]} and the clip"
                f" {self._like.width}x{self._like.height}; a clip keeps one size."
            )
        try:
            with disk_errors(self._path):
                self._sink.write(frame, convert(frame.image, self._layout))
        except av.error.FFmpegError as error:
            raise MediaError(
                f"{self._codec} cannot store this clip ({error}); choose another codec."
            ) from error

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        sink = self._sink
        if sink is None:
            return
        try:
            if kind is None:
                sink.finish()
            else:
                sink.abandon()
        except BaseException as failure:
            sink.abandon()
            if not self._cleanup.__exit__(type(failure), failure, failure.__traceback__):
                raise
            return
        self._cleanup.__exit__(kind, error, trace)


def _delivered_layout(codec: Codec, like: VideoInfo) -> PixelLayout:
    source = like.layout
    name = delivered_format(codec, source, like.width, like.height)
    full = source.full_range and source.kind != "rgb" and keeps_full_range(codec)
    matrix = source.matrix
    if codec == "dnxhr" and matrix != "bt2020nc":
        matrix = "bt709"  # DNxHR's header knows no other; readers ignore the container's tag
    centred = source.siting[0] == 0.5
    try:
        return layout_of(name, like.height, full_range=full, matrix=matrix, centred_chroma=centred)
    except MediaError as error:
        raise MediaError(f"{codec} cannot store '{source.format}'; choose prores4444.") from error


class _Sequence:
    """Numbered images in a folder, and the sound beside them."""

    def __init__(self, folder: Path, path: Path, layout: PixelLayout, audio: Any) -> None:
        self._folder, self._path, self._layout = folder, path, layout
        if audio is not None:
            write_audio(folder / sound_name(path), *audio)

    def write(self, frame: Frame, image: PixelImage) -> None:
        big_endian = self._layout.format.replace("le", "be")
        encoder = av.CodecContext.create("png", "w")
        encoder.width, encoder.height, encoder.pix_fmt = image.width, image.height, big_endian
        encoder.time_base = Fraction(1, 25)
        picture = _video_frame(image)
        if big_endian != self._layout.format:
            picture = picture.reformat(format=big_endian)
        data = b"".join(bytes(p) for p in [*encoder.encode(picture), *encoder.encode(None)])
        (self._folder / image_name(self._path, frame.index)).write_bytes(data)

    def finish(self) -> None:
        pass

    def abandon(self) -> None:
        pass


class _Movie:
    """One container file with a picture and, where given, a sound stream."""

    def __init__(
        self, draft: Path, like: VideoInfo, codec: Codec, layout: PixelLayout, audio: Any
    ) -> None:
        suffix = draft.suffix.lower()
        self._like, self._layout = like, layout
        self._container: OutputContainer = av.open(
            f"file:{draft}", "w", format=CONTAINERS[codec][suffix], options=_muxer_options(suffix)
        )
        bitexact: Any = ContainerFlags.bitexact
        self._container.flags |= bitexact.value
        self._picture = self._add_picture(codec)
        self._sound: Any = None if audio is None else self._add_sound(suffix, *audio)
        self._start: Fraction | None = None
        self._count = 0
        self._durations: dict[int, int] = {}

    def _add_picture(self, codec: Codec) -> Any:
        encoder, options = _ENCODERS[codec]
        like, name = self._like, self._layout.format
        options = dict(options)
        if self._layout.siting[0] == 0.5 and self._layout.chroma_x:
            options["chroma_sample_location"] = "center"
        if codec == "dnxhr":
            options["profile"] = _DNXHR_PROFILES[name]
        if codec == "ffv1" and _cuts_chroma(self._layout, like):
            options = {"level": "1", "g": "1"}  # no slices: they would cut a chroma sample
        if codec == "prores4444":
            options["alpha_bits"] = "16" if self._layout.has_alpha else "0"
        stream: Any = self._container.add_stream(encoder, rate=like.rate, options=options)
        stream.width, stream.height, stream.pix_fmt = like.width, like.height, name
        self._time_base = like.time_base if like.variable_rate else 1 / like.rate
        context = stream.codec_context
        context.time_base = self._time_base
        context.sample_aspect_ratio = like.sample_aspect
        context.thread_count = ENCODER_THREADS
        if encoder == "prores_ks":
            context.thread_type = "AUTO"  # frames side by side: half the time, the same bytes
        context.flags |= CodecFlags.bitexact
        self._tags = _written_tags(like, self._layout)
        context.color_range, context.color_primaries = self._tags.range, self._tags.primaries
        context.color_trc, context.colorspace = self._tags.transfer, self._tags.matrix
        for key, value in (("timecode", like.timecode), ("reel_name", like.reel)):
            if value:
                stream.metadata[key] = value
        return stream

    def _add_sound(self, suffix: str, samples: Sound, rate: int) -> Any:
        samples = np.atleast_2d(samples)
        known = {".mxf": (STUDIO_RATE,), ".mp4": AAC_RATES}.get(suffix)
        if known and rate not in known:
            samples = np.concatenate(list(resample_blocks([samples], rate, STUDIO_RATE)), axis=1)
            rate = STUDIO_RATE
        self._samples, self._rate, self._fed = samples, rate, 0
        layouts = {
            1: "mono",
            2: "stereo",
            3: "2.1",
            4: "quad",
            5: "5.0",
            6: "5.1",
            7: "6.1",
            8: "7.1",
        }
        encoder = "aac" if suffix == ".mp4" else "pcm_s24le"
        stream: Any = self._container.add_stream(encoder, rate=rate)
        stream.codec_context.layout = layouts[len(self._samples)]
        stream.codec_context.format = "fltp" if encoder == "aac" else "s32"
        stream.codec_context.flags |= CodecFlags.bitexact
        if encoder == "aac":
            stream.codec_context.bit_rate = 160_000 * len(self._samples)
        return stream

    def write(self, frame: Frame, image: PixelImage) -> None:
        picture = _video_frame(image)
        if self._start is None:
            self._start = frame.time
        stamp = self._count
        if self._like.variable_rate:
            stamp = round((frame.time - self._start) / self._time_base)
        picture.pts, picture.time_base = stamp, self._time_base
        picture.color_range, picture.color_primaries = self._tags.range, self._tags.primaries
        picture.color_trc, picture.colorspace = self._tags.transfer, self._tags.matrix
        self._durations[stamp] = max(round(frame.duration / self._time_base), 1)
        self._count += 1
        self._mux(self._picture.encode(picture))
        if self._sound is not None:
            self._feed(round((frame.time - self._start + frame.duration) * self._rate))

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            packet.duration = self._durations.pop(packet.pts, packet.duration)
            self._container.mux(packet)

    def _feed(self, end: int) -> None:
        """Give the sound up to sample `end`, so that both streams lie side by side in the file."""
        size = 1024
        while self._fed < min(end, self._samples.shape[1]):
            block = self._samples[:, self._fed : self._fed + size]
            sound = _audio_frame(block, self._sound.codec_context)
            sound.sample_rate, sound.pts = self._rate, self._fed
            sound.time_base = Fraction(1, self._rate)
            self._container.mux(self._sound.encode(sound))
            self._fed += block.shape[1]

    def finish(self) -> None:
        if not self._count:
            raise MediaError("There is no frame to write; give a range with at least one.")
        self._mux(self._picture.encode(None))
        if self._sound is not None:
            self._feed(self._samples.shape[1])
            self._container.mux(self._sound.encode(None))
        self._container.close()

    def abandon(self) -> None:
        with suppress(av.error.FFmpegError, ValueError):
            self._container.close()


def _cuts_chroma(layout: PixelLayout, like: VideoInfo) -> bool:
    """Whether the picture's size is no multiple of its chroma cells."""
    return bool(like.width % (1 << layout.chroma_x) or like.height % (1 << layout.chroma_y))


def _muxer_options(suffix: str) -> dict[str, str]:
    if suffix in (".mov", ".mp4"):
        return {"movflags": "+faststart" if suffix == ".mp4" else "+write_colr"}
    return {}


def _written_tags(like: VideoInfo, layout: PixelLayout) -> ColourTags:
    """The source's tags; where RGB became YUV, the matrix and range that this took."""
    tags = like.colour
    matrix = tags.matrix
    if layout.kind == "yuv" and (like.layout.kind, like.layout.matrix) != ("yuv", layout.matrix):
        matrix = {name: code for code, name in MATRICES.items()}[layout.matrix]
    stated = 2 if layout.full_range else 1 if tags.range or like.layout.kind == "rgb" else 0
    return ColourTags(stated, tags.primaries, tags.transfer, 0 if layout.kind == "rgb" else matrix)


def _video_frame(image: PixelImage) -> VideoFrame:
    """A frame of PyAV with the picture's code values."""
    frame = VideoFrame(image.width, image.height, image.layout.format)
    planes: tuple[Any, ...] = frame.planes
    for plane, array in zip(planes, image.planes, strict=True):
        rows = array.reshape(array.shape[0], -1)
        target = np.frombuffer(plane, image.layout.dtype).reshape(plane.height, -1)
        target[:, : rows.shape[1]] = rows
    return frame


def _planar_frame(block: Sound, layout: str) -> Any:
    if block.shape[0] < MOST_PLANES:
        return av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="fltp", layout=layout)
    packed = np.ascontiguousarray(block.T).reshape(1, -1)
    frame: Any = av.AudioFrame.from_ndarray(packed, format="flt", layout=layout)
    frame.sample_rate = STUDIO_RATE
    return _with_format(frame, "fltp")


def _with_format(frame: Any, name: str) -> Any:
    """The same samples of a decoded block in another sample format."""
    return av.AudioResampler(name, frame.layout, frame.sample_rate).resample(frame)[0]


def _audio_frame(block: Sound, context: Any) -> Any:
    if context.format.name == "fltp":
        return _planar_frame(block, context.layout.name)
    packed = np.ascontiguousarray(to_24_bit(block).T).reshape(1, -1)
    return av.AudioFrame.from_ndarray(packed, format="s32", layout=context.layout.name)
