"""What a clip is, and one frame of it, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from stylesync_engine.pictures.formats import PixelLayout
from stylesync_engine.pictures.image import PixelImage

MATRICES: Final = {
    1: "bt709", 4: "fcc", 5: "bt601", 6: "bt601", 7: "smpte240m",
    8: "ycgco", 9: "bt2020nc", 10: "bt2020c", 14: "ictcp",
}  # fmt: skip
RANGES: Final = {1: "limited", 2: "full"}
UNSPECIFIED: Final = 2
"""Codes of ITU-T H.273 and of FFmpeg's range."""


@dataclass(frozen=True, slots=True)
class AudioTrack:
    """One sound stream of a file; `names` are its loudspeakers, such as FL, FR, FC."""

    channels: int
    sample_rate: int
    codec: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ColourTags:
    """Codes of ITU-T H.273 as the file states them, 2 for unspecified; `range` as in FFmpeg."""

    range: int = 0
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    matrix: int = UNSPECIFIED


UNTAGGED: Final = ColourTags()


@dataclass(frozen=True, slots=True)
class Reading:
    """How a clip is read where its file does not say so: the `rate` of an image sequence, the
    space of its colours (see `colour.find_space`), and whether fields become frames."""

    rate: Fraction | None = None
    colour_space: str | None = None
    deinterlace: bool = False


PLAIN: Final = Reading()


@dataclass(frozen=True, slots=True)
class Clip:
    """A file, or a pattern of numbered images such as `shot.%04d.exr`, and how it is read."""

    path: str
    reading: Reading = PLAIN

    @classmethod
    def of(cls, clip: str | Path | Clip) -> Clip:
        """A path alone is read as the file says."""
        return clip if isinstance(clip, Clip) else cls(str(clip))


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What a clip is. `width`, `height` and `sample_aspect` are those of the upright picture.

    `frames` is counted, not believed; `missing_frames` are those that the container promises
    beyond. `undecoded` are how many frames lie before the first and after the last one which a cut
    without encoding has parted from what they refer to; they are left out and not counted.
    `rotation` is how far the stored picture is turned clockwise to stand upright.
    `interlaced` is how the frames come out of `reading`; `first_number` is an image sequence's.
    `overscan` says that images may hold more than the picture that is shown, whose left and top px
    on their canvas are `display`.
    `timecode` is the first frame's, counted at `rate` even where the file counts otherwise.
    """

    path: str
    rate: Fraction
    frames: int
    width: int
    height: int
    layout: PixelLayout
    codec: str
    duration: Fraction
    time_base: Fraction
    sample_aspect: Fraction = Fraction(1)
    rotation: int = 0
    interlaced: bool = False
    variable_rate: bool = False
    colour: ColourTags = field(default_factory=ColourTags)
    timecode: str | None = None
    reel: str | None = None
    audio: tuple[AudioTrack, ...] = ()
    missing_frames: int = 0
    undecoded: tuple[int, int] = (0, 0)
    reading: Reading = PLAIN
    first_number: int = 0
    overscan: bool = False
    display: tuple[int, int] = (0, 0)

    @property
    def clip(self) -> Clip:
        return Clip(self.path, self.reading)

    @property
    def picture_bytes(self) -> int:
        """What the code values of one picture take in memory."""
        layout = self.layout
        grid = 1 << layout.chroma_x + layout.chroma_y
        samples = {"yuv": 1 + 2 / grid, "rgb": 3, "gray": 1}[layout.kind] + layout.has_alpha
        return int(self.width * self.height * samples) * np.dtype(layout.dtype).itemsize

    @property
    def pixel_format(self) -> str:
        return self.layout.format

    @property
    def bit_depth(self) -> int:
        return self.layout.depth

    @property
    def has_alpha(self) -> bool:
        return self.layout.has_alpha

    @property
    def color_range(self) -> str | None:
        return RANGES.get(self.colour.range)

    @property
    def matrix(self) -> str | None:
        return MATRICES.get(self.colour.matrix)


@dataclass(frozen=True, slots=True)
class Frame:
    """One upright picture of a clip and when it is shown.

    `time` and `duration` are seconds; time 0 is the clip's first frame.
    """

    index: int
    time: Fraction
    duration: Fraction
    image: PixelImage

    def to_rgb(self) -> npt.NDArray[np.uint8]:
        """uint8 `[H, W, 3]`."""
        return self.image.to_rgb8()

    def with_image(self, image: PixelImage) -> Frame:
        return Frame(self.index, self.time, self.duration, image)
