"""Numbered images as a clip: PNG, TIFF and DPX by PyAV, EXR by OpenImageIO."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Final

from av.video.frame import VideoFrame

from stylesync_engine.files import (
    NumberedName,
    _remove,
    disk_errors,
    draft_of,
    plain_name,
    sweep_drafts,
)
from stylesync_engine.media import exr
from stylesync_engine.media.clips import UNTAGGED, ColourTags
from stylesync_engine.media.codecs import IMAGES
from stylesync_engine.media.containers import decode, find_picture, open_file
from stylesync_engine.media.frames import image_of
from stylesync_engine.pictures.image import PixelImage
from stylesync_engine.request import (
    Codec,
    MediaError,
)

_SUFFIXES: Final = frozenset({".png", ".tif", ".tiff", ".dpx", ".exr"})
_NOT_READ: Final = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jp2", ".j2k", ".jxl", ".webp", ".bmp", ".tga", ".gif", ".heic",
     ".avif", ".cin", ".sgi", ".rgb", ".iff", ".psd", ".hdr", ".pic", ".ppm", ".pgm", ".dng")
)  # fmt: skip
_PLACE: Final = re.compile(
    r"(?:\d{1,9}-\d{1,9})?(?:%(?:\(\w+\))?(?P<printf>0?\d|01\d|\.\d{1,2}|)[dF]"
    r"|(?P<run>\[#{1,99}\]|#{1,99}|@{1,99}|\?{1,99})|\*"
    r"|\$\{?F(?P<houdini>\d{0,2})\}?|<(?:[fF]|frame)0?(?P<maya>\d{0,2})>"
    r"|\$\{?frame\}?|\{frame(?::0?(?P<python>\d{0,2})d?)?\})"
    r"(?:\[\d{1,9}-\d{1,9}\])?|[\[({](?P<first>\d{1,9})(?:-|\.\.)\d{1,9}[\])}]"
    r"|(?<![A-Za-z0-9])(?P<bare>\d{2,9})-\d{2,9}(?=\.\w+$)"
)
"""The number's place in the names of images: `%04d` (printf), `####` and `[####]` (Nuke, After
Effects), `@@@@` and `1-8@@@@` (RV), `$F4` (Houdini), `<f4>` (Maya), `[0001-0100]` (Resolve),
`%.7F` (Baselight), `{frame:04}` (Python), `????` and `*` (shells), `0001-0100` (DJV), each with a
range behind it or at the end of the name."""
_RANGE: Final = re.compile(r"(\.\w{2,5})\s*\[?\d{1,9}-\d{1,9}\]?$")


def numbered_name(name: str) -> str | None:
    """The name of numbered images in whichever program's spelling, as `shot.%04d.exr`; None for
    any other name. The last place of a number counts."""
    name = _RANGE.sub(r"\1", name)
    places = list(_PLACE.finditer(name))
    if not places or Path(name).suffix.lower() not in _SUFFIXES | _NOT_READ:
        return None
    place = places[-1]
    told = [place[name] for name in ("printf", "houdini", "maya", "python")]
    width = next(filter(None, told), "1").lstrip(".")
    if shown := place["run"] or place["first"] or place["bare"]:
        width = str(len(shown.strip("[]")))
    return str(NumberedName(name[: place.start()], int(width) or 1, name[place.end() :]))


@dataclass(frozen=True, slots=True)
class StillImage:
    """One image and what its file says of the sequence."""

    image: PixelImage
    codec: str
    rate: Fraction | None = None
    timecode: str | None = None
    reel: str | None = None
    sample_aspect: Fraction = Fraction(1)
    colour: ColourTags = UNTAGGED
    display: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class ImageSequence:
    """The images of `path`, such as `shot.%04d.exr`; frame 0 is number `first`."""

    path: Path
    first: int
    count: int

    def file(self, index: int) -> Path:
        """The file of one frame."""
        return self.path.with_name(_named(self.path.name).image(self.first + index))

    def read(self, index: int, rate: Fraction | None = None) -> StillImage:
        """One image; its time code counts at `rate`, or at its own. Raises MediaError for one that
        cannot be read."""
        file = self.file(index)
        if file.suffix.lower() == ".exr":
            found = exr.read_exr(file, rate)
            return StillImage(
                found.image, found.codec, found.rate, found.timecode, found.reel,
                found.sample_aspect, display=found.display,
            )  # fmt: skip
        with open_file(file) as container:
            for frame in decode(container):
                context = find_picture(container).codec_context
                codec = context.name
                colour = ColourTags(
                    frame.color_range, frame.color_primaries, frame.color_trc, frame.colorspace
                )
                is_dpx = codec == "dpx"
                return StillImage(
                    image_of(frame, codec),
                    codec,
                    context.framerate if is_dpx else None,
                    _timecode_in(frame) if is_dpx else None,
                    colour=colour,
                )
        raise MediaError(f"'{file}' cannot be decoded; export it again.")


def _timecode_in(frame: VideoFrame) -> str | None:
    try:
        return frame.metadata.get("timecode")
    except UnicodeDecodeError:  # what stands there says nothing
        return None


def files_of(path: str | Path) -> list[Path]:
    """The file of a clip, or all images of a sequence."""
    sequence = find_sequence(Path(path))
    return [sequence.file(i) for i in range(sequence.count)] if sequence else [Path(path)]


def find_sequence(path: Path) -> ImageSequence | None:
    """The sequence that a name with a number's place means; None for any other name.

    Raises MediaError where there is none such, a number is missing, or its kind is not read.
    """
    pattern = numbered_name(path.name)
    if pattern is None or path.is_file():
        return None
    if path.suffix.lower() in _NOT_READ or Path(pattern).suffix.lower() in _NOT_READ:
        raise MediaError(
            f"'{path.name}' names images that are not read as a sequence;"
            " export them as EXR, DPX, TIFF or PNG, or as a clip."
        )
    named = _named(pattern)
    name = named.images()
    folder = list(os.scandir(path.parent)) if path.parent.is_dir() else []
    found = {match[1] for file in folder if (match := name.fullmatch(file.name)) and file.is_file()}
    below = re.compile(re.escape(named.head) + r"-\d{1,9}" + re.escape(named.tail))
    if named.head.endswith((".", "_")) and any(below.fullmatch(file.name) for file in folder):
        raise MediaError(f"'{path}' has images below number 0; number them from 0 or 1 on.")
    if not found:
        raise MediaError(f"There is no image of '{path}'; check the path.")
    width = min(map(len, found))
    numbers = sorted(int(text) for text in found)
    for expected, number in enumerate(numbers, start=numbers[0]):
        if number != expected:
            raise MediaError(f"Image {expected} of '{path}' is missing; export it again.")
    spelt = str(replace(named, digits=width))
    return ImageSequence(path.with_name(spelt), numbers[0], len(numbers))


def _named(pattern: str) -> NumberedName:
    found = NumberedName.of(pattern)
    if found is None:
        raise ValueError(f"'{pattern}' has no place for a number")
    return found


@contextmanager
def appearing_sequence(path: Path) -> Iterator[Path]:
    """A hidden folder whose files move to the folder of the sequence when the block ends well."""
    folder = sequence_folder(path)
    # Within a folder that is there: it may be a disk of its own, to which nothing can be renamed.
    place = folder / folder.name if folder.is_dir() else folder
    sweep_drafts(place)
    draft = draft_of(place)
    try:
        with disk_errors(folder):
            draft.mkdir(parents=True)
            yield draft
            folder.mkdir(parents=True, exist_ok=True)
            for file in sorted(draft.iterdir()):
                file.replace(folder / file.name)
    finally:
        _remove(draft)


def sequence_folder(path: Path) -> Path:
    """The folder in which the images of a sequence lie."""
    path = path.absolute()
    return path.parent if is_pattern(path) else path


def is_pattern(path: Path) -> bool:
    """Whether a sequence's path names its images; else it names their folder."""
    return path.suffix.lower() in IMAGES.values()


def image_name(path: Path, number: int, codec: Codec) -> str:
    """The file name of one image of a sequence: the pattern filled in, or `000123.png`."""
    if not is_pattern(path):
        return f"{number:06d}{IMAGES[codec]}"
    return _named(path.name).image(number)


def delivered_names(path: Path) -> re.Pattern[str]:
    """What the images of a sequence and the sounds beside them may be called, as plain names."""
    stem = re.escape(plain_name(Path(sound_name(path)).stem))
    if is_pattern(path):
        images = replace(_named(plain_name(path.name)), digits=1).images().pattern
    else:
        images = r"\d{6,}\.(png|exr)"
    return re.compile(rf"{images}|{stem}(\.\d+)?\.wav")


def sound_name(path: Path) -> str:
    """The file name of the sound beside an image sequence."""
    if not is_pattern(path):
        return "sound.wav"
    return (_named(path.name).head.rstrip("._- ") or "sound") + ".wav"
