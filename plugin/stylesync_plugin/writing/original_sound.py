"""The shot's own sound under a dub: off, 20 dB lower, or as it is.

A clip of sound that plays the dubbed shot's media is cut at the dub's ends, and the part under the
dub is turned down. The parts remember what they were, so that taking the dub off joins them again.
Music and other people's clips are left alone: they play other media.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any, Literal, cast, get_args

import opentimelineio as otio

from stylesync_engine.request import RequestError
from stylesync_plugin.planning.plan import Place
from stylesync_plugin.timeline.items import METADATA, SOUND, duration, own_start, remembered
from stylesync_plugin.timeline.paths import path_of
from stylesync_plugin.times import ZERO, RationalTime, Span, TimeRange
from stylesync_plugin.writing.laying import is_ours, trimmed

OriginalSound = Literal["off", "-20dB", "keep"]
_LOWERED = -20  # dB
_GAIN = "StyleSync gain"


def check_original_sound(value: str) -> OriginalSound:
    """Raises RequestError, naming the choices, for anything else."""
    for known in get_args(OriginalSound):
        if value == known:
            return cast(OriginalSound, known)
    choices = ", ".join(get_args(OriginalSound))
    raise RequestError(f"The original sound is '{value}'; choose one of {choices}.")


def turn_down(
    host: Any, original: Any, speech: Collection[str], place: Place, key: str, level: OriginalSound
) -> None:
    """Turn down what is heard of the `original` clip's media in a stack, within a place.

    `speech` are the files of new speech that lies on the timeline already: it stays.
    """
    if level == "keep":
        return
    media = _media_of(original)
    for track in _sound_tracks(host):
        found = [
            (child, within, start)
            for child, start in _children(track)
            if _plays(child, media, speech)
            and (within := Span(start, start + duration(child)).meet(place.span))
        ]
        for number, (child, within, start) in enumerate(found):
            whole = remembered(child, SOUND).get("whole", f"{key}-{track.name}-{number}")
            _replace(track, child, _parts(child, within, start, str(whole), key, level))


def turn_up(stack: Any, keys: Collection[str] | None = None) -> None:
    """Give back the sound under the dubs of these places, or under all, in every track below."""
    for track in stack.find_children(descended_from_type=otio.schema.Track):
        turned = [child for child in track if _belongs(child, keys)]
        for child in turned:
            _restore(child)
        if turned:
            _join(track)


def _sound_tracks(host: Any) -> Iterator[Any]:
    for child in host:
        is_sound = getattr(child, "kind", "") == otio.schema.TrackKind.Audio
        if isinstance(child, otio.schema.Track) and is_sound and not is_ours(child):
            yield child


def _children(track: Any) -> list[tuple[Any, Fraction]]:
    """The items of a track with their start in the time of the stack."""
    moment = -own_start(track) if track.source_range is not None else ZERO
    placed = []
    for child in track:
        if isinstance(child, otio.core.Item):
            placed.append((child, moment))
            moment += duration(child)
    return placed


def _media_of(clip: Any) -> tuple[str, str]:
    """The media's address and its name: linked sound may lie in a folder of its own spelling."""
    url = str(getattr(getattr(clip, "media_reference", None), "target_url", "") or "")
    return url, PurePosixPath(url.replace("\\", "/")).stem


def _plays(item: Any, media: tuple[str, str], speech: Collection[str]) -> bool:
    if not isinstance(item, otio.schema.Clip) or not item.enabled:
        return False
    url, stem = _media_of(item)
    name, spoken = PurePosixPath(path_of(url)).name, {PurePosixPath(path).name for path in speech}
    return bool(stem) and (url == media[0] or stem == media[1]) and name not in spoken


def _parts(
    child: Any, within: Span, start: Fraction, whole: str, key: str, level: OriginalSound
) -> list[Any]:
    """A clip cut in up to three; what lies within is turned down."""
    ends = (ZERO, within.start - start, within.end - start, duration(child))
    parts: list[Any] = []
    for number, (first, last) in enumerate(pairwise(ends)):
        if last <= first:
            continue
        part = trimmed(child, first, last)
        part.markers[:] = [m.deepcopy() for m in child.markers] if not parts else []
        part.metadata[SOUND] = {"whole": whole}
        if number == 1:
            _turn(part, key, level)
        parts.append(part)
    return parts


def _turn(part: Any, key: str, level: OriginalSound) -> None:
    part.metadata[SOUND] = {**part.metadata[SOUND], "place": key, "level": level}
    if level == "off":
        part.enabled = False
    else:
        part.effects.append(
            otio.schema.Effect(effect_name=_GAIN, metadata={METADATA: {"db": _LOWERED}})
        )


def _belongs(child: Any, keys: Collection[str] | None) -> bool:
    key = remembered(child, SOUND).get("place")
    return key is not None and (keys is None or key in keys)


def _restore(child: Any) -> None:
    child.enabled = True
    for index in reversed(range(len(child.effects))):
        if child.effects[index].effect_name == _GAIN:
            del child.effects[index]
    child.metadata[SOUND] = {"whole": child.metadata[SOUND]["whole"]}


def _join(track: Any) -> None:
    """Neighbours of one clip, none of them turned down any more, become one again."""
    index = 0
    while index + 1 < len(track):
        one, other = track[index], track[index + 1]
        same = _whole(one) is not None and _whole(one) == _whole(other)
        if not same:
            index += 1
            continue
        length = one.source_range.duration + other.source_range.duration
        rate = one.source_range.duration.rate
        one.source_range = TimeRange(
            one.source_range.start_time, RationalTime(length.value_rescaled_to(rate), rate)
        )
        one.markers.extend(marker.deepcopy() for marker in other.markers)
        del track[index + 1]
    rest = [remembered(child, SOUND).get("whole") for child in track]
    for child, whole in zip(track, rest, strict=True):
        if whole is not None and rest.count(whole) == 1 and _whole(child) is not None:
            del child.metadata[SOUND]


def _whole(child: Any) -> str | None:
    data = remembered(child, SOUND)
    return None if "place" in data or "whole" not in data else str(data["whole"])


def _replace(track: Any, child: Any, parts: list[Any]) -> None:
    index = next(i for i, item in enumerate(track) if item is child)
    del track[index]
    for offset, part in enumerate(parts):
        track.insert(index + offset, part)
