"""The new speech of a dub: what stage 1 hears, and the sound track, cut to the picture."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from stylesync_engine.arrays import Array
from stylesync_engine.media import read_audio_blocks
from stylesync_engine.plan.sources import speech_track
from stylesync_engine.ranges import LENGTHS_DIFFER, tell_lengths
from stylesync_engine.request import DubRequest, Length
from stylesync_engine.speech.features import FEATURE_RATE, SAMPLE_RATE

_HEARD = 600  # s of speech after the range, whose length is told
_QUIET = 1e-4  # RMS below which speech counts as silent


@dataclass(frozen=True, slots=True)
class NewSpeech:
    """What stage 1 hears: `samples` `[S]`, mono at 16 kHz, no longer than the range's `duration`,
    and how long all of the speech is, both in s."""

    samples: Array
    length: float
    duration: float

    @property
    def short(self) -> bool:
        """Whether the speech ends before the range."""
        return self.length < self.duration - LENGTHS_DIFFER

    @property
    def filled(self) -> Array:
        """The samples with silence up to the range's end."""
        steps = math.ceil(self.duration * FEATURE_RATE) * SAMPLE_RATE // FEATURE_RATE
        return np.pad(self.samples, (0, max(0, steps - len(self.samples))))

    def warnings(self, policy: Length) -> list[str]:
        """What a person should know about this speech and this range."""
        told = tell_lengths(self.length, self.duration, policy, most=_HEARD)
        found = [told] if told else []
        energy = np.square(self.samples, dtype=np.float64).sum() / max(1, len(self.samples))
        if math.sqrt(energy) < _QUIET:
            found.append("The speech is silent; the mouth rests. Check the file if it should not.")
        return found

    def times(self, frames: NDArray[np.float64], policy: Length) -> NDArray[np.float64]:
        """When in the speech to look for each frame's mouth, for frames `[T]` s from the range's
        start; NaN where the frame is to stay as it is."""
        if not self.short or policy == "silence":
            return frames
        if policy == "hold":
            return np.minimum(frames, max(0.0, self.length - 0.5 / FEATURE_RATE))
        return np.where(frames > self.length, np.nan, frames)


def read_speech(request: DubRequest, duration: Fraction) -> NewSpeech:
    """The speech for a range of `duration` s. Raises MediaError where there is no sound."""
    start, end = request.speech_samples or (None, None)
    track = speech_track(request)
    blocks = read_audio_blocks(request.speech, SAMPLE_RATE, start, end, mono=True, track=track)
    samples, total = first_samples(blocks, math.ceil(duration * SAMPLE_RATE))
    return NewSpeech(samples[0], total / SAMPLE_RATE, float(duration))


def first_samples(blocks: Iterable[Array], most: int) -> tuple[Array, int]:
    """The first `most` samples of a stream of blocks `[C, s]`, and how many there are in all; the
    rest is counted, not kept, for `_HEARD` s at most."""
    kept: Array | None = None
    total = 0
    for block in blocks:
        if kept is None:
            kept = np.empty((len(block), most), np.float32)
        if total < most:
            part = kept[:, total : total + block.shape[1]]
            part[:] = block[:, : part.shape[1]]
        total += block.shape[1]
        if total > most + _HEARD * SAMPLE_RATE:
            break
    if kept is None:
        raise ValueError("a stream of sound without a block")
    return kept[:, :total], total
