"""From keys, clicks and files to ranges, the speaker and what goes with them."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget

from stylesync_ui.strip.area import StripArea
from stylesync_ui.timeline import file_questions
from stylesync_ui.timeline.document import ClipView
from stylesync_ui.viewer.player import Player
from stylesync_ui.viewer.viewing import Viewing
from stylesync_ui.wish.choices import SpeechChoice, StyleChoice
from stylesync_ui.wish.editing import Editing, End, Kind


class Marking:
    """Marks at the playhead what the strip is set to: dub, speech or style."""

    def __init__(
        self, window: QWidget, editing: Editing, area: StripArea, player: Player, viewing: Viewing
    ) -> None:
        self._window, self._editing = window, editing
        self._area, self._player, self._viewing = area, player, viewing

    def mark_here(self, end: End) -> None:
        """One end of the range that is being marked; the frame that is shown belongs to it."""
        document = self._editing.document
        if document is not None:
            after = 1 / document.content.rate if end == "out" else 0
            self._editing.mark(self._area.strip.kind, end, self._player.position + after)

    def mark_shot(self) -> None:
        clip = self._clip_here()
        if clip is not None:
            kind = self._area.strip.kind
            self.choose_shot("dub" if kind == "speech" else kind, clip)

    def choose_shot(self, kind: Kind, clip: ClipView) -> None:
        label = clip.placed.label if kind != "dub" else None
        self._editing.draw(kind, clip.span, label)

    def take_style_range(self) -> None:
        """Take the shot under the playhead to begin with; dragging changes it."""
        self._area.choose_kind("style")
        clip = self._clip_here()
        if self._editing.wish.style.span is None and clip is not None:
            self.choose_shot("style", clip)
        else:
            self._editing.changed.emit()

    def choose_face(self, x: float, y: float) -> None:
        """The face at a point, px of the picture that is shown, is the one to dub."""
        document = self._editing.document
        if document is None:
            return
        place = self._viewing.source_at(document.content, self._player.position)
        if place is not None:
            self._editing.choose_face(*place, x, y)

    def take_speech(self, path: str) -> None:
        self._editing.set_wish(speech=SpeechChoice(file=path))

    def ask_speech(self) -> None:
        path = file_questions.ask_speech(self._window)
        if path is not None:
            self.take_speech(str(path))

    def ask_style(self) -> None:
        """The buttons show again what holds where nothing is chosen."""
        path = file_questions.ask_style(self._window)
        style = StyleChoice(file=str(path)) if path is not None else self._editing.wish.style
        self._editing.set_wish(style=style)

    def ask_consent(self) -> None:
        path = file_questions.ask_consent(self._window)
        if path is not None:
            self._editing.set_wish(consent=str(path))

    def _clip_here(self) -> ClipView | None:
        document = self._editing.document
        return document.content.shown_at(self._player.position) if document else None
