"""A cut that is open in the fake of DaVinci Resolve."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import resolve_fake as fake
from host_cases import Placed
from timeline_material import write_clip

START = 90_000


def open_cut(folder: Path, ends_count: bool = False) -> fake.Project:
    """`a.mkv` from frame 5 at timeline frames 4..34, a title above, frames 8..16 marked."""
    cut = fake.Timeline()
    shot = fake.imported(str(write_clip(folder / "a.mkv", Fraction(25), 40, 1)))
    item = fake.Item(shot, START + 4, 30, 5, ("video", 1))
    title = fake.Item(None, START, 50, 0, ("video", 2))
    cut._tracks["video"] = [fake.TrackOf("Video 1", [item]), fake.TrackOf("Titles", [title])]
    cut._tracks["audio"] = [fake.TrackOf("Audio 1")]
    cut._marks, cut._playhead = {"video": {"in": 8, "out": 15}}, item
    return fake.Project(cut, ends_count)


def shown(project: fake.Project, kind: str = "video") -> dict[str, list[Placed]]:
    timeline = project.GetCurrentTimeline()
    assert timeline is not None
    return {
        track.name: [
            (i._start - START, i._start - START + i._duration, i._first) for i in track.items
        ]
        for track in timeline._tracks[kind]
    }
