"""What reads and writes previews beside the GUI thread."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QRunnable
from PySide6.QtGui import QImage
from stylesync_plugin.batch.records import read_json


class Load(QRunnable):
    """Reads one picture in a thread of the pool, ready to be drawn."""

    def __init__(self, read: Callable[[], QImage], keep: Callable[[QImage], None]) -> None:
        super().__init__()
        self._read, self._keep = read, keep

    def run(self) -> None:
        image = self._read()
        if not image.isNull():
            image = image.convertToFormat(QImage.Format.Format_RGB32)
        self._keep(image)


class LoadOutline(QRunnable):
    """Reads the outline of a sound."""

    def __init__(self, file: Path, keep: Callable[[list[float]], None]) -> None:
        super().__init__()
        self._file, self._keep = file, keep

    def run(self) -> None:
        try:
            peaks = [float(peak) for peak in read_json(self._file)]
        except (OSError, ValueError, TypeError):
            peaks = []
        self._keep(peaks)


class Store(QRunnable):
    """Keeps the outline of a sound for the next time."""

    def __init__(self, file: Path, peaks: list[float]) -> None:
        super().__init__()
        self._file, self._peaks = file, peaks

    def run(self) -> None:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.write_text(json.dumps(self._peaks), encoding="utf-8")
        except OSError:
            return
