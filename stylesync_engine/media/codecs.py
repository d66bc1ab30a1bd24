"""What a codec can carry, where it may be written, and how a file appears whole or not at all."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from stylesync_engine.files import NumberedName
from stylesync_engine.pictures.formats import PixelLayout
from stylesync_engine.request import (
    WITHOUT_ALPHA,
    Codec,
    DiskError,
    MediaError,
    RequestError,
)

CONTAINERS: Final[dict[Codec, dict[str, str]]] = {
    "prores4444": {".mov": "mov"},
    "prores422hq": {".mov": "mov"},
    "dnxhr": {".mov": "mov", ".mxf": "mxf"},
    "ffv1": {".mkv": "matroska"},
    "h264": {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"},
    "h265": {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"},
}
"""The suffixes that a codec may have, and the name of each one's container format."""

IMAGES: Final[dict[Codec, str]] = {"png": ".png", "exr": ".exr"}
"""The codecs that are written as numbered images, and the suffix of each."""

_FFV1_REORDERED: Final[dict[str, str]] = {
    **dict.fromkeys(("rgb24", "bgr24", "rgb0", "0rgb", "0bgr", "gbrp"), "bgr0"),
    **dict.fromkeys(("rgba", "argb", "abgr", "gbrap"), "bgra"),
    "bgr48le": "rgb48le",
    "bgra64le": "rgba64le",
    "ya16le": "rgba64le",
    **{f"yuvj{grid}p": f"yuv{grid}p" for grid in ("411", "420", "422", "440", "444")},
}


def check_output(path: str | Path, codec: Codec) -> None:
    """See before any work is done that `codec` can be written to `path`.

    Raises RequestError for a suffix that does not belong to the codec, MediaError for a codec
    that this installation cannot write, DiskError for a place that cannot be written to.
    """
    path = Path(path)
    if codec == "exr" and find_spec("OpenImageIO") is None:
        raise MediaError(
            "EXR needs OpenImageIO; pip install 'stylesync[exr]', or choose png or prores4444."
        )
    if codec in IMAGES:
        suffix = IMAGES[codec]
        if path.suffix and not (path.suffix.lower() == suffix and NumberedName.of(path.name)):
            raise RequestError(
                f"'{path.name}' is no image sequence; give a folder or a name like"
                f" shot.%06d{suffix}."
            )
    elif path.suffix.lower() not in CONTAINERS[codec]:
        allowed = " or ".join(CONTAINERS[codec])
        raise RequestError(f"{codec} goes into {allowed}, not '{path.name}'; change the name.")
    elif path.is_dir():
        raise RequestError(f"The output '{path}' is a folder; give the name of a file.")
    _check_folder(path.absolute().parent)


def _check_folder(folder: Path) -> None:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise DiskError(f"The folder '{folder}' is not writable; choose another place.")


def delivered_format(codec: Codec, source: PixelLayout, width: int, height: int) -> str:
    """The pixel format in which `codec` stores a picture, the least lossy that it has.

    Raises RequestError where the codec would drop the alpha channel.
    """
    if source.has_alpha and codec in WITHOUT_ALPHA:
        raise RequestError(
            f"{codec} cannot keep the clip's alpha; choose prores4444, ffv1 or png instead."
        )
    if codec == "ffv1":
        return _FFV1_REORDERED.get(source.format, source.format)
    if codec == "exr":
        return "gbrapf32le" if source.has_alpha else "gbrpf32le"
    if codec == "png":
        deep = source.depth > 8
        return ("rgba64le" if source.has_alpha else "rgb48le") if deep else (
            "rgba" if source.has_alpha else "rgb24"
        )  # fmt: skip
    if codec == "prores4444":
        return "yuva444p10le" if source.has_alpha else "yuv444p10le"
    if codec == "prores422hq":
        return "yuv422p10le"
    full_chroma = source.kind == "rgb" or (source.kind == "yuv" and source.chroma_x == 0)
    if codec == "dnxhr":
        return "yuv444p10le" if full_chroma else "yuv422p10le"
    return _review_format(source, full_chroma or source.kind == "gray", width, height)


def _review_format(source: PixelLayout, full_chroma: bool, width: int, height: int) -> str:
    """4:2:0 needs even sizes: an odd picture gets more chroma rather than another size."""
    deep = "10le" if source.depth > 8 else ""
    if source.kind == "gray" and width % 2 == 0 and height % 2 == 0:
        return f"yuv420p{deep}"
    if full_chroma or width % 2 or height % 2:
        return f"yuv444p{deep}"
    return f"yuv420p{deep}" if source.chroma_y else f"yuv422p{deep}"


def keeps_full_range(codec: Codec) -> bool:
    """Whether the container says that YUV spans all code values (a .mov of ProRes does not)."""
    return codec in ("ffv1", "h264", "h265", "png")
