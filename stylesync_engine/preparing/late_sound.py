"""A clip's own sound beside its lips: how late it is, and what it says once it is moved into place.

Only the reading is corrected. The new speech of a dub stays where the editor put it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stylesync_engine.arrays import Array, Indices
from stylesync_engine.faces.tracking import ShotFaces
from stylesync_engine.media import VideoInfo, probe_video, read_audio_blocks
from stylesync_engine.plan.sources import check_range
from stylesync_engine.preparing.new_speech import first_samples
from stylesync_engine.preparing.shots import FollowedShot, fit_speaker, follow_shot
from stylesync_engine.preparing.watching import Spans
from stylesync_engine.request import FrameRange, MediaError, NoFaceError, OnProgress
from stylesync_engine.speech.features import FEATURE_RATE, SAMPLE_RATE, STEP
from stylesync_engine.speech.kernel_ridge import LEAST_TO_CHOOSE
from stylesync_engine.speech.sync import SURE, LipReader, SoundOffset

Listen = Callable[[Array], Array]
Parts = list[tuple[int, SoundOffset]]

_REACH = 2 * SAMPLE_RATE  # samples before and after a clip that may be moved into it
_MARGIN = 4 * FEATURE_RATE  # steps around a part whose sound has a say in its features
# Steps in which a sound that runs away is measured anew: a third of the clip, between these.
_SHORTEST_PART, _LONGEST_PART = 4 * FEATURE_RATE, 10 * FEATURE_RATE
_RUNS_AWAY = 0.1  # s between parts from which on they are read apart
_DOUBTED = 0.1  # sureness below which lips and sound are probably not of one take
_NOTEWORTHY = 0.04  # s, a step: what is less is moved without a word


@dataclass(frozen=True, slots=True)
class OwnSound:
    """Mono sound at 16 kHz from `_REACH` before a clip's T25 `steps` to `_REACH` after them; beyond
    the file lies silence."""

    samples: Array
    steps: int

    def moved(self, seconds: float = 0.0, first: int = 0, last: int | None = None) -> Array:
        """What belongs to the steps `[first, last)` where sound is late by `seconds`."""
        last = self.steps if last is None else last
        start = _REACH + round(seconds * SAMPLE_RATE)
        low, high = start + first * STEP, start + last * STEP
        inside = self.samples[max(0, low) : max(0, high)]
        left = min(max(0, -low), high - low)
        return np.pad(inside, (left, high - low - left - len(inside)))


@dataclass(frozen=True, slots=True)
class SeenLips:
    """Lip motion `[T25, 13]` at the steps of a shot, relative to the person's rest; in which steps
    it is `usable`; and each step's nearest source frame `[T25]`."""

    motion: Array
    usable: NDArray[np.bool_]
    frames: Indices


def read_own_sound(
    path: str, start: Fraction, duration: Fraction, track: int | None = None
) -> OwnSound:
    """What is heard in `path` around a shot from `start` s on. Raises MediaError where the file has
    no sound, or where it ends before half a second of the shot is heard."""
    steps = math.ceil(duration * FEATURE_RATE)
    first = round(start * SAMPLE_RATE) - _REACH
    last = first + steps * STEP + 2 * _REACH
    samples, total = first_samples(
        read_audio_blocks(path, SAMPLE_RATE, mono=True, track=track), last
    )
    if total < first + _REACH + SAMPLE_RATE // 2:
        raise MediaError(f"The sound of '{path}' ends before its pictures; use another clip.")
    heard = samples[0, max(0, first) :]
    left = max(0, -first)
    return OwnSound(np.pad(heard, (left, last - first - left - len(heard))), steps)


def lips_of(shot: FollowedShot, steps: int) -> SeenLips:
    """The lips of a shot at stage 1's clock."""
    seen, times = shot.speaker.seen, shot.times
    middles = (np.arange(steps) + 0.5) / FEATURE_RATE
    columns = [np.interp(middles, times[seen], column[seen]) for column in shot.fit.lip_motion.T]
    nearest = np.searchsorted((times[1:] + times[:-1]) / 2, middles)
    usable = seen[nearest] & (middles < float(shot.duration))
    motion = np.stack(columns, axis=1).astype(np.float32)
    return SeenLips(motion, usable, shot.frames.start + nearest)


@dataclass(frozen=True, slots=True)
class Placed:
    """A clip's speech features `[T25, D]` with its sound moved into place, by how many `seconds`
    (in the middle, where it runs away), what to say of it, and whether it is `doubted` that these
    lips made this sound."""

    features: Array
    seconds: float
    says: str = ""
    doubted: bool = False


@dataclass(frozen=True, slots=True)
class Listener:
    """A clip's sound beside its lips; `listen` makes speech features of sound."""

    sound: OwnSound
    lips: SeenLips
    reader: LipReader
    listen: Listen

    def place(self, given: float | None = None) -> Placed:
        """Move the sound to the lips: by `given` seconds, or by what is measured where that is
        sure."""
        if given is not None:
            return Placed(self.listen(self.sound.moved(given)), given)
        features = self.listen(self.sound.moved())
        parts = self.parts(features)
        if runs_away(parts):
            return self._place_parts(parts)
        found = self.measure(features)
        if not found.believed:
            alien = found.sure < _DOUBTED and found.frames >= LEAST_TO_CHOOSE
            return Placed(features, 0.0, doubted=alien)
        late = f"is {abs(found.seconds) * 1000:.0f} ms {'late' if found.seconds > 0 else 'early'}"
        says = f"{late}; its lips were read with it moved."
        noteworthy = abs(found.seconds) >= _NOTEWORTHY
        features = self.listen(self.sound.moved(found.seconds))
        return Placed(features, found.seconds, says if noteworthy else "")

    def measure(self, features: Array) -> SoundOffset:
        """How late the sound is, measured once more with the sound moved there: nearest to 0 it is
        finest."""
        found = self._compare(features, slice(None))
        if found.sure < SURE or abs(found.seconds) < _NOTEWORTHY:
            return found
        again = self._compare(self.listen(self.sound.moved(found.seconds)), slice(None))
        if abs(again.seconds) > _NOTEWORTHY:
            return found
        return replace(again, seconds=found.seconds + again.seconds)

    def parts(self, features: Array) -> list[tuple[int, SoundOffset]]:
        """The first step and the offset of each four to ten seconds or so."""
        steps = min(max(len(features) // 3, _SHORTEST_PART), _LONGEST_PART)
        stretches = np.array_split(np.arange(len(features)), max(1, len(features) // steps))
        return [
            (int(part[0]), self._compare(features, slice(part[0], part[-1] + 1)))
            for part in stretches
        ]

    def _compare(self, features: Array, steps: slice) -> SoundOffset:
        expected = self.reader.expect(features)[steps]
        return self.reader.measure(expected, self.lips.motion[steps], self.lips.usable[steps])

    def _place_parts(self, parts: Parts) -> Placed:
        """Each part by its own offset; an unsure one by that of the sure part nearest to it."""
        sure = [(first, found.seconds) for first, found in parts if found.sure >= SURE]
        rows, offsets = [], []
        edges = [first for first, _ in parts] + [self.sound.steps]
        for first, last in pairwise(edges):
            seconds = min((abs(at - first), seconds) for at, seconds in sure)[1]
            low, high = max(0, first - _MARGIN), min(self.sound.steps, last + _MARGIN)
            heard = self.listen(self.sound.moved(seconds, low, high))
            rows.append(heard[first - low : last - low])
            offsets.append(seconds)
        says = (
            f"runs away from its lips, from {min(offsets) * 1000:.0f} to"
            f" {max(offsets) * 1000:.0f} ms; it was read in parts."
        )
        return Placed(np.concatenate(rows), float(np.median(offsets)), says)


def runs_away(parts: Parts) -> bool:
    """Whether the sound's place changes within a clip."""
    sure = [found.seconds for _, found in parts if found.sure >= SURE]
    return len(sure) > 1 and max(sure) - min(sure) > _RUNS_AWAY


def measure_sync(path: str, reader: LipReader, on_progress: OnProgress) -> dict[str, Any]:
    """How late a file's sound is against the lips of its speaker, as plain data.

    Raises MediaError without sound, NoFaceError where nobody is seen.
    """
    info = probe_video(path)
    whole = check_range(path, None, info)
    return sync_facts(
        path, follow_shot(info, whole, reader.face_model, "track", on_progress), reader
    )


def offset_of_faces(
    info: VideoInfo, faces: ShotFaces, spans: Spans, reader: LipReader
) -> float | None:
    """How late the sound of a whole clip is, s, where that is sure."""
    try:
        shot = fit_speaker(info, FrameRange(0, faces.length), faces, spans, reader.face_model)
        facts = sync_facts(info.path, shot, reader)
    except (NoFaceError, MediaError):
        return None
    return float(facts["offset"]) if facts["sure"] >= SURE else None


def sync_facts(path: str, shot: FollowedShot, reader: LipReader) -> dict[str, Any]:
    """`offset` s (late: positive), how `sure` 0..1, `frames` at 25 Hz that were compared, and
    `parts` where the sound runs away."""
    sound = read_own_sound(path, shot.start, shot.duration)
    listener = Listener(sound, lips_of(shot, sound.steps), reader, reader.front_end.features)
    features = reader.front_end.features(sound.moved())
    facts, parts = _plain(listener.measure(features)), listener.parts(features)
    if runs_away(parts):
        facts["parts"] = [{"second": first / FEATURE_RATE, **_plain(p)} for first, p in parts]
    return facts


def _plain(found: SoundOffset) -> dict[str, Any]:
    offset, sure = round(found.seconds, 3), round(found.sure, 3)
    return {"offset": offset, "sure": sure, "frames": found.frames}
