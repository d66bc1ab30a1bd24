# ruff: noqa: N802  (Qt's own names)
"""A widget that wears the colours of the host that it lies in, also when these change."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtWidgets import QWidget

from stylesync_ui.look import theme
from stylesync_ui.look.widgets import recolour_icons

_PALETTE_EVENTS = (QEvent.Type.PaletteChange, QEvent.Type.ApplicationPaletteChange)


class HostColoured(QWidget):
    """A widget with a style sheet does not hear of its host's palette: the host is watched."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)  # before the style sheet, which knows it
        self._watch_host()
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._worn = theme.current()
        self.setStyleSheet(theme.style_sheet(self._worn))

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ParentChange:
            self._watch_host()
        elif event.type() in _PALETTE_EVENTS:
            self._recolour()
        return super().event(event)

    def _watch_host(self) -> None:
        host = self.parentWidget()
        if host is not None:
            host.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self.parentWidget() and event.type() in _PALETTE_EVENTS:
            self._recolour()
        return False

    def _recolour(self) -> None:
        """The host has other colours now."""
        theme.adopt_host(self.parentWidget())
        if self._worn != theme.current():
            self._worn = theme.current()
            self.setStyleSheet(theme.style_sheet(self._worn))
            recolour_icons(self)
