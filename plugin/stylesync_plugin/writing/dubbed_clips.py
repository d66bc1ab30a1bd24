"""The clips that a dub puts on the timeline, with their media and what they remember."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio

from stylesync_engine.files import NumberedName
from stylesync_engine.records import as_data
from stylesync_engine.request import DubRequest, DubResult
from stylesync_plugin.planning.plan import Place, PlannedDub
from stylesync_plugin.planning.recordings import SoundPart
from stylesync_plugin.timeline.items import METADATA
from stylesync_plugin.timeline.layout import PlacedClip
from stylesync_plugin.timeline.paths import url_of
from stylesync_plugin.times import RationalTime, Span, TimeRange, exact_rate, rational_time
from stylesync_plugin.writing.laying import Piece
from stylesync_plugin.writing.original_sound import OriginalSound

Clip = otio.schema.Clip


@dataclass(frozen=True, slots=True)
class TrackNames:
    """What the new tracks are called; `bare_paths` writes paths where some hosts balk at URLs.

    `original_sound` says what becomes of the shot's own sound under a dub.
    """

    video: str = "StyleSync"
    audio: str = "StyleSync speech"
    bare_paths: bool = False
    original_sound: OriginalSound = "off"


@dataclass(frozen=True, slots=True)
class Dubbed:
    """A planned dub and what came of it; `hashes` are the sha256 of everything that went in."""

    planned: PlannedDub
    result: DubResult
    hashes: Mapping[str, str] = field(default_factory=dict)
    second: DubResult | None = None


def clip_of(original: PlacedClip, dub: Dubbed, names: TrackNames) -> Any:
    """The dubbed clip: the original's effects but those of time, and the dub as its media."""
    place = dub.planned.place
    source_rate = original.clip.source_range
    rate = exact_rate(source_rate.duration.rate) if source_rate is not None else place.rate
    clip = Clip(
        name=f"{original.clip.name} (dubbed)",
        source_range=TimeRange(
            rational_time(place.start, place.rate), rational_time(place.span.duration, rate)
        ),
        metadata={METADATA: {**_record(dub), "original_sound": names.original_sound}},
    )
    effects = [e for e in original.clip.effects if not isinstance(e, otio.schema.TimeEffect)]
    clip.effects.extend(effect.deepcopy() for effect in effects)
    references = {Clip.DEFAULT_MEDIA_KEY: _reference(dub.result, place, names)}
    if dub.second is not None and dub.planned.second is not None:
        delivery = dub.planned.second.options.delivery
        references[delivery] = _reference(dub.second, place, names)
    clip.set_media_references(references, Clip.DEFAULT_MEDIA_KEY)
    return clip


def _reference(result: DubResult, place: Place, names: TrackNames) -> Any:
    available = TimeRange(
        rational_time(place.first, place.rate), RationalTime(place.frames, float(place.rate))
    )
    path = Path(result.output)
    if named := NumberedName.of(path.name):
        return _sequence(path.parent, named, available, place.rate, names)
    return otio.schema.ExternalReference(_address(path, names), available)


def _sequence(
    folder: Path, named: NumberedName, available: TimeRange, rate: Fraction, names: TrackNames
) -> Any:
    images, files = named.images(), folder.iterdir() if folder.is_dir() else ()
    numbers = [int(found[1]) for file in files if (found := images.fullmatch(file.name))]
    return otio.schema.ImageSequenceReference(
        target_url_base=_address(folder, names) + "/",
        name_prefix=named.head,
        name_suffix=named.tail,
        start_frame=min(numbers, default=0),
        frame_zero_padding=named.digits,
        rate=float(rate),
        available_range=available,
    )


def _address(path: Path, names: TrackNames) -> str:
    bare = str(path.absolute())
    return bare if names.bare_paths and bare.isprintable() else url_of(path)


def _record(dub: Dubbed) -> dict[str, Any]:
    """What the timeline remembers: enough to judge the dub, repeat it and remove it."""
    result = dub.result.to_dict()
    kept = ("models", "seed", "changed", "passed_through", "warnings", "signed_by")
    return {
        "role": "dub",
        "id": dub.planned.id,
        "take": dub.planned.take,
        "job": dub.planned.job,
        "jobs": list(dub.planned.jobs),
        "request": _described(dub.planned.request),
        "result": {key: plain(result[key]) for key in kept if key in result},
        "hashes": dict(dub.hashes),
        "consent": dub.planned.consent,
        "consents": plain(dub.planned.consents),
        "in_place": list(dub.planned.in_place),
    }


def _described(request: DubRequest) -> dict[str, Any]:
    data: dict[str, Any] = plain(as_data(request))
    for face in (data, *data.get("beside", ())):
        face.pop("work", None)
    return data


def sounds_of(dub: Dubbed, rate: Fraction, names: TrackNames) -> list[Piece]:
    return [
        Piece(dub.planned.id, span, _sound_clip(dub, part, span, rate, names))
        for part, span in dub.planned.sounds
    ]


def _sound_clip(dub: Dubbed, part: SoundPart, span: Span, rate: Fraction, names: TrackNames) -> Any:
    samples = float(part.sample_rate)
    reference = otio.schema.ExternalReference(
        _address(Path(part.path), names),
        TimeRange(RationalTime(0, samples), RationalTime(part.total, samples)),
    )
    start = rational_time(Fraction(part.first, part.sample_rate), rate)
    if start.rate != float(rate):
        start = RationalTime(part.first, samples)
    return Clip(
        name=f"{Path(part.path).stem} (speech)",
        media_reference=reference,
        source_range=TimeRange(start, _sound_length(span.duration, rate, part.sample_rate)),
        metadata={METADATA: {"role": "speech", "id": dub.planned.id, "job": dub.planned.job}},
    )


def _sound_length(length: Fraction, rate: Fraction, sample_rate: int) -> RationalTime:
    """Whole frames where the speech is cut, else its own samples."""
    if (length * rate).denominator == 1:
        return rational_time(length, rate)
    return rational_time(length, Fraction(sample_rate))


def plain(value: Any) -> Any:
    """Tuples and OTIO's containers as plain lists and dictionaries; what of a name is no UTF-8,
    which OTIO does not take, as it is escaped."""
    if hasattr(value, "items"):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, (int, float, bool)) or value is None:
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain(dataclasses.asdict(value))
    return [plain(entry) for entry in value]
