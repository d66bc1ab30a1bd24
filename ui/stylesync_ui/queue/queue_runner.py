# ruff: noqa: S101  (asserts that tell the type checker)
"""Runs the queue: one job after the other, through crashes, onto the timeline and off it."""

from __future__ import annotations

import time
from fractions import Fraction
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal
from stylesync_plugin.batch.dub_timeline import Batch, BatchProgress
from stylesync_plugin.batch.farm import job_data
from stylesync_plugin.contract import Cancelled, DubError
from stylesync_plugin.planning.planner import PlanSettings
from stylesync_plugin.timeline.selecting import jobs_from_markers

from stylesync_ui.engine.bridge import EngineBridge, EngineLost
from stylesync_ui.queue import takes
from stylesync_ui.queue.dub_runner import DubRunner
from stylesync_ui.queue.forecast import Forecast
from stylesync_ui.queue.jobs import JobQueue, JobRecord
from stylesync_ui.queue.placing import Placer, first_error
from stylesync_ui.timeline.document import Content, Document, dubs_of, in_our_words
from stylesync_ui.timeline.dubbed_piece import DubbedPiece, piece_of, pieces_on


class QueueRunner(QObject):
    """`changed` tells of one job, `listed` of the list; `placed` that the timeline has changed.

    `picks` are the outputs that are shown before other takes of their place; dubs of lines that are
    `lost` have no place any more.
    """

    changed = Signal(object)
    listed = Signal()
    placed = Signal(object, object)
    failed = Signal(str)
    engine_lost = Signal(object)
    finished = Signal(object)

    def __init__(self, bridge: EngineBridge, store: Path) -> None:
        super().__init__()
        self.queue = JobQueue(store)
        self.found: list[JobRecord] = []
        self.forecast = Forecast()
        self.forecast.learn(self.queue)
        self.document: Document | None = None
        self.media_folders: tuple[Path, ...] = ()
        self._runner = DubRunner(bridge)
        self.placer = self._make_placer(bridge)
        self._begun = 0.0
        self._on: tuple[Content | None, list[DubbedPiece]] = None, []
        self._parsed: dict[int, tuple[dict[str, Any], DubbedPiece]] = {}
        self.picks: frozenset[str] = frozenset()
        self.lost: frozenset[str] = frozenset()
        self._seen: tuple[object, ...] = ()
        self._shown: tuple[list[DubbedPiece], set[str]] = [], set()
        for news in (self.changed, self.listed):
            news.connect(self._forget_pieces)
        self._stopped = False
        self._runner.progressed.connect(self._progressed)
        self._runner.ended.connect(self._ended)
        self.placer.placed.connect(self._take_placed)
        self.placer.failed.connect(self.failed)

    def _make_placer(self, bridge: EngineBridge) -> Placer:
        planner = DubRunner(bridge)
        planner.probe = self._runner.probe
        return Placer(planner, lambda: self.document, self._settings)

    # Doing

    def submit(self, title: str, data: dict[str, Any], line: str = "") -> JobRecord:
        """A job of the open timeline joins the queue; `line` is the number of what it dubs."""
        assert self.document is not None
        path = str(self.document.path.absolute())
        job = JobRecord(title, path, data, project=self.document.project, line=line)
        job.length = round(takes.span_of(job).duration * self.document.content.rate)
        self.queue.add(job)
        self.listed.emit()
        self.start_next()
        return job

    def submit_markers(self) -> int:
        """One job for each marker that says what to dub; raises RequestError where none does."""
        assert self.document is not None
        jobs = jobs_from_markers(self.document.content.timeline)
        for job in jobs:
            self.submit(job.name, job_data(job))
        return len(jobs)

    def act(self, job_id: str, action: str) -> None:
        """What a card's button asks for."""
        job = self.of_id(job_id)
        if action == "clear":
            self._clear()
        elif job is None:
            return
        elif action == "cancel":
            self._cancel(job)
        elif action in ("again", "go_on"):
            job.move("waiting")
            self._tell(job)
            self.start_next()
        elif action == "forget":
            self.queue.remove(job)
            self.listed.emit()
            self.start_next()
        elif action in ("earlier", "later"):
            self.queue.shift(job, -1 if action == "earlier" else 1)
            self.listed.emit()
        elif action == "put":
            self._put(job)
        elif action == "take" and self._is_mine(job):
            self.placer.take([job])

    def go_on(self) -> None:
        """Whatever was interrupted waits again."""
        for job in self.queue:
            if job.state == "interrupted":
                job.move("waiting")
                self._tell(job)
        self.start_next()

    def start_next(self) -> None:
        job = self.queue.next_waiting()
        if job is None or self._runner.job_id is not None:
            return
        job.move("running")
        self._begun = time.monotonic()
        self._runner.start(job.id, self._timeline(job), [job.job], self._settings(job))
        self._tell(job)

    def of_id(self, job_id: str) -> JobRecord | None:
        """A job, or a dub that was found on the timeline."""
        here = next((job for job in self.found if job.id == job_id), None)
        return here or self.queue.of_id(job_id)

    def mine(self) -> list[JobRecord]:
        """The jobs of the open timeline and its copies in the order in which they run."""
        return [job for job in self.queue if self._is_mine(job)]

    def move(self, line: str, by: Fraction) -> None:
        """A line has moved with its clip by so many s, and its dubs with it."""
        moved = [job for job in self.mine() if job.line == line]
        for job in moved:
            takes.move(job, by)
        self.queue.save(moved)
        self._forget_pieces()

    def remaining(self) -> float:
        """Seconds until everything that waits or runs is done."""
        return sum(self.forecast.remaining(job) for job in self.queue if job.is_open)

    def close(self) -> None:
        """What is not done stays in the queue for the next time."""
        self._stopped = True
        self.queue.save(self.queue)
        self.queue.close()

    # Growing pieces

    def pieces(self) -> tuple[list[DubbedPiece], set[str]]:
        """Dubs for the viewer, those on the open timeline last; the outputs of those that grow."""
        if self.document is None:
            return [], set()
        content = self.document.content
        seen = content, self.picks, self.lost
        if seen != self._seen:
            self._seen, self._shown = seen, self._find_pieces(content)
        return self._shown

    def _forget_pieces(self, *_: object) -> None:
        self._seen = ()

    def _find_pieces(self, content: Content) -> tuple[list[DubbedPiece], set[str]]:
        if self._on[0] is not content:
            self._on = content, [piece for piece, _ in pieces_on(content)]
        shown = [job for job in self.mine() if job.state in ("done", "running")]
        shown = [job for job in shown if job.line not in self.lost]
        there = {piece.output for piece in self._on[1]}
        pieces = [self._piece(data) for job in shown for data in job.pieces]
        pieces = [piece for piece in pieces if piece.output not in there]
        pieces.sort(key=lambda piece: piece.output in self.picks)
        pieces += self._on[1]
        growing = {data["output"] for job in shown if job.state == "running" for data in job.pieces}
        return pieces, growing

    def _piece(self, data: dict[str, Any]) -> DubbedPiece:
        """What job data tells of a piece, read once."""
        known = self._parsed.get(id(data))
        if known is None or known[0] is not data:
            known = self._parsed[id(data)] = data, DubbedPiece.from_dict(data)
        return known[1]

    # Inside

    def _settings(self, job: JobRecord) -> PlanSettings:
        path = Path(job.timeline)
        media = dubs_of(path, job.project or job.timeline)
        folders = (path.parent, *self.media_folders)
        return PlanSettings(media, folders, probe=self._runner.probe)

    def _timeline(self, job: JobRecord) -> Any:
        """The open one where it is the job's, else its file."""
        open_now = self.document is not None and self._is_mine(job)
        return self.document.content.timeline if open_now and self.document else Path(job.timeline)

    def _is_mine(self, job: JobRecord) -> bool:
        project = job.project or job.timeline
        return self.document is not None and project == self.document.project

    def _cancel(self, job: JobRecord) -> None:
        if job.state == "running":
            self._runner.cancel()
        else:
            job.move("cancelled")
            self._tell(job)

    def _clear(self) -> None:
        for job in [j for j in self.mine() if not j.is_open and j.state != "interrupted"]:
            self.queue.remove(job)
        self.listed.emit()

    def _tell(self, job: JobRecord) -> None:
        self.queue.save([job])
        self.changed.emit(job)

    def _progressed(self, job_id: str, progress: BatchProgress) -> None:
        job = self.queue.of_id(job_id)
        if job is None or job.state != "running":
            return
        piece = piece_of(progress.dub).to_dict()
        if piece not in job.pieces:
            job.pieces = [old for old in job.pieces if old["id"] != piece["id"]] + [piece]
        if progress.stage is not None:
            job.advance(progress.stage, time.monotonic())
        self.changed.emit(job)

    def _ended(self, job_id: str, outcome: Batch | DubError) -> None:
        job = self.queue.of_id(job_id)
        if job is None or self._stopped:
            return
        job.seconds = time.monotonic() - self._begun
        error = outcome if isinstance(outcome, DubError) else first_error(outcome)
        if error is None:
            assert isinstance(outcome, Batch)
            _note_results(job, outcome)
            job.move("done")
            self.forecast.learn([job])
            self.finished.emit(job)
        elif isinstance(error, Cancelled):
            job.move("cancelled", str(error))
        elif isinstance(error, EngineLost):
            job.move("interrupted", str(error))
            self.engine_lost.emit(job)
            self._tell(job)
            return
        else:
            job.move("failed", in_our_words(error))
        self._tell(job)
        self.start_next()

    def _put(self, job: JobRecord) -> None:
        if self._is_mine(job):
            self.placer.put([job])
            return
        name = Path(job.timeline).name
        self.failed.emit(self.tr("This dub belongs to {name}; open it first.").format(name=name))

    def _take_placed(self, jobs: list[JobRecord], placed: bool, content: Content) -> None:
        for job in jobs:
            job.placed = placed
        self.queue.save(jobs)
        self.placed.emit(jobs, content)

    def match_timeline(self) -> None:
        """Say of each job whether its dubs are on the timeline, after undo or another opening."""
        if self.document is None:
            return
        on = pieces_on(self.document.content)
        self._adopt_project({piece.output for piece, _ in on})
        self._match_jobs({piece.output for piece, _ in on})
        self.found = takes.found_jobs(on, self.mine(), self.document.project)
        self.listed.emit()

    def _match_jobs(self, there: set[str]) -> None:
        """A take is on the timeline where its own file is: another take of its place is another."""
        changed = []
        for job in self.mine():
            placed = bool(job.pieces) and all(piece["output"] in there for piece in job.pieces)
            if job.state == "done" and placed != job.placed:
                job.placed = placed
                changed.append(job)
        if changed:
            self.queue.save(changed)

    def _adopt_project(self, there: set[str]) -> None:
        """A copy in a format that forgets its project is known by the dubs on it."""
        assert self.document is not None
        if any(data["output"] in there for job in self.mine() for data in job.pieces):
            return
        for job in self.queue:
            if any(data["output"] in there for data in job.pieces):
                self.document.project = job.project or job.timeline
                return


def _note_results(job: JobRecord, batch: Batch) -> None:
    """What the card and the viewer tell of a finished job."""
    done = [outcome for outcome in batch.outcomes if outcome.result is not None]
    job.frames = sum(outcome.result.frames for outcome in done if outcome.result)
    job.warnings = [w for o in done if o.result for w in o.result.warnings]
    job.warnings += [text for o in done if o.result and (text := o.result.describe_lips())]
    job.warnings += [str(error) for _, error in batch.failures]
    job.pieces = [piece_of(outcome.dub).to_dict() for outcome in done]
