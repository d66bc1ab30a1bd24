"""Small requests to the engine, the most urgent first, each asked once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Event = dict[str, Any]

VIEWER, FACES, FACTS, SOUND, WAVEFORM, THUMBNAIL = range(6)


@dataclass(frozen=True, slots=True)
class Errand:
    """`key` names what is wanted; the same key twice is one errand."""

    key: tuple[Any, ...]
    urgency: int
    method: str
    params: dict[str, Any]
    listener: Callable[[Event], None]


class Errands:
    """Errands that wait and those on their way; at most `most` of these."""

    def __init__(self, most: int = 2) -> None:
        self._most = most
        self._waiting: dict[tuple[Any, ...], Errand] = {}
        self._away: dict[tuple[Any, ...], Errand] = {}

    def add(self, errand: Errand) -> bool:
        """Whether it is new. What waits already moves to the front of its urgency."""
        if errand.key in self._away:
            return False
        new = self._waiting.pop(errand.key, None) is None
        self._waiting[errand.key] = errand
        return new

    def take(self) -> Errand | None:
        """The next errand to send: the most urgent, of these the latest asked for."""
        if len(self._away) >= self._most or not self._waiting:
            return None
        latest = reversed(list(self._waiting.values()))
        errand = min(latest, key=lambda entry: entry.urgency)
        del self._waiting[errand.key]
        self._away[errand.key] = errand
        return errand

    def done(self, errand: Errand) -> None:
        self._away.pop(errand.key, None)

    def forget(self, urgency: int) -> None:
        """Drop what waits of one urgency: nobody looks at it any more."""
        self._waiting = {k: e for k, e in self._waiting.items() if e.urgency != urgency}

    def lose_all(self) -> None:
        """The engine is gone; what was away is asked again first."""
        self._waiting = {**self._waiting, **self._away}
        self._away = {}

    def __len__(self) -> int:
        return len(self._waiting) + len(self._away)
