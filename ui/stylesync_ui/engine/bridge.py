"""The engine for worker threads: questions that block until the answer is here."""

from __future__ import annotations

import queue
from collections.abc import Callable

from PySide6.QtCore import QObject, Signal, Slot
from stylesync_plugin import contract
from stylesync_plugin.contract import Cancelled, DubError

from stylesync_ui.engine.link import LAST_EVENTS, EngineLink, Event

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
