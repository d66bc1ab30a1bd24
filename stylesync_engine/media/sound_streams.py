"""Sound written into a container beside its picture, piece by piece."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

import av
import numpy as np
from av.codec.context import Flags as CodecFlags
from av.container import OutputContainer

from stylesync_engine.media.hearing import MOST_PLANES, with_format
from stylesync_engine.sound import Sound, resample_blocks, to_24_bit

STUDIO_RATE: Final = 48_000
"""The only sample rate that MXF carries, in Hz."""
AAC_RATES: Final = (
    *(7350, 8000, 11025, 12000, 16000, 22050, 24000),
    *(32000, 44100, STUDIO_RATE, 64000, 88200, 96000),
)
"""Sample rates that AAC has, in Hz (ISO/IEC 14496-3, table 1.18)."""
Track = tuple[Sound, int]
"""Sound and its sample rate, Hz."""
_LAYOUTS: Final = dict(enumerate(("mono", "stereo", "2.1", "quad", "5.0", "5.1", "6.1", "7.1"), 1))
"""The loudspeakers of so many channels."""
_SOUND_BLOCK: Final = 1024
"""Samples that are encoded at a time."""


class SoundStream:
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
