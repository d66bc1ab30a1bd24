"""The takes of lines: which is picked, seen and heard, and which dubs lie on the timeline."""

from __future__ import annotations

from collections.abc import Collection

from stylesync_plugin.writing.takes import takes_on

from stylesync_ui.lines.session import Session
from stylesync_ui.queue.jobs import JobRecord
from stylesync_ui.queue.queue_runner import QueueRunner


class LineTakes:
    """Puts dubs of lines on the timeline, takes them off, and picks one of several."""

    def __init__(self, session: Session, jobs: QueueRunner) -> None:
        self._session, self._jobs = session, jobs

    def picked(self) -> list[JobRecord]:
        """The dubs of picked takes that do not lie on the timeline yet."""
        picks = self._jobs.picks
        return [
            job for job in self._jobs.mine()
            if job.state == "done" and not job.placed and outputs_of(job) & picks
            and job.line not in self._jobs.lost
        ]  # fmt: skip

    def put_all(self) -> None:
        """The picked takes lie on the timeline, in one step."""
        self._jobs.placer.put(self.picked())

    def put(self, indices: Collection[int]) -> None:
        """The picked takes of these lines lie on the timeline."""
        picks = {self._session.rows[index].line.pick for index in indices}
        self._jobs.placer.put([job for job in self.picked() if outputs_of(job) & picks])

    def take_off(self, indices: Collection[int]) -> None:
        """The dubs of these lines leave the timeline."""
        self._jobs.placer.take([job for index in indices for job in self.placed(index)])

    def placed(self, index: int) -> list[JobRecord]:
        """The dubs of a line that lie on the timeline, whoever has made them."""
        takes = set(self._session.rows[index].line.takes)
        shown = (*self._jobs.mine(), *self._jobs.found)
        return [job for job in shown if job.placed and outputs_of(job) & takes]

    def job_with(self, output: str) -> JobRecord | None:
        """The job that has made a take."""
        mine = reversed(self._jobs.mine())
        return next((j for j in mine if any(d["output"] == output for d in j.pieces)), None)

    def show_take(self, index: int, take: str) -> None:
        """Pick a take of a line; where the line is dubbed on the timeline, it is with this one."""
        line = self._session.rows[index].line
        on_timeline = any(job.placed for job in map(self.job_with, line.takes) if job is not None)
        self._session.change([index], pick=take)
        job, document = self.job_with(take), self._jobs.document
        if document is None:
            return
        kept = [t for t in takes_on(document.content.timeline) if t.output == take and not t.picked]
        if kept:
            self._jobs.placer.switch(kept[0].place, kept[0].id)
        elif on_timeline and job is not None and not job.placed:
            self._jobs.placer.put([job])


def outputs_of(job: JobRecord) -> set[str]:
    """The files that a job has made."""
    return {str(data["output"]) for data in job.pieces}
