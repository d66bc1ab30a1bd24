"""The file behind a clip: where it is, its rate and time code, and which frame a time shows."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import opentimelineio as otio

from stylesync_engine.request import MediaError
from stylesync_plugin.timeline.items import MLT, remembered
from stylesync_plugin.timeline.paths import (
    files_called,
    first_of_images,
    images_at,
    is_file,
    is_pattern,
    path_of,
    spellings,
    spelt_otherwise,
)
from stylesync_plugin.timeline.stamps import stamp_of
from stylesync_plugin.times import ZERO, exact_rate, frame_at, parse_time, seconds, span_of


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """What a probe says of a picture.

    `start_frame` is the source time code as a frame count, None where the file has none;
    `variable` says that the frames follow no one rate, so that a time does not tell the frame;
    `first_number` is that of the first of numbered images; `undecoded` are the frames before the
    first and after the last one that a timeline counts and nothing can decode.
    """

    rate: Fraction
    frames: int
    start_frame: int | None = None
    width: int = 0
    height: int = 0
    variable: bool = False
    first_number: int = 0
    undecoded: tuple[int, int] = (0, 0)

    @property
    def start(self) -> Fraction:
        """The source time code in seconds, 0 without one."""
        return Fraction(self.start_frame or 0) / self.rate


@dataclass(frozen=True, slots=True)
class SoundFacts:
    """What a probe says of a sound; `samples` are counted from the picture's first frame."""

    sample_rate: int
    samples: int

    @property
    def length(self) -> Fraction:
        """Seconds."""
        return Fraction(self.samples, self.sample_rate)


class Probe(Protocol):
    """Says what a file holds; both raise MediaError where it does not hold it."""

    def picture(self, path: str) -> PictureFacts: ...

    def sound(self, path: str) -> SoundFacts: ...


class EngineProbe:
    """The engine's own probe; every file is read once."""

    def __init__(self) -> None:
        self._pictures: dict[str, PictureFacts] = {}
        self._sounds: dict[str, SoundFacts] = {}

    def picture(self, path: str) -> PictureFacts:
        if path not in self._pictures:
            self._pictures[path] = _probe_picture(path)
        return self._pictures[path]

    def sound(self, path: str) -> SoundFacts:
        if path not in self._sounds:
            self._sounds[path] = probe_sound(path)
        return self._sounds[path]


def _probe_picture(path: str) -> PictureFacts:
    from stylesync_engine.media import probe_video

    info = probe_video(path)
    start = None
    if info.timecode is not None:
        start = round(parse_time(info.timecode, info.rate) * info.rate)
    return PictureFacts(
        info.rate, info.frames, start, info.width, info.height, info.variable_rate,
        undecoded=info.undecoded,
    )  # fmt: skip


def probe_sound(path: str, track: int | None = None) -> SoundFacts:
    """Files that libsndfile knows say their length; others are decoded once to count samples, of
    the sound stream `track`, from 0, or of the one that speaks."""
    import soundfile

    from stylesync_engine.media import read_audio

    with contextlib.suppress(soundfile.LibsndfileError, OSError):
        facts = soundfile.info(os.fsencode(path))
        if facts.frames:  # what is written while it is spoken leaves 0 in its header
            return SoundFacts(facts.samplerate, facts.frames)
    samples, rate = read_audio(path, track=track)
    return SoundFacts(rate, samples.shape[1])


@dataclass(frozen=True, slots=True)
class Source:
    """A clip's media: `zero` is the media time (s) of the file's first frame."""

    path: str
    facts: PictureFacts
    zero: Fraction

    @property
    def is_sequence(self) -> bool:
        """Whether these are numbered images, which often do not say their rate."""
        return is_pattern(self.path)

    def frame_at(self, media_time: Fraction) -> int:
        return frame_at(media_time - self.zero, self.facts.rate)

    def time_of(self, frame: int) -> Fraction:
        """Media time at which a frame starts."""
        return self.zero + frame / self.facts.rate


@dataclass(frozen=True, slots=True)
class SoundSource:
    """A clip's sound: `zero` is the media time (s) of its first sample."""

    path: str
    facts: SoundFacts
    zero: Fraction


@dataclass(frozen=True, slots=True)
class Library:
    """Where media are looked for, and how they are probed."""

    folders: tuple[Path, ...]
    probe: Probe

    def find(self, clip: Any, place: str) -> str:
        """The path of a clip's media, as the engine takes it; raises MediaError."""
        reference = clip.media_reference
        if reference is None:
            known = ", ".join(f"'{key}'" for key in clip.media_references()) or "none"
            raise MediaError(
                f"The active media '{clip.active_media_reference_key}' of {place} is not among its"
                f" media ({known}); choose one of these in your editor and export again."
            )
        if isinstance(reference, otio.schema.ImageSequenceReference):
            return self._find_sequence(reference, place)
        url = getattr(reference, "target_url", None)
        if url:
            return self._find_file(path_of(url), place)
        return self._find_by_name(clip, place)

    def locate(self, name: str, what: str) -> str:
        """A file that a job names, relative to the library's folders; raises MediaError."""
        return self._find_file(name, what)

    def source_of(self, clip: Any, place: str) -> Source:
        """The media behind a clip, with the file's own time code reconciled with the timeline's."""
        path = self.find(clip, place)
        if isinstance(clip.media_reference, otio.schema.ImageSequenceReference):
            return _sequence_source(clip.media_reference, path)
        if is_pattern(path):
            return _pattern_source(clip, path, place)
        if images := first_of_images(path):
            return _pattern_source(clip, images[0], place, images[1])
        facts = self.probe.picture(path)
        return Source(path, facts, _zero(clip, facts, place, Path(path).name))

    def sound_facts(self, path: str, track: int | None = None) -> SoundFacts:
        """What a file's sound is: of the stream `track`, from 0, or of the one that speaks."""
        return self.probe.sound(path) if track is None else probe_sound(path, track)

    def sound_of(self, clip: Any, place: str, track: int | None = None) -> SoundSource:
        """The sound behind an audio clip, of its media's sound stream `track`."""
        path = self.find(clip, place)
        facts = self.sound_facts(path, track)
        own = stamp_of(Path(path)) or ZERO
        with contextlib.suppress(MediaError):
            own = self.probe.picture(path).start
        return SoundSource(path, facts, _sound_zero(clip, facts, own))

    def _find_file(self, name: str, place: str) -> str:
        for plain in spellings(name):
            for candidate in self._candidates(plain):
                if is_file(candidate):
                    return str(candidate)
                if pattern := images_at(candidate):
                    return pattern
        for plain in spellings(name):
            for candidate in self._candidates(plain):
                if found := spelt_otherwise(candidate):
                    return str(found)
        raise MediaError(
            f"The media '{name}' of {place} is missing; bring it back or name its folder.",
            "search",
        )

    def _candidates(self, plain: PurePosixPath) -> Iterable[Path]:
        """Where a file may lie: where its name says, and in each folder with as many of the folders
        of its name as are there too."""
        if plain.is_absolute():
            yield Path(plain)
        parts = [part for part in plain.parts if part not in ("/", "//")]
        for folder in self.folders:
            for first in range(len(parts)):
                yield folder.joinpath(*parts[first:])

    def _find_by_name(self, clip: Any, place: str) -> str:
        """EDLs name reels and clips instead of files."""
        reel = remembered(clip, "cmx_3600").get("reel")
        for name in (clip.media_reference.name, clip.name, reel):
            for folder in self.folders:
                for found in files_called(folder, str(name or "")):
                    return str(found)
        raise MediaError(
            f"The media of {place} is missing: the timeline names no file;"
            " give the folder that holds a file of that name.",
            "search",
        )

    def _find_sequence(self, reference: Any, place: str) -> str:
        base = path_of(reference.target_url_base or "")
        number = f"{reference.start_frame:0{max(1, reference.frame_zero_padding)}d}"
        first = f"{reference.name_prefix}{number}{reference.name_suffix}"
        if reference.frame_step != 1:
            raise MediaError(
                f"The image sequence of {place} takes every {reference.frame_step}. image only;"
                " export it with all of them."
            )
        pattern = f"%0{max(1, reference.frame_zero_padding)}d"
        name = f"{reference.name_prefix}{pattern}{reference.name_suffix}"
        for plain in spellings(base.rstrip("/\\") + "/" + first if base else first):
            for candidate in self._candidates(plain):
                if is_file(candidate):
                    return str(candidate.parent / name)
        raise MediaError(
            f"The image sequence '{first}' of {place} is missing;"
            " bring it back or name its folder.",
            "search",
        )


def _sequence_source(reference: Any, pattern: str) -> Source:
    """Frame 0 is the image with the lowest number; raises MediaError where one is missing."""
    rate = exact_rate(reference.rate)
    available = reference.available_range
    zero = seconds(available.start_time) if available is not None else ZERO
    found = _found_images(pattern)
    return _of_images(found, rate, zero - (reference.start_frame - found.first) / rate)


def _pattern_source(clip: Any, pattern: str, place: str, named: int | None = None) -> Source:
    """Images that a plain file name means. Its times count the images' own numbers where these
    lie among them, else from the first image, or from the one that is `named`."""
    available, used = clip.media_reference.available_range, clip.source_range
    told = available or used
    if told is None or told.start_time.rate <= 0:
        raise MediaError(f"The timeline does not say the rate of {place}; export it again.")
    rate, found = exact_rate(told.start_time.rate), _found_images(pattern)
    first, start = found.first / rate, seconds(told.start_time)
    if first <= start < first + found.count / rate:
        return _of_images(found, rate, first)
    zero = start if available is not None else ZERO
    return _of_images(found, rate, zero - ((named or found.first) - found.first) / rate)


def _found_images(pattern: str) -> Any:
    from stylesync_engine.media.sequences import find_sequence

    found = find_sequence(Path(pattern))
    if found is None:
        raise MediaError(f"'{pattern}' is no sequence we read; export PNG, TIFF, DPX or EXR.")
    return found


def _of_images(found: Any, rate: Fraction, zero: Fraction) -> Source:
    start_frame = round(zero * rate) if zero > 0 else None
    facts = PictureFacts(rate, found.count, start_frame, first_number=found.first)
    return Source(str(found.path), facts, zero)


def _zero(clip: Any, facts: PictureFacts, place: str, name: str) -> Fraction:
    """Media time of the file's first frame, from the timeline's word and the file's own.

    Sure are: an available range of the file's own length (the timeline numbers this file its own
    way) or start, one that lies inside the file's own numbering, and none at all (the file's time
    code counts, if the clip uses it). Anything else could show a wrong frame and is refused.
    """
    frame = 1 / facts.rate
    lead = facts.undecoded[0] * frame
    if MLT in clip.media_reference.metadata:
        return lead  # MLT counts every file from its first frame, whatever its time code says
    length = (facts.frames + sum(facts.undecoded)) * frame
    own = facts.start - lead if facts.start_frame is not None else ZERO
    available = clip.media_reference.available_range
    if available is None:
        return _zero_without_range(clip, own, length) + lead
    stated = span_of(available)
    if abs(stated.duration - length) <= frame or abs(stated.start - own) <= frame / 2:
        return stated.start + lead
    if own - frame < stated.start and stated.end < own + length + frame:
        return own + lead
    raise MediaError(
        f"The timeline says that the media of {place} runs from {float(stated.start):g} s for"
        f" {float(stated.duration):g} s, but '{name}' runs from {float(own):g} s for"
        f" {float(length):g} s; relink the clip."
    )


def _zero_without_range(clip: Any, own: Fraction, length: Fraction) -> Fraction:
    used = seconds(clip.source_range.start_time) if clip.source_range else own
    return own if own <= used < own + length else ZERO


def _sound_zero(clip: Any, facts: SoundFacts, own: Fraction) -> Fraction:
    """Sound is numbered as its own time code says, or from the available range's start."""
    if MLT in clip.media_reference.metadata:
        return ZERO
    available = clip.media_reference.available_range
    if available is None:
        return _zero_without_range(clip, own, facts.length)
    stated = span_of(available)
    # Sound and picture of one file seldom end together; a twelfth of a second is two frames.
    slack = Fraction(1, 12)
    whole = abs(stated.duration - facts.length) <= slack
    inside = own <= stated.start and stated.end <= own + facts.length + slack
    return own if inside and not whole else stated.start
