"""Frames, and sound beside them, written like an existing clip."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import av
import numpy as np
from av.codec.context import Flags as CodecFlags
from av.container import Flags as ContainerFlags
from av.container import OutputContainer

from stylesync_engine.colour import DISPLAY, linear_of
from stylesync_engine.delivery import (
    CONTAINERS,
    IMAGES,
    appearing,
    appearing_sequence,
    check_output,
    delivered_format,
    disk_errors,
    image_name,
    keeps_full_range,
    sound_name,
)
from stylesync_engine.media.clips import MATRICES, ColourTags, Frame, VideoInfo
from stylesync_engine.media.exr import ExrPart, write_exr
from stylesync_engine.media.hearing import MOST_PLANES, with_format
from stylesync_engine.media.pictures import video_frame
from stylesync_engine.pixels import PixelImage, PixelLayout, convert, layout_of
from stylesync_engine.request import Codec, MediaError
from stylesync_engine.sound import Sound, resample_blocks, to_24_bit, write_audio
from stylesync_engine.timecode import advance_timecode

_FINEST_PRORES: Final = {
    "vendor": "apl0",
    "quant_mat": "5",
    "flags": "+qscale",
    "global_quality": "118",  # FFmpeg's lambda of quantiser 1
}
"""The quantiser of 4444 XQ, which FFmpeg knows by number alone, fixed at its finest: what a dub
leaves alone stays within one code value at 10 bit, for about twice the usual rate. Nothing is left
to search for, which takes a quarter of the time."""

_ENCODERS: Final[dict[Codec, tuple[str, dict[str, str]]]] = {
    "prores4444": ("prores_ks", {"profile": "4444", **_FINEST_PRORES}),
    "prores422hq": ("prores_ks", {"profile": "hq", **_FINEST_PRORES}),
    "dnxhr": ("dnxhd", {}),
    "ffv1": ("ffv1", {"level": "3", "slices": "4", "slicecrc": "1", "g": "1"}),
    "h264": ("libx264", {"crf": "15", "preset": "medium"}),
    "h265": ("libx265", {"crf": "16", "preset": "medium", "x265-params": "log-level=error"}),
}
_DNXHR_PROFILES: Final = {
    "yuv422p": "dnxhr_hq",
    "yuv422p10le": "dnxhr_hqx",
    "yuv444p10le": "dnxhr_444",
}
DNXHR_SIZE: Final = (256, 120)
"""The smallest width and height that DNxHR has, in px."""
STUDIO_RATE: Final = 48_000
"""The only sample rate that MXF carries, in Hz."""
AAC_RATES: Final = (
    *(7350, 8000, 11025, 12000, 16000, 22050, 24000),
    *(32000, 44100, STUDIO_RATE, 64000, 88200, 96000),
)
"""Sample rates that AAC has, in Hz (ISO/IEC 14496-3, table 1.18)."""
_X265_UNTIMED: Final = 2
"""Up to so many frames, which keep their order, libx265 leaves the decoding times to chance."""
Track = tuple[Sound, int]
"""Sound and its sample rate, Hz."""
_LAYOUTS: Final = dict(enumerate(("mono", "stereo", "2.1", "quad", "5.0", "5.1", "6.1", "7.1"), 1))
"""The loudspeakers of so many channels."""
_SOUND_BLOCK: Final = 1024
"""Samples that are encoded at a time."""
ENCODER_THREADS: Final = 4
"""Fixed, since the bytes that some encoders write depend on it."""


class VideoWriter:
    """Write frames, and sound beside them, like an existing clip; a context manager.

    Size, rate, each frame's own time, time code, reel, colour tags and pixel shape are those of
    `like`; depth and chroma as far as the codec can hold them (FFV1 holds them all, bit for bit).
    `further` sounds become streams, or files, of their own after the first.
    Frames are stored upright. The same frames give the same bytes. The file appears under its
    name only when all is written; after an exception nothing is left.
    """

    def __init__(
        self,
        path: str | Path,
        like: VideoInfo,
        codec: Codec,
        audio: Track | None = None,
        further: Sequence[Track] = (),
    ) -> None:
        check_output(path, codec)
        if codec == "dnxhr" and (like.width < DNXHR_SIZE[0] or like.height < DNXHR_SIZE[1]):
            raise MediaError(
                f"DNxHR starts at {DNXHR_SIZE[0]}x{DNXHR_SIZE[1]} and the clip has"
                f" {like.width}x{like.height}; choose prores422hq."
            )
        self._path, self._like, self._codec = Path(path), like, codec
        self._tracks = [*([audio] if audio else []), *further]
        self._layout = _delivered_layout(codec, like)
        self._cleanup = ExitStack()
        self._sink: _PngImages | _ExrImages | _Movie | None = None

    @property
    def layout(self) -> PixelLayout:
        """The layout in which pictures are stored; one that arrives in it is not converted."""
        return self._layout

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            if self._codec in IMAGES:
                folder = stack.enter_context(appearing_sequence(self._path))
                kind = _ExrImages if self._codec == "exr" else _PngImages
                self._sink = kind(folder, self._path, self._like, self._layout, self._tracks)
            else:
                draft = stack.enter_context(appearing(self._path))
                with self._storing():
                    self._sink = _Movie(draft, self._like, self._codec, self._layout, self._tracks)
            self._cleanup = stack.pop_all()
        return self

    def write(self, frame: Frame, parts: Sequence[ExrPart] = ()) -> None:
        """Append a frame, in EXR with further parts. Raises MediaError for another size than the
        clip's."""
        if self._sink is None:
            raise RuntimeError("VideoWriter is used in a with block")
        size = (frame.image.width, frame.image.height)
        if size != (self._like.width, self._like.height):
            raise MediaError(
                f"Frame {frame.index} is {size[0]}x{size[1]} and the clip"
                f" {self._like.width}x{self._like.height}; a clip keeps one size."
            )
        with self._storing():
            image = convert(frame.image, self._layout)
            if isinstance(self._sink, _ExrImages):
                self._sink.write(frame, image, parts)
            else:
                self._sink.write(frame, image)

    @contextmanager
    def _storing(self) -> Iterator[None]:
        """What the disk and the encoder say as one sentence each."""
        try:
            with disk_errors(self._path):
                yield
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
                with self._storing():
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
    colour = source.colour
    if codec == "exr":
        colour = linear_of(colour)
    elif colour == linear_of(colour) and not name.endswith("f32le"):
        colour = DISPLAY  # whole numbers have no room for light
    try:
        layout = layout_of(
            name, like.height, full_range=full, matrix=matrix, centred_chroma=centred
        )
        return replace(layout, colour=colour)
    except MediaError as error:
        raise MediaError(f"{codec} cannot store '{source.format}'; choose prores4444.") from error


class _Images:
    """Numbered images in a folder, and the sound beside them."""

    def __init__(
        self,
        folder: Path,
        path: Path,
        like: VideoInfo,
        layout: PixelLayout,
        tracks: Sequence[Track],
    ) -> None:
        self._folder, self._path, self._like, self._layout = folder, path, like, layout
        for number, track in enumerate(tracks):
            file = folder / sound_name(path)
            write_audio(file.with_stem(f"{file.stem}.{number + 1}") if number else file, *track)

    def file(self, frame: Frame, codec: Codec) -> Path:
        number = self._like.first_number + frame.index
        return self._folder / image_name(self._path, number, codec)

    def finish(self) -> None:
        pass

    def abandon(self) -> None:
        pass


class _ExrImages(_Images):
    """Linear light in OpenEXR, half where the source is no finer."""

    def write(self, frame: Frame, image: PixelImage, parts: Sequence[ExrPart]) -> None:
        like = self._like
        names = ("R", "G", "B", "A")[: len(image.layout.components)]
        pixels = np.stack([image.component(number) for number in range(len(names))], axis=2)
        facts = {
            "colour": image.layout.colour, "rate": like.rate, "reel": like.reel,
            "sample_aspect": like.sample_aspect,
        }  # fmt: skip
        if like.timecode:
            facts["timecode"] = advance_timecode(like.timecode, frame.index, like.rate)
        half = like.codec == "exr-half" or like.bit_depth <= 10
        picture = ExrPart("rgba", names, pixels)
        write_exr(self.file(frame, "exr"), [picture, *parts], image.size, half, facts)


class _PngImages(_Images):
    """PNG of 8 or 16 bit."""

    def write(self, frame: Frame, image: PixelImage) -> None:
        big_endian = self._layout.format.replace("le", "be")
        encoder = av.CodecContext.create("png", "w")
        encoder.width, encoder.height, encoder.pix_fmt = image.width, image.height, big_endian
        encoder.time_base = Fraction(1, 25)
        picture = video_frame(image)
        if big_endian != self._layout.format:
            picture = picture.reformat(format=big_endian)
        tags = _written_tags(self._like, self._layout)
        for tagged in (encoder, picture):
            tagged.color_primaries, tagged.color_trc = tags.primaries, tags.transfer
        data = b"".join(bytes(p) for p in [*encoder.encode(picture), *encoder.encode(None)])
        self.file(frame, "png").write_bytes(data)


class _Movie:
    """One container file with a picture and sound streams."""

    def __init__(
        self,
        draft: Path,
        like: VideoInfo,
        codec: Codec,
        layout: PixelLayout,
        tracks: Sequence[Track],
    ) -> None:
        self._suffix = suffix = draft.suffix.lower()
        self._like, self._layout = like, layout
        self._container: OutputContainer = av.open(
            f"file:{draft}", "w", format=CONTAINERS[codec][suffix], options=_muxer_options(suffix)
        )
        bitexact: Any = ContainerFlags.bitexact
        self._container.flags |= bitexact.value
        self._picture = self._add_picture(codec)
        self._sounds = [_SoundStream(self._container, suffix, *track) for track in tracks]
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
        if encoder == "libx265" and self._suffix != ".mkv":
            context.codec_tag = "hvc1"  # what players of .mov and .mp4 look for
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

    def write(self, frame: Frame, image: PixelImage) -> None:
        picture = video_frame(image)
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
        for sound in self._sounds:
            sound.feed(frame.time - self._start + frame.duration)

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            packet.duration = self._durations.pop(packet.pts, packet.duration)
            self._container.mux(packet)

    def finish(self) -> None:
        if not self._count:
            raise MediaError("There is no frame to write; give a range with at least one.")
        packets = self._picture.encode(None)
        if self._picture.codec_context.name == "libx265" and self._count <= _X265_UNTIMED:
            for packet in packets:
                packet.dts = packet.pts
        self._mux(packets)
        for sound in self._sounds:
            sound.finish()
        self._container.close()

    def abandon(self) -> None:
        with suppress(av.error.FFmpegError, ValueError):
            self._container.close()


class _SoundStream:
    """One sound stream of a container, given piece by piece beside the picture."""

    def __init__(self, container: OutputContainer, suffix: str, samples: Sound, rate: int) -> None:
        samples = np.atleast_2d(samples)
        known = {".mxf": (STUDIO_RATE,), ".mp4": AAC_RATES}.get(suffix)
        if known and rate not in known:
            samples = np.concatenate(list(resample_blocks([samples], rate, STUDIO_RATE)), axis=1)
            rate = STUDIO_RATE
        self._container, self._samples, self._rate, self._fed = container, samples, rate, 0
        encoder = "aac" if suffix == ".mp4" else "pcm_s24le"
        self._stream: Any = container.add_stream(encoder, rate=rate)
        context: Any = self._stream.codec_context
        context.layout = _LAYOUTS[len(samples)]
        context.format = "fltp" if encoder == "aac" else "s32"
        context.flags |= CodecFlags.bitexact
        if encoder == "aac":
            context.bit_rate = 160_000 * len(samples)

    def feed(self, until: Fraction) -> None:
        """Give the sound up to `until` s, so that the streams lie side by side in the file."""
        end = min(round(until * self._rate), self._samples.shape[1])
        while self._fed < end:
            block = self._samples[:, self._fed : self._fed + _SOUND_BLOCK]
            sound = _audio_frame(block, self._stream.codec_context)
            sound.sample_rate, sound.pts = self._rate, self._fed
            sound.time_base = Fraction(1, self._rate)
            self._container.mux(self._stream.encode(sound))
            self._fed += block.shape[1]

    def finish(self) -> None:
        """Give what is left."""
        self.feed(Fraction(self._samples.shape[1], self._rate))
        self._container.mux(self._stream.encode(None))


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
    if layout.colour == DISPLAY != like.layout.colour:
        tags = ColourTags(tags.range, 1, 1, 1)
    matrix = tags.matrix
    if layout.kind == "yuv" and (like.layout.kind, like.layout.matrix) != ("yuv", layout.matrix):
        matrix = {name: code for code, name in MATRICES.items()}[layout.matrix]
    stated = 2 if layout.full_range else 1 if tags.range or like.layout.kind == "rgb" else 0
    return ColourTags(stated, tags.primaries, tags.transfer, 0 if layout.kind == "rgb" else matrix)


def _planar_frame(block: Sound, layout: str) -> Any:
    if block.shape[0] < MOST_PLANES:
        return av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="fltp", layout=layout)
    packed = np.ascontiguousarray(block.T).reshape(1, -1)
    frame: Any = av.AudioFrame.from_ndarray(packed, format="flt", layout=layout)
    frame.sample_rate = STUDIO_RATE
    return with_format(frame, "fltp")


def _audio_frame(block: Sound, context: Any) -> Any:
    if context.format.name == "fltp":
        return _planar_frame(block, context.layout.name)
    packed = np.ascontiguousarray(to_24_bit(block).T).reshape(1, -1)
    return av.AudioFrame.from_ndarray(packed, format="s32", layout=context.layout.name)
