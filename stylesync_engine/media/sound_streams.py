"""Sound written into a container beside its picture, piece by piece."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

import av
import numpy as np
from av.codec.context import Flags as CodecFlags
from av.container import OutputContainer

from stylesync_engine.media.hearing import MOST_PLANES, with_format
from stylesync_engine.media.sound import Sound, Track, even_blocks, to_24_bit

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
