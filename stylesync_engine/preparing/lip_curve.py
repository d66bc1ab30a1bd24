"""The lips of a dub before anything is rendered: how far they will be apart, frame by frame."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from stylesync_engine.arrays import Array
from stylesync_engine.faces.tracking import lip_gap
from stylesync_engine.preparing.checks import Checked
from stylesync_engine.preparing.job import Job
from stylesync_engine.preparing.lips import predict_unseen
from stylesync_engine.preparing.preparing import follow, predict
from stylesync_engine.request import LipCurve, OnProgress
from stylesync_engine.weights.loading import Models

OnGlance = Callable[[LipCurve], None]


def predict_curve(
    checked: Checked, models: Models, on_progress: OnProgress, on_glance: OnGlance | None = None
) -> LipCurve:
    """What the lips will do, exactly as a dub of the request has it.

    Following the speaker takes its time where nobody has followed this shot before; `on_glance`
    hears of what the speech alone says as soon as it was heard. Raises a DubError.
    """
    job = Job(checked.request, models, on_progress)
    if on_glance is not None:
        on_glance(_glance(job, checked))
    shot, style = follow(job, checked)
    motion = predict(job, checked, shot, style, None)
    beta = np.nan_to_num(shot.fit.beta)
    face = models.face_model.speak(shot.fit.neutral, beta, np.nan_to_num(motion))
    dubbed = shot.speaker.seen & np.isfinite(motion).all(axis=1)
    gap = np.where(dubbed, lip_gap(face), np.nan)
    original = lip_gap(shot.speaker.landmarks)
    return LipCurve(
        shot.frames, shot.info.rate, _listed(gap), _listed(original), warnings=tuple(job.warnings)
    )


def _glance(job: Job, checked: Checked) -> LipCurve:
    frames, rate, face_model = checked.frames, checked.info.rate, job.models.face_model
    motion = predict_unseen(job, frames, rate)
    beta = np.zeros((len(motion), len(face_model.expression)), np.float32)
    gap = lip_gap(face_model.speak(face_model.mean, beta, np.nan_to_num(motion)))
    shown = np.where(np.isfinite(motion).all(axis=1), gap, np.nan)
    return LipCurve(frames, rate, _listed(shown), (None,) * len(frames), glance=True)


def _listed(values: Array) -> tuple[float | None, ...]:
    return tuple(round(float(v), 4) if np.isfinite(v) else None for v in values)
