"""The document of a session: its lines and its cast, as JSON on disk."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Literal

from stylesync_engine.files import read_bounded, write_text
from stylesync_engine.records import check_path, parse_json, read
from stylesync_engine.request import MouthKey, Quality, RequestError, to_dict
from stylesync_plugin.jobs import MOST_HANDLES
from stylesync_plugin.times import number_of, parse_rate

Status = Literal["no sound", "ready", "waiting", "draft", "good", "approved", "redo", "unclear"]
FORMAT = 1
LARGEST = 64 * 2**20  # bytes of a document; 20,000 lines take some 10 MB
_BOUNDS = (
    ("slip", -100_000, 100_000),  # frames
    ("trim_in", 0, 86_400),  # s
    ("trim_out", 0, 86_400),
    ("stretch", 0.9, 1.1),  # beyond, a voice sounds made
    ("handles", 0, MOST_HANDLES),  # frames
)


@dataclass(frozen=True, slots=True)
class Anchor:
    """The clip that a line lies on when it is made, so that a timeline that has changed under the
    lines is noticed: its name, its media's name, and the media's time in s at the line's start."""

    clip: str
    media: str
    at: str

    def __post_init__(self) -> None:
        try:
            number_of(self.at)
        except (ValueError, ZeroDivisionError) as error:
            said = f"A line's anchor is at '{self.at[:80]}', which is no time; import it anew."
            raise RequestError(said) from error


@dataclass(frozen=True, slots=True)
class Character:
    """Somebody of the cast; every line of theirs inherits what is set here."""

    name: str
    style: str | None = None
    person: str | None = None
    consent: str | None = None
    speaker: str | None = None
    colour: str | None = None

    def __post_init__(self) -> None:
        for name in ("style", "person", "consent"):
            check_path(name, getattr(self, name) or "")


@dataclass(frozen=True, slots=True)
class FrameNote:
    """What somebody has to say about a `frame` of the timeline, counted from a line's start."""

    frame: int
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line. `start` and `end` are times of the timeline, `end` excluded; `sound` is a file and
    `fit` by how many s it is heard beyond the line. `why` says what is unclear about it. `quality`
    is what it waits for; `takes` are the files of its dubs, and `pick` is one of them.

    The sound is heard `slip` frames of the timeline after the line's start (earlier where negative)
    and `stretch` times as long, without `trim_in` s of its file's head and `trim_out` s of its
    tail; what is left stays where it was. `keys` count frames of the timeline from its start.

    `speaker` is a click on whose mouth it is in this shot, `FRAME:X,Y`, where the character's own
    does not say so. `handles` are source frames that are dubbed more at both ends.
    """

    number: str
    start: str
    end: str
    character: str = ""
    text: str = ""
    sound: str | None = None
    fit: float | None = None
    status: Status = "no sound"
    why: str = ""
    takes: tuple[str, ...] = ()
    pick: str | None = None
    note: str = ""
    articulation: float | None = None
    anchor: Anchor | None = None
    slip: int = 0
    trim_in: float = 0.0
    trim_out: float = 0.0
    stretch: float = 1.0
    quality: Quality | None = None
    style_strength: float | None = None
    keys: tuple[MouthKey, ...] = ()
    notes: tuple[FrameNote, ...] = ()
    speaker: str | None = None
    handles: int | None = None

    def __post_init__(self) -> None:
        for path in (self.sound, self.pick, *self.takes):
            check_path("sound", path or "")
        for name, low, high in _BOUNDS:
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                said = f"The {name} of line {self.number} is not from {low:g} to {high:g}."
                raise RequestError(said, name)


@dataclass(frozen=True, slots=True)
class Lines:
    """A session on one timeline of `rate` frames/s, in time order."""

    format: int
    timeline: str
    lines: tuple[Line, ...]
    cast: tuple[Character, ...] = ()
    rate: str | None = None
    unused: tuple[str, ...] = field(default=())

    @property
    def frame_rate(self) -> Fraction:
        """Frames/s of the timeline; raises RequestError where the document does not say them."""
        if self.rate is None:
            raise RequestError("The lines do not say the timeline's rate; import them anew.")
        return parse_rate(self.rate)

    def character(self, line: Line) -> Character:
        """Who says a line, with what the line inherits."""
        found = (entry for entry in self.cast if entry.name == line.character)
        return next(found, Character(line.character))

    def with_lines(self, lines: list[Line]) -> Lines:
        return replace(self, lines=tuple(lines))


def read_lines(path: Path) -> Lines:
    """Read a document; raises RequestError in one sentence for what is none."""
    try:
        data = parse_json(read_bounded(path, LARGEST), f"document '{path.name}'")
    except OSError as error:
        raise RequestError(f"The lines '{path}' cannot be read; check the path.") from error
    lines = read(Lines, data, f"document '{path.name}'")
    if lines.format != FORMAT:
        raise RequestError(f"'{path}' is of format {lines.format}, not {FORMAT}; import it anew.")
    return lines


def write_lines(lines: Lines, path: Path) -> None:
    """The document appears whole or not at all. Raises DiskError."""
    write_text(path, json.dumps(to_dict(lines), indent=1, ensure_ascii=False) + "\n")
