"""Proxies: a clip's frames as small JPEGs in one file, each found at once by its place in it.

`NAME.mjpeg` holds the pictures one after the other and `NAME.index` where each of them ends, as
64 bit numbers, little-endian. Both only grow, and a picture counts once the index names it: what is
there can be shown while the rest is made, and what was broken off goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from stylesync_engine.files import Written, disk_errors, refuse_overwriting
from stylesync_engine.media import Frame, files_of, probe_video, read_frames
from stylesync_engine.request import FrameRange, RequestError

HEIGHTS = range(90, 1081)
QUALITY = 88
REPORT = 12
"""Frames between two words about how far it is."""


def write_proxy(
    video: str, frames: FrameRange, height: int, output: Path,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:  # fmt: skip
    """Write `output` (.mjpeg) and its index; returns how many frames it holds.

    Frame 0 of the proxy is the first of the range. Raises MediaError, RequestError and DiskError.
    """
    info = probe_video(video)
    if height not in HEIGHTS or output.suffix != ".mjpeg" or frames.end > info.frames:
        raise RequestError(
            "Ask for frames of the clip, a height of 90 to 1080 px and an output named .mjpeg."
        )
    index = output.with_suffix(".index")
    refuse_overwriting({"clip": files_of(video)}, [Written.one(output), Written.one(index)])
    if not _is_ours(output, index):
        raise RequestError(f"'{output}' is no proxy of StyleSync; give another name.")
    height = min(height, info.height)
    size = max(1, round(info.width * height / info.height)), height
    with disk_errors(output):
        output.parent.mkdir(parents=True, exist_ok=True)
        with output.open("ab") as pictures, index.open("ab") as ends:
            done = _cut_to_whole(output, index)
            for frame in _rest(video, frames, done):
                _, data = cv2.imencode(
                    ".jpg", frame.image.shrink(*size)[:, :, ::-1],
                    [cv2.IMWRITE_JPEG_QUALITY, QUALITY],
                )  # fmt: skip
                pictures.write(data.tobytes())
                pictures.flush()
                ends.write(np.uint64(pictures.tell()).astype("<u8").tobytes())
                ends.flush()
                done += 1
                if done % REPORT == 0 or done == len(frames):
                    on_progress(done, len(frames))
    return done


def _rest(video: str, frames: FrameRange, done: int) -> Iterator[Frame]:
    if done < len(frames):
        yield from read_frames(video, FrameRange(frames.start + done, frames.end))


def _is_ours(output: Path, index: Path) -> bool:
    """Whether what lies there, if anything, is a proxy: its index names where JPEGs end."""
    pictures, ends = (
        path.is_file() and path.stat().st_size > 0 if path.exists() else None
        for path in (output, index)
    )
    if not ends:
        return not pictures or ends is False
    if not pictures:
        return False
    with output.open("rb") as file, index.open("rb") as named:
        (first,) = np.frombuffer(named.read(8).ljust(8, b"\0"), "<u8")
        begins = file.read(2) == b"\xff\xd8"
        file.seek(min(max(int(first) - 2, 0), output.stat().st_size))
        return begins and file.read(2) == b"\xff\xd9"


def _cut_to_whole(output: Path, index: Path) -> int:
    """Drop what no index names, and names without a picture; returns the frames that are whole."""
    known = np.frombuffer(index.read_bytes()[: index.stat().st_size // 8 * 8], "<u8")
    size = output.stat().st_size
    whole = int(np.searchsorted(known, size, side="right"))
    for path, length in ((index, whole * 8), (output, int(known[whole - 1]) if whole else 0)):
        with path.open("rb+") as file:
            file.truncate(length)
    return whole
