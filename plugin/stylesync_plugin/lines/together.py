"""Lines that are said at once in one shot: they are dubbed into one picture."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from stylesync_engine.request import RequestError
from stylesync_plugin.lines.document import Line, Lines
from stylesync_plugin.times import ZERO, number_of, parse_time


def speaker_of(lines: Lines, line: Line) -> str | None:
    """A click on whose mouth a line is; None for whoever speaks."""
    return line.speaker or lines.character(line).speaker


def said_together(lines: Lines) -> list[list[Line]]:
    """Lines with a sound by the picture that they share, in time order; most are alone.

    Lines of one clip share it where different characters speak at once, and so on with whoever
    speaks at once with these.
    """
    clips: dict[object, list[tuple[Fraction, Fraction, Line]]] = {}
    alone = []
    for line in lines.lines:
        if line.sound is None or line.status == "unclear" or not line.end:
            continue
        if line.anchor is None:
            alone.append([line])
            continue
        start, end = (parse_time(t, lines.frame_rate, ZERO) for t in (line.start, line.end))
        at = number_of(line.anchor.at) - start  # two uses of a clip are two pictures
        clips.setdefault((line.anchor.clip, line.anchor.media, at), []).append((start, end, line))
    groups = [group for spoken in clips.values() for group in _overlapping(spoken)]
    order = {id(line): place for place, line in enumerate(lines.lines)}
    return sorted([*alone, *groups], key=lambda group: order[id(group[0])])


def _overlapping(spoken: Sequence[tuple[Fraction, Fraction, Line]]) -> list[list[Line]]:
    """Runs of lines each of which begins before an earlier one of somebody else has ended."""
    groups: list[list[Line]] = []
    ends: dict[str, Fraction] = {}
    for start, end, line in sorted(spoken, key=lambda entry: entry[:2]):
        others = [until for name, until in ends.items() if name != line.character]
        if groups and max(others, default=start) > start:
            groups[-1].append(line)
        else:
            groups.append([line])
            ends = {}
        ends[line.character] = max(end, ends.get(line.character, end))
    return groups


def check_faces(lines: Lines, together: Sequence[Line]) -> None:
    """Raises RequestError where several characters speak at once and it is not said whose mouth is
    whose."""
    faceless = [line for line in together if speaker_of(lines, line) is None]
    if len(together) < 2 or not faceless:
        return
    numbers = " and ".join(line.number for line in together)
    names = " and ".join(dict.fromkeys(line.character or line.number for line in faceless))
    raise RequestError(
        f"Lines {numbers} are said at once in one shot; click on the face of {names} there (or give"
        " a column Face with FRAME:X,Y).",
        "speaker",
    )
