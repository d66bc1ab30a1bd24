"""The timeline file that is open: read, saved, left; its missing media; its history."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from PySide6.QtCore import QFileSystemWatcher, QObject, QTimer, Signal
from PySide6.QtWidgets import QWidget
from stylesync_plugin.contract import DubError
from stylesync_plugin.formats.files import write_timeline
from stylesync_plugin.timeline.paths import first_of_images
from stylesync_plugin.writing.write_back import only_ours

from stylesync_ui.look.banner import Banner
from stylesync_ui.timeline import file_questions
from stylesync_ui.timeline.document import Content, Document, open_content, view

SETTLE_MS = 600
"""How long another program may take to write the file."""


class TimelineFile(QObject):
    """`opened` tells of another timeline, `changed` of another content of it, `noted` of its name
    and history; `reading` and `failed` of the way there."""

    reading = Signal(str)
    failed = Signal(str)
    opened = Signal(object)
    changed = Signal()
    noted = Signal()

    def __init__(
        self, window: QWidget, banner: Banner, folders: Callable[[], tuple[Path, ...]]
    ) -> None:
        super().__init__(window)
        self.document: Document | None = None
        self._window, self._banner, self._folders = window, banner, folders
        self._wanted, self._written = Path(), (0, 0)
        self._watcher = QFileSystemWatcher(self)
        self._watcher.fileChanged.connect(self._changed_on_disk)
        self._opening = Opening()
        self._opening.opened.connect(self._take)
        self._opening.looked_again.connect(self._take_media)
        self._opening.failed.connect(self.failed)

    # Opening

    def ask_open(self) -> None:
        path = file_questions.ask_timeline(self._window)
        if path is not None and self.may_leave():
            self.open(path)

    def open(self, path: Path) -> None:
        """Read a timeline beside the GUI thread."""
        self._wanted = path
        self.reading.emit(path.name)
        self._opening.open(path, self._folders())

    def open_again(self) -> None:
        self.open(self._wanted)

    def _take(self, path: Path, content: Content) -> None:
        self.document = Document(path, content, self._folders())
        self._watch(path)
        file_questions.begin_in(path.absolute().parent)
        self._banner.hide()
        self.opened.emit(self.document)
        self.noted.emit()
        if content.missing:
            text = self.tr("Media files missing: {n}.").format(n=content.missing)
            self._banner.say(text, "warning", ("find_media", self.tr("Find missing media…")))

    def _watch(self, path: Path) -> None:
        """Notice when another program writes the file; one that was replaced is watched anew."""
        if watched := self._watcher.files():
            self._watcher.removePaths(watched)
        self._watcher.addPath(str(path))

    def _changed_on_disk(self, path: str) -> None:
        QTimer.singleShot(SETTLE_MS, lambda: self._tell_changed(path))

    def _tell_changed(self, path: str) -> None:
        if self.document is None or Path(path) != self.document.path or not Path(path).exists():
            return
        self._watch(self.document.path)
        if _state_of(self.document.path) == self._written:
            return
        text = self.tr("{name} was saved by another program.").format(name=Path(path).name)
        self._banner.say(text, "todo", ("read_again", self.tr("Read it again")))

    def read_again(self) -> None:
        """The timeline as it is on disk now; its lines are matched to it."""
        if self.document is not None and self.may_leave():
            self.open(self.document.path)

    # Media

    def look_for_media(self) -> None:
        """Look for the media anew, where the folders have changed."""
        if self.document is not None:
            self.document.media_folders = self._folders()
            self._opening.look_again(self.document)

    def _take_media(self, document: Document, content: Content) -> None:
        if document is not self.document:
            return
        document.replace(content)
        self.changed.emit()
        text = self.tr("All media are here.")
        if content.missing:
            text = self.tr("{n} media files are still missing.").format(n=content.missing)
        self._banner.say(text, "warning" if content.missing else "good")

    # Saving and leaving

    def save(self, path: Path) -> bool:
        if self.document is None:
            return False
        try:
            self.document.save(path)
        except DubError as error:
            self._banner.say(str(error), "error")
            return False
        self._written = _state_of(self.document.path)
        self._banner.say(self.tr("Saved {name}").format(name=self.document.saved_as), "good")
        self.noted.emit()
        return True

    def save_where_known(self) -> bool:
        """Ask where only the first time."""
        known = self.document.saved_as if self.document is not None else None
        return self.save(known) if known is not None else self.ask_save()

    def ask_save(self) -> bool:
        if self.document is None:
            return False
        path = file_questions.ask_target(self._window, self.document.target)
        return path is not None and self.save(path)

    def ask_save_ours(self) -> None:
        """The tracks of dubs alone, to paste above one's own in another program."""
        document = self.document
        if document is None:
            return
        proposed = document.path.with_name(f"{document.path.stem}.ours.otio")
        path = file_questions.ask_target(self._window, proposed)
        if path is not None:
            self.save_ours(path)

    def save_ours(self, path: Path) -> None:
        if self.document is None:
            return
        try:
            write_timeline(only_ours(self.document.content.timeline), path)
        except DubError as error:
            self._banner.say(str(error), "warning")
            return
        self._banner.say(self.tr("Saved {name}").format(name=path), "good")

    def may_leave(self) -> bool:
        """Whether the timeline may be closed: it is saved, or nobody wants it to be."""
        if self.document is None or not self.document.is_changed:
            return True
        answer = file_questions.ask_to_save(self._window, self.document.path.name)
        return answer == "discard" or (answer == "save" and self.save_where_known())

    # History

    def change(self, content: Content) -> None:
        if self.document is not None:
            self.document.change(content)
            self._tell()

    def travel(self, way: Literal["undo", "redo"]) -> None:
        document = self.document
        if document is None or not (document.can_undo if way == "undo" else document.can_redo):
            return
        document.undo() if way == "undo" else document.redo()
        self._banner.hide()  # it tells of what is no more
        self._tell()

    def _tell(self) -> None:
        self.changed.emit()
        self.noted.emit()


def _state_of(path: Path) -> tuple[int, int]:
    """By which a file that was written anew is told from the one before."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size


class Opening(QObject):
    """Reads timelines beside the GUI thread; only the latest one asked for is heard of.

    `opened` brings a path and its content, `looked_again` the content of the open document."""

    opened = Signal(object, object)
    looked_again = Signal(object, object)
    failed = Signal(str)
    _done = Signal(int, object, object)

    def __init__(self) -> None:
        super().__init__()
        self._number = 0
        self._done.connect(self._hear)

    def open(self, path: Path, media_folders: Sequence[Path]) -> None:
        def read() -> Content:
            first_of_images("")  # what it imports would hold the GUI thread up later
            return open_content(path, media_folders)

        self._start(path, read)

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
