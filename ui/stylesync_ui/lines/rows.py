"""Lines as the table and the lane need them: with their spans, and what a search looks at."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from stylesync_plugin.contract import DubError
from stylesync_plugin.lines.document import Line, Lines, Status
from stylesync_plugin.times import Span, parse_time


@dataclass(frozen=True, slots=True, eq=False)
class LineRow:
    """A line, where it lies on the timeline (s), its texts in lower case, and when it begins and
    how long it lasts, as numbers that are quick to compare."""

    line: Line
    span: Span
    said: str
    start: float
    length: float


def row_of(line: Line, rate: Fraction, zero: Fraction) -> LineRow:
    """The row of a line; its span is empty where its times cannot be read."""
    try:
        span = Span(parse_time(line.start, rate, zero), parse_time(line.end, rate, zero))
    except DubError:
        span = Span(Fraction(0), Fraction(0))
    said = (line.number, line.character, line.text, line.note, line.sound or "", line.why)
    start, length = float(span.start), max(0.0, float(span.end - span.start))
    return LineRow(line, span, "\n".join(said).casefold(), start, length)


def rows_of(lines: Lines, rate: Fraction, zero: Fraction) -> list[LineRow]:
    """Slow where there are many: for a thread of its own."""
    return [row_of(line, rate, zero) for line in lines.lines]


def rows_again(
    before: Sequence[LineRow], lines: Lines, rate: Fraction, zero: Fraction
) -> list[LineRow]:
    """The rows of lines, of which most have not changed."""
    known = {id(row.line): row for row in before}
    return [known.get(id(line)) or row_of(line, rate, zero) for line in lines.lines]


def outdated(before: Line, now: Line) -> Line:
    """A line that is to be dubbed otherwise than its takes were: they are to be made anew."""
    judged: tuple[Status, ...] = ("draft", "good", "approved")
    anew = now != before and before.takes and before.status in judged
    return replace(now, status="redo") if anew else now


class InTime:
    """Rows by time: finds those of a stretch without looking at all."""

    def __init__(self, rows: Sequence[LineRow]) -> None:
        placed = [(row.start, index) for index, row in enumerate(rows) if row.length]
        placed.sort()
        self._starts = [start for start, _ in placed]
        self._indices = [index for _, index in placed]
        self._longest = max((row.length for row in rows), default=0.0)

    def within(self, start: float, end: float, least: float) -> Iterator[int]:
        """Indices of rows that may touch a stretch (s), at most one in every `least` s."""
        place = bisect.bisect_left(self._starts, start - self._longest)
        while place < len(self._starts) and self._starts[place] < end:
            yield self._indices[place]
            place = max(place + 1, bisect.bisect_left(self._starts, self._starts[place] + least))
