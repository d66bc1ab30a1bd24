"""From keys, clicks and files to ranges, the speaker and what goes with them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtWidgets import QWidget
from stylesync_plugin.times import Span

from stylesync_ui.strip.area import StripArea
from stylesync_ui.timeline import file_questions
from stylesync_ui.timeline.document import ClipView, Content
from stylesync_ui.timeline.timeline_file import TimelineFile
from stylesync_ui.viewer.player import Player
from stylesync_ui.viewer.viewing import Viewing
from stylesync_ui.wish.choices import StyleChoice
from stylesync_ui.wish.editing import Editing, End, Kind


class Marking(QObject):
    """Marks at the playhead what the strip is set to: dub, speech or style.

    `session_dropped` brings a script, a folder of sounds, or both.
    """

    session_dropped = Signal(object)

    def __init__(
        self, timeline: TimelineFile, editing: Editing, area: StripArea, player: Player,
        viewing: Viewing, window: QWidget,
    ) -> None:  # fmt: skip
        super().__init__(window)
        self._window, self._timeline, self._editing = window, timeline, editing
        self._coming: list[str] = []
        timeline.opened.connect(lambda _: QTimer.singleShot(0, self._take_coming))
        self._area, self._player, self._viewing = area, player, viewing

    def mark_here(self, end: End) -> None:
        """One end of the range that is being marked; the frame that is shown belongs to it."""
        document = self._editing.document
        if document is not None:
            after = 1 / document.content.rate if end == "out" else 0
            self._editing.mark(self._area.strip.kind, end, self._player.position + after)
        if end == "out":
            self.end_mark()

    def end_mark(self) -> None:
        """A mark is whole: whatever was marked, the next one is a range to dub again."""
        self._area.choose_kind("dub")

    def mark_shot(self) -> None:
        clip = self._clip_here()
        if clip is not None:
            kind = self._area.strip.kind
            self.choose_shot("style" if kind == "style" else "dub", clip)

    def choose_shot(self, kind: Kind, clip: ClipView) -> None:
        label = clip.placed.label if kind != "dub" else None
        self._editing.draw(kind, clip.span, label)
        self.end_mark()

    def take_style_range(self) -> None:
        """Take the shot under the playhead to begin with; dragging its ends changes it."""
        clip = self._clip_here()
        if self._editing.wish.style.span is None and clip is not None:
            self.choose_shot("style", clip)
        else:
            self._area.choose_kind("style")
            self._editing.changed.emit()

    def choose_face(self, x: float, y: float) -> None:
        """The face at a point, px of the picture that is shown, is the one to dub."""
        document = self._editing.document
        if document is None:
            return
        place = self._viewing.source_at(document.content, self._player.position)
        clip = self._clip_here()
        if place is not None and clip is not None:
            self._editing.choose_face(*place, x, y, clip.span)

    def take_speech(self, path: str) -> None:
        self._editing.take_lines([path])

    def take_files(self, paths: Sequence[str], moment: Fraction | None = None) -> None:
        """What was dropped: a timeline is opened; a script and a folder of sounds are a session's
        lines; all others are speech, and the first starts there."""
        opened = [p for p in paths if file_questions.is_timeline(p) and not _is_of_session(p)]
        lines = [path for path in paths if path not in opened]
        timeline = next(iter(opened), None)
        if timeline is None and any(map(_is_of_session, lines)):
            self.session_dropped.emit(lines)
        elif timeline is None:
            self.take_lines(lines, moment)
        elif self._timeline.may_leave():
            self._coming = lines
            self._timeline.open(Path(timeline))

    def _take_coming(self) -> None:
        """Lines that came together with the timeline."""
        lines, self._coming = self._coming, []
        if lines:
            self.take_files(lines)

    def take_lines(self, paths: Sequence[str], moment: Fraction | None = None) -> None:
        """Sound files that were dropped; on the strip the first one starts where it fell."""
        document = self._editing.document
        if document is not None and moment is not None:
            self._begin_at(document.content, moment)
        self._editing.take_lines(paths)

    def _begin_at(self, content: Content, moment: Fraction) -> None:
        dub, clip = self._editing.wish.dub, content.shown_at(moment)
        if dub is not None and dub.start <= moment < dub.end:
            self._editing.set_wish(dub=Span(moment, dub.end))
        elif clip is not None:
            self._editing.set_wish(dub=Span(moment, clip.span.end))

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


def _is_of_session(path: str) -> bool:
    return file_questions.is_script(path) or Path(path).is_dir()
