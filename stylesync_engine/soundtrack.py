"""The sound of a dub: the new speech, at its loudness, and what is kept of the shot's own."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from pyloudnorm import IIRfilter
from scipy.signal import lfilter

from stylesync_engine.dialogue import cut_sound_track, first_samples
from stylesync_engine.media import VideoInfo, duration_of, read_audio_blocks
from stylesync_engine.request import DubRequest, FrameRange
from stylesync_engine.sound import resample_blocks

Array = NDArray[np.float32]
Track = tuple[Array, int]
"""Sound `[C, S]` and its sample rate, Hz."""

_BLOCK: Final = 0.4  # s that a measurement of loudness needs (ITU-R BS.1770)
_STEPS: Final = 4  # per block: blocks overlap by three quarters
_STEPS_AT_ONCE: Final = 50
_GAINS: Final = (1.0, 1.0, 1.0, 1.41, 1.41)  # left, right, centre and the surrounds
_OFFSET: Final = -0.691  # LU
_GATE: Final = -70.0  # LUFS, below which a block counts as silence
_HIGHEST_PEAK: Final = 10 ** (-1 / 20)  # -1 dBFS, the most that matching raises a sample to
_CENTRE: Final = "FC"


@dataclass(frozen=True, slots=True)
class SoundTracks:
    """What is written: the speech first, `others` as tracks of their own; `loudness` in LUFS."""

    speech: Track
    others: tuple[Track, ...] = ()
    loudness: float | None = None
    warnings: tuple[str, ...] = ()


def lay_sound(request: DubRequest, info: VideoInfo, frames: FrameRange) -> SoundTracks:
    """The sound of the range as the request's options want it.

    Where the shot's own sound is kept and has a centre, the speech takes the centre's place;
    otherwise the shot's tracks follow the speech as they are, sample for sample.
    """
    options = request.options
    duration = duration_of(info.path, frames, info.reading)
    tracks = SoundTracks(cut_sound_track(request, duration))
    if options.match_loudness:
        tracks = _match(tracks, info, frames)
    tracks = replace(tracks, loudness=measure_loudness(*tracks.speech))
    return _keep(tracks, info, frames) if options.keep_sound else tracks


def measure_loudness(samples: Array, rate: int) -> float | None:
    """Integrated loudness of `[C, S]` in LUFS (BS.1770-4); None for silence and below 0.4 s."""
    if samples.shape[1] < math.ceil(_BLOCK * rate):
        return None
    if samples.shape[0] > len(_GAINS):
        samples = samples.mean(axis=0, keepdims=True)
    energies = np.array(_GAINS[: len(samples)]) @ _step_energies(samples, rate)
    powers = sliding_window_view(energies, _STEPS).sum(axis=1) / (_BLOCK * rate)
    powers = powers[powers > 10 ** ((_GATE - _OFFSET) / 10)]
    if not powers.size:
        return None
    powers = powers[powers > powers.mean() / 10]  # the relative gate, 10 LU below
    return round(_OFFSET + 10 * math.log10(powers.mean()), 2)


def _step_energies(samples: Array, rate: int) -> NDArray[np.float64]:
    """What each 0.1 s of each channel holds after K-weighting, `[C, steps]`.

    A few seconds at a time, because an hour of surround must not be doubled in memory.
    """
    filters = (
        IIRfilter(4.0, 1 / math.sqrt(2), 1500.0, rate, "high_shelf"),
        IIRfilter(0.0, 0.5, 38.0, rate, "high_pass"),
    )
    steps = int(samples.shape[1] * _STEPS / (_BLOCK * rate) + 1e-6)
    bounds = np.round(np.arange(steps + 1) * _BLOCK * rate / _STEPS).astype(int)
    states = [np.zeros((len(samples), 2)) for _ in filters]
    found = []
    for first in range(0, steps, _STEPS_AT_ONCE):
        some = bounds[first : first + _STEPS_AT_ONCE + 1]
        part = samples[:, some[0] : some[-1]].astype(np.float64)
        for number, weighting in enumerate(filters):
            part, states[number] = lfilter(weighting.b, weighting.a, part, zi=states[number])
            part *= weighting.passband_gain
        found.append(np.add.reduceat(np.square(part), some[:-1] - some[0], axis=1))
    return np.concatenate(found, axis=1)


def _match(tracks: SoundTracks, info: VideoInfo, frames: FrameRange) -> SoundTracks:
    """The speech as loud as the shot's own sound of the range, as far as its peaks allow."""
    samples, rate = tracks.speech
    own = measure_loudness(samples, rate)
    wanted = measure_loudness(*_part_of(info, frames, 0)) if info.audio else None
    if own is None or wanted is None:
        return replace(
            tracks,
            warnings=("The loudness was not matched: speech or shot is silent or too short.",),
        )
    gain = 10 ** ((wanted - own) / 20)
    most = _HIGHEST_PEAK / float(np.abs(samples).max())
    warnings: tuple[str, ...] = ()
    if gain > max(most, 1.0):
        gain = max(most, 1.0)
        reached = own + 20 * math.log10(gain)
        warnings = (
            f"The speech was raised to {reached:.1f} LUFS, not {wanted:.1f}; its peaks end there.",
        )
    return replace(tracks, speech=(samples * np.float32(gain), rate), warnings=warnings)


def _keep(tracks: SoundTracks, info: VideoInfo, frames: FrameRange) -> SoundTracks:
    own = [_part_of(info, frames, number) for number in range(len(info.audio))]
    if not own:
        warning = "The shot has no sound of its own to keep."
        return replace(tracks, warnings=(*tracks.warnings, warning))
    names = info.audio[0].names
    if len(names) <= 2 or _CENTRE not in names:
        return replace(tracks, others=tuple(own))
    (samples, rate), (speech, speech_rate) = own[0], tracks.speech
    mono = speech.mean(axis=0, keepdims=True)
    mono = np.concatenate(list(resample_blocks([mono], speech_rate, rate)), axis=1)
    samples[names.index(_CENTRE)] = _to_length(mono, samples.shape[1])[0]
    return replace(tracks, speech=(samples, rate), others=tuple(own[1:]))


def _part_of(info: VideoInfo, frames: FrameRange, track: int) -> Track:
    """The shot's own sound during the range; silence where it has ended."""
    rate = info.audio[track].sample_rate
    before = FrameRange(0, frames.start) if frames.start else None
    start = duration_of(info.path, before, info.reading) if before else Fraction(0)
    first = round(start * rate)
    length = round(duration_of(info.path, frames, info.reading) * rate)
    samples, _ = first_samples(read_audio_blocks(info.path, track=track), first + length)
    return _to_length(samples[:, first:], length), rate


def _to_length(samples: Array, length: int) -> Array:
    return np.pad(samples[:, :length], ((0, 0), (0, max(0, length - samples.shape[1]))))
