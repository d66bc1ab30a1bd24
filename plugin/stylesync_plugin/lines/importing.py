"""A script, a folder of sounds and a timeline -> the lines of a session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from operator import itemgetter
from pathlib import Path, PurePosixPath
from typing import Any

from stylesync_engine.request import DubError, RequestError, SpeakerPoint
from stylesync_plugin.jobs import MOST_HANDLES
from stylesync_plugin.lines.document import FORMAT, Anchor, Character, Line, Lines
from stylesync_plugin.lines.marked import rows_of_markers
from stylesync_plugin.lines.rows import Row, read_rows
from stylesync_plugin.lines.sounds import Match, find_sounds, match_sounds
from stylesync_plugin.timeline.layout import Layout, PlacedClip, lay_out
from stylesync_plugin.timeline.sources import Probe
from stylesync_plugin.times import Span, number_of

_LONG = Fraction(60)  # s that a line lasts at most where neither an end nor a sound says
_Named = dict[tuple[str, str], list[PlacedClip]]
_FITS = 0.1  # s by which a sound and its line may differ without a word


def import_lines(
    script: Path | None,
    sounds: Path | None,
    timeline: Any,
    name: str,
    probe: Probe,
    rate: Fraction | None = None,
) -> Lines:
    """The lines of a script on a timeline that is called `name`; without a script, those that its
    markers and guides name.

    What does not match is kept, with the status `unclear` and its reason. Raises RequestError
    where the script, the folder or the timeline cannot be used at all.
    """
    layout = lay_out(timeline, rate)
    rows = read_rows(script) if script else rows_of_markers(timeline, layout)
    found = find_sounds(sounds) if sounds else []
    read = [_Read(row, layout) for row in rows]
    starts = [entry.start for entry in read]
    matches = match_sounds(rows, starts, found, layout.rate, layout.zero)
    lines = [
        _line(entry, match, layout, probe, bool(sounds))
        for entry, match in zip(read, matches, strict=True)
    ]
    lines = _ended(
        [line for _, line in sorted(zip(starts, lines, strict=True), key=itemgetter(0))], layout
    )
    used = {match.sound for match in matches}
    unused = tuple(str(path) for path in found if path not in used)
    names = dict.fromkeys(line.character for line in lines if line.character)
    cast = tuple(Character(name) for name in names)
    counted = str(layout.rate)
    return Lines(FORMAT, name, tuple(_overlapping(lines, layout)), cast, counted, unused)


class _Read:
    """A row with its times; a time that cannot be read is said, and the line kept."""

    def __init__(self, row: Row, layout: Layout) -> None:
        self.row, self.why = row, ""
        self.speaker: str | None = None
        self.handles: int | None = None
        self.start = self.end = Fraction(0)
        try:
            self.start = _moment(row.start, layout)
            self.end = _moment(row.end, layout) if row.end else self.start
            if row.end and self.end <= self.start:
                self.why = f"Its end {row.end} does not come after its start {row.start}."
            self.speaker = str(SpeakerPoint.parse(row.face)) if row.face else None
            self.handles = _handles(row.handles)
        except DubError as error:
            self.why = str(error)


def _handles(text: str) -> int | None:
    if not text:
        return None
    if not text.isascii() or not text.isdecimal() or int(text) > MOST_HANDLES:
        raise RequestError(f"Its handles '{text[:20]}' are no frames from 0 to {MOST_HANDLES}.")
    return int(text)


def _moment(text: str, layout: Layout) -> Fraction:
    """A time of a script: time code, `00:00:12,500`, seconds with `s`, or a frame.

    Subtitles count from the timeline's first frame, or from its time code where they are later.
    """
    clock = text.replace(",", ".")
    parts = clock.split(":")
    if "." in parts[-1] and len(parts) == 3 and not clock.endswith("s"):
        hours, minutes, secs = map(Fraction, parts)
        seconds = hours * 3600 + minutes * 60 + secs
        return seconds - layout.zero if seconds >= layout.zero else seconds
    moment = layout.moment_of(text)
    stamped = text.endswith("s") and layout.zero and moment >= layout.zero
    return moment - layout.zero if stamped else moment


def _line(entry: _Read, match: Match, layout: Layout, probe: Probe, asked: bool) -> Line:
    row, sound = entry.row, match.sound
    length, why = None, entry.why or (match.why if asked else "")
    if sound is not None:
        try:
            length = probe.sound(str(sound)).length
        except DubError as error:
            why = str(error)
    end = entry.end
    if end <= entry.start and length is not None:
        end = entry.start + length
    placed = find_clip(layout, entry.start)
    if placed is None and not why:
        why = "No clip lies there on the timeline."
    fit = float(length - (end - entry.start)) if length is not None else None
    return Line(
        number=row.number or str(row.place),
        start=layout.time_code(entry.start),
        end=layout.time_code(end) if end > entry.start else "",
        character=row.character,
        text=row.text,
        sound=str(sound) if sound else None,
        fit=round(fit, 3) if fit is not None else None,
        status="unclear" if why else "ready" if sound else "no sound",
        why=why,
        note=row.note,
        speaker=entry.speaker,
        handles=entry.handles,
        anchor=anchor_of(placed, entry.start) if placed else None,
    )


def find_clip(layout: Layout, moment: Fraction) -> PlacedClip | None:
    """The topmost clip with a picture that is seen at a moment of the timeline; no dub of ours."""
    point = Span(moment, moment + 1 / layout.rate)
    for track in reversed(layout.of_kind("Video")):
        for placed in track.between(point):
            if placed.enabled and placed.has_picture and not placed.is_ours:
                return placed
    return None


def anchor_of(placed: PlacedClip, moment: Fraction) -> Anchor:
    """What a line remembers of the clip that it lies on."""
    url = str(getattr(placed.clip.media_reference, "target_url", "") or "")
    media = PurePosixPath(url.replace("\\", "/")).name
    at = placed.media(placed.to_root.inverse()(moment))
    return Anchor(placed.clip.name, media, str(at))


def _ended(lines: Sequence[Line], layout: Layout) -> list[Line]:
    """Lines without an end last to the next one, at most a minute."""
    done = []
    for index, line in enumerate(lines):
        if not line.end:
            start = layout.moment_of(line.start)
            later = [
                moment
                for other in lines[index + 1 :]
                if (moment := layout.moment_of(other.start)) > start
            ][:1]
            end = min([start + _LONG, *later])
            line = replace(line, end=layout.time_code(end))
        done.append(line)
    return done


def _overlapping(lines: Sequence[Line], layout: Layout) -> list[Line]:
    """Lines of one character that lie over each other are said to."""
    last: dict[str, tuple[Fraction, str]] = {}
    done = []
    for line in lines:
        start, end = (layout.moment_of(t) for t in (line.start, line.end))
        before = last.get(line.character)
        if before and before[0] > start and not line.why:
            line = replace(
                line, status="unclear", why=f"It begins before line {before[1]} has ended."
            )
        if before is None or end > before[0]:
            last[line.character] = (end, line.number)
        done.append(line)
    return done


def check_timeline(lines: Lines, timeline: Any, rate: Fraction | None = None) -> Lines:
    """The lines on a timeline that may have changed: one whose clip has moved moves with it, and
    one whose clip is gone or another is `unclear`; none is ever laid onto another clip.

    Raises RequestError where the timeline cannot be laid out.
    """
    layout = lay_out(timeline, rate)
    clips: _Named = {}
    for placed in layout.clips:
        named = anchor_of(placed, Fraction(0))
        clips.setdefault((named.clip, named.media), []).append(placed)
    return lines.with_lines([_checked(line, layout, clips) for line in lines.lines])


def _checked(line: Line, layout: Layout, clips: _Named) -> Line:
    if line.anchor is None or line.status == "unclear":
        return line
    try:
        start, end = (layout.moment_of(t) for t in (line.start, line.end))
    except RequestError as error:
        return replace(line, status="unclear", why=str(error))
    placed = find_clip(layout, start)
    if placed is not None and anchor_of(placed, start) == line.anchor:
        return line
    named = clips.get((line.anchor.clip, line.anchor.media), [])
    found = [_moved(placed, line.anchor) for placed in named]
    moved = [moment for moment in found if moment is not None]
    if len(moved) != 1:
        why = f"The clip '{line.anchor.clip}' is no longer where the line was made; place it again."
        return replace(line, status="unclear", why=why)
    shift = moved[0] - start
    told = [layout.time_code(t + shift) for t in (start, end)]
    return replace(line, start=told[0], end=told[1])


def _moved(placed: PlacedClip, anchor: Anchor) -> Fraction | None:
    """Where on the timeline a clip of an anchor's names shows its moment; None where nowhere."""
    if placed.is_ours or placed.kind != "Video" or placed.media.scale == 0 or not placed.enabled:
        return None
    moment = placed.to_root(placed.media.inverse()(number_of(anchor.at)))
    return moment if placed.root_span.start <= moment < placed.root_span.end else None
