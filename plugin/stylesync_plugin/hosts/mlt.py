"""Kdenlive and Shotcut: their project files, in which the zone is what is selected."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stylesync_plugin.formats.files import read_timeline, write_timeline
from stylesync_plugin.formats.mlt_project import ZONE
from stylesync_plugin.hosts.base import Selection, Wishes
from stylesync_plugin.jobs import Pick
from stylesync_plugin.timeline.selecting import pick_by_marker


@dataclass(frozen=True, slots=True)
class MltProject:
    """Reads the project `source`, writes it with the dubs as `target`.

    What lies under the marker or guide `marked` is dubbed; without one by that name, nothing.
    """

    source: Path
    target: Path
    marked: str = ZONE
    name: str = "Kdenlive and Shotcut"

    def wishes(self) -> Wishes:
        return Wishes(self.target.with_suffix(".stylesync"))

    def read(self) -> tuple[Any, Selection]:
        timeline = read_timeline(self.source)
        return timeline, Selection(pick_by_marker(timeline, self.marked), Pick(), Pick())

    def write(self, timeline: Any) -> tuple[str, ...]:
        write_timeline(timeline, self.target)
        return ()
