"""The lines of the open timeline as blocks of the strip: the one that is chosen, and all jobs."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from stylesync_plugin.lines.document import Line
from stylesync_plugin.lines.heard import heard_span
from stylesync_plugin.times import Span

from stylesync_ui.engine.media_cache import MediaCache
from stylesync_ui.lines.page import LinesPage
from stylesync_ui.queue.jobs import JobRecord
from stylesync_ui.queue.takes import line_of, span_of
from stylesync_ui.strip.lane import SEEN, BlockSound, LaneLines, LineBlock
from stylesync_ui.wish.choices import DubWish

_SHOWN = {
    "waiting": "waiting", "running": "running", "done": "done", "failed": "failed",
    "interrupted": "failed", "found": "placed",
}  # fmt: skip


def blocks_of(jobs: Iterable[JobRecord], wish: DubWish) -> tuple[LineBlock, ...]:
    """The chosen line lies on top; of several takes the one on the timeline, else the last."""
    places: dict[tuple[object, ...], LineBlock] = {}
    for job in sorted(jobs, key=lambda job: job.placed):
        span, state = span_of(job), _SHOWN.get(job.state)
        if span and state is not None:
            shown = "placed" if job.placed else state
            block = LineBlock(span, line_of(job) or job.title, shown, _file_of(job))
            places[span.start, span.end] = block
    found = list(places.values())
    if wish.dub is not None and wish.speech is not None and wish.speech.file:
        line = wish.speech.file
        if not any(block.span == wish.dub and block.file == line for block in found):
            found.append(LineBlock(wish.dub, line.rsplit("/", 1)[-1], "chosen", line))
    return tuple(found)


class SessionOnLane(LaneLines):
    """The lines of a session as the strip draws them."""

    def __init__(self, page: LinesPage, media: MediaCache) -> None:
        self._page, self._session, self._media = page, page.session, media

    def __bool__(self) -> bool:
        return bool(self._session)

    def within(self, start: float, end: float, least: float) -> Iterable[LineBlock]:
        current = self._page.table.current
        found = [i for i in self._session.in_time.within(start, end, least) if i != current]
        if 0 <= current < len(self._session.rows) and self._session.rows[current].span:
            found.append(current)
        return [self._block(index, index == current, SEEN * least) for index in found]

    def _block(self, index: int, current: bool, least: float) -> LineBlock:
        """The block of a line; where its sound lies if it lasts longer than `least` s."""
        row = self._session.rows[index]
        line, state = row.line, self._page.model.state(index)
        title = f"{line.number}  {line.character}"
        sound = self.sound_of(line, row.span) if row.span.duration > least else None
        colour = self._session.character_of(line).colour or ""
        start, (rate, _) = row.span.start, self._session.clock
        keys = tuple((start + k.start / rate, start + k.end / rate, k.shape) for k in line.keys)
        notes = tuple((start + note.frame / rate, note.text) for note in line.notes)
        return LineBlock(
            row.span, title, state, line.sound or "", sound, index, current, colour, keys, notes
        )

    def sound_of(self, line: Line, span: Span) -> BlockSound | None:
        """Where a line's sound lies, once its length is known."""
        facts = self._media.sound(line.sound) if line.sound else None
        if facts is None:
            return None
        rate, _ = self._session.clock
        begin, _ = heard_span(line, rate, facts.length)
        last = facts.length - Fraction(line.trim_out)
        first, at = Fraction(line.trim_in), span.start + begin
        return BlockSound(at, first, last, line.stretch, line.slip, line.trim_out)


def line_number(job: JobRecord) -> str:
    """The number of the line that a job dubs; of a dub that was found, what it says it is."""
    return job.line or (job.title if job.state == "found" else "")


def _file_of(job: JobRecord) -> str:
    """The sound of a job, where it is a whole file."""
    speech = job.job.get("speech")
    return speech if isinstance(speech, str) else ""
