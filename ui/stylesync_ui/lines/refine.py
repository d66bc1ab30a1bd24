"""What can be set of a line before it is rendered: articulation, style, keys of its lips."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QSlider, QVBoxLayout, QWidget
from stylesync_plugin.contract import MouthKey
from stylesync_plugin.lines.document import Line

from stylesync_ui.lines.lip_curve import LipCurveView
from stylesync_ui.look.widgets import button, label, row

QUIET_MS = 250


class RefineView(QWidget):
    """Shows a line's curve and settings; `changed` brings other values of the line's fields."""

    changed = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.curve = LipCurveView()
        self.articulation = _slider(self.tr("Articulation"), 150)
        self.style_strength = _slider(self.tr("Style"), 100)
        self.closed = button(self.tr("Closed here"))
        self.original = button(self.tr("Original here"))
        self.clear = button(self.tr("As spoken"), "link")
        self._values = {name: label("", "muted") for name in ("articulation", "style_strength")}
        self._keys: tuple[MouthKey, ...] = ()
        self._quiet = QTimer(self)
        self._quiet.setSingleShot(True)
        self._quiet.setInterval(QUIET_MS)
        self._quiet.timeout.connect(self._tell)
        self._build()

    def _build(self) -> None:
        made = QVBoxLayout(self)
        made.setContentsMargins(0, 2, 0, 0)
        made.setSpacing(4)
        made.addWidget(self.curve)
        sliders = row(spacing=6)
        for name, title, slider in (
            ("articulation", self.tr("Articulation"), self.articulation),
            ("style_strength", self.tr("Style"), self.style_strength),
        ):
            self._values[name].setFixedWidth(40)
            for widget in (label(title, "muted"), slider, self._values[name]):
                sliders.addWidget(widget)
            slider.valueChanged.connect(lambda _: self._moved())
        made.addLayout(sliders)
        made.addLayout(row(self.closed, self.original, self.clear, None))
        self.closed.clicked.connect(lambda: self._set_key("closed"))
        self.original.clicked.connect(lambda: self._set_key("original"))
        self.clear.clicked.connect(lambda: self._set_key(""))
        self.curve.selected.connect(lambda *_: self._enable())
        self._enable()

    def show_line(self, line: Line, frames: int) -> None:
        """The settings of a line that lasts so many frames."""
        self._keys = line.keys
        self.curve.show_line(frames, line.keys)
        for name in ("articulation", "style_strength"):
            slider: QSlider = getattr(self, name)
            value = getattr(line, name)
            slider.blockSignals(True)
            if not slider.isSliderDown() and not self._quiet.isActive():
                slider.setValue(round(100 * (1.0 if value is None else value)))
            slider.blockSignals(False)
        self._show_values()
        self._enable()

    def _show_values(self) -> None:
        for name, shown in self._values.items():
            shown.setText(f"{getattr(self, name).value()} %")

    def _enable(self) -> None:
        chosen = self.curve.chosen is not None
        self.closed.setEnabled(chosen)
        self.original.setEnabled(chosen)
        self.clear.setEnabled(chosen or bool(self._keys))

    def _moved(self) -> None:
        self._show_values()
        self._quiet.start()

    def _tell(self) -> None:
        values = {name: getattr(self, name).value() / 100 for name in self._values}
        self.changed.emit({name: None if v == 1 else v for name, v in values.items()})

    def _set_key(self, shape: str) -> None:
        """A key where frames are selected; keys that it meets give way. Without a selection all
        keys go."""
        first, last = self.curve.chosen or (0, self.curve.frames)
        kept = [key for key in self._keys if key.end <= first or key.start >= last]
        if shape:
            kept.append(MouthKey.parse(f"{shape}@{first}:{last}"))
        self.changed.emit({"keys": tuple(sorted(kept, key=lambda key: key.start))})


def _slider(name: str, most: int) -> QSlider:
    made = QSlider(Qt.Orientation.Horizontal)
    made.setRange(0, most)
    made.setValue(100)
    made.setAccessibleName(name)
    made.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return made
