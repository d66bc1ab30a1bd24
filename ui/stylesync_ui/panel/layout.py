# ruff: noqa: N802  (Qt calls these by its own names)
"""Where the panel's widgets lie."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import TypeGuard

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QSplitter, QStackedWidget, QTabWidget, QVBoxLayout, QWidget

from stylesync_ui.engine.media_cache import MediaCache
from stylesync_ui.lines.page import LinesPage
from stylesync_ui.lines.session import Session
from stylesync_ui.look.banner import Banner
from stylesync_ui.look.host_colours import HostColoured
from stylesync_ui.look.widgets import Elided, label, line, row, tool
from stylesync_ui.panel.commands import table_keys
from stylesync_ui.panel.pages import Loading, Trouble, Welcome
from stylesync_ui.queue.queue_view import QueueView
from stylesync_ui.strip.area import StripArea
from stylesync_ui.timeline.document import ClipView
from stylesync_ui.viewer.viewer import Viewer
from stylesync_ui.wish.form import DubForm

WIDE = 900
SIDE = 352
LINES = 600


class PanelLayout(HostColoured):
    """Head, banner, and below them a page: welcome, loading, trouble or the workspace."""

    def build(
        self, media: MediaCache, zero_of: Callable[[ClipView], Fraction], session: Session
    ) -> None:
        self._splits: dict[str, list[int]] = {}
        self.viewer = Viewer()
        self.area = StripArea(media, zero_of)
        self.strip = self.area.strip
        self.form = DubForm()
        self.lines_page = LinesPage(session, table_keys())
        self.queue_view = QueueView()
        self.banner, self.engine_banner = Banner(), Banner()
        self.welcome, self.loading, self.trouble = Welcome(), Loading(), Trouble()
        made = QVBoxLayout(self)
        made.setSizeConstraint(QVBoxLayout.SizeConstraint.SetNoConstraint)
        self.setMinimumSize(420, 480)
        made.setContentsMargins(0, 0, 0, 0)
        made.setSpacing(0)
        made.addWidget(self._head())
        made.addWidget(line())
        made.addWidget(self.engine_banner)
        made.addWidget(self.banner)
        self.pages = QStackedWidget()
        self.workspace = self._workspace()
        for page in (self.welcome, self.loading, self.trouble, self.workspace):
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
            "menu": tool("menu", self.tr("All commands")),
        }
        keys = self.tools
        layout = row(
            keys["open"], keys["save"], keys["undo"], keys["redo"], 8, self.name,
            self.engine_state, 6, keys["settings"], keys["help"], keys["menu"],
            spacing=2,
        )  # fmt: skip
        layout.setStretch(5, 1)
        layout.setContentsMargins(8, 0, 8, 0)
        head.setLayout(layout)
        return head

    def _workspace(self) -> QWidget:
        self.side = QTabWidget()
        self.side.setDocumentMode(True)
        self.side.tabBar().setAccessibleName(self.tr("Form, queue or lines"))
        self.side.tabBar().setExpanding(False)
        self.side.tabBar().setDrawBase(False)
        self.side.addTab(self.form, self.tr("Dub"))
        self.side.addTab(self.queue_view, self.tr("Queue"))
        self.side.addTab(self.lines_page, self.tr("Lines"))
        self.side.setMinimumWidth(SIDE)
        self.outer = QSplitter(Qt.Orientation.Horizontal)
        self.outer.addWidget(self._picture_and_strip())
        self.outer.addWidget(self.side)
        self.outer.setStretchFactor(0, 1)
        self.outer.setChildrenCollapsible(False)
        self.outer.setHandleWidth(3)
        self.outer.setSizes([1000, SIDE])
        return self.outer

    def show_lines(self) -> None:
        """The table of lines with the keys on it, and as much room as it needs."""
        self.side.setCurrentWidget(self.lines_page)
        self.lines_page.table.setFocus()
        room = min(LINES, self.outer.width() // 2)
        if self._shape() == "wide" and self.outer.sizes()[1] < room:
            self.outer.setSizes([self.outer.width() - room, room])

    def show_trouble(self, why: str) -> None:
        """The timeline could not be opened."""
        self.loading.stop()
        self.trouble.say(why)
        self.pages.setCurrentWidget(self.trouble)

    def splits(self) -> dict[str, list[int]]:
        """px of each splitter's parts, those of the narrow dock apart."""
        self._splits[self._shape()] = self.outer.sizes()
        return {**self._splits, "picture": self.inner.sizes()}

    def take_splits(self, splits: Mapping[str, object]) -> None:
        """As they were left the last time; what is no such thing is not followed."""
        kept = {name: sizes for name, sizes in splits.items() if _are_sizes(sizes)}
        self._splits = dict(kept)
        self.inner.setSizes(kept.get("picture", [600, 260]))
        self.outer.setSizes(kept.get(self._shape(), [1000, SIDE]))

    def _shape(self) -> str:
        return "wide" if self.outer.orientation() == Qt.Orientation.Horizontal else "tall"

    def _picture_and_strip(self) -> QWidget:
        whole = self.inner = QSplitter(Qt.Orientation.Vertical)
        whole.addWidget(self.viewer)
        whole.addWidget(self.area)
        whole.setStretchFactor(0, 3)
        whole.setStretchFactor(1, 1)
        whole.setSizes([600, 260])
        whole.setChildrenCollapsible(False)
        whole.setHandleWidth(3)
        return whole

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Narrow docks have the form below the viewer."""
        wide = self.width() >= WIDE
        orientation = Qt.Orientation.Horizontal if wide else Qt.Orientation.Vertical
        if self.outer.orientation() != orientation:
            self._splits[self._shape()] = self.outer.sizes()
            self.outer.setOrientation(orientation)
            plain = [self.width() - SIDE, SIDE] if wide else [520, 420]
            self.outer.setSizes(self._splits.get(self._shape(), plain))
        super().resizeEvent(event)


def _are_sizes(value: object) -> TypeGuard[list[int]]:
    return (
        isinstance(value, list) and len(value) == 2
        and all(isinstance(size, int) and size >= 0 for size in value) and any(value)
    )  # fmt: skip
