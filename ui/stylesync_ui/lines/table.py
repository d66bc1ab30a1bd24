# ruff: noqa: N802  (Qt calls these by its own names)
"""The table of lines: keys, clicks and files on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from PySide6.QtCore import (
    QEvent,
    QItemSelectionModel,
    QModelIndex,
    QPersistentModelIndex,
    Qt,
    Signal,
)
from PySide6.QtGui import (
    QDragEnterEvent,
    QDragMoveEvent,
    QDropEvent,
    QFocusEvent,
    QKeyEvent,
    QKeySequence,
    QMouseEvent,
    QPainter,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
)

from stylesync_ui.lines.model import LinesModel
from stylesync_ui.look import theme
from stylesync_ui.look.widgets import dropped_files

ROW = 24  # px
Index = QModelIndex | QPersistentModelIndex


class Cells(QStyledItemDelegate):
    """Draws cells itself: a style sheet takes ten times as long, and many change at once."""

    def __init__(self, model: LinesModel, table: QTableView) -> None:
        super().__init__(table)
        self._model = model

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        found = self._model.cell(index.row(), index.column())
        state, colours, box = option.state, theme.current(), option.rect
        if state & QStyle.StateFlag.State_Selected:
            focused = state & QStyle.StateFlag.State_HasFocus
            painter.fillRect(box, colours.line if focused else colours.hover)
        elif found.wash is not None:
            painter.fillRect(box, found.wash)
        if not found.text:
            return
        painter.setFont(found.font)
        painter.setPen(found.colour)
        room = box.adjusted(7, 0, -4, 0)
        text = painter.fontMetrics().elidedText(
            found.text, Qt.TextElideMode.ElideRight, room.width()
        )
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter, text)


class LinesTable(QTableView):
    """`chosen` brings the index of the line that is stood on, `asked` a command that a key names,
    `files_dropped` files and the line on which they fell (-1: none)."""

    chosen = Signal(int)
    asked = Signal(str)
    opened = Signal(int)
    files_dropped = Signal(object, int)

    def __init__(self, model: LinesModel, keys: Mapping[str, str]) -> None:
        super().__init__()
        self.lines, self._keys = model, dict(keys)
        self._kept: tuple[int, set[int]] = (-1, set())
        model.modelAboutToBeReset.connect(self._remember)
        self.setModel(model)
        model.modelReset.connect(self._recall)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        triggers = QAbstractItemView.EditTrigger
        self.setEditTriggers(triggers.DoubleClicked | triggers.EditKeyPressed)
        self.setTabKeyNavigation(False)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setAlternatingRowColors(True)
        self.setAcceptDrops(True)
        self.setAccessibleName(self.tr("Lines"))
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self._build_headers()
        self.setItemDelegate(Cells(model, self))
        self.selectionModel().currentRowChanged.connect(self._moved)

    def _build_headers(self) -> None:
        rows, titles = self.verticalHeader(), self.horizontalHeader()
        rows.setDefaultSectionSize(ROW)
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        rows.hide()
        titles.setSectionsMovable(True)
        titles.setHighlightSections(False)
        titles.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        titles.setSortIndicatorClearable(True)
        titles.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.setSortingEnabled(True)
        for number, column in enumerate(self.lines.columns):
            self.setColumnWidth(number, column.width)

    # Where it stands

    @property
    def current(self) -> int:
        """The index of the line that is stood on, -1 for none."""
        found = self.currentIndex()
        return self.lines.line_at(found.row()) if found.isValid() else -1

    def selected(self) -> list[int]:
        """The indices of all lines that are selected, else of the one that is stood on."""
        return self.selected_rows() or ([self.current] if self.current >= 0 else [])

    def selected_rows(self) -> list[int]:
        rows = sorted(index.row() for index in self.selectionModel().selectedRows())
        return [self.lines.line_at(row) for row in rows]

    def stand_on(self, index: int) -> None:
        """Select a line, where the table shows it."""
        row = self.lines.row_of(index)
        if row is not None and (index != self.current or index not in self.selected_rows()):
            self._select(row)
            self.scrollTo(self.lines.index(row, 0))

    def _select(self, row: int) -> None:
        """This row alone, whatever keys are held meanwhile."""
        flags = QItemSelectionModel.SelectionFlag
        found = self.lines.index(row, 0)
        self.selectionModel().setCurrentIndex(found, flags.ClearAndSelect | flags.Rows)

    def _moved(self, now: QModelIndex, _: QModelIndex) -> None:
        if now.isValid():
            self.chosen.emit(self.lines.line_at(now.row()))

    def _remember(self) -> None:
        self._kept = self.current, set(self.selected())

    def _recall(self) -> None:
        """The same lines are selected after another search or order."""
        current, selected = self._kept
        flags = QItemSelectionModel.SelectionFlag
        chooser = self.selectionModel()
        blocked = chooser.blockSignals(True)
        for index in sorted(selected)[:500]:
            row = self.lines.row_of(index)
            if row is not None and index < len(self.lines.session.rows):
                chooser.select(self.lines.index(row, 0), flags.Select | flags.Rows)
        row = self.lines.row_of(current)
        if row is not None:
            chooser.setCurrentIndex(self.lines.index(row, 0), flags.NoUpdate)
        chooser.blockSignals(blocked)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Whoever comes here stands on a line."""
        super().focusInEvent(event)
        if not self.selected_rows() and self.lines.rowCount():
            self._select(max(0, self.currentIndex().row()))

    # Keys

    def event(self, event: QEvent) -> bool:
        """Keys of lines are the table's own; all others are the panel's."""
        if event.type() == QEvent.Type.ShortcutOverride:
            key = cast(QKeyEvent, event)
            if self._command_of(key) or self._is_own(key):
                event.accept()
                return True
        return super().event(event)

    def _is_own(self, event: QKeyEvent) -> bool:
        own = (
            Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown,
            Qt.Key.Key_Home, Qt.Key.Key_End, Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_F2,
        )  # fmt: skip
        plain = (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier,
                 Qt.KeyboardModifier.KeypadModifier)  # fmt: skip
        return event.key() in own and event.modifiers() in plain

    def _command_of(self, event: QKeyEvent) -> str:
        pressed = QKeySequence(event.keyCombination())
        return self._keys.get(pressed.toString(QKeySequence.SequenceFormat.PortableText), "")

    def keyPressEvent(self, event: QKeyEvent) -> None:
        command = self._command_of(event)
        if command:
            self.asked.emit(command)
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.opened.emit(self.current)
        elif event.key() == Qt.Key.Key_Escape:
            self.asked.emit("to_viewer")
        elif self._is_own(event) or event.matches(QKeySequence.StandardKey.SelectAll):
            super().keyPressEvent(event)
        else:
            event.ignore()

    def focusNextPrevChild(self, forwards: bool) -> bool:
        """Tab goes from line to line; Escape leaves the table."""
        self.asked.emit("next_line" if forwards else "previous_line")
        return True

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """A click on the line that is stood on brings the playhead back to it."""
        found = self.indexAt(event.position().toPoint())
        super().mouseReleaseEvent(event)
        if found.isValid() and found.row() == self.currentIndex().row():
            self.chosen.emit(self.lines.line_at(found.row()))

    # Files

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if dropped_files(event.mimeData()):
            event.acceptProposedAction()

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:
        event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        under = self.indexAt(event.position().toPoint())
        index = self.lines.line_at(under.row()) if under.isValid() else -1
        self.files_dropped.emit(dropped_files(event.mimeData()), index)
        event.acceptProposedAction()
