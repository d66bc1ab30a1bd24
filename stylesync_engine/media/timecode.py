"""SMPTE time code (ST 12-1) as text: counting frames, drop-frame numbers left out."""

from __future__ import annotations

import re
from fractions import Fraction

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
