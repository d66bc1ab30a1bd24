"""A sequence's track items, and what is wished for them, as plain data."""

from __future__ import annotations

import tempfile
from pathlib import Path

import hiero.core

TAG, SOUND = "StyleSync", "StyleSync sound"
ROLES = ("speech", "style")


def read(sequence, selection) -> dict:
    """Frames count from the sequence's first, 0; ranges are half open."""
    numerator, denominator = sequence.framerate().toRational()
    items = [found for found in selection if isinstance(found, hiero.core.TrackItem)]
    chosen = {str(item.guid()) for item in items}
    marked = sequence.inOutEnabled()
    tracks = [("MOVIE", sequence.videoTracks()), ("SOUND", sequence.audioTracks())]
    strips = [
        _read_item(item, kind, channel) | {"selected": str(item.guid()) in chosen}
        for kind, found in tracks
        for channel, track in enumerate(found, 1)
        for item in track.items()
        if isinstance(item.source(), hiero.core.Clip)
    ]
    return {"version": 1, "name": sequence.name(), "first": 0, "fps": numerator,
            "fps_base": denominator, "strips": strips,
            "channels": {kind: len(found) for kind, found in tracks},
            "media": str(_folder(sequence.project())),
            "range": (sequence.inTime(), sequence.outTime() + 1) if marked else None}  # fmt: skip


def _folder(project) -> Path:
    """Where dubs go: beside the project, once it has been saved."""
    saved = project.path()
    return (Path(saved).parent if saved else Path(tempfile.mkdtemp())) / "stylesync"


def _read_item(item, kind: str, channel: int) -> dict:
    clip, tags = item.source(), {tag.name(): tag.note() for tag in item.tags()}
    path, number = _file_of(clip.mediaSource())
    roles = [name.lower() for name in tags if name.lower() in ROLES]
    return {"id": str(item.guid()), "name": item.name(), "type": kind, "channel": channel,
            "start": item.timelineIn(), "end": item.timelineOut() + 1,
            "first": round(item.sourceIn()), "frames": clip.duration(), "path": path,
            "number": number, "fps": clip.framerate().toFloat(), "mute": not item.isEnabled(),
            "retimed": item.playbackSpeed() != 1.0, "role": (roles or [""])[0],
            "record": tags.get(TAG), "sound": tags.get(SOUND)}  # fmt: skip


def _file_of(media) -> tuple:
    """The path, and of image sequences a pattern with the number of the first image."""
    path = media.firstpath()
    if media.singleFile():
        return path, None
    name = f"{media.filenameHead()}%0{media.filenamePadding()}d{Path(path).suffix}"
    return str(Path(path).with_name(name)), media.startTime()
