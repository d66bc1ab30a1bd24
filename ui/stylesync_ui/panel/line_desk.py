"""The editor's hands on the lines: stands on one, plays it, judges it, moves its sound."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QInputDialog, QWidget
from stylesync_plugin.contract import DubError, Quality, write_text
from stylesync_plugin.lines.document import FrameNote, Line, Status
from stylesync_plugin.lines.exporting import export_lines
from stylesync_plugin.lines.marked import notes_table

from stylesync_ui.desk.dubs import LineDubs
from stylesync_ui.desk.sounds import AS_RECORDED, LineSounds, described
from stylesync_ui.engine.media_cache import MediaCache
from stylesync_ui.lines.cast import CastDialog
from stylesync_ui.lines.page import LinesPage
from stylesync_ui.lines.session import Session
from stylesync_ui.look.banner import Banner
from stylesync_ui.panel.playhead import Playhead
from stylesync_ui.timeline import file_questions

PREROLL = Fraction(1)
"""s before a line from which it is played."""


class LineDesk(QObject):
    """`chosen` says that another line is stood on, or its sound is heard otherwise."""

    chosen = Signal()

    def __init__(
        self, session: Session, dubs: LineDubs, page: LinesPage, media: MediaCache,
        banner: Banner, window: QWidget, playhead: Playhead,
    ) -> None:  # fmt: skip
        super().__init__()
        self.session, self.dubs, self.page = session, dubs, page
        self._media, self._banner, self._window = media, banner, window
        self._playhead = playhead
        self.people: Callable[[], Sequence[str]] = tuple
        self.sounds = LineSounds(session, media)
        page.table.chosen.connect(self.stand_on)
        page.table.opened.connect(self.open_line)
        page.take_chosen.connect(lambda take: self._pick(self.current, take))
        page.files_dropped.connect(self.take_files)
        session.opened.connect(self._opened)
        session.changed.connect(self._changed)
        session.said.connect(lambda text, level: banner.say(text, level))
        dubs.refused.connect(lambda text: banner.say(text, "warning"))
        dubs.told.connect(self._show_batch)
        self.chosen.connect(self._show_around)
        page.against_chosen.connect(playhead.compare_with)
        page.recorded.connect(lambda: self.sounds.move(self.current, AS_RECORDED))
        media.arrived.connect(self._arrived)
        self.sounds.made.connect(self.chosen)
        self.sounds.refused.connect(lambda text: banner.say(text, "warning"))

    # Where it stands

    @property
    def current(self) -> int:
        return self.page.table.current

    def selected(self) -> list[int]:
        return self.page.table.selected()

    @property
    def line(self) -> Line | None:
        index = self.current
        return self.session.rows[index].line if 0 <= index < len(self.session.rows) else None

    def stand_on(self, index: int) -> None:
        """Bring the playhead, the strip and what is heard to a line."""
        row, playhead = self.session.rows[index], self._playhead
        playhead.loop()
        if row.span:
            playhead.stand_on(row.span, row.line.pick or "")
        self.chosen.emit()

    def open_line(self, index: int) -> None:
        if 0 <= index < len(self.session.rows):
            self.stand_on(index)
            self._playhead.show_closely(self.session.rows[index].span)

    def go(self, steps: int) -> None:
        """The next line of the table, or the one before."""
        found = self.page.model.beside(self.current, steps)
        if found is not None:
            self.page.table.stand_on(found)

    def play(self) -> None:
        """The line with what comes before it, again and again; once more: stop."""
        index, playhead = self.current, self._playhead
        if index >= 0 and not playhead.player.transport.speed:
            span = self.session.rows[index].span
            start = max(Fraction(0), span.start - PREROLL)
            playhead.player.go(start)
            playhead.player.transport.loop = (start, span.end)
        playhead.player.toggle()

    # Judging

    def judge(self, status: Status) -> None:
        """Approve or redo what is selected, and go on to the next line."""
        rows = self.session.rows
        able = [i for i in self.selected() if rows[i].line.takes]
        if not able and self.selected():
            self._banner.say(
                self.tr("There is no dub to judge yet; dub the line first."), "warning"
            )
            return
        self.session.change(able, status=status)
        if len(able) == 1:
            self.go(1)

    def note(self) -> None:
        """A note on the frame that is shown, kept with its time code in the line's notes."""
        line, document = self.line, self.session.document
        if line is None or document is None:
            return
        rate, _ = self.session.clock
        position = self._playhead.player.position
        code = document.content.layout.time_code(position)
        title = self.tr("Note on {code}").format(code=code)
        text, said = QInputDialog.getText(self._window, title, self.tr("Note"))
        if said and text.strip():
            start = self.session.rows[self.current].span.start
            made = FrameNote(max(0, round((position - start) * rate)), text.strip())
            notes = sorted((*line.notes, made), key=lambda note: note.frame)
            self.session.change([self.current], notes=tuple(notes))

    def ask_export(self) -> None:
        """The lines as a table, their notes alone, or a jobs file."""
        lines, document = self.session.lines, self.session.document
        if lines is None or document is None:
            return
        proposed = document.path.with_name(f"{document.path.stem}.lines.csv")
        path = file_questions.ask_lines_target(self._window, proposed)
        if path is not None:
            self.export(path)

    def export(self, path: Path) -> None:
        """`.json` are jobs, `.csv` the lines, and `.notes.csv` what was noted on frames."""
        lines, document = self.session.lines, self.session.document
        if lines is None or document is None:
            return
        try:
            if path.name.endswith(".notes.csv"):
                write_text(path, notes_table(lines, document.content.timeline))
                text = self.tr("Notes: {name}")
            else:
                export_lines(lines, path)
                text = self.tr("Lines: {name}")
        except DubError as error:
            self._banner.say(str(error), "warning")
            return
        self._banner.say(text.format(name=path.name), "good")

    def step_take(self, steps: int) -> None:
        line = self.line
        if line is not None and line.takes:
            place = line.takes.index(line.pick) if line.pick in line.takes else 0
            self._pick(self.current, line.takes[(place + steps) % len(line.takes)])

    def _pick(self, index: int, take: str) -> None:
        self.dubs.takes.show_take(index, take)
        self.stand_on(index)

    # Dubbing

    def dub(self, quality: Quality | None = None) -> None:
        """What is selected, before everything else that waits: drafts, and good quality of what is
        approved, unless one quality is asked for."""
        rows = self.session.rows
        approved = [i for i in self.selected() if rows[i].line.status == "approved"]
        others = [i for i in self.selected() if i not in approved]
        pairs: tuple[tuple[list[int], Quality], ...] = ((approved, "good"), (others, "draft"))
        for indices, plain in pairs:
            if indices:
                self.dubs.ask(indices, quality or plain, at_once=True)

    def dub_all(self, indices: Sequence[int], quality: Quality) -> None:
        if indices:
            self.dubs.ask(indices, quality)

    def put_or_take_off(self) -> None:
        """What is selected goes onto the timeline, or off it where it lies there."""
        if self.current >= 0 and self.dubs.takes.placed(self.current):
            self.dubs.takes.take_off(self.selected())
        else:
            self.dubs.takes.put(self.selected())

    def offer_waiting(self) -> None:
        """Lines that an earlier time has left waiting."""
        count = self.dubs.count_waiting()
        if count:
            text = self.tr("{n} lines wait to be dubbed. What is finished is kept.")
            self._banner.say(text.format(n=count), "todo", ("go_on_lines", self.tr("Go on")))

    def _show_around(self) -> None:
        """How the sound of the line lies, and whether its dub is on the timeline."""
        line = self.line
        if line is not None:
            placed = bool(self.dubs.takes.placed(self.current))
            self.page.show_around(described(line), placed if line.takes else None)

    def _show_batch(self, share: float, text: str) -> None:
        dubs = self.dubs
        self._show_around()
        self.page.show_batch(len(dubs.ready()), len(dubs.approved()), len(dubs.takes.picked()))
        self.page.show_progress(share, text)

    def show_cast(self) -> None:
        """What each character's lines inherit."""
        lines = self.session.lines
        if lines is None or not lines.cast:
            self._banner.say(self.tr("The lines name no characters yet."), "warning")
            return
        dialog = CastDialog(lines, self._window, self.people())
        dialog.changed.connect(self.session.recast)
        dialog.face_asked.connect(self._take_face)
        shown = self.session.changed.connect(
            lambda _: dialog.show_lines(self.session.lines or lines)
        )
        dialog.finished.connect(lambda _: self.session.changed.disconnect(shown))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.show()

    def _take_face(self, name: str) -> None:
        """The face that is chosen in the viewer is the character's, as the engine is told it."""
        speaker = self.dubs.chosen_face()
        if speaker is None or self.session.lines is None:
            said = self.tr("Click the face in the viewer first.")
            self._banner.say(said, "warning")
            return
        who = next(entry for entry in self.session.lines.cast if entry.name == name)
        self.session.recast(replace(who, speaker=speaker))
        if self.line is not None and self.line.character == name:
            self.session.change([self.current], speaker=speaker)

    # Files

    def ask_import(self) -> None:
        """A script, then the folder with its sounds."""
        script = file_questions.ask_script(self._window)
        if script is not None:
            title = self.tr("The folder with the sounds of the lines")
            self.session.import_files(script, file_questions.ask_folder(self._window, title))

    def take_files(self, files: Sequence[str], index: int) -> None:
        """Scripts and folders are imported; a sound is for the line on which it falls, the next
        ones for those below."""
        script = next((Path(f) for f in files if file_questions.is_script(f)), None)
        folder = next((Path(f) for f in files if Path(f).is_dir()), None)
        sounds = [f for f in files if Path(f) not in (script, folder)]
        if script is None and folder is not None and not self.session:
            said = self.tr("These sounds have no lines yet; drop the script with them.")
            self._banner.say(said, "warning")
        elif script is not None or folder is not None:
            self.session.import_files(script, folder)
        elif sounds and index >= 0:
            self.session.give_sounds(self._from(index, len(sounds)), sounds)

    def _from(self, index: int, count: int) -> list[int]:
        """So many lines of the table from one on."""
        found = [self.page.model.beside(index, step) for step in range(count)]
        return [entry for entry in found if entry is not None]

    def move_sound(self, frames: int = 0, stretch: float = 0.0) -> None:
        """Slip the sound of the line by so many frames, or stretch it by a share."""
        if self.line is not None and frames:
            self.sounds.slip(self.current, frames)
        elif self.line is not None:
            self.sounds.stretch(self.current, stretch)

    # News

    def _opened(self, other: bool) -> None:
        if other:
            self.offer_waiting()
        self.chosen.emit()

    def _changed(self, indices: set[int]) -> None:
        if self.current in indices:
            self.chosen.emit()

    def _arrived(self, path: str) -> None:
        line = self.line
        if line is not None and path == line.sound:
            self.chosen.emit()
