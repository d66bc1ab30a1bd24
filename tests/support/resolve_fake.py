"""DaVinci Resolve as its users have found it: what would overlap is dropped without a word.

Measured by others on the real application: appended clips that overlap are answered with items that
are not there; `recordFrame` is absolute and `endFrame` excluded (included in older versions);
lengths are rounded down where rates differ; a WAV counts at 24 frames a second; `DeleteClips` may
fail once for nothing; media land in the current bin; an OTIO file is imported only with bare paths,
an available range and source ranges in time code.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from published_names import Published, resolve_names

from stylesync_engine.media import probe_video
from stylesync_engine.request import MediaError

NAMES = resolve_names()


class Media(Published, stub=NAMES["MediaPoolItem"]):
    def __init__(self, path: str, fps: Fraction, frames: int, first: int = 0) -> None:
        self._fps = fps
        self._properties = {
            "File Path": path, "FPS": str(float(fps)), "Frames": str(frames), "Start": str(first),
        }  # fmt: skip

    def GetName(self) -> str:
        return Path(self._properties["File Path"]).name

    def GetClipProperty(self, name: str) -> str:
        return self._properties.get(name, "")


class Item(Published, stub=NAMES["TimelineItem"]):
    def __init__(
        self, media: Media | None, start: int, duration: int, first: int, place: tuple[str, int]
    ) -> None:
        self._media, self._start, self._duration, self._first = media, start, duration, first
        self._place, self._markers = place, dict[float, Any]()
        self._enabled = True

    def GetUniqueId(self) -> str:
        return f"item-{id(self)}"

    def GetName(self) -> str:
        return "Title" if self._media is None else self._media.GetName()

    def GetMediaPoolItem(self) -> Media | None:
        return self._media

    def GetStart(self, subframe: bool) -> int:
        return self._start

    def GetDuration(self, subframe: bool) -> int:
        return self._duration

    def GetSourceStartFrame(self) -> int:
        return self._first

    def GetSourceEndFrame(self) -> int:
        return self._first + self._duration - 1

    def GetClipEnabled(self) -> bool:
        return self._enabled

    def SetClipEnabled(self, enabled: bool) -> bool:
        self._enabled = enabled
        return True

    def DeleteMarkerByCustomData(self, custom: str) -> bool:
        kept = {at: told for at, told in self._markers.items() if told["customData"] != custom}
        gone, self._markers = len(self._markers) - len(kept), kept
        return bool(gone)

    def GetTrackTypeAndIndex(self) -> tuple[str, int]:
        return self._place

    def GetMarkers(self) -> dict[float, Any]:
        return self._markers

    def AddMarker(
        self, frame: float, color: str, name: str, note: str, duration: float, custom: str
    ) -> bool:
        self._markers[frame] = {
            "color": color, "name": name, "note": note, "duration": duration, "customData": custom,
        }  # fmt: skip
        return True


class Phantom(Published, stub=NAMES["TimelineItem"]):
    """What is answered for a clip that was dropped."""

    def GetStart(self, subframe: bool) -> None:
        return None

    def GetName(self) -> None:
        return None


@dataclass
class TrackOf:
    name: str
    items: list[Item] = field(default_factory=list)
    locked: bool = False


class Timeline(Published, stub=NAMES["Timeline"]):
    def __init__(self, rate: str = "25", start: int = 90_000) -> None:
        self._rate, self._start = rate, start
        self._tracks: dict[str, list[TrackOf]] = {"video": [], "audio": []}
        self._marks: dict[str, Any] = {}
        self._playhead: Item | None = None
        self._refusals = 1

    def GetName(self) -> str:
        return "Cut"

    def GetSetting(self, name: str) -> str:
        return {"timelineFrameRate": self._rate}[name]

    def GetStartFrame(self) -> int:
        return self._start

    def GetTrackCount(self, kind: str) -> int:
        return len(self._tracks[kind])

    def GetTrackName(self, kind: str, index: int) -> str:
        return self._tracks[kind][index - 1].name

    def SetTrackName(self, kind: str, index: int, name: str) -> bool:
        self._tracks[kind][index - 1].name = name
        return True

    def AddTrack(self, kind: str, options: Any) -> bool:
        tracks = self._tracks[kind]
        index = options.get("index") if isinstance(options, dict) else None
        at = index if index is not None and 1 <= index <= len(tracks) else len(tracks) + 1
        tracks.insert(at - 1, TrackOf(f"{kind.title()} {len(tracks) + 1}"))
        return True

    def GetItemListInTrack(self, kind: str, index: int) -> list[Item]:
        return list(self._tracks[kind][index - 1].items)

    def DeleteClips(self, items: list[Item], ripple: bool) -> bool:
        if self._refusals:
            self._refusals -= 1
            return False
        for tracks in self._tracks.values():
            for track in tracks:
                track.items = [item for item in track.items if item not in items]
        return True

    def GetMarkInOut(self) -> dict[str, Any]:
        return self._marks

    def GetCurrentVideoItem(self) -> Item | None:
        return self._playhead


class Folder(Published, stub=NAMES["Folder"]):
    def __init__(self, name: str) -> None:
        self._name, self._clips, self._folders = name, list[Media](), list["Folder"]()

    def GetName(self) -> str:
        return self._name

    def GetClipList(self) -> list[Media]:
        return list(self._clips)

    def GetSubFolderList(self) -> list[Folder]:
        return list(self._folders)


class Pool(Published, stub=NAMES["MediaPool"]):
    """`ends_count` is the older meaning of `endFrame`: the frame is part of the clip."""

    def __init__(self, timeline: Timeline, ends_count: bool = False) -> None:
        self._timeline, self._ends_count = timeline, ends_count
        self._root = self._current = Folder("Master")

    def GetRootFolder(self) -> Folder:
        return self._root

    def GetCurrentFolder(self) -> Folder:
        return self._current

    def SetCurrentFolder(self, folder: Folder) -> bool:
        self._current = folder
        return True

    def AddSubFolder(self, folder: Folder, name: str) -> Folder:
        folder._folders.append(Folder(name))
        return folder._folders[-1]

    def ImportMedia(self, items: list[Any]) -> list[Media]:
        made = [imported(item) for item in items]
        self._current._clips += made
        return made

    def AppendToTimeline(self, infos: list[dict[str, Any]]) -> list[Any]:
        return [self._append(info) for info in infos]

    def ImportTimelineFromFile(self, path: str, options: dict[str, Any]) -> Timeline | None:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        clips = list(_clips_of(content))
        return Timeline() if clips and all(map(_is_accepted, clips)) else None

    def _append(self, info: dict[str, Any]) -> Any:
        media, timeline = info["mediaPoolItem"], self._timeline
        kind = {1: "video", 2: "audio"}[info["mediaType"]]
        track = timeline._tracks[kind][info["trackIndex"] - 1]
        shown = info["endFrame"] - info["startFrame"] + self._ends_count
        rate = Fraction(timeline._rate)
        start, length = info["recordFrame"], math.floor(shown * rate / media._fps)
        clashes = [
            item for item in track.items
            if item._start < start + length and start < item._start + item._duration
        ]  # fmt: skip
        if clashes or track.locked:
            return Phantom()
        made = Item(media, start, length, info["startFrame"], (kind, info["trackIndex"]))
        track.items.append(made)
        return made


class Project(Published, stub=NAMES["Project"]):
    def __init__(self, timeline: Timeline | None = None, ends_count: bool = False) -> None:
        self._timeline = timeline
        self._pool = Pool(timeline or Timeline(), ends_count)

    def GetName(self) -> str:
        return "Series"

    def GetCurrentTimeline(self) -> Timeline | None:
        return self._timeline

    def GetMediaPool(self) -> Pool:
        return self._pool


class ProjectManager(Published, stub=NAMES["ProjectManager"]):
    def __init__(self, project: Project | None) -> None:
        self._project = project

    def GetCurrentProject(self) -> Project | None:
        return self._project


class Resolve(Published, stub=NAMES["Resolve"]):
    def __init__(self, project: Project | None) -> None:
        self._manager = ProjectManager(project)

    def GetProjectManager(self) -> ProjectManager:
        return self._manager


def imported(item: str | dict[str, Any]) -> Media:
    if isinstance(item, dict):
        frames = item["EndIndex"] - item["StartIndex"] + 1
        return Media(item["FilePath"], Fraction(25), frames, item["StartIndex"])
    try:
        info = probe_video(item)
    except MediaError:
        return Media(item, Fraction(24), 0)
    return Media(item, info.rate, info.frames)


def _clips_of(node: Any) -> Any:
    if isinstance(node, list):
        for entry in node:
            yield from _clips_of(entry)
    elif isinstance(node, dict):
        if str(node.get("OTIO_SCHEMA", "")).startswith("Clip."):
            yield node
        for entry in node.values():
            yield from _clips_of(entry)


def _is_accepted(clip: dict[str, Any]) -> bool:
    references = clip.get("media_references", {}).values()
    if clip["OTIO_SCHEMA"] != "Clip.2" or not references:
        return False
    return all(_fits(clip["source_range"], reference) for reference in references)


def _fits(source: Any, reference: dict[str, Any]) -> bool:
    available = reference.get("available_range")
    place = reference.get("target_url") or reference.get("target_url_base") or "file://"
    if available is None or "://" in place:
        return False
    first, start = (part["start_time"] for part in (available, source))
    begin, asked = first["value"] / first["rate"], start["value"] / start["rate"]
    length = available["duration"]["value"] / available["duration"]["rate"]
    return begin <= asked < begin + length
