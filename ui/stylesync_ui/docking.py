"""The panel inside a host that has PySide6: it dresses itself in the host's colours."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtWidgets import QWidget

from stylesync_ui.look import theme
from stylesync_ui.panel.panel import Panel


def make_panel(parent: QWidget | None = None, timeline: str | None = None) -> Panel:
    """A panel for a dock of the host's; closing the dock must call its `shut`."""
    theme.adopt_host(parent)
    panel = Panel(parent=parent)
    if timeline:
        panel.open(Path(timeline))
    return panel
