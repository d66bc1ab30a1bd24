"""Editors whose Python is not ours: strips out of them as one file, new strips as another.

Such a Python has no OpenTimelineIO, so a loader writes plain JSON and applies plain JSON. Strips
lie on channels, each a track of pictures (`MOVIE`) or of sound (`SOUND`). A strip's `id` is what
the loader finds it by: its name, where names are unique.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import opentimelineio as otio

from stylesync_engine.files import read_bounded, write_text
from stylesync_engine.request import MediaError, RequestError
from stylesync_plugin.hosts.base import Selection, Wishes
from stylesync_plugin.hosts.media_files import file_of, reference_to
from stylesync_plugin.hosts.turned import Part, part_of, refusals, remember, sound_parts
from stylesync_plugin.jobs import Pick
from stylesync_plugin.timeline.items import METADATA, own_start
from stylesync_plugin.times import RationalTime, exact_rate, frame_range, seconds

KINDS = {"MOVIE": otio.schema.TrackKind.Video, "SOUND": otio.schema.TrackKind.Audio}

_BYTES = 2**27  # of a project of many thousand strips

Strip = dict[str, Any]
Scene = dict[str, Any]


@dataclass(frozen=True, slots=True)
class StripsFile:
    """A scene's strips in `source`; `write` puts the changes to apply into `target`."""

    source: Path
    target: Path

    name: ClassVar[str]
    channel: ClassVar[str]
    """What the host calls a channel."""
    marks: ClassVar[str]
    """What the host calls the range that narrows a selection down."""
    lowers: ClassVar[bool] = True
    """Whether its scripting changes how loud a sound is."""

    def check(self, strip: Strip, scene: Scene) -> None:
        """Raise RequestError where a dub over this strip would not show what the strip shows."""
        raise NotImplementedError

    def edit(self, scene: Scene) -> Edit:
        """An empty list of changes."""
        return Edit(scene["strips"], origin_of(scene), rate_of(scene), scene.get("channels", {}))

    def snapshot(self) -> Scene:
        """What the loader has written; raises MediaError where that is something else."""
        try:
            data = json.loads(read_bounded(self.source, _BYTES))
        except (OSError, ValueError) as error:
            raise MediaError(
                f"'{self.source}' cannot be read as strips of {self.name};"
                " start from its panel again."
            ) from error
        if not isinstance(data, dict) or data.get("version") != 1 or "strips" not in data:
            raise MediaError(
                f"The loader in {self.name} is of another version than StyleSync;"
                " install both anew."
            )
        return data

    def wishes(self) -> Wishes:
        scene = self.snapshot()
        level = scene.get("original_sound", "off")
        return Wishes(Path(scene["media"]), scene.get("speech"), scene.get("options", {}), level)

    def read(self) -> tuple[Any, Selection]:
        scene = self.snapshot()
        rate = rate_of(scene)
        origin = origin_of(scene)
        timeline = otio.schema.Timeline(
            scene["name"], global_start_time=RationalTime(0, float(rate))
        )
        for (kind, _), strips in _by_track(scene["strips"]):
            timeline.tracks.append(self._track(strips, kind, rate, origin))
        return timeline, self._selection(scene, origin)

    def write(self, timeline: Any) -> tuple[str, ...]:
        scene = self.snapshot()
        edit = self.edit(scene)
        for index, track in enumerate(timeline.tracks):
            if METADATA in track.metadata:
                edit.lay(track, _channel_below(timeline.tracks[:index]))
        left = edit.turn(sound_parts(timeline, edit.rate, edit.origin), self.lowers)
        notes = refusals(self.name, left, "cannot change these sounds by script")
        write_text(self.target, json.dumps({**edit.to_dict(), "notes": notes}, indent=1))
        return notes

    def _track(self, strips: list[Strip], kind: str, rate: Fraction, origin: int) -> Any:
        channel = strips[0]["channel"]
        ours = all(strip.get("record") for strip in strips)
        track = otio.schema.Track(name=self._track_name(channel, kind), kind=KINDS[kind])
        if ours:
            track.name = "StyleSync" if kind == "MOVIE" else "StyleSync speech"
            track.metadata[METADATA] = {"role": "track", "channel": channel}
        track.metadata["strips"] = {"channel": channel}
        end = origin
        for strip in strips:
            if strip["start"] > end:
                track.append(
                    otio.schema.Gap(source_range=frame_range(0, strip["start"] - end, rate))
                )
            track.append(_clip(strip, rate))
            end = strip["end"]
        return track

    def _track_name(self, channel: int, kind: str) -> str:
        return f"{self.channel} {channel}" + ("" if kind == "MOVIE" else " sound")

    def _selection(self, scene: Scene, origin: int) -> Selection:
        """Selected picture strips are dubbed; the marked ones are the speech and the style."""
        strips = scene["strips"]
        chosen = [s for s in strips if s["selected"] and s["type"] == "MOVIE" and not s["role"]]
        chosen = [strip for strip in chosen if not strip.get("record")]
        return Selection(
            self._pick_dub(chosen, scene, origin),
            self._pick_marked(strips, "speech", "SOUND", origin),
            self._pick_marked(strips, "style", "MOVIE", origin),
        )

    def _pick_dub(self, chosen: list[Strip], scene: Scene, origin: int) -> Pick:
        if not chosen:
            return Pick()
        channel = chosen[0]["channel"]
        if any(strip["channel"] != channel for strip in chosen):
            raise RequestError(
                f"The selected strips lie on several {self.channel.lower()}s; select those of one."
            )
        start, end = min(s["start"] for s in chosen), max(s["end"] for s in chosen)
        _refuse_between(chosen, scene, start, end)
        for strip in chosen:
            self.check(strip, scene)
        if scene.get("range"):
            first, last = scene["range"]
            start, end = max(start, first), min(end, last)
        if start >= end:
            raise RequestError(f"The {self.marks} misses the selected strips; move it over them.")
        name = self._track_name(channel, "MOVIE")
        return Pick(track=name, range=(start - origin, end - origin))

    def _pick_marked(self, strips: list[Strip], role: str, kind: str, origin: int) -> Pick:
        marked = [strip for strip in strips if strip["role"] == role]
        if not marked:
            return Pick()
        if len(marked) > 1:
            raise RequestError(f"Several strips are marked as {role}; leave one.")
        [strip] = marked
        if strip["type"] != kind:
            wanted = "a sound strip" if kind == "SOUND" else "a movie strip"
            raise RequestError(f"The {role} '{strip['name']}' is of another kind; mark {wanted}.")
        span = (strip["start"] - origin, strip["end"] - origin)
        return Pick(track=self._track_name(strip["channel"], kind), range=span)


def rate_of(scene: Scene) -> Fraction:
    return exact_rate(scene["fps"] / scene["fps_base"])


def origin_of(scene: Scene) -> int:
    """The scene frame at which the timeline begins."""
    return min([int(scene.get("first", 1)), *(int(strip["start"]) for strip in scene["strips"])])


def _id_of(strip: Strip) -> str:
    return str(strip.get("id", strip["name"]))


def _refuse_between(chosen: list[Strip], scene: Scene, start: int, end: int) -> None:
    ids = {_id_of(strip) for strip in chosen}
    for strip in scene["strips"]:
        between = strip["channel"] == chosen[0]["channel"] and start <= strip["start"] < end
        if between and strip["type"] == "MOVIE" and _id_of(strip) not in ids:
            raise RequestError(
                f"'{strip['name']}' lies between the selected strips; select it too, or dub apart."
            )


def _by_track(strips: Sequence[Strip]) -> Iterator[tuple[tuple[str, int], list[Strip]]]:
    """The strips of each kind and channel from the bottom up, in time order."""
    tracks: dict[tuple[str, int], list[Strip]] = {}
    for strip in strips:
        if strip["type"] in KINDS:
            tracks.setdefault((strip["type"], strip["channel"]), []).append(strip)
    for key in sorted(tracks):
        yield key, sorted(tracks[key], key=lambda strip: int(strip["start"]))


def _clip(strip: Strip, rate: Fraction) -> Any:
    clip = otio.schema.Clip(
        strip["name"],
        reference_to(
            strip["path"], strip.get("number"), frame_range(0, strip["frames"], rate), rate
        ),
        frame_range(strip["first"], strip["end"] - strip["start"], rate),
    )
    clip.enabled = not strip["mute"]
    remember(clip, _id_of(strip), strip.get("sound"))
    if strip.get("record"):
        clip.metadata[METADATA] = json.loads(strip["record"])
    return clip


def _channel_below(tracks: Sequence[Any]) -> int:
    """The channel of the nearest track that is the editor's own."""
    own = [track for track in tracks if METADATA not in track.metadata]
    return int(own[-1].metadata["strips"]["channel"]) if own else 0


@dataclass(slots=True)
class Edit:
    """Changes to a scene: new tracks of ours come to the top of their kind.

    `channels` counts those that a host has of each kind, empty ones among them.
    """

    strips: list[Strip]
    origin: int
    rate: Fraction
    channels: Mapping[str, int] = field(default_factory=dict)
    added: list[Strip] = field(default_factory=list)
    kept: set[str] = field(default_factory=set)
    joined: list[str] = field(default_factory=list)
    sounds: list[dict[str, Any]] = field(default_factory=list)

    def lay(self, track: Any, below: int) -> None:
        """Strips for the clips of one of our tracks that the scene does not have yet."""
        known = track.metadata[METADATA].get("channel")
        fresh: list[Strip] = []
        moment = self.origin
        for child in track:
            length = round(seconds(child.duration()) * self.rate)
            if isinstance(child, otio.schema.Clip) and METADATA in child.metadata:
                self._place(child, moment, length, below, fresh)
            moment += length
        if fresh:
            kind = "SOUND" if track.kind == otio.schema.TrackKind.Audio else "MOVIE"
            channel = self.moved(known) if known else self.new_channel(kind, below)
            self.added += [{**strip, "channel": channel} for strip in fresh]

    def turn(self, parts: Mapping[str, Sequence[Part]], lowers: bool) -> list[str]:
        """Cut, turn and join the editor's own sounds as they are in `parts`, by their ids; returns
        the names of those that cannot be."""
        left = []
        for strip in self.strips:
            if strip["type"] != "SOUND" or strip.get("record"):
                continue
            wanted = parts.get(_id_of(strip), [])
            if list(wanted) == [part_of(strip["start"], strip["end"], strip.get("sound"))]:
                continue
            if strip["retimed"] or not (lowers or all(p.level != "-20dB" for p in wanted)):
                left.append(strip["name"])
            elif wanted:
                cut = [part.to_dict() for part in wanted]
                self.sounds.append({"id": _id_of(strip), "parts": cut})
            elif strip.get("sound"):  # it is one with its neighbour again
                self.joined.append(_id_of(strip))
        return left

    def new_channel(self, kind: str, below: int) -> int:
        """Where a new track of ours goes that lies over the channel `below`."""
        lying = (*self.strips, *self.added)
        used: set[int] = {strip["channel"] for strip in lying if strip["type"] == kind}
        return max(self.channels.get(kind, 0), *used, 0) + 1

    def moved(self, channel: int) -> int:
        """Where a channel is once room has been made."""
        return channel

    def to_dict(self) -> dict[str, Any]:
        ours = [_id_of(strip) for strip in self.strips if strip.get("record")]
        removed = [found for found in ours if found not in self.kept] + self.joined
        return {"version": 1, "remove": removed, "add": self.added, "sounds": self.sounds}

    def _place(self, clip: Any, start: int, length: int, below: int, fresh: list[Strip]) -> None:
        reference = clip.media_reference
        path, number = file_of(reference)
        for strip in self.strips:
            same = strip.get("record") and strip["path"] == path and strip["start"] == start
            if same and strip["end"] == start + length:
                self.kept.add(_id_of(strip))
                return
        zero = seconds(reference.available_range.start_time)
        record = json.loads(otio.core.serialize_json_to_string(clip.metadata[METADATA]))
        role = record.get("role")
        fresh.append({
            "type": "SOUND" if role == "speech" else "MOVIE", "name": clip.name, "path": path,
            "start": start, "length": length, "offset": round((own_start(clip) - zero) * self.rate),
            "like": self._original(below, start) if role == "dub" else None,
            "record": json.dumps(record), "number": number,
        })  # fmt: skip

    def _original(self, channel: int, frame: int) -> str | None:
        for strip in self.strips:
            inside = strip["start"] <= frame < strip["end"]
            if inside and strip["channel"] == channel and strip["type"] == "MOVIE":
                return str(strip["name"])
        return None
