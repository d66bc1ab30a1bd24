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
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from stylesync_engine.consent import check_consent
from stylesync_engine.request import (
    DubError,
    DubOptions,
    DubRequest,
    FrameRange,
    MediaError,
    RequestError,
    SpeakerPoint,
    to_dict,
)
from stylesync_plugin.jobs import Job
from stylesync_plugin.placement import ZERO, Layout, Overlap, PlacedClip, is_picture, lay_out
from stylesync_plugin.selecting import VIDEO, Piece, select
from stylesync_plugin.sources import EngineProbe, Library, Probe, Source
from stylesync_plugin.speech import Recording, SoundPart, Track, find_speech, shifted, spans_of
from stylesync_plugin.times import EDGE, Span, frame_at, frame_from, time_code

SUFFIXES = {"ffv1": ".mkv", "h264": ".mp4", "png": ".%06d.png", "exr": ".%06d.exr"}

_FURTHEST_ALIGNMENT = 32
"""Source frames that a dub may begin earlier so that its first frame lies on a timeline frame."""


@dataclass(frozen=True, slots=True)
class PlanSettings:
    """Where media lie and results go; `handles` are extra source frames at both ends."""

    media: Path
    folders: tuple[Path, ...] = ()
    handles: int = 0
    rate: Fraction | None = None
    probe: Probe = field(default_factory=EngineProbe)


@dataclass(frozen=True, slots=True)
class Conform:
    """A clip to be made: these frames of `video`, one for each frame of the timeline."""

    video: str
    frames: tuple[int, ...]
    rate: Fraction
    output: str

    def to_dict(self) -> dict[str, Any]:
        return {
            "video": self.video, "frames": list(self.frames), "rate": str(self.rate),
            "output": self.output,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """Where a dub goes: over which clip of which stack, and what its media look like in time.

    `span` is in the host stack's time and `seen` on the timeline, in seconds. The dubbed media run
    at `rate` from `first` s for `frames`; its source range starts at `start` s.
    """

    path: tuple[int, ...]
    layer: int
    clip: str
    label: str
    span: Span
    seen: Span
    rate: Fraction
    first: Fraction
    frames: int
    start: Fraction
    conformed: bool


@dataclass(frozen=True, slots=True)
class PlannedDub:
    """One dub, ready for the engine once its `recordings` and `conform` are made."""

    id: str
    job: str
    place: Place
    request: DubRequest
    sounds: tuple[tuple[SoundPart, Span], ...] = ()
    recordings: tuple[Recording, ...] = ()
    conform: Conform | None = None
    second: DubRequest | None = None
    warnings: tuple[str, ...] = ()
    consent: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        data: dict[str, Any] = {
            "id": self.id, "job": self.job, "clip": self.place.clip, "track": self.place.label,
            "range": [str(self.place.seen.start), str(self.place.seen.end)],
            "rate": str(self.place.rate), "request": to_dict(self.request),
            "recordings": [recording.to_dict() for recording in self.recordings],
            "warnings": list(self.warnings),
        }  # fmt: skip
        if self.conform is not None:
            data["conform"] = self.conform.to_dict()
        if self.second is not None:
            data["second"] = to_dict(self.second)
        if self.consent is not None:
            data["consent"] = self.consent
        return data


@dataclass(frozen=True, slots=True)
class Refusal:
    """A job, or a clip of it, that cannot be dubbed, and why."""

    job: str
    error: DubError

    def to_dict(self) -> dict[str, str]:
        return {"job": self.job, **self.error.to_dict()}


@dataclass(frozen=True, slots=True)
class Plan:
    """All dubs of a timeline in time order, and what was refused."""

    dubs: tuple[PlannedDub, ...]
    refused: tuple[Refusal, ...]
    rate: Fraction
    zero: Fraction

    def to_dict(self) -> dict[str, Any]:
        return {
            "rate": str(self.rate),
            "dubs": [dub.to_dict() for dub in self.dubs],
            "refused": [refusal.to_dict() for refusal in self.refused],
        }

    def where(self, dub: PlannedDub) -> str:
        """Time codes of a dub, for people: `01:00:02:00-01:00:04:12`."""
        ends = (dub.place.seen.start, dub.place.seen.end)
        return "-".join(time_code(moment, self.rate, self.zero) for moment in ends)


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
    return Plan(tuple(dubs), tuple(refused), layout.rate, layout.zero)


@dataclass(frozen=True, slots=True)
class _Frames:
    """What is dubbed of a clip: `time` (s on the timeline) is when the first frame is shown."""

    count: int
    time: Fraction
    first: Fraction
    start: Fraction
    rate: Fraction
    frames: FrameRange | None = None
    conform: tuple[int, ...] = ()


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
        self.start, self.end = pieces[0].span.start, pieces[-1].span.end
        self.speech = find_speech(layout, library, job.speech, self.start, job.name)
        self.style = self._find_style()

    def dub(self, piece: Piece, following: Piece | None) -> PlannedDub:
        """The dub of one piece; its part of the speech ends where the `following` one begins."""
        placed = piece.placed
        where = self.layout.where(placed)
        _check(placed, where)
        source = self.library.source_of(placed.clip, where)
        span, warnings = _whole_transitions(placed, piece, where)
        covered = _with_overlaps(placed, span)
        frames = self._frames(placed, source, span, covered, where)
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
        )

    def _frames(
        self, placed: PlacedClip, source: Source, span: Span, covered: Span, where: str
    ) -> _Frames:
        if placed.media.scale != 1:
            return self._shown_frames(placed, source, span, covered, where)
        return self._source_frames(placed, source, span, covered, where)

    def _source_frames(
        self, placed: PlacedClip, source: Source, span: Span, covered: Span, where: str
    ) -> _Frames:
        """Source frames as they are, for clips at their own speed."""
        facts, media = source.facts, placed.media
        if facts.variable:
            first, end = 0, facts.frames
        else:
            core = _frames_between(source, media.span(span))
            _check_bounds(core, source, where)
            first, end = self._with_handles(source, media.span(covered), media.span(span))
        time = placed.to_root(media.inverse()(source.time_of(first)))
        # The dub carries the source's time code on; without one its own time begins at 0.
        counted = facts.start_frame is not None
        first_time = facts.start + first / facts.rate if counted else ZERO
        start = first_time + media(span.start) - source.time_of(first)
        return _Frames(end - first, time, first_time, start, facts.rate, FrameRange(first, end))

    def _with_handles(self, source: Source, covered: Span, core: Span) -> tuple[int, int]:
        """The frames of a media span with handles, starting on a timeline frame where that is near.

        Where source and timeline count differently, hosts round to either neighbour: one frame
        more at both ends belongs to the dub.
        """
        rate = self.layout.rate
        more = self.settings.handles + (source.facts.rate != rate)
        first, end = _frames_between(source, covered)
        first, end = max(0, first - more), min(source.facts.frames, end + more)
        step = rate / source.facts.rate
        whole = (core.start - source.zero) * rate * step.denominator
        if whole.denominator == 1:
            for earlier in range(first, max(-1, first - _FURTHEST_ALIGNMENT), -1):
                if (whole.numerator - earlier * step.numerator) % step.denominator == 0:
                    return earlier, end
        return first, end

    def _shown_frames(
        self, placed: PlacedClip, source: Source, span: Span, covered: Span, where: str
    ) -> _Frames:
        """One source frame for each timeline frame, for retimed clips and stills."""
        if source.facts.variable:
            raise RequestError(
                f"The {where} is retimed and its media have a variable frame rate;"
                " convert them to a constant rate first."
            )
        rate = self.layout.rate
        core = _shown(placed, source, placed.to_root.span(span), rate)
        if not core:
            raise RequestError(f"The {where} is shorter than a frame; there is nothing to dub.")
        _check_bounds((min(core.values()), max(core.values()) + 1), source, where)
        seen = _shown(placed, source, placed.to_root.span(covered), rate)
        seen = {k: frame for k, frame in seen.items() if 0 <= frame < source.facts.frames}
        time = min(seen) / rate
        start = placed.to_root(span.start) - time
        return _Frames(len(seen), time, ZERO, start, rate, None, tuple(seen.values()))

    def _speech(
        self, piece: Piece, frames: _Frames, last: bool
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
                " give longer speech or a shorter range."
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
        frames: _Frames,
        speech: SoundPart,
        recording: Recording | None,
        delivery: str | None = None,
    ) -> DubRequest:
        """The request; the names of its output and work folder come from all the rest."""
        job, options = self.job, self.job.options
        if delivery is not None:
            options = DubOptions(**{**dataclasses.asdict(options), "delivery": delivery})
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
            "consent": self.library.locate(job.consent, "the consent") if job.consent else None,
        }
        key = _digest([*map(str, asked.values()), str(options)])
        name = f"{_slug(source.path)}_{key}{SUFFIXES.get(options.codec, '.mov')}"
        media = self.settings.media
        return DubRequest(
            **asked, options=options, output=str(media / name), work=str(media / "work" / key)
        )

    def _conformed(self, source: Source, frames: _Frames) -> Conform:
        plain = Conform(source.path, frames.conform, frames.rate, "")
        name = f"{_slug(source.path)}_{_digest(plain.to_dict())}.mkv"
        return dataclasses.replace(plain, output=str(self.settings.media / "conformed" / name))

    def _speaker(self, frames: _Frames) -> SpeakerPoint | None:
        """The click on the speaker, by source frame or by frame of the conformed clip."""
        if self.job.speaker is None:
            return None
        point = SpeakerPoint.parse(self.job.speaker)
        if not frames.conform:
            return point
        nearest = min(range(frames.count), key=lambda i: abs(frames.conform[i] - point.frame))
        return SpeakerPoint(nearest, point.x, point.y)

    def _lengths(self) -> tuple[str, ...]:
        """What a person should hear about speech that does not fit its range."""
        extra = float(self.speech.length - (self.end - self.start))
        if abs(extra) < 0.1:
            return ()
        policy = self.job.options.length
        compared = "longer" if extra > 0 else "shorter"
        return (
            f"The speech of {self.job.name} is {abs(extra):.2f} s {compared} than its range;"
            f" length '{policy}' decides what happens.",
        )

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
        first, end = _frames_between(source, media)
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
        from stylesync_plugin.jobs import Pick, Speech
        from stylesync_plugin.selecting import with_range

        where = self.layout.where(piece.placed)
        try:
            pick = with_range(Pick(), piece.span)
            track = find_speech(
                self.layout, self.library, Speech(pick=pick), piece.span.start, self.job.name
            )
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


def _check(placed: PlacedClip, where: str) -> None:
    if placed.obstacles:
        raise RequestError(
            f"The {where} {placed.obstacles[0]}; render it to a file and dub that in its place."
        )
    if not placed.enabled:
        raise RequestError(f"The {where} is disabled; enable it or choose another clip.")
    if not placed.has_picture:
        raise RequestError(f"The {where} is a title or generator; choose a clip with a person.")


def _whole_transitions(
    placed: PlacedClip, piece: Piece, where: str
) -> tuple[Span, tuple[str, ...]]:
    """The piece in host time, never ending in the middle of a dissolve.

    Towards another clip the whole dissolve belongs to the dub. A fade from or to nothing cannot
    be rebuilt on a track above, where it would reveal the original: the dub leaves it alone.
    """
    span = placed.to_root.inverse().span(piece.span)
    start = placed.reach.start if span.start == placed.shown.start else span.start
    end = placed.reach.end if span.end == placed.shown.end else span.end
    warnings = []
    head, tail = placed.head, placed.tail
    if head is not None and start < head.span.end:
        start = placed.span.start if _joins(head) else head.span.end
        if not _joins(head):
            warnings.append(f"The {where} fades in from nothing; the fade itself is not dubbed.")
    if tail is not None and end > tail.span.start:
        end = placed.span.end if _joins(tail) else tail.span.start
        if not _joins(tail):
            warnings.append(f"The {where} fades out to nothing; the fade itself is not dubbed.")
    if not Span(start, end):
        raise RequestError(f"The {where} consists of a fade only; there is nothing to dub.")
    return Span(start, end), tuple(warnings)


def _joins(overlap: Overlap) -> bool:
    """Whether the transition leads to another picture."""
    return is_picture(overlap.neighbour)


def _with_overlaps(placed: PlacedClip, span: Span) -> Span:
    """The span with what dissolves show beyond the cuts."""
    start, end = span.start, span.end
    if placed.head is not None and start == placed.span.start:
        start = min(start, placed.head.span.start)
    if placed.tail is not None and end == placed.span.end:
        end = max(end, placed.tail.span.end)
    return Span(start, end)


def _frames_between(source: Source, media: Span) -> tuple[int, int]:
    """The frames shown in a span of media time: first, and one past the last."""
    first = source.frame_at(media.start)
    return first, max(first + 1, frame_from(media.end - source.zero, source.facts.rate))


def _shown(placed: PlacedClip, source: Source, seen: Span, rate: Fraction) -> dict[int, int]:
    """Timeline frames of a span of the timeline, each with the source frame that it shows.

    floor((scale * k / rate + offset - zero) * source rate + EDGE), in whole numbers. A span that
    begins within a timeline frame takes that frame too, so that media begin no later than it.
    """
    media = placed.to_root.inverse().then(placed.media)
    slope = media.scale / rate * source.facts.rate
    offset = (media.offset - source.zero) * source.facts.rate + EDGE
    common = math.lcm(slope.denominator, offset.denominator)
    step, base = int(slope * common), int(offset * common)
    numbers = range(frame_from(seen.start, rate), frame_from(seen.end, rate))
    shown = {k: (step * k + base) // common for k in numbers}
    begun = frame_at(seen.start, rate)
    if shown and begun not in shown:
        return {begun: source.frame_at(media(seen.start)), **shown}
    return shown


def _check_bounds(frames: tuple[int, int], source: Source, where: str) -> None:
    """One frame too many at the end is a host's rounding; more is another file."""
    first, end = frames
    if first < 0 or end > source.facts.frames + 1 or first >= source.facts.frames:
        raise MediaError(
            f"The {where} needs source frames {first}:{end}, but '{Path(source.path).name}' has"
            f" {source.facts.frames}; relink the clip or trim it."
        )


def _place_id(place: Place, source: Source) -> str:
    """Names the place that a dub takes: the same wish on the same clip replaces its own result."""
    return _digest(
        [place.label, place.clip, source.path, str(place.seen.start), str(place.seen.end)]
    )


def _digest(data: Any) -> str:
    text = json.dumps(data, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _slug(path: str) -> str:
    name = Path(path.replace("%", "_")).stem
    return re.sub(r"[^\w.-]+", "_", name)[:60] or "clip"


__all__ = [
    "Conform", "Place", "Plan", "PlanSettings", "PlannedDub", "Refusal", "Track", "plan",
]  # fmt: skip
