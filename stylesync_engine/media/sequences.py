"""Numbered images as a clip: PNG, TIFF and DPX by PyAV, EXR by OpenImageIO."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

from stylesync_engine.files import _remove, disk_errors, draft_of, plain_name, sweep_drafts
from stylesync_engine.media import exr
from stylesync_engine.media.clips import UNTAGGED, ColourTags
from stylesync_engine.media.codecs import IMAGES, NUMBERED
from stylesync_engine.media.containers import decode, open_file
from stylesync_engine.media.frames import image_of
from stylesync_engine.pictures.image import PixelImage
from stylesync_engine.request import (
    Codec,
    MediaError,
)

_SUFFIXES: Final = frozenset({".png", ".tif", ".tiff", ".dpx", ".exr"})
_NUMBER: Final = re.compile(r"%0?\d{0,2}d|#{1,99}")


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


@dataclass(frozen=True, slots=True)
class ImageSequence:
    """The images of `path`, such as `shot.%04d.exr` or `shot.####.exr`; frame 0 is `first`."""

    path: Path
    first: int
    count: int

    def file(self, index: int) -> Path:
        """The file of one frame."""
        number = self.first + index

        def fill(found: re.Match[str]) -> str:
            digits = len(found[0]) if found[0][0] == "#" else int(found[0][1:-1] or 1)
            return f"{number:0{digits}d}"

        return self.path.with_name(_NUMBER.sub(fill, self.path.name, count=1))

    def read(self, index: int) -> StillImage:
        """Raises MediaError for an image that cannot be read."""
        file = self.file(index)
        if file.suffix.lower() == ".exr":
            found = exr.read_exr(file)
            return StillImage(
                found.image, found.codec, found.rate, found.timecode, found.reel,
                found.sample_aspect,
            )  # fmt: skip
        with open_file(file) as container:
            for frame in decode(container):
                codec = container.streams.video[0].codec_context.name
                colour = ColourTags(
                    frame.color_range, frame.color_primaries, frame.color_trc, frame.colorspace
                )
                return StillImage(image_of(frame, codec), codec, colour=colour)
        raise MediaError(f"'{file}' cannot be decoded; export it again.")


def files_of(path: str | Path) -> list[Path]:
    """The file of a clip, or all images of a sequence."""
    sequence = find_sequence(Path(path))
    return [sequence.file(i) for i in range(sequence.count)] if sequence else [Path(path)]


def find_sequence(path: Path) -> ImageSequence | None:
    """The sequence that a name with a number's place means; None for any other name.

    Raises MediaError where there is none such or a number is missing.
    """
    place = _NUMBER.search(path.name)
    if path.suffix.lower() not in _SUFFIXES or not place or path.is_file():
        return None
    name = re.compile(
        re.escape(path.name[: place.start()]) + r"(\d+)" + re.escape(path.name[place.end() :])
    )
    folder = path.parent.iterdir() if path.parent.is_dir() else ()
    numbers = sorted(int(found[1]) for file in folder if (found := name.fullmatch(file.name)))
    if not numbers:
        raise MediaError(f"There is no image of '{path}'; check the path.")
    for expected, number in enumerate(numbers, start=numbers[0]):
        if number != expected:
            raise MediaError(f"Image {expected} of '{path}' is missing; export it again.")
    return ImageSequence(path, numbers[0], len(numbers))


@contextmanager
def appearing_sequence(path: Path) -> Iterator[Path]:
    """A hidden folder whose files move to the folder of the sequence when the block ends well."""
    folder = sequence_folder(path)
    sweep_drafts(folder)
    draft = draft_of(folder)
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
    return NUMBERED.sub(lambda match: f"{number:0{int(match[1] or 1)}d}", path.name, count=1)


def delivered_names(path: Path) -> re.Pattern[str]:
    """What the images of a sequence and the sounds beside them may be called, as plain names."""
    stem = re.escape(plain_name(Path(sound_name(path)).stem))
    if is_pattern(path):
        head, tail = NUMBERED.split(plain_name(path.name), maxsplit=1)[::2]
        images = rf"{re.escape(head)}\d+{re.escape(tail)}"
    else:
        images = r"\d{6,}\.(png|exr)"
    return re.compile(rf"{images}|{stem}(\.\d+)?\.wav")


def sound_name(path: Path) -> str:
    """The file name of the sound beside an image sequence."""
    if not is_pattern(path):
        return "sound.wav"
    return (NUMBERED.split(path.name, maxsplit=1)[0].rstrip("._- ") or "sound") + ".wav"
