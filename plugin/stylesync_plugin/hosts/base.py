"""What every host can do: give its timeline with the selection, and take a timeline back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from stylesync_plugin.jobs import Pick


@dataclass(frozen=True, slots=True)
class Selection:
    """What an editor has chosen in the host; parts that were not chosen are empty."""

    dub: Pick
    speech: Pick
    style: Pick


class Host(Protocol):
    """An editor. Both raise DubError with one sentence where the host does not play along."""

    name: str

    def read(self) -> tuple[Any, Selection]:
        """The current timeline and what is selected on it."""
        ...

    def write(self, timeline: Any) -> None:
        """Show the timeline with the dubs; the host's own items stay as they are."""
        ...
