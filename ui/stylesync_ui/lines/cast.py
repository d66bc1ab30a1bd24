"""The cast: what every line of a character inherits, chosen once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import (
    QColorDialog,
    QDialog,
    QFormLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QVBoxLayout,
    QWidget,
)
from stylesync_plugin.lines.document import Character, Lines

from stylesync_ui.look.icons import icon
from stylesync_ui.look.widgets import Elided, button, label, offer_names, row, tool
from stylesync_ui.timeline.file_questions import ask_consent, ask_style

Ask = Callable[[QWidget], Path | None]


class CastDialog(QDialog):
    """Every change holds at once; `changed` brings the character as it is now."""

    changed = Signal(object)
    face_asked = Signal(str)

    def __init__(self, lines: Lines, parent: QWidget, people: Sequence[str] = ()) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Cast"))
        self.setMinimumSize(560, 320)
        self.names = QListWidget()
        self.names.setAccessibleName(self.tr("Characters"))
        self.style_text, self.consent_text, self.face_text = Elided(), Elided(), Elided()
        self.person = QLineEdit()
        self.person.setPlaceholderText(self.tr("Who plays it, or a folder of theirs"))
        offer_names(self.person, people, self.tr("People who were made"))
        self.colour = button("")
        self.count = label("", "muted")
        self._forgets: dict[str, QWidget] = {}
        self._lines = lines
        self._build()
        self.show_lines(lines)
        self.names.setCurrentRow(0)

    def _build(self) -> None:
        form = QFormLayout()
        form.setSpacing(10)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("", self.count)
        form.addRow(self.tr("Person"), self.person)
        for title, shown, field, ask in (
            (self.tr("Footage"), self.style_text, "style", ask_style),
            (self.tr("Consent"), self.consent_text, "consent", ask_consent),
        ):
            form.addRow(title, self._file_row(shown, field, ask))
        self.face = button(self.tr("From the viewer"))
        self.face.setToolTip(self.tr("The face that is chosen on the picture under the playhead"))
        form.addRow(self.tr("Face"), self._row(self.face_text, "speaker", self.face))
        form.addRow(self.tr("Colour"), self.colour)
        close = button(self.tr("Close"))
        sides = row(self.names, spacing=16)
        sides.addLayout(form, 1)
        made = QVBoxLayout(self)
        made.setContentsMargins(16, 14, 16, 12)
        made.addLayout(sides, 1)
        made.addLayout(row(None, close))
        self.names.setMaximumWidth(180)
        self.names.currentRowChanged.connect(lambda _: self._show())
        self.person.editingFinished.connect(
            lambda: self._set(person=self.person.text().strip() or None)
        )
        self.colour.clicked.connect(self._ask_colour)
        self.face.clicked.connect(lambda: self.face_asked.emit(self.current.name))
        close.clicked.connect(self.accept)

    def _file_row(self, shown: Elided, field: str, ask: Ask) -> QWidget:
        choose = button(self.tr("Choose…"))

        def choose_file() -> None:
            path = ask(self)
            if path is not None:
                self._set(**{field: str(path)})

        choose.clicked.connect(choose_file)
        return self._row(shown, field, choose)

    def _row(self, shown: Elided, field: str, choose: QWidget) -> QWidget:
        made, forget = QWidget(), tool("close", self.tr("Forget it"))
        self._forgets[field] = forget
        forget.clicked.connect(lambda: self._set(**{field: None}))
        layout = row(shown, forget, choose)
        layout.setStretch(0, 1)
        made.setLayout(layout)
        return made

    @property
    def current(self) -> Character:
        index = self.names.currentRow()
        return self._lines.cast[index] if 0 <= index < len(self._lines.cast) else Character("")

    def show_lines(self, lines: Lines) -> None:
        """The cast as it is now."""
        self._lines, chosen = lines, max(0, self.names.currentRow())
        self.names.blockSignals(True)
        self.names.clear()
        for entry in lines.cast:
            item = QListWidgetItem(entry.name)
            if entry.colour:
                item.setIcon(icon("person", entry.colour))
            self.names.addItem(item)
        self.names.setCurrentRow(chosen)
        self.names.blockSignals(False)
        self._show()

    def _show(self) -> None:
        who = self.current
        count = sum(line.character == who.name for line in self._lines.lines)
        self.count.setText(self.tr("{n} lines inherit this").format(n=count))
        self.style_text.setText(Path(who.style).name if who.style else self.tr("The shot itself"))
        self.consent_text.setText(
            Path(who.consent).name if who.consent else self.tr("None on record")
        )
        self.face_text.setText(who.speaker or self.tr("Whoever speaks"))
        for field, forget in self._forgets.items():
            forget.setVisible(bool(getattr(who, field)))
        if not self.person.hasFocus():
            self.person.setText(who.person or "")
        self.colour.setText(who.colour or self.tr("None"))
        self.colour.setIcon(icon("person", who.colour or ""))

    def _set(self, **changes: str | None) -> None:
        self.changed.emit(replace(self.current, **changes))  # type: ignore[arg-type]  # field names

    def _ask_colour(self) -> None:
        chosen = QColorDialog.getColor(QColor(self.current.colour or "#5c9df5"), self)
        if chosen.isValid():
            self._set(colour=chosen.name())
