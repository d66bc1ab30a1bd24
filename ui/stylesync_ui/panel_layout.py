# ruff: noqa: N802  (Qt calls these by its own names)
"""Where the panel's widgets lie."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QFrame,
    QScrollBar,
    QSlider,
    QSplitter,
    QStackedWidget,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from stylesync_ui import theme
from stylesync_ui.document import ClipView
from stylesync_ui.dub_form import DubForm
from stylesync_ui.media_desk import MediaDesk
from stylesync_ui.pages import Loading, Trouble, Welcome
from stylesync_ui.parts import Banner, Elided, Segments, label, line, row, tool
from stylesync_ui.queue_view import QueueView
from stylesync_ui.strip import Strip
from stylesync_ui.viewer import Viewer

WIDE = 900
SIDE = 352


class PanelLayout(QWidget):
    """Head, banner, and below them a page: welcome, loading, trouble or the workspace."""

    def build(self, desk: MediaDesk, zero_of: Callable[[ClipView], Fraction]) -> None:
        self.viewer = Viewer()
        self.strip = Strip(desk, zero_of)
        self.form = DubForm()
        self.queue_view = QueueView()
        self.banner = Banner()
        self.welcome, self.loading, self.trouble = Welcome(), Loading(), Trouble()
        made = QVBoxLayout(self)
        made.setSizeConstraint(QVBoxLayout.SizeConstraint.SetNoConstraint)
        self.setMinimumSize(420, 480)
        made.setContentsMargins(0, 0, 0, 0)
        made.setSpacing(0)
        made.addWidget(self._head())
        made.addWidget(line())
        made.addWidget(self.banner)
        self.pages = QStackedWidget()
        for page in (self.welcome, self.loading, self.trouble, self._workspace()):
            self.pages.addWidget(page)
        made.addWidget(self.pages, 1)

    def _head(self) -> QFrame:
        head = QFrame()
        head.setProperty("role", "bar")
        head.setFixedHeight(40)
        self.name = Elided(role="title")
        self.engine_state = label("", "muted")
        self.tools = {
            "open": tool("open", self.tr("Open a timeline"), "Ctrl+O"),
            "save": tool("save", self.tr("Save the dubbed timeline"), "Ctrl+S"),
            "undo": tool("undo", self.tr("Undo"), "Ctrl+Z"),
            "redo": tool("redo", self.tr("Redo"), "Ctrl+Shift+Z"),
            "settings": tool("settings", self.tr("Preferences"), "Ctrl+,"),
            "help": tool("help", self.tr("How it works"), "F1"),
        }
        keys = self.tools
        layout = row(
            keys["open"], keys["save"], keys["undo"], keys["redo"], 8, self.name,
            self.engine_state, 6, keys["settings"], keys["help"], spacing=2,
        )  # fmt: skip
        layout.setStretch(5, 1)
        layout.setContentsMargins(8, 0, 8, 0)
        head.setLayout(layout)
        return head

    def _workspace(self) -> QWidget:
        self.side = QTabWidget()
        self.side.setDocumentMode(True)
        self.side.tabBar().setExpanding(False)
        self.side.tabBar().setDrawBase(False)
        self.side.addTab(self.form, self.tr("Dub"))
        self.side.addTab(self.queue_view, self.tr("Queue"))
        self.side.setMinimumWidth(300)
        self.outer = QSplitter(Qt.Orientation.Horizontal)
        self.outer.addWidget(self._picture_and_strip())
        self.outer.addWidget(self.side)
        self.outer.setStretchFactor(0, 1)
        self.outer.setChildrenCollapsible(False)
        self.outer.setHandleWidth(3)
        self.outer.setSizes([1000, SIDE])
        return self.outer

    def _picture_and_strip(self) -> QWidget:
        lower = QWidget()
        made = QVBoxLayout(lower)
        made.setContentsMargins(0, 0, 0, 0)
        made.setSpacing(0)
        made.addWidget(self._strip_head())
        made.addWidget(self.strip, 1)
        self.scroller = QScrollBar(Qt.Orientation.Horizontal)
        self.scroller.setAccessibleName(self.tr("Scroll the timeline"))
        made.addWidget(self.scroller)
        whole = QSplitter(Qt.Orientation.Vertical)
        whole.addWidget(self.viewer)
        whole.addWidget(lower)
        whole.setStretchFactor(0, 3)
        whole.setStretchFactor(1, 1)
        whole.setSizes([600, 260])
        whole.setChildrenCollapsible(False)
        whole.setHandleWidth(3)
        return whole

    def _strip_head(self) -> QFrame:
        bar = QFrame()
        bar.setProperty("role", "bar")
        bar.setFixedHeight(36)
        self.kinds = Segments(
            [("dub", self.tr("Dub")), ("speech", self.tr("Speech")), ("style", self.tr("Style"))],
            self.tr("What dragging marks"),
        )
        self.kinds.choose("dub")
        for key, entry in self.kinds.buttons.items():
            colour = theme.current().of_range(key).name()
            entry.setStyleSheet(f"QToolButton:checked {{ color: {colour}; }}")
        self.hint = Elided(role="muted")
        self.snap = tool("snap", self.tr("Snap to edits"), "N")
        self.snap.setCheckable(True)
        self.snap.setChecked(True)
        self.fit = tool("fit", self.tr("Show the whole timeline"), "\\")
        self.zoom = QSlider(Qt.Orientation.Horizontal)
        self.zoom.setFixedWidth(90)
        self.zoom.setRange(0, 1000)
        self.zoom.setAccessibleName(self.tr("Zoom"))
        self.zoom.setStyleSheet("background: transparent;")
        layout = row(self.kinds, 8, self.hint, self.snap, self.fit, self.zoom)
        layout.setStretch(2, 1)
        layout.setContentsMargins(8, 0, 12, 0)
        bar.setLayout(layout)
        return bar

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Narrow docks have the form below the viewer."""
        wide = self.width() >= WIDE
        self.hint.setVisible(self.width() > 600)
        orientation = Qt.Orientation.Horizontal if wide else Qt.Orientation.Vertical
        if self.outer.orientation() != orientation:
            self.outer.setOrientation(orientation)
            self.outer.setSizes([self.width() - SIDE, SIDE] if wide else [520, 420])
        super().resizeEvent(event)
