"""When recordings say that they begin."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

_BEXT_TIME = 338  # bytes before the time reference of a bext chunk (EBU Tech 3285)


def stamp_of(path: Path) -> Fraction | None:
    """When a Broadcast Wave begins, in s since midnight; None where the file does not say."""
    try:
        with path.open("rb") as file:
            head = file.read(12)
            if head[:4] not in (b"RIFF", b"RF64") or head[8:12] != b"WAVE":
                return None
            rate, reference = 0, None
            while (rate == 0 or reference is None) and len(chunk := file.read(8)) == 8:
                name, size = chunk[:4], struct.unpack("<I", chunk[4:])[0]
                if name == b"data":
                    break
                start = file.tell()
                if name == b"fmt " and size >= 8:
                    rate = struct.unpack("<I", file.read(8)[4:])[0]
                elif name == b"bext" and size >= _BEXT_TIME + 8:
                    file.seek(start + _BEXT_TIME)
                    reference = struct.unpack("<Q", file.read(8))[0]
                file.seek(start + size + size % 2)
    except (OSError, struct.error):
        return None
    return Fraction(reference, rate) if rate and reference else None
