"""Lines as a jobs file, as a table, and what has become of them."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from stylesync_engine.files import write_text
from stylesync_engine.request import RequestError
from stylesync_plugin.lines.document import Line, Lines
from stylesync_plugin.lines.heard import heard_sound
from stylesync_plugin.lines.rows import plain_cell, write_sheet
from stylesync_plugin.lines.together import check_faces, said_together
from stylesync_plugin.writing.write_back import list_dubs

_TO_DUB = ("ready", "waiting", "draft", "redo")
_TABLE = (
    *("number", "character", "start", "end", "text", "sound", "fit", "status", "why", "note"),
    *("speaker", "handles"),
)
_HEADS = ("Number", "Character", "In", "Out", "Text", "Sound", *_TABLE[6:10], "Face", "Handles")


def jobs_of(
    lines: Lines, quality: str | None, folder: Path, names: str | None = None
) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """A jobs file's data for every line that can be dubbed, and why others of them cannot; the cast
    gives style and consent. Lines that share a picture with one to dub come along.

    Sounds that were slipped, trimmed or stretched are made in `folder`. `names` is a pattern for
    the names of the dubs, such as `{number}_{character}_v{take}`, which what tells dubs apart
    follows.
    """
    wanted = [
        group for group in said_together(lines) if any(line.status in _TO_DUB for line in group)
    ]
    jobs, left = [], []
    for group in wanted:
        try:
            check_faces(lines, group)
        except RequestError as error:
            left += [{"line": line.number, "why": str(error)} for line in group]
            continue
        for line in group:
            named = {"named": name_of(line, names)} if names is not None else {}
            jobs.append({**job_of(lines, line, folder), **named})
    if not jobs:
        why = left[0]["why"] if left else "lines status says what each one lacks."
        raise RequestError(f"No line is ready to be dubbed; {why}")
    options = {"quality": quality} if quality else {}
    return {"version": 1, "options": options, "jobs": jobs}, left


def job_of(lines: Lines, line: Line, folder: Path) -> dict[str, Any]:
    """The job of one line that has a sound; what is heard is made in `folder` where it differs from
    the file. Raises RequestError, MediaError, DiskError."""
    who = lines.character(line)
    job: dict[str, Any] = {
        "name": line.number,
        "range": [line.start, line.end],
        "speech": str(heard_sound(line, lines.frame_rate, folder)),
        "style": who.style,
        "speaker": line.speaker,
        "face": None if line.speaker else who.speaker,
        "person": who.person,
        "consent": who.consent,
        "handles": line.handles,
    }
    chosen = {name: getattr(line, name) for name in ("articulation", "style_strength")}
    options = {name: value for name, value in chosen.items() if value is not None}
    job["options"], job["keys"] = options or None, list(map(str, line.keys)) or None
    return {name: value for name, value in job.items() if value is not None}


def job_with_others(lines: Lines, line: Line, folder: Path) -> dict[str, Any]:
    """The job of one line, with those that share its picture beside it. Raises the same, and
    RequestError where it is not said whose mouth is whose."""
    together = next((group for group in said_together(lines) if line in group), [line])
    check_faces(lines, together)
    job = job_of(lines, line, folder)
    beside = [job_of(lines, other, folder) for other in together if other != line]
    return {**job, "beside": beside} if beside else job


_NAME = re.compile(
    r"(?:[^{}]|\{\{|\}\}|\{(?:number|character|take|handles)(?::0?\d{1,2}d?)?\}){0,200}"
)


def name_of(line: Line, pattern: str) -> str:
    """How a line's dub is called; raises RequestError for a pattern that names something else."""
    told = {
        "number": line.number, "character": line.character, "take": len(line.takes) + 1,
        "handles": line.handles or 0,
    }  # fmt: skip
    try:
        if not _NAME.fullmatch(pattern):
            raise ValueError("it says more than a width")
        return pattern.format_map(told)
    except (KeyError, ValueError, IndexError, AttributeError, TypeError) as error:
        raise RequestError(
            f"'{pattern[:80]}' is no pattern; write {{number}}, {{character}}, {{take}} and"
            " {handles} into it."
        ) from error


def export_lines(
    lines: Lines, path: Path, quality: str | None = None, names: str | None = None
) -> tuple[int, list[dict[str, str]]]:
    """Write a jobs file (.json) or a table (.csv, .xlsx); returns how many lines it holds, and why
    others that wait for a dub are not among them."""
    suffix = path.suffix.lower()
    if suffix == ".json":
        folder = path.absolute().with_suffix(".sounds")
        data, left = jobs_of(lines, quality, folder, names)
        write_text(path, json.dumps(data, indent=1, ensure_ascii=False) + "\n")
        return len(data["jobs"]), left
    if suffix == ".csv":
        write_text(path, table_of(lines))
    elif suffix == ".xlsx":
        write_sheet(path, _rows(lines))
    else:
        said = f"'{path.name}' is neither .json (jobs) nor .csv or .xlsx (a table); name one."
        raise RequestError(said)
    return len(lines.lines), []


def table_of(lines: Lines) -> str:
    """The lines as CSV, that `import` reads again. A cell never begins a formula."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(_rows(lines))
    return out.getvalue()


def _rows(lines: Lines) -> Iterator[list[str]]:
    yield list(_HEADS)
    for line in lines.lines:
        values = ["" if (v := getattr(line, name)) is None else str(v) for name in _TABLE]
        yield [plain_cell(value) for value in values]


def with_dubs(lines: Lines, timeline: Any) -> Lines:
    """The lines with the takes that lie on a timeline: jobs carry the line's number. Where none of
    these is new, one that was picked and is not on the timeline yet stays picked."""
    found: dict[str, list[dict[str, Any]]] = {}
    for dub in list_dubs(timeline):
        for name in dub.get("jobs") or [dub.get("job", "")]:
            found.setdefault(str(name), []).append(dub)
    return lines.with_lines([_dubbed(line, found.get(line.number, [])) for line in lines.lines])


def _dubbed(line: Line, dubs: list[dict[str, Any]]) -> Line:
    if not dubs:
        return line
    outputs = tuple(str(dub["request"]["output"]) for dub in dubs)
    quality = dubs[-1]["request"].get("options", {}).get("quality", "good")
    known = line.status == "approved" and outputs[-1] in line.takes  # what was approved, no other
    kept = known or line.status in ("redo", "waiting")
    status = line.status if kept else "draft" if quality == "draft" else "good"
    takes = tuple(dict.fromkeys((*line.takes, *outputs)))
    chosen = line.pick in line.takes and line.pick not in outputs
    if chosen and outputs[-1] in line.takes:  # and not put on yet
        return replace(line, takes=takes)
    return replace(line, takes=takes, pick=outputs[-1], status=status, why="")


def summary_of(lines: Lines) -> dict[str, int]:
    """How many lines are in which state."""
    return dict(Counter(line.status for line in lines.lines))
