# ruff: noqa: S101  (asserts that tell the type checker)
"""What the editor has chosen so far: three ranges, the speaker, the options."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

from stylesync_plugin.contract import Codec, Delivery, DubOptions, RequestError
from stylesync_plugin.times import Span


@dataclass(frozen=True, slots=True)
class SpeechChoice:
    """The new speech: a file, or what sounds on an audio track in a span of the timeline."""

    file: str | None = None
    track: str | None = None
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class StyleChoice:
    """How the person speaks: a file, a span of the timeline, or (empty) the shot itself."""

    file: str | None = None
    track: str | None = None
    span: Span | None = None

    @property
    def is_shot(self) -> bool:
        return self.file is None and self.span is None


@dataclass(frozen=True, slots=True)
class SpeakerChoice:
    """A click on a face: which file, its frame, px of its picture; it holds for that `shot`."""

    path: str
    frame: int
    x: float
    y: float
    shot: Span | None = None

    def __str__(self) -> str:
        return f"{self.frame}:{self.x:g},{self.y:g}"


@dataclass(frozen=True, slots=True)
class DubWish:
    """All of it; incomplete wishes are fine, `problems.check` says what is missing.

    `second` is a further delivery of the same dub. Raises RequestError where the codec cannot hold
    one of the deliveries.
    """

    dub: Span | None = None
    speech: SpeechChoice | None = None
    style: StyleChoice = field(default_factory=StyleChoice)
    speaker: SpeakerChoice | None = None
    person: str = ""
    consent: str | None = None
    second: Delivery | None = None
    options: DubOptions = field(default_factory=DubOptions)

    def __post_init__(self) -> None:
        if self.second is not None:
            dataclasses.replace(self.options, delivery=self.second)

    def with_option(self, name: str, value: Any) -> DubWish:
        """Another wish; raises RequestError where that cannot be.

        The codec follows a delivery that it cannot hold.
        """
        if name not in ("delivery", "second"):
            options = dataclasses.replace(self.options, **{name: value})
            return dataclasses.replace(self, options=options)
        delivery = value if name == "delivery" else self.options.delivery
        second = value if name == "second" else self.second
        return self._deliver(delivery, second if second != delivery else None)

    def _deliver(self, delivery: Delivery, second: Delivery | None) -> DubWish:
        refused = RequestError()
        for codec in (self.options.codec, *get_args(Codec)):
            try:
                options = dataclasses.replace(self.options, delivery=delivery, codec=codec)
                return dataclasses.replace(self, second=second, options=options)
            except RequestError as error:
                refused = error
        raise refused

    def refusal(self, name: str, value: Any) -> str:
        """The sentence against another value of an option; empty where it can be."""
        try:
            self.with_option(name, value)
        except RequestError as error:
            return str(error)
        return ""

    @property
    def ranges(self) -> dict[str, tuple[Span, str | None]]:
        """The spans of the timeline by kind, each with the label of its track or None."""
        found: dict[str, tuple[Span, str | None]] = {}
        if self.dub is not None:
            found["dub"] = self.dub, None
        if self.speech is not None and self.speech.span is not None:
            found["speech"] = self.speech.span, self.speech.track
        if self.style.span is not None:
            found["style"] = self.style.span, self.style.track
        return found

    def to_job(self, name: str, path: str | None) -> dict[str, Any]:
        """The plugin's job data; `path` is the file that the range shows.

        A speaker who was clicked in another file does not count.
        """
        assert self.dub is not None
        assert self.speech is not None
        data: dict[str, Any] = {
            "name": name,
            "range": _range(self.dub),
            "speech": _speech(self.speech),
            "options": changed_options(self.options),
        }
        if self.style.file is not None:
            data["style"] = self.style.file
        elif self.style.span is not None:
            data["style"] = {"range": _range(self.style.span)}
            if self.style.track:
                data["style"]["track"] = self.style.track
        if self.speaker is not None and self.speaker.path == path:
            data["speaker"] = str(self.speaker)
        if self.person:
            data["person"] = self.person
        if self.consent:
            data["consent"] = self.consent
        if self.second is not None:
            data["second"] = self.second
        return data


def _range(span: Span) -> list[str]:
    return [seconds_text(span.start), seconds_text(span.end)]


def seconds_text(moment: Fraction) -> str:
    """A moment as the plugin's jobs write it, exactly."""
    return f"{moment.numerator}/{moment.denominator}s" if moment else "0s"


def _speech(choice: SpeechChoice) -> str | dict[str, Any]:
    if choice.file is not None:
        return str(Path(choice.file))
    assert choice.span is not None
    found: dict[str, Any] = {"range": _range(choice.span)}
    return {**found, "track": choice.track} if choice.track else found


def changed_options(options: DubOptions) -> dict[str, Any]:
    """Options that differ from their defaults."""
    plain = DubOptions()
    return {
        entry.name: getattr(options, entry.name)
        for entry in dataclasses.fields(DubOptions)
        if getattr(options, entry.name) != getattr(plain, entry.name)
    }
