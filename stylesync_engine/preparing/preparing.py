"""Steps 1 to 3 of a dub: follow the speaker, read the style reference, predict the lips."""

from __future__ import annotations

import threading
from dataclasses import replace
from itertools import pairwise

import numpy as np

from stylesync_engine.arrays import Array, Image, Indices
from stylesync_engine.media import VideoInfo
from stylesync_engine.models.renderer import motion_rows
from stylesync_engine.mouth.crop import place_in_crop
from stylesync_engine.mouth.likeness import Correction
from stylesync_engine.mouth.references import (
    ReferenceBank,
    choose_path,
    lacking_mouths,
    lip_openings,
    mixing_weights,
)
from stylesync_engine.plan.identity import describe_inputs, fingerprint
from stylesync_engine.plan.person import Person
from stylesync_engine.plan.plan import Facts, Plan
from stylesync_engine.preparing.checks import Checked
from stylesync_engine.preparing.fitting import fit_person, known_fit
from stylesync_engine.preparing.job import Job
from stylesync_engine.preparing.lips import predict_motion, style_reference
from stylesync_engine.preparing.people import person_of
from stylesync_engine.preparing.reference_frames import choose_references
from stylesync_engine.preparing.shots import FollowedShot
from stylesync_engine.request import (
    Cancelled,
    FrameRange,
    NoFaceError,
    OnProgress,
    Progress,
)
from stylesync_engine.threads import Workers
from stylesync_engine.weights.loading import Models

_STYLE_REACH = 750  # frames before and after the range that may serve as the shot's own style


def prepare_plan(
    checked: Checked, models: Models, on_progress: OnProgress
) -> tuple[Plan, ReferenceBank, Correction | None]:
    """Everything that stage 2 needs: the plan, its references, what a fit to the person corrects
    about these. Raises a DubError for what cannot be dubbed."""
    job = Job(checked.request, models, on_progress)
    _warn_of_undecoded(checked.info, job.warnings)
    person = person_of(job)
    shot, style, motion = follow_and_predict(job, checked, person)
    _warn_of_cuts(shot, job.warnings)
    shown = np.flatnonzero(shot.speaker.seen & np.isfinite(motion).all(axis=1))
    if not len(shown):
        raise NoFaceError(
            "No frame of the range can be dubbed;"
            " choose a range that shows the speaker during the speech."
        )
    return _assemble_plan(job, shot, style, motion, shown, person)


def follow_and_predict(
    job: Job, checked: Checked, person: Person | None = None
) -> tuple[FollowedShot, FollowedShot, Array]:
    """The shot, what shows the person's style, and the lips `[T, 13]`, NaN where frames stay. The
    style of a `person` who was made is known."""
    frames = checked.frames
    if person is not None:
        shot = job.follow(job.request.video, frames, "track", within=frames)
        read = job.request.options.style_reading != "none"
        return shot, shot, predict_motion(job, shot, person.style if read else None)
    around = frames if job.request.style else _with_surroundings(frames, checked.info)
    followed, style = _follow_both(job, around, frames)
    shot, style = followed.part(frames), style or followed
    return shot, style, predict_motion(job, shot, style_reference(job, style, frames))


def _with_surroundings(frames: FrameRange, info: VideoInfo) -> FrameRange:
    first, last = frames.start - _STYLE_REACH, frames.end + _STYLE_REACH
    return FrameRange(max(0, first), min(info.frames, last))


def _follow_both(
    job: Job, around: FrameRange, frames: FrameRange
) -> tuple[FollowedShot, FollowedShot | None]:
    """The shot, and the style clip beside it on another core; who asked hears of the one after the
    other."""
    if not job.request.style:
        return job.follow(job.request.video, around, "track", within=frames), None
    stopped, alone = threading.Event(), threading.Event()

    def on_style(progress: Progress) -> None:
        if stopped.is_set():
            raise Cancelled("The shot could not be followed.")
        if alone.is_set():
            job.on_progress(progress)

    with Workers(1) as beside:
        waiting = beside.submit(lambda: _follow_style(replace(job, on_progress=on_style)))
        try:
            shot = job.follow(job.request.video, around, "track", within=frames)
            alone.set()
            style = waiting.result()
        finally:
            stopped.set()
    job.on_progress(Progress("style", len(style.frames), len(style.frames)))
    return shot, style


def _follow_style(job: Job) -> FollowedShot:
    request = job.request
    try:
        return job.follow(request.style or request.video, request.style_frames, "style")
    except NoFaceError as error:
        raise NoFaceError(f"Style reference: {error}") from error


def _warn_of_undecoded(info: VideoInfo, warnings: list[str]) -> None:
    head, tail = info.undecoded
    if head or tail:
        places = [f"{head} before the first"] * bool(head) + [f"{tail} after the last"] * bool(tail)
        warnings.append(
            f"The shot was cut between key frames: {' and '.join(places)} frame that can be decoded"
            " are left out, and frame 0 is the first one that can."
        )


def _warn_of_cuts(shot: FollowedShot, warnings: list[str]) -> None:
    if shot.cuts:
        frames = ", ".join(str(shot.frames.start + cut) for cut in shot.cuts)
        warnings.append(
            f"The range is cut at frame {frames};"
            " only frames that show the same person were dubbed."
        )


def _assemble_plan(
    job: Job,
    shot: FollowedShot,
    style: FollowedShot,
    motion: Array,
    shown: Indices,
    person: Person | None,
) -> tuple[Plan, ReferenceBank, Correction | None]:
    models, fit = job.models, shot.fit
    seen = replace(fit, pose=fit.pose[shown], beta=fit.beta[shown])
    after = place_in_crop(models.face_model.speak(fit.neutral, seen.beta, motion[shown]), seen.pose)
    bank, tone, covers = choose_references(job, shot, style, person)
    hidden = np.stack([covers[int(index)] for index in shown])
    angles = seen.pose.angles()
    path = choose_path(bank, after, angles, tone=tone)
    mixed = mixing_weights(path, bank)
    references = np.array([[m[0][0], m[-1][0]] for m in mixed], np.int64)
    shares = np.array([[m[0][1], m[1][1] if len(m) > 1 else 0.0] for m in mixed], np.float32)
    openings = lip_openings(bank.points).mean(axis=1)
    shown_openings = (shares * openings[references]).sum(axis=1)
    lacking = lacking_mouths(lip_openings(after).mean(axis=1), shown_openings, bank)
    _warn_of_lacking(job, lacking)
    _warn_of_hidden(job, hidden)
    likeness, fitted = known_fit(job, person) or fit_person(job, bank)
    correction = None
    if likeness is not None:
        correction = likeness.correct(bank, (after, angles), (references, shares))
    mesh = np.asarray(np.median(bank.points, axis=0), np.float32)
    typical = int(np.abs(bank.points - mesh).mean(axis=(1, 2)).argmin())
    used, numbers = np.unique([*references.ravel(), typical], return_inverse=True)
    inputs = describe_inputs(job.request, models)
    plan = Plan(
        request=job.request,
        frames=shot.frames,
        fingerprint=fingerprint(inputs),
        shown=shown,
        matrices=shot.alignment.matrices[shown],
        before=shot.points[shown],
        after=after,
        motion=motion_rows(motion, fit.alpha, fit.pose.angles(), models.renderer.sizes)[shown],
        references=numbers[:-1].reshape(shares.shape),
        shares=shares,
        lacking=lacking,
        hidden=hidden,
        mesh=mesh,
        facts=Facts(
            models=models.name,
            models_fingerprint=models.fingerprint,
            inputs=inputs,
            warnings=tuple(job.warnings),
            passed_through=_gaps(shown, len(shot.frames)),
            sound_offsets=job.sound_offsets or None,
            fit=fitted,
            typical=int(numbers[-1]),
        ),
    )
    return plan, bank.only(used), correction


def _warn_of_lacking(job: Job, lacking: Array) -> None:
    count = int((lacking > 0.5).sum())
    if not count:
        return
    draft = job.request.options.quality == "draft"
    done = "draft quality cannot open it" if draft else "the model made it up"
    job.warnings.append(
        f"No reference shows the mouth as open as {count} frames need it: {done};"
        " name a style clip in which this person speaks."
    )


def _warn_of_hidden(job: Job, hidden: Image) -> None:
    count = int(hidden.any(axis=(1, 2)).sum())
    if count:
        job.warnings.append(
            f"Something is before the mouth in {count} frames; there the picture is the source's."
        )


def _gaps(shown: Indices, total: int) -> tuple[tuple[int, int], ...]:
    """Half-open ranges of output frames that are left as they are."""
    edges = [-1, *shown.tolist(), total]
    return tuple((a + 1, b) for a, b in pairwise(edges) if b > a + 1)
