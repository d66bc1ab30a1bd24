"""From a timeline and wishes to requests: every frame named, nothing rendered.

A dub carries the source's own frames, rate and time code, so that the dubbed clip lies over the
original with the same source range, whatever the host's rates. A retimed clip or a still cannot
be dubbed that way (speech does not run at twice its speed): there the frames that the timeline
shows are first written to a clip at the timeline's rate (`Conform`), and that clip is dubbed.
"""

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
from stylesync_engine.origin.consent import check_consent
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
from stylesync_plugin.planning.coverage import (
    Coverage,
    Frames,
    check,
    decodable,
    frames_between,
    whole_transitions,
    with_overlaps,
)
from stylesync_plugin.planning.plan import Conform, Place, Plan, PlannedDub, Refusal
from stylesync_plugin.planning.recordings import (
    Recording,
    SoundPart,
    find_speech,
    shifted,
    spans_of,
)
from stylesync_plugin.timeline.layout import Layout, lay_out
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


def plan(timeline: Any, jobs: Sequence[Job], settings: PlanSettings) -> Plan:
    """Plan every job on a timeline; what one job asks wrongly does not stop the others.

    Raises RequestError only where the timeline itself cannot be laid out.
    """
    layout = lay_out(timeline, settings.rate)
    library = Library(settings.folders, settings.probe)
    dubs: list[PlannedDub] = []
    refused: list[Refusal] = []
    for job in jobs:
        try:
            pieces = select(layout, job.selection, VIDEO, f"selection of {job.name}")
            planned = _Planner(layout, library, settings, job, pieces)
        except DubError as error:
            refused.append(Refusal(job.name, error))
            continue
        for number, piece in enumerate(pieces):
            try:
                following = pieces[number + 1] if number + 1 < len(pieces) else None
                dubs.append(planned.dub(piece, following))
            except DubError as error:
                refused.append(Refusal(job.name, error))
    dubs.sort(key=lambda dub: (dub.place.seen.start, dub.place.label))
    return Plan(tuple(dubs), tuple(refused), layout.rate, layout.zero, layout.drop)


class _Planner:
    """Plans the pieces of one job."""

    def __init__(
        self,
        layout: Layout,
        library: Library,
        settings: PlanSettings,
        job: Job,
        pieces: Sequence[Piece],
    ) -> None:
        self.layout, self.library, self.settings, self.job = layout, library, settings, job
        self.coverage = Coverage(layout.rate, settings.handles)
        self.start, self.end = pieces[0].span.start, pieces[-1].span.end
        with about("speech"):
            stream = job.options.speech_stream
            self.speech = find_speech(
                layout, library, job.speech, self.start, job.name, stream and stream - 1
            )
        with about("style"):
            self.style = self._find_style()

    def dub(self, piece: Piece, following: Piece | None) -> PlannedDub:
        """The dub of one piece; its part of the speech ends where the `following` one begins."""
        placed = piece.placed
        where = self.layout.where(placed)
        check(placed, where)
        source = self.library.source_of(placed.clip, where)
        span, warnings = whole_transitions(placed, piece, where)
        span, undecoded = decodable(span, placed, source, where)
        warnings += undecoded
        covered = with_overlaps(placed, span)
        frames = self.coverage.frames(placed, source, span, covered, where)
        speech, recording = self._speech(piece, frames, following is None)
        request = self._request(source, frames, speech, recording)
        consent = check_consent(request)
        second = None
        if self.job.second is not None:
            second = self._request(source, frames, speech, recording, self.job.second)
        place = Place(
            placed.path,
            placed.layer,
            placed.clip.name,
            placed.label,
            span,
            placed.to_root.span(span),
            frames.rate,
            frames.first,
            frames.count,
            frames.start,
            bool(frames.conform),
        )
        heard = Span(piece.span.start, following.span.start if following else self.end)
        sounds = () if self.speech.in_place else tuple(spans_of(self.speech, self.start, heard))
        if following is None:
            warnings += self._lengths()
        return PlannedDub(
            _place_id(place, source),
            self.job.name,
            place,
            request,
            sounds,
            tuple(r for r in (recording, self.style[3]) if r is not None),
            self._conformed(source, frames) if frames.conform else None,
            second,
            warnings,
            consent.to_dict() if consent is not None else None,
            tuple(dict.fromkeys(p.path for p in self.speech.parts)) if self.speech.in_place else (),
        )

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
        end = max(part.at + part.length for part in parts)
        recording = Recording("", parts, end)
        key = _digest(recording.to_dict())
        path = str(self.settings.media / "sound" / f"speech_{key}.wav")
        return parts[0], dataclasses.replace(recording, path=path)

    def _request(
        self,
        source: Source,
        frames: Frames,
        speech: SoundPart,
        recording: Recording | None,
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
            "video": self._conformed(source, frames).output if frames.conform else source.path,
            "frames": frames.frames,
            "speech": recording.path if recording else speech.path,
            "speech_samples": None if recording or whole else (speech.first, speech.last),
            "style": self.style[0],
            "style_frames": self.style[1],
            "style_speech": self.style[2],
            "speaker": self._speaker(frames),
            "person": job.person,
            "mouth_keys": self._keys(frames),
            "consent": self.library.locate(job.consent, "the consent") if job.consent else None,
        }
        key = _digest([*map(str, asked.values()), str(options)])
        name = f"{_slug(job.named or source.path)}_{key}{SUFFIXES.get(options.codec, '.mov')}"
        work = key
        if asked["mouth_keys"]:
            work = _digest([*map(str, {**asked, "mouth_keys": ()}.values()), str(options)])
        media = self.settings.media
        return DubRequest(
            **asked, options=options, output=str(media / name), work=str(media / "work" / work)
        )

    def _conformed(self, source: Source, frames: Frames) -> Conform:
        plain = Conform(source.path, frames.conform, frames.rate, "")
        name = f"{_slug(source.path)}_{_digest(plain.to_dict())}.mkv"
        return dataclasses.replace(plain, output=str(self.settings.media / "conformed" / name))

    def _speaker(self, frames: Frames) -> SpeakerPoint | None:
        """The click on the speaker, by source frame or by frame of the conformed clip."""
        if self.job.speaker is None:
            return None
        point = SpeakerPoint.parse(self.job.speaker)
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
        path = self.settings.media / "sound" / f"style_{_digest(recording.to_dict())}.wav"
        return dataclasses.replace(recording, path=str(path))


def _place_id(place: Place, source: Source) -> str:
    """Names the place that a dub takes: the same wish on the same clip replaces its own result."""
    return _digest(
        [place.label, place.clip, source.path, str(place.seen.start), str(place.seen.end)]
    )


def _digest(data: Any) -> str:
    text = json.dumps(data, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:12]


def _slug(path: str) -> str:
    name = Path(path.replace("%", "_")).stem
    return re.sub(r"[^\w-]+", "_", name)[:60] or "clip"


__all__ = ["Conform", "Place", "Plan", "PlanSettings", "PlannedDub", "Refusal", "plan"]
