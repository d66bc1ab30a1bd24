"""PyAV's pictures as native code values, upright, and back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import av
import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame

from stylesync_engine.media.clips import MATRICES, ColourTags, VideoInfo
from stylesync_engine.pictures.colour import DISPLAY, space_of_tags
from stylesync_engine.pictures.formats import PixelLayout, is_supported, layout_of
from stylesync_engine.pictures.image import PixelImage
from stylesync_engine.request import MediaError

Turn = tuple[int, int, int, int]
"""a, b, c, d of a display matrix, each -1, 0 or 1."""


_CENTRED_CHROMA: Final = frozenset({"mpeg1video", "mjpeg"})
"""Codecs whose chroma samples lie between pixels in both directions."""


_EQUIVALENT: Final = {
    "nv12": "yuv420p", "nv21": "yuv420p", "nv16": "yuv422p", "nv24": "yuv444p",
    "p010le": "yuv420p10le", "p012le": "yuv420p12le", "p016le": "yuv420p16le",
    "p210le": "yuv422p10le", "p216le": "yuv422p16le",
    "yuyv422": "yuv422p", "uyvy422": "yuv422p", "y210le": "yuv422p10le",
    "pal8": "rgba", "monob": "gray", "monow": "gray", "rgb565le": "rgb24", "rgb555le": "rgb24",
    "x2rgb10le": "gbrp10le", "ya16be": "ya16le", "gbrp9le": "gbrp10le",
}  # fmt: skip


def image_of(
    frame: VideoFrame, codec: str, turned: Turn | None = None, colour_space: str | None = None
) -> PixelImage:
    """The frame's own code values, upright, sharing the decoder's memory."""
    frame = _supported(frame)
    layout = layout_of(
        frame.format.name,
        frame.height,
        full_range={1: False, 2: True}.get(int(frame.color_range)),
        matrix=MATRICES.get(frame.colorspace),
        centred_chroma=codec in _CENTRED_CHROMA,
    )
    tags = frame.color_primaries, frame.color_trc, frame.colorspace
    layout = replace(layout, colour=colour_space or space_of_tags(*map(int, tags)))
    planes = tuple(_plane(plane, layout) for plane in frame.planes)
    image = PixelImage(planes, layout)
    return _upright(image, turned) if turned else image


def _supported(frame: VideoFrame) -> VideoFrame:
    """The frame in a format whose code values can be edited, losslessly wherever there is one."""
    name = frame.format.name
    if is_supported(name) and all(plane.line_size > 0 for plane in frame.planes):
        return frame
    if name in _EQUIVALENT:
        target = _EQUIVALENT[name]
    elif name.endswith("be") and is_supported(name[:-2] + "le"):
        target = name[:-2] + "le"
    else:
        target = "gbrp16le" if frame.format.is_rgb else "yuv444p16le"
    try:
        return frame.reformat(format=target)
    except av.error.FFmpegError as error:
        raise MediaError(
            f"Pictures of {name} cannot be read; export the clip in another codec."
        ) from error


def _plane(plane: Any, layout: PixelLayout) -> npt.NDArray[Any]:
    """`[H, W]` or `[H, W, C]` over the plane's memory."""
    rows = np.frombuffer(plane, layout.dtype).reshape(plane.height, -1)
    view = rows[:, : plane.width * layout.channels]
    if layout.channels == 1:
        return view
    return view.reshape(plane.height, plane.width, layout.channels)


def matrix_of(frame: VideoFrame) -> Turn | None:
    """`x' = a x + c y, y' = b x + d y` of the display matrix; None where it turns nothing.

    Asked of a clip's first frame alone: a frame whose side data was looked at refers to itself
    and stays in memory until the collector comes.
    """
    try:
        data: Any = frame.side_data["DISPLAYMATRIX"]  # type: ignore[typeddict-item]
    except KeyError:
        return None
    a, b, _, c, d = (int(v) for v in np.frombuffer(bytes(data), np.int32)[:5])
    turn = tuple((v > 0x8000) - (v < -0x8000) for v in (a, b, c, d))
    quarter = turn in {(0, 1, 1, 0), (0, 1, -1, 0), (0, -1, 1, 0), (0, -1, -1, 0)}
    half = turn in {(-1, 0, 0, 1), (1, 0, 0, -1), (-1, 0, 0, -1)}
    return turn if quarter or half else None  # type: ignore[return-value]


def _upright(image: PixelImage, matrix: Turn) -> PixelImage:
    """Turn and mirror planes, chroma grid and siting alike."""
    a, b, c, d = matrix
    planes, layout = image.planes, image.layout
    siting, shifts = layout.siting, (layout.chroma_x, layout.chroma_y)
    if a == 0:
        planes = tuple(plane.swapaxes(0, 1) for plane in planes)
        siting, shifts = (siting[1], siting[0]), (shifts[1], shifts[0])
    mirrored, upside_down = (c if a == 0 else a) < 0, (b if a == 0 else d) < 0
    planes = tuple(plane[:: -1 if upside_down else 1, :: -1 if mirrored else 1] for plane in planes)
    siting = (1 - siting[0] if mirrored else siting[0], 1 - siting[1] if upside_down else siting[1])
    name = layout.format
    if shifts in ((1, 0), (0, 1)):
        name = name.replace(
            "422" if shifts == (0, 1) else "440", "440" if shifts == (0, 1) else "422"
        )
    turned = replace(layout, format=name, chroma_x=shifts[0], chroma_y=shifts[1], siting=siting)
    return PixelImage(tuple(np.ascontiguousarray(plane) for plane in planes), turned)


def video_frame(image: PixelImage) -> VideoFrame:
    """A frame of PyAV with the picture's code values."""
    frame = VideoFrame(image.width, image.height, image.layout.format)
    planes: tuple[Any, ...] = frame.planes
    for plane, array in zip(planes, image.planes, strict=True):
        rows = array.reshape(array.shape[0], -1)
        target = np.frombuffer(plane, image.layout.dtype).reshape(plane.height, -1)
        target[:, : rows.shape[1]] = rows
    return frame


def written_tags(like: VideoInfo, layout: PixelLayout) -> ColourTags:
    """The source's tags; where RGB became YUV, the matrix and range that this took."""
    tags = like.colour
    if layout.colour == DISPLAY != like.layout.colour:
        tags = ColourTags(tags.range, 1, 1, 1)
    matrix = tags.matrix
    if layout.kind == "yuv" and (like.layout.kind, like.layout.matrix) != ("yuv", layout.matrix):
        matrix = {name: code for code, name in MATRICES.items()}[layout.matrix]
    stated = 2 if layout.full_range else 1 if tags.range or like.layout.kind == "rgb" else 0
    return ColourTags(stated, tags.primaries, tags.transfer, 0 if layout.kind == "rgb" else matrix)
