"""ProRes held within one code value at 10 bit: each frame is read again, and mended if it strays.

FFmpeg's encoder cuts every coefficient towards zero, which takes up to one and a half code values
off a lone peak, even at its finest quantiser. Moved by one code value against the error and encoded
again, such a sample comes out where it was.
"""

from __future__ import annotations

from typing import Any, Final

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame

from stylesync_engine.media.frames import image_of, video_frame
from stylesync_engine.pictures.image import PixelImage

Plane = npt.NDArray[np.uint16]

_DEPTH: Final = 10
"""Bits of the samples that the encoder takes; 4444 is read at 12."""
_LEGAL: Final = (4, 1019)
"""The code values that ProRes can hold (SMPTE RDD 36); the others come out as the nearest."""
_ATTEMPTS: Final = 3
"""How often a frame is encoded anew; once is enough for nearly all."""


class ProresProof:
    """Reads packets of ProRes as an editor will, and mends those that stray.

    `encoder` is set like the one that made the packets, and gives each packet at once.
    """

    def __init__(self, encoder: Any) -> None:
        self._encoder = encoder
        encoder.open()
        self._decoder: Any = av.CodecContext.create("prores", "r")
        self._decoder.codec_tag = encoder.codec_tag
        self._decoder.thread_count, self._decoder.thread_type = encoder.thread_count, "SLICE"

    def mend(self, packet: Any, picture: VideoFrame) -> Any:
        """The packet, or another of `picture` whose samples are off by one code value at most."""
        wanted = image_of(picture, "prores")
        attempt = wanted
        for _ in range(_ATTEMPTS):
            (frame,) = self._decoder.decode(packet)
            moved = _move_strays(attempt, wanted, image_of(frame, "prores"))
            if moved is attempt:
                break
            attempt = moved
            (packet,) = self._encoder.encode(_stamped_like(picture, video_frame(attempt)))
        return packet


def _move_strays(attempt: PixelImage, wanted: PixelImage, got: PixelImage) -> PixelImage:
    """`attempt` with the samples that came out wrong moved against the error; itself if none did.

    Alpha, which ProRes keeps as it is, does not count.
    """
    step = 1 << (got.layout.depth - _DEPTH)
    planes = list(attempt.planes)
    for number in range(3):
        strays = _strays(got.component(number), wanted.component(number), step)
        if strays:
            rows, columns, signs = strays
            planes[number] = planes[number].copy()
            planes[number][rows, columns] -= signs
    changed = any(new is not old for new, old in zip(planes, attempt.planes, strict=True))
    return PixelImage(tuple(planes), attempt.layout) if changed else attempt


def _strays(got: Plane, wanted: Plane, step: int) -> tuple[npt.NDArray[Any], ...] | None:
    """Rows and columns of the samples that are off, and -1 or 1 for the side; None without any."""
    limit = -(-3 * step // 2)  # what rounds to two code values at 10 bit
    apart = cv2.absdiff(got, wanted * np.uint16(step))
    if apart.max() < limit:  # as in most frames: quicker than to look for each
        return None
    rows, columns = np.nonzero(apart >= limit)
    legal = np.clip(wanted[rows, columns], *_LEGAL).astype(np.int32)
    error = got[rows, columns].astype(np.int32) - legal * step
    off = np.abs(error) >= limit
    # In the samples' own type, in which to take away 65535 adds one.
    signs = np.sign(error[off]).astype(np.uint16)
    return (rows[off], columns[off], signs) if len(signs) else None


def _stamped_like(picture: VideoFrame, frame: VideoFrame) -> VideoFrame:
    for name in ("pts", "time_base", "color_range", "color_primaries", "color_trc", "colorspace"):
        setattr(frame, name, getattr(picture, name))
    return frame
