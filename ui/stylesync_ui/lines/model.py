# ruff: noqa: N802  (Qt calls these by its own names)
"""The lines as a table's model: only what is seen is looked at, so that 20,000 rows are no more
work than 200."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QCoreApplication, QModelIndex, Qt
from PySide6.QtGui import QColor, QFont
from stylesync_plugin.contract import DubError, RequestError
from stylesync_plugin.lines.document import Line

from stylesync_ui.lines.rows import outdated
from stylesync_ui.lines.session import Session
from stylesync_ui.look import theme


@dataclass(frozen=True, slots=True)
class Column:
    """A field of a line with its title; `width` in px."""

    field: str
    title: str
    width: int
    editable: bool = False


def tr(text: str) -> str:
    return QCoreApplication.translate("lines", text)


def columns() -> tuple[Column, ...]:
    """What is read first stands first; the others are a scroll away."""
    return (
        Column("number", "#", 36, True),
        Column("status", tr("Status"), 92),
        Column("character", tr("Character"), 72, True),
        Column("start", tr("In"), 90, True),
        Column("text", tr("Text"), 112, True),
        Column("fit", tr("Fit"), 60),
        Column("pick", tr("Pick"), 40),
        Column("takes", tr("Takes"), 50),
        Column("end", tr("Out"), 94, True),
        Column("handles", tr("Handles"), 60, True),
        Column("sound", tr("Sound"), 130),
        Column("note", tr("Note"), 150, True),
    )


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell as it is drawn, over its `wash` where it has one."""

    text: str
    colour: QColor
    font: QFont
    wash: QColor | None = None


Index = QModelIndex
_NONE = QModelIndex()


class LinesModel(QAbstractTableModel):
    """Shows the rows of a session that fit what is searched for, in the order that was chosen."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.columns = columns()
        self._shown: list[int] = []
        self._places: dict[int, int] = {}
        self._sought, self._status = "", ""
        self._sorted: tuple[int, bool] | None = None
        session.opened.connect(lambda _: self.refresh())
        session.changed.connect(self._changed)

    # What is shown

    def search(self, text: str, status: str) -> None:
        """Only rows with every word of a text, in one state; empty is all."""
        self._sought, self._status = text.casefold(), status
        self.refresh()

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        self._sorted = (column, order == Qt.SortOrder.DescendingOrder) if column >= 0 else None
        self.refresh()

    def refresh(self) -> None:
        """Find anew what is shown."""
        self.beginResetModel()
        rows, words = self.session.rows, self._sought.split()
        self._shown = [
            index for index, row in enumerate(rows)
            if (not self._status or self.state(index) == self._status)
            and all(word in row.said for word in words)
        ]  # fmt: skip
        if self._sorted is not None:
            column, backwards = self._sorted
            name = self.columns[column].field
            self._shown.sort(key=lambda index: self._key(index, name), reverse=backwards)
        self._places = {index: place for place, index in enumerate(self._shown)}
        self.endResetModel()

    def _key(self, index: int, name: str) -> Any:
        row = self.session.rows[index]
        if name in ("start", "end"):
            return getattr(row.span, name)
        if name == "handles":
            return row.line.handles or 0
        if name == "number":
            digits = "".join(c for c in row.line.number if c.isdecimal())
            return (int(digits or 0), row.line.number)
        if name == "fit":
            return row.line.fit or 0.0
        return self.state(index) if name == "status" else self.text_of(row.line, name).casefold()

    def line_at(self, row: int) -> int:
        """The index in the session of a row of the table."""
        return self._shown[row]

    def row_of(self, index: int) -> int | None:
        """The row of the table for an index of the session, None where it is not shown."""
        return self._places.get(index)

    def beside(self, index: int, steps: int) -> int | None:
        """The line so many rows on, None at the end."""
        place = self._places.get(index, -1 if steps > 0 else len(self._shown)) + steps
        return self._shown[place] if 0 <= place < len(self._shown) else None

    def _changed(self, indices: Collection[int]) -> None:
        last = self.columnCount() - 1
        for index in indices if len(indices) < 200 else ():
            place = self._places.get(index)
            if place is not None:
                self.dataChanged.emit(self.index(place, 0), self.index(place, last))
        if len(indices) >= 200 and self._shown:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self._shown) - 1, last))

    def counts(self) -> Counter[str]:
        """How many lines are in which state."""
        live = self.session.live
        found = Counter(row.line.status for row in self.session.rows)
        plain: Counter[str] = Counter({str(state): count for state, count in found.items()})
        for number, now in live.items():
            index = self.session.index_of(number)
            if index is not None:
                plain[self.session.rows[index].line.status] -= 1
                plain[now.state] += 1
        return +plain

    def state(self, index: int) -> str:
        """What a line is now: what the queue says of it, else its own status."""
        line = self.session.rows[index].line
        live = self.session.live.get(line.number)
        return live.state if live is not None else line.status

    # As Qt asks

    def rowCount(self, parent: Index | Any = _NONE) -> int:
        return 0 if parent.isValid() else len(self._shown)

    def columnCount(self, parent: Index | Any = _NONE) -> int:
        return 0 if parent.isValid() else len(self.columns)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return self.columns[section].title
        return None

    def flags(self, index: Index | Any) -> Qt.ItemFlag:
        plain = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        if self.columns[index.column()].editable and not self.session.read_only:
            return plain | Qt.ItemFlag.ItemIsEditable
        return plain

    def data(self, index: Index | Any, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid() or index.row() >= len(self._shown):
            return None
        place, name = self._shown[index.row()], self.columns[index.column()].field
        line = self.session.rows[place].line
        if role == Qt.ItemDataRole.EditRole:
            return getattr(line, name)
        if role == Qt.ItemDataRole.DisplayRole:
            return self._status_text(place) if name == "status" else self.text_of(line, name)
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._tip(place, name)
        return None

    def cell(self, row: int, column: int) -> Cell:
        """What is seen of a cell."""
        place, name = self._shown[row], self.columns[column].field
        line = self.session.rows[place].line
        text = self._status_text(place) if name == "status" else self.text_of(line, name)
        font = theme.ui_font(12)
        if name in ("start", "end", "fit"):
            font = theme.mono_font(11)
        elif name in ("status", "pick"):
            font = theme.ui_font(12, QFont.Weight.DemiBold)
        wash = None
        if self.state(place) == "unclear":
            wash = QColor(theme.current().warning)
            wash.setAlpha(36)
        return Cell(text, self._colour(place, name), font, wash)

    def text_of(self, line: Line, name: str) -> str:
        """A field of a line as the table shows it."""
        if name == "fit":
            return "" if line.fit is None else f"{round(line.fit, 1) + 0.0:+.1f} s"
        if name == "takes":
            return str(len(line.takes) or "")
        if name == "pick":
            return letter_of(line, line.pick)
        if name == "handles":
            return "" if line.handles is None else str(line.handles)
        if name == "note" and line.notes:
            return "  ·  ".join(filter(None, (line.note, *(note.text for note in line.notes))))
        if name == "sound":
            return Path(line.sound).name if line.sound else ""
        return " ".join(str(getattr(line, name)).split())

    def _status_text(self, index: int) -> str:
        live = self.session.live.get(self.session.rows[index].line.number)
        if live is not None and live.state == "running":
            return f"{round(live.share * 100)} %"
        return status_title(self.state(index))

    def _tip(self, index: int, name: str) -> str:
        line = self.session.rows[index].line
        live = self.session.live.get(line.number)
        if name == "status":
            return (live.message if live else "") or line.why or status_title(self.state(index))
        return line.sound or "" if name == "sound" else self.text_of(line, name)

    def _colour(self, index: int, name: str) -> QColor:
        colours = theme.current()
        line, state = self.session.rows[index].line, self.state(index)
        if name == "status":
            return colours.of_state(state)
        if name == "fit" and line.fit is not None and line.fit > 0.1:
            return colours.error if line.fit > 0.5 else colours.warning
        if name == "character" and (colour := self.session.character_of(line).colour):
            return QColor(colour)
        quiet = name in ("start", "end", "sound", "takes") or state == "no sound"
        return colours.muted if quiet else colours.text

    def setData(self, index: Index | Any, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """What somebody has typed into a cell; a time that is none is said and not taken."""
        if role != Qt.ItemDataRole.EditRole:
            return False
        place, name = self._shown[index.row()], self.columns[index.column()].field
        try:
            changed = self._typed(self.session.rows[place].line, name, str(value).strip())
        except DubError as error:
            self.session.said.emit(str(error), "warning")
            return False
        self.session.put({place: changed})
        return True

    def _typed(self, line: Line, name: str, text: str) -> Line:
        layout = self.session.layout
        if name == "handles":
            if text and not text.isdecimal():
                raise RequestError(f"'{text}' is no number of frames; write 0, 12 or nothing.")
            count = int(text[:9]) if text else None
            return outdated(line, self.session.with_changes(line, handles=count))
        if name not in ("start", "end") or layout is None:
            return self.session.with_changes(line, **{name: text})
        code = layout.time_code(layout.moment_of(text))
        return outdated(line, self.session.placed(self.session.with_changes(line, **{name: code})))


def status_title(state: str) -> str:
    return {
        "no sound": tr("no sound"), "ready": tr("ready"), "waiting": tr("waiting"),
        "running": tr("rendering"), "draft": tr("draft"), "good": tr("good"),
        "approved": tr("✓ approved"), "redo": tr("redo"), "unclear": tr("unclear"),
        "failed": tr("failed"), "interrupted": tr("stopped"),
    }.get(state, state)  # fmt: skip


def letter_of(line: Line, take: str | None) -> str:
    """A to Z of a line's takes in the order in which they were made; then numbers."""
    if take is None or take not in line.takes:
        return ""
    number = line.takes.index(take)
    return chr(ord("A") + number) if number < 26 else str(number + 1)
