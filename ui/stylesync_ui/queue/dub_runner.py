"""Dubs in a thread of their own: the plugin's `dub_timeline`, with the panel's engine."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal, Slot
from stylesync_plugin import contract
from stylesync_plugin.contract import (
    Cancelled,
    DubError,
    DubRequest,
    DubResult,
    MediaError,
    Progress,
    RequestError,
    to_dict,
)
from stylesync_plugin.dub_timeline import Batch, BatchProgress, dub_timeline
from stylesync_plugin.formats import read_timeline
from stylesync_plugin.jobs import job_from
from stylesync_plugin.plan import PlanSettings, plan
from stylesync_plugin.sources import PictureFacts, SoundFacts

from stylesync_ui.engine.link import LAST_EVENTS, EngineLink, Event
from stylesync_ui.engine.media_cache import parse_facts

Hear = Callable[[Event], None]


class EngineLost(DubError):
    """The engine ended in the middle of a job; what is finished is kept."""


class EngineBridge(QObject):
    """Lets worker threads ask the engine, which lives in the GUI thread."""

    _asked = Signal(str, object, object, object)
    _cancelled = Signal(str)

    def __init__(self, link: EngineLink) -> None:
        super().__init__()
        self._link = link
        self._names: dict[str, str] = {}
        self._asked.connect(self._ask)
        self._cancelled.connect(self._cancel)

    def ask(self, method: str, params: Event, hear: Hear | None = None, name: str = "") -> Event:
        """The last event of a request, whatever it is; blocks, so never in the GUI thread."""
        events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._asked.emit(method, params, events.put, name)
        while True:
            event = events.get()
            if event["event"] in (*LAST_EVENTS, "lost"):
                return event
            if hear is not None:
                hear(event)

    def cancel(self, name: str) -> None:
        self._cancelled.emit(name)

    @Slot(str, object, object, object)
    def _ask(self, method: str, params: Event, put: Hear, name: str) -> None:
        self._names[name] = self._link.ask(method, params, put)

    @Slot(str)
    def _cancel(self, name: str) -> None:
        if name in self._names:
            self._link.cancel(self._names[name])


class AskingProbe:
    """The plugin's probe by way of the engine, for worker threads; every file is asked once."""

    def __init__(self, bridge: EngineBridge) -> None:
        self._bridge = bridge
        self._known: dict[str, tuple[tuple[int, int], Event]] = {}

    def picture(self, path: str) -> PictureFacts:
        found = self._facts(path)["picture"]
        if found is None:
            raise MediaError(f"'{Path(path).name}' holds no picture; choose another file.")
        return parse_facts(found)

    def sound(self, path: str) -> SoundFacts:
        found = self._facts(path)["sound"]
        if found is None:
            raise MediaError(f"'{Path(path).name}' holds no sound; choose another file.")
        return SoundFacts(found["sample_rate"], found["samples"])

    def _facts(self, path: str) -> Event:
        mark = _mark(path)
        known = self._known.get(path)
        if known is None or known[0] != mark:
            known = mark, self._bridge.ask("facts", {"path": path})
            if known[1]["event"] == "result":
                self._known[path] = known
        if known[1]["event"] != "result":
            raise error_of(known[1])
        return known[1]


class DubRunner(QObject):
    """Runs one job at a time; signals come in the GUI thread."""

    progressed = Signal(str, object)
    ended = Signal(str, object)

    def __init__(self, bridge: EngineBridge) -> None:
        super().__init__()
        self.bridge = bridge
        self.probe = AskingProbe(bridge)
        self._stop = threading.Event()
        self._only_kept = False
        self.job_id: str | None = None
        self._thread: threading.Thread | None = None

    def start(
        self,
        job_id: str,
        timeline: Any,
        data: dict[str, Any],
        settings: PlanSettings,
        only_kept: bool = False,
    ) -> None:
        """`timeline` is one that is open, or the path of its file.

        With `only_kept` nothing is rendered: a dub that is not finished is an error.
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
        self, job_id: str, timeline: Any, data: dict[str, Any], settings: PlanSettings
    ) -> None:
        outcome: Batch | DubError
        try:
            content = read_timeline(timeline) if isinstance(timeline, Path) else timeline
            job = job_from(data, str(data.get("name", "dub")))
            outcome = dub_timeline(
                content, [job], settings, lambda request, say: self._dub(job_id, request, say),
                on_progress=lambda progress: self._say(job_id, progress),
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

        event = self.bridge.ask("dub", to_dict(request), hear, job_id)
        if event["event"] == "result":
            return DubResult.from_dict({k: v for k, v in event.items() if k != "id"})
        raise error_of(event)


class PlanCheck(QObject):
    """Plans wishes beside the GUI thread; only the latest answer is heard."""

    checked = Signal(int, object)

    def __init__(self, bridge: EngineBridge) -> None:
        super().__init__()
        self._probe = AskingProbe(bridge)
        self._waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
        threading.Thread(target=self._work, daemon=True).start()

    def ask(
        self, number: int, timeline: Any, data: Any, media: Path, folders: Sequence[Path]
    ) -> None:
        settings = PlanSettings(media, tuple(folders), probe=self._probe)
        self._waiting.put((number, timeline, data, settings))

    def stop(self) -> None:
        self._waiting.put(None)

    def _work(self) -> None:
        while (asked := self._waiting.get()) is not None:
            while not self._waiting.empty():
                later = self._waiting.get()
                if later is None:
                    return
                asked = later
            number, timeline, data, settings = asked
            try:
                job = job_from(data, str(data.get("name", "dub")))
                self.checked.emit(number, plan(timeline, [job], settings))
            except (DubError, OSError) as error:
                self.checked.emit(number, error)


def error_of(event: Event) -> DubError:
    """The engine's error as the class that it was."""
    message = str(event.get("message") or "The engine gave no reason.")
    if event["event"] == "lost":
        return EngineLost(message)
    if event["event"] == "cancelled":
        return Cancelled(message)
    kind = getattr(contract, str(event.get("kind")), DubError)
    known = isinstance(kind, type) and issubclass(kind, DubError)
    return kind(message) if known else DubError(message)


def _mark(path: str) -> tuple[int, int]:
    try:
        status = Path(path).stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns
