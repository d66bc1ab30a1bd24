"""What a job asks of the engine for a piece of a clip: speech, style, speaker, keys and names."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

from stylesync_engine.errors import about
from stylesync_engine.ranges import tell_lengths
from stylesync_engine.request import (
    Delivery,
    DubError,
    DubRequest,
    FrameRange,
    MediaError,
    MouthKey,
    RequestError,
    SpeakerPoint,
)
from stylesync_plugin.jobs import Job, Pick, Speech
from stylesync_plugin.planning.coverage import Frames, frames_between
from stylesync_plugin.planning.plan import Conform
from stylesync_plugin.planning.recordings import (
    Recording,
    SoundPart,
    find_speech,
    shifted,
    spans_of,
)
from stylesync_plugin.timeline.layout import Layout
from stylesync_plugin.timeline.selecting import VIDEO, Piece, select, with_range
from stylesync_plugin.timeline.sources import EngineProbe, Library, Probe, Source
from stylesync_plugin.times import Span, frame_at, frame_from

SUFFIXES = {"ffv1": ".mkv", "h264": ".mp4", "png": ".%06d.png", "exr": ".%06d.exr"}


@dataclass(frozen=True, slots=True)
class PlanSettings:
    """Where media lie and results go; `handles` are extra source frames at both ends."""

    media: Path
    folders: tuple[Path, ...] = ()
    handles: int = 0
    rate: Fraction | None = None
    probe: Probe = field(default_factory=EngineProbe)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for a piece: the request, a second delivery of it, what is heard when, what has
    to be recorded first, the files of a speech that lies on the timeline, what is to be said."""

    request: DubRequest
    second: DubRequest | None
    sounds: tuple[tuple[SoundPart, Span], ...]
    recordings: tuple[Recording, ...]
    in_place: tuple[str, ...]
    warnings: tuple[str, ...]


class JobPlanner:
    """What one job asks for each of its pieces."""

    def __init__(
        self,
        layout: Layout,
        library: Library,
        settings: PlanSettings,
        job: Job,
        pieces: Sequence[Piece],
    ) -> None:
        self.layout, self.library, self.settings, self.job = layout, library, settings, job
        self.start, self.end = pieces[0].span.start, pieces[-1].span.end
        with about("speech"):
            stream = job.options.speech_stream
            self.speech = find_speech(
                layout, library, job.speech, self.start, job.name, stream and stream - 1
            )
        with about("style"):
            self.style = self._find_style()

    def ask(
        self, piece: Piece, following: Piece | None, source: Source, frames: Frames, alone: bool
    ) -> Asked:
        """What is asked of the engine for one piece; its part of the speech ends where the
        `following` one begins. Unless it is `alone` the frames are those of several faces, which
        are left as they are before and after the piece."""
        if alone:
            speech, recording = self._speech(piece, frames, following is None)
            keys = self._keys(frames)
        else:
            speech, recording = self._speech_within(piece, frames)
            keys = (*self._keys(frames), *_around(piece, frames))
        mouth = (self._speaker(frames, alone), keys)
        request = self._request(source, frames, speech, recording, mouth)
        second = None
        if self.job.second is not None:
            second = self._request(source, frames, speech, recording, mouth, self.job.second)
        heard = Span(piece.span.start, following.span.start if following else self.end)
        made = tuple(r for r in (recording, self.style[3]) if r is not None)
        lengths = self._lengths() if following is None else ()
        if self.speech.in_place:
            files = tuple(dict.fromkeys(part.path for part in self.speech.parts))
            return Asked(request, second, (), made, files, lengths)
        sounds = tuple(spans_of(self.speech, self.start, heard))
        return Asked(request, second, sounds, made, (), lengths)

    def together(self, recordings: Sequence[Recording]) -> Recording:
        """What several speakers say, as one sound."""
        parts = tuple(part for recording in recordings for part in recording.parts)
        return self._recorded(parts, recordings[0].length)[1]

    def conformed(self, source: Source, frames: Frames) -> Conform:
        plain = Conform(source.path, frames.conform, frames.rate, "")
        name = f"{_slug(source.path)}_{digest([plain.to_dict(), _state_of(source.path)])}.mkv"
        return dataclasses.replace(plain, output=str(self.settings.media / "conformed" / name))

    def _speech(
        self, piece: Piece, frames: Frames, last: bool
    ) -> tuple[SoundPart, Recording | None]:
        """The speech from the dub's first frame on: samples of a file, or a recording to make."""
        length = frames.count / frames.rate
        later = self.start - frames.time
        needed = max(length, later + self.speech.length) if last else length
        parts = shifted(self.speech.parts, later, needed)
        heard = shifted(self.speech.parts, self.start - piece.span.start, piece.span.duration)
        if not heard:
            raise RequestError(
                f"The speech of {self.job.name} ends before the {self.layout.where(piece.placed)};"
                " give longer speech or a shorter range.",
                "speech",
            )
        if len(parts) == 1 and parts[0].at == 0:
            return parts[0], None
        return self._recorded(parts, max(part.at + part.length for part in parts))

    def _speech_within(self, piece: Piece, frames: Frames) -> tuple[SoundPart, Recording | None]:
        """The speech of one face of several: silence but within its own piece."""
        until = piece.span.end - frames.time
        parts = shifted(self.speech.parts, self.start - frames.time, until)
        if not parts:
            raise RequestError(f"The speech of {self.job.name} ends before its range.", "speech")
        return self._recorded(parts, frames.count / frames.rate)

    def _recorded(
        self, parts: tuple[SoundPart, ...], length: Fraction
    ) -> tuple[SoundPart, Recording]:
        recording = Recording("", parts, length)
        key = digest([recording.to_dict(), *(_state_of(part.path) for part in parts)])
        path = str(self.settings.media / "sound" / f"speech_{key}.wav")
        return parts[0], dataclasses.replace(recording, path=path)

    def _request(
        self,
        source: Source,
        frames: Frames,
        speech: SoundPart,
        recording: Recording | None,
        mouth: tuple[SpeakerPoint | None, tuple[MouthKey, ...]],
        delivery: str | None = None,
    ) -> DubRequest:
        """The request; its output is named by all the rest, its work folder by all but the keys:
        with other ones, windows that do not change are there already."""
        job, options = self.job, self.job.options
        if delivery is not None:
            options = dataclasses.replace(options, delivery=cast(Delivery, delivery))
        if source.is_sequence and not frames.conform:
            options = dataclasses.replace(options, images_rate=str(source.facts.rate))
        if recording is not None:
            options = dataclasses.replace(options, speech_stream=None)
        if self.style[3] is not None:
            options = dataclasses.replace(options, style_stream=None)
        whole = (speech.first, speech.last) == (0, speech.total)
        asked: dict[str, Any] = {
            "video": self.conformed(source, frames).output if frames.conform else source.path,
            "frames": frames.frames,
            "speech": recording.path if recording else speech.path,
            "speech_samples": None if recording or whole else (speech.first, speech.last),
            "style": self.style[0],
            "style_frames": self.style[1],
            "style_speech": self.style[2],
            "speaker": mouth[0],
            "person": job.person,
            "mouth_keys": mouth[1],
            "consent": self.library.locate(job.consent, "the consent") if job.consent else None,
        }
        key = digest([*map(str, asked.values()), str(options)])
        name = f"{_slug(job.named or source.path)}_{key}{SUFFIXES.get(options.codec, '.mov')}"
        work = key
        if asked["mouth_keys"]:
            work = digest([*map(str, {**asked, "mouth_keys": ()}.values()), str(options)])
        media = self.settings.media
        return DubRequest(
            **asked, options=options, output=str(media / name), work=str(media / "work" / work)
        )

    def _speaker(self, frames: Frames, alone: bool) -> SpeakerPoint | None:
        """The click on the speaker, by source frame or by frame of the conformed clip; one that is
        somebody's face in other shots is none here."""
        told = self.job.speaker or self.job.face
        if told is None:
            return None
        point = SpeakerPoint.parse(told)
        seen = point.frame in (frames.frames or frames.conform)
        if not (self.job.speaker or seen):
            if alone:
                return None
            raise RequestError(
                f"Somebody else speaks with {self.job.name} in this shot, where nobody has clicked"
                " on the face; do so.",
                "speaker",
            )
        if not frames.conform:
            return point
        nearest = min(range(frames.count), key=lambda i: abs(frames.conform[i] - point.frame))
        return SpeakerPoint(nearest, point.x, point.y)

    def _keys(self, frames: Frames) -> tuple[MouthKey, ...]:
        """The job's keys in this clip, by source frame or by frame of the conformed clip."""
        origin = frames.frames.start if frames.frames else 0
        found = []
        for key in self.job.keys:
            first, last = (self.start + at / self.layout.rate for at in (key.start, key.end))
            start = max(0, frame_at(first - frames.time, frames.rate))
            end = min(frames.count, frame_from(last - frames.time, frames.rate))
            if start < end:
                found.append(MouthKey(key.shape, origin + start, origin + end))
        return tuple(found)

    def _lengths(self) -> tuple[str, ...]:
        """What a person should hear about speech that does not fit its range."""
        told = tell_lengths(
            float(self.speech.length), float(self.end - self.start),
            self.job.options.length, self.job.name,
        )  # fmt: skip
        return (told,) if told else ()

    def _find_style(
        self,
    ) -> tuple[str | None, FrameRange | None, str | None, Recording | None]:
        """(file, frames, sound, recording of the sound to make); all None for the shot itself."""
        style, what = self.job.style, f"the style of {self.job.name}"
        sound = self.library.locate(style.sound, what) if style.sound else None
        if style.file is not None:
            frames = FrameRange.parse(style.frames) if style.frames else None
            return self.library.locate(style.file, what), frames, sound, None
        if not style.pick:
            return None, None, None, None
        pieces = select(self.layout, style.pick, VIDEO, what)
        if len(pieces) > 1:
            raise RequestError(f"T{what[1:]} ({style.pick}) spans {len(pieces)} clips; choose one.")
        piece = pieces[0]
        where = self.layout.where(piece.placed)
        source = self.library.source_of(piece.placed.clip, where)
        media = piece.placed.media.span(piece.placed.to_root.inverse().span(piece.span))
        first, end = frames_between(source, media)
        frames = FrameRange(max(0, first), min(max(end, first + 1), source.facts.frames))
        if sound is not None or self._has_sound(source):
            return source.path, frames, sound, None
        recording = self._linked_sound(piece, source, frames)
        return source.path, frames, recording.path, recording

    def _has_sound(self, source: Source) -> bool:
        try:
            return self.library.probe.sound(source.path).samples > 0
        except MediaError:
            return False

    def _linked_sound(self, piece: Piece, source: Source, frames: FrameRange) -> Recording:
        """The timeline's sound under a silent style clip, laid along its file from frame 0."""
        where = self.layout.where(piece.placed)
        try:
            pick = with_range(Pick(), piece.span)
            stream = self.job.options.style_stream
            track = find_speech(
                self.layout, self.library, Speech(pick=pick), piece.span.start, self.job.name,
                stream and stream - 1,
            )  # fmt: skip
        except DubError as error:
            raise RequestError(
                f"The style {where} has no sound, nor has the timeline under it;"
                " name a file with its sound."
            ) from error
        later = frames.start / source.facts.rate
        parts = shifted(track.parts, later, later + track.length)
        recording = Recording("", parts, later + track.length)
        key = digest([recording.to_dict(), *(_state_of(part.path) for part in parts)])
        path = self.settings.media / "sound" / f"style_{key}.wav"
        return dataclasses.replace(recording, path=str(path))


def _around(piece: Piece, frames: Frames) -> tuple[MouthKey, ...]:
    """Keys that leave a face as it is before and after a piece; the ends of a clip belong to what
    reaches them, with their handles and dissolves."""
    shown, count = piece.placed.root_span, frames.count
    first, last = (moment - frames.time for moment in (piece.span.start, piece.span.end))
    start = 0 if piece.span.start <= shown.start else max(0, frame_at(first, frames.rate))
    end = count if piece.span.end >= shown.end else min(count, frame_from(last, frames.rate))
    origin = frames.frames.start if frames.frames else 0
    outside = ((0, start), (end, count))
    return tuple(MouthKey("original", origin + a, origin + b) for a, b in outside if a < b)


def _state_of(path: str) -> list[int]:
    """By what it is seen that a file has changed, of which something is made; nothing of images."""
    try:
        status = Path(path).stat()
    except OSError:
        return []
    return [status.st_size, status.st_mtime_ns]


def digest(data: Any) -> str:
    text = json.dumps(data, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:12]


def _slug(path: str) -> str:
    name = Path(path.replace("%", "_")).stem
    return re.sub(r"[^\w-]+", "_", name)[:60] or "clip"
