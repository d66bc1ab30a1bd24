"""Preferences, help and about: small windows beside the panel, never in its way."""

from __future__ import annotations

import dataclasses
import threading

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QFileDialog,
    QFormLayout,
    QSpinBox,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)
from stylesync_plugin.contract import __version__

from stylesync_ui import theme
from stylesync_ui.parts import Choice, Elided, button, label, row
from stylesync_ui.preferences import PREVIEW_HEIGHTS, Preferences
from stylesync_ui.preview_folder import PreviewFolder

DEVICES = ("auto", "cpu", "cuda", "mps")


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
        self.choose = button(self.tr("Choose…"))
        self.device, self.height_box = Choice(), Choice()
        self.limit = QSpinBox()
        self.size_text = label("", "muted")
        self.clean = button(self.tr("Clean now"))
        self.consent = QCheckBox(self.tr("Dub only with the person's consent on record"))
        self._build()
        self._show()
        self._sized.connect(self._show_size)
        self._measure(None)

    def _build(self) -> None:
        for entry in DEVICES:
            self.device.addItem(self.tr("Automatic") if entry == "auto" else entry.upper(), entry)
        for height in PREVIEW_HEIGHTS:
            self.height_box.addItem(self.tr("{h} lines").format(h=height), height)
        self.limit.setRange(100, 200_000)
        self.limit.setSingleStep(500)
        self.limit.setSuffix(" MB")
        form = QFormLayout()
        form.setSpacing(10)
        form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        models = row(self.models, self.choose)
        models.setStretch(0, 1)
        form.addRow(self.tr("Models folder"), models)
        form.addRow(self.tr("Compute on"), self.device)
        form.addRow(self.tr("Preview size"), self.height_box)
        form.addRow(self.tr("Keep previews up to"), self.limit)
        form.addRow("", row(self.size_text, None, self.clean))
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
        self.device.activated.connect(lambda: self._set(device=self.device.currentData()))
        self.height_box.activated.connect(
            lambda: self._set(preview_height=self.height_box.currentData())
        )
        self.limit.valueChanged.connect(lambda value: self._set(cache_mb=value))
        self.consent.toggled.connect(lambda on: self._set(consent_required=on))
        self.clean.clicked.connect(lambda: self._measure(0))

    def _show(self) -> None:
        self.models.setText(self.preferences.models_folder or self.tr("Those that came with it"))
        self.device.setCurrentIndex(max(0, self.device.findData(self.preferences.device)))
        self.height_box.setCurrentIndex(
            max(0, self.height_box.findData(self.preferences.preview_height))
        )
        self.limit.setValue(self.preferences.cache_mb)
        self.consent.setChecked(self.preferences.consent_required)

    def _set(self, **changes: object) -> None:
        self.preferences = dataclasses.replace(self.preferences, **changes)  # type: ignore[arg-type]
        self.changed.emit(self.preferences)

    def _choose_models(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, self.tr("Folder of models"))
        if chosen:
            self._set(models_folder=chosen)
            self._show()

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


class TextDialog(QDialog):
    """A page to read."""

    def __init__(self, title: str, html: str, size: tuple[int, int], parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.resize(*size)
        page = QTextBrowser()
        page.setOpenExternalLinks(True)
        page.document().setDefaultStyleSheet(_page_style())
        page.document().setDocumentMargin(16)
        page.setHtml(html)
        page.setAccessibleName(title)
        close = button(self.tr("Close"))
        close.clicked.connect(self.accept)
        made = QVBoxLayout(self)
        made.setContentsMargins(14, 14, 14, 12)
        made.addWidget(page)
        made.addLayout(row(None, close))


def _page_style() -> str:
    colours = theme.current()
    return (
        f"body {{ color: {colours.text.name()}; }}"
        " h2 { font-size: 16px; } h3 { font-size: 13px; }"
        f" td {{ padding: 3px 18px 3px 0; }} .k {{ font-weight: 600; }}"
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
    keys = (
        ("Space", tr("play, pause")),
        ("J  K  L", tr("backwards, stop, forwards; again: faster")),
        ("← →", tr("one frame; with Shift ten")),
        ("↑ ↓", tr("previous, next edit")),
        ("I  O  X", tr("mark in, out, the whole shot")),
        ("1  2  3", tr("draw dub, speech, style ranges")),
        ("+  −  \\", tr("zoom in, out, show all")),
        ("A  W  S  D", tr("before/after, wipe, side by side, difference")),
        ("F, Return", tr("go through the faces, choose one")),
        ("Ctrl+Return", tr("dub")),
        ("Ctrl+Z, Ctrl+Shift+Z", tr("undo, redo")),
        ("Ctrl+O, Ctrl+S", tr("open, save")),
    )
    listed = "".join(f"<h3 class='{c}'>{name}</h3><p>{text}</p>" for c, name, text in steps)
    table = "".join(f"<tr><td class='k'>{k}</td><td>{text}</td></tr>" for k, text in keys)
    done = tr("The result lies on a new track above the original, which stays untouched.")
    html = f"<h2>{tr('A dub in three ranges')}</h2>{listed}<p>{done}</p><h2>{tr('Keys')}</h2>"
    return TextDialog(tr("How it works"), f"{html}<table>{table}</table>", (600, 620), parent)


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
        ("Whisper tiny.en encoder", "MIT"),
        ("miniaudio", "MIT"),
    )
    table = "".join(f"<tr><td>{n}</td><td class='m'>{licence}</td></tr>" for n, licence in parts)
    mark = tr("Dubbed pictures are made by a machine; say so where you show them.")
    html = (
        f"<h2>StyleSync {__version__}</h2>"
        f"<p>{tr('Visual dubbing that keeps the way a person speaks.')}"
        f"</p><p class='m'>{mark}</p><h3>{tr('Licences')}</h3><table>{table}</table>"
    )
    return TextDialog(tr("About StyleSync"), html, (460, 440), parent)
