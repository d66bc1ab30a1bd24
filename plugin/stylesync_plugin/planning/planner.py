"""From a timeline and wishes to requests: every frame named, nothing rendered.

A dub carries the source's own frames, rate and time code, so that the dubbed clip lies over the
original with the same source range, whatever the host's rates. A retimed clip or a still cannot
be dubbed that way (speech does not run at twice its speed): there the frames that the timeline
shows are first written to a clip at the timeline's rate (`Conform`), and that clip is dubbed.

Several speakers of one shot who are dubbed at the same time make one dub: one picture, in which
each mouth moves in its own time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from stylesync_engine.origin.consent import check_consent
from stylesync_engine.request import DubError, DubRequest, RequestError
from stylesync_plugin.jobs import Job
from stylesync_plugin.planning.coverage import (
    Coverage,
    Frames,
    check,
    decodable,
    whole_transitions,
    with_overlaps,
)
from stylesync_plugin.planning.plan import Conform, Place, Plan, PlannedDub, Refusal
from stylesync_plugin.planning.wishes import Asked, JobPlanner, PlanSettings, digest
from stylesync_plugin.timeline.layout import Layout, PlacedClip, lay_out
from stylesync_plugin.timeline.selecting import VIDEO, Piece, select
from stylesync_plugin.timeline.sources import Library, Source
from stylesync_plugin.times import Span


class _Part(NamedTuple):
    """A piece of a clip that a job dubs, the job's next one, and which job it is."""

    job: JobPlanner
    piece: Piece
    following: Piece | None
    number: int

    @property
    def name(self) -> str:
        return self.job.job.name

    @property
    def speaker(self) -> str | None:
        return self.job.job.speaker or self.job.job.face


_Refused = list[tuple[int, Refusal]]


def plan(timeline: Any, jobs: Sequence[Job], settings: PlanSettings) -> Plan:
    """Plan every job on a timeline; what one job asks wrongly does not stop the others.

    Raises RequestError only where the timeline itself cannot be laid out.
    """
    layout = lay_out(timeline, settings.rate)
    library = Library(settings.folders, settings.probe)
    dubs: list[PlannedDub] = []
    refused: _Refused = []
    clips: dict[int, list[_Part]] = {}
    for number, job in enumerate(_apart(jobs)):
        try:
            pieces = select(layout, job.selection, VIDEO, f"selection of {job.name}")
            planner = JobPlanner(layout, library, settings, job, pieces)
        except DubError as error:
            refused.append((number, Refusal(job.name, error)))
            continue
        for piece, following in zip(pieces, [*pieces[1:], None], strict=True):
            part = _Part(planner, piece, following, number)
            clips.setdefault(id(piece.placed), []).append(part)
    for group in (group for clip in clips.values() for group in _together(clip)):
        dubbed, wrong = _dub_or_refuse(group, layout, library, settings)
        dubs += dubbed
        refused += wrong
    dubs.sort(key=lambda dub: (dub.place.seen.start, dub.place.label))
    refused.sort(key=lambda found: found[0])
    why = tuple(refusal for _, refusal in refused)
    return Plan(tuple(dubs), why, layout.rate, layout.zero, layout.drop)


def _apart(jobs: Sequence[Job]) -> Sequence[Job]:
    """Every job and those beside it, each once: of two that share a picture both may be there."""
    if not any(job.beside for job in jobs):
        return jobs
    every = (each for job in jobs for each in (job, *job.beside))
    return list(dict.fromkeys(dataclasses.replace(each, beside=()) for each in every))


def _together(parts: Sequence[_Part]) -> Iterator[list[_Part]]:
    """Parts of one clip that are dubbed into one picture: of other speakers at the same time.

    Each speaker is said by a click; without one, two dubs of a place are takes of the same mouth.
    """
    groups: list[list[_Part]] = []
    for part in parts:
        joined, apart = [part], list[list[_Part]]()
        for group in groups:
            met = any(_meet(part, other) for other in group)
            if met and not any(_again(one, other) for one in joined for other in group):
                joined = [*group, *joined]
            else:
                apart.append(group)
        groups = [*apart, joined]
    for group in groups:
        yield sorted(group, key=lambda part: (part.piece.span.start, part.name))


def _meet(one: _Part, other: _Part) -> bool:
    """Whether two speakers speak at once."""
    faces = {one.speaker, other.speaker}
    return len(faces) == 2 and None not in faces and _over(one, other)


def _again(one: _Part, other: _Part) -> bool:
    """Whether the same mouth would be dubbed twice at once."""
    return one.speaker == other.speaker and _over(one, other)


def _over(one: _Part, other: _Part) -> bool:
    return bool(one.piece.span.meet(other.piece.span))


def _dub_or_refuse(
    group: Sequence[_Part], layout: Layout, library: Library, settings: PlanSettings
) -> tuple[list[PlannedDub], _Refused]:
    """The dub of a group; where a part of it cannot be dubbed, that of the others."""
    try:
        return [_dub(group, layout, library, settings)], []
    except DubError as error:
        refused = [(part.number, Refusal(part.name, error)) for part in group]
        if len(group) == 1:
            return [], refused
    alone = [_dub_or_refuse([part], layout, library, settings) for part in group]
    left = [part for part, (dubs, _) in zip(group, alone, strict=True) if dubs]
    if len(left) == len(group):
        return [], refused
    wrong = [told for _, refusals in alone for told in refusals]
    dubs, further = _dub_or_refuse(left, layout, library, settings) if left else ([], [])
    return dubs, wrong + further


def _dub(
    group: Sequence[_Part], layout: Layout, library: Library, settings: PlanSettings
) -> PlannedDub:
    """The dub of the parts of one clip, the last of which brings how it is written."""
    *others, main = group
    spans = [part.piece.span for part in group]
    whole = Span(min(span.start for span in spans), max(span.end for span in spans))
    placed, piece = main.piece.placed, Piece(main.piece.placed, whole)
    where = layout.where(placed)
    check(placed, where)
    source = library.source_of(placed.clip, where)
    span, warnings = whole_transitions(placed, piece, where)
    span, undecoded = decodable(span, placed, source, where)
    handles = [part.job.job.handles for part in group]
    most = max(settings.handles if wanted is None else wanted for wanted in handles)
    coverage = Coverage(layout.rate, most)
    frames = coverage.frames(placed, source, span, with_overlaps(placed, span), where)
    asked = [part.job.ask(part.piece, part.following, source, frames, not others) for part in group]
    request = _in_one_picture(group, asked)
    consents = [check_consent(face) for face in request.faces]
    told = [consent.to_dict() if consent is not None else None for consent in consents]
    place = _place(placed, span, frames)
    heard = main.job.together([found.recordings[0] for found in asked]) if others else None
    return PlannedDub(
        _place_id(place, source),
        main.name,
        place,
        request,
        tuple(sound for found in asked for sound in found.sounds),
        (*(made for found in asked for made in found.recordings), *([heard] if heard else ())),
        _conform(main, source, frames),
        asked[-1].second,
        (*warnings, *undecoded, *(text for found in asked for text in found.warnings)),
        told[0],
        tuple(file for found in asked for file in found.in_place),
        tuple(part.name for part in group),
        tuple(consent for consent in told if consent is not None),
        heard.path if heard else "",
    )


def _in_one_picture(group: Sequence[_Part], asked: Sequence[Asked]) -> DubRequest:
    """The last request with the others beside it; raises RequestError where they are delivered as
    anything but full frames."""
    *others, main = (found.request for found in asked)
    if not others:
        return main
    names = [part.name for part in group]
    layers = any(f.second or f.request.options.delivery != "composite" for f in asked)
    if layers:
        raise RequestError(
            f"{' and '.join(names)} are said at once in one shot, of which there are full frames"
            " only; dub them without an overlay or layers.",
            "delivery",
        )
    name = "_".join([*(_key_of(face) for face in others), _key_of(main)])
    output = main.output.replace(_key_of(main), digest(name))
    beside = tuple(dataclasses.replace(face, output=output) for face in others)
    return dataclasses.replace(main, output=output, beside=beside)


def _key_of(request: DubRequest) -> str:
    """What tells an output from others: what stands after its name's last `_`."""
    return request.output.rpartition("_")[2].partition(".")[0]


def _place(placed: PlacedClip, span: Span, frames: Frames) -> Place:
    return Place(
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


def _conform(part: _Part, source: Source, frames: Frames) -> Conform | None:
    return part.job.conformed(source, frames) if frames.conform else None


def _place_id(place: Place, source: Source) -> str:
    """Names the place that a dub takes: the same wish on the same clip replaces its own result."""
    return digest(
        [place.label, place.clip, source.path, str(place.seen.start), str(place.seen.end)]
    )


__all__ = ["Conform", "Place", "Plan", "PlanSettings", "PlannedDub", "Refusal", "plan"]
