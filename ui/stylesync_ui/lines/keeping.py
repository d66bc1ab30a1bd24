"""Keeps a document of lines on disk, beside the GUI thread; nobody else writes it meanwhile."""

from __future__ import annotations

import queue
import threading
import time
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from stylesync_plugin.contract import DiskError, DubError, locked
from stylesync_plugin.lines.document import Lines, write_lines

QUIET = 0.4  # s without another change after which is written
LONGEST = 1.5  # s after which is written though changes go on: a crash loses no more


class Keeper(QObject):
    """Holds the lock of a document until it is closed; `refused` where another panel has it,
    `failed` with a sentence where it cannot be written."""

    refused = Signal()
    failed = Signal(str)

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self._wanted: queue.SimpleQueue[Lines | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def keep(self, lines: Lines) -> None:
        """Write them soon; of several at once only the last."""
        self._wanted.put(lines)

    def close(self) -> None:
        """Write what is left and give the lock back."""
        self._wanted.put(None)
        self._thread.join(10)

    def _work(self) -> None:
        try:
            with locked(self.path):
                while self._write():
                    pass
        except DiskError as error:
            self.failed.emit(str(error))
        except DubError:
            self.refused.emit()

    def _write(self) -> bool:
        """Wait for lines and write them; whether more may come."""
        lines = self._wanted.get()
        closed = lines is None
        latest = time.monotonic() + LONGEST
        while not closed and (left := latest - time.monotonic()) > 0:
            try:
                later = self._wanted.get(timeout=min(QUIET, left))
            except queue.Empty:
                break
            closed = later is None
            lines = later or lines
        try:
            if lines is not None:
                write_lines(lines, self.path)
        except DubError as error:
            self.failed.emit(str(error))
        return not closed
