"""Write demo.otio: the take, a gap and the style clip on a video track, their sound below."""

from __future__ import annotations

from pathlib import Path

import opentimelineio as otio
from opentimelineio.opentime import RationalTime, TimeRange

RATE = 25
CLIPS = (("take_to_dub", 105), ("style", 200))
HERE = Path(__file__).parent


def clip_of(name: str, frames: int) -> otio.schema.Clip:
    """A clip of the whole file beside this script."""
    span = TimeRange(RationalTime(0, RATE), RationalTime(frames, RATE))
    media = otio.schema.ExternalReference(f"{name}.mp4", span)
    return otio.schema.Clip(name, media, span)


def demo_timeline() -> otio.schema.Timeline:
    timeline = otio.schema.Timeline("demo")
    for track_name, kind in (("V1", "Video"), ("A1", "Audio")):
        track = otio.schema.Track(track_name, kind=kind)
        for name, frames in CLIPS:
            track.append(clip_of(name, frames))
            if name != CLIPS[-1][0]:
                track.append(otio.schema.Gap(duration=RationalTime(RATE, RATE)))
        timeline.tracks.append(track)
    return timeline


if __name__ == "__main__":
    otio.adapters.write_to_file(demo_timeline(), str(HERE / "demo.otio"))
