"""How the code values of a picture are to be read: the formats that can be edited in place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from stylesync_engine.pictures.colour import DISPLAY
from stylesync_engine.request import MediaError

Kind = Literal["yuv", "rgb", "gray"]
FloatImage = npt.NDArray[np.float32]
AnyPlane = npt.NDArray[Any]

LUMA_WEIGHTS: Final[dict[str, tuple[float, float]]] = {
    "bt601": (0.299, 0.114),
    "bt709": (0.2126, 0.0722),
    "fcc": (0.30, 0.11),
    "bt2020nc": (0.2627, 0.0593),
    "smpte240m": (0.212, 0.087),
}
"""Weights of red and blue in luma, by matrix (ITU-T H.273, table 4)."""

SD_HEIGHT: Final = 576
"""Pictures up to this height are BT.601 when the file does not say."""

_CHROMA_SHIFTS = {
    "444": (0, 0), "422": (1, 0), "420": (1, 1), "440": (0, 1), "411": (2, 0), "410": (2, 2)
}  # fmt: skip
_YUV = re.compile(r"yuv(?P<flavour>[aj]?)(?P<grid>4\d\d)p(?P<depth>\d+)?(le)?$")
_GRAY = re.compile(r"gray(?P<depth>\d+)?(le)?$")
_GBR = re.compile(r"gbr(?P<alpha>a?)p(?P<float>f)?(?P<depth>\d+)?(le)?$")
PACKED: Final[dict[str, tuple[str, int]]] = {
    **{order: (order, 8) for order in ("rgba", "bgra", "argb", "abgr")},
    **{order: (order, 8) for order in ("rgb0", "bgr0", "0rgb", "0bgr")},
    "rgb24": ("rgb", 8),
    "bgr24": ("bgr", 8),
    "ya8": ("ya", 8),
    "ya16le": ("ya", 16),
    "rgb48le": ("rgb", 16),
    "bgr48le": ("bgr", 16),
    "rgba64le": ("rgba", 16),
    "bgra64le": ("bgra", 16),
}
"""Packed formats: the order of their channels and the depth."""


@dataclass(frozen=True, slots=True)
class PixelLayout:
    """How the code values of a picture are to be read.

    `components` names plane and channel of Y, U, V or R, G, B or Y alone, and alpha last.
    `siting` is where a chroma sample lies within its cell, (0, 0.5) for left, (0.5, 0.5) for
    centre; it matters only on a subsampled grid. `chroma_x`, `chroma_y` are powers of two.
    `colour` is the space of RGB, by its name in `colour.find_space`.
    """

    format: str
    kind: Kind
    depth: int
    chroma_x: int
    chroma_y: int
    full_range: bool
    matrix: str
    has_alpha: bool
    floating: bool
    siting: tuple[float, float]
    components: tuple[tuple[int, int], ...]
    colour: str = DISPLAY

    @property
    def peak(self) -> float:
        """The highest code value (1.0 in floating formats)."""
        return 1.0 if self.floating else float((1 << self.depth) - 1)

    @property
    def channels(self) -> int:
        """How many components each plane holds: 1 where they lie in planes of their own."""
        return len(PACKED[self.format][0]) if self.format in PACKED else 1

    @property
    def dtype(self) -> np.dtype[Any]:
        if self.floating:
            return np.dtype(np.float32)
        return np.dtype(np.uint8 if self.depth == 8 else np.uint16)


def layout_of(
    pixel_format: str,
    height: int,
    *,
    full_range: bool | None = None,
    matrix: str | None = None,
    centred_chroma: bool = False,
) -> PixelLayout:
    """The layout of a format by its FFmpeg name; what the file does not say takes the custom.

    Raises MediaError for a format or a matrix that cannot be edited in place.
    """
    kind, depth, grid, alpha, components = _parse_format(pixel_format)
    chroma_x, chroma_y = _CHROMA_SHIFTS[grid]
    matrix = matrix or ("bt601" if height <= SD_HEIGHT else "bt709")
    if matrix not in LUMA_WEIGHTS:
        raise MediaError(f"Colour matrix '{matrix}' is not supported; convert the clip to BT.709.")
    by_custom = kind != "yuv" or pixel_format.startswith("yuvj")
    return PixelLayout(
        format=pixel_format,
        kind=kind,
        depth=depth,
        chroma_x=chroma_x,
        chroma_y=chroma_y,
        full_range=kind == "rgb" or (by_custom if full_range is None else full_range),
        matrix=matrix,
        has_alpha=alpha,
        floating=bool(re.search(r"pf(16|32)", pixel_format)),
        siting=(0.5 if centred_chroma else 0.0, 0.5),
        components=components,
    )


def is_supported(pixel_format: str) -> bool:
    """Whether pictures of this FFmpeg format are kept as they are."""
    try:
        _parse_format(pixel_format)
    except MediaError:
        return False
    return True


def _parse_format(name: str) -> tuple[Kind, int, str, bool, tuple[tuple[int, int], ...]]:
    """Kind, depth, chroma grid, alpha and components of an FFmpeg pixel format."""
    if name in PACKED:
        order, depth = PACKED[name]
        wanted = "ya" if order == "ya" else "rgba" if "a" in order else "rgb"
        channels = tuple((0, order.index(channel)) for channel in wanted)
        return ("gray" if order == "ya" else "rgb"), depth, "444", "a" in order, channels
    if match := _YUV.match(name):
        count = 4 if match["flavour"] == "a" else 3
        return "yuv", int(match["depth"] or 8), match["grid"], count == 4, _separate(range(count))
    if match := _GRAY.match(name):
        return "gray", int(match["depth"] or 8), "444", False, _separate(range(1))
    if (match := _GBR.match(name)) and not (match["float"] and match["depth"] != "32"):
        planes = (2, 0, 1, 3) if match["alpha"] else (2, 0, 1)
        return "rgb", int(match["depth"] or 8), "444", bool(match["alpha"]), _separate(planes)
    raise MediaError(f"Pixel format '{name}' is not supported; convert the clip to yuv422p10le.")


def _separate(planes: Any) -> tuple[tuple[int, int], ...]:
    return tuple((plane, 0) for plane in planes)
