"""A sequence that is open in the fake of Nuke Studio, with the loader installed."""

from __future__ import annotations

import importlib
import json
import sys
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import hiero_fake as fake
from host_cases import Placed
from stylesync_plugin.hosts.hiero import HieroItems
from stylesync_plugin.hosts.installing import install_loader
from stylesync_plugin.hosts.strips import StripsFile
from timeline_material import write_clip


class LoadedHiero:
    """The host as it is in use: the loader's own reading and applying around the adapter."""

    name = HieroItems.name

    def __init__(self, folder: Path, sequence: fake.Sequence, chosen: fake.TrackItem) -> None:
        self.sequence, self.chosen = sequence, chosen
        self.files: StripsFile = HieroItems(folder / "strips.json", folder / "edit.json")
        self.loader = loaded(folder, sequence, (chosen,))
        self.wishes = self.files.wishes

    def read(self) -> Any:
        scene = self.loader.reading.read(self.sequence, (self.chosen,))
        self.files.source.write_text(json.dumps(scene), encoding="utf-8")
        return self.files.read()

    def write(self, timeline: Any) -> tuple[str, ...]:
        notes = self.files.write(timeline)
        edit = json.loads(self.files.target.read_text(encoding="utf-8"))
        self.loader.applying.apply(self.sequence, edit)
        return notes


def loaded(folder: Path, sequence: fake.Sequence, selection: tuple[Any, ...]) -> Any:
    """The installed loader's modules, imported as Hiero imports its start-up folder."""
    startup = folder / "Startup"
    install_loader("nuke", startup)
    forget()
    sys.modules.update(fake.modules(sequence, selection))
    sys.path.append(str(startup))
    try:
        names = ("reading", "applying", "running", "widget")
        modules = {name: importlib.import_module(f"stylesync_hiero.{name}") for name in names}
    finally:
        sys.path.remove(str(startup))
    return SimpleNamespace(package=sys.modules["stylesync_hiero"], **modules)


def forget() -> None:
    """Take the fake application and the loader out of this Python again."""
    for name in list(sys.modules):
        if name.partition(".")[0] in ("hiero", "nukescripts", "stylesync_hiero"):
            del sys.modules[name]


def open_sequence(folder: Path) -> LoadedHiero:
    """`a.mkv` from frame 5 at frames 4..34 of a sequence; its in and out enclose 8..16."""
    sequence = fake.Sequence(fake.Project(str(folder / "reel.hrox")), Fraction(25))
    track, sound = fake.VideoTrack("Video 1"), fake.AudioTrack("Audio 1")
    sequence.addTrack(track)
    sequence.addTrack(sound)
    item = track.createTrackItem("A")
    item.setSource(fake.Clip(str(write_clip(folder / "a.mkv", Fraction(25), 40, 1))))
    item.setTimes(4, 33, 5, 34)
    track.addTrackItem(item)
    sequence._marks = (8, 15)
    return LoadedHiero(folder, sequence, item)


def shown(host: LoadedHiero, kind: str = "video") -> dict[str, list[Placed]]:
    return {
        track.name(): [
            (item._times[0], item._times[1] + 1, int(item._times[2])) for item in track.items()
        ]
        for track in (host.sequence._video if kind == "video" else host.sequence._audio)
    }
