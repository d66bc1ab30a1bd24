"""Sound as float32 `[C, S]`: mixing to mono, exact resampling, storing. No media files but WAV."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from stylesync_engine.delivery import appearing
from stylesync_engine.request import MediaError

Sound = npt.NDArray[np.float32]

_SURROUND_WEIGHTS: Final[dict[str, float]] = {
    "FC": 1.0, "FL": 0.7071, "FR": 0.7071, "LFE": 0.0, "LFE2": 0.0,
    "BL": 0.5, "BR": 0.5, "SL": 0.5, "SR": 0.5, "BC": 0.5,
}  # fmt: skip
"""Share of each loudspeaker in mono (ITU-R BS.775): dialogue sits in the centre."""


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


def to_24_bit(samples: Sound) -> npt.NDArray[np.int32]:
    """Float32 in [-1, 1) -> whole numbers of 24 bit, left-aligned in int32; clipped, no dither.

    Sound that came from 16 or 24 bit returns exactly.
    """
    whole = np.rint(samples.astype(np.float64) * (1 << 23))
    return np.clip(whole, -(1 << 23), (1 << 23) - 1).astype(np.int32) << 8


def write_audio(path: str | Path, samples: Sound, rate: int) -> None:
    """Write float32 `[C, S]` as a 24-bit PCM WAV; the file appears whole or not at all.

    Raises MediaError for a suffix other than .wav, DiskError for a full or closed disk.
    """
    path = Path(path)
    if path.suffix.lower() != ".wav":
        raise MediaError(f"Sound is written as .wav, not '{path.name}'; change the name.")
    with appearing(path) as draft:
        frames = np.ascontiguousarray(np.atleast_2d(to_24_bit(samples)).T)
        written = io.BytesIO()  # the library hides what the disk says
        soundfile.write(written, frames, rate, subtype="PCM_24", format="WAV")
        draft.write_bytes(written.getbuffer())
