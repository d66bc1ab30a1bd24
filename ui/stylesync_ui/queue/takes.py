"""Takes: several dubs of one place, and dubs that a timeline brought along."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from stylesync_plugin.times import Span

from stylesync_ui.queue.jobs import JobRecord
from stylesync_ui.timeline.dubbed_piece import DubbedPiece


def take_names(jobs: Iterable[JobRecord]) -> dict[str, str]:
    """A, B, C for jobs that have dubbed the same place, by their ids."""
    places: dict[tuple[str, ...], list[str]] = {}
    for job in jobs:
        if job.pieces:
            key = tuple(sorted(data["id"] for data in job.pieces))
            places.setdefault(key, []).append(job.id)
    several = [names for names in places.values() if len(names) > 1]
    return {name: letters(number) for names in several for number, name in enumerate(names)}


def letters(number: int) -> str:
    """A to Z, then AA and so on."""
    rest, letter = divmod(number, 26)
    return (letters(rest - 1) if rest else "") + chr(ord("A") + letter)


def span_of(job: JobRecord) -> Span:
    """What a job dubs, in s of the timeline; empty where only the plan knows."""
    spans = [data["span"] for data in job.pieces]
    if spans:
        moments = [Fraction(moment) for span in spans for moment in span]
        return Span(min(moments), max(moments))
    found = job.job.get("range")
    if not isinstance(found, (list, tuple)) or not all(str(part).endswith("s") for part in found):
        return Span(Fraction(0), Fraction(0))
    start, end = (Fraction(str(part).removesuffix("s")) for part in found)
    return Span(start, end)


def move(job: JobRecord, by: Fraction) -> None:
    """What a job dubs, and has dubbed, lies so many s later."""
    found = job.job.get("range")
    if isinstance(found, (list, tuple)) and all(str(part).endswith("s") for part in found):
        moments = [Fraction(str(part).removesuffix("s")) + by for part in found]
        job.job = {**job.job, "range": [f"{moment}s" for moment in moments]}
    job.pieces = [
        {**data, "span": [str(Fraction(moment) + by) for moment in data["span"]]}
        for data in job.pieces
    ]


def found_jobs(
    on: Sequence[tuple[DubbedPiece, dict[str, Any]]], jobs: Iterable[JobRecord], project: str
) -> list[JobRecord]:
    """Dubs on the timeline that no job of the queue has made, as the queue shows them."""
    known = {data["output"] for job in jobs for data in job.pieces}
    return [_found(piece, data, project) for piece, data in on if piece.output not in known]


def _found(piece: DubbedPiece, data: dict[str, Any], project: str) -> JobRecord:
    request = data.get("request") or {}
    kept = {key: request[key] for key in ("speech", "options", "person") if request.get(key)}
    job = JobRecord(str(data.get("job") or Path(piece.output).stem), "", kept, project=project)
    job.id = hashlib.sha256(f"{piece.id} {piece.output}".encode()).hexdigest()[:12]
    job.state, job.placed, job.pieces = "found", True, [piece.to_dict()]
    return job


def spoken(job: JobRecord) -> str:
    """A job's title within a sentence."""
    return " ".join(job.title.split())


def line_of(job: JobRecord) -> str:
    """The line that a job speaks: its file's name, or its track."""
    speech = job.job.get("speech")
    if isinstance(speech, str):
        return Path(speech).name
    if not isinstance(speech, dict):
        return ""
    return Path(str(speech.get("file") or "")).name or str(speech.get("track") or "")


def beside(job: dict[str, Any], folders: Sequence[Path]) -> dict[str, Any]:
    """A job of a file, whose files are named from the first of these folders that holds them."""
    return {key: _found_beside(value, folders) for key, value in job.items()}


def _found_beside(value: Any, folders: Sequence[Path]) -> Any:
    if isinstance(value, dict):
        return {key: _found_beside(entry, folders) for key, entry in value.items()}
    if not isinstance(value, str) or not value or Path(value).is_absolute():
        return value
    return next((str(f / value) for f in folders if (f / value).is_file()), value)
