"""Lines through the queue: they wait in their document, and one job at a time is made of them.

So a session of thousands costs no more than one of ten, and what waits is on disk with the lines.
"""

from __future__ import annotations

import dataclasses
import threading
from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, get_args

from PySide6.QtCore import QObject, QTimer, Signal
from stylesync_plugin.contract import DubError, DubOptions, Quality, RequestError
from stylesync_plugin.lines.document import Line, Status
from stylesync_plugin.lines.exporting import job_with_others
from stylesync_plugin.times import Span

from stylesync_ui.desk.takes import LineTakes, outputs_of
from stylesync_ui.lines.session import Live, Session
from stylesync_ui.look.soon import Soon
from stylesync_ui.queue.jobs import JobRecord
from stylesync_ui.queue.queue_runner import QueueRunner
from stylesync_ui.queue.queue_view import duration_text
from stylesync_ui.wish.choices import DubWish, changed_options, seconds_text

TO_DRAFT = ("ready", "redo")
TELL_MS = 300


class LineDubs(QObject):
    """`told` brings the share of the batch that is done and how long the rest takes; empty where
    nothing waits. `refused` says why a line cannot be dubbed."""

    told = Signal(float, str)
    refused = Signal(str)
    _prepared = Signal(str, object)

    def __init__(self, session: Session, jobs: QueueRunner, wish_of: Callable[[], DubWish]) -> None:
        super().__init__()
        self._session, self._jobs, self._wish_of = session, jobs, wish_of
        self.takes = LineTakes(session, jobs)
        self._paused, self._preparing, self._running = True, "", ""
        self._first: list[str] = []
        self._finished: Counter[str] = Counter()
        self._waiting: Counter[str] | None = None
        self._telling = Soon(self._tell, TELL_MS, self)
        session.opened.connect(self._opened)
        session.changed.connect(self._changed)
        jobs.changed.connect(self._hear)
        jobs.listed.connect(self._telling.ask)
        self._prepared.connect(self._submit)

    # Asking

    def ask(self, indices: Collection[int], quality: Quality, at_once: bool = False) -> int:
        """These lines wait for a dub; those `at_once` before others. Returns how many can."""
        rows = self._session.rows
        able = [index for index in indices if not self.why_not(rows[index].line)]
        if not able and indices:
            self.refused.emit(self.why_not(rows[next(iter(indices))].line))
        for index in able:
            self._session.show_live(rows[index].line.number, None)
        asked = {
            index: dataclasses.replace(rows[index].line, status="waiting", quality=quality, why="")
            for index in able
        }
        self._session.put(asked, undoable=False)
        if at_once:
            self._first = [rows[index].line.number for index in able] + self._first
        self.go_on()
        return len(able)

    def why_not(self, line: Line) -> str:
        """Why a line cannot be dubbed, empty where it can."""
        if line.status == "unclear":
            return self.tr("Line {n}: {why}").format(n=line.number, why=line.why)
        if line.sound is None:
            return self.tr("Line {n} has no sound; drop one on it.").format(n=line.number)
        return ""

    def ready(self) -> list[int]:
        """Lines for "draft all ready"."""
        rows = enumerate(self._session.rows)
        return [i for i, row in rows if row.line.status in TO_DRAFT and row.line.sound]

    def approved(self) -> list[int]:
        """Approved lines whose picked take is a draft."""
        good = {
            data["output"] for job in self._jobs.mine() if quality_of(job) != "draft"
            for data in job.pieces
        }  # fmt: skip
        rows = enumerate(self._session.rows)
        return [i for i, r in rows if r.line.status == "approved" and r.line.pick not in good]

    def go_on(self) -> None:
        """What waits is dubbed, one after the other, what was interrupted first."""
        self._paused = False
        for job in self._jobs.mine():
            if job.line and job.state == "interrupted":
                self._jobs.act(job.id, "go_on")
        self._feed()
        self._telling.ask()

    def stop(self) -> None:
        """What waits does so no more, and what runs is cancelled."""
        waiting = [i for i, row in enumerate(self._session.rows) if row.line.status == "waiting"]
        lines = {i: _back(self._session.rows[i].line) for i in waiting}
        self._session.put(lines, undoable=False)
        for job in self._jobs.mine():
            if job.line and job.is_open:
                self._jobs.act(job.id, "cancel")

    def count_waiting(self) -> int:
        return sum(row.line.status == "waiting" for row in self._session.rows)

    def chosen_face(self) -> str | None:
        """The face that is chosen in the viewer, as jobs name it."""
        speaker = self._wish_of().speaker
        return str(speaker) if speaker is not None else None

    # The queue

    def _opened(self, other: bool) -> None:
        """What an earlier session has left behind: finished dubs are known to their lines."""
        self._waiting = None
        if other:
            self._paused, self._first = True, []
            self._finished.clear()
        for number, by in self._session.moves.items():
            self._jobs.move(number, by)
        for job in self._jobs.mine() if other else ():
            self._recall(job)
        self._note_picks()
        self._telling.ask()

    def _recall(self, job: JobRecord) -> None:
        index = self._session.index_of(job.line) if job.line else None
        if index is None:
            return
        line = self._session.rows[index].line
        if job.state == "done" and not outputs_of(job) <= set(line.takes):
            self._finish(index, job)
        elif job.state in ("failed", "interrupted") and line.status in ("waiting", *TO_DRAFT):
            self._session.show_live(job.line, Live(job.state, 0.0, job.message))

    def _changed(self, _: object) -> None:
        self._waiting = None
        self._note_picks()
        self._telling.ask()

    def _note_picks(self) -> None:
        rows = self._session.rows
        self._jobs.picks = frozenset(r.line.pick for r in rows if r.line.pick is not None)
        self._jobs.lost = frozenset(r.line.number for r in rows if r.line.status == "unclear")

    def _feed(self) -> None:
        """Make a job of the next line that waits, where none of them is under way."""
        busy = ("waiting", "running", "interrupted")
        if self._paused or self._preparing or not self._session:
            return
        if any(job.line and job.state in busy for job in self._jobs.mine()):
            return
        line, document = self._next(), self._session.document
        if line is None or document is None:
            return
        self._preparing = line.number
        row = self._session.rows[self._session.index_of(line.number) or 0]

        def work() -> None:
            try:
                data = self.job_data(line, row.span, document.media_folder)
                self._prepared.emit(line.number, data)
            except DubError as error:
                self._prepared.emit(line.number, error)

        threading.Thread(target=work, daemon=True).start()

    def job_data(self, line: Line, span: Span, media: Path) -> dict[str, Any]:
        """The job of a line: its own, its character's, and what the form says where both say
        nothing. Makes the sound where it was moved: for a thread of its own. Raises DubError."""
        lines = self._session.lines
        if lines is None:
            raise RequestError("The lines are closed; open them again.")
        data = job_with_others(lines, line, media / "lines")
        data["range"] = [seconds_text(span.start), seconds_text(span.end)]
        self._inherit(data, line)
        rows = {row.line.number: row for row in self._session.rows}
        for beside in data.get("beside", ()):
            other, within = rows[beside["name"]].line, rows[beside["name"]].span
            beside["range"] = [seconds_text(within.start), seconds_text(within.end)]
            self._inherit(beside, dataclasses.replace(other, quality=line.quality))
        return data

    def _next(self) -> Line | None:
        while self._first:
            index = self._session.index_of(self._first.pop(0))
            if index is not None and self._session.rows[index].line.status == "waiting":
                return self._session.rows[index].line
        rows = self._session.rows
        return next((row.line for row in rows if row.line.status == "waiting"), None)

    def _submit(self, number: str, data: dict[str, Any] | DubError) -> None:
        self._preparing = ""
        index = self._session.index_of(number)
        if index is None or self._session.rows[index].line.status != "waiting":
            self._feed()
            return
        row = self._session.rows[index]
        if isinstance(data, DubError):
            self._session.put({index: _back(row.line)}, undoable=False)
            self._session.show_live(number, Live("failed", 0.0, str(data)))
            self._feed()
            return
        title = f"{number}  {row.line.character}".strip()
        self._running = self._jobs.submit(title, data, number).id

    def _inherit(self, data: dict[str, Any], line: Line) -> None:
        """What the form says holds where line and cast say nothing."""
        wish = self._wish_of()
        own = data.get("options", {})
        quality = {"quality": line.quality} if line.quality else {}
        data["options"] = {**changed_options(wish.options), **own, **quality}
        if wish.style.file is not None:
            data.setdefault("style", wish.style.file)
        for name, value in (("person", wish.person), ("consent", wish.consent)):
            if value:
                data.setdefault(name, value)
        if wish.second is not None:
            data["second"] = wish.second

    def _hear(self, job: JobRecord) -> None:
        index = self._session.index_of(job.line) if job.line else None
        if index is None:
            return
        if job.state == "running":
            self._running, self._paused = job.id, False
            live = Live("running", self._jobs.forecast.share(job))
            self._session.show_live(job.line, live)
        elif job.state == "done" and job.id == self._running:
            self._finish(index, job)
        elif job.state == "interrupted":
            self._paused = True
            self._session.show_live(job.line, Live("interrupted", 0.0, job.message))
        elif job.state in ("failed", "cancelled") and job.id == self._running:
            self._give_up(index, job)
        self._telling.ask()

    def _finish(self, index: int, job: JobRecord) -> None:
        line = self._session.rows[index].line
        takes = tuple(dict.fromkeys((*line.takes, *sorted(outputs_of(job)))))
        status: Status = "draft" if quality_of(job) == "draft" else "good"
        done = dataclasses.replace(
            line, takes=takes, pick=sorted(outputs_of(job))[-1], status=status, why=""
        )
        self._finished[quality_of(job)] += job.length
        self._session.put(self._beside(job, done), undoable=False)
        self._end(index, job, done)

    def _beside(self, job: JobRecord, done: Line) -> dict[int, Line]:
        """The lines that share the picture of one that is done: it is a take of theirs too, and
        nobody has approved it yet."""
        names = [str(other["name"]) for other in job.job.get("beside", ())]
        indices = [self._session.index_of(name) for name in names]
        found = {i: self._session.rows[i].line for i in indices if i is not None}
        return {
            index: dataclasses.replace(
                line, takes=tuple(dict.fromkeys((*line.takes, str(done.pick)))), pick=done.pick,
                status=done.status, why="",
            )
            for index, line in found.items()
        }  # fmt: skip

    def _give_up(self, index: int, job: JobRecord) -> None:
        line = self._session.rows[index].line
        self._end(index, job, _back(line) if line.status == "waiting" else line)
        if job.state == "failed":
            self._session.show_live(job.line, Live("failed", 0.0, job.message))

    def _end(self, index: int, job: JobRecord, line: Line) -> None:
        self._running = ""
        self._session.put({index: line}, undoable=False)
        self._session.show_live(job.line, None)
        QTimer.singleShot(0, self._feed)

    # Telling

    def _tell(self) -> None:
        """One bar and one time for everything that waits or runs."""
        left = self._jobs.remaining() + self._seconds_waiting()
        count = self.count_waiting()
        count += sum(job.is_open and not job.line for job in self._jobs.queue)
        if not count:
            self._finished.clear()
            self.told.emit(0.0, "")
            return
        text = self.tr("{n} wait").format(n=count)
        if not self._paused:
            text = self.tr("{n} to do  ·  about {time} left")
            text = text.format(n=count, time=duration_text(left))
        cost = self._jobs.forecast.seconds
        done = sum(cost(quality, frames) for quality, frames in self._finished.items())
        self.told.emit(done / max(1e-6, done + left), text)

    def _seconds_waiting(self) -> float:
        """What the lines take that have no job yet."""
        rate, _ = self._session.clock
        if self._waiting is None:
            self._waiting = Counter()
            for row in self._session.rows:
                if row.line.status == "waiting":
                    self._waiting[row.line.quality or "good"] += round(row.span.duration * rate)
        now = next((job for job in self._jobs.mine() if job.line and job.is_open), None)
        frames = Counter(self._waiting)
        if now is not None:
            frames[quality_of(now)] -= now.length
        cost = self._jobs.forecast.seconds
        return sum(cost(quality, count) for quality, count in frames.items() if count > 0)


def quality_of(job: JobRecord) -> Quality:
    """The quality that a job renders in."""
    found = job.job.get("options", {}).get("quality", DubOptions().quality)
    return next((q for q in get_args(Quality) if q == found), "good")


def _back(line: Line) -> Line:
    """A line that waits no more."""
    return dataclasses.replace(line, status="redo" if line.takes else "ready")
