# ruff: noqa: S101  (asserts that tell the type checker)
"""Dubs onto the open timeline and off it again, beside the GUI thread: a long one takes its time.

placer.put([job])
placer.take([job])
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from PySide6.QtCore import QObject, Signal
from stylesync_plugin.batch.dub_timeline import Batch
from stylesync_plugin.contract import DubError
from stylesync_plugin.planning.planner import PlanSettings
from stylesync_plugin.times import Span
from stylesync_plugin.writing.dubbed_clips import TrackNames
from stylesync_plugin.writing.marking import with_marker
from stylesync_plugin.writing.original_sound import check_original_sound
from stylesync_plugin.writing.write_back import pick_take

from stylesync_ui.engine.bridge import EngineLost
from stylesync_ui.queue.dub_runner import DubRunner
from stylesync_ui.queue.jobs import JobRecord
from stylesync_ui.timeline.document import Content, Document, in_our_words, view
from stylesync_ui.timeline.dubbed_piece import piece_of


class Placer(QObject):
    """`placed` brings the jobs, whether they are on the timeline now, and its new content."""

    placed = Signal(object, bool, object)
    failed = Signal(str)
    _laid_out = Signal(object, bool, object, object, object)

    def __init__(
        self,
        runner: DubRunner,
        document_of: Callable[[], Document | None],
        settings_of: Callable[[JobRecord], PlanSettings],
    ) -> None:
        super().__init__()
        self._runner, self._document_of, self._settings_of = runner, document_of, settings_of
        self._together: list[JobRecord] = []
        runner.ended.connect(self._planned)
        self._laid_out.connect(self._take_change)

    def keep_original(self, level: str) -> None:
        """What becomes of the shot's own sound under dubs that are put on from now on."""
        names = TrackNames(original_sound=check_original_sound(level))
        self._runner.names = names

    def put(self, jobs: Sequence[JobRecord]) -> None:
        """Dubs that are done go onto the timeline, all in one step."""
        document = self._document_of()
        if document is not None and jobs and self._runner.job_id is None:
            self._together = list(jobs)
            data, settings = [job.job for job in jobs], self._settings_of(jobs[0])
            self._runner.start(jobs[0].id, document.content.timeline, data, settings, True)

    def take(self, jobs: Sequence[JobRecord]) -> None:
        """Dubs leave the timeline, all in one step."""
        document = self._document_of()
        if document is not None and jobs:
            ids = {data["id"] for job in jobs for data in job.pieces}
            content, gone = document.content, list(jobs)
            self._change(
                gone, False, lambda: document.without(content, ids), lambda: self.take(gone)
            )

    def switch(self, place: str, take: str) -> None:
        """Another take of a place that the timeline holds is seen and heard."""
        document = self._document_of()
        if document is not None:
            timeline, folders = document.content.timeline, document.folders
            names = self._runner.names
            self._change(
                [], True, lambda: view(pick_take(timeline, place, take, names), folders),
                lambda: self.switch(place, take),
            )  # fmt: skip

    def mark(self, name: str, span: Span, job: Mapping[str, Any]) -> None:
        """One more marker on the timeline, which says what to dub where `job` does."""
        document = self._document_of()
        if document is not None:
            content, folders = document.content, document.folders
            self._change(
                [], True,
                lambda: view(
                    with_marker(content.timeline, name, span, job, content.rate), folders
                ),
                lambda: self.mark(name, span, job),
            )  # fmt: skip

    def _planned(self, _: str, outcome: Batch | DubError) -> None:
        document, jobs = self._document_of(), self._together
        if document is None or not jobs:
            return
        error = outcome if isinstance(outcome, DubError) else first_error(outcome)
        if error is not None:
            self.failed.emit(in_our_words(error))
            return
        assert isinstance(outcome, Batch)
        if outcome.failures:
            self.failed.emit(in_our_words(outcome.failures[0][1]))
        there = {kept.dub.request.output for kept in outcome.outcomes if kept.result is not None}
        done = [job for job in jobs if {data["output"] for data in job.pieces} & there]
        laid = {o.dub.request.output: piece_of(o.dub).to_dict() for o in outcome.outcomes}
        for job in done:
            job.pieces = [laid.get(data["output"], data) for data in job.pieces]
        timeline, folders = outcome.timeline, document.folders
        self._change(done, True, lambda: view(timeline, folders), lambda: self.put(jobs))

    def _change(
        self, jobs: list[JobRecord], placed: bool, make: Callable[[], Content],
        again: Callable[[], None],
    ) -> None:  # fmt: skip
        document = self._document_of()
        base = document.content if document else None

        def work() -> None:
            try:
                self._laid_out.emit(jobs, placed, base, make(), again)
            except DubError as error:
                self.failed.emit(in_our_words(error))

        threading.Thread(target=work, daemon=True).start()

    def _take_change(
        self, jobs: list[JobRecord], placed: bool, base: Content, content: Content,
        again: Callable[[], None],
    ) -> None:  # fmt: skip
        """Begin again where somebody has changed the timeline meanwhile."""
        document = self._document_of()
        if document is None:
            return
        if document.content is not base:
            again()
        else:
            self.placed.emit(jobs, placed, content)


def first_error(batch: Batch) -> DubError | None:
    """Why nothing came of a batch; None where something did."""
    failures = [error for _, error in batch.failures]
    good = [outcome for outcome in batch.outcomes if outcome.result is not None]
    lost = next((error for error in failures if isinstance(error, EngineLost)), None)
    if lost is not None:
        return lost
    return failures[0] if failures and not good else None
