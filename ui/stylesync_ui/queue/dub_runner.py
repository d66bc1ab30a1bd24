"""Dubs in a thread of their own: the plugin's `dub_timeline`, with the panel's engine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal
from stylesync_plugin.batch.dub_timeline import Batch, BatchProgress, dub_timeline
from stylesync_plugin.contract import (
    Cancelled,
    DubError,
    DubRequest,
    DubResult,
    Progress,
    RequestError,
    as_data,
)
from stylesync_plugin.formats.files import read_timeline
from stylesync_plugin.jobs import job_from
from stylesync_plugin.planning.planner import PlanSettings
from stylesync_plugin.writing.dubbed_clips import TrackNames

from stylesync_ui.engine.bridge import EngineBridge, error_of
from stylesync_ui.engine.link import Event
from stylesync_ui.engine.probes import AskingProbe


class DubRunner(QObject):
    """Runs one job at a time; signals come in the GUI thread."""

    progressed = Signal(str, object)
    ended = Signal(str, object)

    def __init__(self, bridge: EngineBridge) -> None:
        super().__init__()
        self.bridge = bridge
        self.probe = AskingProbe(bridge)
        self.names = TrackNames()
        self._stop = threading.Event()
        self._only_kept = False
        self.job_id: str | None = None
        self._thread: threading.Thread | None = None

    def start(
        self,
        job_id: str,
        timeline: Any,
        data: Sequence[dict[str, Any]],
        settings: PlanSettings,
        only_kept: bool = False,
    ) -> None:
        """`timeline` is one that is open, or the path of its file; `data` are the plugin's jobs.

        With `only_kept` nothing is rendered: a dub that is not finished is an error, the others go
        onto a copy of the timeline.
        """
        self._stop.clear()
        self.job_id = job_id
        self._only_kept = only_kept
        work = (job_id, timeline, data, settings)
        self._thread = threading.Thread(target=self._run, args=work, daemon=True)
        self._thread.start()

    def cancel(self) -> None:
        self._stop.set()
        if self.job_id is not None:
            self.bridge.cancel(self.job_id)

    def _run(
        self, job_id: str, timeline: Any, data: Sequence[dict[str, Any]], settings: PlanSettings
    ) -> None:
        outcome: Batch | DubError
        try:
            content = read_timeline(timeline) if isinstance(timeline, Path) else timeline
            jobs = [job_from(entry, str(entry.get("name", "dub"))) for entry in data]
            outcome = dub_timeline(
                content, jobs, settings, lambda request, say: self._dub(job_id, request, say),
                self.names,
                on_progress=lambda progress: self._say(job_id, progress),
                put_on=self._only_kept,
            )  # fmt: skip
        except DubError as error:
            outcome = error
        except Exception as error:  # a fault of ours must end the job, not the panel
            outcome = DubError(f"This should not have happened ({type(error).__name__}: {error}).")
        self.job_id = None
        self.ended.emit(job_id, outcome)

    def _say(self, job_id: str, progress: BatchProgress) -> None:
        self.progressed.emit(job_id, progress)

    def _dub(self, job_id: str, request: DubRequest, say: Callable[[Progress], None]) -> DubResult:
        if self._stop.is_set():
            raise Cancelled("The job was cancelled.")
        if self._only_kept:
            raise RequestError("What went into this dub has changed since; try it again first.")

        def hear(event: Event) -> None:
            if event["event"] == "progress":
                say(Progress(event["stage"], event["done"], event["total"]))

        event = self.bridge.ask("dub", as_data(request), hear, job_id)
        if event["event"] == "result":
            return DubResult.from_dict({k: v for k, v in event.items() if k != "id"})
        raise error_of(event)
