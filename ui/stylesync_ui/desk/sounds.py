"""The sounds of lines: slipped, trimmed, stretched, and heard so before they are dubbed."""

from __future__ import annotations

import threading
from dataclasses import replace
from fractions import Fraction
from typing import Any

from PySide6.QtCore import QCoreApplication, QObject, Signal
from stylesync_plugin.contract import DubError
from stylesync_plugin.lines.document import Line
from stylesync_plugin.lines.heard import fit_of, heard_sound, heard_span
from stylesync_plugin.times import Span

from stylesync_ui.engine.media_cache import MediaCache
from stylesync_ui.lines.rows import outdated
from stylesync_ui.lines.session import Session
from stylesync_ui.viewer.hearing import HeardLine

AS_RECORDED: dict[str, float] = {"slip": 0, "trim_in": 0.0, "trim_out": 0.0, "stretch": 1.0}
STRETCHES = (0.9, 1.1)
_UNKNOWN = Fraction(600)  # s of a sound whose length is not known yet


class LineSounds(QObject):
    """`made` says that a stretched sound can be heard now; `refused` why one cannot be moved."""

    made = Signal()
    refused = Signal(str)
    _stretched_to = Signal(str, object)

    def __init__(self, session: Session, media: MediaCache) -> None:
        super().__init__()
        self._session, self._media = session, media
        self._stretched: dict[tuple[object, ...], str] = {}
        self._making: tuple[object, ...] | None = None
        self._held = False
        self._stretched_to.connect(self._take)

    def move(self, index: int, changes: dict[str, float], begins: bool = True) -> None:
        """Another slip (frames), trim (s) or stretch of a line's sound: heard so at once. What does
        not begin a step belongs to the one before."""
        row = self._session.rows[index]
        try:
            line = self._session.with_changes(row.line, **changes)
        except DubError as error:
            self.refused.emit(str(error))
            return
        rate, _ = self._session.clock
        length = self._length(line)
        if length is not None:
            line = replace(line, fit=fit_of(line, rate, length, row.span.duration))
        self._session.put({index: outdated(row.line, line)}, undoable=begins)

    def drag(self, index: int, changes: dict[str, float], begins: bool) -> None:
        """Move the sound while the mouse holds it: a file of it is made where it is let go."""
        self._held = True
        self.move(index, changes, begins)

    def let_go(self) -> None:
        self._held = False
        self.made.emit()

    def slip(self, index: int, frames: int) -> None:
        """Hear the line's sound so many frames later."""
        self.move(index, {"slip": self._session.rows[index].line.slip + frames})

    def stretch(self, index: int, by: float) -> None:
        """Make the line's sound longer by a share of its length."""
        wanted = round(self._session.rows[index].line.stretch + by, 3)
        self.move(index, {"stretch": min(max(wanted, STRETCHES[0]), STRETCHES[1])})

    def _length(self, line: Line) -> Fraction | None:
        facts = self._media.sound(line.sound) if line.sound else None
        return facts.length if facts is not None else None

    def heard(self, index: int) -> HeardLine | None:
        """The sound of a line as its dub will have it."""
        if not 0 <= index < len(self._session.rows):
            return None
        row = self._session.rows[index]
        line, span = row.line, row.span
        if line.sound is None or not span:
            return None
        if line.stretch != 1:
            return self._heard_stretched(line, span)
        rate, _ = self._session.clock
        length = self._length(line) or _UNKNOWN
        begin, _ = heard_span(line, rate, length)
        last = length - Fraction(line.trim_out)
        return HeardLine(line.sound, span, span.start + begin, Fraction(line.trim_in), last)

    def _heard_stretched(self, line: Line, span: Span) -> HeardLine:
        """The file that the dub will be made from, once it is there; silence until then."""
        key = (line.sound, line.slip, line.trim_in, line.trim_out, line.stretch)
        if key in self._stretched:
            return HeardLine(self._stretched[key], span, span.start)
        document = self._session.document
        if document is not None and self._making != key and not self._held:
            self._making = key
            folder, (rate, _) = document.media_folder / "lines", self._session.clock

            def work() -> None:
                try:
                    self._stretched[key] = str(heard_sound(line, rate, folder))
                    self._stretched_to.emit(self._stretched[key], None)
                except DubError as error:
                    self._stretched_to.emit("", str(error))

            threading.Thread(target=work, daemon=True).start()
        return HeardLine("", span, span.start)

    def _take(self, path: str, error: str | None) -> None:
        if error:
            self.refused.emit(error)
        elif path:
            self._media.playable(path)
            self.made.emit()


def described(line: Line) -> str:
    """How a line's sound was moved, for the editor; empty where it lies as it was recorded."""
    parts: list[str] = []
    if line.slip:
        later = _tr("{n} frames later") if line.slip > 0 else _tr("{n} frames earlier")
        parts.append(later.format(n=abs(line.slip)))
    for name, text in (("trim_in", _tr("starts {s} s in")), ("trim_out", _tr("ends {s} s early"))):
        seconds: Any = getattr(line, name)
        if seconds:
            parts.append(text.format(s=f"{seconds:.2f}"))
    if line.stretch != 1:
        parts.append(_tr("{n} % as long").format(n=f"{line.stretch * 100:.3g}"))
    return ", ".join(parts)


def _tr(text: str) -> str:
    return QCoreApplication.translate("sounds", text)
