"""A line's sound as it is heard and dubbed: trimmed, stretched and slipped, in a file of its own.

    path = heard_sound(line, Fraction(25), Path("session.sounds"))

The file begins where the line begins. It is named by all that it is made of, so that it is made
once, and panel and batch hear and dub the same samples. A sound that nobody has touched is used as
it is.
"""

from __future__ import annotations

import hashlib
import json
import re
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from stylesync_engine.files import hash_once
from stylesync_engine.request import MediaError, RequestError
from stylesync_plugin.lines.document import Line

if TYPE_CHECKING:
    from stylesync_engine.media.sound import Sound

_FADE = 0.005  # s over which a cut end comes and goes, so that it does not click
_LONGEST = 600  # s of a sound that a line can need


def is_touched(line: Line) -> bool:
    """Whether a line's sound is heard otherwise than its file has it."""
    return bool(line.slip or line.trim_in or line.trim_out or line.stretch != 1)


def heard_span(line: Line, rate: Fraction, length: Fraction) -> tuple[Fraction, Fraction]:
    """From when to when a sound of `length` s is heard, in s after the line's start, on a timeline
    of `rate` frames/s; before 0 it is cut off."""
    slip, factor = line.slip / rate, Fraction(line.stretch)
    first, last = Fraction(line.trim_in), length - Fraction(line.trim_out)
    return slip + first * factor, slip + last * factor


def fit_of(line: Line, rate: Fraction, length: Fraction, line_length: Fraction) -> float:
    """By how many s a sound of `length` s is heard beyond its line."""
    return round(float(heard_span(line, rate, length)[1] - line_length), 3)


def heard_sound(line: Line, rate: Fraction, folder: Path) -> Path:
    """The file of what is heard from the line's start on; made in `folder` where it is not there.

    Raises RequestError where the line has no sound or nothing is left of it, MediaError, DiskError.
    """
    if line.sound is None:
        raise RequestError(f"Line {line.number} has no sound; give it one.", "sound")
    if not is_touched(line):
        return Path(line.sound)
    target = folder / f"{_slug(line.number)}_{_key(line, rate)}.wav"
    if not target.exists():
        from stylesync_engine.media import write_audio

        sound, samples = _heard(line, line.sound, rate)
        write_audio(target, sound, samples)
    return target


def _key(line: Line, rate: Fraction) -> str:
    sound = Path(str(line.sound))
    try:
        content = hash_once(sound)
    except OSError as error:
        raise MediaError(f"The sound '{sound}' cannot be read; check the path.") from error
    made = [content, str(line.slip / rate), line.trim_in, line.trim_out, line.stretch]
    return hashlib.sha256(json.dumps(made).encode()).hexdigest()[:12]


def _heard(line: Line, path: str, rate: Fraction) -> tuple[Sound, int]:
    """Samples `[C, S]` from the line's start on, and their rate in Hz."""
    import numpy as np

    from stylesync_engine.media import read_audio, stretch
    from stylesync_plugin.timeline.sources import EngineProbe

    facts = EngineProbe().sound(path)
    hertz = facts.sample_rate
    first, last = round(line.trim_in * hertz), facts.samples - round(line.trim_out * hertz)
    if first >= last:
        raise RequestError(f"Nothing is left of the sound of line {line.number}; trim it less.")
    read, _ = read_audio(path, None, first, min(last, first + _LONGEST * hertz))
    begin = round(heard_span(line, rate, facts.length)[0] * hertz)
    sound = stretch(read, hertz, line.stretch)[:, max(0, -begin) :]
    if not sound.shape[1]:
        raise RequestError(f"The sound of line {line.number} ends before the line; slip it later.")
    fade = min(round(_FADE * hertz), sound.shape[1])
    rising = np.linspace(0, 1, fade, dtype=np.float32)
    if first > 0 or begin < 0:
        sound = np.concatenate([sound[:, :fade] * rising, sound[:, fade:]], axis=1)
    if last < facts.samples:
        sound = np.concatenate([sound[:, :-fade], sound[:, -fade:] * rising[::-1]], axis=1)
    return np.pad(sound, ((0, 0), (max(0, begin), 0))), hertz


def _slug(number: str) -> str:
    return re.sub(r"[^\w.-]+", "_", number)[:40] or "line"
