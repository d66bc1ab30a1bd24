"""Where the clips of a corpus lie and whose they are: GRID's, VoxCeleb's and HDTF's conventions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal, get_args

from stylesync_engine.request import RequestError

Layout = Literal["grid", "voxceleb", "hdtf"]

VIDEO_SUFFIXES = frozenset({".mpg", ".mp4", ".mov", ".mkv", ".avi", ".webm", ".m4v", ".mxf"})
_VOXCELEB_SPEAKER = re.compile(r"id\d{5}")
_HDTF_FILE = re.compile(r"(?:(?:WDA|WRA|RD)_)?(?P<video>.+?)(?:_\d+)?")
_HDTF_NAME = re.compile(r"(WDA|WRA|RD)_.+")


@dataclass(frozen=True, slots=True)
class SourceClip:
    """A clip of one speaker, or the `seconds` of it that show somebody talking."""

    speaker: str
    name: str
    path: Path
    seconds: tuple[Fraction, Fraction] | None = None

    @property
    def label(self) -> str:
        """What reports call the clip."""
        return str(self.path) if self.seconds is None else f"{self.path} ({self.name})"

    def under(self, folder: Path) -> Path:
        return folder / self.speaker / f"{self.name}.safetensors"


def find_clips(
    root: Path, speakers: Sequence[str] | None = None, layout: str = "auto"
) -> list[SourceClip]:
    """The clips below a folder, sorted.

    `grid`: a folder a speaker, or one speaker's folder. `voxceleb`: `idNNNNN/<video>/<clip>`.
    `hdtf`: files named `[WDA_|WRA_|RD_]<video>[_<number>]`, and where `*_annotion_time.txt` lies
    beside them the ranges that it lists of uncut videos.
    """
    if layout != "auto" and layout not in get_args(Layout):
        choices = ", ".join(("auto", *get_args(Layout)))
        raise RequestError(f"There is no layout '{layout}'; choose one of {choices}.")
    if not root.exists():
        raise RequestError(f"{root} does not exist; check the path.")
    paths = [root] if root.is_file() else root.rglob("*")
    files = sorted(path for path in paths if path.suffix.lower() in VIDEO_SUFFIXES)
    chosen = _guess_layout(root, files) if layout == "auto" else layout
    readers: dict[str, Callable[[], list[SourceClip]]] = {
        "grid": lambda: [SourceClip(path.parent.name, path.stem, path) for path in files],
        "voxceleb": lambda: [_voxceleb_clip(path) for path in files],
        "hdtf": lambda: _hdtf_clips(root, files),
    }
    clips = readers[chosen]()
    return [clip for clip in clips if speakers is None or clip.speaker in speakers]


def find_sources(sources: Sequence[str], layout: str = "auto") -> list[SourceClip]:
    """The clips of several folders, each `FOLDER` or `FOLDER=SPEAKER` where all is one person.

    Raises RequestError where there are none, or where two have the same speaker and name.
    """
    clips: list[SourceClip] = []
    for source in sources:
        folder, _, speaker = source.partition("=")
        found = find_clips(Path(folder), layout=layout)
        if not found:
            raise RequestError(f"No video was found in {folder}; name a folder of clips.")
        clips += [
            SourceClip(speaker or clip.speaker, clip.name, clip.path.resolve(), clip.seconds)
            for clip in found
        ]
    twice = [key for key, n in Counter((c.speaker, c.name) for c in clips).items() if n > 1]
    if twice:
        speaker, name = twice[0]
        raise RequestError(
            f"Speaker {speaker} has two clips called {name}; give one of their folders another"
            " speaker's name as FOLDER=NAME."
        )
    return clips


def _guess_layout(root: Path, files: Sequence[Path]) -> str:
    if any(_voxceleb_speaker(path) for path in files):
        return "voxceleb"
    named = [path for path in files if _HDTF_NAME.fullmatch(path.stem)]
    annotated = root.is_dir() and any(root.glob("*_annotion_time.txt"))
    return "hdtf" if files and (annotated or len(named) == len(files)) else "grid"


def _voxceleb_speaker(path: Path) -> str | None:
    return next((p for p in reversed(path.parts[:-1]) if _VOXCELEB_SPEAKER.fullmatch(p)), None)


def _voxceleb_clip(path: Path) -> SourceClip:
    speaker = _voxceleb_speaker(path)
    if speaker is None:
        raise RequestError(f"{path} lies in no folder idNNNNN; choose another layout.")
    return SourceClip(speaker, f"{path.parent.name}_{path.stem}", path)


def _hdtf_clips(root: Path, files: Sequence[Path]) -> list[SourceClip]:
    ranges = _read_annotations(root)
    clips = []
    for path in files:
        found = _HDTF_FILE.fullmatch(path.stem)
        speaker = found["video"] if found else path.stem
        spans = ranges.get(path.stem)
        if spans is None:
            clips.append(SourceClip(speaker, path.stem, path))
            continue
        clips += [
            SourceClip(speaker, f"{path.stem}_{number}", path, span)
            for number, span in enumerate(spans)
        ]
    return clips


def _read_annotations(root: Path) -> dict[str, list[tuple[Fraction, Fraction]]]:
    """Ranges in seconds of each uncut video, from lines `Radio11.mp4 00:30-01:00 01:30-02:30`."""
    ranges: dict[str, list[tuple[Fraction, Fraction]]] = {}
    folder = root if root.is_dir() else root.parent
    for path in sorted(folder.glob("*_annotion_time.txt")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            words = line.split()
            if not words:
                continue
            try:
                ranges[Path(words[0]).stem] = [_parse_span(word) for word in words[1:]]
            except ValueError as error:
                raise RequestError(f"Line {number} of {path} is no range ({error}).") from error
    return ranges


def _parse_span(text: str) -> tuple[Fraction, Fraction]:
    """`"00:30-01:00"` -> (30, 60) s."""
    first, _, last = text.partition("-")
    span = _parse_time(first), _parse_time(last)
    if not span[0] < span[1]:
        raise ValueError(f"{text} is empty")
    return span


def _parse_time(text: str) -> Fraction:
    total = Fraction(0)
    for word in text.split(":"):
        total = total * 60 + Fraction(word)
    return total


def pick_clips(
    clips: Sequence[SourceClip], speakers: Sequence[str] | None, most: int | None
) -> list[SourceClip]:
    """The clips of `speakers` (all if None), at most `most` of each, spread over what there is.

    Raises RequestError where a speaker has no clips.
    """
    names = {clip.speaker for clip in clips}
    unknown = sorted(set(speakers or ()) - names)
    if unknown:
        raise RequestError(
            f"There are no clips of {unknown[0]}; the speakers are {', '.join(sorted(names))}."
        )
    picked: list[SourceClip] = []
    for name in sorted(names & set(speakers or names)):
        own = [clip for clip in clips if clip.speaker == name]
        count = min(most or len(own), len(own))
        picked += [own[index * len(own) // count] for index in range(count)]
    return picked
