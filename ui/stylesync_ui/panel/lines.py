"""The lines of the open timeline as blocks of the strip: the one that is chosen, and all jobs."""

from __future__ import annotations

from collections.abc import Iterable

from stylesync_ui.queue.jobs import JobRecord
from stylesync_ui.queue.takes import line_of, span_of
from stylesync_ui.strip.lane import BlockState, LineBlock
from stylesync_ui.wish.choices import DubWish

_SHOWN: dict[str, BlockState] = {
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


def _file_of(job: JobRecord) -> str:
    """The sound of a job, where it is a whole file."""
    speech = job.job.get("speech")
    return speech if isinstance(speech, str) else ""
