"""Projects as Kdenlive and Shotcut saved them, over made-up media."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

from host_cases import Placed
from stylesync_plugin.formats.mlt_document import RECORD, read_document, text_of
from stylesync_plugin.hosts.mlt import MltProject

PROJECTS = Path(__file__).with_name("projects")
KDENLIVE, SHOTCUT = "kdenlive_22_12.kdenlive", "shotcut_22_12.mlt"

Change = Callable[[ET.Element], None]


def project(media: Path, folder: Path, kind: str, change: Change = lambda root: None) -> Path:
    """A project over the media, at the media's own size so that melt scales nothing."""
    root = ET.fromstring((PROJECTS / kind).read_text())  # noqa: S314 - our own file
    root.set("root", str(media))
    profile = root.find("profile")
    assert profile is not None
    profile.attrib.update(width="64", height="48", display_aspect_num="4", display_aspect_den="3")
    change(root)
    path = folder / f"cut{Path(kind).suffix}"
    path.write_text(ET.tostring(root, encoding="unicode"))
    return path


def by_id(root: ET.Element, name: str) -> ET.Element:
    return next(node for node in root if node.get("id") == name)


def open_project(folder: Path, kind: str) -> MltProject:
    """A host whose first clip shows `a.mkv` from frame 5 at 4..34; 8..16 are marked."""
    source = project(folder, folder, kind, _as_shotcut_has_it if kind == KDENLIVE else _nothing)
    target = folder / f"dubbed{source.suffix}"
    return MltProject(source, target, "zone" if kind == KDENLIVE else "line 1")


def _nothing(root: ET.Element) -> None:
    """Shotcut's project is so already."""


def _as_shotcut_has_it(root: ET.Element) -> None:
    playlist = by_id(root, "playlist4")
    first, *others = playlist.findall("entry")
    for entry in others:
        playlist.remove(entry)
    first.attrib.update({"in": "00:00:00.200", "out": "00:00:01.360"})
    playlist.insert(list(playlist).index(first), ET.Element("blank", length="00:00:00.160"))
    for told in by_id(root, "main_bin").findall("property"):
        if told.get("name", "").endswith(("zonein", "zoneout")):
            told.text = "16" if told.get("name", "").endswith("out") else "8"


def shown(host: MltProject) -> list[Placed]:
    """What the playlists of our own hold, straight from the document."""
    document = read_document(host.target)
    found: list[Placed] = []
    for playlist in document.root.findall("playlist"):
        moment = 0
        for child in playlist:
            if child.tag == "blank":
                moment += document.frames(child.get("length"))
            elif child.tag == "entry" and playlist.get("id") != "main_bin":
                first, length = document.span(child)
                if '"role":"dub"' in text_of(document.by_id[child.get("producer", "")], RECORD):
                    found.append((moment, moment + length, first))
                moment += length
    return found
