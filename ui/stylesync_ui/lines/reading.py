"""Lines that are read, imported or matched: work for a thread beside the GUI's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from stylesync_plugin.lines.document import Line, Lines, read_lines
from stylesync_plugin.lines.exporting import with_dubs
from stylesync_plugin.lines.importing import check_timeline, import_lines
from stylesync_plugin.lines.merging import add_sounds, carry_over, distinct
from stylesync_plugin.timeline.sources import Probe

from stylesync_ui.lines.rows import LineRow, row_of, rows_of
from stylesync_ui.timeline.document import Content, Document


@dataclass(frozen=True, slots=True)
class Read:
    """Lines that were read beside the GUI thread, and what is to be said about them."""

    lines: Lines
    rows: list[LineRow]
    said: str = ""
    level: str = "good"
    is_new: bool = False
    moves: Mapping[str, Fraction] = field(default_factory=dict)
    """By how much (s) lines have moved with their clips, by their numbers."""


def opened(path: Path, content: Content) -> Read:
    """The lines kept in a file, on the timeline as it is now. Raises RequestError."""
    return read_anew(read_lines(path), content)


def read_anew(before: Lines, content: Content) -> Read:
    """Lines on a timeline that may have changed, with the dubs that lie on it."""
    lines = check_timeline(before, content.timeline, content.rate)
    lines = with_dubs(lines, content.timeline)
    said = _lost(before.lines, lines.lines)
    rows = rows_of(lines, content.rate, content.zero)
    moves = _moves(before, rows, content)
    return Read(lines, rows, said, "warning", moves=moves)


def _moves(before: Lines, rows: Iterable[LineRow], content: Content) -> dict[str, Fraction]:
    moved = {}
    for old, row in zip(before.lines, rows, strict=True):
        if row.line.status != "unclear" and old.start != row.line.start:
            was = row_of(old, content.rate, content.zero).span
            moved[old.number] = row.span.start - was.start
    return moved


def _lost(before: Iterable[Line], now: Iterable[Line]) -> str:
    """What a changed timeline has done to its lines, in a sentence; empty where nothing."""
    pairs = list(zip(before, now, strict=True))
    lost = sum(a.status != "unclear" and b.status == "unclear" for a, b in pairs)
    moved = sum(b.status != "unclear" and a.start != b.start for a, b in pairs)
    parts = [f"{moved} of its lines moved with their clips"] if moved else []
    parts += [f"{lost} lost the clip and became unclear"] if lost else []
    return f"The timeline has changed: {', '.join(parts)}." if parts else ""


def imported(
    script: Path | None, sounds: Path | None, document: Document, old: Lines | None, probe: Probe
) -> Read:
    """The lines of a script, or of markers; those that were here keep what was done for them."""
    content, name = document.content, str(document.path.absolute())
    read = import_lines(script, sounds, content.timeline, name, probe, content.rate)
    lines = distinct(read)
    if old is not None:
        lines = carry_over(old, lines)
    lines = with_dubs(lines, content.timeline)
    return _told(lines, content)


def matched(sounds: Path, document: Document, old: Lines, probe: Probe) -> Read:
    """The lines with sounds of a folder for those that had none."""
    content = document.content
    return _told(add_sounds(old, sounds, content.timeline, probe), content)


def _told(lines: Lines, content: Content) -> Read:
    unclear = sum(line.status == "unclear" for line in lines.lines)
    ready = sum(line.status == "ready" for line in lines.lines)
    parts = [f"{len(lines.lines)} lines, {ready} ready"]
    parts += [f"{unclear} unclear: each says why"] if unclear else []
    parts += [f"{len(lines.unused)} sounds belong to no line"] if lines.unused else []
    rows = rows_of(lines, content.rate, content.zero)
    level = "warning" if unclear or lines.unused else "good"
    return Read(lines, rows, f"{', '.join(parts)}.", level, is_new=True)
