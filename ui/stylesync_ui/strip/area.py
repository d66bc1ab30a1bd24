# ruff: noqa: N802  (Qt calls these by its own names)
"""The strip with what belongs to it: which range is marked, hint, snapping, zoom and scroll bar."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QScrollBar, QSizePolicy, QSlider, QVBoxLayout, QWidget

from stylesync_ui.engine.media_cache import MediaCache
from stylesync_ui.look.widgets import Elided, Segments, row, tool
from stylesync_ui.strip.scale import MOST_ZOOM
from stylesync_ui.strip.strip import Strip
from stylesync_ui.timeline.document import ClipView
from stylesync_ui.wish.editing import Kind

ROOM_FOR_HINT = 710  # px


class StripArea(QWidget):
    """Keeps the bars in step with the strip."""

    def __init__(self, media: MediaCache, zero_of: Callable[[ClipView], Fraction]) -> None:
        super().__init__()
        self.strip = Strip(media, zero_of)
        self.kinds = Segments(
            [("dub", self.tr("Dub")), ("speech", self.tr("Speech")), ("style", self.tr("Style"))],
            self.tr("What dragging marks"),
        )
        self.hint = Elided(role="muted")
        self.snap = tool("snap", self.tr("Snap to edits"), "N")
        self.fit = tool("fit", self.tr("Show the whole timeline"), "\\")
        self.zoom = QSlider(Qt.Orientation.Horizontal)
        self.scroller = QScrollBar(Qt.Orientation.Horizontal)
        self.lift = QScrollBar(Qt.Orientation.Vertical)
        made = QVBoxLayout(self)
        made.setContentsMargins(0, 0, 0, 0)
        made.setSpacing(0)
        made.addWidget(self._head())
        tracks = row(self.strip, self.lift, spacing=0)
        tracks.setStretch(0, 1)
        made.addLayout(tracks, 1)
        made.addWidget(self.scroller)
        self._connect()
        self.choose_kind("dub")

    def _head(self) -> QFrame:
        bar = QFrame()
        bar.setProperty("role", "bar")
        bar.setFixedHeight(36)
        for key, entry in self.kinds.buttons.items():
            entry.setProperty("range", key)
        self.snap.setCheckable(True)
        self.snap.setChecked(True)
        self.zoom.setFixedWidth(90)
        self.zoom.setRange(0, 1000)
        self.zoom.setAccessibleName(self.tr("Zoom"))
        self.zoom.setStyleSheet("background: transparent;")
        self.scroller.setAccessibleName(self.tr("Scroll the timeline"))
        self.lift.setAccessibleName(self.tr("Scroll the tracks"))
        for widget in (self.zoom, self.scroller, self.lift):
            widget.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.hint.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        layout = row(self.kinds, 8, self.hint, None, self.snap, self.fit, self.zoom)
        layout.setStretch(2, 1000)
        layout.setContentsMargins(8, 0, 12, 0)
        bar.setLayout(layout)
        return bar

    def _connect(self) -> None:
        self.strip.scrolled.connect(self._show_scroll)
        self.scroller.valueChanged.connect(lambda value: self.strip.scroll_to(value / 1000))
        self.lift.valueChanged.connect(self.strip.scroll_down_to)
        self.zoom.valueChanged.connect(self._zoomed)
        self.fit.clicked.connect(self.strip.fit)
        self.snap.toggled.connect(lambda on: setattr(self.strip, "snapping", on))
        self.kinds.chosen.connect(self.choose_kind)

    def choose_kind(self, kind: Kind) -> None:
        """What dragging, I and O mark from now on."""
        self.strip.kind = kind
        self.kinds.choose(kind)
        self.hint.setText(
            {
                "dub": self.tr("Drag over the picture to mark what to dub"),
                "speech": self.tr("Drag over an audio track, or drop a sound file"),
                "style": self.tr("Drag over a clip of the same person"),
            }[kind]
        )
        self.strip.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """What is too short to be read is not shown."""
        self.hint.setVisible(event.size().width() > ROOM_FOR_HINT)
        super().resizeEvent(event)

    # Scroll and zoom

    def _show_scroll(self) -> None:
        strip = self.strip
        span = strip.body_width / strip.scale.density
        most = max(0.0, strip.duration * 1.04 - span)
        bars = (self.scroller, self.zoom, self.lift)
        for widget in bars:
            widget.blockSignals(True)
        self.scroller.setRange(0, round(most * 1000))
        self.scroller.setPageStep(max(1, round(span * 1000)))
        self.scroller.setSingleStep(max(1, round(span * 100)))
        self.scroller.setValue(round(strip.scale.start * 1000))
        self.zoom.setValue(round(self._zoom_share() * 1000))
        self.lift.setRange(0, strip.overflow())
        self.lift.setPageStep(strip.height())
        self.lift.setSingleStep(20)
        self.lift.setValue(strip.top)
        self.lift.setVisible(bool(strip.overflow()))
        for widget in bars:
            widget.blockSignals(False)

    @property
    def _least_zoom(self) -> float:
        return self.strip.scale.whole(self.strip.duration, self.strip.body_width)

    def _zoom_share(self) -> float:
        """Where the zoom stands between the whole timeline and single frames, 0 to 1."""
        least = self._least_zoom
        range_of_zoom = math.log(max(1.1, MOST_ZOOM / least))
        return math.log(max(1.0, self.strip.scale.density / least)) / range_of_zoom

    def _zoomed(self, value: int) -> None:
        wanted = self._least_zoom * max(1.1, MOST_ZOOM / self._least_zoom) ** (value / 1000)
        self.strip.zoom(wanted / self.strip.scale.density)
