"""The panel: dub what is selected in the timeline editor, or open it all in StyleSync's own."""

from __future__ import annotations

from PySide6 import QtWidgets

from .running import Run


class Panel(QtWidgets.QWidget):
    def __init__(self, parent=None) -> None:
        super().__init__(parent)
        self.setObjectName("stylesync.panel")
        self.setWindowTitle("StyleSync")
        self.speech, self.quality = QtWidgets.QLineEdit(), QtWidgets.QComboBox()
        self.original = QtWidgets.QComboBox()
        self.original.addItems(["off", "keep"])
        self.speech.setPlaceholderText("Used where no item is tagged Speech")
        self.quality.addItems(["draft", "good", "best"])
        self.said = QtWidgets.QLabel("Select items, then dub them.", wordWrap=True)
        self.run = Run(self)
        self.run.said.connect(self.said.setText)
        form = QtWidgets.QFormLayout(self)
        form.addRow("New speech", self.speech)
        form.addRow("Original sound", self.original)
        form.addRow("Quality", self.quality)
        self.dub = QtWidgets.QPushButton("Dub Selected", clicked=lambda: self.start())
        self.open = QtWidgets.QPushButton("Open Panel", clicked=lambda: self.start("--panel"))
        self.stop = QtWidgets.QPushButton("Stop", clicked=self.run.stop)
        for row in (self.dub, self.open, self.stop, self.said):
            form.addRow(row)

    def start(self, *extra: str) -> None:
        speech, quality = self.speech.text() or None, self.quality.currentText()
        wishes = {"speech": speech, "options": {"quality": quality}}
        self.run.start({**wishes, "original_sound": self.original.currentText()}, extra)
