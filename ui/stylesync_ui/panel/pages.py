# ruff: noqa: N802  (Qt calls these by its own names)
"""The states without a timeline: welcome, loading, trouble."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QDragEnterEvent, QDropEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from stylesync_ui.look import theme
from stylesync_ui.look.widgets import RangeChip, button, dropped_files, label, row
from stylesync_ui.timeline.file_questions import is_timeline


class DropPage(QWidget):
    """A page that takes a timeline file, and what belongs to it."""

    dropped = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("page")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setAcceptDrops(True)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if any(map(is_timeline, dropped_files(event.mimeData()))):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        self.dropped.emit(dropped_files(event.mimeData()))


class Welcome(DropPage):
    """Nothing is open: how to begin."""

    open_asked = Signal()
    help_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        made = QVBoxLayout(self)
        made.setContentsMargins(24, 24, 24, 24)
        made.addStretch(2)
        title = label(self.tr("Dub a shot in the speaker's own style"), "big")
        lead = label(self.tr("Open a timeline, or drop one here."), "muted")
        kinds = label("OTIO  ·  FCP 7 XML  ·  FCPXML  ·  EDL  ·  AAF  ·  Kdenlive  ·  MLT", "muted")
        self.open = button(self.tr("Open a timeline…"), "primary", "")
        self.open.setMinimumWidth(190)
        self.help = button(self.tr("How it works"), "link")
        self.open.clicked.connect(self.open_asked)
        self.help.clicked.connect(self.help_asked)
        for widget in (title, lead):
            widget.setAlignment(Qt.AlignmentFlag.AlignCenter)
            made.addWidget(widget)
            made.addSpacing(4)
        made.addSpacing(12)
        made.addLayout(row(None, self.open, None))
        made.addLayout(row(None, self.help, None))
        made.addSpacing(28)
        made.addLayout(self._steps())
        made.addSpacing(28)
        kinds.setAlignment(Qt.AlignmentFlag.AlignCenter)
        made.addWidget(kinds)
        made.addStretch(3)

    def _steps(self) -> QHBoxLayout:
        steps = (
            (
                "dub",
                self.tr("1  Dub"),
                self.tr("Mark what to dub with I and O, or double-click a shot."),
            ),
            (
                "speech",
                self.tr("2  Speech"),
                self.tr("Drop the new recording, or drag over an audio track."),
            ),
            (
                "style",
                self.tr("3  Style"),
                self.tr("Take the shot itself, or another clip of the same person."),
            ),
        )
        layout = row(None, spacing=28)
        for kind, title, text in steps:
            column = QVBoxLayout()
            column.setSpacing(5)
            column.addLayout(row(RangeChip(kind), label(title, "title"), None))
            said = label(text, "muted")
            said.setWordWrap(True)
            said.setFixedWidth(190)
            said.setMinimumHeight(48)
            said.setAlignment(Qt.AlignmentFlag.AlignTop)
            column.addWidget(said)
            layout.addLayout(column)
        layout.addStretch(1)
        return layout

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.current().base)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(theme.current().line, 1, Qt.PenStyle.DashLine))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(14.5, 14.5, -14.5, -14.5), 8, 8)
        painter.end()


class Loading(DropPage):
    """A timeline is being read: the shape of what will come, gently moving."""

    def __init__(self) -> None:
        super().__init__()
        self._text = ""
        self._phase = 0.0
        self._timer = QTimer(self)
        self._timer.setInterval(60)
        self._timer.timeout.connect(self._move)

    def say(self, text: str) -> None:
        self._text = text
        self.setAccessibleName(text)
        self._timer.start()
        self.update()

    def stop(self) -> None:
        self._timer.stop()

    def _move(self) -> None:
        self._phase = (self._phase + 0.03) % 1.4
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        colours = theme.current()
        painter.fillRect(self.rect(), colours.base)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        boxes = _outlines(self.width(), self.height())
        for box in boxes:
            near = 1 - min(
                1.0, abs(box.center().x() / max(1, self.width()) - self._phase + 0.2) * 2.5
            )
            shade = QColor(colours.raised).lighter(100 + round(18 * near))
            painter.setBrush(shade)
            painter.drawRoundedRect(box, 4, 4)
        painter.setPen(colours.muted)
        painter.setFont(theme.ui_font(13))
        painter.drawText(boxes[0], Qt.AlignmentFlag.AlignCenter, self._text)
        painter.end()


def _outlines(width: int, height: int) -> list[QRectF]:
    """Where viewer, tracks and form will lie."""
    side = 352 if width >= 900 else 0
    split, room = height * 0.62, width - side
    boxes = [QRectF(16, 16, room - 32, split - 40)]
    y = split
    for parts in ((0.3, 0.22, 0.4), (0.52, 0.2, 0.2)):
        x = 96.0
        for part in parts:
            boxes.append(QRectF(x, y, (room - 112) * part - 4, 60))
            x += (room - 112) * part
        y += 66
    if side:
        boxes += [QRectF(room, 16 + 44 * n, side - 16, 32) for n in range(8)]
    return boxes


class Trouble(DropPage):
    """A timeline could not be opened: why, and what to do."""

    open_asked = Signal()
    again_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        made = QVBoxLayout(self)
        made.setContentsMargins(40, 24, 40, 24)
        made.addStretch(2)
        title = label(self.tr("The timeline could not be opened"), "big")
        title.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.text.setFixedWidth(520)
        self.text.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.again = button(self.tr("Try again"), icon_name="retry")
        self.open = button(self.tr("Open another…"), icon_name="open")
        self.again.clicked.connect(self.again_asked)
        self.open.clicked.connect(self.open_asked)
        made.addWidget(title)
        made.addSpacing(8)
        made.addLayout(row(None, self.text, None))
        made.addSpacing(14)
        made.addLayout(row(None, self.again, self.open, None))
        made.addStretch(3)

    def say(self, text: str) -> None:
        self.text.setText(text)
        self.setAccessibleName(text)
