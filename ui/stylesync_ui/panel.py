# ruff: noqa: N802, S101  (Qt's own names; asserts that tell the type checker)
"""The panel: widgets put together and connected to what they show and ask for."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

from PySide6.QtCore import Qt, QTimer, QUrl, Signal
from PySide6.QtGui import QCloseEvent, QDesktopServices, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QFileDialog,
    QWidget,
)
from stylesync_plugin.contract import DubError
from stylesync_plugin.formats import READABLE
from stylesync_plugin.times import Span

from stylesync_ui import theme
from stylesync_ui.batch_runner import EngineBridge
from stylesync_ui.dialogs import PreferencesDialog, about_page, help_page
from stylesync_ui.document import (
    SAVE_SUFFIXES,
    ClipView,
    Content,
    Document,
    open_content,
    source_zero,
)
from stylesync_ui.dub_wish import SpeechChoice, StyleChoice
from stylesync_ui.dubbed_piece import DubbedPiece
from stylesync_ui.editing import Editing
from stylesync_ui.engine_link import EngineLink
from stylesync_ui.icons import icon
from stylesync_ui.job_desk import JobDesk
from stylesync_ui.job_record import JobRecord
from stylesync_ui.media_desk import KnownFacts, MediaDesk
from stylesync_ui.panel_layout import PanelLayout
from stylesync_ui.playing import Player
from stylesync_ui.preferences import Home, Preferences
from stylesync_ui.preview_folder import PreviewFolder
from stylesync_ui.problems import blocks
from stylesync_ui.sound_output import SoundSegment
from stylesync_ui.viewing import Viewing

SOUND_FILES = "*.wav *.aif *.aiff *.flac *.mp3 *.m4a *.ogg *.mov *.mp4"


class Panel(PanelLayout):
    """Everything; docks into a host or fills a window. `title_changed` names the open timeline."""

    title_changed = Signal(str)
    _opened = Signal(int, object, object)

    def __init__(
        self, home: Home | None = None, command: Sequence[str] | None = None,
        parent: QWidget | None = None,
    ) -> None:  # fmt: skip
        super().__init__(parent)
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setStyleSheet(theme.style_sheet(theme.current()))
        self.home = home or Home.default()
        self.preferences = Preferences.read(self.home.preferences)
        self.document: Document | None = None
        self._opening = 0
        self._wanted_path: Path | None = None
        self._zeros: dict[int, Fraction] = {}
        self.link = EngineLink(command, self)
        self.bridge = EngineBridge(self.link)
        self.desk = MediaDesk(self.link, PreviewFolder(self.home.cache))
        self.editing = Editing(self.desk, self.bridge, self.zero_of)
        self.jobs = JobDesk(self.bridge, self.home.queue)
        self.build(self.desk, self.zero_of)
        self.player = Player(self._segments)
        self.viewing = Viewing(self.viewer, self.desk, self.zero_of)
        self._connect()
        self._shortcuts()
        self._adopt(self.preferences)
        self.queue_view.show_queue(self.jobs.queue)
        self._show_engine(self.link.state)
        self._show_document()
        QTimer.singleShot(0, self._begin)

    # Building

    def _connect(self) -> None:
        for key, entry in self.tools.items():
            entry.clicked.connect(lambda _=False, k=key: self.do(k))
        self.welcome.open_asked.connect(self.ask_open)
        self.welcome.help_asked.connect(self.show_help)
        self.trouble.open_asked.connect(self.ask_open)
        self.trouble.again_asked.connect(lambda: self.open(self._wanted_path or Path()))
        for page in (self.welcome, self.loading, self.trouble):
            page.dropped.connect(lambda path: self.open(Path(path)))
        self._opened.connect(self._show_opened)
        self.link.state_changed.connect(self._show_engine)
        self.banner.acted.connect(self.do)
        self._connect_strip()
        self._connect_form()
        self.jobs.changed.connect(self._job_changed)
        self.jobs.listed.connect(self._queue_changed)
        self.jobs.placed.connect(self._placed)
        self.jobs.failed.connect(lambda text: self.banner.say(text, "error"))
        self.jobs.engine_lost.connect(self._engine_lost)
        self.jobs.finished.connect(self._job_finished)
        self.queue_view.acted.connect(self._queue_act)
        self.queue_view.markers_asked.connect(self._dub_markers)
        self.desk.arrived.connect(lambda _: self._news.start())

    def _connect_strip(self) -> None:
        self._news = QTimer(self)
        self._news.setSingleShot(True)
        self._news.setInterval(15)
        self._news.timeout.connect(self._refresh_viewer)
        strip = self.strip
        strip.moved.connect(self.player.go)
        strip.range_drawn.connect(self.editing.draw)
        strip.shot_chosen.connect(lambda kind, clip: self._choose_shot(kind, clip))
        strip.speech_dropped.connect(self._choose_speech)
        strip.scrolled.connect(self._show_scroll)
        self.scroller.valueChanged.connect(lambda v: strip.scroll_to(v / 1000))
        self.zoom.valueChanged.connect(self._zoomed)
        self.fit.clicked.connect(strip.fit)
        self.snap.toggled.connect(lambda on: setattr(strip, "snapping", on))
        self.kinds.chosen.connect(self._choose_kind)
        self.player.moved.connect(self._moved)
        self.player.speed_changed.connect(self.viewer.show_speed)
        self.player.speed_changed.connect(lambda _: self._refresh_viewer())
        self.viewer.action.connect(self.do)
        self.viewer.mode_chosen.connect(self.set_mode)
        self.viewer.position.entered.connect(self.player.go)
        self.viewer.canvas.face_chosen.connect(self._choose_face)

    def _connect_form(self) -> None:
        self.editing.changed.connect(self._show_wish)
        self.form.span_entered.connect(self.editing.mark)
        self.form.asked.connect(self.do)
        self.form.option_changed.connect(self._set_option)
        self.form.submitted.connect(self.submit)

    def _shortcuts(self) -> None:
        """Single letters act everywhere but in text fields."""
        keys: dict[str, Callable[[], object]] = {
            "Space": self.player.toggle,
            "J": lambda: self.player.shuttle(-1),
            "K": lambda: self.player.shuttle(0),
            "L": lambda: self.player.shuttle(1),
            "Left": lambda: self.player.step(-1),
            "Right": lambda: self.player.step(1),
            "Shift+Left": lambda: self.player.step(-10),
            "Shift+Right": lambda: self.player.step(10),
            "Up": lambda: self.do("previous"),
            "Down": lambda: self.do("next"),
            "Home": lambda: self.player.go(Fraction(0)),
            "End": self._go_to_end,
            "I": lambda: self.do("in"),
            "O": lambda: self.do("out"),
            "X": lambda: self.do("this_shot"),
            "1": lambda: self._choose_kind("dub"),
            "2": lambda: self._choose_kind("speech"),
            "3": lambda: self._choose_kind("style"),
            "A": self._toggle_after,
            "W": lambda: self.set_mode("wipe"),
            "S": lambda: self.set_mode("side"),
            "D": lambda: self.set_mode("difference"),
            "N": self.snap.toggle,
            "\\": self.strip.fit,
            "+": lambda: self.strip.zoom(1.5),
            "=": lambda: self.strip.zoom(1.5),
            "-": lambda: self.strip.zoom(1 / 1.5),
            "Ctrl+Return": self.submit,
            "Ctrl+O": self.ask_open,
            "Ctrl+S": lambda: self.do("save"),
            "Ctrl+Z": lambda: self.do("undo"),
            "Ctrl+Shift+Z": lambda: self.do("redo"),
            "Ctrl+,": lambda: self.do("settings"),
            "F1": self.show_help,
            "Q": lambda: self.side.setCurrentIndex(1 - self.side.currentIndex()),
        }
        for key, act in keys.items():
            shortcut = QShortcut(QKeySequence(key), self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(act)

    # Opening and saving

    def _begin(self) -> None:
        self.link.start()
        self.bridge_models()
        if any(job.state == "interrupted" for job in self.jobs.queue):
            text = self.tr("Some dubs of the last session are not done.")
            self.banner.say(
                text, "warning", ("go_on", self.tr("Go on")), ("show_queue", self.tr("Show"))
            )
        threading.Thread(
            target=self.desk.folder.trim, args=(self.preferences.cache_mb * 1_000_000,), daemon=True
        ).start()

    def bridge_models(self) -> None:
        """Ask which models are here; long jobs go first, so nothing waits for the answer."""

        def hear(event: dict[str, object]) -> None:
            listed = event.get("models")
            if event["event"] == "result" and isinstance(listed, list):
                self.editing.models_here = {
                    str(entry["name"]): entry.get("here") is not False for entry in listed
                }
                self.form.offer_models(list(self.editing.models_here))
                self.editing.changed.emit()

        self.link.ask("models", {}, hear)

    def ask_open(self) -> None:
        kinds = " ".join(f"*{suffix}" for suffix in READABLE)
        path, _ = QFileDialog.getOpenFileName(
            self, self.tr("Open a timeline"), "", self.tr("Timelines") + f" ({kinds})"
        )
        if path:
            self.open(Path(path))

    def open(self, path: Path) -> None:
        """Read a timeline beside the GUI thread and show it."""
        self._wanted_path = path
        self._opening += 1
        number = self._opening
        self.player.stop()
        self.loading.say(self.tr("Opening {name}…").format(name=path.name))
        self.pages.setCurrentWidget(self.loading)

        def work() -> None:
            try:
                self._opened.emit(number, path, open_content(path))
            except (DubError, OSError) as error:
                self._opened.emit(number, path, error)

        threading.Thread(target=work, daemon=True).start()

    def _show_opened(self, number: int, path: Path, found: Content | Exception) -> None:
        if number != self._opening:
            return
        self.loading.stop()
        if isinstance(found, Exception):
            self.trouble.say(str(found))
            self.pages.setCurrentWidget(self.trouble)
            return
        self.document = Document(path, found)
        self._zeros.clear()
        self.banner.hide()
        self.viewer.set_mode("before")
        self.jobs.document = self.document
        self.jobs.match_timeline()
        self.pages.setCurrentIndex(3)
        self.player.open(found.rate, found.duration)
        self.strip.show_content(found)
        self.editing.open(self.document)
        self._show_document()
        self.viewer.focus_canvas()

    def save(self, path: Path) -> bool:
        if self.document is None:
            return False
        try:
            self.document.save(path)
        except DubError as error:
            self.banner.say(str(error), "error")
            return False
        saved = self.document.saved_as
        self.banner.say(self.tr("Saved {name}").format(name=saved), "good")
        self._show_document()
        return True

    def _ask_save(self) -> None:
        if self.document is None:
            return
        if self.document.saved_as is not None:
            self.save(self.document.saved_as)
            return
        kinds = " ".join(f"*{suffix}" for suffix in SAVE_SUFFIXES)
        path, _ = QFileDialog.getSaveFileName(
            self, self.tr("Save the dubbed timeline"), str(self.document.target),
            self.tr("Timelines") + f" ({kinds})",
        )  # fmt: skip
        if path:
            self.save(Path(path))

    def _show_document(self) -> None:
        document = self.document
        if document is not None:
            mark = " •" if document.is_changed else ""
            name = (document.saved_as or document.path).name
            self.name.setText(f"{name}{mark}")
            self.title_changed.emit(f"{name}{mark}")
        self.tools["save"].setEnabled(document is not None)
        self.tools["undo"].setEnabled(document is not None and document.can_undo)
        self.tools["redo"].setEnabled(document is not None and document.can_redo)

    # Acting

    def do(self, action: str) -> None:
        """Every action that buttons, keys and messages name."""
        actions: dict[str, Callable[[], object]] = {
            "open": self.ask_open, "save": self._ask_save, "undo": lambda: self._travel("undo"),
            "redo": lambda: self._travel("redo"), "settings": self.show_preferences,
            "help": self.show_help, "play": self.player.toggle,
            "back": lambda: self.player.shuttle(-1), "previous": lambda: self._edit(-1),
            "next": lambda: self._edit(1), "in": lambda: self._mark("in"),
            "out": lambda: self._mark("out"), "this_shot": self._this_shot, "loop": self._loop,
            "sound": self._sound, "speech_file": self._ask_speech,
            "speech_clear": lambda: self.editing.set_wish(speech=None),
            "style_shot": lambda: self.editing.set_wish(style=StyleChoice()),
            "style_range": self._style_range, "style_file": self._ask_style,
            "speaker_auto": lambda: self.editing.set_wish(speaker=None),
            "consent_choose": self._ask_consent,
            "consent_clear": lambda: self.editing.set_wish(consent=None),
            "go_on": self._go_on, "restart": self._restart, "about": self.show_about,
            "show_queue": lambda: self.side.setCurrentWidget(self.queue_view),
            "put_last": lambda: self.jobs.act(self._last_done, "put"),
            "watch_last": lambda: self._queue_act(self._last_done, "watch"),
        }  # fmt: skip
        actions[action]()

    def submit(self) -> None:
        """The dub joins the queue, where nothing stands in its way."""
        if self.document is None or blocks(self.editing.problems()):
            return
        title, data = self.editing.job()
        self._last_done = self.jobs.submit(title, data).id
        self.side.setCurrentWidget(self.queue_view)

    def _dub_markers(self) -> None:
        if self.document is None:
            return
        try:
            self.jobs.submit_markers()
        except DubError as error:
            self.banner.say(str(error), "warning")

    def _travel(self, way: str) -> None:
        document = self.document
        if document is None or not (document.can_undo if way == "undo" else document.can_redo):
            return
        getattr(document, way)()
        self._show_changed()

    def _mark(self, end: str) -> None:
        if self.document is not None:
            after = 1 / self.document.content.rate if end == "out" else 0
            self.editing.mark(end, self.position + after)

    def _this_shot(self) -> None:
        clip = self._clip_here()
        if clip is not None:
            self._choose_shot(self.strip.kind if self.strip.kind != "speech" else "dub", clip)

    def _choose_shot(self, kind: str, clip: ClipView) -> None:
        label = clip.placed.label if kind != "dub" else None
        self.editing.draw(kind, clip.span, label)

    def _choose_kind(self, kind: str) -> None:
        self.strip.kind = kind  # type: ignore[assignment]
        self.kinds.choose(kind)
        self._show_hint()
        self.strip.update()

    def _choose_speech(self, path: str) -> None:
        self.editing.set_wish(speech=SpeechChoice(file=path))

    def _style_range(self) -> None:
        """Take the shot under the playhead to begin with; dragging changes it."""
        self._choose_kind("style")
        clip = self._clip_here()
        if self.editing.wish.style.span is None and clip is not None:
            self._choose_shot("style", clip)
        else:
            self._show_wish()

    def _choose_face(self, x: float, y: float) -> None:
        place = self._source_here()
        if place is not None:
            self.editing.choose_face(*place, x, y)

    def _set_option(self, name: str, value: object) -> None:
        said = self.editing.set_option(name, value)
        if said:
            self.banner.say(said, "warning")

    def _ask_file(self, title: str, kinds: str) -> str:
        path, _ = QFileDialog.getOpenFileName(self, title, "", kinds)
        return path

    def _ask_speech(self) -> None:
        path = self._ask_file(self.tr("The new speech"), self.tr("Sound") + f" ({SOUND_FILES})")
        if path:
            self._choose_speech(path)

    def _ask_style(self) -> None:
        path = self._ask_file(self.tr("A clip of the same person"), "")
        if path:
            self.editing.set_wish(style=StyleChoice(file=path))
        self._show_wish()

    def _ask_consent(self) -> None:
        path = self._ask_file(self.tr("The person's consent"), "")
        if path:
            self.editing.set_wish(consent=path)

    def _edit(self, direction: int) -> None:
        """To the neighbouring cut."""
        if self.document is None:
            return
        edges = self.document.content.edges
        if direction > 0:
            later = [edge for edge in edges if edge > self.position]
            self.player.go(later[0] if later else self.document.content.duration)
        else:
            earlier = [edge for edge in edges if edge < self.position]
            self.player.go(earlier[-1] if earlier else Fraction(0))

    def _go_to_end(self) -> None:
        if self.document is not None:
            self.player.go(self.document.content.duration)

    def _loop(self) -> None:
        on = self.viewer.tools["loop"].isChecked()
        span = self.editing.wish.dub
        self.player.transport.loop = (span.start, span.end) if on and span else None

    def _sound(self) -> None:
        on = self.viewer.tools["sound"].isChecked()
        self.player.sound_on = on
        self.viewer.tools["sound"].setIcon(icon("sound" if on else "mute"))
        self._adopt(dataclasses.replace(self.preferences, sound_on=on))

    # Showing

    @property
    def position(self) -> Fraction:
        return self.player.transport.position

    def zero_of(self, clip: ClipView) -> Fraction:
        """Media time of a file's first frame, kept once the file is known."""
        key = id(clip)
        if key in self._zeros or self.document is None or clip.path is None:
            return self._zeros.get(key, clip.media(clip.span.start))
        if not self.desk.is_known(clip.path):
            return clip.media(clip.span.start)
        facts = KnownFacts(self.desk)
        try:
            zero = source_zero(clip, self.document.content.layout, self.document.folders, facts)
        except DubError:
            zero = clip.media(clip.span.start)
        self._zeros[key] = zero
        return zero

    def _clip_here(self) -> ClipView | None:
        return self.document.content.shown_at(self.position) if self.document else None

    def _source_here(self) -> tuple[str, int] | None:
        if self.document is None:
            return None
        return self.viewing.source_at(self.document.content, self.position)

    def _segments(self) -> list[SoundSegment]:
        return self.viewing.segments(self.document.content) if self.document else []

    def _moved(self, position: Fraction) -> None:
        content = self.document.content if self.document else None
        if content is None:
            return
        self.strip.set_position(position)
        self.viewer.show_position(position, content.duration, content.rate, content.zero)
        self.form.set_clock(content.rate, content.zero, position)
        speed = self.player.transport.speed
        if speed:
            self.viewing.prefetch(content, position, 1 if speed > 0 else -1)
        self._refresh_viewer()

    def _refresh_viewer(self) -> None:
        """Pictures and faces for the moment on which the playhead stands."""
        if self.document is None:
            return
        content, playing = self.document.content, bool(self.player.transport.speed)
        self.viewing.pieces, self.viewing.growing = self._pieces()
        self.viewing.show(content, self.position, playing)
        if playing:
            self.viewer.canvas.show_faces(())
            return
        speaker = self.editing.wish.speaker
        chosen = (speaker.path, speaker.x, speaker.y) if speaker is not None else None
        span = self.editing.wish.dub
        here = span is None or span.start <= self.position < span.end
        faces = self.viewing.faces(content, self.position, chosen) if here else ()
        self.viewer.canvas.show_faces(faces)

    def _pieces(self) -> tuple[list[DubbedPiece], set[str]]:
        return self.jobs.pieces()

    def set_mode(self, mode: str) -> None:
        button = self.viewer.modes.buttons[mode]
        if button.isEnabled():
            self.viewer.set_mode(mode)  # type: ignore[arg-type]
        self._refresh_viewer()

    def _toggle_after(self) -> None:
        self.set_mode("after" if self.viewer.canvas.mode == "before" else "before")

    def _show_wish(self) -> None:
        if self.document is None:
            return
        content, wish = self.document.content, self.editing.wish
        self.form.show_wish(wish, content.rate, content.zero)
        problems = self.editing.problems()
        self.form.show_problems(problems, self._summary(), possible=True)
        ranges: dict[str, tuple[Span, str | None]] = {}
        if wish.dub is not None:
            ranges["dub"] = wish.dub, None
        if wish.speech is not None and wish.speech.span is not None:
            ranges["speech"] = wish.speech.span, wish.speech.track
        if wish.style.span is not None:
            ranges["style"] = wish.style.span, wish.style.track
        self.strip.set_ranges(ranges)
        self._loop()
        self._show_hint()
        self._news.start()

    def _summary(self) -> str:
        clips = self.editing.shown_clips()
        if not clips or self.editing.wish.speech is None:
            return ""
        shots = self.tr("{n} shots").format(n=len(clips)) if len(clips) > 1 else clips[0][0].name
        return self.tr("{what} → a new track above").format(what=shots)

    def _show_hint(self) -> None:
        self.hint.setText(
            {
                "dub": self.tr("Drag over the picture to mark what to dub"),
                "speech": self.tr("Drag over an audio track, or drop a sound file"),
                "style": self.tr("Drag over a clip of the same person"),
            }[self.strip.kind]
        )

    def _show_scroll(self) -> None:
        strip = self.strip
        span = strip.body_width / strip.scale.density
        most = max(0.0, strip.duration * 1.04 - span)
        for widget in (self.scroller, self.zoom):
            widget.blockSignals(True)
        self.scroller.setRange(0, round(most * 1000))
        self.scroller.setPageStep(max(1, round(span * 1000)))
        self.scroller.setValue(round(strip.scale.start * 1000))
        self.zoom.setValue(round(self._zoom_share() * 1000))
        for widget in (self.scroller, self.zoom):
            widget.blockSignals(False)

    def _zoom_share(self) -> float:
        import math

        least = self.strip.scale.whole(self.strip.duration, self.strip.body_width)
        return math.log(max(1.0, self.strip.scale.density / least)) / math.log(
            max(1.1, 800 / least)
        )

    def _zoomed(self, value: int) -> None:
        least = self.strip.scale.whole(self.strip.duration, self.strip.body_width)
        wanted = least * max(1.1, 800 / least) ** (value / 1000)
        self.strip.zoom(wanted / self.strip.scale.density)

    # Queue

    def _job_changed(self, job: JobRecord) -> None:
        self.queue_view.show_job(job)
        self._show_tab()
        self._news.start()

    def _queue_changed(self) -> None:
        self.queue_view.show_queue(self.jobs.queue)
        self._show_tab()

    def _show_tab(self) -> None:
        count = sum(job.is_open for job in self.jobs.queue)
        text = self.tr("Queue") + (f"  {count}" if count else "")
        self.side.setTabText(1, text)

    def _queue_act(self, job_id: str, action: str) -> None:
        job = self.jobs.queue.of_id(job_id)
        if action == "watch" and job is not None:
            self._watch(job)
        elif action == "folder" and job is not None and job.pieces:
            folder = Path(job.pieces[0]["output"]).parent
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))
        else:
            self.jobs.act(job_id, action)

    def _watch(self, job: JobRecord) -> None:
        """Stand at the start of a dub and compare."""
        pieces, _ = self._pieces()
        mine = {data["id"] for data in job.pieces}
        piece = next((piece for piece in pieces if piece.id in mine), None)
        if piece is not None:
            self.player.go(piece.span.start)
            self._refresh_viewer()
            if self.viewer.canvas.mode == "before":
                self.set_mode("wipe")

    _last_done = ""

    def _job_finished(self, job: JobRecord) -> None:
        self._last_done = job.id
        for data in job.pieces:
            self.desk.forget_file(data["output"])
        text = self.tr("{title} is dubbed.").format(title=job.title)
        self.banner.say(
            text,
            "good",
            ("watch_last", self.tr("Compare")),
            ("put_last", self.tr("Put on a new track")),
        )

    def _placed(self, job: JobRecord, content: Content) -> None:
        if self.document is None:
            return
        self.document.change(content)
        self.strip.fresh = frozenset({job.id}) if job.placed else frozenset()
        self._show_changed()
        word = self.tr("is on a new track") if job.placed else self.tr("is off the track again")
        self.banner.say(f"{job.title} {word}.", "good")

    def _show_changed(self) -> None:
        assert self.document is not None
        self._zeros.clear()
        self.strip.show_content(self.document.content, keep_view=True)
        self.jobs.match_timeline()
        self._show_document()
        self._show_wish()

    # Engine

    def _show_engine(self, state: str) -> None:
        texts = {
            "off": "", "starting": self.tr("Engine starting…"), "ready": "",
            "gone": self.tr("Engine offline"),
        }  # fmt: skip
        self.engine_state.setText(texts[state])
        if state == "gone":
            self.banner.say(
                self.tr("{why} You can go on marking; dubbing needs the engine.").format(
                    why=self.link._gone_message()
                ),
                "error", ("restart", self.tr("Start it again")),
            )  # fmt: skip

    def _engine_lost(self, job: JobRecord) -> None:
        if self.link.state == "gone":
            return
        text = self.tr("The engine stopped while it dubbed {title}. What is finished is kept.")
        self.banner.say(text.format(title=job.title), "warning", ("go_on", self.tr("Go on")))

    def _go_on(self) -> None:
        self.jobs.go_on()
        self.side.setCurrentWidget(self.queue_view)

    def _restart(self) -> None:
        self.link.restart()
        self.bridge_models()

    # Windows beside

    def _adopt(self, preferences: Preferences) -> None:
        changed = preferences != self.preferences
        self.preferences = preferences
        self.viewing.height = preferences.preview_height
        self.editing.consent_required = preferences.consent_required
        self.player.sound_on = preferences.sound_on
        self.viewer.tools["sound"].setChecked(preferences.sound_on)
        if preferences.device != self.editing.wish.options.device:
            self.editing.set_option("device", preferences.device)
        folder = preferences.models_folder
        if folder and self.form.models.findData(folder) < 0:
            self.form.models.addItem(Path(folder).name, folder)
        if changed:
            preferences.write(self.home.preferences)
            self._show_wish()

    def show_preferences(self) -> None:
        dialog = PreferencesDialog(self.preferences, self.desk.folder, self)
        dialog.changed.connect(self._adopt)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.show()

    def show_help(self) -> None:
        self._adopt(dataclasses.replace(self.preferences, seen_help=True))
        self._help = help_page(self)
        self._help.show()

    def show_about(self) -> None:
        self._about = about_page(self)
        self._about.show()

    def shut(self) -> None:
        """End what runs beside; the queue stays for the next time."""
        self.player.stop()
        self.jobs.close()
        self.editing.close()
        self.link.close()
        self.desk.close()

    def closeEvent(self, event: QCloseEvent) -> None:
        self.shut()
        super().closeEvent(event)
