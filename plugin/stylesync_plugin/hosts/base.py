"""What every host can do: give its timeline with the selection, and take a timeline back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from stylesync_plugin.jobs import Pick


@dataclass(frozen=True, slots=True)
class Selection:
    """What an editor has chosen in the host; parts that were not chosen are empty."""

    dub: Pick
    speech: Pick
    style: Pick


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the host says beside its timeline: where dubs go, the new speech as a file, how, and
    what becomes of the shot's own sound."""

    media: Path
    speech: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    original_sound: str = "off"


class Host(Protocol):
    """An editor. All raise DubError with one sentence where the host does not play along."""

    @property
    def name(self) -> str: ...

    def wishes(self) -> Wishes:
        """Where the dubs go, and how they are made, unless somebody says otherwise."""
        ...

    def read(self) -> tuple[Any, Selection]:
        """The current timeline and what is selected on it."""
        ...

    def write(self, timeline: Any) -> tuple[str, ...]:
        """Show the timeline with the dubs; of the host's own items only sounds under a dub change.

        Returns what is left to be done by hand, in sentences.
        """
        ...
