"""Sound as float32 `[C, S]`, streaming: mixing, exact resampling, storing. No files but WAV."""

from __future__ import annotations

import os
import struct
import wave
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, Any, Final, Self

import numpy as np
import numpy.typing as npt
import soxr

from stylesync_engine.files import appearing
from stylesync_engine.request import MediaError

Sound = npt.NDArray[np.float32]

_SURROUND_WEIGHTS: Final[dict[str, float]] = {
    "FC": 1.0, "FL": 0.7071, "FR": 0.7071, "LFE": 0.0, "LFE2": 0.0,
    "BL": 0.5, "BR": 0.5, "SL": 0.5, "SR": 0.5, "BC": 0.5,
}  # fmt: skip
"""Share of each loudspeaker in mono (ITU-R BS.775): dialogue sits in the centre."""

_BLOCK: Final = 1 << 16
"""Samples that are stored at a time."""

_MAKER: Final = b"LIST\x16\0\0\0INFOISFT\x0a\0\0\0StyleSync\0"
"""The chunk of a WAV that names the program that made it."""


@dataclass(frozen=True, slots=True)
class Track:
    """Sound that is read anew whenever `blocks()` is asked for it, `[C, s]` at a time.

    `length` in samples, `rate` in Hz. An hour of it needs no more memory than a second.
    """

    channels: int
    rate: int
    length: int
    blocks: Callable[[], Iterator[Sound]]

    @classmethod
    def of(cls, samples: Sound, rate: int) -> Self:
        """Sound that is in memory, `[C, S]` or `[S]`."""
        samples = np.atleast_2d(samples)
        return cls(samples.shape[0], rate, samples.shape[1], lambda: iter([samples]))

    def at_rate(self, rate: int) -> Track:
        length = resampled_length(self.length, self.rate, rate)
        old, blocks = self.rate, self.blocks
        return Track(self.channels, rate, length, lambda: resample_blocks(blocks(), old, rate))

    def through(self, change: Callable[[Sound], Sound], channels: int | None = None) -> Track:
        """Each block changed, its length kept."""
        blocks = self.blocks
        return Track(channels or self.channels, self.rate, self.length,
                     lambda: map(change, blocks()))  # fmt: skip

    def as_mono(self) -> Track:
        return self.through(lambda block: block.mean(axis=0, keepdims=True), channels=1)


def mono_weights(channels: Sequence[str]) -> Sound:
    """`[C]`, sum 1: what each named channel adds to mono; channels without a name count alike."""
    if len(channels) > 2 and all(name in _SURROUND_WEIGHTS for name in channels):
        weights = np.array([_SURROUND_WEIGHTS[name] for name in channels], np.float32)
        if weights.sum() > 0:
            return np.asarray(weights / weights.sum(), np.float32)
    return np.full(len(channels), 1.0 / len(channels), np.float32)


def resampled_length(samples: int, old: int, new: int) -> int:
    """`round(samples * new / old)`, exactly."""
    return round(Fraction(samples * new, old))


def resample_blocks(blocks: Iterable[Sound], old: int, new: int) -> Iterator[Sound]:
    """Blocks `[C, S]` at `old` Hz -> blocks at `new` Hz.

    Together exactly `resampled_length` long, whatever the blocks' sizes.
    """
    if old == new:
        yield from blocks
        return
    stream: Any = None
    taken = given = 0
    for block in blocks:
        if stream is None:
            stream = soxr.ResampleStream(old, new, block.shape[0], dtype="float32", quality="VHQ")
        taken += block.shape[1]
        out = stream.resample_chunk(np.ascontiguousarray(block.T)).reshape(-1, block.shape[0]).T
        out = out[:, : resampled_length(taken, old, new) - given]
        given += out.shape[1]
        yield out
    if stream is None:
        return
    channels = block.shape[0]
    rest = stream.resample_chunk(np.zeros((0, channels), np.float32), last=True)
    missing = resampled_length(taken, old, new) - given
    tail = np.zeros((channels, missing), np.float32)
    rest = rest.reshape(-1, channels).T[:, :missing]
    tail[:, : rest.shape[1]] = rest
    yield tail


def fit_blocks(blocks: Iterable[Sound], length: int) -> Iterator[Sound]:
    """The first `length` samples, with silence where there are fewer."""
    given, channels = 0, 1
    for block in blocks:
        channels = block.shape[0]
        part = block[:, : length - given]
        given += part.shape[1]
        yield part
        if given == length:
            return
    yield np.zeros((channels, length - given), np.float32)


def skip_blocks(blocks: Iterable[Sound], first: int) -> Iterator[Sound]:
    """The samples from number `first` on."""
    for block in blocks:
        part = block[:, first:]
        first = max(first - block.shape[1], 0)
        yield part


def even_blocks(blocks: Iterable[Sound], size: int) -> Iterator[Sound]:
    """The same samples in blocks of `size`; the last holds what is left."""
    rest: Sound | None = None
    for block in blocks:
        if rest is not None and rest.shape[1]:
            block = np.concatenate([rest, block], axis=1)
        whole = block.shape[1] // size * size
        for first in range(0, whole, size):
            yield block[:, first : first + size]
        rest = block[:, whole:]
    if rest is not None and rest.shape[1]:
        yield rest


def to_24_bit(samples: Sound) -> npt.NDArray[np.int32]:
    """Float32 in [-1, 1) -> whole numbers of 24 bit, left-aligned in int32; clipped, no dither.

    Sound that came from 16 or 24 bit returns exactly.
    """
    whole = np.rint(samples.astype(np.float64) * (1 << 23))
    return np.clip(whole, -(1 << 23), (1 << 23) - 1).astype(np.int32) << 8


def write_audio(path: str | Path, samples: Sound, rate: int) -> None:
    """`write_track` of sound in memory, float32 `[C, S]`."""
    write_track(path, Track.of(samples, rate))


def write_track(path: str | Path, track: Track) -> None:
    """Write a 24-bit PCM WAV that says who made it; the file appears whole or not at all.

    Raises MediaError for a suffix other than .wav, DiskError for a full or closed disk.
    """
    path = Path(path)
    if path.suffix.lower() != ".wav":
        raise MediaError(f"Sound is written as .wav, not '{path.name}'; change the name.")
    with appearing(path) as draft, draft.open("wb") as file:
        with wave.open(file, "wb") as written:
            written.setnchannels(track.channels)
            written.setsampwidth(3)
            written.setframerate(track.rate)
            for block in even_blocks(track.blocks(), _BLOCK):
                whole = np.ascontiguousarray(to_24_bit(block).T, "<i4")
                written.writeframes(whole.view(np.uint8).reshape(-1, 4)[:, 1:].tobytes())
        _say_maker(file)


_EXTENSIBLE: Final = 0xFFFE
_WHOLE_NUMBERS: Final = bytes.fromhex("0100000000001000800000aa00389b71")


def padded_samples(path: Path) -> int | None:
    """The bytes of each sample of a WAV whose whole numbers fill only a part of them, such as 24 of
    32 bits; None for all others. FFmpeg takes these for floating point."""
    with path.open("rb") as file:
        head = file.read(1 << 12)
    at = head.find(b"fmt ") + 8
    if len(head) < at + 40 or head[8:12] != b"WAVE" or head[at + 24 : at + 40] != _WHOLE_NUMBERS:
        return None
    kind, channels, _, _, block, _, _, used = struct.unpack_from("<HHIIHHHH", head, at)
    width = block // channels if channels else 0
    padded = kind == _EXTENSIBLE and 8 < used <= 8 * (width - 1) and width in (3, 4)
    return width if padded else None


def is_own_sound(path: Path) -> bool:
    """Whether `write_track` made this file."""
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - len(_MAKER), 0))
        return file.read() == _MAKER


def _say_maker(file: IO[bytes]) -> None:
    """Add the maker's name to a WAV that is whole, and to the length that its head says."""
    size = file.seek(0, os.SEEK_END)
    file.write(b"\0" * (size % 2) + _MAKER)
    file.seek(4)
    file.write(struct.pack("<I", size + size % 2 + len(_MAKER) - 8))
