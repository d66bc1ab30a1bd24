"""Replacement speech on the timeline: which samples of which files sound when."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from stylesync_engine.request import RequestError
from stylesync_plugin.jobs import Speech
from stylesync_plugin.timeline.layout import Layout
from stylesync_plugin.timeline.selecting import AUDIO, Piece, select
from stylesync_plugin.timeline.sources import Library
from stylesync_plugin.times import ZERO, Span, parse_range


@dataclass(frozen=True, slots=True)
class SoundPart:
    """Samples `[first, last)` of a file of `total` samples, heard `at` s after a common zero.

    `track` is its sound stream, from 0; None for the one that speaks.
    """

    path: str
    first: int
    last: int
    sample_rate: int
    total: int
    at: Fraction
    track: int | None = None

    @property
    def length(self) -> Fraction:
        return Fraction(self.last - self.first, self.sample_rate)

    def to_dict(self) -> dict[str, Any]:
        data = {
            "path": self.path, "samples": [self.first, self.last],
            "sample_rate": self.sample_rate, "at": str(self.at),
        }  # fmt: skip
        return data if self.track is None else {**data, "track": self.track}


@dataclass(frozen=True, slots=True)
class Track:
    """The speech of one job, in parts; `in_place` says it already sounds there on the timeline."""

    parts: tuple[SoundPart, ...]
    in_place: bool = False

    @property
    def length(self) -> Fraction:
        return max((part.at + part.length for part in self.parts), default=ZERO)


@dataclass(frozen=True, slots=True)
class Recording:
    """A sound file to be made: the parts, cut to `[0, length)` seconds and filled with silence."""

    path: str
    parts: tuple[SoundPart, ...]
    length: Fraction

    def to_dict(self) -> dict[str, Any]:
        parts = [part.to_dict() for part in self.parts]
        return {"path": self.path, "parts": parts, "length": str(self.length)}


def find_speech(
    layout: Layout,
    library: Library,
    speech: Speech,
    start: Fraction,
    job: str,
    track: int | None = None,
) -> Track:
    """The speech of a job that starts at `start` (s) on the timeline, from the sound stream
    `track`, from 0, of its files."""
    if speech.file is not None:
        return Track((_of_file(library, speech.file, speech, layout, job, track),))
    pieces = select(layout, speech.pick, AUDIO, f"speech of {job}")
    first = pieces[0].span.start
    parts = tuple(_of_piece(layout, library, piece, first, track) for piece in pieces)
    return Track(parts, in_place=first == start)


def shifted(parts: Sequence[SoundPart], by: Fraction, length: Fraction) -> tuple[SoundPart, ...]:
    """The parts heard `by` seconds later, cut to what lies within [0, length)."""
    cut = (_cut(part, part.at + by, length) for part in parts)
    return tuple(part for part in cut if part.first < part.last)


def record(recording: Recording) -> None:
    """Write the recording as floating point WAV, in which nothing is clipped, at its first part's
    rate; raises MediaError, DiskError."""
    import numpy as np
    import soundfile

    from stylesync_engine.files import appearing
    from stylesync_engine.media import probe_sound, read_audio

    parts, rate = recording.parts, recording.parts[0].sample_rate
    counts = {probe_sound(part.path, part.track).channels for part in parts}
    alike = len(counts) == 1
    sounds = [
        (round(part.at * rate),
         read_audio(part.path, rate, part.first, part.last, not alike, part.track)[0])
        for part in parts
    ]  # fmt: skip
    channels = counts.pop() if alike else 1
    mixed = np.zeros((channels, round(recording.length * rate)), np.float32)
    for start, sound in sounds:
        end = min(start + sound.shape[1], mixed.shape[1])
        mixed[:, start:end] += sound[:, : end - start]
    with appearing(Path(recording.path)) as draft:
        soundfile.write(os.fsencode(draft), mixed.T, rate, format="WAV", subtype="FLOAT")


def _cut(part: SoundPart, at: Fraction, length: Fraction) -> SoundPart:
    """Neighbouring cuts share their sample: both round the same moment of the same part."""
    rate = part.sample_rate
    first = part.first + max(0, round(-at * rate))
    last = min(part.last, part.first + round((length - at) * rate))
    return replace(part, first=first, last=max(first, last), at=max(at, ZERO))


def _of_file(
    library: Library, file: str, speech: Speech, layout: Layout, job: str, track: int | None
) -> SoundPart:
    path = library.locate(file, f"the speech of {job}")
    facts = library.sound_facts(path, track)
    first, last = 0, facts.samples
    if speech.samples is not None:
        first, last = speech.samples
    elif speech.range is not None:
        text = speech.range if isinstance(speech.range, str) else list(speech.range)
        span = parse_range(text, layout.rate)
        first, last = (round(moment * facts.sample_rate) for moment in (span.start, span.end))
    if not 0 <= first < last <= facts.samples:
        raise RequestError(
            f"The speech of {job} asks for samples {first}:{last} of '{file}', which has"
            f" {facts.samples}; give a range within it."
        )
    return SoundPart(path, first, last, facts.sample_rate, facts.samples, ZERO, track)


def _of_piece(
    layout: Layout, library: Library, piece: Piece, zero: Fraction, track: int | None
) -> SoundPart:
    placed = piece.placed
    place = layout.where(placed)
    if placed.obstacles:
        raise RequestError(f"The speech in {place} {placed.obstacles[0]}; choose a plain clip.")
    host = placed.to_root.inverse().span(piece.span)
    source = library.sound_of(placed.clip, place, track)
    if placed.media.scale != 1:
        raise RequestError(f"The speech in {place} is retimed; choose a clip at normal speed.")
    rate = source.facts.sample_rate
    first, last = (round((placed.media(t) - source.zero) * rate) for t in (host.start, host.end))
    # A sound that ends up to two frames before its picture is common and harmless.
    last = min(last, source.facts.samples) if last - source.facts.samples <= rate // 12 else last
    if first < 0 or last > source.facts.samples:
        raise RequestError(
            f"The speech in {place} needs samples {first}:{last} of"
            f" '{Path(source.path).name}', which has {source.facts.samples}; relink the clip."
        )
    at = piece.span.start - zero
    return SoundPart(source.path, first, last, rate, source.facts.samples, at, track)


def spans_of(track: Track, start: Fraction, heard: Span) -> list[tuple[SoundPart, Span]]:
    """What of a speech that starts at `start` s is heard in a stretch of the timeline, and when."""
    parts = shifted(track.parts, start - heard.start, heard.duration)
    spans = [
        Span(start + part.at, start + part.at + part.length).meet(heard) for part in track.parts
    ]
    return list(zip(parts, [span for span in spans if span], strict=True))
