# ruff: noqa: N802  (Qt calls these by its own names)
"""Preferences, help and about: small windows beside the panel, never in its way."""

from __future__ import annotations

import dataclasses
import threading

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import (
    QDialog,
    QFormLayout,
    QHBoxLayout,
    QPushButton,
    QTextBrowser,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from stylesync_plugin.contract import __version__

from stylesync_ui.engine.preview_folder import PreviewFolder
from stylesync_ui.look import theme
from stylesync_ui.look.widgets import Check, Choice, Elided, button, label, row, tool
from stylesync_ui.panel.commands import Command, Group, all_groups
from stylesync_ui.panel.preferences import ORIGINAL_SOUNDS, PREVIEW_HEIGHTS, Preferences
from stylesync_ui.timeline.file_questions import ask_folder

DEVICES = ("auto", "cpu", "cuda", "mps")
FRAME = 48
"""px of the screen that a window manager puts around a window."""
CACHE_SIZES = (500, 1000, 2000, 5000, 10_000, 50_000)


class PreferencesDialog(QDialog):
    """Every change holds at once."""

    changed = Signal(object)
    _sized = Signal(int)

    def __init__(self, preferences: Preferences, folder: PreviewFolder, parent: QWidget) -> None:
        super().__init__(parent)
        self.preferences, self._folder = preferences, folder
        self.setWindowTitle(self.tr("Preferences"))
        self.setMinimumWidth(460)
        self.models = Elided()
        self.choose, self.default_models = self._folder_buttons(self.tr("Choose…"))
        self.media = Elided()
        self.choose_media, self.forget_media = self._folder_buttons(self.tr("Add…"))
        self.device, self.height_box = Choice(), Choice()
        self.limit, self.original = Choice(), Choice()
        self.size_text = label("", "muted")
        self.clean = button(self.tr("Clean now"))
        self.consent = Check(self.tr("Dub only with consent on record"))
        self._build()
        self._show()
        self._sized.connect(self._show_size)
        self._measure(None)

    def _build(self) -> None:
        for entry in DEVICES:
            self.device.addItem(self.tr("Automatic") if entry == "auto" else entry.upper(), entry)
        for height in PREVIEW_HEIGHTS:
            self.height_box.addItem(self.tr("{h} lines").format(h=height), height)
        for level, text in zip(
            ORIGINAL_SOUNDS,
            (
                self.tr("Off under a dub"),
                self.tr("20 dB lower under a dub"),
                self.tr("As it was under a dub"),
            ),
            strict=True,
        ):
            self.original.addItem(text, level)
        for size in sorted({*CACHE_SIZES, self.preferences.cache_mb}):
            self.limit.addItem(self.tr("{n:g} GB").format(n=size / 1000), size)
        for widget, name in (
            (self.choose, self.tr("Choose the models folder")),
            (self.choose_media, self.tr("Add a media folder")),
            (self.device, self.tr("Compute on")),
            (self.height_box, self.tr("Preview size")),
            (self.limit, self.tr("Keep previews up to")),
            (self.original, self.tr("Original sound under a dub")),
        ):
            widget.setAccessibleName(name)
        form = QFormLayout()
        form.setSpacing(10)
        form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow(
            self.tr("Models folder"), _stretched(self.models, self.default_models, self.choose)
        )
        form.addRow(
            self.tr("Media folders"), _stretched(self.media, self.forget_media, self.choose_media)
        )
        form.addRow(self.tr("Compute on"), self.device)
        form.addRow(self.tr("Preview size"), self.height_box)
        form.addRow(self.tr("Keep previews up to"), self.limit)
        form.addRow("", row(self.size_text, None, self.clean))
        form.addRow(self.tr("Original sound"), self.original)
        form.addRow(self.tr("Consent"), self.consent)
        close = button(self.tr("Close"))
        close.clicked.connect(self.accept)
        made = QVBoxLayout(self)
        made.setContentsMargins(20, 18, 20, 16)
        made.setSpacing(18)
        made.addLayout(form)
        made.addLayout(row(None, close))
        self._connect()

    def _connect(self) -> None:
        self.choose.clicked.connect(self._choose_models)
        self.default_models.clicked.connect(lambda: self._set(models_folder=""))
        self.choose_media.clicked.connect(self._add_media)
        self.forget_media.clicked.connect(lambda: self._set(media_folders=[]))
        self.device.activated.connect(lambda: self._set(device=self.device.currentData()))
        self.height_box.activated.connect(
            lambda: self._set(preview_height=self.height_box.currentData())
        )
        self.original.activated.connect(
            lambda: self._set(original_sound=self.original.currentData())
        )
        self.limit.activated.connect(lambda: self._set(cache_mb=self.limit.currentData()))
        self.consent.clicked.connect(lambda on: self._set(consent_required=on))
        self.clean.clicked.connect(lambda: self._measure(0))

    def _show(self) -> None:
        models, media = self.preferences.models_folder, self.preferences.media_folders
        self.models.setText(models or self.tr("Those that came with it"))
        self.default_models.setVisible(bool(models))
        self.media.setText(", ".join(media) or self.tr("Beside the timeline"))
        self.forget_media.setVisible(bool(media))
        self.device.setCurrentIndex(max(0, self.device.findData(self.preferences.device)))
        self.height_box.setCurrentIndex(
            max(0, self.height_box.findData(self.preferences.preview_height))
        )
        self.limit.setCurrentIndex(self.limit.findData(self.preferences.cache_mb))
        self.original.setCurrentIndex(
            max(0, self.original.findData(self.preferences.original_sound))
        )
        if self.consent.isEnabled():
            self.consent.setChecked(self.preferences.consent_required)

    def show_studio_asks(self) -> None:
        """The studio's rule stands above the editor's own."""
        self.consent.setChecked(True)
        self.consent.setEnabled(False)
        self.consent.setText(self.tr("Dub only with consent on record: a rule of the studio"))

    def _set(self, **changes: object) -> None:
        self.preferences = dataclasses.replace(self.preferences, **changes)  # type: ignore[arg-type]
        self._show()
        self.changed.emit(self.preferences)

    def _folder_buttons(self, text: str) -> tuple[QPushButton, QToolButton]:
        return button(text), tool("close", self.tr("Forget it"))

    def _choose_models(self) -> None:
        chosen = ask_folder(self, self.tr("Folder of models"))
        if chosen is not None:
            self._set(models_folder=str(chosen))

    def _add_media(self) -> None:
        chosen = ask_folder(self, self.tr("Folder of media"))
        if chosen is not None and str(chosen) not in self.preferences.media_folders:
            self._set(media_folders=[*self.preferences.media_folders, str(chosen)])

    def _measure(self, limit: int | None) -> None:
        """Count, or clean down to `limit` bytes, beside the GUI thread."""
        self.size_text.setText(self.tr("Counting…"))
        folder = self._folder

        def work() -> None:
            size = folder.size() if limit is None else folder.trim(limit)
            try:
                self._sized.emit(size)
            except RuntimeError:
                return  # the dialog was closed meanwhile

        threading.Thread(target=work, daemon=True).start()

    def _show_size(self, size: int) -> None:
        self.size_text.setText(self.tr("{n} MB in use").format(n=round(size / 1e6)))


def _stretched(first: QWidget, *others: QWidget) -> QHBoxLayout:
    made = row(first, *others)
    made.setStretch(0, 1)
    return made


class TextDialog(QDialog):
    """A page to read."""

    def __init__(self, title: str, html: str, size: tuple[int, int], parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        room = parent.screen().availableSize()
        self.resize(min(size[0], room.width() - FRAME), min(size[1], room.height() - FRAME))
        self.page = QTextBrowser()
        self.page.setOpenExternalLinks(True)
        self.page.setAccessibleName(title)
        self._html = html
        self._show()
        close = button(self.tr("Close"))
        close.clicked.connect(self.accept)
        made = QVBoxLayout(self)
        made.setContentsMargins(14, 14, 14, 12)
        made.addWidget(self.page)
        made.addLayout(row(None, close))

    def _show(self) -> None:
        document = self.page.document()
        document.setDefaultStyleSheet(_page_style())
        self.page.setHtml(self._html)
        document.setDocumentMargin(16)

    def changeEvent(self, event: QEvent) -> None:
        """The text of a page does not follow the style sheet by itself."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.StyleChange:
            self._show()


def _page_style() -> str:
    colours = theme.current()
    return (
        f"body {{ color: {colours.text.name()}; }}"
        " h2 { font-size: 16px; } h3 { font-size: 13px; }"
        f" td {{ padding: 1px 18px 1px 0; }} .k {{ font-weight: 600; }}"
        f" .m {{ color: {colours.muted.name()}; }} .dub {{ color: {colours.dub.name()}; }}"
        f" .speech {{ color: {colours.speech.name()}; }}"
        f" .style {{ color: {colours.style.name()}; }}"
    )


def help_page(parent: QWidget) -> TextDialog:
    """How a dub is made, and every key."""
    tr = parent.tr
    steps = (
        ("dub", tr("Dub"), tr("Stand on the shot and press X, or mark it with I and O.")),
        (
            "speech",
            tr("Speech"),
            tr("Drop a sound file on the timeline, or drag over an audio track."),
        ),
        (
            "style",
            tr("Style"),
            tr("The shot itself tells how the person speaks; 10 s of them elsewhere tell more."),
        ),
    )
    listed = "".join(f"<p><b class='{c}'>{name}</b>&nbsp; {text}</p>" for c, name, text in steps)
    done = tr(
        "Choose the face to dub by a click where several are seen. The result lies on a new track"
        " above the original, which stays untouched."
    )
    session = tr(
        "A session: drop a script and the folder of its sounds. In the table Tab goes to the next"
        " line, Space plays it, Ctrl+Return dubs, [ and ] change takes, Y approves, N wants a redo."
        " On the lane a drag slips a line's sound, its ends trim it, with Ctrl they stretch it."
    )
    html = (
        f"<h2>{tr('A dub in three ranges')}</h2>{listed}<p>{done}</p>"
        f"<p><b>{tr('Lines')}</b>&nbsp; {session}</p>{_keys()}"
    )
    return TextDialog(tr("How it works"), html, (780, 760), parent)


def _keys() -> str:
    """All commands that have keys, as a page's two columns."""
    timeline, play, marks, views, lines, dub, rest = map(_keys_of, all_groups())
    left, right = (timeline, play, marks), (lines, views, dub, rest)
    columns = "".join(f"<td width='50%'>{''.join(part)}</td>" for part in (left, right))
    return f"<table width='100%' style='margin-top: 10px'><tr>{columns}</tr></table>"


def _keys_of(group: Group) -> str:
    rows = "".join(
        f"<tr><td class='k'>{_key_text(command)}</td><td>{command.text.rstrip('…')}</td></tr>"
        for command in group.commands
        if command.keys
    )
    return f"<h3>{group.title}</h3><table>{rows}</table>" if rows else ""


def _key_text(command: Command) -> str:
    native = QKeySequence.SequenceFormat.NativeText
    return " ".join(QKeySequence(keys).toString(native) for keys in command.keys[:1])


def about_page(parent: QWidget) -> TextDialog:
    """Version and the licences of what it stands on."""
    tr = parent.tr
    parts = (
        ("StyleSync", "Apache-2.0"),
        ("Qt, PySide6", "LGPL-3.0"),
        ("PyTorch", "BSD-3-Clause"),
        ("diffusers, transformers", "Apache-2.0"),
        ("OpenTimelineIO", "Apache-2.0"),
        ("PyAV, FFmpeg", "BSD-3-Clause, LGPL-2.1"),
        ("OpenCV", "Apache-2.0"),
        ("MediaPipe face models", "Apache-2.0"),
        ("Whisper base encoder", "MIT"),
        ("miniaudio", "MIT"),
    )
    table = "".join(f"<tr><td>{n}</td><td class='m'>{licence}</td></tr>" for n, licence in parts)
    mark = tr("Dubbed pictures are made by a machine; say so where you show them.")
    html = (
        f"<h2>StyleSync {__version__}</h2>"
        f"<p>{tr('Visual dubbing that keeps the way a person speaks.')}"
        f"</p><p class='m'>{mark}</p><h3>{tr('Licences')}</h3><table>{table}</table>"
    )
    return TextDialog(tr("About StyleSync"), html, (460, 410), parent)
