"""The questions for files and folders, where an empty answer is None, and before leaving."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from PySide6.QtCore import QCoreApplication
from PySide6.QtWidgets import QFileDialog, QMessageBox, QWidget
from stylesync_plugin.formats.files import READABLE
from stylesync_plugin.lines.rows import READABLE as SCRIPTS

from stylesync_ui.timeline.document import SAVE_SUFFIXES

SOUNDS = (
    ".wav", ".aif", ".aiff", ".flac", ".mp3", ".m4a", ".ogg", ".opus", ".mov", ".mp4", ".mxf",
    ".mkv", ".mpg",
)  # fmt: skip


def tr(text: str) -> str:
    return QCoreApplication.translate("file_questions", text)


def is_timeline(path: str) -> bool:
    return Path(path).suffix.lower() in READABLE


def is_script(path: str) -> bool:
    """Whether a file holds lines; XML is a script where it holds TTML."""
    if Path(path).suffix.lower() not in SCRIPTS:
        return False
    return not is_timeline(path) or _begins_as_ttml(path)


def _begins_as_ttml(path: str) -> bool:
    try:
        if not Path(path).is_file():
            return False
        with Path(path).open("rb") as file:
            return b"ttml" in file.read(2000)
    except OSError:
        return False


def ask_script(parent: QWidget) -> Path | None:
    return _ask(parent, tr("The script of the lines"), _kinds(tr("Scripts"), SCRIPTS))


def ask_timeline(parent: QWidget) -> Path | None:
    return _ask(parent, tr("Open a timeline"), _kinds(tr("Timelines"), READABLE))


def ask_target(parent: QWidget, proposed: Path) -> Path | None:
    """Where to save the dubbed timeline."""
    kinds = _kinds(tr("Timelines"), SAVE_SUFFIXES)
    title = tr("Save the dubbed timeline")
    path, _ = QFileDialog.getSaveFileName(parent, title, str(proposed), kinds)
    return Path(path) if path else None


def ask_lines_target(parent: QWidget, proposed: Path) -> Path | None:
    """Where to write the lines: a table, or jobs."""
    offered = ((tr("Table"), ".csv"), (tr("Notes"), ".notes.csv"), (tr("Jobs"), ".json"))
    kinds = ";;".join(_kinds(name, (suffix,)) for name, suffix in offered)
    path, _ = QFileDialog.getSaveFileName(parent, tr("Export the lines"), str(proposed), kinds)
    return Path(path) if path else None


def ask_speech(parent: QWidget) -> Path | None:
    return _ask(parent, tr("The new speech"), _kinds(tr("Sound"), SOUNDS))


def ask_style(parent: QWidget) -> Path | None:
    return _ask(parent, tr("A clip of the same person"), "")


def ask_consent(parent: QWidget) -> Path | None:
    return _ask(parent, tr("The person's consent"), _kinds(tr("Consent records"), (".json",)))


def ask_jobs(parent: QWidget) -> Path | None:
    return _ask(parent, tr("A jobs file"), _kinds(tr("Jobs"), (".json",)))


_last_folder = ""


def begin_in(folder: Path) -> None:
    """Where files are looked for first, until one was chosen elsewhere."""
    global _last_folder
    _last_folder = str(folder)


def ask_folder(parent: QWidget, title: str) -> Path | None:
    path = QFileDialog.getExistingDirectory(parent, title, _last_folder)
    return Path(path) if path else None


def _ask(parent: QWidget, title: str, kinds: str) -> Path | None:
    path, _ = QFileDialog.getOpenFileName(parent, title, _last_folder, kinds)
    if path:
        begin_in(Path(path).parent)
    return Path(path) if path else None


def _kinds(name: str, suffixes: tuple[str, ...]) -> str:
    return f"{name} ({' '.join(f'*{suffix}' for suffix in suffixes)})"


def ask_to_save(parent: QWidget, name: str) -> Literal["save", "discard", "cancel"]:
    """What to do with changes before a timeline is left."""
    kinds = QMessageBox.StandardButton
    box = QMessageBox(parent)
    box.setWindowTitle("StyleSync")
    box.setText(parent.tr("{name} has dubs that are not saved.").format(name=name))
    box.setInformativeText(parent.tr("Save the dubbed timeline? The original stays as it is."))
    box.setStandardButtons(kinds.Save | kinds.Discard | kinds.Cancel)
    box.setDefaultButton(kinds.Save)
    answer = box.exec()
    if answer == kinds.Save:
        return "save"
    return "discard" if answer == kinds.Discard else "cancel"
