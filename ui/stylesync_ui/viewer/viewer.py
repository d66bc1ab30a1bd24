# ruff: noqa: N802  (Qt calls these by its own names)
"""The viewer: picture, ways to compare, transport."""

from __future__ import annotations

from fractions import Fraction

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QVBoxLayout, QWidget
from stylesync_plugin.timeline.layout import Layout
from stylesync_plugin.times import ZERO, time_code

from stylesync_ui.look import theme
from stylesync_ui.look.time_field import TimeField
from stylesync_ui.look.widgets import Elided, Segments, label, row, show_icon, tool
from stylesync_ui.viewer.canvas import Mode, ViewerCanvas


class Viewer(QWidget):
    """Shows and emits; `action` names what a button of the transport wants."""

    action = Signal(str)
    mode_chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.canvas = ViewerCanvas()
        self.modes = Segments(
            [
                ("before", self.tr("Before")),
                ("after", self.tr("After")),
                ("wipe", self.tr("Wipe")),
                ("side", self.tr("Side by side")),
                ("difference", self.tr("Difference")),
            ],
            self.tr("Compare"),
        )
        self.info = Elided(role="muted", mode=Qt.TextElideMode.ElideRight)
        self.position = TimeField(self.tr("Position"))
        self.position.setFixedWidth(120)
        self.length = label("", "muted")
        self.speed = label("", "muted")
        self.tools = {
            "previous": tool("previous", self.tr("Previous edit"), "Up"),
            "back": tool("back", self.tr("Play backwards"), "J"),
            "play": tool("play", self.tr("Play"), "Space, L"),
            "next": tool("next", self.tr("Next edit"), "Down"),
            "in": tool("in", self.tr("Mark in"), "I"),
            "out": tool("out", self.tr("Mark out"), "O"),
            "zoom_mouth": tool("zoom", self.tr("The mouth closely"), "Z"),
            "loop": tool("loop", self.tr("Loop the range"), "R"),
            "sound": tool("sound", self.tr("Sound"), "M"),
        }
        self._build()

    def _build(self) -> None:
        for key, entry in self.tools.items():
            if key in ("loop", "sound", "zoom_mouth"):
                entry.setCheckable(True)
            if key not in ("loop", "sound"):
                entry.clicked.connect(lambda _=False, k=key: self.action.emit(k))
        self.modes.choose("before")
        self.modes.chosen.connect(self.mode_chosen)
        top, bottom = QFrame(), QFrame()
        for bar in (top, bottom):
            bar.setProperty("role", "bar")
            bar.setFixedHeight(36)
        head = row(self.info, None, self.modes)
        head.setStretch(0, 1000)
        head.setContentsMargins(10, 0, 8, 0)
        top.setLayout(head)
        keys = self.tools
        foot = row(
            self.position, self.length, None, keys["in"], keys["previous"], keys["back"],
            keys["play"], keys["next"], keys["out"], None, self.speed,
            keys["zoom_mouth"], keys["loop"], keys["sound"],
            spacing=3,
        )  # fmt: skip
        foot.setContentsMargins(8, 0, 8, 0)
        bottom.setLayout(foot)
        made = QVBoxLayout(self)
        made.setContentsMargins(0, 0, 0, 0)
        made.setSpacing(0)
        made.addWidget(top)
        made.addWidget(self.canvas, 1)
        made.addWidget(bottom)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """A narrow dock has no room for the length and the clip's name."""
        self.length.setVisible(event.size().width() > 560)
        self.info.setVisible(event.size().width() > 560)
        super().resizeEvent(event)

    def set_mode(self, mode: Mode) -> None:
        self.modes.choose(mode)
        self.canvas.set_mode(mode)

    def allow_comparing(self, possible: bool) -> None:
        """Without a dub here there is nothing to compare."""
        for key, entry in self.modes.buttons.items():
            entry.setEnabled(possible or key == "before")

    def show_position(self, position: Fraction, duration: Fraction, layout: Layout) -> None:
        self.position.set_clock(layout, position)
        self.position.show_moment(position)
        self.length.setText(f"/  {time_code(duration, layout.rate, ZERO, layout.drop)}")
        self.length.setFont(theme.mono_font(11))

    def show_speed(self, speed: int) -> None:
        playing = speed != 0
        show_icon(self.tools["play"], "pause" if playing else "play")
        name = self.tr("Pause") if playing else self.tr("Play")
        self.tools["play"].setAccessibleName(name)
        self.speed.setText("" if speed in (0, 1) else f"{speed}×")

    def show_sound(self, on: bool, trouble: str) -> None:
        """Whether sound is on, and why none is heard."""
        button = self.tools["sound"]
        button.setChecked(on)
        show_icon(button, "sound" if on and not trouble else "mute")
        button.setToolTip(trouble or self.tr("Sound  (M)"))

    def next_face(self) -> None:
        self.canvas.next_face()
        self.focus_canvas()

    def focus_canvas(self) -> None:
        self.canvas.setFocus(Qt.FocusReason.OtherFocusReason)
