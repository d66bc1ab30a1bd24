"""Clips of DaVinci Resolve's timeline and media of its pool, as the application answers of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, cast

import opentimelineio as otio

from stylesync_plugin.hosts.media_files import file_of
from stylesync_plugin.hosts.turned import Part, part_of, remember
from stylesync_plugin.timeline.items import METADATA, own_start
from stylesync_plugin.timeline.paths import url_of
from stylesync_plugin.times import RationalTime, TimeRange, exact_rate, frame_range, seconds

if TYPE_CHECKING:
    from fusionscript import MediaPoolItem, TimelineItem

Kind = Literal["video", "audio"]

TRACK_KINDS: dict[Kind, str] = {
    "video": otio.schema.TrackKind.Video,
    "audio": otio.schema.TrackKind.Audio,
}

MARKER = "StyleSync"
"""The marker on our items; its custom data is what the timeline remembers of the dub."""
SOUND_MARKER = "StyleSync sound"
"""The same on a sound of the editor's own that was turned off."""


def clip_of(item: TimelineItem, kind: Kind, rate: Fraction) -> Any:
    """An item as it is shown at the timeline's rate; titles become generators."""
    media = _media_of(item)
    length = int(item.GetDuration(False))
    if media is None or not path_shown_by(item):
        title = otio.schema.GeneratorReference(generator_kind="resolve")
        return otio.schema.Clip(item.GetName(), title, frame_range(0, length, rate))
    fps = rate_of(media) or rate
    first = int(item.GetSourceStartFrame()) - first_of(media)
    source = TimeRange(RationalTime(first, float(fps)), RationalTime(length, float(rate)))
    frames = str(media.GetClipProperty("Frames"))
    available = frame_range(0, int(frames), fps) if frames.isdecimal() else None
    reference = otio.schema.ExternalReference(url_of(path_shown_by(item)), available)
    clip = otio.schema.Clip(item.GetName(), reference, source)
    clip.enabled = item.GetClipEnabled()
    if kind == "audio":
        remember(clip, item.GetUniqueId(), _noted(item, SOUND_MARKER))
    speed = _speed(item, length * fps / rate) if kind == "video" else 1.0
    if speed != 1.0:
        clip.effects.append(otio.schema.LinearTimeWarp(time_scalar=speed))
    record = record_of(item)
    if record is not None:
        clip.metadata[METADATA] = json.loads(record)
    return clip


def _speed(item: TimelineItem, expected: Fraction) -> float:
    """Source frames a frame; two frames are within what the versions differ by."""
    shown = int(item.GetSourceEndFrame()) - int(item.GetSourceStartFrame()) + 1
    return 1.0 if abs(shown - expected) <= 2 else float(shown / expected)


def _media_of(item: TimelineItem) -> MediaPoolItem | None:
    """Titles and generators have none, whatever the stub says."""
    return item.GetMediaPoolItem()


def path_shown_by(item: TimelineItem) -> str:
    """The file; empty for titles and generators."""
    media = _media_of(item)
    return str(media.GetClipProperty("File Path") or "") if media is not None else ""


def rate_of(media: MediaPoolItem) -> Fraction | None:
    """What the media's frames count in; of a sound file that is the application's own choice."""
    rate = float(cast("str", media.GetClipProperty("FPS")) or 0)
    return exact_rate(rate) if rate else None


def first_of(media: MediaPoolItem) -> int:
    """The number of the media's first frame."""
    return int(cast("str", media.GetClipProperty("Start")) or 0)


def record_of(item: TimelineItem) -> str | None:
    """What the timeline remembers of a dub of ours; None for an editor's own item."""
    return _noted(item, MARKER)


def _noted(item: TimelineItem, name: str) -> str | None:
    for marker in item.GetMarkers().values():
        if marker["name"] == name:
            return marker["customData"]
    return None


def turn_sounds(
    items: Sequence[TimelineItem], zero: int, parts: Mapping[str, Sequence[Part]]
) -> list[str]:
    """Turn the editor's own sounds as they are in `parts`, by their ids, from frame `zero` of the
    timeline; returns the names of those that cannot be."""
    left = []
    for item in items:
        start = int(item.GetStart(False)) - zero
        end = start + int(item.GetDuration(False))
        now = part_of(start, end, _noted(item, SOUND_MARKER))
        wanted = list(parts.get(item.GetUniqueId(), [now]))
        if record_of(item) is None and wanted != [now] and not _turn(item, now, wanted):
            left.append(item.GetName())
    return left


def _turn(item: TimelineItem, now: Part, parts: Sequence[Part]) -> bool:
    """Turn a sound off or on where all of it is; whether that could be done."""
    [part, *further] = parts
    if further or (part.start, part.end) != (now.start, now.end) or part.level == "-20dB":
        return False
    if now.record:
        item.DeleteMarkerByCustomData(now.record)
    if part.record:
        item.AddMarker(0, "Mint", SOUND_MARKER, "", 1, part.record)
    return item.SetClipEnabled(not part.level)


def has_marker(item: TimelineItem, role: str) -> bool:
    return any(m["name"].casefold() == role for m in item.GetMarkers().values())


@dataclass(frozen=True, slots=True)
class Wanted:
    """A clip of ours as it should lie: absolute timeline frames, media from `offset` s."""

    kind: Kind
    name: str
    path: str
    number: int | None
    images: int
    start: int
    length: int
    offset: Fraction
    record: str

    def matches(self, item: TimelineItem) -> bool:
        found = (path_shown_by(item), int(item.GetStart(False)), int(item.GetDuration(False)))
        return record_of(item) is not None and found == (self.path, self.start, self.length)


def track_name(kind: Kind, index: int) -> str:
    """Names of the application repeat; these do not."""
    return f"Track {'V' if kind == 'video' else 'A'}{index}"


def wanted_on(track: Any, zero: int, rate: Fraction) -> Iterator[Wanted]:
    """Our clips on a track, from the timeline's first frame `zero` on."""
    kind: Kind = "video" if track.kind == otio.schema.TrackKind.Video else "audio"
    moment = zero
    for child in track:
        length = round(seconds(child.duration()) * rate)
        if isinstance(child, otio.schema.Clip) and METADATA in child.metadata:
            reference = child.media_reference
            path, number = file_of(reference)
            available = reference.available_range
            yield Wanted(
                kind, child.name, path, number, int(available.duration.value), moment, length,
                own_start(child) - seconds(available.start_time),
                otio.core.serialize_json_to_string(child.metadata[METADATA], indent=-1),
            )  # fmt: skip
        moment += length
