"""What is asked of the engine and what it answers: plain, frozen data, JSON both ways.

Standard library only: the plugin and the panel import this module in Pythons that have no torch.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, replace
from fractions import Fraction
from typing import Any, Literal

from stylesync_engine.errors import Cancelled as Cancelled
from stylesync_engine.errors import DiskError as DiskError
from stylesync_engine.errors import DubError as DubError
from stylesync_engine.errors import MediaError as MediaError
from stylesync_engine.errors import ModelError as ModelError
from stylesync_engine.errors import NoFaceError as NoFaceError
from stylesync_engine.errors import RequestError as RequestError
from stylesync_engine.ranges import A_TO_B, parse_keys
from stylesync_engine.ranges import FrameRange as FrameRange
from stylesync_engine.ranges import MouthKey as MouthKey
from stylesync_engine.ranges import SpeakerPoint as SpeakerPoint
from stylesync_engine.ranges import parse_rate as parse_rate
from stylesync_engine.records import as_data, check_choices, check_path, parse_json, read, told

to_dict = as_data
Quality = Literal["draft", "good", "best"]
Delivery = Literal["composite", "overlay", "vfx"]
Codec = Literal["prores4444", "prores422hq", "dnxhr", "ffv1", "h264", "h265", "exr", "png"]
Length = Literal["trim", "hold", "silence"]
Sampler = Literal["dpmpp", "ddim"]
StyleReading = Literal["network", "closed-form", "attention", "none"]
Landmarks = Literal["mediapipe", "face-alignment"]
Credentials = Literal["auto", "off", "test"]
Mark = Literal["none", "metadata"]
Stage = Literal["track", "style", "speech", "lips", "render", "assemble"]

SMALLEST_FACE = 48  # px of face width below which a dub could not look right, and is refused
WITHOUT_ALPHA: tuple[Codec, ...] = ("prores422hq", "dnxhr", "h264", "h265")

SOURCES = ("video", "speech", "style", "style_speech", "consent")
_PATHS = (*SOURCES, "output", "work")
_FOR_REVIEW: tuple[Codec, ...] = ("h264", "h265")
_BOUNDS = (
    ("steps", 1, 1000), ("strength", 0.0, 1.0), ("seed", 0, 2**63 - 1),
    ("style_offset", -2.0, 2.0),  # s: sound farther off belongs to other pictures
    ("articulation", 0.0, 1.5),
    ("style_strength", 0.0, 1.0),
    ("fit_seconds", 0, 3600),
    ("speech_stream", 1, 1000), ("style_stream", 1, 1000),
)  # fmt: skip
_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d{1,3})?", re.ASCII)


def _seconds(value: Any) -> Any:
    """`auto`, a number or its text."""
    try:
        return None if value == "auto" else float(value) if isinstance(value, str) else value
    except ValueError as error:
        raise RequestError(f"'{value}' is no time; give auto, or seconds such as 0.24.") from error


def _samples(value: Any) -> Any:
    """`"0:48000"`, `[0, 48000]` or `{"start": 0, "end": 48000}`."""
    if isinstance(value, dict):
        return [value.get("start"), value.get("end")]
    if not isinstance(value, str):
        return value
    found = A_TO_B.fullmatch(value)
    if not found:
        raise RequestError(f"'{value}' is not a range of samples; write A:B, for example 0:48000.")
    return [int(found[1]), int(found[2])]


@dataclass(frozen=True, slots=True)
class DubOptions:
    """How to dub; the defaults are those that the command line shows.

    `steps`, `sampler`, `strength` and `style_reading` are None for the models' own default,
    `style_offset`, s (negative: early), for what the engine finds. `articulation` 0 leaves out
    what the reference and its calibration add, `style_strength` 0 all that the reference says.
    `appearance` is `auto` (the shot and the style clip), `shot`, `style`, or `FILE[:A:B]`.
    `credentials` `auto` signs where a certificate is configured.
    """

    models: str = told("starter", "Which weights", "starter|paper|DIR")
    quality: Quality = told(
        "good", "draft: the references alone; good: the model; best: fitted to the person"
    )
    device: str = told("auto", "Where to compute", "auto|cuda[:N]|mps|cpu")
    steps: int | None = told(None, "Sampling steps (default: the models')", "N")
    sampler: Sampler | None = told(None, "Sampler (default: the models')")
    strength: float | None = told(None, "Share of noise, above 0 to 1 (default: the models')", "X")
    seed: int = told(0, "Noise", "N")
    style_reading: StyleReading | None = told(
        None, "How the style clip is read (default: the models')"
    )
    style_offset: float | None = told(
        None, "How late the style's sound is, s (default: auto, measured)", "auto|S", _seconds
    )
    articulation: float = told(1.0, "How wide the mouth opens, 0 to 1.5; 1: the person's own", "X")
    style_strength: float = told(1.0, "How much of the person's own way of speaking, 0 to 1", "X")
    fit_seconds: int | None = told(
        None,
        "Most time for best to be fitted to the person, s; 0: none (default: 120, on a GPU 30)",
        "N",
    )
    appearance: str = told(
        "auto",
        "Whose frames show what the person looks like; auto: the shot's and style clip's",
        "auto|shot|style|FILE[:A:B]",
    )
    delivery: Delivery = told(
        "composite", "Full frames, the change alone, or layers for compositing"
    )
    codec: Codec = told("prores4444", "How OUT is encoded")
    length: Length = told("trim", "What is done with speech longer or shorter than the shot")
    landmarks: Landmarks = told("mediapipe", "What finds the face")
    credentials: Credentials = told(
        "auto", "Proof of origin; auto signs with the configured certificate"
    )
    mark: Mark = told("none", "Say in the file's metadata that a model took part")
    images_rate: str | None = told(
        None, "Rate of numbered images that do not say it, such as 24000/1001", "R", was="rate"
    )
    colour_space: str | None = told(
        None, "bt709, pq, hlg, linear, acescg, or a camera log (default: by tags)", "NAME"
    )
    speech_stream: int | None = told(
        None, "Sound stream of the speech file, from 1 (default: the first that is heard)", "N"
    )
    style_stream: int | None = told(
        None, "Sound stream of the style clip, or of the shot without one, from 1", "N"
    )
    deinterlace: bool = told(False, "Make frames of an interlaced clip's fields")
    keep_sound: bool = told(False, "Keep the shot's other sound beside the new speech")
    match_loudness: bool = told(False, "Make the speech as loud as the shot's own sound")
    burn_in: bool = told(False, "Show clip, time code and frame in a review encode")

    def __post_init__(self) -> None:
        check_choices(self)
        for name in ("models", "appearance"):
            if not getattr(self, name):
                raise RequestError(f"{name} is empty; name one or leave it out.", name)
            check_path(name, getattr(self, name))
        if not _DEVICE.fullmatch(self.device):
            said = f"device is '{self.device}'; choose auto, cpu, mps, cuda or cuda:N."
            raise RequestError(said, "device")
        self._check_delivery()
        if self.images_rate is not None:
            parse_rate(self.images_rate)
        for name, low, high in _BOUNDS:
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                said = f"{name} is {value}; give a number from {low:g} to {high:g}."
                raise RequestError(said, name)
        if self.strength == 0:
            raise RequestError("strength is 0; give a number above 0, up to 1.", "strength")

    def _check_delivery(self) -> None:
        if self.delivery == "overlay" and self.codec in WITHOUT_ALPHA:
            raise RequestError(
                f"The codec {self.codec} has no alpha for an overlay;"
                " choose prores4444, ffv1, png or exr.",
                "codec",
            )
        if self.delivery == "vfx" and self.codec != "exr":
            said = "The delivery vfx is written as layers of EXR; choose codec exr."
            raise RequestError(said, "codec")
        if self.burn_in and self.codec not in _FOR_REVIEW:
            raise RequestError(
                f"{self.codec} is for finishing, which a burn-in would spoil;"
                " choose h264 or h265, or leave burn_in off.",
                "burn_in",
            )


@dataclass(frozen=True, slots=True)
class DubRequest:
    """One dub: a shot, new speech, a style reference and where the result goes.

    Paths are strings as the caller wrote them. `style_speech` is the style clip's sound where it
    lies in another file. `work` keeps finished windows, so that the same request goes on where it
    stopped; without it a folder beside the output is used.
    `beside` are dubs of other faces in the same frames: their mouths are put into the same picture
    first, and their speech into its sound; their `output`, and how it is written, do not count.
    """

    video: str = told(MISSING, "The shot to dub", "V")
    speech: str = told(MISSING, "The new speech: sound, or a clip's own", "S")
    output: str = told(MISSING, "The dub's file", "OUT")
    frames: FrameRange | None = told(None, "Frames from 0, B excluded (default: all)", "A:B")
    speech_samples: tuple[int, int] | None = told(
        None, "Samples of the speech file, B excluded", "A:B", _samples
    )
    style: str | None = told(
        None, "A clip of how this person speaks (default: the shot itself)", "R"
    )
    style_frames: FrameRange | None = told(None, "Frames of the style clip", "A:B")
    style_speech: str | None = None
    speaker: SpeakerPoint | None = told(None, "A point on the speaker's face, px", "FRAME:X,Y")
    mouth_keys: tuple[MouthKey, ...] = told(
        (), "Frames with closed lips, or left original", "closed@A:B,original@A:B", parse_keys
    )
    work: str | None = told(None, "Keep finished windows here (default: beside OUT)", "DIR")
    person: str | None = told(
        None, "Who is dubbed: a person who was made once, or a mere name", "NAME|FOLDER"
    )
    consent: str | None = told(None, "The person's consent, on record", "FILE")
    options: DubOptions = field(default_factory=DubOptions)
    beside: tuple[DubRequest, ...] | None = None

    @property
    def faces(self) -> tuple[DubRequest, ...]:
        """A request for each face that is dubbed, this one's own first."""
        return (replace(self, beside=None), *self.beside) if self.beside else (self,)

    def __post_init__(self) -> None:
        for name in ("video", "speech", "output"):
            if not getattr(self, name):
                raise RequestError(f"The request has no {name}; give its path.", name)
        for name in _PATHS:
            check_path(name, getattr(self, name) or "")
        if self.style is None and (self.style_frames or self.style_speech):
            raise RequestError(
                "style_frames and style_speech belong to a style clip; give the clip as style.",
                "style",
            )
        first, last = self.speech_samples or (0, 1)
        if not 0 <= first < last:
            raise RequestError(
                f"speech_samples {first}:{last} is empty or negative; give A:B with 0 <= A < B.",
                "speech_samples",
            )
        output = os.path.realpath(self.output)
        for name in SOURCES:
            source = getattr(self, name)
            if source is not None and os.path.realpath(source) == output:
                said = f"The output would overwrite the {name}; choose another name."
                raise RequestError(said, "output")

    def to_json(self) -> str:
        return json.dumps(as_data(self), indent=2, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> DubRequest:
        """Read a request; raises RequestError naming the field that is wrong."""
        return cls.from_dict(parse_json(text, "request"))

    @classmethod
    def from_dict(cls, data: Any) -> DubRequest:
        """Read a request that is already plain data; null stands for the default."""
        return read(cls, data, "request")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a stage is: `done` of `total` units (frames, as a rule)."""

    stage: Stage
    done: int
    total: int

    def to_dict(self) -> dict[str, Any]:
        return {"event": "progress", **as_data(self)}


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Fit:
    """How `best` was fitted to the person: the `seconds` it took; frames that were left out as
    their references show them, and as the fit corrects these, `before` and `after`, dB; it is
    `kept` where it is better."""

    seconds: float
    kept: bool
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class DubResult:
    """What came out. `passed_through` are half-open ranges of output frames left untouched;
    `signed_by` is the name on the certificate, None where the result carries no credentials.
    `loudness` is that of the new speech as delivered, LUFS; None where it is too short to tell.
    `sound_offsets` are how late the sound of what the style was read from is, s, by its role.
    `lips` is how the delivered lips compare with the wanted ones, which follow the speech:
    `follows` their correlation, `width` how far they open against them, `offset` how late they
    are, s; None where too little is seen. `fit` is what `best` was fitted to the person
    by, `person` who was dubbed."""

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
    fit: Fit | None = None
    person: str | None = None

    def describe_lips(self) -> str:
        """`lips` for a person; empty where nothing is known."""
        if self.lips is None:
            return ""
        late = round(1000 * self.lips["offset"])
        place = (
            f"{abs(late)} ms {'late' if late > 0 else 'early'}" if abs(late) >= 20 else "in time"
        )
        follows, width = self.lips["follows"], self.lips["width"]
        return f"Lips follow the wanted ones to {follows:.0%}, open {width:.0%} as wide, {place}."

    def to_dict(self) -> dict[str, Any]:
        return {"event": "result", **as_data(self)}

    @classmethod
    def from_dict(cls, data: Any) -> DubResult:
        return read(cls, data, "result", drop="event")


@dataclass(frozen=True, slots=True)
class LipCurve:
    """The inner lips' distance over the face's height in the T source `frames`, at `rate`
    frames/s: `gap` `[T]` of the dub, None where a frame will stay as it is, and `original` `[T]`
    of the shot, None where the face is not seen. `glance` says that only the speech was heard yet:
    nobody's style and rest, and no original."""

    frames: FrameRange
    rate: Fraction
    gap: tuple[float | None, ...]
    original: tuple[float | None, ...]
    glance: bool = False
    warnings: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, data: Any) -> LipCurve:
        return read(cls, data, "curve", drop="peaks")
