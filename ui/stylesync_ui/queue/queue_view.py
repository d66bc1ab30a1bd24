"""The queue: one card a job, with what can be done about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QProgressBar, QScrollArea, QVBoxLayout, QWidget
from stylesync_plugin.contract import DubOptions

from stylesync_ui.look.widgets import Elided, button, label, line, mark, row, tool
from stylesync_ui.queue.jobs import JobRecord
from stylesync_ui.queue.takes import line_of

ACTIONS: dict[str, tuple[str, ...]] = {
    "waiting": ("cancel", "earlier", "later"),
    "running": ("watch", "cancel"),
    "done": ("watch", "put", "take", "folder", "forget"),
    "failed": ("again", "forget"),
    "cancelled": ("again", "forget"),
    "interrupted": ("go_on", "forget"),
    "found": ("watch", "take", "folder"),
}


FOOT = 36  # px: the buttons' row is as high where none is shown
BUTTONS = (
    "watch", "folder", "cancel", "forget", "put", "take", "go_on", "again", "earlier", "later",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What a card says beside its job: `share` of it that is done, `remaining` s, its `take`."""

    share: float = 0.0
    remaining: float = 0.0
    take: str = ""


class JobCard(QFrame):
    """One job. Every button has its own place, which stays empty where it cannot be used."""

    acted = Signal(str, str)

    def __init__(self, job: JobRecord, facts: CardFacts) -> None:
        super().__init__()
        self.job_id = job.id
        self.setProperty("role", "card")
        self.title = Elided(role="title")
        self.place = Elided(role="muted")
        self.state = label("")
        self.state.setWordWrap(True)
        self.notes = label("", "muted")
        self.notes.setWordWrap(True)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setRange(0, 1000)
        self.put = button(self.tr("Put on a track"), icon_name="track")
        self.take = button(self.tr("Take off"), icon_name="untrack")
        self.go_on = button(self.tr("Go on"), icon_name="play")
        self.again = button(self.tr("Try again"), icon_name="retry")
        self.watch = tool("play", self.tr("Show in the viewer"))
        self.folder = tool("folder", self.tr("Open its folder"))
        self.cancel = tool("stop", self.tr("Cancel"))
        self.forget = tool("close", self.tr("Remove from the list"))
        self.earlier = tool("up", self.tr("Run it earlier"))
        self.later = tool("down", self.tr("Run it later"))
        self._build()
        self.show_job(job, facts)

    def _build(self) -> None:
        for name in BUTTONS:
            widget = getattr(self, name)
            widget.clicked.connect(lambda _=False, n=name: self.acted.emit(self.job_id, n))
        for widget in (self.watch, self.folder, self.cancel, self.forget, self.bar):
            policy = widget.sizePolicy()
            policy.setRetainSizeWhenHidden(True)
            widget.setSizePolicy(policy)
        made = QVBoxLayout(self)
        made.setContentsMargins(12, 8, 8, 10)
        made.setSpacing(5)
        head = row(self.place, self.watch, self.folder, self.cancel, self.forget, spacing=2)
        head.setStretch(0, 1)
        made.addWidget(self.title)
        made.addLayout(head)
        made.addWidget(self.bar)
        made.addWidget(self.state)
        made.addWidget(self.notes)
        foot = QWidget()
        buttons = row(
            self.put, self.go_on, self.again, self.take, None, self.earlier, self.later, spacing=6
        )
        foot.setLayout(buttons)
        foot.setFixedHeight(FOOT)
        made.addWidget(foot)

    def show_job(self, job: JobRecord, facts: CardFacts) -> None:
        actions = ACTIONS[job.state]
        for name in BUTTONS:
            getattr(self, name).setVisible(name in actions)
        self.put.setEnabled(not job.placed)
        self.take.setEnabled(job.placed)
        take = self.tr("take {letter}").format(letter=facts.take) if facts.take else ""
        self.title.setText("  ·  ".join(part for part in (job.title, take) if part))
        who = str(job.job.get("person") or "")
        said = (line_of(job), who, quality_title(self, job))
        self.place.setText("  ·  ".join(part for part in said if part))
        self.bar.setVisible(job.state == "running")
        self.bar.setValue(round(facts.share * 1000))
        text, level = describe(self, job, facts)
        self.state.setText(text)
        self.notes.setText("\n".join(job.warnings))
        self.notes.setVisible(job.state == "done" and bool(job.warnings))
        mark(self.state, "level", level)
        self.setAccessibleName(f"{self.title.whole}: {text}")


class QueueView(QWidget):
    """The jobs of the open timeline in the order in which they run, then what lies on it."""

    acted = Signal(str, str)
    markers_asked = Signal()
    jobs_asked = Signal()

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
        self.markers = button(self.tr("Dub markers"))
        self.markers.setToolTip(
            self.tr("One dub for each marker that says what to dub  (Ctrl+Shift+Return)")
        )
        self.jobs_file = button(self.tr("Jobs file…"))
        self.jobs_file.setToolTip(self.tr("One dub for each job of a file"))
        self.jobs_file.clicked.connect(self.jobs_asked)
        self.clear = button(self.tr("Remove finished"), "link")
        self.clear.clicked.connect(lambda: self.acted.emit("", "clear"))
        self.markers.clicked.connect(self.markers_asked)
        made = QVBoxLayout(self)
        made.setContentsMargins(0, 0, 0, 0)
        made.setSpacing(0)
        self._others, self.rest = label("", "muted"), label("", "muted")
        for text in (self._others, self.rest):
            text.setContentsMargins(12, 6, 12, 0)
            text.hide()
        made.addWidget(self._others)
        made.addWidget(self._empty, 1)
        made.addWidget(area, 1)
        made.addWidget(line())
        made.addWidget(self.rest)
        foot = row(self.markers, self.jobs_file, None, self.clear)
        foot.setContentsMargins(10, 8, 10, 10)
        made.addLayout(foot)
        self._area = area

    def show_queue(
        self, jobs: Sequence[JobRecord], facts: Callable[[JobRecord], CardFacts], others: int
    ) -> None:
        """`others` are jobs of other timelines that wait or run."""
        known = {job.id for job in jobs}
        for gone in [key for key in self.cards if key not in known]:
            card = self.cards.pop(gone)
            card.hide()
            card.deleteLater()
        for number, job in enumerate(jobs):
            if job.id not in self.cards:
                self.cards[job.id] = JobCard(job, facts(job))
                self.cards[job.id].acted.connect(self.acted)
            card = self.cards[job.id]
            if self._list.indexOf(card) != number:
                self._list.removeWidget(card)
                self._list.insertWidget(number, card)
            card.show_job(job, facts(job))
        self._empty.setVisible(not known)
        self._area.setVisible(bool(known))
        self.clear.setVisible(any(not job.is_open and job.state != "found" for job in jobs))
        text = self.tr("{n} dubs of other timelines wait or run, too.")
        self._others.setText(text.format(n=others))
        self._others.setVisible(bool(others))

    def show_job(self, job: JobRecord, facts: CardFacts) -> None:
        if job.id in self.cards:
            self.cards[job.id].show_job(job, facts)

    def show_rest(self, count: int, seconds: float) -> None:
        """How long all that waits and runs still takes."""
        text = self.tr("{n} to do  ·  about {time} left")
        self.rest.setText(text.format(n=count, time=duration_text(seconds)))
        self.rest.setVisible(bool(count))


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


def describe(widget: QWidget, job: JobRecord, facts: CardFacts) -> tuple[str, str]:
    """What a job says about itself, and the level that colours it."""
    if job.state == "running":
        return _running(widget, job, facts), ""
    if job.state == "done":
        text = widget.tr("Done: {n} frames in {time}").format(
            n=job.length or job.frames, time=duration_text(job.seconds)
        )
        if job.placed:
            text += widget.tr(", on its track")
        return text, "good"
    said = {
        "waiting": widget.tr("Waiting"),
        "found": widget.tr("On its track in this timeline"),
        "cancelled": widget.tr("Cancelled"),
        "failed": job.message,
        "interrupted": job.message,
    }[job.state]
    return said, {"failed": "error", "interrupted": "warning", "found": "good"}.get(
        job.state, "hint"
    )


def _running(widget: QWidget, job: JobRecord, facts: CardFacts) -> str:
    parts = [stage_title(widget, job.stage)]
    if job.total:
        parts.append(f"{job.done} / {job.total}")
    if facts.remaining:
        parts.append(widget.tr("about {time} left").format(time=duration_text(facts.remaining)))
    return "  ·  ".join(parts)


def duration_text(seconds: float) -> str:
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02} min"
    return f"{whole // 3600}:{whole // 60 % 60:02} h"
