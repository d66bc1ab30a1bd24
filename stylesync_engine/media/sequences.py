"""Numbered images as a clip: PNG, TIFF and DPX by PyAV, EXR by OpenImageIO."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

from stylesync_engine.media import exr
from stylesync_engine.media.clips import UNTAGGED, ColourTags
from stylesync_engine.media.containers import decode, open_file
from stylesync_engine.media.frames import image_of
from stylesync_engine.pictures.image import PixelImage
from stylesync_engine.request import MediaError

_SUFFIXES: Final = frozenset({".png", ".tif", ".tiff", ".dpx", ".exr"})
_NUMBER: Final = re.compile(r"%0?\d*d|#+")


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
