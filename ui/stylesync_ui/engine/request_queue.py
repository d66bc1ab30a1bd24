"""Small requests to the engine, the most urgent first, each asked once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stylesync_ui.engine.link import Event

VIEWER, FACES, FACTS, SOUND, WAVEFORM, THUMBNAIL = range(6)


@dataclass(frozen=True, slots=True)
class QueuedRequest:
    """`key` names what is wanted; the same key twice is one request."""

    key: tuple[Any, ...]
    urgency: int
    method: str
    params: dict[str, Any]
    listener: Callable[[Event], None]


class RequestQueue:
    """Requests that wait and those on their way; at most `most` of these."""

    def __init__(self, most: int = 2) -> None:
        self._most = most
        self._waiting: dict[tuple[Any, ...], QueuedRequest] = {}
        self._away: dict[tuple[Any, ...], QueuedRequest] = {}

    def add(self, request: QueuedRequest) -> bool:
        """Whether it is new. What waits already moves to the front of its urgency."""
        if request.key in self._away:
            return False
        new = self._waiting.pop(request.key, None) is None
        self._waiting[request.key] = request
        return new

    def take(self) -> QueuedRequest | None:
        """The next request to send: the most urgent, of these the latest asked for."""
        if len(self._away) >= self._most or not self._waiting:
            return None
        latest = reversed(list(self._waiting.values()))
        request = min(latest, key=lambda entry: entry.urgency)
        del self._waiting[request.key]
        self._away[request.key] = request
        return request

    def done(self, request: QueuedRequest) -> None:
        self._away.pop(request.key, None)

    def forget(self, urgency: int) -> None:
        """Drop what waits of one urgency: nobody looks at it any more."""
        self._waiting = {k: e for k, e in self._waiting.items() if e.urgency != urgency}

    def lose_all(self) -> None:
        """The engine is gone; what was away is asked again first."""
        self._waiting = {**self._waiting, **self._away}
        self._away = {}

    def __len__(self) -> int:
        return len(self._waiting) + len(self._away)
