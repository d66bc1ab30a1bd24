# ruff: noqa: N802  (Qt's own names)
"""The panel: widgets put together and connected to what they show and ask for."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import cast

from PySide6.QtCore import QEvent, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QKeyEvent
from PySide6.QtWidgets import QApplication, QWidget

from stylesync_ui.desk.lane import SessionOnLane, blocks_of, line_number
from stylesync_ui.look.widgets import offer_names
from stylesync_ui.panel.actions import Actions, actions_of
from stylesync_ui.panel.commands import is_own_key
from stylesync_ui.panel.dialogs import PreferencesDialog, about_page, help_page
from stylesync_ui.panel.parts import PanelParts
from stylesync_ui.panel.preferences import Home, Preferences
from stylesync_ui.queue.jobs import JobRecord
from stylesync_ui.timeline import file_questions
from stylesync_ui.timeline.document import Content, Document
from stylesync_ui.viewer.hearing import HeardLine
from stylesync_ui.wish.problems import blocks


class Panel(PanelParts):
    """Everything; docks into a host or fills a window. `title_changed` names the open timeline."""

    title_changed = Signal(str)

    def __init__(
        self, home: Home | None = None, command: Sequence[str] | None = None,
        parent: QWidget | None = None,
    ) -> None:  # fmt: skip
        super().__init__(home or Home.default(), command, parent)
        self._actions = actions_of(
            self, self.timeline, self.playhead, self.marking, self.editing, self.results,
            self.desk, self._own_actions(),
        )  # fmt: skip
        self._connect()
        self._connect_workspace()
        self._connect_lines()
        self._adopt(self.preferences)
        self.take_splits(self.preferences.splits)
        self._show_name()
        QTimer.singleShot(0, self._begin)

    def _own_actions(self) -> Actions:
        return {
            "find_media": self.ask_media_folder,
            "settings": self.show_preferences,
            "help": self.show_help,
            "got_it": self.note_help_seen,
            "about": self.show_about,
            "menu": self.show_menu,
            "submit": self.submit,
            "restart": self.restart_engine,
        }

    def _connect(self) -> None:
        for key, entry in self.tools.items():
            entry.clicked.connect(lambda _=False, k=key: self.do(k))
        banners = (self.banner.acted, self.engine_banner.acted)
        for source in (self.commands.asked, *banners, self.viewer.action, self.form.asked):
            source.connect(self.do)
        self.welcome.open_asked.connect(self.timeline.ask_open)
        self.welcome.help_asked.connect(self.show_help)
        self.trouble.open_asked.connect(self.timeline.ask_open)
        self.trouble.again_asked.connect(self.timeline.open_again)
        for page in (self.welcome, self.loading, self.trouble):
            page.dropped.connect(self.marking.take_files)
        self.timeline.reading.connect(self._show_reading)
        self.timeline.failed.connect(self.show_trouble)
        self.timeline.opened.connect(self._show_opened)
        self.timeline.changed.connect(self._show_changed)
        self.timeline.noted.connect(self._show_name)
        self.results.watched.connect(self.playhead.watch)
        self.results.placed.connect(self._show_placed)
        self.results.grown.connect(self.playhead.refresh_soon)
        self.results.grown.connect(self._show_lines)
        self.media.arrived.connect(lambda _: self.playhead.refresh_soon())

    def _connect_workspace(self) -> None:
        self.strip.moved.connect(self.player.go)
        self.strip.range_drawn.connect(self.editing.draw)
        self.strip.shot_chosen.connect(self.marking.choose_shot)
        self.strip.files_dropped.connect(self.marking.take_files)
        self.form.files_dropped.connect(self.marking.take_files)
        self.strip.marked.connect(self.marking.end_mark)
        self.link.state_changed.connect(lambda _: self.playhead.refresh_soon())
        self.viewer.position.entered.connect(self.player.go)
        for field in (self.viewer.position, self.form.dub_in, self.form.dub_out):
            field.left.connect(self.viewer.focus_canvas)
        self.form.person.returnPressed.connect(self.viewer.focus_canvas)
        self.viewer.canvas.face_chosen.connect(self.marking.choose_face)
        self.viewer.tools["sound"].toggled.connect(self._set_sound)
        self.editing.changed.connect(self._show_wish)
        self.form.span_entered.connect(lambda *typed: self.editing.mark("dub", *typed))
        self.form.person_entered.connect(lambda name: self.editing.set_wish(person=name))
        self.form.option_changed.connect(self.set_option)
        self.form.submitted.connect(self.submit)
        self.queue_view.markers_asked.connect(self.results.submit_markers)
        self.queue_view.jobs_asked.connect(lambda: self.do("jobs_file"))

    def _connect_lines(self) -> None:
        self.results.is_elsewhere = lambda job: self.session.index_of(line_number(job)) is not None
        self.lines_page.asked.connect(self.do)
        self.marking.session_dropped.connect(lambda files: self.desk.take_files(files, -1))
        self.session.opened.connect(self._show_session)
        self.desk.chosen.connect(self._show_wish)
        self.strip.lines = SessionOnLane(self.lines_page, self.media)
        self.strip.line_chosen.connect(self.lines_page.table.stand_on)
        self.strip.line_moved.connect(self.desk.sounds.drag)
        self.strip.line_let_go.connect(self.desk.sounds.let_go)
        self.session.changed.connect(lambda _: self.strip.update())

    def _show_session(self, other: bool) -> None:
        """Where there are lines, they are what one works with."""
        self.jobs.listed.emit()
        self.strip.update()
        if self.session and other:
            self._adopt(dataclasses.replace(self.preferences, seen_help=True))
            self.show_lines()
        elif self.session:
            return
        elif self.side.currentWidget() is self.lines_page:
            self.side.setCurrentWidget(self.form)

    def _begin(self) -> None:
        self.link.start()
        self.editing.learn_models(self.link)
        self.notice.offer_interrupted()
        limit = self.preferences.cache_mb * 1_000_000
        threading.Thread(target=self.media.folder.trim, args=(limit,), daemon=True).start()

    def do(self, action: str) -> None:
        """Every action that buttons, keys, menus and messages name."""
        self._actions[action]()

    def event(self, event: QEvent) -> bool:
        """A focused control keeps the keys that it needs; all others are commands."""
        if event.type() == QEvent.Type.ShortcutOverride:
            key = cast(QKeyEvent, event)
            bare = key.modifiers() == Qt.KeyboardModifier.NoModifier
            if bare and is_own_key(QApplication.focusWidget(), key.key()):
                event.accept()
                return True
        return super().event(event)

    def open(self, path: Path) -> None:
        """Read a timeline beside the GUI thread and show it."""
        self.timeline.open(path)

    def _show_reading(self, name: str) -> None:
        self.player.stop()
        self.loading.say(self.tr("Opening {name}…").format(name=name))
        self.pages.setCurrentWidget(self.loading)

    def _show_opened(self, document: Document) -> None:
        self.loading.stop()
        self.zeros.open(document)
        self.viewer.set_mode("before")
        self.jobs.document = document
        self.jobs.match_timeline()
        self.pages.setCurrentWidget(self.workspace)
        self.player.open(document.content.rate, document.content.duration)
        self.strip.show_content(document.content)
        self.editing.open(document)
        self.session.open(document)
        self.viewer.focus_canvas()
        if not self.preferences.seen_help:
            self._show_first_steps()

    def _show_first_steps(self) -> None:
        text = self.tr(
            "Your first dub: stand on a shot and press X, drop the new speech on it, press Dub."
        )
        got_it = ("got_it", self.tr("Got it"))
        self.banner.say(text, "todo", ("help", self.tr("How it works")), got_it)

    def set_option(self, name: str, value: object) -> None:
        said = self.editing.set_option(name, value)
        if said:
            self.banner.say(said, "warning")

    def ask_media_folder(self) -> None:
        """Look for missing media in another folder, now and from now on."""
        folder = file_questions.ask_folder(self, self.tr("Folder of the missing media"))
        if folder is not None:
            kept = [entry for entry in self.preferences.media_folders if entry != str(folder)]
            self._adopt(dataclasses.replace(self.preferences, media_folders=[*kept, str(folder)]))

    def submit(self) -> None:
        """The dub joins the queue where nothing stands in its way, or the selected lines do."""
        if self.session and self.side.currentWidget() is self.lines_page:
            self.desk.dub()
        elif self.document is not None and not blocks(self.editing.problems()):
            self.results.submit(*self.editing.job())
            self.editing.note_asked()
            self.note_help_seen()

    # Moving

    @property
    def position(self) -> Fraction:
        return self.player.position

    def _set_sound(self, on: bool) -> None:
        self._adopt(dataclasses.replace(self.preferences, sound_on=on))

    # Showing

    def _show_wish(self) -> None:
        if self.document is None:
            return
        content, wish = self.document.content, self.editing.wish
        self.form.offer_models(list(self.editing.models_here))
        offer_names(self.form.person, self.editing.people_here, self.tr("People who were made"))
        self.form.show_wish(wish, content.layout, self.editing.lines)
        self.form.show_problems(self.editing.problems(), self._summary())
        self.strip.set_ranges(wish.ranges)
        file = wish.speech.file if wish.speech is not None else None
        whole = HeardLine(file, wish.dub, wish.dub.start) if file and wish.dub else None
        self.viewing.line = self.desk.sounds.heard(self.desk.current) or whole
        self._show_name()
        self._show_lines()
        self.playhead.loop()
        self.playhead.refresh_soon()

    def _show_lines(self) -> None:
        shown = [*self.jobs.mine(), *self.jobs.found]
        jobs = [job for job in shown if not self.results.is_elsewhere(job)]
        self.strip.set_blocks(blocks_of(jobs, self.editing.wish))

    def _summary(self) -> str:
        clips = self.editing.shown_clips()
        if not clips or self.editing.wish.speech is None:
            return ""
        shots = self.tr("{n} shots").format(n=len(clips)) if len(clips) > 1 else clips[0][0].name
        return self.tr("{what} → a new track above").format(what=shots)

    def _show_name(self) -> None:
        document = self.document
        undo = document is not None and document.can_undo
        redo = document is not None and document.can_redo
        if document is not None:
            mark = " •" if document.is_changed else ""
            name = (document.saved_as or document.path).name
            self.name.setText(f"{name}{mark}")
            self.title_changed.emit(f"{name}{mark}")
        self.commands.enable(document is not None, undo, redo)
        self.tools["save"].setEnabled(document is not None)
        self.tools["undo"].setEnabled(undo)
        self.tools["redo"].setEnabled(redo)

    def _show_placed(self, jobs: Sequence[JobRecord], content: Content) -> None:
        self.strip.fresh = frozenset(job.id for job in jobs if job.placed)
        self.timeline.change(content)

    def _show_changed(self) -> None:
        if self.document is None:
            return
        self.zeros.open(self.document)
        self.strip.show_content(self.document.content, keep_view=True)
        self.jobs.match_timeline()
        self.editing.restore()
        self.session.restore()
        self.session.match()
        self._show_wish()

    # Preferences and windows beside

    def _adopt(self, preferences: Preferences) -> None:
        before, self.preferences = self.preferences, preferences
        self.viewing.height = preferences.preview_height
        self.editing.consent_wanted = preferences.consent_required
        self.jobs.media_folders = preferences.folders
        self.player.sound_on = preferences.sound_on
        self.jobs.placer.keep_original(preferences.original_sound)
        self.viewer.show_sound(preferences.sound_on, self.player.output.trouble)
        if preferences.device != self.editing.wish.options.device:
            self.editing.set_option("device", preferences.device)
        if preferences.models_folder:
            self.form.offer_models([preferences.models_folder])
        if preferences != before:
            preferences.write(self.home.preferences)
            self._show_wish()
        if preferences.media_folders != before.media_folders:
            self.timeline.look_for_media()

    def show_preferences(self) -> None:
        self.editing.read_studio()
        dialog = PreferencesDialog(self.preferences, self.media.folder, self)
        if self.editing.studio_asks_consent:
            dialog.show_studio_asks()
        dialog.changed.connect(self._adopt)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.show()

    def note_help_seen(self) -> None:
        self.banner.hide()
        self._adopt(dataclasses.replace(self.preferences, seen_help=True))

    def show_help(self) -> None:
        self.note_help_seen()
        help_page(self).show()

    def show_about(self) -> None:
        about_page(self).show()

    def show_menu(self) -> None:
        self.commands.show_menu(self.tools["menu"])

    def restart_engine(self) -> None:
        self.link.restart()
        self.editing.learn_models(self.link)

    def shut(self, window: str = "") -> None:
        """End what runs beside; the queue and the places of things stay for the next time."""
        self.player.stop()
        self.player.output.close()
        window = window or self.preferences.window
        self._adopt(dataclasses.replace(self.preferences, splits=self.splits(), window=window))
        self.session.close()
        self.jobs.close()
        self.editing.close()
        self.link.close()
        self.media.close()

    def closeEvent(self, event: QCloseEvent) -> None:
        self.shut()
        super().closeEvent(event)
