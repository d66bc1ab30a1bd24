"""The host that every editor has: a timeline file."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from stylesync_plugin.formats.files import read_timeline, write_timeline
from stylesync_plugin.hosts.base import Selection, Wishes
from stylesync_plugin.jobs import Pick

_NOTHING = Selection(Pick(), Pick(), Pick())


@dataclass(frozen=True, slots=True)
class TimelineFile:
    """Reads one file and writes another; the selection is given by whoever opened it."""

    source: Path
    target: Path
    selection: Selection = field(default=_NOTHING)
    rate: Fraction | None = None
    timeline: str | None = None
    name: str = "timeline file"

    def wishes(self) -> Wishes:
        return Wishes(self.target.with_suffix(".stylesync"))

    def read(self) -> tuple[Any, Selection]:
        return read_timeline(self.source, self.rate, self.timeline), self.selection

    def write(self, timeline: Any) -> tuple[str, ...]:
        write_timeline(timeline, self.target)
        return ()
