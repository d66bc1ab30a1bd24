# ruff: noqa: N802, S101  (Qt's own names; asserts that tell the type checker)
"""Small building blocks that several widgets share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import QMimeData, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QFontMetrics,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QStandardItemModel,
    QWheelEvent,
)
from PySide6.QtWidgets import (
    QAbstractButton,
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QCompleter,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QWidget,
)

from stylesync_ui.look import theme
from stylesync_ui.look.icons import icon

NAME_WIDTH = 78


def label(text: str = "", role: str = "") -> QLabel:
    made = QLabel(text)
    if role:
        made.setProperty("role", role)
    return made


def button(text: str, role: str = "", icon_name: str = "") -> QPushButton:
    made = QPushButton(text)
    if role:
        made.setProperty("role", role)
    if icon_name:
        show_icon(made, icon_name)
        made.setIconSize(QSize(26, 16))  # 5 px of air on each side
    made.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # a click leaves the space bar to the player
    made.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
    return made


def tool(icon_name: str, name: str, shortcut: str = "", flat: bool = True) -> QToolButton:
    """An icon button; its name is read aloud and shown as a tip."""
    made = QToolButton()
    show_icon(made, icon_name)
    made.setIconSize(QSize(16, 16))
    made.setAccessibleName(name)
    made.setToolTip(f"{name}  ({shortcut})" if shortcut else name)
    if flat:
        made.setProperty("role", "flat")
    made.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return made


def show_icon(widget: QAbstractButton, name: str) -> None:
    """An icon by its name, which the button keeps for when the colours change."""
    widget.setProperty("icon_name", name)
    widget.setIcon(icon(name))


def recolour_icons(widget: QWidget) -> None:
    """Draw every icon below a widget anew, in the colours of now."""
    for found in widget.findChildren(QAbstractButton):
        if name := found.property("icon_name"):
            found.setIcon(icon(name))


def mark(widget: QWidget, name: str, value: object) -> None:
    """Set a property that the style sheet asks for."""
    if widget.property(name) != value:
        widget.setProperty(name, value)
        widget.style().unpolish(widget)
        widget.style().polish(widget)


def line(horizontal: bool = True) -> QFrame:
    made = QFrame()
    made.setProperty("role", "line")
    made.setFixedHeight(1) if horizontal else made.setFixedWidth(1)
    return made


def row(*widgets: QWidget | int | None, spacing: int = 6) -> QHBoxLayout:
    """Widgets side by side; None stretches, a number is px of space."""
    made = QHBoxLayout()
    made.setContentsMargins(0, 0, 0, 0)
    made.setSpacing(spacing)
    for widget in widgets:
        if widget is None:
            made.addStretch(1)
        elif isinstance(widget, int):
            made.addSpacing(widget)
        else:
            made.addWidget(widget)
    return made


def dropped_files(data: QMimeData) -> list[str]:
    """The files of what is dragged, in their order."""
    return [url.toLocalFile() for url in data.urls() if url.isLocalFile()]


def dropped_file(data: QMimeData) -> str:
    """The first file of what is dragged, empty where it holds none."""
    return next(iter(dropped_files(data)), "")


class Segments(QWidget):
    """One of a few: buttons that stick together."""

    chosen = Signal(str)

    def __init__(
        self, entries: Sequence[tuple[str, str]], name: str, stretch: bool = False
    ) -> None:
        super().__init__()
        self.setAccessibleName(name)
        if not stretch:
            self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self._group = QButtonGroup(self)
        self._group.setExclusive(True)
        self.buttons: dict[str, QToolButton] = {}
        made = row(spacing=0)
        for number, (key, text) in enumerate(entries):
            entry = QToolButton()
            entry.setText(text)
            entry.setCheckable(True)
            entry.setProperty("role", "segment")
            entry.setProperty("first", number == 0)
            entry.setProperty("last", number == len(entries) - 1)
            entry.setAccessibleName(f"{name}: {text}")
            entry.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            if stretch:
                entry.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            entry.clicked.connect(lambda _=False, k=key: self.chosen.emit(k))
            self._group.addButton(entry)
            self.buttons[key] = entry
            made.addWidget(entry)
        self.setLayout(made)

    def choose(self, key: str) -> None:
        """Show a choice without saying so."""
        self.buttons[key].setChecked(True)

    @property
    def choice(self) -> str:
        return next((key for key, entry in self.buttons.items() if entry.isChecked()), "")


class Elided(QLabel):
    """A text that is shortened where it does not fit, and told whole as a tip."""

    def __init__(
        self, text: str = "", role: str = "", mode: Qt.TextElideMode = Qt.TextElideMode.ElideMiddle
    ) -> None:
        super().__init__()
        self._whole, self._mode = text, mode
        if role:
            self.setProperty("role", role)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.setMinimumWidth(40)

    def setText(self, text: str) -> None:
        self._whole = text
        self.setToolTip(text)
        self._shorten()

    @property
    def whole(self) -> str:
        return self._whole

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._shorten()

    def _shorten(self) -> None:
        metrics = QFontMetrics(self.font())
        text = metrics.elidedText(self._whole, self._mode, self.width())
        super().setText(text)


def named_row(name: str, *widgets: QWidget) -> QHBoxLayout:
    """A row of the form: its name, which is read aloud too, and the widgets beside it."""
    title = label(name, "muted")
    title.setFixedWidth(NAME_WIDTH)
    title.setBuddy(widgets[0])
    if name and not widgets[0].accessibleName():
        widgets[0].setAccessibleName(name)
    made = row(title, *widgets)
    made.setStretch(1, 1)
    return made


class Choice(QComboBox):
    """A list to choose from, with an arrow of our own."""

    def __init__(self) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(theme.current().muted, 1.4))
        x, y = self.width() - 15, self.height() / 2
        painter.drawPolyline([QPointF(x - 4, y - 2), QPointF(x, y + 2), QPointF(x + 4, y - 2)])
        painter.end()

    def refuse(self, reasons: Mapping[str, str]) -> None:
        """Entries that have a reason cannot be chosen, and tell it as their tip."""
        model = self.model()
        assert isinstance(model, QStandardItemModel)
        for number in range(self.count()):
            reason = reasons.get(self.itemData(number), "")
            model.item(number).setEnabled(not reason)
            model.item(number).setToolTip(reason)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Scrolling the form must not change what is chosen."""
        event.ignore()


class Check(QCheckBox):
    """A box to tick, drawn in the theme's colours."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # a click leaves the space bar to the player

    def sizeHint(self) -> QSize:
        metrics = QFontMetrics(theme.ui_font(), self)
        return QSize(32 + metrics.horizontalAdvance(self.text()), max(20, metrics.height() + 4))

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colours = theme.current()
        box = QRectF(0.5, self.height() / 2 - 7.5, 15, 15)
        painter.setPen(QPen(colours.accent if self.hasFocus() else colours.muted, 1))
        painter.setBrush(colours.accent if self.isChecked() else colours.field)
        painter.drawRoundedRect(box, 3, 3)
        if self.isChecked():
            painter.setPen(QPen(colours.on_accent, 1.8))
            x, y = box.center().x(), box.center().y()
            points = [QPointF(x - 3.5, y), QPointF(x - 1, y + 2.5), QPointF(x + 3.5, y - 2.5)]
            painter.drawPolyline(points)
        painter.setPen(colours.text if self.isEnabled() else colours.muted)
        painter.setFont(theme.ui_font())
        room = QRectF(self.rect()).adjusted(23, 0, 0, 0)
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter, self.text())
        painter.end()


def offer_names(field: QLineEdit, names: Sequence[str], title: str) -> None:
    """Names that can be chosen for a field in which others can be typed."""
    known: QCompleter | None = field.completer()
    if known is not None and known.property("names") == list(names):
        return
    for action in field.actions():
        field.removeAction(action)
    offer = QCompleter(list(names), field)
    offer.setProperty("names", list(names))
    offer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
    offer.setFilterMode(Qt.MatchFlag.MatchContains)
    field.setCompleter(offer)
    if names:
        chosen = field.addAction(icon("person"), QLineEdit.ActionPosition.TrailingPosition)
        chosen.setToolTip(title)
        chosen.triggered.connect(lambda: _show_all(offer))


def _show_all(offer: QCompleter) -> None:
    offer.setCompletionPrefix("")
    offer.complete()


class RangeChip(QWidget):
    """A small square in a range's colour."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self._kind = kind
        self.setFixedSize(10, 14)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.current().of_range(self._kind))
        painter.drawRoundedRect(QRectF(0, 2, 10, 10), 2.5, 2.5)
        painter.end()


class Note(QWidget):
    """A sentence with its level's colour at the side: a problem, beside the field it is about."""

    def __init__(self, text: str, level: str) -> None:
        super().__init__()
        self._level = level
        said = label(text, "note")
        said.setWordWrap(True)
        said.setProperty("level", level)
        made = row(said)
        made.setContentsMargins(9, 1, 0, 1)
        self.setLayout(made)
        self.setAccessibleName(text)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        colour = theme.current().of_level(self._level)
        painter.fillRect(QRectF(0, 2, 2, self.height() - 4), colour)
        painter.end()
