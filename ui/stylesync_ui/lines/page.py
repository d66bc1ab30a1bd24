# ruff: noqa: N802  (Qt calls these by its own names)
"""The page of lines: what is searched for, the table, the line that is stood on, the batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QResizeEvent
from PySide6.QtWidgets import (
    QBoxLayout,
    QLineEdit,
    QProgressBar,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from stylesync_ui.lines.lip_curve import HEIGHT, LOW
from stylesync_ui.lines.model import LinesModel, letter_of, status_title
from stylesync_ui.lines.refine import RefineView
from stylesync_ui.lines.session import Session
from stylesync_ui.lines.table import ROW, LinesTable
from stylesync_ui.look.soon import Soon
from stylesync_ui.look.widgets import (
    Choice,
    button,
    dropped_file,
    dropped_files,
    label,
    line,
    mark,
    row,
    tool,
)

STATES = (
    "no sound", "ready", "waiting", "running", "draft", "good", "approved", "redo", "unclear",
    "failed", "interrupted",
)  # fmt: skip
COUNT_MS = 150
ROOMY = 480  # px of height
NARROW = 440  # px of width
CHIPS = 6
"""Takes that are shown, the last ones and the picked."""


class LinesPage(QWidget):
    """Shows a session; `asked` names what a button or key wants."""

    asked = Signal(str)
    take_chosen = Signal(str)
    against_chosen = Signal(str, str, str)
    recorded = Signal()
    refined = Signal(bool)
    files_dropped = Signal(object, int)

    def __init__(self, session: Session, keys: Mapping[str, str]) -> None:
        super().__init__()
        self.session = session
        self.model = LinesModel(session)
        self.table = LinesTable(self.model, keys)
        self.table.setMinimumHeight(3 * ROW)
        self.setAcceptDrops(True)
        self._counting = Soon(self.show_counts, COUNT_MS, self)
        self._shown: tuple[list[tuple[str, str]], str] = ([], "")
        self._build()
        self._connect()
        self.show_counts()

    def _build(self) -> None:
        self.sought = QLineEdit()
        self.sought.setPlaceholderText(self.tr("Search"))
        self.sought.setAccessibleName(self.tr("Search the lines"))
        self.sought.setClearButtonEnabled(True)
        self.status = Choice()
        self.status.setAccessibleName(self.tr("Which lines"))
        self.status.addItem(self.tr("All lines"), "")
        self.importing = tool("open", self.tr("Import lines…"))
        self.cast = tool("person", self.tr("Cast: what the lines of a character inherit"))
        head = row(self.sought, self.status, self.cast, self.importing)
        head.setStretch(0, 3)
        head.setStretch(1, 2)
        head.setContentsMargins(8, 6, 8, 6)
        made = QVBoxLayout(self)
        made.setContentsMargins(0, 0, 0, 0)
        made.setSpacing(0)
        made.addLayout(head)
        self.pages = QStackedWidget()
        self.pages.addWidget(self._empty_page())
        self.pages.addWidget(self.table)
        made.addWidget(self.pages, 1)
        made.addWidget(line())
        made.addWidget(self._detail())
        made.addWidget(line())
        made.addWidget(self._foot())

    def _empty_page(self) -> QWidget:
        page = QWidget()
        self.empty = label(self._without_lines(), "muted")
        self.empty.setWordWrap(True)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.choose = button(self.tr("Import lines…"), icon_name="open")
        made = QVBoxLayout(page)
        made.setContentsMargins(28, 20, 28, 20)
        made.addStretch(1)
        made.addWidget(self.empty)
        made.addSpacing(10)
        made.addLayout(row(None, self.choose, None))
        made.addStretch(2)
        return page

    def _without_lines(self) -> str:
        return self.tr(
            "No lines yet.\n\nDrop a script here (CSV, XLSX, SRT, VTT, TTML), and the folder"
            " with its sounds. Each line then finds its place and its sound."
        )

    def _detail(self) -> QWidget:
        """The line that is stood on: its whole text, what is wrong, its takes."""
        self.detail = QWidget()
        self.text, self.why = label(), label("", "note")
        for text in (self.text, self.why):
            text.setWordWrap(True)
            text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.why.setProperty("level", "warning")
        self._chips = row(spacing=4)
        self.detail_rows = QVBoxLayout(self.detail)
        self.detail_rows.setContentsMargins(10, 6, 10, 6)
        self.detail_rows.setSpacing(4)
        self.detail_rows.addWidget(self.text)
        self.detail_rows.addWidget(self.why)
        self.refine = RefineView()
        self.refine.hide()
        self.refining = button(self.tr("Refine"), "fold")
        self.refining.setCheckable(True)
        self.refining.setToolTip(self.tr("The lips before they are rendered  (E)"))
        self.against = Choice()
        self.against.setAccessibleName(self.tr("What the take is compared with"))
        self.against.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.against.setSizeAdjustPolicy(Choice.SizeAdjustPolicy.AdjustToContents)
        self.against.hide()
        self.place = button("")
        foot = row(spacing=4)
        foot.addLayout(self._chips, 1)
        for widget in (self.against, self.place, self.refining):
            foot.addWidget(widget)
        self.detail_rows.addWidget(self._sound())
        self.detail_rows.addLayout(foot)
        self.detail_rows.addWidget(self.refine)
        self.detail.hide()
        return self.detail

    def _sound(self) -> QWidget:
        """How the sound was moved, and back again."""
        self.moved, self.as_recorded = label("", "muted"), button(self.tr("As recorded"), "link")
        self.sound = QWidget()
        self.sound.setLayout(row(self.moved, self.as_recorded, None))
        return self.sound

    def _foot(self) -> QWidget:
        foot = QWidget()
        self.draft_all = button(self.tr("Draft all ready"), "primary")
        self.good_all = button(self.tr("Good for approved"))
        self.put_all = button(self.tr("Put on picked"))
        self.draft_all.setToolTip(self.tr("A draft of every line that is ready or to be redone"))
        self.good_all.setToolTip(self.tr("Good quality for every draft that is approved"))
        self.put_all.setToolTip(self.tr("The picked take of every line onto its track"))
        self.stop = tool("stop", self.tr("Let what waits wait no more"))
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setRange(0, 1000)
        self.rest = label("", "muted")
        self.progress = QWidget()
        told = row(self.bar, self.rest, self.stop)
        told.setStretch(0, 1)
        self.progress.setLayout(told)
        self.progress.hide()
        made = QVBoxLayout(foot)
        made.setContentsMargins(8, 6, 8, 8)
        made.setSpacing(6)
        made.addWidget(self.progress)
        self.batch = row(self.draft_all, spacing=6)
        self.batch.addLayout(row(self.good_all, self.put_all, None, spacing=6), 1)
        made.addLayout(self.batch)
        return foot

    def _connect(self) -> None:
        self.sought.textChanged.connect(lambda _: self._search())
        self.status.activated.connect(lambda _: self._search())
        for widget, what in (
            (self.cast, "cast"), (self.importing, "import_lines"), (self.choose, "import_lines"),
            (self.draft_all, "draft_all"), (self.good_all, "good_all"),
            (self.put_all, "put_all"), (self.stop, "stop_lines"), (self.place, "put_line"),
        ):  # fmt: skip
            widget.clicked.connect(lambda _=False, w=what: self.asked.emit(w))
        self.table.asked.connect(self.asked)
        self.refining.toggled.connect(self._show_refine)
        self.against.activated.connect(lambda _: self._compare())
        self.as_recorded.clicked.connect(self.recorded)
        self.table.files_dropped.connect(self.files_dropped)
        self.session.opened.connect(lambda _: self._opened())
        self.session.changed.connect(lambda _: self._counting.ask())
        self.session.changed.connect(self._show_again)
        self.session.busy.connect(self._show_busy)
        self.table.chosen.connect(self.show_line)

    @property
    def is_refining(self) -> bool:
        return self.refining.isChecked()

    def _show_refine(self, on: bool) -> None:
        self.refine.setVisible(on)
        self.refined.emit(on)

    def _search(self) -> None:
        self.model.search(self.sought.text(), self.status.currentData() or "")

    def _opened(self) -> None:
        self.pages.setCurrentIndex(1 if self.session else 0)
        self.show_line(self.table.current)
        self.show_counts()

    def _show_busy(self, text: str) -> None:
        self.empty.setText(text or self._without_lines())
        self.choose.setVisible(not text)

    # Showing

    def show_counts(self) -> None:
        """How many lines are in which state, and what the batch buttons would do."""
        counts, chosen = self.model.counts(), self.status.currentData()
        self.status.blockSignals(True)
        self.status.clear()
        total = sum(counts.values())
        self.status.addItem(self.tr("All lines") + (f"  {total}" if total else ""), "")
        for state in STATES:
            if counts[state] or state == chosen:
                self.status.addItem(f"{status_title(state)}  {counts[state]}", state)
        self.status.setCurrentIndex(max(0, self.status.findData(chosen)))
        self.status.blockSignals(False)

    def show_batch(self, ready: int, approved: int, picked: int) -> None:
        """How many lines each of the batch buttons would take."""
        for widget, text, count in (
            (self.draft_all, self.tr("Draft all ready"), ready),
            (self.good_all, self.tr("Good for approved"), approved),
            (self.put_all, self.tr("Put on picked"), picked),
        ):
            widget.setText(f"{text}  {count}" if count else text)
            widget.setEnabled(bool(count))

    def show_progress(self, share: float, text: str) -> None:
        """One bar for the whole list; nothing waits where the text is empty."""
        self.progress.setVisible(bool(text))
        self.bar.setValue(round(share * 1000))
        self.rest.setText(text)

    def show_line(self, index: int) -> None:
        """Everything of the line that is stood on."""
        here = 0 <= index < len(self.session.rows)
        self.detail.setVisible(here)
        if not here:
            return
        found = self.session.rows[index].line
        who = f"{found.character}:  " if found.character else ""
        self.text.setText(f"{found.number}   {who}{found.text}")
        live = self.session.live.get(found.number)
        why = (live.message if live else "") or found.why
        self.why.setText(why)
        self.why.setVisible(bool(why))
        self._show_takes([(take, letter_of(found, take)) for take in found.takes], found.pick or "")

    def show_around(self, moved: str, placed: bool | None) -> None:
        """How the sound of the line lies, and whether its dub is `placed` on the timeline, None
        where it has none."""
        self.moved.setText(self.tr("Sound: {moved}").format(moved=moved))
        self.sound.setVisible(bool(moved))
        self.place.setVisible(placed is not None)
        self.place.setText(self.tr("Take off") if placed else self.tr("Put on"))
        self.place.setToolTip(
            self.tr("Take the dub off its track  (P)") if placed
            else self.tr("Put the picked take on its track  (P)")
        )  # fmt: skip

    def _show_takes(self, takes: list[tuple[str, str]], pick: str) -> None:
        if (takes, pick) == self._shown:
            return
        self._shown = takes, pick
        while self._chips.count():
            item = self._chips.takeAt(0)
            if item is not None and (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        if takes:
            self._chips.addWidget(label(self.tr("Take"), "muted"))
        for take, letter in [pair for pair in takes[:-CHIPS] if pair[0] == pick] + takes[-CHIPS:]:
            chip = button(letter, "chip")
            mark(chip, "picked", take == pick)
            chip.setAccessibleName(self.tr("Take {letter}").format(letter=letter))
            chip.setToolTip(f"{chip.accessibleName()}  {Path(take).name}")
            chip.clicked.connect(lambda _=False, t=take: self.take_chosen.emit(t))
            self._chips.addWidget(chip)
        self._chips.addStretch(1)
        self._offer_against([pair for pair in takes if pair[0] != pick])

    def _offer_against(self, others: Sequence[tuple[str, str]]) -> None:
        """What the picked take can be compared with; what it was compared with stays."""
        before = self.against.currentData() or ""
        self.against.clear()
        self.against.addItem(self.tr("vs original"), "")
        for take, letter in others:
            self.against.addItem(self.tr("vs {letter}").format(letter=letter), take)
        self.against.setVisible(bool(others))
        self.against.setCurrentIndex(max(0, self.against.findData(before)))
        if before:
            self._compare()

    def _compare(self) -> None:
        takes, pick = self._shown
        names = {take: self.tr("Take {letter}").format(letter=letter) for take, letter in takes}
        other = self.against.currentData() or ""
        self.against_chosen.emit(other, names.get(other, ""), names.get(pick, ""))

    def _show_again(self, indices: set[int]) -> None:
        if self.table.current in indices:
            self.show_line(self.table.current)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """A low panel has less room for the lips, a narrow one for the buttons."""
        down = QBoxLayout.Direction.TopToBottom
        across = QBoxLayout.Direction.LeftToRight
        self.batch.setDirection(down if self.width() < NARROW else across)
        self.refine.curve.setFixedHeight(HEIGHT if self.height() >= ROOMY else LOW)
        super().resizeEvent(event)

    # Files

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if dropped_file(event.mimeData()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        self.files_dropped.emit(dropped_files(event.mimeData()), -1)
        event.acceptProposedAction()
