"""Timelines are read beside the GUI thread; only the latest one that was asked for is heard of."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from stylesync_plugin.contract import DubError

from stylesync_ui.timeline.document import Content, Document, open_content, view


class Opening(QObject):
    """`opened` brings a path and its content, `looked_again` the content of the open document."""

    opened = Signal(object, object)
    looked_again = Signal(object, object)
    failed = Signal(str)
    _done = Signal(int, object, object)

    def __init__(self) -> None:
        super().__init__()
        self._number = 0
        self._done.connect(self._hear)

    def open(self, path: Path, media_folders: Sequence[Path]) -> None:
        self._start(path, lambda: open_content(path, media_folders))

    def look_again(self, document: Document) -> None:
        """Find the media of the open timeline anew, in folders that may have changed."""
        timeline, folders = document.content.timeline, document.folders
        self._start(document, lambda: view(timeline, folders))

    def _start(self, subject: Path | Document, read: Callable[[], Content]) -> None:
        self._number += 1
        number = self._number

        def work() -> None:
            try:
                self._done.emit(number, subject, read())
            except (DubError, OSError) as error:
                self._done.emit(number, subject, error)

        threading.Thread(target=work, daemon=True).start()

    def _hear(self, number: int, subject: Path | Document, found: Content | Exception) -> None:
        if number != self._number:
            return
        if isinstance(found, Exception):
            self.failed.emit(str(found))
        elif isinstance(subject, Path):
            self.opened.emit(subject, found)
        else:
            self.looked_again.emit(subject, found)
