"""The lips of the line that is stood on, asked of the engine while its settings are changed."""

from __future__ import annotations

import threading
from dataclasses import replace
from fractions import Fraction
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal
from stylesync_plugin.contract import DubError, DubRequest, LipCurve, as_data
from stylesync_plugin.jobs import job_from
from stylesync_plugin.planning.conform import make_media
from stylesync_plugin.planning.planner import PlanSettings, plan

from stylesync_ui.engine.bridge import EngineBridge
from stylesync_ui.engine.link import EngineLink, Event
from stylesync_ui.engine.probes import AskingProbe
from stylesync_ui.lines.refine import RefineView
from stylesync_ui.lines.rows import outdated
from stylesync_ui.panel.line_desk import LineDesk
from stylesync_ui.viewer.player import Player

PAUSE_MS = 350
BINS = 300


class Refining(QObject):
    """Shows a glance as soon as the speech was heard, and the curve when the shot is followed."""

    _planned = Signal(int, object)

    def __init__(
        self, desk: LineDesk, view: RefineView, link: EngineLink, bridge: EngineBridge,
        player: Player,
    ) -> None:  # fmt: skip
        super().__init__()
        self._desk, self._view, self._link = desk, view, link
        self._player = player
        player.moved.connect(self._moved)
        self._probe = AskingProbe(bridge)
        self._number, self._asked = 0, ""
        self._shown: tuple[Any, ...] = ()
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(PAUSE_MS)
        self._pause.timeout.connect(self._ask)
        self._planned.connect(self._send)
        desk.chosen.connect(self.follow)
        desk.page.refined.connect(lambda _: self.follow())
        view.changed.connect(self._change)

    def follow(self) -> None:
        """Another line, or other settings of it: its curve is asked anew, once that is settled."""
        index, rows = self._desk.current, self._desk.session.rows
        if not 0 <= index < len(rows) or not self._desk.page.is_refining:
            return
        row = rows[index]
        rate, _ = self._desk.session.clock
        self._view.show_line(row.line, round(row.span.duration * rate))
        self._moved(self._player.position)
        wanted = (self._desk.session.document, row.line.number, *_heard(row.line))
        if wanted != self._shown:
            self._shown = wanted
            self._number += 1
            self._link.cancel(self._asked)
            here = row.line.sound is not None
            said = self.tr("Reading…") if here else self.tr("The line has no sound")
            self._view.curve.show_curve(None, (), said)
            if here:
                self._pause.start()

    def _change(self, changes: dict[str, Any]) -> None:
        index, session = self._desk.current, self._desk.session
        if index >= 0:
            line = session.rows[index].line
            session.put({index: outdated(line, replace(line, **changes))})

    def _moved(self, position: Fraction) -> None:
        """Where in the line the playhead stands."""
        index, rows = self._desk.current, self._desk.session.rows
        if 0 <= index < len(rows) and self._desk.page.is_refining:
            span = rows[index].span
            length = span.duration or Fraction(1)
            self._view.curve.show_position(float((position - span.start) / length))

    def _ask(self) -> None:
        """Plan the dub of the line, beside the GUI thread."""
        line, document = self._desk.line, self._desk.session.document
        if line is None or document is None:
            return
        number, span = self._number, self._desk.session.rows[self._desk.current].span
        folders = document.folders
        settings = PlanSettings(document.media_folder, folders, probe=self._probe)
        timeline, media = document.content.timeline, document.media_folder

        def work() -> None:
            try:
                data = self._desk.dubs.job_data(line, span, media)
                planned = plan(timeline, [job_from(data, line.number)], settings)
                for dub in planned.dubs[:1]:
                    make_media(dub)
                    self._planned.emit(number, dub.request)
                for refusal in planned.refused[:1]:
                    self._planned.emit(number, refusal.error)
            except (DubError, OSError) as error:
                self._planned.emit(number, error)

        threading.Thread(target=work, daemon=True).start()

    def _send(self, number: int, request: DubRequest | Exception) -> None:
        if number != self._number:
            return
        if isinstance(request, Exception):
            self._view.curve.show_curve(None, (), str(request))
            return
        params = {"request": as_data(request), "bins": BINS}
        self._asked = self._link.ask("lips", params, lambda event: self._hear(number, event))

    def _hear(self, number: int, event: Event) -> None:
        if number != self._number:
            return
        told = event.get("curve")
        if isinstance(told, dict):
            curve = LipCurve.from_dict(told)
            said = self.tr("From the speech alone…") if curve.glance else "\n".join(curve.warnings)
            self._view.curve.show_curve(curve, told.get("peaks", ()), said)
        elif event["event"] in ("error", "lost"):
            self._view.curve.show_curve(None, (), str(event.get("message", "")))


def _heard(line: Any) -> tuple[Any, ...]:
    """All of a line that its lips follow."""
    names = ("start", "end", "sound", "slip", "trim_in", "trim_out", "stretch", "character",
             "articulation", "style_strength", "keys")  # fmt: skip
    return tuple(getattr(line, name) for name in names)
