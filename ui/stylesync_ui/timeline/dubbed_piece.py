"""Where a dubbed clip lies on the timeline and which of its frames is shown when."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from stylesync_plugin.planning.planner import PlannedDub
from stylesync_plugin.timeline.items import METADATA, remembered
from stylesync_plugin.times import Span, exact_rate

from stylesync_ui.timeline.document import ClipView, Content


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
    clip: ClipView | None = field(default=None, compare=False)
    """Where it lies on the timeline that is open."""

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
    first = request.speech_samples[0] if request.speech_samples and not dub.heard else 0
    return DubbedPiece(
        request.output, request.work or "", place.seen, place.rate, place.frames,
        place.start - place.first, dub.heard or request.speech, first, dub.id,
    )  # fmt: skip


def pieces_on(content: Content) -> list[tuple[DubbedPiece, dict[str, Any]]]:
    """The dubs that lie on a timeline, whatever file it is of, each with what it remembers."""
    clips = [c for t in content.of_kind("Video") if t.is_ours for c in t.clips]
    return [(_piece_on(clip, data), data) for clip in clips if (data := _record(clip))]


def _record(clip: ClipView) -> dict[str, Any]:
    data = remembered(clip.placed.clip, METADATA)
    return dict(data) if data.get("role") == "dub" else {}


def _piece_on(clip: ClipView, data: dict[str, Any]) -> DubbedPiece:
    request = data.get("request") or {}
    available = getattr(clip.placed.clip.media_reference, "available_range", None)
    if available is None:
        available = clip.placed.clip.source_range
    rate = exact_rate(available.duration.rate)
    first = Fraction(round(available.start_time.value)) / exact_rate(available.start_time.rate)
    samples = request.get("speech_samples") or [0]
    return DubbedPiece(
        clip.path or str(request.get("output", "")), "", clip.span, rate,
        round(available.duration.value), clip.media(clip.span.start) - first,
        str(request.get("speech", "")), int(samples[0]), str(data.get("id", "")), clip,
    )  # fmt: skip
