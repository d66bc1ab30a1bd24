"""The panel's parts: engine, timeline, viewer, form, queue, lines; made, not yet connected."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtWidgets import QWidget
from stylesync_plugin.times import Span

from stylesync_ui.desk.dubs import LineDubs
from stylesync_ui.engine.bridge import EngineBridge
from stylesync_ui.engine.link import EngineLink
from stylesync_ui.engine.media_cache import MediaCache
from stylesync_ui.engine.preview_folder import PreviewFolder
from stylesync_ui.engine.probes import AskingProbe
from stylesync_ui.lines.session import Session
from stylesync_ui.panel.commands import CommandSet
from stylesync_ui.panel.engine_notice import EngineNotice
from stylesync_ui.panel.layout import PanelLayout
from stylesync_ui.panel.line_desk import LineDesk
from stylesync_ui.panel.marking import Marking
from stylesync_ui.panel.playhead import Playhead
from stylesync_ui.panel.preferences import Home, Preferences
from stylesync_ui.panel.refining import Refining
from stylesync_ui.panel.results import Results
from stylesync_ui.queue.queue_runner import QueueRunner
from stylesync_ui.timeline.document import Content, Document
from stylesync_ui.timeline.source_zeros import SourceZeros
from stylesync_ui.timeline.timeline_file import TimelineFile
from stylesync_ui.viewer.player import Player
from stylesync_ui.viewer.sound_output import SoundSegment
from stylesync_ui.viewer.viewing import Viewing
from stylesync_ui.wish.editing import Editing


class PanelParts(PanelLayout):
    """Everything that the panel is made of."""

    def __init__(
        self, home: Home, command: Sequence[str] | None = None, parent: QWidget | None = None
    ) -> None:
        super().__init__("panel", parent)
        self.home = home
        self.preferences = Preferences.read(home.preferences)
        self.link = EngineLink(command, self)
        self.bridge = EngineBridge(self.link)
        self.media = MediaCache(self.link, PreviewFolder(self.home.cache))
        self.zeros = SourceZeros(self.media)
        self.editing = Editing(self.media, self.bridge, self.zeros.of)
        self.jobs = QueueRunner(self.bridge, self.home.queue)
        self.session = Session(AskingProbe(self.bridge))
        self.build(self.media, self.zeros.of, self.session)
        self.player = Player(self._segments)
        self.viewing = Viewing(self.viewer, self.media, self.zeros.of)
        self.timeline = TimelineFile(self, self.banner, lambda: self.preferences.folders)
        self.marking = Marking(
            self.timeline, self.editing, self.area, self.player, self.viewing, self
        )
        self.results = Results(self.jobs, self.media, self.queue_view, self.side, self.banner)
        self.notice = EngineNotice(self.link, self.jobs, self.engine_banner, self.engine_state)
        self.commands = CommandSet(self)
        self.playhead = Playhead(
            self, self.player, self.viewing, self.editing, self.jobs, self._content
        )
        self.desk = LineDesk(
            self.session, LineDubs(self.session, self.jobs, lambda: self.editing.wish),
            self.lines_page, self.media, self.banner, self, self.playhead,
        )  # fmt: skip
        self.desk.people = lambda: self.editing.people_here
        self.refining = Refining(
            self.desk, self.lines_page.refine, self.link, self.bridge, self.player
        )

    @property
    def document(self) -> Document | None:
        return self.timeline.document

    def _content(self) -> Content | None:
        return self.document.content if self.document else None

    def _segments(self, within: Span) -> list[SoundSegment]:
        content = self._content()
        return self.viewing.segments(content, within) if content else []
