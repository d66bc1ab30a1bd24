"""What a plan is: the dubs of a timeline with their places and requests, ready for the engine."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from stylesync_engine.records import as_data
from stylesync_engine.request import DubError, DubRequest
from stylesync_plugin.planning.recordings import Recording, SoundPart
from stylesync_plugin.times import Span, time_code


@dataclass(frozen=True, slots=True)
class Conform:
    """A clip to be made: these frames of `video`, one for each frame of the timeline."""

    video: str
    frames: tuple[int, ...]
    rate: Fraction
    output: str

    def to_dict(self) -> dict[str, Any]:
        return {
            "video": self.video, "frames": list(self.frames), "rate": str(self.rate),
            "output": self.output,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """Where a dub goes: over which clip of which stack, and what its media look like in time.

    `span` is in the host stack's time and `seen` on the timeline, in seconds. The dubbed media run
    at `rate` from `first` s for `frames`; its source range starts at `start` s.
    """

    path: tuple[int, ...]
    layer: int
    clip: str
    label: str
    span: Span
    seen: Span
    rate: Fraction
    first: Fraction
    frames: int
    start: Fraction
    conformed: bool


@dataclass(frozen=True, slots=True)
class PlannedDub:
    """One dub, ready for the engine once its `recordings` and `conform` are made.

    `in_place` are the files of a speech that lies on the timeline already. `jobs` are all that are
    put into this picture, of the faces beside its own too; `consents` are theirs, and `heard` is
    the recording of all of them, empty where there is one.
    """

    id: str
    job: str
    place: Place
    request: DubRequest
    sounds: tuple[tuple[SoundPart, Span], ...] = ()
    recordings: tuple[Recording, ...] = ()
    conform: Conform | None = None
    second: DubRequest | None = None
    warnings: tuple[str, ...] = ()
    consent: dict[str, Any] | None = None
    in_place: tuple[str, ...] = ()
    jobs: tuple[str, ...] = ()
    consents: tuple[dict[str, Any], ...] = ()
    heard: str = ""

    @property
    def take(self) -> str:
        """Names this dub among others of its place: the output's name comes from all that was
        asked for."""
        text = f"{self.id} {Path(self.request.output).name}"
        return hashlib.sha256(os.fsencode(text)).hexdigest()[:12]

    def to_dict(self) -> dict[str, Any]:
        data: dict[str, Any] = {
            "id": self.id, "take": self.take, "job": self.job,
            "clip": self.place.clip, "track": self.place.label,
            "range": [str(self.place.seen.start), str(self.place.seen.end)],
            "rate": str(self.place.rate), "request": as_data(self.request),
            "recordings": [recording.to_dict() for recording in self.recordings],
            "warnings": list(self.warnings),
        }  # fmt: skip
        if self.conform is not None:
            data["conform"] = self.conform.to_dict()
        if self.second is not None:
            data["second"] = as_data(self.second)
        if self.consent is not None:
            data["consent"] = self.consent
        if len(self.jobs) > 1:
            data |= {"jobs": list(self.jobs), "consents": list(self.consents)}
        return data


@dataclass(frozen=True, slots=True)
class Refusal:
    """A job, or a clip of it, that cannot be dubbed, and why."""

    job: str
    error: DubError

    def to_dict(self) -> dict[str, str]:
        return {"job": self.job, **self.error.to_dict()}


@dataclass(frozen=True, slots=True)
class Plan:
    """All dubs of a timeline in time order, and what was refused."""

    dubs: tuple[PlannedDub, ...]
    refused: tuple[Refusal, ...]
    rate: Fraction
    zero: Fraction
    drop: bool | None = None

    @property
    def requests(self) -> list[DubRequest]:
        both = ((dub.request, dub.second) for dub in self.dubs)
        return [request for pair in both for request in pair if request is not None]

    def check_places(self, further: Sequence[Path] = ()) -> None:
        """Raise RequestError where any dub, or a `further` file, would be written over what
        another one reads."""
        from stylesync_engine.plan.places import check_batch

        check_batch(self.requests, further)

    def to_dict(self) -> dict[str, Any]:
        return {
            "rate": str(self.rate),
            "dubs": [dub.to_dict() for dub in self.dubs],
            "refused": [refusal.to_dict() for refusal in self.refused],
        }

    def where(self, dub: PlannedDub) -> str:
        """Time codes of a dub, for people: `01:00:02:00-01:00:04:12`."""
        ends = (dub.place.seen.start, dub.place.seen.end)
        return "-".join(time_code(moment, self.rate, self.zero, self.drop) for moment in ends)
