"""What is asked of the engine and what it answers: plain, frozen data, JSON both ways.

Standard library only: the plugin and the panel import this module in Pythons that have no torch.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal, Self, get_args

from stylesync_engine.errors import (
    Cancelled,
    DiskError,
    DubError,
    MediaError,
    ModelError,
    NoFaceError,
    RequestError,
)
from stylesync_engine.records import (
    check_choice,
    check_path,
    check_types,
    fields_of,
    numbers_of,
    whole_number,
)

__all__ = [
    "SMALLEST_FACE",
    "WITHOUT_ALPHA",
    "Cancelled",
    "Codec",
    "Credentials",
    "Delivery",
    "DiskError",
    "DubError",
    "DubOptions",
    "DubRequest",
    "DubResult",
    "FrameRange",
    "Landmarks",
    "Length",
    "Mark",
    "MediaError",
    "ModelError",
    "NoFaceError",
    "OnProgress",
    "Progress",
    "Quality",
    "RequestError",
    "Sampler",
    "SpeakerPoint",
    "Stage",
    "StyleReading",
    "parse_rate",
    "to_dict",
]

Quality = Literal["draft", "good", "best"]
Delivery = Literal["composite", "overlay", "vfx"]
Codec = Literal["prores4444", "prores422hq", "dnxhr", "ffv1", "h264", "h265", "exr", "png"]
Length = Literal["trim", "hold", "silence"]
Sampler = Literal["dpmpp", "ddim"]
StyleReading = Literal["network", "closed-form", "none"]
Landmarks = Literal["mediapipe", "face-alignment"]
Credentials = Literal["auto", "off", "test"]
Mark = Literal["none", "metadata"]
Stage = Literal["track", "style", "speech", "lips", "render", "assemble"]

SMALLEST_FACE = 48  # px of face width below which a dub could not look right, and is refused
WITHOUT_ALPHA: tuple[Codec, ...] = ("prores422hq", "dnxhr", "h264", "h265")

_A_TO_B = re.compile(r"\s*(\d{1,18})\s*:\s*(\d{1,18})\s*", re.ASCII)
_RATE = re.compile(r"[1-9]\d{0,5}(\.\d{1,12}|/[1-9]\d{0,5})?", re.ASCII)
_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d{1,3})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class FrameRange:
    """Half-open range of source frames, `start` included, `end` excluded, counted from 0."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise RequestError(
                f"The frame range {self.start}:{self.end} is empty or negative;"
                " give A:B with 0 <= A < B (B is excluded)."
            )

    def __len__(self) -> int:
        return self.end - self.start

    def __contains__(self, frame: int) -> bool:
        return self.start <= frame < self.end

    @classmethod
    def parse(cls, text: str) -> Self:
        """`"10:85"` -> frames 10..84."""
        found = _A_TO_B.fullmatch(text)
        if not found:
            raise RequestError(
                f"'{text}' is not a frame range; write A:B, for example 10:85 (B is excluded)."
            )
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.start}:{self.end}"


@dataclass(frozen=True, slots=True)
class SpeakerPoint:
    """A click on the speaker's face: source frame, x and y in px of the upright picture."""

    frame: int
    x: float
    y: float

    def __post_init__(self) -> None:
        if self.frame < 0 or not (0 <= self.x < math.inf and 0 <= self.y < math.inf):
            raise RequestError(
                f"The speaker point {self} lies outside every picture;"
                " give FRAME:X,Y in pixels from the top left corner."
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """`"12:640,300"` -> frame 12, x 640, y 300."""
        try:
            frame, point = text.split(":")
            x, y = point.split(",")
            numbers = int(frame), float(x), float(y)
        except ValueError as error:
            raise RequestError(
                f"'{text}' is not a speaker point; write FRAME:X,Y, for example 0:640,300."
            ) from error
        return cls(*numbers)

    def __str__(self) -> str:
        return f"{self.frame}:{self.x:g},{self.y:g}"


@dataclass(frozen=True, slots=True)
class DubOptions:
    """How to dub; every field has the default that the command line shows.

    `steps`, `sampler`, `strength` and `style_reading` are None for the models' own default.
    `style_offset` is how late the style's sound is against its lips, s (early: negative); None lets
    the engine find it. `articulation` is how wide the mouth opens: 1 as wide as the person's own,
    0 without what the reference and its calibration add.
    `appearance` is `auto` (the shot and the style clip), `shot`, `style`, or `FILE[:A:B]`.
    `credentials` `auto` signs where a certificate is configured. `rate` is that of image
    sequences whose files do not say it, such as `24000/1001`; `colour_space` that of the shot.
    `keep_sound` keeps the shot's other sound beside the speech, and `match_loudness` brings the
    speech to the loudness of the shot's own. `burn_in` draws clip, time code and frame number into
    an encode for review.
    """

    models: str = "starter"
    quality: Quality = "good"
    device: str = "auto"
    steps: int | None = None
    sampler: Sampler | None = None
    strength: float | None = None
    seed: int = 0
    style_reading: StyleReading | None = None
    style_offset: float | None = None
    articulation: float = 1.0
    appearance: str = "auto"
    delivery: Delivery = "composite"
    codec: Codec = "prores4444"
    length: Length = "trim"
    landmarks: Landmarks = "mediapipe"
    credentials: Credentials = "auto"
    mark: Mark = "none"
    rate: str | None = None
    colour_space: str | None = None
    deinterlace: bool = False
    keep_sound: bool = False
    match_loudness: bool = False
    burn_in: bool = False

    def __post_init__(self) -> None:
        if not self.models:
            raise RequestError("models is empty; give starter, paper or a folder of models.")
        if not _DEVICE.fullmatch(self.device):
            raise RequestError(f"device is '{self.device}'; choose auto, cpu, mps, cuda or cuda:N.")
        if not self.appearance:
            raise RequestError("appearance is empty; give auto, shot, style or FILE[:A:B].")
        check_path("models", self.models)
        check_path("appearance", self.appearance)
        if self.delivery == "overlay" and self.codec in WITHOUT_ALPHA:
            raise RequestError(
                f"The codec {self.codec} has no alpha for an overlay;"
                " choose prores4444, ffv1, png or exr."
            )
        if self.delivery == "vfx" and self.codec != "exr":
            raise RequestError("The delivery vfx is written as layers of EXR; choose codec exr.")
        if self.burn_in and self.codec not in _FOR_REVIEW:
            raise RequestError(
                f"{self.codec} is for finishing, which a burn-in would spoil;"
                " choose h264 or h265, or leave burn_in off."
            )
        if self.rate is not None:
            parse_rate(self.rate)
        check_choice("quality", self.quality, get_args(Quality))
        check_choice("delivery", self.delivery, get_args(Delivery))
        check_choice("codec", self.codec, get_args(Codec))
        check_choice("length", self.length, get_args(Length))
        check_choice("landmarks", self.landmarks, get_args(Landmarks))
        check_choice("credentials", self.credentials, get_args(Credentials))
        check_choice("mark", self.mark, get_args(Mark))
        if self.sampler is not None:
            check_choice("sampler", self.sampler, get_args(Sampler))
        if self.style_reading is not None:
            check_choice("style_reading", self.style_reading, get_args(StyleReading))
        if self.style_offset is not None and not abs(self.style_offset) <= _MOST_OFFSET:
            raise RequestError(
                f"style_offset is {self.style_offset}; give auto, or seconds from"
                f" {-_MOST_OFFSET:g} to {_MOST_OFFSET:g}."
            )
        if not 0.0 <= self.articulation <= _WIDEST:
            raise RequestError(
                f"articulation is {self.articulation}; give a number from 0 to {_WIDEST:g}."
            )
        if self.steps is not None and not 1 <= self.steps <= 1000:
            raise RequestError(f"steps is {self.steps}; give a number from 1 to 1000.")
        if self.strength is not None and not 0.0 < self.strength <= 1.0:
            raise RequestError(f"strength is {self.strength}; give a number above 0, up to 1.")
        if not 0 <= self.seed < 2**63:
            raise RequestError(f"seed is {self.seed}; give a whole number from 0 to 2^63 - 1.")


@dataclass(frozen=True, slots=True)
class DubRequest:
    """One dub: a shot, new speech, a style reference and where the result goes.

    Paths are strings as the caller wrote them. `frames` and `style_frames` count source frames.
    `speech_samples` is a half-open range of the speech file's own samples. `style_speech` is the
    style clip's sound where it lies in another file. `work` keeps finished windows, so that the
    same request goes on where it stopped; without it a folder beside the output is used. `person`
    is who is dubbed, and `consent` the file of their consent.
    """

    video: str
    speech: str
    output: str
    frames: FrameRange | None = None
    speech_samples: tuple[int, int] | None = None
    style: str | None = None
    style_frames: FrameRange | None = None
    style_speech: str | None = None
    speaker: SpeakerPoint | None = None
    work: str | None = None
    person: str | None = None
    consent: str | None = None
    options: DubOptions = field(default_factory=DubOptions)

    def __post_init__(self) -> None:
        for name in ("video", "speech", "output"):
            if not getattr(self, name):
                raise RequestError(f"The request has no {name}; give its path.")
        for name in _PATHS:
            check_path(name, getattr(self, name) or "")
        if self.style is None and (self.style_frames or self.style_speech):
            raise RequestError(
                "style_frames and style_speech belong to a style clip; give the clip as style."
            )
        if self.speech_samples is not None:
            first, last = self.speech_samples
            if not 0 <= first < last:
                raise RequestError(
                    f"speech_samples {first}:{last} is empty or negative; give A:B with 0 <= A < B."
                )
        output = os.path.realpath(self.output)
        for name in ("video", "speech", "style", "style_speech", "consent"):
            source = getattr(self, name)
            if source is not None and os.path.realpath(source) == output:
                raise RequestError(f"The output would overwrite the {name}; choose another name.")

    def to_json(self) -> str:
        return json.dumps(to_dict(self), indent=2, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> DubRequest:
        """Read a request; raises RequestError naming the field that is wrong."""
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise RequestError(
                f"The request is not valid JSON ({error}); mend or export it again."
            ) from error
        return cls.from_dict(data)

    @classmethod
    def from_dict(cls, data: Any) -> DubRequest:
        """Read a request that is already plain data; null stands for the default."""
        fields = fields_of("request", cls, data)
        check_types("request", fields, _REQUEST_TYPES)
        options = fields_of("options", DubOptions, fields.pop("options", {}))
        check_types("options", options, _OPTION_TYPES)
        if "style_offset" in options:
            options["style_offset"] = _seconds("style_offset", options["style_offset"])
        for name in ("frames", "style_frames"):
            if name in fields:
                fields[name] = _frame_range(name, fields[name])
        if "speech_samples" in fields:
            first, last = numbers_of("speech_samples", fields["speech_samples"], ("start", "end"))
            fields["speech_samples"] = (
                whole_number("speech_samples", first),
                whole_number("speech_samples", last),
            )
        if "speaker" in fields:
            fields["speaker"] = _speaker_point(fields["speaker"])
        for name in ("video", "speech", "output"):
            fields.setdefault(name, "")
        return cls(**fields, options=DubOptions(**options))


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a stage is: `done` of `total` units (frames, as a rule)."""

    stage: Stage
    done: int
    total: int

    def to_dict(self) -> dict[str, Any]:
        return {"event": "progress", **dataclasses.asdict(self)}


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class DubResult:
    """What came out. `passed_through` are half-open ranges of output frames left untouched;
    `signed_by` is the name on the certificate, None where the result carries no credentials.
    `loudness` is that of the new speech as delivered, LUFS; None where it is too short to tell.
    `sound_offsets` are how late the sound of what the style was read from is, s, by its role.
    `lips` is how the delivered lips compare with the wanted ones, which follow the speech:
    `follows` their correlation, `width` how far they open against them, `offset` how late they
    are, s; None where too little is seen."""

    output: str
    rate: Fraction
    frames: int
    changed: int
    passed_through: tuple[tuple[int, int], ...]
    seconds: dict[str, float]
    models: str
    device: str
    seed: int
    warnings: tuple[str, ...] = ()
    signed_by: str | None = None
    loudness: float | None = None
    sound_offsets: dict[str, float] | None = None
    lips: dict[str, float] | None = None

    def to_dict(self) -> dict[str, Any]:
        data = to_dict(self)
        data["rate"] = f"{self.rate.numerator}/{self.rate.denominator}"
        return {"event": "result", **data}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> DubResult:
        fields = {key: value for key, value in data.items() if key != "event"}
        fields["rate"] = Fraction(fields["rate"])
        fields["passed_through"] = tuple((a, b) for a, b in fields["passed_through"])
        fields["warnings"] = tuple(fields["warnings"])
        return cls(**fields)


def parse_rate(text: str) -> Fraction:
    """`24`, `29.97` or `24000/1001` -> frames/s; raises RequestError for anything else."""
    if not _RATE.fullmatch(text):
        raise RequestError(f"rate is '{text}'; write 24, 29.97 or 24000/1001.")
    return Fraction(text)


def to_dict(record: Any) -> dict[str, Any]:
    """A frozen record as plain JSON data; None fields are left out."""
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in dataclasses.asdict(record).items()
        if value is not None
    }


_PATHS = ("video", "speech", "output", "style", "style_speech", "work", "consent")
_REQUEST_TYPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys((*_PATHS, "person"), (str,)),
    **dict.fromkeys(("frames", "style_frames", "speaker"), (dict, list, str)),
    "speech_samples": (dict, list),
    "options": (dict,),
}
_MOST_OFFSET = 2.0  # s: sound farther off belongs to other pictures
_WIDEST = 1.5
_FOR_REVIEW: tuple[Codec, ...] = ("h264", "h265")
_OPTION_TYPES: dict[str, tuple[type, ...]] = {
    **{entry.name: (str,) for entry in dataclasses.fields(DubOptions)},
    "steps": (int,),
    "seed": (int,),
    "strength": (int, float),
    "articulation": (int, float),
    "style_offset": (int, float, str),
    **dict.fromkeys(("deinterlace", "keep_sound", "match_loudness", "burn_in"), (bool,)),
}


def _seconds(name: str, value: Any) -> float | None:
    """`auto`, a number or its text."""
    if value == "auto":
        return None
    try:
        return float(value)
    except ValueError as error:
        raise RequestError(f"{name} is '{value}'; give auto, or seconds such as 0.24.") from error


def _frame_range(name: str, value: Any) -> FrameRange:
    if isinstance(value, str):
        return FrameRange.parse(value)
    start, end = numbers_of(name, value, ("start", "end"))
    return FrameRange(whole_number(name, start), whole_number(name, end))


def _speaker_point(value: Any) -> SpeakerPoint:
    if isinstance(value, str):
        return SpeakerPoint.parse(value)
    frame, x, y = numbers_of("speaker", value, ("frame", "x", "y"))
    return SpeakerPoint(whole_number("speaker", frame), float(x), float(y))
