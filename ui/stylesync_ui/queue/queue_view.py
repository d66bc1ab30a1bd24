"""The queue: one card a job, with what can be done about it."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QProgressBar, QScrollArea, QVBoxLayout, QWidget
from stylesync_plugin.contract import DubOptions

from stylesync_ui.look.widgets import Elided, button, label, line, mark, row, tool
from stylesync_ui.queue.jobs import JobQueue, JobRecord

ACTIONS: dict[str, tuple[str, ...]] = {
    "waiting": ("cancel",),
    "running": ("watch", "cancel"),
    "done": ("watch", "put", "take", "folder", "again", "forget"),
    "failed": ("again", "forget"),
    "cancelled": ("again", "forget"),
    "interrupted": ("go_on", "forget"),
}


class JobCard(QFrame):
    """One job."""

    acted = Signal(str, str)

    def __init__(self, job: JobRecord) -> None:
        super().__init__()
        self.job_id = job.id
        self.setProperty("role", "card")
        self.title = Elided(role="title")
        self.place = label("", "muted")
        self.state = label("")
        self.state.setWordWrap(True)
        self.notes = label("", "muted")
        self.notes.setWordWrap(True)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setRange(0, 1000)
        self.put = button(self.tr("Put on a new track"), icon_name="track")
        self.take = button(self.tr("Take off the track"), icon_name="untrack")
        self.go_on = button(self.tr("Go on"), icon_name="play")
        self.again = button(self.tr("Try again"), icon_name="retry")
        self.watch = tool("play", self.tr("Show in the viewer"))
        self.folder = tool("folder", self.tr("Open its folder"))
        self.cancel = tool("stop", self.tr("Cancel"))
        self.forget = tool("close", self.tr("Remove from the list"))
        self._build()
        self.show_job(job)

    def _build(self) -> None:
        for name in ("put", "take", "go_on", "again", "watch", "folder", "cancel", "forget"):
            widget = getattr(self, name)
            widget.clicked.connect(lambda _=False, n=name: self.acted.emit(self.job_id, n))
        made = QVBoxLayout(self)
        made.setContentsMargins(12, 8, 8, 10)
        made.setSpacing(5)
        head = row(self.title, self.watch, self.folder, self.cancel, self.forget, spacing=2)
        head.setStretch(0, 1)
        made.addLayout(head)
        made.addWidget(self.place)
        made.addWidget(self.bar)
        made.addWidget(self.state)
        made.addWidget(self.notes)
        self.buttons = row(self.put, self.take, self.go_on, self.again, None)
        made.addLayout(self.buttons)

    def show_job(self, job: JobRecord) -> None:
        actions = ACTIONS[job.state]
        for name in ("put", "take", "go_on", "again", "watch", "folder", "cancel", "forget"):
            visible = name in actions
            if name in ("put", "take"):
                visible = visible and job.placed == (name == "take")
            if name == "again" and job.state == "done":
                visible = False
            getattr(self, name).setVisible(visible)
        self.title.setText(job.title)
        self.place.setText(f"{Path(job.timeline).name}  ·  {quality_title(self, job)}")
        self.bar.setVisible(job.state == "running")
        self.bar.setValue(round(job.share * 1000))
        text, level = describe(self, job)
        self.state.setText(text)
        self.notes.setText("\n".join(job.warnings))
        self.notes.setVisible(job.state == "done" and bool(job.warnings))
        mark(self.state, "level", level)
        self.setAccessibleName(f"{job.title}: {text}")


class QueueView(QWidget):
    """All jobs, the newest first."""

    acted = Signal(str, str)
    markers_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.cards: dict[str, JobCard] = {}
        self._list = QVBoxLayout()
        self._list.setContentsMargins(10, 10, 10, 10)
        self._list.setSpacing(8)
        self._list.addStretch(1)
        page = QWidget()
        page.setLayout(self._list)
        area = QScrollArea()
        area.setWidget(page)
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._empty = label(
            self.tr(
                "No dubs yet.\n\nWhat you dub waits and renders here, one after the other; you can"
                " go on working meanwhile, and close the panel."
            ),
            "muted",
        )
        self._empty.setWordWrap(True)
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._empty.setContentsMargins(30, 40, 30, 40)
        self.markers = button(self.tr("Dub whole timeline"))
        self.markers.setToolTip(
            self.tr("One dub for each marker that says what to dub  (Ctrl+Shift+Return)")
        )
        self.clear = button(self.tr("Remove finished"), "link")
        self.clear.clicked.connect(lambda: self.acted.emit("", "clear"))
        self.markers.clicked.connect(self.markers_asked)
        made = QVBoxLayout(self)
        made.setContentsMargins(0, 0, 0, 0)
        made.setSpacing(0)
        made.addWidget(self._empty, 1)
        made.addWidget(area, 1)
        made.addWidget(line())
        foot = row(self.markers, None, self.clear)
        foot.setContentsMargins(10, 8, 10, 10)
        made.addLayout(foot)
        self._area = area

    def show_queue(self, queue: JobQueue) -> None:
        known = {job.id for job in queue}
        for gone in [key for key in self.cards if key not in known]:
            card = self.cards.pop(gone)
            card.hide()
            card.deleteLater()
        for job in queue:
            if job.id not in self.cards:
                self._add(job)
            self.cards[job.id].show_job(job)
        self._empty.setVisible(not known)
        self._area.setVisible(bool(known))
        self.clear.setVisible(any(not job.is_open for job in queue))

    def show_job(self, job: JobRecord) -> None:
        if job.id in self.cards:
            self.cards[job.id].show_job(job)

    def _add(self, job: JobRecord) -> None:
        card = JobCard(job)
        card.acted.connect(self.acted)
        self.cards[job.id] = card
        self._list.insertWidget(0, card)


def quality_title(widget: QWidget, job: JobRecord) -> str:
    titles = {
        "draft": widget.tr("draft"), "good": widget.tr("good"), "best": widget.tr("best"),
    }  # fmt: skip
    return titles[job.job.get("options", {}).get("quality", DubOptions().quality)]


def stage_title(widget: QWidget, stage: str) -> str:
    return {
        "": widget.tr("Preparing"),
        "track": widget.tr("Following the speaker"),
        "style": widget.tr("Reading the style"),
        "speech": widget.tr("Listening to the speech"),
        "lips": widget.tr("Moving the lips"),
        "render": widget.tr("Rendering"),
        "assemble": widget.tr("Assembling"),
    }.get(stage, stage)


def describe(widget: QWidget, job: JobRecord) -> tuple[str, str]:
    """What a job says about itself, and the level that colours it."""
    if job.state == "running":
        return _running(widget, job), ""
    if job.state == "done":
        text = widget.tr("Done: {n} frames in {time}").format(
            n=job.frames, time=duration_text(job.seconds)
        )
        if job.placed:
            text += widget.tr(", on its track")
        return text, "good"
    said = {
        "waiting": widget.tr("Waiting"),
        "cancelled": widget.tr("Cancelled"),
        "failed": job.message,
        "interrupted": job.message,
    }[job.state]
    return said, {"failed": "error", "interrupted": "warning"}.get(job.state, "hint")


def _running(widget: QWidget, job: JobRecord) -> str:
    parts = [stage_title(widget, job.stage)]
    if job.total:
        parts.append(f"{job.done} / {job.total}")
    if job.speed:
        parts.append(widget.tr("{n:.1f} frames/s").format(n=job.speed))
    if job.remaining is not None:
        parts.append(widget.tr("{time} left").format(time=duration_text(job.remaining)))
    return "  ·  ".join(parts)


def duration_text(seconds: float) -> str:
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02} min"
    return f"{whole // 3600}:{whole // 60 % 60:02} h"
