"""The sound of a dub: the new speech, at its loudness, and what is kept of the shot's own."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import Final

import numpy as np

from stylesync_engine.arrays import Array
from stylesync_engine.media import (
    VideoInfo,
    duration_of,
    probe_sound,
    read_audio_blocks,
    spoken_track,
)
from stylesync_engine.media.loudness import measure_loudness
from stylesync_engine.media.sound import Track, even_blocks, fit_blocks, skip_blocks
from stylesync_engine.plan.sources import speech_track, style_track
from stylesync_engine.request import DubRequest, FrameRange

_HIGHEST_PEAK: Final = 10 ** (-1 / 20)  # -1 dBFS, the most that matching raises a sample to
_CENTRE: Final = "FC"
_SAMPLES_AT_ONCE: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class SoundTracks:
    """What is written: the speech first, `others` as tracks of their own. What is `said` is the
    speech alone, of which the loudness is told."""

    speech: Track
    said: Track
    others: tuple[Track, ...] = ()
    warnings: tuple[str, ...] = ()


def lay_sound(request: DubRequest, info: VideoInfo, frames: FrameRange) -> SoundTracks:
    """The sound of the range as the request's options want it.

    Where the shot's own sound is kept and has a centre, the speech takes the centre's place;
    otherwise the shot's tracks follow the speech as they are, sample for sample.
    """
    options = request.options
    duration = duration_of(info.clip, frames)
    speech = _together([cut_sound_track(face, duration) for face in request.faces])
    tracks = _below_full_scale(SoundTracks(speech, speech))
    if options.match_loudness:
        own = style_track(request, info.path)
        tracks = _match(tracks, info, frames, spoken_track(info.path) if own is None else own)
    tracks = replace(tracks, said=tracks.speech)
    return _keep(tracks, info, frames) if options.keep_sound else tracks


def _together(voices: Sequence[Track]) -> Track:
    """Several speakers at once, as the first one's sound is kept; one alone is left as it is."""
    first, *others = voices
    if not others:
        return first
    alike = {voice.channels for voice in voices} == {first.channels}
    parts = [voice if alike else voice.as_mono() for voice in voices]
    parts = [part if part.rate == first.rate else part.at_rate(first.rate) for part in parts]

    def blocks() -> Iterator[Array]:
        each = (
            even_blocks(fit_blocks(part.blocks(), first.length), _SAMPLES_AT_ONCE) for part in parts
        )
        for said in zip(*each, strict=True):
            yield np.sum(said, axis=0)

    return replace(first, channels=parts[0].channels, blocks=blocks)


def _below_full_scale(tracks: SoundTracks) -> SoundTracks:
    """Floating point sound may peak above what whole numbers, and loudspeakers, can give."""
    peak = _peak_of(tracks.speech)
    if peak <= 1.0:
        return tracks
    gain = _HIGHEST_PEAK / peak
    lower = tracks.speech.through(lambda block: block * np.float32(gain))
    warning = (
        f"The speech peaks {20 * math.log10(peak):.1f} dB above full scale; it was lowered by"
        f" {-20 * math.log10(gain):.1f} dB."
    )
    return replace(tracks, speech=lower, warnings=(*tracks.warnings, warning))


def _match(tracks: SoundTracks, info: VideoInfo, frames: FrameRange, track: int) -> SoundTracks:
    """The speech as loud as the shot's own sound of the range, as far as its peaks allow."""
    own = measure_loudness(tracks.speech)
    wanted = measure_loudness(_part_of(info, frames, track)) if info.audio else None
    if own is None or wanted is None:
        return replace(
            tracks,
            warnings=(
                *tracks.warnings,
                "The loudness was not matched: speech or shot is silent or too short.",
            ),
        )
    gain = 10 ** ((wanted - own) / 20)
    most = _HIGHEST_PEAK / _peak_of(tracks.speech)
    warnings = tracks.warnings
    if gain > max(most, 1.0):
        gain = max(most, 1.0)
        reached = own + 20 * math.log10(gain)
        warnings = (
            *warnings,
            f"The speech was raised to {reached:.1f} LUFS, not {wanted:.1f}; its peaks end there.",
        )
    louder = tracks.speech.through(lambda block: block * np.float32(gain))
    return replace(tracks, speech=louder, warnings=warnings)


def _peak_of(track: Track) -> float:
    return max(float(np.abs(block).max()) for block in track.blocks() if block.size)


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
    mono = speech.as_mono().at_rate(surround.rate)

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
    start = duration_of(info.clip, before) if before else Fraction(0)
    first = round(start * rate)
    length = round(duration_of(info.clip, frames) * rate)
    blocks = partial(read_audio_blocks, info.path, track=track)
    return Track(info.audio[track].channels, rate, length,
                 lambda: fit_blocks(skip_blocks(blocks(), first), length))  # fmt: skip


def cut_sound_track(request: DubRequest, duration: Fraction) -> Track:
    """The new speech as it is, sample for sample, cut or filled with silence to `duration` s."""
    track = speech_track(request)
    own = probe_sound(request.speech, track)
    start, end = request.speech_samples or (None, None)
    length = round(duration * own.sample_rate)
    blocks = partial(read_audio_blocks, request.speech, None, start, end, track=track)
    return Track(own.channels, own.sample_rate, length, lambda: fit_blocks(blocks(), length))
