"""Stage 1: the new speech and the style reference -> lip motion at the shot's own frame times."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from stylesync_engine.arrays import Array
from stylesync_engine.media import read_audio_blocks
from stylesync_engine.preparing.job import Job
from stylesync_engine.preparing.new_speech import first_samples, read_speech
from stylesync_engine.preparing.shots import FollowedShot
from stylesync_engine.request import (
    FrameRange,
    MediaError,
    Progress,
)
from stylesync_engine.speech.features import FEATURE_RATE, SAMPLE_RATE
from stylesync_engine.speech.style import (
    LEAST_REFERENCE,
    ClosedFormReading,
    NetworkReading,
    StyleReference,
)

LEAST_STYLE = 64  # frames at 25 Hz that make a style reference


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


def predict_motion(job: Job, shot: FollowedShot, reference: StyleReference | None) -> Array:
    """Stage 1: lip motion `[T, 13]` at the shot's own frame times; NaN where a frame is to stay."""
    policy = job.request.options.length
    speech = read_speech(job.request, shot.duration)
    job.warnings.extend(speech.warnings(policy))
    features = job.features(speech.filled, "speech")
    motion = _read_style(job, features, reference)
    job.on_progress(Progress("lips", len(motion), len(motion)))
    return resample_motion(motion, speech.times(shot.times, policy))


def _read_style(job: Job, features: Array, reference: StyleReference | None) -> Array:
    models = job.models
    reading = job.request.options.style_reading or models.style_reading
    if reading == "closed-form":
        return ClosedFormReading(models.lip_motion, models.closed_form).predict(features, reference)
    network = NetworkReading(models.lip_motion)
    return network.predict(features, None if reading == "none" else reference)


def style_reference(job: Job, shot: FollowedShot, dubbed: FrameRange) -> StyleReference | None:
    """What the followed clip says about the person's way of speaking; None, with a warning, where
    it says nothing."""
    request = job.request
    if request.options.style_reading == "none":
        return None
    path = request.style_speech or request.style or request.video
    try:
        heard = _read_sound_of(path, shot)
    except MediaError:
        job.warnings.append(
            f"The style reference '{path}' has no sound; the person's style was not read."
        )
        return None
    if len(heard) < SAMPLE_RATE // 2:
        job.warnings.append(
            f"The sound of '{path}' ends before the style reference;"
            " the person's style was not read."
        )
        return None
    return _at_feature_rate(shot, job.features(heard, "style"), None if request.style else dubbed)


def _read_sound_of(path: str, shot: FollowedShot) -> Array:
    """What is heard in `path` during a shot, mono at 16 kHz, `[S]`; may be shorter."""
    first = round(shot.start * SAMPLE_RATE)
    last = first + math.ceil(shot.duration * SAMPLE_RATE)
    samples, _ = first_samples(read_audio_blocks(path, SAMPLE_RATE, mono=True), last)
    return samples[0, first:]


def _at_feature_rate(
    shot: FollowedShot, features: Array, dubbed: FrameRange | None
) -> StyleReference | None:
    """Pair speech rows with lip motion; of the shot itself the frames outside of the dub where
    there are enough of them."""
    seen, times = shot.speaker.seen, shot.times
    middles = (np.arange(len(features)) + 0.5) / FEATURE_RATE
    motion = np.stack(
        [np.interp(middles, times[seen], column[seen]) for column in shot.fit.lip_motion.T], axis=1
    )
    borders = (times[1:] + times[:-1]) / 2
    nearest = np.searchsorted(borders, middles)
    usable = seen[nearest] & (middles < float(shot.duration))
    if dubbed is not None:
        source = shot.frames.start + nearest
        outside = usable & ((source < dubbed.start) | (source >= dubbed.end))
        usable = outside if outside.sum() >= LEAST_STYLE else usable
    if usable.sum() < LEAST_REFERENCE:
        return None
    return StyleReference(features, motion.astype(np.float32), usable)
