# ruff: noqa: N802, S101  (Qt's own names; asserts that tell the type checker)
"""The form of one dub: three ranges, the speaker, the options; problems beside their fields."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QFrame, QLabel, QLineEdit, QScrollArea, QVBoxLayout, QWidget
from stylesync_plugin.timeline.layout import Layout
from stylesync_plugin.times import Span

from stylesync_ui.look.time_field import TimeField
from stylesync_ui.look.widgets import (
    Choice,
    Elided,
    Note,
    RangeChip,
    Segments,
    button,
    dropped_file,
    dropped_files,
    label,
    line,
    mark,
    named_row,
    row,
    tool,
)
from stylesync_ui.wish.choices import DubWish, StyleChoice
from stylesync_ui.wish.more_options import MoreOptions
from stylesync_ui.wish.problems import Problem, blocks


class DubForm(QWidget):
    """Shows a wish and says what the editor changes about it."""

    span_entered = Signal(str, object)
    asked = Signal(str)
    option_changed = Signal(str, object)
    person_entered = Signal(str)
    files_dropped = Signal(object)
    submitted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setAcceptDrops(True)
        self._notes: dict[str, QVBoxLayout] = {}
        self._shown: tuple[Problem, ...] = ()
        self._texts: dict[str, Elided] = {}
        self._build_fields()
        self._build()

    def _build_fields(self) -> None:
        self.dub_in, self.dub_out = TimeField(self.tr("Dub from")), TimeField(self.tr("Dub to"))
        self.length = label("", "muted")
        self.this_shot = button(self.tr("This shot"))
        self.this_shot.setToolTip(self.tr("The shot under the playhead  (X)"))
        self.speech_file = button(self.tr("File…"))
        self.speech_clear = tool("close", self.tr("Forget the speech"))
        self.style_kind = Segments(
            [("shot", self.tr("The shot itself")), ("range", self.tr("Range")),
             ("file", self.tr("File…"))],
            self.tr("Style reference"), stretch=True,
        )  # fmt: skip
        self.speaker_auto = button(self.tr("Automatic"))
        self.quality = Segments(
            [("draft", self.tr("Draft")), ("good", self.tr("Good")), ("best", self.tr("Best"))],
            self.tr("Quality"), stretch=True,
        )  # fmt: skip
        self.models, self.codec = Choice(), Choice()
        self.delivery, self.policy = Choice(), Choice()
        self.models.addItem(self.tr("Starter"), "starter")
        self.models.addItem(self.tr("Paper"), "paper")
        for key, name in (
            ("prores4444", "ProRes 4444"), ("prores422hq", "ProRes 422 HQ"), ("dnxhr", "DNxHR"),
            ("ffv1", self.tr("FFV1, lossless")), ("h264", "H.264"),
            ("h265", "H.265"), ("png", self.tr("PNG sequence")),
            ("exr", self.tr("EXR sequence")),
        ):  # fmt: skip
            self.codec.addItem(name, key)
        self.delivery.addItem(self.tr("Full frames"), "composite")
        self.delivery.addItem(self.tr("Only what changes, with alpha"), "overlay")
        self.delivery.addItem(self.tr("Layers for compositing, EXR"), "vfx")
        for key, name in (
            ("trim", self.tr("Leave the rest as it was")),
            ("hold", self.tr("Hold the last mouth shape")),
            ("silence", self.tr("Rest the mouth")),
        ):
            self.policy.addItem(name, key)
        self.policy.setToolTip(
            self.tr("What the mouth does where the speech ends before the range.")
            + "\n" + self.tr("Speech that is longer than the range is cut off at its end.")
        )  # fmt: skip
        self.more = MoreOptions()
        self.person = QLineEdit()
        self.person.setPlaceholderText(self.tr("Who is dubbed"))
        self.consent_choose = button(self.tr("Choose…"))
        self.consent_clear = tool("close", self.tr("Forget the consent"))
        self.submit = button(self.tr("Dub"), "primary")
        self.submit.setToolTip(self.tr("Put this dub into the queue  (Ctrl+Return)"))
        self.summary = label("", "muted")
        self.summary.setWordWrap(True)
        self._connect()

    def _connect(self) -> None:
        self.dub_in.entered.connect(lambda moment: self.span_entered.emit("in", moment))
        self.dub_out.entered.connect(lambda moment: self.span_entered.emit("out", moment))
        for widget, what in (
            (self.this_shot, "this_shot"), (self.speech_file, "speech_file"),
            (self.speech_clear, "speech_clear"), (self.speaker_auto, "speaker_auto"),
            (self.consent_choose, "consent_choose"), (self.consent_clear, "consent_clear"),
        ):  # fmt: skip
            widget.clicked.connect(lambda _=False, w=what: self.asked.emit(w))
        self.style_kind.chosen.connect(lambda kind: self.asked.emit(f"style_{kind}"))
        self.quality.chosen.connect(lambda value: self.option_changed.emit("quality", value))
        for box, name in (
            (self.models, "models"), (self.codec, "codec"), (self.delivery, "delivery"),
            (self.policy, "length"),
        ):  # fmt: skip
            box.activated.connect(
                lambda _, b=box, n=name: self.option_changed.emit(n, b.currentData())
            )
        self.person.editingFinished.connect(
            lambda: self.person_entered.emit(self.person.text().strip())
        )
        self.more.option_changed.connect(self.option_changed)
        self.more.heading.toggled.connect(
            lambda _: QTimer.singleShot(0, lambda: self.area.ensureWidgetVisible(self.more))
        )
        self.submit.clicked.connect(self.submitted)

    def _build(self) -> None:
        page = QWidget()
        made = QVBoxLayout(page)
        made.setContentsMargins(14, 12, 14, 12)
        made.setSpacing(5)
        self._section(made, "dub", self.tr("Dub"), self.length, self.this_shot)
        arrow = label("→", "muted")
        made.addLayout(row(self.dub_in, arrow, self.dub_out, None))
        self._note_place(made, "dub")
        self._section(made, "speech", self.tr("Speech"), None, self.speech_clear, self.speech_file)
        made.addWidget(self._text("speech", self.tr("New speech")))
        self._note_place(made, "speech")
        self._section(made, "style", self.tr("Style"), None)
        made.addWidget(self.style_kind)
        made.addWidget(self._text("style", self.tr("Style reference")))
        self._note_place(made, "style")
        self._plain_rows(made)
        made.addStretch(1)
        area = self.area = QScrollArea()
        area.setWidget(page)
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        outer.addWidget(area, 1)
        outer.addWidget(line())
        outer.addWidget(self._foot())

    def _plain_rows(self, made: QVBoxLayout) -> None:
        made.addSpacing(6)
        made.addWidget(line())
        made.addSpacing(6)
        speaker = self._text("speaker", self.tr("Speaker"))
        made.addLayout(named_row(self.tr("Speaker"), speaker, self.speaker_auto))
        self._note_place(made, "speaker")
        made.addLayout(named_row(self.tr("Quality"), self.quality))
        made.addLayout(named_row(self.tr("Models"), self.models))
        self._note_place(made, "models")
        made.addLayout(named_row(self.tr("Delivery"), self.delivery))
        made.addLayout(named_row(self.tr("Codec"), self.codec))
        self._note_place(made, "delivery")
        made.addLayout(named_row(self.tr("After speech"), self.policy))
        made.addLayout(named_row(self.tr("Person"), self.person))
        consent = self._text("consent", self.tr("Consent"))
        made.addLayout(
            named_row(self.tr("Consent"), consent, self.consent_clear, self.consent_choose)
        )
        self._note_place(made, "consent")
        made.addSpacing(4)
        made.addWidget(self.more)

    def _section(
        self, made: QVBoxLayout, kind: str, title: str, note: QLabel | None, *buttons: QWidget
    ) -> None:
        if made.count():
            made.addSpacing(8)
        name = label(title, "title")
        parts: list[QWidget | int | None] = [RangeChip(kind), name]
        if note is not None:
            parts += [4, note]
        layout = row(*parts, None, *buttons)
        made.addLayout(layout)

    def _text(self, key: str, name: str) -> Elided:
        text = Elided()
        text.setAccessibleName(name)
        self._texts[key] = text
        return text

    def _note_place(self, made: QVBoxLayout, field: str) -> None:
        place = QVBoxLayout()
        place.setContentsMargins(0, 0, 0, 0)
        place.setSpacing(3)
        self._notes[field] = place
        made.addLayout(place)

    def _foot(self) -> QWidget:
        foot = QWidget()
        made = QVBoxLayout(foot)
        made.setContentsMargins(14, 10, 14, 12)
        made.setSpacing(8)
        made.addWidget(self.summary)
        made.addWidget(self.submit)
        return foot

    # Showing

    def offer_models(self, names: Sequence[str]) -> None:
        """Names of sets of models, or folders of them."""
        for name in names:
            if self.models.findData(name) < 0:
                title = Path(name).name if Path(name).is_absolute() else name.capitalize()
                self.models.addItem(title, name)

    def set_clock(self, layout: Layout, position: Fraction) -> None:
        for field in (self.dub_in, self.dub_out):
            field.set_clock(layout, position)

    def show_wish(self, wish: DubWish, layout: Layout, lines: Sequence[str] = ()) -> None:
        """`lines` are sound files that wait for the next shots."""
        self.dub_in.show_moment(wish.dub.start if wish.dub else None)
        self.dub_out.show_moment(wish.dub.end if wish.dub else None)
        frames = round(wish.dub.duration * layout.rate) if wish.dub else 0
        self.length.setText(self.tr("{n} frames").format(n=frames) if frames else "")
        said = _speech_text(self, wish, layout)
        if lines:
            more = self.tr("then {next}, {n} in all") if len(lines) > 1 else self.tr("then {next}")
            said += "   " + more.format(next=Path(lines[0]).name, n=len(lines))
        self._show_text("speech", said, wish.speech is not None)
        self.speech_clear.setVisible(wish.speech is not None)
        self._show_text("style", _style_text(self, wish.style, layout), not wish.style.is_shot)
        kind = "file" if wish.style.file else "range" if wish.style.span else "shot"
        self.style_kind.choose(kind)
        self._show_text("speaker", _speaker_text(self, wish), wish.speaker is not None)
        self.speaker_auto.setVisible(wish.speaker is not None)
        self._show_text(
            "consent", Path(wish.consent).name if wish.consent else self.tr("None on record"),
            bool(wish.consent),
        )  # fmt: skip
        self.consent_clear.setVisible(bool(wish.consent))
        if not self.person.hasFocus():
            self.person.setText(wish.person)
        self._show_options(wish)

    def _show_options(self, wish: DubWish) -> None:
        options = wish.options
        self.quality.choose(options.quality)
        self.offer_models([options.models])
        for box, value in (
            (self.models, options.models), (self.codec, options.codec),
            (self.delivery, options.delivery), (self.policy, options.length),
        ):  # fmt: skip
            box.setCurrentIndex(box.findData(value))
        codecs = [self.codec.itemData(number) for number in range(self.codec.count())]
        self.codec.refuse({codec: wish.refusal("codec", codec) for codec in codecs})
        self.more.show_wish(wish)

    def _show_text(self, key: str, text: str, is_set: bool) -> None:
        place = self._texts[key]
        mark(place, "role", "" if is_set else "muted")
        place.setText(text)

    def show_problems(self, problems: Sequence[Problem], summary: str) -> None:
        """Notes beside their fields; the button works where nothing blocks."""
        self.summary.setText(summary)
        self.summary.setVisible(bool(summary))
        self.submit.setEnabled(not blocks(problems))
        if tuple(problems) == self._shown:
            return
        self._shown = tuple(problems)
        for field, place in self._notes.items():
            while place.count():
                item = place.takeAt(0)
                if item is not None and (widget := item.widget()) is not None:
                    widget.hide()
                    widget.deleteLater()
            for problem in problems:
                if problem.field == field:
                    place.addWidget(Note(problem.text, problem.level))

    # Files

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if dropped_file(event.mimeData()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        self.files_dropped.emit(dropped_files(event.mimeData()))
        event.acceptProposedAction()

    @property
    def problems(self) -> tuple[Problem, ...]:
        return self._shown


def _speech_text(form: DubForm, wish: DubWish, layout: Layout) -> str:
    choice = wish.speech
    if choice is None:
        return form.tr("Drop a sound file here, or drag over an audio track")
    if choice.file is not None:
        return Path(choice.file).name
    assert choice.span is not None
    return f"{choice.track or ''}  {_span_text(choice.span, layout)}".strip()


def _style_text(form: DubForm, choice: StyleChoice, layout: Layout) -> str:
    if choice.file is not None:
        return Path(choice.file).name
    if choice.span is not None:
        return f"{choice.track or ''}  {_span_text(choice.span, layout)}".strip()
    return form.tr("How the person speaks in this shot")


def _speaker_text(form: DubForm, wish: DubWish) -> str:
    if wish.speaker is None:
        return form.tr("Whoever speaks")
    return form.tr("Chosen at frame {n}").format(n=wish.speaker.frame)


def _span_text(span: Span, layout: Layout) -> str:
    return f"{layout.time_code(span.start)} – {layout.time_code(span.end)}"
