"""The session of the open timeline: its lines, read, changed and kept beside it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal
from stylesync_plugin.contract import DubError, RequestError
from stylesync_plugin.lines.document import Character, Line, Lines
from stylesync_plugin.lines.importing import anchor_of, find_clip
from stylesync_plugin.lines.merging import with_sound
from stylesync_plugin.timeline.layout import Layout
from stylesync_plugin.timeline.sources import Probe
from stylesync_plugin.times import parse_time

from stylesync_ui.lines import reading
from stylesync_ui.lines.keeping import Keeper
from stylesync_ui.lines.reading import Read
from stylesync_ui.lines.rows import InTime, LineRow, row_of, rows_again, rows_of
from stylesync_ui.timeline.document import Document, home_of


@dataclass(frozen=True, slots=True)
class Live:
    """What the queue says of a line now: `share` (0 to 1) of it that is rendered."""

    state: str
    share: float = 0.0
    message: str = ""


class Session(QObject):
    """`opened` tells of other lines, or none, and whether they are another timeline's; `changed` of
    the indices of rows that differ.

    `busy` says what is being done, empty when it is; `said` brings a sentence and its level.
    """

    opened = Signal(bool)
    changed = Signal(object)
    busy = Signal(str)
    said = Signal(str, str)
    _done = Signal(int, object, object)

    def __init__(self, probe: Probe) -> None:
        super().__init__()
        self.document: Document | None = None
        self.lines: Lines | None = None
        self.rows: list[LineRow] = []
        self.live: dict[str, Live] = {}
        self.in_time = InTime([])
        self.read_only = False
        self.moves: Mapping[str, Fraction] = {}
        self._probe, self._number, self._is_first = probe, 0, True
        self._keeper: Keeper | None = None
        self._places: dict[str, int] = {}
        self._done.connect(self._take)

    def __bool__(self) -> bool:
        return self.lines is not None

    # Reading

    def open(self, document: Document) -> None:
        """The lines kept beside a timeline; rows whose clips have moved move with them."""
        self.close()
        self.document, self._is_first = document, True
        self._show(None, [])
        path = place_of(document)
        if path.exists():
            content = document.content
            self._start(self.tr("Reading the lines…"), lambda _: reading.opened(path, content))

    def import_files(self, script: Path | None, sounds: Path | None) -> None:
        """Lines of a script, sounds for the lines that are here, or, with neither, lines that the
        timeline's markers name; beside the GUI thread."""
        document, probe = self.document, self._probe
        if document is None or self.read_only:
            self._refuse()
            return
        if script is None and sounds is None:
            self._start(
                self.tr("Reading the markers…"),
                lambda old: reading.imported(None, None, document, old, probe),
            )
        elif script is not None:
            self._start(
                self.tr("Importing {name}…").format(name=script.name),
                lambda old: reading.imported(script, sounds, document, old, probe),
            )
        elif sounds is not None and self.lines is not None:
            self._start(
                self.tr("Matching the sounds…"),
                lambda old: reading.matched(sounds, document, old, probe),
            )

    def match(self) -> None:
        """The timeline has changed: its rows are matched again."""
        document = self.document
        if document is not None and self.lines is not None:
            self._start("", lambda lines: reading.read_anew(lines, document.content))

    def _start(self, what: str, read: Callable[[Any], Read]) -> None:
        """Read beside the GUI thread, from the lines as they are."""
        self._number += 1
        number, lines = self._number, self.lines
        if what:
            self.busy.emit(what)

        def work() -> None:
            try:
                self._done.emit(number, read(lines), lambda: self._again(lines, what, read))
            except (DubError, OSError) as error:
                self._done.emit(number, error, None)

        threading.Thread(target=work, daemon=True).start()

    def _again(self, lines: Lines | None, what: str, read: Callable[[Any], Read]) -> bool:
        """Read again where somebody has changed the lines meanwhile; whether that is so."""
        if self.lines is not lines:
            self._start(what, read)
        return self.lines is not lines

    def _take(self, number: int, read: Read | Exception, again: Callable[[], bool]) -> None:
        if number != self._number or self.document is None:
            return
        if isinstance(read, Read) and again():
            return
        self.busy.emit("")
        if isinstance(read, Exception):
            self.said.emit(str(read), "error")
            return
        if read.is_new:
            self.document.remember()
        self.moves = read.moves
        self._show(read.lines, read.rows)
        self.moves = {}
        self._keep()
        if read.said:
            self.said.emit(read.said, read.level)

    def _show(self, lines: Lines | None, rows: list[LineRow]) -> None:
        before = {number: self._sound_of(number) for number in self.live}
        self.lines, self.rows = lines, rows
        self.in_time = InTime(rows)
        self._places = {row.line.number: index for index, row in enumerate(rows)}
        if self.document is not None:
            self.document.lines = lines
        for number, sound in before.items():  # what the queue said of another sound is no more
            if self._sound_of(number) != sound:
                del self.live[number]
        self.opened.emit(self._is_first)
        self._is_first = self._is_first and lines is None

    def _sound_of(self, number: str) -> str | None:
        index = self.index_of(number)
        return self.rows[index].line.sound if index is not None else None

    def show_live(self, number: str, live: Live | None) -> None:
        """What the queue says of a line; None where its own status holds again."""
        index = self.index_of(number)
        if live == self.live.get(number) or index is None:
            return
        if live is None:
            del self.live[number]
        else:
            self.live[number] = live
        self.changed.emit({index})

    # Changing

    @property
    def layout(self) -> Layout | None:
        """How the open timeline is laid out and counts."""
        return self.document.content.layout if self.document else None

    @property
    def clock(self) -> tuple[Fraction, Fraction]:
        """The timeline's rate and the time of its first frame (s)."""
        content = self.document.content if self.document else None
        return (content.rate, content.zero) if content else (Fraction(25), Fraction(0))

    def index_of(self, number: str) -> int | None:
        """Where the line of a number is; of several the last."""
        return self._places.get(number)

    def change(self, indices: Collection[int], **changes: Any) -> None:
        """The editor changes lines: one step that can be undone."""
        self.put({index: replace(self.rows[index].line, **changes) for index in indices})

    def put(self, lines: Mapping[int, Line], undoable: bool = True) -> None:
        """Other lines in the place of some; what the queue does to them is no step."""
        new = {i: line for i, line in lines.items() if line != self.rows[i].line}
        if self.lines is None or self.document is None or not new:
            return
        if self.read_only:
            self._refuse()
            return
        if undoable:
            self.document.remember()
        all_lines = list(self.lines.lines)
        for index, line in new.items():
            moved = (line.start, line.end) != (all_lines[index].start, all_lines[index].end)
            all_lines[index] = line
            self.rows[index] = row_of(line, *self.clock)
            if moved:
                self.in_time = InTime(self.rows)
        self._adopt(self.lines.with_lines(all_lines))
        self.changed.emit(set(new))

    def give_sounds(self, indices: Sequence[int], sounds: Sequence[str]) -> None:
        """Other sounds for lines, beside the GUI thread: their lengths are asked."""
        rate, zero = self.clock
        given = dict(zip(indices, sounds, strict=False))

        def read(lines: Lines) -> Read:
            done = lines.with_lines([
                with_sound(line, given[index], rate, zero, self._probe) if index in given else line
                for index, line in enumerate(lines.lines)
            ])  # fmt: skip
            return Read(done, rows_of(done, rate, zero), is_new=True)

        self._start("", read)

    def with_changes(self, line: Line, **changes: Any) -> Line:
        """A line with other values; raises RequestError where one cannot be."""
        return replace(line, **changes)

    def placed(self, line: Line) -> Line:
        """A line whose times have changed, with the clip that it lies on now and its fit.

        Raises RequestError where it ends before it begins, or lies on no clip.
        """
        rate, zero = self.clock
        start, end = (parse_time(moment, rate, zero) for moment in (line.start, line.end))
        if end <= start:
            raise RequestError(f"Line {line.number} ends before it begins; give another time.")
        content = self.document.content if self.document else None
        clip = find_clip(content.layout, start) if content else None
        if clip is None:
            raise RequestError(f"No clip lies at {line.start}; give line {line.number} another In.")
        index = self.index_of(line.number)
        before = self.rows[index].span.duration if index is not None else end - start
        fit = None if line.fit is None else round(line.fit + float(before - (end - start)), 3)
        status = line.status if line.status != "unclear" else "ready" if line.sound else "no sound"
        return replace(line, anchor=anchor_of(clip, start), fit=fit, status=status, why="")

    def recast(self, who: Character) -> None:
        """What a character's lines inherit."""
        if self.lines is None or self.document is None or self.read_only:
            self._refuse()
            return
        self.document.remember()
        known = {entry.name: entry for entry in self.lines.cast}
        known[who.name] = who
        self._adopt(replace(self.lines, cast=tuple(known.values())))
        self.changed.emit({i for i, r in enumerate(self.rows) if r.line.character == who.name})

    def character_of(self, line: Line) -> Character:
        """Who says a line."""
        return self.lines.character(line) if self.lines is not None else Character(line.character)

    def give_sound(self, index: int, sound: str) -> None:
        """Another sound for a line, beside the GUI thread: its length is asked."""
        rate, zero = self.clock

        def read(lines: Lines) -> Read:
            line = with_sound(lines.lines[index], sound, rate, zero, self._probe)
            changed = [line if i == index else old for i, old in enumerate(lines.lines)]
            done = lines.with_lines(changed)
            return Read(done, rows_of(done, rate, zero), is_new=True)

        self._start("", read)

    def restore(self) -> None:
        """The lines as undo or redo has brought them back."""
        if self.document is None or self.document.lines is self.lines:
            return
        lines = self.document.lines
        self._show(lines, rows_again(self.rows, lines, *self.clock) if lines is not None else [])
        self._keep()

    def _adopt(self, lines: Lines) -> None:
        self.lines = lines
        if self.document is not None:
            self.document.lines = lines
        self._keep()

    # Keeping

    def _keep(self) -> None:
        if self.lines is None or self.document is None or self.read_only:
            return
        if self._keeper is None:
            self._keeper = Keeper(place_of(self.document))
            self._keeper.refused.connect(self._locked)
            self._keeper.failed.connect(lambda text: self.said.emit(text, "error"))
        self._keeper.keep(self.lines)

    def _locked(self) -> None:
        self.read_only = True
        self._refuse()

    def _refuse(self) -> None:
        if self.read_only:
            text = self.tr("These lines are open in another panel; close it to change them here.")
            self.said.emit(text, "warning")

    def close(self) -> None:
        """What is not yet on disk is written; the lines are free for others."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.close()
        self._number += 1
        self.live, self.read_only = {}, False


def place_of(document: Document) -> Path:
    """Where the lines of a timeline are kept: beside it, and a copy in its folder shares them."""
    home = home_of(document.path, document.project)
    return home.with_name(f"{home.stem}.lines.json")
