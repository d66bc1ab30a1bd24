"""What a review encode can show over its picture: clip, time code, frame, and what is dubbed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from stylesync_engine.arrays import Array
from stylesync_engine.media import Frame, VideoInfo
from stylesync_engine.media.timecode import advance_timecode
from stylesync_engine.pictures.image import PixelImage

Row = tuple[str, str]
"""What stands at the left and at the right end of a row."""

DUBBED: Final = "DUBBED"

_LINES: Final = 28  # rows of text that would fill the picture
_SMALLEST: Final = 8  # px
_WEIGHT: Final = 500
_SHADE: Final = 0.55  # how much of the picture the box behind the text takes away


def burn_in(
    frames: Iterable[Frame], like: VideoInfo, first: int, dubbed: Collection[int]
) -> Iterator[Frame]:
    """The frames with the clip's name above and time code and frame number below.

    `like` is the clip from its frame `first` on, whose number is the first that is shown; `dubbed`
    are the indices of the frames that say so.
    """
    name = Path(like.path).name
    for frame in frames:
        code = advance_timecode(like.timecode, frame.index, like.rate) if like.timecode else ""
        below = code, f"frame {first + frame.index}"
        above = name, DUBBED if frame.index in dubbed else ""
        yield frame.with_image(draw_rows(frame.image, above, below, len(DUBBED)))


def draw_rows(image: PixelImage, above: Row, below: Row, room: int = 0) -> PixelImage:
    """A picture with a row of text at its top and one at its bottom; the left one above is
    shortened to fit beside the right one, or `room` letters."""
    size = _fitting_size(below, *image.size)
    right = above[1] or DUBBED[:room]
    shown = _shorten(above[0], size, image.width - _width((right,), size))
    image = _draw_row(image, (shown, above[1]), size, at_top=True)
    return _draw_row(image, below, size, at_top=False)


def _fitting_size(row: Row, width: int, height: int) -> int:
    """The height of the text in px with which a row fits into the picture."""
    size = max(height // _LINES, _SMALLEST)
    needed = _width(row, size)
    return max(min(size, size * width // needed), _SMALLEST)


def _width(row: Sequence[str], size: int) -> int:
    """Px that a row needs, with margins."""
    return int(sum(_label(text, size).shape[1] for text in row)) + 2 * size


def _shorten(name: str, size: int, room: int) -> str:
    """The name with as much of its middle left out as it takes to fit into `room` px."""
    kept, shown = len(name), name
    while kept > 1 and _width((shown,), size) > room:
        kept -= 1
        shown = f"{name[: kept // 2]}...{name[len(name) - kept // 2 :]}"
    return shown


def _draw_row(image: PixelImage, row: Row, size: int, at_top: bool) -> PixelImage:
    labels = [_label(text, size) for text in row]
    height, margin = labels[0].shape[0], size // 2
    top = margin if at_top else image.height - margin - height
    text, matte = np.zeros((2, height, image.width), np.float32)
    starts = margin, image.width - margin - labels[1].shape[1]
    for label, start in zip(labels, starts, strict=True):
        inside = slice(max(start, 0), start + label.shape[1])
        shown = label[:, : text[:, inside].shape[1]]
        text[:, inside] = shown
        matte[:, inside] = _SHADE + (1 - _SHADE) * shown
    colours = np.repeat(text[:, :, None], 3, axis=2)
    return image.blend_region((0, top, image.width, top + height), colours, matte)


def _label(text: str, size: int) -> Array:
    """How much of each px the text covers, `[h, w]`, 0..1; no px wide for no text."""
    font, margin = cv2.FontFace("sans"), size // 4
    _, _, width, _ = map(int, cv2.getTextSize((1, 1), text, (0, 0), font, size, _WEIGHT))
    height = size + size // 4 + 2 * margin
    canvas = np.zeros((height, width + 2 * margin if text else 0), np.uint8)
    if text:
        cv2.putText(canvas, text, (margin, margin + size), 255, font, size, _WEIGHT)
    return np.asarray(canvas / np.float32(255), np.float32)
