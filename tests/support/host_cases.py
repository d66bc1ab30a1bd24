"""Every host with one and the same cut, and what the dub of its selection looks like there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stylesync_plugin.batch.dub_timeline import dub_timeline
from stylesync_plugin.hosts.base import Host
from stylesync_plugin.jobs import Job, Speech
from stylesync_plugin.planning.planner import PlanSettings
from stylesync_plugin.writing.write_back import TrackNames
from timeline_material import MarkingEngine, write_speech

from stylesync_engine.request import DubOptions

Placed = tuple[int, int, int]
"""Start and end on the timeline, first frame of the media."""


def dub_selection(
    host: Host, folder: Path, handles: int = 0, line: float = 0.4, level: Any = "off",
    said: list[str] | None = None,
) -> MarkingEngine:  # fmt: skip
    """Read, dub what is selected with a line of so many seconds, write; what the host leaves to be
    done by hand is `said`."""
    content, selection = host.read()
    speech = Speech(file=str(write_speech(folder / f"line{line}.wav", line)))
    job = Job("dub", selection.dub, speech, options=DubOptions(codec="ffv1"))
    engine = MarkingEngine()
    settings = PlanSettings(folder / "media", (folder,), handles)
    names = TrackNames(original_sound=level)
    batch = dub_timeline(content, (job,), settings, engine, names)
    assert batch.failures == []
    notes = host.write(batch.timeline)
    if said is not None:
        said += notes
    return engine
