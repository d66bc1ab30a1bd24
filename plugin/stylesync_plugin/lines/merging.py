"""A session that goes on: sounds that come later, a script that comes again."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from stylesync_engine.request import DubError
from stylesync_plugin.lines.document import Line, Lines
from stylesync_plugin.lines.heard import fit_of
from stylesync_plugin.lines.rows import Row
from stylesync_plugin.lines.sounds import find_sounds, match_sounds
from stylesync_plugin.timeline.layout import lay_out
from stylesync_plugin.timeline.sources import Probe
from stylesync_plugin.times import parse_time

_BEGUN = ("draft", "good", "approved", "redo")


def with_sound(line: Line, sound: str, rate: Fraction, zero: Fraction, probe: Probe) -> Line:
    """A line with another sound; what was unclear about its sound is clear then.

    Raises MediaError for a file without sound.
    """
    length = probe.sound(sound).length
    line = replace(line, sound=sound, trim_in=0.0, trim_out=0.0, slip=0, stretch=1.0)
    start, end = (parse_time(moment, rate, zero) for moment in (line.start, line.end))
    fit = fit_of(line, rate, length, end - start)
    placed = line.anchor is not None and end > start
    status = "ready" if placed else line.status
    return replace(line, fit=fit, status=status, why="" if placed else line.why)


def add_sounds(lines: Lines, folder: Path, timeline: Any, probe: Probe) -> Lines:
    """Sounds of a folder for the lines that have none, matched as at an import.

    Raises RequestError where there is no such folder.
    """
    layout = lay_out(timeline, lines.frame_rate)
    wanting = [line for line in lines.lines if line.sound is None and line.end]
    rows = [Row(place, line.number, line.character) for place, line in enumerate(wanting, 1)]
    starts = [parse_time(line.start, layout.rate, layout.zero) for line in wanting]
    taken = {line.sound for line in lines.lines}
    found = [path for path in find_sounds(folder) if str(path) not in taken]
    matches = match_sounds(rows, starts, found, layout.rate, layout.zero)
    new: dict[int, Line] = {}
    for line, match in zip(wanting, matches, strict=True):
        try:
            if match.sound is not None:
                path = str(match.sound)
                new[id(line)] = with_sound(line, path, layout.rate, layout.zero, probe)
        except DubError as error:
            new[id(line)] = replace(line, status="unclear", why=str(error))
    used = {line.sound for line in new.values()}
    unused = tuple(str(path) for path in found if str(path) not in used)
    done = lines.with_lines([new.get(id(line), line) for line in lines.lines])
    return replace(done, unused=unused)


def carry_over(old: Lines, new: Lines) -> Lines:
    """A script that was imported again: lines of the same number keep what was done for them, and
    the cast keeps what was chosen for it."""
    known = {line.number: line for line in old.lines}
    cast = {entry.name: entry for entry in old.cast}
    lines = [_carried(known.get(line.number), line) for line in new.lines]
    return replace(
        new, lines=tuple(lines), cast=tuple(cast.get(entry.name, entry) for entry in new.cast)
    )


def _carried(old: Line | None, new: Line) -> Line:
    if old is None:
        return new
    handles = old.handles if new.handles is None else new.handles
    new = replace(new, takes=old.takes, pick=old.pick, note=new.note or old.note, handles=handles)
    if (old.sound, old.start, old.end) != (new.sound, new.start, new.end):
        return new
    new = replace(
        new, slip=old.slip, trim_in=old.trim_in, trim_out=old.trim_out, stretch=old.stretch,
        articulation=old.articulation, style_strength=old.style_strength, keys=old.keys,
        notes=old.notes, fit=old.fit, speaker=new.speaker or old.speaker,
    )  # fmt: skip
    return replace(new, status=old.status) if old.status in _BEGUN and not new.why else new


def distinct(lines: Lines) -> Lines:
    """Lines whose numbers tell them apart: one that comes again is `12 (2)`."""
    seen: dict[str, int] = {}
    done = []
    for line in lines.lines:
        seen[line.number] = again = seen.get(line.number, 0) + 1
        done.append(replace(line, number=f"{line.number} ({again})") if again > 1 else line)
    return lines.with_lines(done)
