"""SMPTE time code (ST 12-1) as text: counting frames, drop-frame numbers left out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, Final

_FORM = re.compile(r"^(\d{2}):(\d{2}):(\d{2})([:;.])(\d{2,3})$")


def advance_timecode(text: str, frames: int, rate: Fraction) -> str:
    """The time code `frames` later; a text that is no time code stays as it is."""
    return recount_timecode(text, round(rate), round(rate), frames)


def recount_timecode(text: str, counted: int, nominal: int, frames: int = 0) -> str:
    """The same moment, and `frames` later, of a label that counts `counted` frames a second, as
    one that counts `nominal`; a text that is no time code stays as it is."""
    match = _FORM.match(text)
    if match is None:
        return text
    hours, minutes, seconds, mark, frame = match.groups()
    dropped = _dropped_a_minute(counted) if mark == ";" else 0
    all_minutes = int(hours) * 60 + int(minutes)
    number = (all_minutes * 60 + int(seconds)) * counted + int(frame)
    number = (number - dropped * (all_minutes - all_minutes // 10)) * nominal // counted
    dropped = _dropped_a_minute(nominal) if mark == ";" else 0
    if counted != nominal and not dropped:
        mark = ":"
    return _format(number + frames, nominal, dropped, mark)


def _dropped_a_minute(nominal: int) -> int:
    """2 at 29.97, 4 at 59.94; other rates have no drop-frame form."""
    return nominal // 15 if nominal % 30 == 0 else 0


def _format(number: int, nominal: int, dropped: int, mark: str) -> str:
    if dropped:
        ten_minutes = nominal * 600 - dropped * 9
        tens, rest = divmod(number, ten_minutes)
        number += dropped * 9 * tens
        if rest >= nominal * 60:
            number += dropped * (1 + (rest - nominal * 60) // (nominal * 60 - dropped))
    number %= nominal * 86400
    seconds, frame = divmod(number, nominal)
    digits = max(2, len(str(nominal - 1)))
    return (
        f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{mark}{frame:0{digits}d}"
    )


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
