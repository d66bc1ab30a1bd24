"""Lines as a jobs file, as a table, and what has become of them."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from stylesync_engine.files import write_text
from stylesync_engine.request import RequestError
from stylesync_plugin.lines.document import Line, Lines
from stylesync_plugin.lines.heard import heard_sound
from stylesync_plugin.lines.rows import plain_cell
from stylesync_plugin.writing.write_back import list_dubs

_TO_DUB = ("ready", "waiting", "draft", "redo")
_TABLE = ("number", "character", "start", "end", "text", "sound", "fit", "status", "why", "note")


def jobs_of(
    lines: Lines, quality: str | None, folder: Path, names: str | None = None
) -> dict[str, Any]:
    """A jobs file's data for every line that can be dubbed; the cast gives style and consent.

    Sounds that were slipped, trimmed or stretched are made in `folder`. `names` is a pattern for
    the names of the dubs, such as `{number}_{character}_v{take}`, which what tells dubs apart
    follows.
    """
    ready = [line for line in lines.lines if line.sound and line.status in _TO_DUB]
    if not ready:
        raise RequestError("No line is ready to be dubbed; lines status says what each one lacks.")
    jobs = [job_of(lines, line, folder) for line in ready]
    if names is not None:
        jobs = [{**j, "named": name_of(e, names)} for j, e in zip(jobs, ready, strict=True)]
    options = {"quality": quality} if quality else {}
    return {"version": 1, "options": options, "jobs": jobs}


def job_of(lines: Lines, line: Line, folder: Path) -> dict[str, Any]:
    """The job of one line that has a sound; what is heard is made in `folder` where it differs from
    the file. Raises RequestError, MediaError, DiskError."""
    who = lines.character(line)
    job: dict[str, Any] = {
        "name": line.number,
        "range": [line.start, line.end],
        "speech": str(heard_sound(line, lines.frame_rate, folder)),
        "style": who.style,
        "speaker": who.speaker,
        "person": who.person,
        "consent": who.consent,
    }
    chosen = {name: getattr(line, name) for name in ("articulation", "style_strength")}
    options = {name: value for name, value in chosen.items() if value is not None}
    job["options"], job["keys"] = options or None, list(map(str, line.keys)) or None
    return {name: value for name, value in job.items() if value is not None}


def name_of(line: Line, pattern: str) -> str:
    """How a line's dub is called; raises RequestError for a pattern that names something else."""
    told = {"number": line.number, "character": line.character, "take": len(line.takes) + 1}
    try:
        return pattern.format_map(told)
    except (KeyError, ValueError, IndexError, AttributeError, TypeError) as error:
        raise RequestError(
            f"'{pattern}' is no pattern; write {{number}}, {{character}} and {{take}} into it."
        ) from error


def export_lines(
    lines: Lines, path: Path, quality: str | None = None, names: str | None = None
) -> int:
    """Write a jobs file (.json) or a table (.csv); returns how many lines it holds."""
    if path.suffix.lower() == ".json":
        data = jobs_of(lines, quality, path.absolute().with_suffix(".sounds"), names)
        write_text(path, json.dumps(data, indent=1, ensure_ascii=False) + "\n")
        return len(data["jobs"])
    if path.suffix.lower() == ".csv":
        write_text(path, table_of(lines))
        return len(lines.lines)
    raise RequestError(f"'{path.name}' is neither .json (jobs) nor .csv (a table); name one.")


def table_of(lines: Lines) -> str:
    """The lines as CSV, that `import` reads again. A cell never begins a formula."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["Number", "Character", "In", "Out", "Text", "Sound", *_TABLE[6:]])
    for line in lines.lines:
        values = ["" if (v := getattr(line, name)) is None else str(v) for name in _TABLE]
        writer.writerow([plain_cell(value) for value in values])
    return out.getvalue()


def with_dubs(lines: Lines, timeline: Any) -> Lines:
    """The lines with the takes that lie on a timeline: jobs carry the line's number."""
    found: dict[str, list[dict[str, Any]]] = {}
    for dub in list_dubs(timeline):
        found.setdefault(str(dub.get("job", "")), []).append(dub)
    return lines.with_lines([_dubbed(line, found.get(line.number, [])) for line in lines.lines])


def _dubbed(line: Line, dubs: list[dict[str, Any]]) -> Line:
    if not dubs:
        return line
    outputs = tuple(str(dub["request"]["output"]) for dub in dubs)
    quality = dubs[-1]["request"].get("options", {}).get("quality", "good")
    kept = line.status in ("approved", "redo", "waiting")
    status = line.status if kept else "draft" if quality == "draft" else "good"
    takes = tuple(dict.fromkeys((*line.takes, *outputs)))
    return replace(line, takes=takes, pick=outputs[-1], status=status, why="")


def summary_of(lines: Lines) -> dict[str, int]:
    """How many lines are in which state."""
    return dict(Counter(line.status for line in lines.lines))
