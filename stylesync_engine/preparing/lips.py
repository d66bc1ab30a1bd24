"""Stage 1: the new speech and the style reference -> lip motion at the shot's own frame times."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from stylesync_engine.arrays import Array
from stylesync_engine.media import Clip, duration_of, note_on_track, probe_video
from stylesync_engine.plan.sources import (
    check_range,
    clip_of,
    shot_of,
    style_source,
    style_track,
)
from stylesync_engine.preparing.job import Job
from stylesync_engine.preparing.late_sound import Listener, SeenLips, lips_of, read_own_sound
from stylesync_engine.preparing.mouth_keys import apply_keys
from stylesync_engine.preparing.new_speech import read_speech
from stylesync_engine.preparing.shot_rest import rest_of_shot
from stylesync_engine.preparing.shots import FollowedShot
from stylesync_engine.request import (
    DubError,
    FrameRange,
    MediaError,
    Progress,
)
from stylesync_engine.speech.features import FEATURE_RATE
from stylesync_engine.speech.style import (
    LEAST_REFERENCE,
    ClosedFormReading,
    NetworkReading,
    StyleReference,
)

Speak = Callable[[Array], Array]

LEAST_STYLE = 64  # frames at 25 Hz that make a style reference
# Face heights by which the opening of lips that speak scatters, at least: .009 to .013 with speech
# of any kind, also whispered, sung, over telephones or under music; .0026 with music alone.
_LEAST_OPENING = 0.004


def resample_motion(motion: Array, times: NDArray[np.float64]) -> Array:
    """25 Hz rows `[T25, 13]`, valid at the middles of their 40 ms -> values at `times` `[T]` s;
    NaN stays NaN."""
    known = np.isfinite(times)
    at = np.clip(times[known] * FEATURE_RATE - 0.5, 0, len(motion) - 1)
    low = np.minimum(at.astype(int), max(0, len(motion) - 2))
    high = np.minimum(low + 1, len(motion) - 1)
    part = (at - low)[:, None]
    resampled = np.full((len(times), motion.shape[1]), np.nan, np.float32)
    resampled[known] = motion[low] * (1 - part) + motion[high] * part
    return resampled


def listen_ahead(job: Job, frames: FrameRange, around: FrameRange) -> None:
    """Hear what stage 1 will ask for of the `frames` to dub and of what lies `around` them, while
    nobody has followed the shot yet. What is wrong with a sound is told when it is asked for."""
    request, shot = job.request, shot_of(job.request)
    with suppress(DubError):
        job.features(read_speech(request, duration_of(shot, frames)).filled, "speech")
        _hear(job, request.video, shot, frames)
        if request.options.style_reading != "none":
            style = clip_of(request, request.style) if request.style else shot
            part = request.style_frames if request.style else around
            _hear(job, style_source(request), style, part)


def _hear(job: Job, path: str, clip: Clip, frames: FrameRange | None) -> None:
    """The sound of `path` that belongs to frames of a clip."""
    part = check_range(path, frames, probe_video(clip))
    start = duration_of(clip, FrameRange(0, part.start)) if part.start else Fraction(0)
    track = style_track(job.request, path)
    job.features(read_own_sound(path, start, duration_of(clip, part), track).moved(), "style")


def predict_motion(job: Job, shot: FollowedShot, reference: StyleReference | None) -> Array:
    """Stage 1: lip motion `[T, 13]` at the shot's own frame times; NaN where a frame is to stay."""
    policy = job.request.options.length
    speech = read_speech(job.request, shot.duration)
    job.warnings.extend(speech.warnings(policy))
    if job.request.options.speech_stream is None:
        job.warnings.extend(note_on_track(job.request.speech, "speech"))
    speak, neutral = _read_style(job, reference), shot.fit.neutral
    said = speak(job.features(speech.filled, "speech"))
    job.on_progress(Progress("lips", len(said), len(said)))
    times = speech.times(shot.times, policy)
    last = int(np.argmax(np.nan_to_num(times, nan=-1)))
    motion = resample_motion(said, times) + _rest(job, shot, speak, last)
    motion = job.models.face_model.keep_apart(neutral, motion)
    return _keyed(job, motion, shot.fit.lip_motion, shot.frames, shot.info.rate, neutral)


def predict_unseen(job: Job, frames: FrameRange, rate: Fraction) -> Array:
    """The same for source `frames` at `rate` frames/s of which nobody has seen anything: of nobody
    in particular."""
    speech = read_speech(job.request, len(frames) / rate)
    face_model = job.models.face_model
    motion = _way_of(job, None)(job.features(speech.filled, "speech"))
    motion = face_model.keep_apart(face_model.mean, motion)
    times = np.arange(0.5, len(frames)) / float(rate)
    motion = resample_motion(motion, speech.times(times, job.request.options.length))
    return _keyed(job, motion, motion, frames, rate, face_model.mean)


def _keyed(
    job: Job, motion: Array, own: Array, frames: FrameRange, rate: Fraction, neutral: Array
) -> Array:
    keys, face_model = job.request.mouth_keys, job.models.face_model
    return apply_keys(keys, motion, own, frames, float(rate), face_model, neutral)


def _read_style(job: Job, reference: StyleReference | None) -> Speak:
    """Speech features `[T, D]` -> lip motion `[T, 13]` in the person's way, as much of it as is
    wanted."""
    own, share = _way_of(job, reference), job.request.options.style_strength
    if share == 1 or reference is None:
        return own
    plain = _way_of(job, None)
    return lambda features: share * own(features) + (1 - share) * plain(features)


def _way_of(job: Job, reference: StyleReference | None) -> Speak:
    models, options = job.models, job.request.options
    reading = options.style_reading or models.style_reading
    if reading in ("closed-form", "attention"):
        closed = ClosedFormReading(
            models.lip_motion,
            models.closed_form,
            options.articulation,
            models.face_model,
            attend=reading == "attention",
        )
        manner = closed.read(reference)
        return lambda features: closed.speak(features, manner)
    opening = models.face_model.opening()
    network = NetworkReading(models.lip_motion, articulation=options.articulation, opening=opening)
    known = None if reading == "none" else reference
    return lambda features: network.predict(features, known)


def _rest(job: Job, shot: FollowedShot, speak: Speak, last: int) -> Array:
    """What this shot's own rest adds at each of its frames, `[T, 13]`, of which the `last` one that
    speaks is known; nothing without sound."""
    try:
        video = job.request.video
        track = style_track(job.request, video)
        sound = read_own_sound(video, shot.start, shot.duration, track)
    except MediaError:
        return np.zeros_like(shot.fit.lip_motion)
    lips, expected = lips_of(shot, sound.steps), speak(job.features(sound.moved(), "speech"))
    angles, first = shot.fit.pose.angles(), shot.frames.start
    return rest_of_shot(expected, lips, angles, first, job.models.face_model, last)


def style_reference(job: Job, shot: FollowedShot, dubbed: FrameRange) -> StyleReference | None:
    """What the followed clip says about the person's way of speaking; None, with a warning, where
    it says nothing."""
    request = job.request
    if request.options.style_reading == "none":
        return None
    path, what = style_source(request), "style" if request.style else "shot's own sound"
    try:
        track = style_track(request, path)
        sound = read_own_sound(path, shot.start, shot.duration, track)
        job.warnings.extend(note_on_track(path, what) if track is None else [])
    except MediaError as error:
        why = str(error)
        if not request.style:
            heard = "'s own sound cannot be read" if shot.info.audio else " has no sound of its own"
            why = f"The shot{heard}."
        job.warnings.append(f"{why} The person's style was not read.")
        return None
    role, lips = "style" if request.style else "shot", lips_of(shot, sound.steps)
    listener = Listener(sound, lips, job.lip_reader, lambda heard: job.features(heard, "style"))
    placed = listener.place(request.options.style_offset)
    job.sound_offsets[role] = round(placed.seconds, 3)
    if placed.says:
        job.warnings.append(f"The {role}'s sound {placed.says}")
    usable = lips.usable if request.style else _outside(lips, dubbed)
    spoken = _speaks(job, placed.features)
    if request.style:
        job.warnings.extend(_doubts(spoken, placed.doubted))
    if usable.sum() < LEAST_REFERENCE or not spoken:
        return None
    return StyleReference(placed.features, lips.motion, usable)


def _speaks(job: Job, features: Array) -> bool:
    """Whether a sound lets lips expect that open and close."""
    opening = job.lip_reader.expect(features) @ job.models.face_model.opening()
    return float(opening.std()) >= _LEAST_OPENING


def _doubts(spoken: bool, doubted: bool) -> list[str]:
    if not spoken:
        return [
            "No speech is heard in the style's sound, so the person's style was not read;"
            " give a clip in which the person speaks."
        ]
    if doubted:
        return [
            "The style's lips do not seem to make the style's sound (other words, music or a sound"
            " that runs away?); if the lips look wrong, give another clip or --style-offset."
        ]
    return []


def _outside(lips: SeenLips, dubbed: FrameRange) -> NDArray[np.bool_]:
    """The steps of the shot outside of the dub, where there are enough of them."""
    outside = lips.usable & ((lips.frames < dubbed.start) | (lips.frames >= dubbed.end))
    return outside if outside.sum() >= LEAST_STYLE else lips.usable
