"""The mouth closely: which part of a picture shows it, following the face from frame to frame."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QRectF
from PySide6.QtGui import QImage

from stylesync_ui.engine.media_cache import MediaCache

SAMPLES = 16
"""Frames of a clip in which faces are looked for; between them the window moves evenly."""
WIDTH = 0.9  # of the face's
MOUTH = 0.74  # of the face's height, from its top
ASPECT = 4 / 3
LEAST, MOST = 0.2, 5.0
"""How much further away, and nearer, than at first."""

Box = tuple[float, float, float, float]


class MouthZoom:
    """`window` is in shares of the picture, so that it holds for every size of it."""

    def __init__(self, media: MediaCache) -> None:
        self.is_on = False
        self._media = media
        self._last: tuple[str, QRectF] | None = None
        self._shift, self._factor = (0.0, 0.0), 1.0

    def look_at_mouth(self) -> None:
        """As near as at first, and the mouth in the middle."""
        self._shift, self._factor = (0.0, 0.0), 1.0

    def pan(self, right: float, down: float) -> None:
        """See more of the right and of what is below, in shares of what is seen."""
        if self._last is None:
            return
        (x, y), seen, mouth = self._shift, self._seen, self._last[1].center()
        self._shift = x + right * seen.width(), y + down * seen.height()
        held = self._seen.center()  # where the picture's edge ends it
        self._shift = held.x() - mouth.x(), held.y() - mouth.y()

    def magnify(self, factor: float) -> None:
        """So many times nearer."""
        self._factor = min(max(self._factor * factor, LEAST), MOST)

    @property
    def _seen(self) -> QRectF:
        return self._moved(self._last[1]) if self._last is not None else QRectF(0, 0, 1, 1)

    def _moved(self, mouth: QRectF) -> QRectF:
        """The window as it was moved away from the mouth, within the picture."""
        width = min(1.0, mouth.width() / self._factor)
        height = min(1.0, mouth.height() / self._factor)
        centre, (x, y) = mouth.center(), self._shift
        left = min(max(0.0, centre.x() + x - width / 2), 1 - width)
        top = min(max(0.0, centre.y() + y - height / 2), 1 - height)
        return QRectF(left, top, width, height)

    def window(
        self, path: str, frame: int, clip: tuple[int, int], size: tuple[int, int],
        point: tuple[float, float] | None,
    ) -> QRectF | None:  # fmt: skip
        """Where the mouth is in a frame of a file; `clip` are the frames that are used of it,
        `point` lies in the face that is dubbed. None where no face is known yet."""
        here = _boxes(self._media.survey(path, frame, frame + 1, 1))
        known = here or _boxes(self._media.survey(path, *clip, SAMPLES))
        box = _box_at(known, frame, point)
        if box is not None:
            self._last = path, _window(box, size)
        return self._seen if self._last is not None and self._last[0] == path else None


def cropped(image: QImage | None, window: QRectF | None) -> QImage | None:
    """The part of a picture that a window shows."""
    if image is None or window is None:
        return image
    part = QRectF(
        window.left() * image.width(), window.top() * image.height(),
        window.width() * image.width(), window.height() * image.height(),
    )  # fmt: skip
    return image.copy(part.toRect())


def _boxes(found: Any) -> list[tuple[int, list[Box]]]:
    if not isinstance(found, dict):
        return []
    return [(f["frame"], [tuple(b) for b in f["boxes"]]) for f in found["faces"] if f["boxes"]]


def _box_at(
    known: list[tuple[int, list[Box]]], frame: int, point: tuple[float, float] | None
) -> Box | None:
    """The face in a frame, between those in which it was found."""
    chosen = [(number, _choose(boxes, point)) for number, boxes in known]
    before = max((c for c in chosen if c[0] <= frame), default=None, key=lambda c: c[0])
    after = min((c for c in chosen if c[0] >= frame), default=None, key=lambda c: c[0])
    if before is None or after is None:
        found = before or after
        return found[1] if found else None
    length = after[0] - before[0]
    share = (frame - before[0]) / length if length else 0.0
    a, b, c, d = (x + share * (y - x) for x, y in zip(before[1], after[1], strict=True))
    return a, b, c, d


def _choose(boxes: list[Box], point: tuple[float, float] | None) -> Box:
    """The face at a point, else the largest."""
    if point is None:
        return max(boxes, key=lambda box: box[2] - box[0])
    x, y = point
    return min(boxes, key=lambda b: ((b[0] + b[2]) / 2 - x) ** 2 + ((b[1] + b[3]) / 2 - y) ** 2)


def _window(box: Box, size: tuple[int, int]) -> QRectF:
    """Around the mouth of a face, in shares of the picture, within it."""
    left, top, right, bottom = box
    width = min(size[0], WIDTH * (right - left))
    height = min(size[1], width / ASPECT)
    x = min(max(0.0, (left + right) / 2 - width / 2), size[0] - width)
    y = min(max(0.0, top + MOUTH * (bottom - top) - height / 2), size[1] - height)
    return QRectF(x / size[0], y / size[1], width / size[0], height / size[1])
