"""What the panel says of its engine: starting, lost in a job, gone; and the way on."""

from __future__ import annotations

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QLabel

from stylesync_ui.engine.link import EngineLink
from stylesync_ui.look.banner import Banner
from stylesync_ui.queue.jobs import JobRecord
from stylesync_ui.queue.queue_runner import QueueRunner
from stylesync_ui.queue.takes import spoken


class EngineNotice(QObject):
    """Keeps a banner of its own, so that no other message hides what is wrong."""

    def __init__(self, link: EngineLink, jobs: QueueRunner, banner: Banner, state: QLabel) -> None:
        super().__init__()
        self._link, self._jobs = link, jobs
        self._banner, self._state = banner, state
        self._is_gone = False
        link.state_changed.connect(self._show)
        jobs.engine_lost.connect(self._lost)
        self._show(link.state)

    def offer_interrupted(self, lines: bool = False) -> None:
        """Jobs that an earlier session, or a dead engine, has left behind; those of `lines` are
        offered with their session, unless they are asked for."""
        left = [job for job in self._jobs.queue if job.state == "interrupted"]
        count = sum(lines or not job.line for job in left)
        if count:
            text = self.tr("{n} dubs were interrupted. What is finished is kept.")
            if count == 1:
                text = self.tr("A dub was interrupted. What is finished is kept.")
            show = ("show_queue", self.tr("Show"))
            self._banner.say(text.format(n=count), "warning", self._go_on(), show)

    def _show(self, state: str) -> None:
        texts = {"starting": self.tr("Engine starting…"), "gone": self.tr("Engine offline")}
        self._state.setText(texts.get(state, ""))
        if state == "gone":
            self._is_gone = True
            text = self.tr("{why} You can go on marking; pictures and dubbing need the engine.")
            again = ("restart", self.tr("Start it again"))
            self._banner.say(text.format(why=self._link.gone_message()), "error", again)
        elif state == "ready" and self._is_gone:
            self._is_gone = False
            self._banner.hide()
            self.offer_interrupted(lines=True)

    def _lost(self, job: JobRecord) -> None:
        if self._link.state != "gone":
            text = self.tr("The engine stopped while it dubbed {title}. What is finished is kept.")
            self._banner.say(text.format(title=spoken(job)), "warning", self._go_on())

    def _go_on(self) -> tuple[str, str]:
        return "go_on", self.tr("Go on")
