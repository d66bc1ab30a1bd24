"""Jobs and what comes of them: the queue's cards, the banner, the timeline they are put on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

from PySide6.QtCore import QObject, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QTabWidget
from stylesync_plugin.batch.farm import job_data
from stylesync_plugin.contract import DubError
from stylesync_plugin.jobs import read_jobs
from stylesync_plugin.times import Span

from stylesync_ui.engine.media_cache import MediaCache
from stylesync_ui.look.banner import Banner
from stylesync_ui.queue.jobs import JobRecord
from stylesync_ui.queue.queue_runner import QueueRunner
from stylesync_ui.queue.queue_view import CardFacts, QueueView
from stylesync_ui.queue.takes import beside, spoken, take_names
from stylesync_ui.timeline.document import Content
from stylesync_ui.wish.editing import Editing


class Results(QObject):
    """Joins what runs the queue to what shows it.

    `watched` asks to compare a job's dub in the viewer; `placed` brings the timeline with a dub
    put on it or taken off; `grown` says that there are other frames to show. What the table of
    lines shows, as `is_elsewhere` tells, has no card.
    """

    watched = Signal(object)
    placed = Signal(object, object)
    grown = Signal()

    def __init__(
        self,
        jobs: QueueRunner,
        media: MediaCache,
        queue: QueueView,
        tabs: QTabWidget,
        banner: Banner,
    ) -> None:
        super().__init__()
        self._jobs, self._media = jobs, media
        self._queue, self._tabs, self._banner = queue, tabs, banner
        self.is_elsewhere: Callable[[JobRecord], bool] = lambda _: False
        self.window = tabs
        self._last = ""
        self._takes: dict[str, str] = {}
        jobs.changed.connect(self._show_job)
        jobs.listed.connect(self._show_list)
        jobs.placed.connect(self._place)
        jobs.finished.connect(self._finish)
        jobs.failed.connect(lambda text: banner.say(text, "error"))
        queue.acted.connect(self.act)
        self._show_list()

    def submit(self, title: str, data: dict[str, object]) -> None:
        self._jobs.submit(title, data)
        self.show_queue()

    def submit_markers(self) -> None:
        """One job for each marker of the timeline that says what to dub."""
        try:
            count = self._jobs.submit_markers()
        except DubError:
            said = self.tr("No marker says what to dub. Fill in the form, then make one of it.")
            make = ("make_marker", self.tr("Make a marker"))
            self._banner.say(said, "warning", make, ("jobs_file", self.tr("Jobs from a file…")))
            return
        text = self.tr("{n} dubs from markers are in the queue.")
        self._banner.say(text.format(n=count), "good")
        self.show_queue()

    def make_marker(self, editing: Editing, position: Fraction) -> None:
        """A marker over the range to dub that says what the form says, else one at the playhead."""
        content, wish = editing.document.content if editing.document else None, editing.wish
        if content is None:
            return
        if wish.dub is not None and wish.speech is not None and editing.shown_clips():
            name, data = editing.job()
            kept = {key: value for key, value in data.items() if key not in ("name", "range")}
            self._jobs.placer.mark(name.split("  ")[0], wish.dub, kept)
        else:
            self._jobs.placer.mark(self.tr("Marker"), Span(position, position), {})

    def submit_file(self, path: Path) -> None:
        """The jobs of a file; what it names is looked for beside it, too."""
        try:
            found = read_jobs(path)
        except DubError as error:
            self._banner.say(str(error), "warning")
            return
        for job in found.jobs:
            self._jobs.submit(job.name, beside(job_data(job), found.search_folders))
        text = self.tr("{n} dubs of {name} are in the queue.")
        self._banner.say(text.format(n=len(found.jobs), name=path.name), "good")
        self.show_queue()

    def go_on(self) -> None:
        """What was interrupted is shown where it goes on."""
        here = any(j.state == "interrupted" and not self.is_elsewhere(j) for j in self._jobs.queue)
        self._jobs.go_on()
        if here:
            self.show_queue()

    def show_queue(self) -> None:
        self._tabs.setCurrentWidget(self._queue)

    def act(self, job_id: str, action: str) -> None:
        """What a card's button asks for."""
        job = self._jobs.of_id(job_id)
        if action == "watch" and job is not None:
            self.watched.emit(job)
        elif action == "folder" and job is not None and job.pieces:
            folder = Path(job.pieces[0]["output"]).parent
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))
        else:
            self._jobs.act(job_id, action)

    def act_on_last(self, action: str) -> None:
        """The same for the dub that was done last."""
        self.act(self._last, action)

    # Showing

    def _show_job(self, job: JobRecord) -> None:
        self._queue.show_job(job, self._facts(job))
        self._show_count()
        self.grown.emit()

    def _show_list(self) -> None:
        mine = self._jobs.mine()
        self._takes = take_names(mine)
        open_jobs = [job for job in self._jobs.queue if job.is_open]
        others = len(open_jobs) - sum(job.is_open for job in mine)
        shown = [job for job in (*mine, *self._jobs.found) if not self.is_elsewhere(job)]
        self._queue.show_queue(shown, self._facts, others)
        self._show_count()
        self.grown.emit()

    def _facts(self, job: JobRecord) -> CardFacts:
        forecast = self._jobs.forecast
        remaining = forecast.remaining(job) if job.state == "running" else 0.0
        return CardFacts(forecast.share(job), remaining, self._takes.get(job.id, ""))

    def _show_count(self) -> None:
        mine = [job for job in self._jobs.queue if job.is_open and not self.is_elsewhere(job)]
        count = len(mine)
        self._queue.show_rest(count, sum(map(self._jobs.forecast.remaining, mine)))
        text = self.tr("Queue") + (f"  {count}" if count else "")
        self._tabs.setTabText(self._tabs.indexOf(self._queue), text)

    def _finish(self, job: JobRecord) -> None:
        self._last = job.id
        self._show_list()
        for data in job.pieces:
            self._media.forget_file(data["output"])
        if self.is_elsewhere(job):
            return
        self._banner.say(
            self.tr("{title} is dubbed.").format(title=spoken(job)), "good",
            ("watch_last", self.tr("Compare")), ("put_last", self.tr("Put on a new track")),
        )  # fmt: skip

    def _place(self, jobs: Sequence[JobRecord], content: Content) -> None:
        self.placed.emit(jobs, content)
        if not jobs:
            return
        on, several = jobs[0].placed, len(jobs) > 1
        text = self.tr("{title} is on a new track.")
        if several:
            text = self.tr("{n} dubs are on their tracks.")
        if not on:
            text = self.tr("{title} is off the track again.")
        if not on and several:
            text = self.tr("{n} dubs are off their tracks again.")
        self._banner.say(text.format(title=spoken(jobs[0]), n=len(jobs)), "good")
