"""The moment at which the playhead stands: its pictures, faces and sound, and ways to compare."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from PySide6.QtCore import QObject
from stylesync_plugin.times import Span

from stylesync_ui.look.soon import Soon
from stylesync_ui.panel.layout import PanelLayout
from stylesync_ui.queue.jobs import JobRecord
from stylesync_ui.queue.queue_runner import QueueRunner
from stylesync_ui.timeline.document import Content
from stylesync_ui.viewer.canvas import NAMES, Mode
from stylesync_ui.viewer.player import Player
from stylesync_ui.viewer.viewing import Viewing
from stylesync_ui.wish.editing import Editing

NEWS_MS = 15


class Playhead(QObject):
    """Brings strip, viewer and form to the player's moment; `content_of` is what is open."""

    def __init__(
        self, layout: PanelLayout, player: Player, viewing: Viewing, editing: Editing,
        jobs: QueueRunner, content_of: Callable[[], Content | None],
    ) -> None:  # fmt: skip
        super().__init__()
        self.player = player
        self._strip, self._viewer, self._form = layout.strip, layout.viewer, layout.form
        self._viewing, self._editing, self._jobs = viewing, editing, jobs
        self._content_of = content_of
        self._news = Soon(self.refresh, NEWS_MS, self)
        player.moved.connect(self._moved)
        player.speed_changed.connect(self._show_speed)
        self._viewer.mode_chosen.connect(self.set_mode)
        self._viewer.tools["loop"].toggled.connect(lambda _: self.loop())
        self._viewer.canvas.panned.connect(self._pan)
        self._viewer.canvas.magnified.connect(self._magnify)

    # Moving

    def go_to_edit(self, direction: int) -> None:
        """To the neighbouring cut."""
        content = self._content_of()
        if content is not None:
            self.player.go(content.edge_beside(self.player.position, direction))

    def loop(self) -> None:
        """Go round in the range to dub, where that is wanted."""
        on = self._viewer.tools["loop"].isChecked()
        span = self._editing.wish.dub
        self.player.transport.loop = (span.start, span.end) if on and span else None

    def watch(self, job: JobRecord) -> None:
        """Stand at the start of a dub and compare: this take, whichever lies on the timeline."""
        mine = {data["output"] for data in job.pieces}
        piece = next((piece for piece in self._jobs.pieces()[0] if piece.output in mine), None)
        if piece is not None:
            self._viewing.watched = piece.output
            self.player.go(piece.span.start)
            self.refresh()
            if self._viewer.canvas.mode == "before":
                self.set_mode("wipe")

    def stand_on(self, span: Span, take: str) -> None:
        """Stand at the start of a line; its picked take, if it has one, is what is compared."""
        self._viewing.watched = take or self._viewing.watched
        if not span.start <= self.player.position < span.end:
            self.player.go(span.start)
        self._strip.bring(span)
        self.refresh()

    def show_closely(self, span: Span) -> None:
        """The line fills most of the strip."""
        self._strip.fill(span)

    # Showing

    def _moved(self, position: Fraction) -> None:
        content = self._content_of()
        if content is None:
            return
        self._strip.set_position(position)
        self._viewer.show_position(position, content.duration, content.layout)
        self._form.set_clock(content.layout, position)
        speed = self.player.transport.speed
        if speed:
            self._viewing.prefetch(content, position, 1 if speed > 0 else -1)
        self._show_pictures()

    def refresh_soon(self) -> None:
        """Other pictures or facts are here; many of them are shown at once."""
        self._news.ask()

    def refresh(self) -> None:
        """Pictures, faces and sound of the moment on which the playhead stands."""
        self._show_pictures()
        self.player.hear_again()

    def _show_pictures(self) -> None:
        content, position = self._content_of(), self.player.position
        if content is None:
            return
        playing = bool(self.player.transport.speed)
        self._viewing.pieces, self._viewing.growing = self._jobs.pieces()
        wish = self._editing.wish
        chosen = (wish.speaker.path, wish.speaker.x, wish.speaker.y) if wish.speaker else None
        self._viewing.face = chosen
        self._viewing.show(content, position, playing)
        here = wish.dub is None or wish.dub.start <= position < wish.dub.end
        shown = here and not playing and not self._viewing.zoom.is_on
        faces = self._viewing.faces(content, position, chosen) if shown else ()
        self._viewer.canvas.show_faces(faces)

    def _show_speed(self, speed: int) -> None:
        self._viewer.show_speed(speed)
        self._viewer.show_sound(self.player.sound_on, self.player.output.trouble)
        self.refresh()

    def set_mode(self, mode: Mode) -> None:
        """Compare in another way, where there is something to compare."""
        if self._viewer.modes.buttons[mode].isEnabled():
            self._viewer.set_mode(mode)
        self.refresh()

    def compare_with(self, output: str, its_name: str, name: str) -> None:
        """Another take is compared with, or the original where none is named; both are called so
        in the picture."""
        self._viewing.against = output
        self._viewer.canvas.names = (its_name, name) if output else NAMES
        if output and self._viewer.canvas.mode in ("before", "after"):
            self.set_mode("side")
        self.refresh()

    def toggle_zoom(self) -> None:
        """The mouth closely, or the whole picture."""
        zoom = self._viewing.zoom
        zoom.is_on = not zoom.is_on
        zoom.look_at_mouth()
        self._viewer.tools["zoom_mouth"].setChecked(zoom.is_on)
        self._viewer.canvas.can_pan = zoom.is_on
        self.refresh()

    def _pan(self, right: float, down: float) -> None:
        self._viewing.zoom.pan(right, down)
        self.refresh()

    def _magnify(self, factor: float) -> None:
        self._viewing.zoom.magnify(factor)
        self.refresh()

    def toggle_after(self) -> None:
        self.set_mode("after" if self._viewer.canvas.mode == "before" else "before")
