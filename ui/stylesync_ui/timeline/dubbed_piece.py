"""Where a dubbed clip lies on the timeline and which of its frames is shown when."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from stylesync_plugin.planning.planner import PlannedDub
from stylesync_plugin.times import Span


@dataclass(frozen=True, slots=True)
class DubbedPiece:
    """`offset` (s) is how far into the file the span begins.

    The speech is heard from its sample `speech_first` on.
    """

    output: str
    work: str
    span: Span
    rate: Fraction
    frames: int
    offset: Fraction
    speech: str
    speech_first: int
    id: str

    def frame_at(self, moment: Fraction) -> int:
        inside = (moment - self.span.start + self.offset) * self.rate + Fraction(1, 10_000)
        return max(0, min(self.frames - 1, inside.numerator // inside.denominator))

    def to_dict(self) -> dict[str, Any]:
        return {
            "output": self.output, "work": self.work, "rate": str(self.rate),
            "span": [str(self.span.start), str(self.span.end)], "frames": self.frames,
            "offset": str(self.offset), "speech": self.speech,
            "speech_first": self.speech_first, "id": self.id,
        }  # fmt: skip

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> DubbedPiece:
        start, end = (Fraction(moment) for moment in data["span"])
        return cls(
            data["output"], data["work"], Span(start, end), Fraction(data["rate"]),
            data["frames"], Fraction(data["offset"]), data["speech"], data["speech_first"],
            data["id"],
        )  # fmt: skip


def piece_of(dub: PlannedDub) -> DubbedPiece:
    """What the viewer needs of a planned dub."""
    place, request = dub.place, dub.request
    first = request.speech_samples[0] if request.speech_samples else 0
    return DubbedPiece(
        request.output, request.work or "", place.seen, place.rate, place.frames,
        place.start - place.first, request.speech, first, dub.id,
    )  # fmt: skip
