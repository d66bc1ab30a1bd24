"""Markers and guides of a timeline as lines, and notes about frames as markers."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import Any

import opentimelineio as otio

from stylesync_engine.request import RequestError
from stylesync_plugin.formats.mlt_project import ZONE
from stylesync_plugin.lines.document import Line, Lines
from stylesync_plugin.lines.rows import Row, plain_cell, who_speaks
from stylesync_plugin.timeline.layout import Layout, lay_out
from stylesync_plugin.timeline.selecting import marked_spans
from stylesync_plugin.times import RationalTime, TimeRange, parse_time, time_code

_NUMBER = re.compile(r"(?i)^\s*(?:line|cue|loop|take|#|n[ro°]?\.?)?\s*(\d{1,6}[a-z]?)\b[\s:.)_-]*")


def rows_of_markers(timeline: Any, layout: Layout) -> list[Row]:
    """A row for each marker or guide, such as `12 ANNA: Hello`: its number, who speaks, the text.

    One without length lasts as long as its sound, or to the next. Raises RequestError where there
    is none.
    """
    marks = sorted(marked_spans(timeline, layout), key=lambda mark: mark[1].start)
    rows: list[Row] = []
    for name, span, _ in marks:
        if name == ZONE:
            continue
        number = _NUMBER.match(name)
        who, text = who_speaks(name[number.end() :] if number else name)
        first, last = (round(moment * layout.rate) for moment in (span.start, span.end))
        end = str(last) if last > first + 1 else ""
        told = number[1] if number else str(len(rows) + 1)
        rows.append(Row(len(rows) + 1, told, who, str(first), end, text, note=name))
    if not rows:
        raise RequestError("The timeline has no markers or guides; set them, or give a script.")
    return rows


def notes_table(lines: Lines, timeline: Any) -> str:
    """Every note as CSV: line, character, time code, status, and what was said."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["Line", "Character", "In", "Status", "Note"])
    layout = lay_out(timeline, lines.frame_rate)
    for line, frame, text in _notes(lines, layout):
        code = time_code(frame / layout.rate, layout.rate, layout.zero, layout.drop)
        cells = (line.number, line.character, code, line.status, text)
        writer.writerow([plain_cell(cell) for cell in cells])
    return out.getvalue()


def with_notes(lines: Lines, timeline: Any) -> Any:
    """A copy of the timeline with a marker for every note."""
    copy, layout = timeline.deepcopy(), lay_out(timeline, lines.frame_rate)
    rate = float(layout.rate)
    for line, frame, text in _notes(lines, layout):
        span = TimeRange(RationalTime(frame, rate), RationalTime(1, rate))
        name = f"{line.number}: {text}".encode(errors="replace").decode()
        copy.tracks.markers.append(otio.schema.Marker(name, span, "RED"))
    return copy


def _notes(lines: Lines, layout: Layout) -> Iterator[tuple[Line, int, str]]:
    """Each note with its frame of the timeline; a line's own note lies on its first frame."""
    for line in lines.lines:
        start = round(parse_time(line.start, layout.rate, layout.zero) * layout.rate)
        if line.note:
            yield line, start, line.note
        for note in line.notes:
            yield line, start + note.frame, note.text
