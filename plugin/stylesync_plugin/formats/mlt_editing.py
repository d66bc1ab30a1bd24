"""Dubs into a project of Kdenlive or Shotcut: the document stays, to the last property.

Tracks of ours are taken out and put in anew; what counts tracks (transitions, groups, the active
track) is counted anew with them. A dub plays with the effects of the clip below it.
"""

from __future__ import annotations

import copy
import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import opentimelineio as otio

from stylesync_engine.request import RequestError
from stylesync_plugin.formats.mlt_document import (
    RECORD,
    Document,
    effects_of,
    is_ours,
    playlists,
    read_document,
    text_of,
)
from stylesync_plugin.formats.mlt_sound import turn_down, turn_up
from stylesync_plugin.timeline.items import METADATA, MLT, own_start
from stylesync_plugin.timeline.paths import path_of
from stylesync_plugin.times import seconds

AUDIO = otio.schema.TrackKind.Audio

_COUNTS = ("activeTrack", "videoTarget", "audioTarget")


def write_to_string(timeline: Any, target: Path) -> str:
    """The project that a timeline was read from, with its dubs; raises RequestError.

    `target` is where it will lie; relative names of media keep their meaning.
    """
    told = timeline.metadata[MLT]
    document = _unchanged(Path(told["project"]), told["sha256"])
    if target.suffix.lower() != document.path.suffix.lower():
        raise RequestError(
            f"'{document.path.name}' is saved again as {document.path.suffix};"
            f" choose another name than '{target.name}', or write .otio."
        )
    edit = _Edit(document)
    turn_up(document)
    edit.take_out()
    edit.lay(timeline.tracks)
    turn_down(document, edit.before, timeline.tracks)
    edit.count_anew()
    if document.folder != target.absolute().parent:
        document.root.set("root", str(document.folder))
    return ET.tostring(document.root, encoding="unicode", xml_declaration=True) + "\n"


def _unchanged(project: Path, digest: str) -> Document:
    try:
        document = read_document(project)
    except (OSError, ET.ParseError) as error:
        raise RequestError(
            f"The project '{project}' that the timeline was read from is gone; bring it back."
        ) from error
    if document.digest != digest:
        raise RequestError(
            f"'{project.name}' was changed since it was read; start again from the changed project."
        )
    return document


class _Edit:
    """Changes to one document; what counts tracks points at their elements until all is laid."""

    def __init__(self, document: Document) -> None:
        self.document, self.root, self.main = document, document.root, document.main
        self.before = self.main.findall("track")
        self.tracks = list(self.before)
        self.counted = list(self._counted())
        self.bin = document.by_id.get("main_bin") if document.is_kdenlive else None
        self.given = set(document.by_id)

    def _counted(self) -> Iterator[tuple[ET.Element, ET.Element, ET.Element]]:
        """Transitions and filters with their properties that count tracks, and the track meant."""
        for node in [*self.main.findall("transition"), *self.main.findall("filter")]:
            for told in node.findall("property"):
                number = (told.text or "").strip()
                counts = told.get("name") in ("a_track", "b_track", "track")
                if counts and number.isdecimal() and int(number) < len(self.before):
                    yield node, told, self.before[int(number)]

    def take_out(self) -> None:
        """Our earlier tracks, with all that only they play."""
        for track in [track for track in self.tracks if is_ours(self.document, track)]:
            self.tracks.remove(track)
            for node in (self.document.producer_of(track), *playlists(self.document, track)):
                if node in list(self.root):
                    self.root.remove(node)
        for node in [child for child in self.root if text_of(child, RECORD)]:
            self.root.remove(node)
            for playlist in self.root.findall("playlist"):
                for entry in playlist.findall("entry"):
                    if entry.get("producer") == node.get("id"):
                        playlist.remove(entry)

    def lay(self, tracks: Any) -> None:
        """Our tracks of pictures right above their original, sound where the editor keeps it."""
        under = original = self.before[0]
        for track in tracks:
            if METADATA not in track.metadata and MLT in track.metadata:
                under = original = self.before[int(track.metadata[MLT]["track"])]
            elif METADATA in track.metadata and track.kind == AUDIO:
                self._add_sound(track)
            elif METADATA in track.metadata:
                element = self._track(track, original)
                self.tracks.insert(self.tracks.index(under) + 1, element)
                for model in self._blending(under):
                    self._copy_transition(model, under, element)
                under = element

    def _add_sound(self, track: Any) -> None:
        element = self._track(track, None)
        # Kdenlive wants all sound below all pictures.
        self.tracks.insert(1 if self.bin is not None else len(self.tracks), element)
        mix = ET.SubElement(self.main, "transition")
        for name, value in _MIX.items():
            _put(mix, name, value)
        self.counted.append((mix, _put(mix, "a_track", ""), self.before[0]))
        self.counted.append((mix, _put(mix, "b_track", ""), element))

    def _blending(self, track: ET.Element) -> list[ET.Element]:
        """The transitions that lay a track over those below for the whole of its length."""
        return [
            node for node, told, counted in self.counted
            if counted is track and told.get("name") == "b_track"
            and text_of(node, "mlt_service") != "mix" and node.get("in") is None
        ]  # fmt: skip

    def _copy_transition(self, model: ET.Element, under: ET.Element, above: ET.Element) -> None:
        """The same for a track right above, drawn right after it."""
        made = copy.deepcopy(model)
        made.attrib.pop("id", None)
        self.main.insert(list(self.main).index(model) + 1, made)
        for node, told, counted in list(self.counted):
            if node is model:
                name = told.get("name", "")
                own = next(child for child in made if child.get("name") == name)
                self.counted.append((made, own, above if counted is under else counted))

    def _track(self, track: Any, original: ET.Element | None) -> ET.Element:
        """A new track element with its playlist, clips and, for Kdenlive, its pair and frame."""
        is_sound = track.kind == AUDIO
        playlist = ET.Element("playlist", id=self._id())
        moment = 0
        for child in track:
            length = round(seconds(child.duration()) * self.document.rate)
            if isinstance(child, otio.schema.Gap):
                ET.SubElement(playlist, "blank", length=str(length))
            else:
                self._entry(playlist, child, length, self._playing(original, moment))
            moment += length
        hidden = "video" if is_sound else "audio"
        if self.bin is None:
            _put(playlist, f"shotcut:{'audio' if is_sound else 'video'}", "1")
            _put(playlist, "shotcut:name", track.name)
            self._define(playlist)
            return ET.Element("track", producer=playlist.get("id", ""), hide=hidden)
        return self._framed(playlist, track.name, is_sound, hidden, moment)

    def _framed(
        self, playlist: ET.Element, name: str, is_sound: bool, hidden: str, length: int
    ) -> ET.Element:
        """Kdenlive's track: a tractor of two playlists."""
        span = {"in": "0", "out": str(length - 1)}
        tractor = ET.Element("tractor", {"id": self._id(), **span})
        settings = {"track_name": name, "trackheight": "74", "timeline_active": "1"}
        for key, value in settings.items():
            _put(tractor, f"kdenlive:{key}", value)
        for part in (playlist, ET.Element("playlist", id=self._id())):
            if is_sound:
                _put(part, "kdenlive:audio_track", "1")
            self._define(part)
            ET.SubElement(tractor, "track", producer=part.get("id", ""), hide=hidden)
        if is_sound:
            _put(tractor, "kdenlive:audio_track", "1")
        self._define(tractor)
        return ET.Element("track", producer=tractor.get("id", ""))

    def _playing(self, track: ET.Element | None, moment: int) -> ET.Element | None:
        """The entry that a track plays at a frame of the timeline."""
        for playlist in playlists(self.document, track) if track is not None else ():
            end = 0
            for node in playlist:
                if node.tag == "blank":
                    end += self.document.frames(node.get("length"))
                elif node.tag == "entry":
                    end += self.document.span(node)[1]
                    if end > moment:
                        return node
                if end > moment:
                    break
        return None

    def _entry(
        self, playlist: ET.Element, clip: Any, length: int, original: ET.Element | None
    ) -> None:
        """A clip of ours, with the effects of its original."""
        media = clip.media_reference
        zero = seconds(media.available_range.start_time)
        first = max(0, round((own_start(clip) - zero) * self.document.rate))
        total = round(seconds(media.available_range.duration) * self.document.rate)
        producer = self._producer(clip, max(total, first + length))
        told = {"producer": producer.get("id", ""), "in": str(first)}
        entry = ET.SubElement(playlist, "entry", {**told, "out": str(first + length - 1)})
        holder = producer
        if self.bin is not None:
            _put(entry, "kdenlive:id", text_of(producer, "kdenlive:id"))
            holder = entry
        if original is not None:
            source = self.document.by_id[original.get("producer", "")]
            for effect in effects_of(source, original):
                own = copy.deepcopy(effect)
                own.attrib.clear()
                holder.append(own)

    def _producer(self, clip: Any, length: int) -> ET.Element:
        """What plays a file of ours; Kdenlive has it in its bin as well."""
        is_sound = clip.metadata[METADATA].get("role") == "speech"
        told = {
            "length": str(length), "eof": "pause", "resource": path_of(_url(clip)),
            # The dub's own sound is that of the speech track: one of them is enough.
            "video_index": "-1" if is_sound else "0", "audio_index": "0" if is_sound else "-1",
            "mlt_service": "avformat-novalidate", "seekable": "1",
            RECORD: otio.core.serialize_json_to_string(clip.metadata[METADATA], indent=-1),
        }  # fmt: skip
        span = {"in": "0", "out": str(length - 1)}
        producer = ET.Element("producer", {"id": self._id(), **span})
        if self.bin is None:
            told["shotcut:caption"] = clip.name
        else:
            told |= {"kdenlive:id": self._bin_id(), "kdenlive:clipname": clip.name}
            told |= {"kdenlive:folderid": "-1"}
        for name, value in told.items():
            _put(producer, name, value)
        if self.bin is not None:
            listed = copy.deepcopy(producer)
            listed.set("id", self._id())
            self._introduce(listed)
            ET.SubElement(self.bin, "entry", {"producer": listed.get("id", ""), **span})
        _put(producer, "set.test_audio", "0" if is_sound else "1")
        _put(producer, "set.test_image", "1" if is_sound else "0")
        self._introduce(producer)
        return producer

    def _introduce(self, producer: ET.Element) -> None:
        """Producers come first: whatever plays them must find them defined."""
        profile = self.root.find("profile")
        assert profile is not None  # noqa: S101 - the document has been read
        self.root.insert(list(self.root).index(profile) + 1, producer)

    def _define(self, node: ET.Element) -> None:
        self.root.insert(list(self.root).index(self.main), node)

    def _id(self) -> str:
        number = len(self.given)
        while f"stylesync{number}" in self.given:
            number += 1
        self.given.add(f"stylesync{number}")
        return f"stylesync{number}"

    def _bin_id(self) -> str:
        numbers = [text_of(node, "kdenlive:id") for node in self.root]
        return str(max((int(n) for n in numbers if n.isdecimal()), default=0) + 1)

    def count_anew(self) -> None:
        """Write the tracks in their new order, and every number that means one of them."""
        place = list(self.main).index(self.before[0])
        for track in self.before:
            self.main.remove(track)
        for offset, track in enumerate(self.tracks):
            self.main.insert(place + offset, track)
        for node, told, track in self.counted:
            if track in self.tracks:
                told.text = str(self.tracks.index(track))
            elif node in list(self.main):
                self.main.remove(node)
        if self.bin is not None:
            self._count_settings()

    def _count_settings(self) -> None:
        """Kdenlive counts its own settings and groups from the first track above the black."""
        for holder in (self.bin, self.main):
            for told in holder.findall("property") if holder is not None else ():
                name = told.get("name", "").partition("properties.")[2]
                if name in _COUNTS and (told.text or "").isdecimal():
                    told.text = str(self._moved(int(told.text or "0")))
                elif name == "tracksCount":
                    told.text = str(len(self.tracks) - 1)
                elif name == "groups":
                    groups = json.loads(told.text or "[]")
                    if self._grouped(groups) != groups:
                        told.text = json.dumps(self._grouped(groups), indent=4)

    def _moved(self, number: int) -> int:
        """Where the `number`-th track is now; -1, which is Kdenlive's none, where it is gone."""
        if number + 1 >= len(self.before) or self.before[number + 1] not in self.tracks:
            return -1
        return self.tracks.index(self.before[number + 1]) - 1

    def _grouped(self, groups: Any) -> Any:
        """Groups whose clips are named `TRACK:FRAME`; those of a track that is gone dissolve."""
        kept = []
        for group in groups:
            if "children" in group:
                inside = self._grouped(group["children"])
                kept += [{**group, "children": inside}] if inside else []
                continue
            track, mark, rest = str(group.get("data", "")).partition(":")
            moved = self._moved(int(track)) if track.isdecimal() else -1
            if moved >= 0:
                kept.append({**group, "data": f"{moved}{mark}{rest}"})
        return kept


_MIX = {
    "mlt_service": "mix", "kdenlive_id": "mix", "internal_added": "237", "always_active": "1",
    "accepts_blanks": "1", "sum": "1",
}  # fmt: skip


def _put(node: ET.Element, name: str, value: str) -> ET.Element:
    told = ET.SubElement(node, "property", name=name)
    told.text = value
    return told


def _url(clip: Any) -> str:
    url = getattr(clip.media_reference, "target_url", None)
    if not url:
        raise RequestError(
            f"'{clip.name}' is an image sequence, which the project cannot hold;"
            " choose a codec that makes one file, for example ffv1."
        )
    return str(url)
