"""DaVinci Resolve Studio by external scripting; written against its published stubs alone.

Clips are what the application reads back, never what it says it has done: it drops what would
overlap, answers with items that are not there, and versions differ in whether an end frame counts.
Timeline frames are absolute (`GetStartFrame` is the first), marks count from there, and a clip's
source frames run at the media's own rate from its property `Start`.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import math
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import opentimelineio as otio
import platformdirs

from stylesync_engine.request import MediaError, RequestError
from stylesync_plugin.hosts.base import Selection, Wishes
from stylesync_plugin.hosts.resolve_items import (
    MARKER,
    Kind,
    clip_of,
    first_of,
    has_marker,
    path_shown_by,
    rate_of,
    record_of,
    turn_sounds,
)
from stylesync_plugin.hosts.turned import refusals, sound_parts
from stylesync_plugin.jobs import Pick
from stylesync_plugin.timeline.items import METADATA
from stylesync_plugin.times import RationalTime, exact_rate, frame_range

if TYPE_CHECKING:
    from fusionscript import (
        Folder,
        MediaPoolClipInfo,
        MediaPoolItem,
        Project,
        TimelineItem,
    )
    from fusionscript.fusionscript import NewTrackOptions

from stylesync_plugin.hosts.resolve_items import TRACK_KINDS, Wanted, track_name, wanted_on

BIN = "StyleSync"

_LIBRARIES = {
    "darwin": "/Applications/DaVinci Resolve/DaVinci Resolve.app/Contents/Libraries/Fusion"
    "/fusionscript.so",
    "win32": r"C:\Program Files\Blackmagic Design\DaVinci Resolve\fusionscript.dll",
}


def connect() -> ResolveTimeline:
    """The timeline that is open in the running application; raises MediaError without one."""
    library = os.environ.get("RESOLVE_SCRIPT_LIB") or _LIBRARIES.get(
        sys.platform, "/opt/resolve/libs/Fusion/fusionscript.so"
    )
    application = _load(library).scriptapp("Resolve") if Path(library).exists() else None
    if application is None:
        raise MediaError(
            "DaVinci Resolve does not answer; start DaVinci Resolve Studio and set Preferences >"
            " System > General > External scripting to Local (the free version has none: see the"
            " page on timeline files)."
        )
    return open_project(application.GetProjectManager().GetCurrentProject())


def open_project(project: Project | None) -> ResolveTimeline:
    if project is None or project.GetCurrentTimeline() is None:
        raise MediaError("No timeline is open in DaVinci Resolve; open the one to dub.")
    return ResolveTimeline(project)


def _load(library: str) -> Any:
    """The application's own module, from its place alone: `sys.path` stays as it is."""
    loader = importlib.machinery.ExtensionFileLoader("fusionscript", library)
    spec = importlib.util.spec_from_file_location("fusionscript", library, loader=loader)
    module = importlib.util.module_from_spec(cast("importlib.machinery.ModuleSpec", spec))
    loader.exec_module(module)
    return module


class ResolveTimeline:
    """The current timeline of a project."""

    name = "DaVinci Resolve"

    def __init__(self, project: Project) -> None:
        self.project = project
        self.timeline = project.GetCurrentTimeline()
        self.pool = project.GetMediaPool()
        self.rate = exact_rate(float(self.timeline.GetSetting("timelineFrameRate")))

    def wishes(self) -> Wishes:
        return Wishes(Path(platformdirs.user_videos_dir()) / "StyleSync" / self.project.GetName())

    def read(self) -> tuple[Any, Selection]:
        start = self.timeline.GetStartFrame()
        timeline = otio.schema.Timeline(
            self.timeline.GetName(), global_start_time=RationalTime(start, float(self.rate))
        )
        for kind, index in self._tracks():
            timeline.tracks.append(self._read_track(kind, index))
        dub = self._pick_dub()
        return timeline, Selection(dub, self._pick("audio", "speech"), self._pick("video", "style"))

    def write(self, timeline: Any) -> tuple[str, ...]:
        """Take out dubs that are no more, put in new ones, and read back whether they are there;
        then turn the shots' own sounds.

        Raises MediaError naming what the application has dropped.
        """
        start = self.timeline.GetStartFrame()
        ours = [track for track in timeline.tracks if METADATA in track.metadata]
        wanted = {id(track): list(wanted_on(track, start, self.rate)) for track in ours}
        kept = self._remove_others([want for wants in wanted.values() for want in wants])
        folder = self.pool.GetCurrentFolder()
        rooms = _Rooms(self)
        for index, track in enumerate(timeline.tracks):
            fresh = [want for want in wanted.get(id(track), ()) if want not in kept]
            if fresh:
                place = rooms.place(track, timeline.tracks[:index])
                for want in fresh:
                    self._append(want, place)
        self.pool.SetCurrentFolder(folder)
        self._read_back([want for wants in wanted.values() for want in wants])
        sounds = [
            i for kind, index in self._tracks() if kind == "audio" for i in self.items(kind, index)
        ]
        left = turn_sounds(sounds, start, sound_parts(timeline, self.rate, 0))
        return refusals(self.name, left, "cuts no clip and changes no volume by script")

    def items(self, kind: Kind, index: int) -> list[TimelineItem]:
        """What lies on a track, in time order."""
        found = self.timeline.GetItemListInTrack(kind, index) or []
        return sorted(found, key=lambda item: item.GetStart(False))

    def _tracks(self) -> Iterator[tuple[Kind, int]]:
        for kind in TRACK_KINDS:
            for index in range(1, self.timeline.GetTrackCount(kind) + 1):
                yield kind, index

    def _read_track(self, kind: Kind, index: int) -> Any:
        items = self.items(kind, index)
        track = otio.schema.Track(name=track_name(kind, index), kind=TRACK_KINDS[kind])
        track.metadata["resolve"] = {"name": self.timeline.GetTrackName(kind, index)}
        if items and all(record_of(item) for item in items):
            track.name = self.timeline.GetTrackName(kind, index)
            track.metadata[METADATA] = {"role": "track"}
        track.metadata["resolve"]["index"] = index
        end = self.timeline.GetStartFrame()
        for item in items:
            start = int(item.GetStart(False))
            if start > end:
                track.append(otio.schema.Gap(source_range=frame_range(0, start - end, self.rate)))
            track.append(clip_of(item, kind, self.rate))
            end = start + int(item.GetDuration(False))
        return track

    def _pick_dub(self) -> Pick:
        """The playhead's clip between the marks; of a dub of ours, the clip beneath."""
        item = self.timeline.GetCurrentVideoItem()
        if item is None:
            return Pick()
        index = item.GetTrackTypeAndIndex()[1]
        while record_of(item) is not None and index > 1:
            index -= 1
            item = self._shown_with(item, index) or item
        zero = self.timeline.GetStartFrame()
        start = int(item.GetStart(False)) - zero
        end = start + int(item.GetDuration(False))
        marks = self.timeline.GetMarkInOut().get("video")
        if marks is not None:  # The frame of the out mark belongs to the range.
            start, end = max(start, marks["in"]), min(end, marks["out"] + 1)
        if start >= end:
            raise RequestError(
                "The in and out marks miss the playhead's clip; move them over it, or clear them."
            )
        return Pick(track=track_name("video", index), range=(start, end))

    def _shown_with(self, item: TimelineItem, index: int) -> TimelineItem | None:
        """What lies on another video track where an item begins."""
        moment = item.GetStart(False)
        for other in self.items("video", index):
            if other.GetStart(False) <= moment < other.GetStart(False) + other.GetDuration(False):
                return other
        return None

    def _pick(self, kind: Kind, role: str) -> Pick:
        """The clip with a clip marker of that name."""
        found = [
            (index, item) for found, index in self._tracks() if found == kind
            for item in self.items(kind, index) if has_marker(item, role)
        ]  # fmt: skip
        if len(found) > 1:
            raise RequestError(f"Several clips carry a marker '{role}'; leave one.")
        if not found:
            return Pick()
        [(index, item)] = found
        start = int(item.GetStart(False)) - self.timeline.GetStartFrame()
        span = (start, start + int(item.GetDuration(False)))
        return Pick(track=track_name(kind, index), range=span)

    def _remove_others(self, wanted: Sequence[Wanted]) -> list[Wanted]:
        """Delete items of ours that nobody wants; returns those that lie as wanted already."""
        kept: list[Wanted] = []
        for kind, index in self._tracks():
            for item in self.items(kind, index):
                if record_of(item) is None:
                    continue
                same = [want for want in wanted if want.kind == kind and want.matches(item)]
                kept += same[:1]
                if not same:
                    self._delete(item)
        return kept

    def _delete(self, item: TimelineItem) -> None:
        """The first attempt is known to fail now and then for no reason."""
        if not (
            self.timeline.DeleteClips([item], False) or self.timeline.DeleteClips([item], False)
        ):
            raise MediaError(
                f"DaVinci Resolve keeps '{item.GetName()}'; unlock its track and dub again."
            )

    def _append(self, want: Wanted, index: int) -> None:
        """Put one clip on a track; a length that comes out wrong is corrected once."""
        media = self._import(want)
        fps = rate_of(media) or self.rate
        first = first_of(media) + round(want.offset * fps)
        end = first + math.ceil(want.length * fps / self.rate)
        for _ in range(2):
            info: MediaPoolClipInfo = {
                "mediaPoolItem": media, "startFrame": first, "endFrame": end,
                "mediaType": 1 if want.kind == "video" else 2,
                "trackIndex": index, "recordFrame": want.start,
            }  # fmt: skip
            infos: Any = [info]  # The stub for a list of these has a malformed result.
            self.pool.AppendToTimeline(infos)
            item = self._item_at(want, index)
            if item is None:
                return
            missing = want.length - int(item.GetDuration(False))
            if not missing:
                item.AddMarker(0, "Mint", MARKER, "", 1, want.record)
                return
            self._delete(item)
            end += int(math.copysign(math.ceil(abs(missing) * fps / self.rate), missing))

    def _item_at(self, want: Wanted, index: int) -> TimelineItem | None:
        for item in self.items(want.kind, index):
            if int(item.GetStart(False)) == want.start and path_shown_by(item) == want.path:
                return item
        return None

    def _import(self, want: Wanted) -> MediaPoolItem:
        """The media in our own bin; what is there already is taken."""
        folder = self._bin()
        for media in folder.GetClipList() or []:
            if media.GetClipProperty("File Path") == want.path:
                return media
        self.pool.SetCurrentFolder(folder)
        if want.number is None:
            made = self.pool.ImportMedia([want.path])
        else:
            last = want.number + want.images - 1
            made = self.pool.ImportMedia(
                [{"FilePath": want.path, "StartIndex": want.number, "EndIndex": last}]
            )
        if not made:
            raise MediaError(
                f"DaVinci Resolve does not import '{want.path}'; choose another codec for the dub."
            )
        return made[0]

    def _bin(self) -> Folder:
        root = self.pool.GetRootFolder()
        for folder in root.GetSubFolderList() or []:
            if folder.GetName() == BIN:
                return folder
        return self.pool.AddSubFolder(root, BIN)

    def _read_back(self, wanted: Sequence[Wanted]) -> None:
        there = [(kind, item) for kind, index in self._tracks() for item in self.items(kind, index)]
        dropped = [
            want.name for want in wanted
            if not any(kind == want.kind and want.matches(item) for kind, item in there)
        ]  # fmt: skip
        if dropped:
            raise MediaError(
                f"DaVinci Resolve has dropped {', '.join(dropped)}; make room on the StyleSync"
                " tracks, unlock them, and dub again."
            )


@dataclass(slots=True)
class _Rooms:
    """Where our tracks go: right above their original, so that titles stay on top."""

    host: ResolveTimeline
    made: list[int] = field(default_factory=list)

    def place(self, track: Any, below: Sequence[Any]) -> int:
        """The index of one of our tracks; it is added where the timeline does not have it."""
        kind: Kind = "video" if track.kind == otio.schema.TrackKind.Video else "audio"
        known = track.metadata.get("resolve", {}).get("index")
        if known is not None and METADATA in track.metadata:
            return self._moved(known, kind)
        timeline = self.host.timeline
        if kind == "audio":
            made = timeline.AddTrack("audio", "stereo")
            index = timeline.GetTrackCount("audio")
        else:
            index = self._above(below)
            # Out of bounds, as above the topmost, means at the end.
            options = cast("NewTrackOptions", {"index": index})
            made = timeline.AddTrack("video", options)
            if self.host.items("video", index):
                index = timeline.GetTrackCount("video")  # a version that only appends
            self.made.append(index)
        if not made:
            raise MediaError("DaVinci Resolve adds no track; unlock the timeline and dub again.")
        timeline.SetTrackName(kind, index, track.name)
        return index

    def _above(self, below: Sequence[Any]) -> int:
        own = [track for track in below if METADATA not in track.metadata]
        index = self._moved(own[-1].metadata["resolve"]["index"], "video") if own else 0
        while index + 1 in self.made:
            index += 1
        return index + 1

    def _moved(self, index: int, kind: Kind) -> int:
        for made in self.made if kind == "video" else ():
            index += index >= made
        return index
