"""Blender's video sequencer: strips out of it as one file, new strips into it as another.

Blender's Python has no OpenTimelineIO, so the extension writes plain JSON and applies plain JSON.
A channel becomes a track of pictures and one of sound. Scene frames count from `origin`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio

from stylesync_engine.request import MediaError, RequestError
from stylesync_plugin.hosts.base import Selection
from stylesync_plugin.jobs import Pick
from stylesync_plugin.placement import METADATA, own_start
from stylesync_plugin.sources import path_of, url_of
from stylesync_plugin.times import RationalTime, TimeRange, exact_rate, seconds

KINDS = {"MOVIE": otio.schema.TrackKind.Video, "SOUND": otio.schema.TrackKind.Audio}

Strip = dict[str, Any]


@dataclass(frozen=True, slots=True)
class BlenderStrips:
    """A scene's strips in `source`; `write` puts the changes to apply into `target`."""

    source: Path
    target: Path
    name: str = "Blender"

    def snapshot(self) -> dict[str, Any]:
        """What the extension has written; raises MediaError where that is something else."""
        try:
            data = json.loads(self.source.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise MediaError(
                f"'{self.source}' cannot be read as strips of Blender; start from its panel again."
            ) from error
        if not isinstance(data, dict) or data.get("version") != 1 or "strips" not in data:
            raise MediaError(
                "The Blender extension is of another version than StyleSync; install both anew."
            )
        return data

    def read(self) -> tuple[Any, Selection]:
        scene = self.snapshot()
        rate = _rate(scene)
        origin = _origin(scene)
        timeline = otio.schema.Timeline(
            scene["name"], global_start_time=RationalTime(0, float(rate))
        )
        for (_, kind), strips in _by_track(scene["strips"]):
            timeline.tracks.append(_track(strips, kind, rate, origin))
        return timeline, _selection(scene, origin)

    def write(self, timeline: Any) -> None:
        scene = self.snapshot()
        edit = _Edit(scene["strips"], _origin(scene), _rate(scene))
        for index, track in enumerate(timeline.tracks):
            if METADATA in track.metadata:
                edit.lay(track, _channel_below(timeline.tracks[:index]))
        self.target.write_text(json.dumps(edit.to_dict(), indent=1), encoding="utf-8")


def _rate(scene: dict[str, Any]) -> Fraction:
    return exact_rate(scene["fps"] / scene["fps_base"])


def _origin(scene: dict[str, Any]) -> int:
    """The scene frame at which the timeline begins."""
    return min([1, *(int(strip["start"]) for strip in scene["strips"])])


def _by_track(strips: Sequence[Strip]) -> Iterator[tuple[tuple[int, str], list[Strip]]]:
    """The strips of each channel and kind from the bottom up, in time order."""
    tracks: dict[tuple[int, str], list[Strip]] = {}
    for strip in strips:
        if strip["type"] in KINDS:
            tracks.setdefault((strip["channel"], strip["type"]), []).append(strip)
    for key in sorted(tracks):
        yield key, sorted(tracks[key], key=lambda strip: int(strip["start"]))


def _track(strips: list[Strip], kind: str, rate: Fraction, origin: int) -> Any:
    channel = strips[0]["channel"]
    ours = all(strip.get("record") for strip in strips)
    track = otio.schema.Track(name=_track_name(channel, kind), kind=KINDS[kind])
    if ours:
        track.name = "StyleSync" if kind == "MOVIE" else "StyleSync speech"
        track.metadata[METADATA] = {"role": "track", "channel": channel}
    track.metadata["blender"] = {"channel": channel}
    end = origin
    for strip in strips:
        if strip["start"] > end:
            track.append(otio.schema.Gap(source_range=_range(0, strip["start"] - end, rate)))
        track.append(_clip(strip, rate))
        end = strip["end"]
    return track


def _track_name(channel: int, kind: str) -> str:
    return f"Channel {channel}" if kind == "MOVIE" else f"Channel {channel} sound"


def _clip(strip: Strip, rate: Fraction) -> Any:
    reference = otio.schema.ExternalReference(url_of(strip["path"]))
    reference.available_range = _range(0, strip["frames"], rate)
    clip = otio.schema.Clip(
        strip["name"], reference, _range(strip["first"], strip["end"] - strip["start"], rate)
    )
    clip.enabled = not strip["mute"]
    if strip.get("record"):
        clip.metadata[METADATA] = json.loads(strip["record"])
    return clip


def _range(start: int, length: int, rate: Fraction) -> TimeRange:
    return TimeRange(RationalTime(start, float(rate)), RationalTime(length, float(rate)))


def _selection(scene: dict[str, Any], origin: int) -> Selection:
    """Selected picture strips are dubbed; the marked ones are the speech and the style."""
    strips = scene["strips"]
    chosen = [s for s in strips if s["selected"] and s["type"] == "MOVIE" and not s["role"]]
    chosen = [strip for strip in chosen if not strip.get("record")]
    return Selection(
        _pick_dub(chosen, scene, origin),
        _pick_marked(strips, "speech", "SOUND", origin),
        _pick_marked(strips, "style", "MOVIE", origin),
    )


def _pick_dub(chosen: list[Strip], scene: dict[str, Any], origin: int) -> Pick:
    if not chosen:
        return Pick()
    channel = chosen[0]["channel"]
    if any(strip["channel"] != channel for strip in chosen):
        raise RequestError("The selected strips lie on several channels; select those of one.")
    start, end = min(s["start"] for s in chosen), max(s["end"] for s in chosen)
    names = {strip["name"] for strip in chosen}
    for strip in scene["strips"]:
        between = strip["channel"] == channel and start <= strip["start"] < end
        if between and strip["type"] == "MOVIE" and strip["name"] not in names:
            raise RequestError(
                f"'{strip['name']}' lies between the selected strips; select it too, or dub apart."
            )
    for strip in chosen:
        _check(strip, scene)
    if scene.get("range"):
        first, last = scene["range"]
        start, end = max(start, first), min(end, last)
    if start >= end:
        raise RequestError("The preview range misses the selected strips; move it over them.")
    return Pick(track=_track_name(channel, "MOVIE"), range=(start - origin, end - origin))


def _check(strip: Strip, scene: dict[str, Any]) -> None:
    """Raise RequestError where a dub over this strip would not show what the strip shows."""
    name, rate = strip["name"], _rate(scene)
    if strip["retimed"] or exact_rate(strip["fps"]) != rate:
        raise RequestError(
            f"'{name}' does not play frame for frame at the scene's {float(rate):g} fps;"
            " set the scene's frame rate to that of the media and take the retiming off."
        )
    if strip["feeds"]:
        raise RequestError(
            f"The effect '{strip['feeds']}' takes its picture from '{name}' and would hide the"
            " dub; dub first, then add the effect."
        )


def _pick_marked(strips: list[Strip], role: str, kind: str, origin: int) -> Pick:
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
    return Pick(track=_track_name(strip["channel"], kind), range=span)


def _channel_below(tracks: Sequence[Any]) -> int:
    """The channel of the nearest track that is the editor's own."""
    own = [track for track in tracks if METADATA not in track.metadata]
    return int(own[-1].metadata["blender"]["channel"]) if own else 0


@dataclass(slots=True)
class _Edit:
    """Changes to a scene; `rooms` are channels from which on everything first moves up by one."""

    strips: list[Strip]
    origin: int
    rate: Fraction
    rooms: list[int] = field(default_factory=list)
    added: list[Strip] = field(default_factory=list)
    kept: set[str] = field(default_factory=set)

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
            channel = self._moved(known) if known else self._new_channel(track, below)
            self.added += [{**strip, "channel": channel} for strip in fresh]

    def _place(self, clip: Any, start: int, length: int, below: int, fresh: list[Strip]) -> None:
        reference = clip.media_reference
        path = path_of(reference.target_url)
        for strip in self.strips:
            same = strip.get("record") and strip["path"] == path and strip["start"] == start
            if same and strip["end"] == start + length:
                self.kept.add(strip["name"])
                return
        zero = seconds(reference.available_range.start_time)
        record = json.loads(otio.core.serialize_json_to_string(clip.metadata[METADATA]))
        role = record.get("role")
        fresh.append({
            "type": "SOUND" if role == "speech" else "MOVIE", "name": clip.name, "path": path,
            "start": start, "length": length, "offset": round((own_start(clip) - zero) * self.rate),
            "like": self._original(below, start) if role == "dub" else None,
            "record": json.dumps(record),
        })  # fmt: skip

    def _original(self, channel: int, frame: int) -> str | None:
        for strip in self.strips:
            inside = strip["start"] <= frame < strip["end"]
            if inside and strip["channel"] == channel and strip["type"] == "MOVIE":
                return str(strip["name"])
        return None

    def _new_channel(self, track: Any, below: int) -> int:
        """Right above the original, so that titles stay on top; sound goes to the very top."""
        used = {self._moved(strip["channel"]) for strip in self.strips}
        used |= {strip["channel"] for strip in self.added}
        if track.kind == otio.schema.TrackKind.Audio:
            return max(used, default=0) + 1
        channel = self._moved(below) + 1
        while any(strip["channel"] == channel for strip in self.added):
            channel += 1
        if channel in used:
            self.rooms.append(channel)
        return channel

    def _moved(self, channel: int) -> int:
        for room in self.rooms:
            channel += channel >= room
        return channel

    def to_dict(self) -> dict[str, Any]:
        ours = [strip["name"] for strip in self.strips if strip.get("record")]
        removed = [name for name in ours if name not in self.kept]
        return {"version": 1, "rooms": self.rooms, "remove": removed, "add": self.added}
