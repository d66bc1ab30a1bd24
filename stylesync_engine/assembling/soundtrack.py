"""The sound of a dub: the new speech, at its loudness, and what is kept of the shot's own."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from pyloudnorm import IIRfilter
from scipy.signal import lfilter

from stylesync_engine.media import VideoInfo, duration_of, read_audio_blocks
from stylesync_engine.media.sound import Track, even_blocks, fit_blocks, skip_blocks
from stylesync_engine.preparing.new_speech import cut_sound_track
from stylesync_engine.request import DubRequest, FrameRange

Array = NDArray[np.float32]

_BLOCK: Final = 0.4  # s that a measurement of loudness needs (ITU-R BS.1770)
_STEPS: Final = 4  # per block: blocks overlap by three quarters
_SAMPLES_AT_ONCE: Final = 1 << 18
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
    tracks = replace(tracks, loudness=measure_loudness(tracks.speech))
    return _keep(tracks, info, frames) if options.keep_sound else tracks


def measure_loudness(track: Track) -> float | None:
    """Integrated loudness in LUFS (BS.1770-4); None for silence and below 0.4 s."""
    if track.length < math.ceil(_BLOCK * track.rate):
        return None
    if track.channels > len(_GAINS):
        track = _as_mono(track)
    energies = np.array(_GAINS[: track.channels]) @ _step_energies(track)
    powers = sliding_window_view(energies, _STEPS).sum(axis=1) / (_BLOCK * track.rate)
    powers = powers[powers > 10 ** ((_GATE - _OFFSET) / 10)]
    if not powers.size:
        return None
    powers = powers[powers > powers.mean() / 10]  # the relative gate, 10 LU below
    return round(_OFFSET + 10 * math.log10(powers.mean()), 2)


def _as_mono(track: Track) -> Track:
    return track.through(lambda block: block.mean(axis=0, keepdims=True), channels=1)


def _step_energies(track: Track) -> NDArray[np.float64]:
    """What each 0.1 s of each channel holds after K-weighting, `[C, steps]`."""
    rate = track.rate
    filters = (
        IIRfilter(4.0, 1 / math.sqrt(2), 1500.0, rate, "high_shelf"),
        IIRfilter(0.0, 0.5, 38.0, rate, "high_pass"),
    )
    steps = int(track.length * _STEPS / (_BLOCK * rate) + 1e-6)
    bounds = np.round(np.arange(steps + 1) * _BLOCK * rate / _STEPS).astype(int)
    sums = np.zeros((track.channels, steps))
    states = [np.zeros((track.channels, 2)) for _ in filters]
    start = 0
    for block in even_blocks(fit_blocks(track.blocks(), int(bounds[-1])), _SAMPLES_AT_ONCE):
        part = block.astype(np.float64)
        for number, weighting in enumerate(filters):
            part, states[number] = lfilter(weighting.b, weighting.a, part, zi=states[number])
            part *= weighting.passband_gain
        end = start + block.shape[1]
        first, last = np.searchsorted(bounds, (start, end - 1), side="right") - 1
        edges = np.maximum(bounds[first : last + 1] - start, 0)
        sums[:, first : last + 1] += np.add.reduceat(np.square(part), edges, axis=1)
        start = end
    return sums


def _match(tracks: SoundTracks, info: VideoInfo, frames: FrameRange) -> SoundTracks:
    """The speech as loud as the shot's own sound of the range, as far as its peaks allow."""
    own = measure_loudness(tracks.speech)
    wanted = measure_loudness(_part_of(info, frames, 0)) if info.audio else None
    if own is None or wanted is None:
        return replace(
            tracks,
            warnings=("The loudness was not matched: speech or shot is silent or too short.",),
        )
    gain = 10 ** ((wanted - own) / 20)
    most = _HIGHEST_PEAK / max(float(np.abs(block).max()) for block in _heard(tracks.speech))
    warnings: tuple[str, ...] = ()
    if gain > max(most, 1.0):
        gain = max(most, 1.0)
        reached = own + 20 * math.log10(gain)
        warnings = (
            f"The speech was raised to {reached:.1f} LUFS, not {wanted:.1f}; its peaks end there.",
        )
    louder = tracks.speech.through(lambda block: block * np.float32(gain))
    return replace(tracks, speech=louder, warnings=warnings)


def _heard(track: Track) -> Iterator[Array]:
    return (block for block in track.blocks() if block.size)


def _keep(tracks: SoundTracks, info: VideoInfo, frames: FrameRange) -> SoundTracks:
    own = [_part_of(info, frames, number) for number in range(len(info.audio))]
    if not own:
        warning = "The shot has no sound of its own to keep."
        return replace(tracks, warnings=(*tracks.warnings, warning))
    names = info.audio[0].names
    if len(names) <= 2 or _CENTRE not in names:
        return replace(tracks, others=tuple(own))
    centred = _with_centre(own[0], tracks.speech, names.index(_CENTRE))
    return replace(tracks, speech=centred, others=tuple(own[1:]))


def _with_centre(surround: Track, speech: Track, centre: int) -> Track:
    """The surround with the speech instead of its channel `centre`."""
    mono = _as_mono(speech).at_rate(surround.rate)

    def blocks() -> Iterator[Array]:
        voice = even_blocks(fit_blocks(mono.blocks(), surround.length), _SAMPLES_AT_ONCE)
        for block, said in zip(
            even_blocks(surround.blocks(), _SAMPLES_AT_ONCE), voice, strict=True
        ):
            mixed = block.copy()
            mixed[centre] = said[0]
            yield mixed

    return replace(surround, blocks=blocks)


def _part_of(info: VideoInfo, frames: FrameRange, track: int) -> Track:
    """The shot's own sound during the range; silence where it has ended."""
    rate = info.audio[track].sample_rate
    before = FrameRange(0, frames.start) if frames.start else None
    start = duration_of(info.path, before, info.reading) if before else Fraction(0)
    first = round(start * rate)
    length = round(duration_of(info.path, frames, info.reading) * rate)
    blocks = partial(read_audio_blocks, info.path, track=track)
    return Track(info.audio[track].channels, rate, length,
                 lambda: fit_blocks(skip_blocks(blocks(), first), length))  # fmt: skip
