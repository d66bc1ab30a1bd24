"""Ranges of frames, points, rates and time codes, as people write them; stdlib only."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, Self, get_args

from stylesync_engine.errors import RequestError

MouthShape = Literal["closed", "original"]
LENGTHS_DIFFER = 0.04
"""s, one step of stage 1, by which speech and range may differ unsaid."""
_ENDINGS = {
    "trim": "the frames after it stay as they are",
    "hold": "the mouth holds its last shape",
    "silence": "the mouth rests after it",
}
TIME_CODE = re.compile(r"(\d{1,3}):(\d{2}):(\d{2})([:;.])(\d{2,3})", re.ASCII)
"""SMPTE time code (ST 12-1): hours, minutes, seconds, the mark (`;` where it drops), frames."""
_RATE = re.compile(r"[1-9]\d{0,5}(\.\d{1,12}|/[1-9]\d{0,5})?", re.ASCII)
A_TO_B = re.compile(r"\s*(\d{1,18})\s*:\s*(\d{1,18})\s*", re.ASCII)


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
        found = A_TO_B.fullmatch(text)
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
class MouthKey:
    """What the mouth does in source frames `start` to `end`, `end` excluded, whatever the speech
    says: its lips are `closed`, or the frames stay as they are, `original`."""

    shape: MouthShape
    start: int
    end: int

    def __post_init__(self) -> None:
        if self.shape not in get_args(MouthShape):
            raise RequestError(f"'{self.shape}' is no shape of a key; give closed or original.")
        FrameRange(self.start, self.end)

    def __str__(self) -> str:
        return f"{self.shape}@{self.start}:{self.end}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """`"closed@12:15"` -> frames 12..14."""
        shape, _, frames = text.strip().partition("@")
        span = FrameRange.parse(frames)
        return cls(shape, span.start, span.end)  # type: ignore[arg-type]  # checked as it is made


def parse_keys(text: str | Sequence[object]) -> Sequence[object]:
    """`"closed@12:15,original@40:52"` -> its parts; a sequence stays."""
    return text.split(",") if isinstance(text, str) else text


def dropped_a_minute(nominal: int) -> int:
    """The numbers that drop-frame time code leaves out a minute, but every tenth: 2 at 29.97, 4 at
    59.94; other rates have no such form."""
    return nominal // 15 if nominal % 30 == 0 else 0


def number_of_label(label: re.Match[str], nominal: int, drop: bool) -> int:
    """Frames since midnight of a time code that counts `nominal` a second."""
    hours, minutes, seconds, frames = (int(label[i]) for i in (1, 2, 3, 5))
    passed = hours * 60 + minutes
    left_out = dropped_a_minute(nominal) * (passed - passed // 10) if drop else 0
    return (passed * 60 + seconds) * nominal + frames - left_out


def label_of_number(number: int, nominal: int, mark: str) -> str:
    """The time code of the frame so many after midnight; the mark `;` drops numbers."""
    dropped = dropped_a_minute(nominal) if mark == ";" else 0
    tens, rest = divmod(number, nominal * 600 - dropped * 9)
    number += dropped * (9 * tens + max(0, (rest - dropped) // (nominal * 60 - dropped)))
    seconds, frame = divmod(number % (nominal * 86400), nominal)
    digits = max(2, len(str(nominal - 1)))
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{clock}{mark}{frame:0{digits}}"


def parse_rate(text: str) -> Fraction:
    """`24`, `29.97` or `24000/1001` -> frames/s; raises RequestError for anything else."""
    if not _RATE.fullmatch(text):
        raise RequestError(f"rate is '{text}'; write 24, 29.97 or 24000/1001.", "images_rate")
    return Fraction(text)


def tell_lengths(
    speech: float, span: float, policy: str, whose: str = "", most: float = math.inf
) -> str | None:
    """What becomes of speech that is longer or shorter than its range (s), by the policy `length`;
    None where they are alike. `whose` speech it is; from `most` s on it is not told how much."""
    extra = speech - span
    if abs(extra) <= LENGTHS_DIFFER:
        return None
    then = "its end is cut off" if extra > 0 else _ENDINGS[policy]
    told = f"{'over ' * (extra >= most)}{abs(extra):.2f} s {'longer' if extra > 0 else 'shorter'}"
    return f"The speech{whose and f' of {whose}'} is {told} than the range; {then}."
