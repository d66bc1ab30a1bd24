"""One container file with a picture and sound streams: which encoders, and how they are set."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from av.codec.context import Flags as CodecFlags
from av.container import Flags as ContainerFlags
from av.container import OutputContainer

from stylesync_engine.media.clips import Frame, VideoInfo
from stylesync_engine.media.codecs import CONTAINERS
from stylesync_engine.media.frames import video_frame, written_tags
from stylesync_engine.media.hearing import MOST_PLANES, with_format
from stylesync_engine.media.sound import Sound, Track, even_blocks, to_24_bit
from stylesync_engine.pictures.formats import PixelLayout
from stylesync_engine.pictures.image import PixelImage
from stylesync_engine.request import Codec, MediaError

_FINEST_PRORES: Final = {
    "vendor": "apl0",
    "quant_mat": "5",
    "flags": "+qscale",
    "global_quality": "118",  # FFmpeg's lambda of quantiser 1
}
"""The quantiser of 4444 XQ, which FFmpeg knows by number alone, fixed at its finest: what a dub
leaves alone strays by one code value at 10 bit, lone peaks by two, for about twice the usual rate.
Nothing is left to search for, which takes a quarter of the time."""

_ENCODERS: Final[dict[Codec, tuple[str, dict[str, str]]]] = {
    "prores4444": ("prores_ks", {"profile": "4444", **_FINEST_PRORES}),
    "prores422hq": ("prores_ks", {"profile": "hq", **_FINEST_PRORES}),
    "dnxhr": ("dnxhd", {}),
    "ffv1": ("ffv1", {"level": "3", "slices": "4", "slicecrc": "1", "g": "1"}),
    "h264": ("libx264", {"crf": "15", "preset": "medium"}),
    "h265": ("libx265", {"crf": "16", "preset": "medium", "x265-params": "log-level=error"}),
}
_DNXHR_PROFILES: Final = {"yuv422p10le": "dnxhr_hqx", "yuv444p10le": "dnxhr_444"}
"""Both of 10 bit: at the same rate, HQ moves pictures of 8 bit by three code values, not one."""
_X265_UNTIMED: Final = 2
"""Up to so many frames, which keep their order, libx265 leaves the decoding times to chance."""
ENCODER_THREADS: Final = 4
"""Fixed, since the bytes that some encoders write depend on it."""


class Movie:
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
        self._tags = written_tags(like, layout)
        self._time_base = like.time_base if like.variable_rate else 1 / like.rate
        self._container: OutputContainer = av.open(
            f"file:{draft}", "w", format=CONTAINERS[codec][suffix], options=_muxer_options(suffix)
        )
        bitexact: Any = ContainerFlags.bitexact
        self._container.flags |= bitexact.value
        self._picture = self._add_picture(codec)
        self._sounds = [SoundStream(self._container, suffix, track) for track in tracks]
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
        self._set_up(stream.codec_context)
        if encoder == "libx265" and self._suffix != ".mkv":
            stream.codec_context.codec_tag = "hvc1"  # what players of .mov and .mp4 look for
        if encoder == "prores_ks":
            # Frames side by side: half the time, the same bytes.
            stream.codec_context.thread_type = "AUTO"
        for key, value in (("timecode", like.timecode), ("reel_name", like.reel)):
            if value:
                stream.metadata[key] = value
        return stream

    def _set_up(self, context: Any) -> None:
        like = self._like
        context.width, context.height = like.width, like.height
        context.pix_fmt, context.time_base = self._layout.format, self._time_base
        context.sample_aspect_ratio = like.sample_aspect
        context.thread_count = ENCODER_THREADS
        context.flags |= CodecFlags.bitexact
        context.color_range, context.color_primaries = self._tags.range, self._tags.primaries
        context.color_trc, context.colorspace = self._tags.transfer, self._tags.matrix

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


def _cuts_chroma(layout: PixelLayout, like: VideoInfo) -> bool:
    """Whether the picture's size is no multiple of its chroma cells."""
    return bool(like.width % (1 << layout.chroma_x) or like.height % (1 << layout.chroma_y))


def _muxer_options(suffix: str) -> dict[str, str]:
    if suffix in (".mov", ".mp4"):
        return {"movflags": "+faststart" if suffix == ".mp4" else "+write_colr"}
    return {}


STUDIO_RATE: Final = 48_000


"""The only sample rate that MXF carries, in Hz."""


AAC_RATES: Final = (
    *(7350, 8000, 11025, 12000, 16000, 22050, 24000),
    *(32000, 44100, STUDIO_RATE, 64000, 88200, 96000),
)


"""Sample rates that AAC has, in Hz (ISO/IEC 14496-3, table 1.18)."""


_LAYOUTS: Final = dict(enumerate(("mono", "stereo", "2.1", "quad", "5.0", "5.1", "6.1", "7.1"), 1))


"""The loudspeakers of so many channels."""


_SOUND_BLOCK: Final = 1024


"""Samples that are encoded at a time."""


class SoundStream:
    """One sound stream of a container, given piece by piece beside the picture."""

    def __init__(self, container: OutputContainer, suffix: str, track: Track) -> None:
        known = {".mxf": (STUDIO_RATE,), ".mp4": AAC_RATES}.get(suffix)
        if known and track.rate not in known:
            track = track.at_rate(STUDIO_RATE)
        self._container, self._track, self._fed = container, track, 0
        self._blocks = even_blocks(track.blocks(), _SOUND_BLOCK)
        encoder = "aac" if suffix == ".mp4" else "pcm_s24le"
        self._stream: Any = container.add_stream(encoder, rate=track.rate)
        context: Any = self._stream.codec_context
        context.layout = _LAYOUTS[track.channels]
        context.format = "fltp" if encoder == "aac" else "s32"
        context.flags |= CodecFlags.bitexact
        if encoder == "aac":
            context.bit_rate = 160_000 * track.channels

    def feed(self, until: Fraction) -> None:
        """Give the sound up to `until` s, so that the streams lie side by side in the file."""
        rate = self._track.rate
        end = min(round(until * rate), self._track.length)
        while self._fed < end:
            block = next(self._blocks)
            sound = _audio_frame(block, self._stream.codec_context)
            sound.sample_rate, sound.pts = rate, self._fed
            sound.time_base = Fraction(1, rate)
            self._container.mux(self._stream.encode(sound))
            self._fed += block.shape[1]

    def finish(self) -> None:
        """Give what is left."""
        self.feed(Fraction(self._track.length, self._track.rate))
        self._container.mux(self._stream.encode(None))


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
