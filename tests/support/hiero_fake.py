"""Nuke Studio's timeline with published names alone.

As documented: an added item cuts or deletes what it overlaps, and can be added only to a track that
lies in a sequence; `removeItem` takes linked items along unless told otherwise; `timelineOut` and
`outTime` are the last frames; source frames count from the clip's own first.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

from published_names import Published, hiero_constants, hiero_module, hiero_names

from stylesync_engine.media import probe_video
from stylesync_engine.request import MediaError

NAMES = hiero_names()
_numbers = itertools.count(1)


class TimeBase(Published, stub=NAMES["TimeBase"]):
    def __init__(self, rate: Fraction) -> None:
        self._rate = rate

    def toRational(self) -> tuple[int, int]:
        return self._rate.numerator, self._rate.denominator

    def toFloat(self) -> float:
        return float(self._rate)


class MediaSource(Published, stub=NAMES["MediaSource"]):
    def __init__(self, path: str) -> None:
        self._path = path

    def firstpath(self) -> str:
        return self._path

    def singleFile(self) -> bool:
        return not self.filenamePadding() > 0

    def filenameHead(self) -> str:
        return Path(self._path).stem.rstrip("0123456789")

    def filenamePadding(self) -> int:
        name = Path(self._path)
        return -1 if name.suffix != ".png" else len(name.stem) - len(self.filenameHead())

    def startTime(self) -> int:
        return int(Path(self._path).stem[-self.filenamePadding() :])


class Clip(Published, stub=NAMES["Clip"]):
    def __init__(self, path: str) -> None:
        self._source = MediaSource(path)
        try:
            info = probe_video(path)
        except MediaError:
            self._rate, self._frames = Fraction(24), 0
        else:
            self._rate, self._frames = info.rate, info.frames

    def mediaSource(self) -> MediaSource:
        return self._source

    def duration(self) -> int:
        return self._frames

    def framerate(self) -> TimeBase:
        return TimeBase(self._rate)


class Tag(Published, stub=NAMES["Tag"]):
    def __init__(self, name: str) -> None:
        self._name, self._note = name, ""

    def name(self) -> str:
        return self._name

    def note(self) -> str:
        return self._note

    def setNote(self, note: str) -> None:
        self._note = note


class TrackItem(Published, stub=NAMES["TrackItem"]):
    def __init__(self, name: str) -> None:
        self._name, self._guid, self._tags = name, f"{{{next(_numbers)}}}", list[Tag]()
        self._source: Any = None
        self._times, self._speed, self._linked = (0, 0, 0.0, 0.0), 1.0, list[TrackItem]()
        self._enabled = True

    def copy(self) -> TrackItem:
        made = TrackItem(self._name)
        made._source, made._times, made._speed = self._source, self._times, self._speed
        made._tags, made._enabled = list(self._tags), self._enabled
        return made

    def guid(self) -> str:
        return self._guid

    def name(self) -> str:
        return self._name

    def source(self) -> Any:
        return self._source

    def setSource(self, clip: Clip) -> Clip:
        self._source = clip
        return clip

    def setTimes(self, start: int, end: int, first: float, last: float) -> None:
        self._times = start, end, first, last
        self._speed = (last - first + 1) / (end - start + 1)

    def timelineIn(self) -> int:
        return self._times[0]

    def timelineOut(self) -> int:
        return self._times[1]

    def sourceIn(self) -> float:
        return self._times[2]

    def playbackSpeed(self) -> float:
        return self._speed

    def isEnabled(self) -> bool:
        return self._enabled

    def setEnabled(self, enabled: bool) -> None:
        self._enabled = enabled

    def removeTag(self, tag: Tag) -> None:
        self._tags.remove(tag)

    def tags(self) -> tuple[Tag, ...]:
        return tuple(self._tags)

    def addTag(self, tag: Tag) -> Tag:
        self._tags.append(tag)
        return tag


class TrackBase(Published, stub=NAMES["TrackBase"], constants=hiero_constants("TrackBase")):
    eRemoveLinkedItems, eDontRemoveLinkedItems = 1, 2


class _Track(TrackBase, stub=NAMES["VideoTrack"]):
    def __init__(self, name: str) -> None:
        self._name, self._items, self._has_sequence = name, list[TrackItem](), False

    def name(self) -> str:
        return self._name

    def items(self) -> tuple[TrackItem, ...]:
        return tuple(sorted(self._items, key=lambda item: item._times))

    def createTrackItem(self, name: str) -> TrackItem:
        return TrackItem(name)

    def addTrackItem(self, item: TrackItem) -> TrackItem:
        if not self._has_sequence:
            raise RuntimeError("the track is in no sequence")
        start, end = item._times[:2]
        self._items = [
            i for i in self._items if i._times[1] < start or i._times[0] > end
        ]  # what overlaps is cut or deleted
        self._items.append(item)
        return item

    def removeItem(self, item: TrackItem, option: int = 1) -> None:
        gone = [item, *(item._linked if option == self.eRemoveLinkedItems else ())]
        self._items = [found for found in self._items if found not in gone]


class VideoTrack(_Track): ...


class AudioTrack(_Track, stub=NAMES["AudioTrack"]): ...


class Bin(Published, stub=NAMES["Bin"]):
    def __init__(self, name: str) -> None:
        self._name, self._content = name, list[Any]()

    def name(self) -> str:
        return self._name

    def bins(self) -> tuple[Bin, ...]:
        return tuple(found for found in self._content if isinstance(found, Bin))

    def addItem(self, item: Any) -> Any:
        self._content.append(item)
        return item


class BinItem(Published, stub=NAMES["BinItem"]):
    def __init__(self, clip: Clip) -> None:
        self._clip = clip


class Project(Published, stub=NAMES["Project"]):
    def __init__(self, path: str) -> None:
        self._path, self._bin, self._steps = path, Bin("Sequences"), list[str]()

    def path(self) -> str:
        return self._path

    def clipsBin(self) -> Bin:
        return self._bin

    def beginUndo(self, name: str) -> contextlib.AbstractContextManager[None]:
        @contextlib.contextmanager
        def step() -> Iterator[None]:
            yield
            self._steps.append(name)

        return step()


class Sequence(Published, stub=NAMES["Sequence"]):
    def __init__(self, project: Project, rate: Fraction) -> None:
        self._project, self._rate = project, rate
        self._video, self._audio = list[VideoTrack](), list[AudioTrack]()
        self._marks: tuple[int, int] | None = None

    def name(self) -> str:
        return "Reel 1"

    def project(self) -> Project:
        return self._project

    def framerate(self) -> TimeBase:
        return TimeBase(self._rate)

    def videoTracks(self) -> tuple[VideoTrack, ...]:
        return tuple(self._video)

    def audioTracks(self) -> tuple[AudioTrack, ...]:
        return tuple(self._audio)

    def addTrack(self, track: Any) -> None:
        track._has_sequence = True
        (self._video if isinstance(track, VideoTrack) else self._audio).append(track)

    def inOutEnabled(self) -> bool:
        return self._marks is not None

    def inTime(self) -> int:
        assert self._marks is not None
        return self._marks[0]

    def outTime(self) -> int:
        assert self._marks is not None
        return self._marks[1]


class TimelineEditor(Published, stub=NAMES["TimelineEditor"]):
    def __init__(self, selection: tuple[Any, ...]) -> None:
        self._selection = selection

    def selection(self) -> tuple[Any, ...]:
        return self._selection


class WindowManager(Published, stub=NAMES["WindowManager"]):
    def __init__(self) -> None:
        self._windows = list[Any]()

    def addWindow(self, window: Any) -> None:
        self._windows.append(window)


def modules(sequence: Sequence, selection: tuple[Any, ...]) -> dict[str, ModuleType]:
    """`hiero`, `hiero.core` and `hiero.ui` with a sequence open."""
    windows = WindowManager()
    kinds = (TrackBase, TrackItem, VideoTrack, AudioTrack, Clip, Tag, Bin, BinItem)
    core = {kind.__name__: kind for kind in kinds}
    ui = {
        "activeSequence": lambda: sequence,
        "getTimelineEditor": lambda _: TimelineEditor(selection),
        "windowManager": lambda: windows,
    }
    made = {"hiero": ModuleType("hiero")}
    for name, content in (("core", core), ("ui", ui)):
        module = hiero_module(f"hiero.{name}", content)
        setattr(made["hiero"], name, module)
        made[module.__name__] = module
    return made
