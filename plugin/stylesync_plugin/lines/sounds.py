"""Which sound belongs to which line: by its name, its number, a time in its name, or its stamp."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from stylesync_engine.request import DubError, RequestError
from stylesync_plugin.lines.rows import Row
from stylesync_plugin.timeline.stamps import stamp_of
from stylesync_plugin.times import parse_time

SUFFIXES = (".wav", ".bwf", ".aif", ".aiff", ".flac", ".mp3", ".m4a", ".ogg", ".opus")
MOST = 100_000
_NUMBER = re.compile(r"\d+")
_TIME = re.compile(r"(?<!\d)(\d\d)[.:_-]?(\d\d)[.:_-]?(\d\d)[.:_-]?(\d\d)(?!\d)")


@dataclass(frozen=True, slots=True)
class Match:
    """The sound of a row; None with the reason where none or more than one fits."""

    sound: Path | None
    why: str = ""


def find_sounds(folder: Path) -> list[Path]:
    """The sound files of a folder and those below it. Raises RequestError where there is none."""
    if not folder.is_dir():
        raise RequestError(f"There is no folder '{folder}'; give the one with the sounds.")
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if len(found) > MOST:
        raise RequestError(f"'{folder}' holds more than {MOST:,} sounds; give the session's own.")
    return found


def match_sounds(
    rows: Sequence[Row], starts: Sequence[Fraction], sounds: Sequence[Path], rate: Fraction,
    zero: Fraction,
) -> list[Match]:  # fmt: skip
    """The sound of each row, `starts` s on the timeline; no sound is given twice."""
    names = _by(sounds, lambda path: [path.name.casefold(), path.stem.casefold()])
    numbers = _by(sounds, _numbers_of)
    stamps = _by(sounds, lambda path: [_frame(path, rate, zero)])
    given: dict[Path, int] = {}
    matches = []
    for row, start in zip(rows, starts, strict=True):
        match = _match(row, round(start * rate), names, numbers, stamps)
        earlier = given.setdefault(match.sound, row.place) if match.sound else row.place
        if match.sound and earlier != row.place:
            match = Match(None, f"'{match.sound.name}' is already the sound of row {earlier}.")
        matches.append(match)
    return matches


def _match(
    row: Row, frame: int, names: dict[object, list[Path]], numbers: dict[object, list[Path]],
    stamps: dict[object, list[Path]],
) -> Match:  # fmt: skip
    if row.sound:
        wanted = Path(row.sound.replace("\\", "/"))
        found = names.get(wanted.name.casefold()) or names.get(wanted.stem.casefold(), [])
        return _only(found, f"There is no sound '{row.sound}' in the folder.")
    number = _NUMBER.search(row.number)
    found = numbers.get(int(number[0]), []) if number else []
    at = stamps.get(frame, [])
    both = [path for path in found if path in at]
    found = both or found or at
    return _only(found, "No sound has its number, or its time.")


def _only(found: Iterable[Path], none: str) -> Match:
    different = sorted(set(found))
    if not different:
        return Match(None, none)
    if len(different) > 1:
        told = " and ".join(f"'{path.name}'" for path in different[:2])
        return Match(None, f"{len(different)} sounds fit, as {told}; name one.")
    return Match(different[0])


def _by(
    sounds: Iterable[Path], keys: Callable[[Path], Sequence[object]]
) -> dict[object, list[Path]]:
    found: dict[object, list[Path]] = {}
    for path in sounds:
        for key in keys(path):
            if key is not None:
                found.setdefault(key, []).append(path)
    return found


def _numbers_of(path: Path) -> list[object]:
    """The line's number in a name: the first one that is no take, version or time."""
    stem = _TIME.sub(" ", path.stem)
    stem = re.sub(r"(?i)(?<![a-z])(?:take|tk|t|v|ver|version)[ _-]?\d+(?![a-z])", " ", stem)
    return [int(found[0]) for found in [_NUMBER.search(stem)] if found]


def _frame(path: Path, rate: Fraction, zero: Fraction) -> int | None:
    """The frame of the timeline that a sound's stamp or the time in its name says."""
    stamp = stamp_of(path)
    if stamp is not None:
        return round((stamp - zero) * rate)
    named = _TIME.search(path.stem)
    try:
        return round(parse_time(":".join(named.groups()), rate, zero) * rate) if named else None
    except DubError:
        return None
