"""Time code of files: counted on, and at the rate of its own track."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, Final

from stylesync_engine.ranges import (
    TIME_CODE,
    dropped_a_minute,
    label_of_number,
    number_of_label,
)


def advance_timecode(text: str, frames: int, rate: Fraction) -> str:
    """The time code `frames` later; a text that is no time code stays as it is."""
    return recount_timecode(text, round(rate), round(rate), frames)


def recount_timecode(text: str, counted: int, nominal: int, frames: int = 0) -> str:
    """The same moment, and `frames` later, of a label that counts `counted` frames a second, as
    one that counts `nominal`; a text that is no time code stays as it is."""
    label = TIME_CODE.fullmatch(text)
    if label is None:
        return text
    mark = label[4]
    number = number_of_label(label, counted, drop=mark == ";") * nominal // counted
    if counted != nominal and not dropped_a_minute(nominal):
        mark = ":"
    return label_of_number(number + frames, nominal, mark)


_HOLDERS: Final = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl", b"tref"})
_MOST_BOX: Final = 1 << 16
"""Bytes of a box that is read: those of interest are far smaller."""
_MXF_COMPONENT: Final = bytes.fromhex("060e2b34025301010d01010101011400")
_MXF_BASE: Final = b"\x15\x02\x00\x02"
_MXF_HEADER: Final = 1 << 20


def frames_counted(path: str, family: str, track: int) -> int | None:
    """The whole number of frames a second that the time code of a picture's track counts.

    `family` is FFmpeg's name of the container, `track` the id of the picture in it; None where
    the file does not say.
    """
    try:
        with Path(path).open("rb") as file:
            if family == "mov":
                return _of_quicktime(file, track)
            return _of_mxf(file.read(_MXF_HEADER)) if family == "mxf" else None
    except (OSError, ValueError):
        return None


def _of_quicktime(file: BinaryIO, track: int) -> int | None:
    """That of the track which the picture refers to, else of the first one."""
    counts: dict[int, int] = {}
    wanted: list[int] = []
    current = 0
    for kind, body in _boxes(file, 0, file.seek(0, 2)):
        if kind == b"tkhd":
            current = int.from_bytes(body[20:24] if body[0] else body[12:16])
        elif kind == b"tmcd" and current == track:  # within `tref`: whose time code it is
            wanted += [int.from_bytes(body[at : at + 4]) for at in range(0, len(body), 4)]
        elif kind == b"stsd" and body[12:16] == b"tmcd" and len(body) >= 41:
            scale, duration = int.from_bytes(body[32:36]), int.from_bytes(body[36:40])
            counts[current] = round(scale / duration) if duration else body[40]
    found = next((counts[number] for number in wanted if number in counts), None)
    return (found or next(iter(counts.values()), 0)) or None


def _boxes(file: BinaryIO, at: int, end: int) -> Iterator[tuple[bytes, bytes]]:
    """The boxes of ISO/IEC 14496-12 from `at` on, those that hold others entered."""
    while at + 8 <= end:
        file.seek(at)
        head = file.read(16)
        size, kind, first = int.from_bytes(head[:4]), head[4:8], 8
        if size == 1:
            size, first = int.from_bytes(head[8:16]), 16
        size = size or end - at
        if size < first:
            return
        if kind in _HOLDERS:
            yield from _boxes(file, at + first, min(at + size, end))
        elif size <= _MOST_BOX:
            file.seek(at + first)
            if body := file.read(size - first):
                yield kind, body
        at += size


def _of_mxf(header: bytes) -> int | None:
    """`Rounded Timecode Base` of the header's first time code component."""
    at = header.find(_MXF_COMPONENT)
    base = header.find(_MXF_BASE, at, at + 200) if at >= 0 else -1
    return int.from_bytes(header[base + 4 : base + 6]) or None if base >= 0 else None
