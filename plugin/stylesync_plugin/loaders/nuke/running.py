"""One run of the program for the active sequence, watched without blocking."""

from __future__ import annotations

import hiero.ui
from PySide6 import QtCore

from . import applying, reading
from .program import Program


class Run(QtCore.QObject):
    """Says in `said` how far it is and what came of it."""

    said = QtCore.Signal(str)

    def __init__(self, parent=None) -> None:
        super().__init__(parent)
        self.timer, self.program = QtCore.QTimer(self, interval=500), None
        self.timer.timeout.connect(self.look)

    def start(self, wishes: dict, extra: tuple = ()) -> None:
        self.sequence = hiero.ui.activeSequence()
        if self.sequence is None or self.timer.isActive():
            self.said.emit("Open a sequence first; one dub runs at a time.")
            return
        selection = hiero.ui.getTimelineEditor(self.sequence).selection()
        try:
            scene = reading.read(self.sequence, selection)
            self.program = Program("nuke", {**scene, **wishes}, extra)
        except OSError as error:
            self.said.emit(str(error))
        else:
            self.timer.start()

    def stop(self) -> None:
        if self.program is not None:
            self.program.stop()

    def look(self) -> None:
        if not self.program.has_ended():
            self.said.emit(self.program.progress())
            return
        self.timer.stop()
        try:
            edit = self.program.result()
            applying.apply(self.sequence, edit)
        except RuntimeError as error:
            self.said.emit(str(error))
        else:
            self.said.emit(" ".join(["Done; Edit > Undo takes it back.", *edit.get("notes", ())]))
