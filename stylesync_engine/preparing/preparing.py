"""Steps 1 to 3 of a dub: follow the speaker, read the style reference, predict the lips."""

from __future__ import annotations

import threading
from dataclasses import replace

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
from stylesync_engine.plan.faces import gaps_between
from stylesync_engine.plan.identity import describe_inputs, fingerprint
from stylesync_engine.plan.person import Person
from stylesync_engine.plan.pipeline import take_number
from stylesync_engine.plan.plan import Facts, Plan
from stylesync_engine.preparing.checks import Checked
from stylesync_engine.preparing.fitting import fit_person, known_fit
from stylesync_engine.preparing.job import Job
from stylesync_engine.preparing.lips import listen_ahead, predict_motion, style_reference
from stylesync_engine.preparing.people import person_of
from stylesync_engine.preparing.reference_frames import References, choose_references
from stylesync_engine.preparing.shots import FollowedShot
from stylesync_engine.preparing.watching import with_surroundings
from stylesync_engine.request import (
    Cancelled,
    FrameRange,
    NoFaceError,
    OnProgress,
    Progress,
)
from stylesync_engine.threads import Workers
from stylesync_engine.weights.loading import Models


def prepare_plan(
    checked: Checked, models: Models, on_progress: OnProgress
) -> tuple[Plan, ReferenceBank, Correction | None]:
    """Everything that stage 2 needs: the plan, its references, what a fit to the person corrects
    about these. Raises a DubError for what cannot be dubbed."""
    job = Job(checked.request, models, on_progress)
    _warn_of_undecoded(checked.info, job.warnings)
    person = person_of(job)
    shot, style = follow(job, checked, person)
    with Workers(1, begin=take_number) as beside:
        references = beside.submit(lambda: choose_references(job, shot, style, person))
        motion = predict(job, checked, shot, style, person)
        found = references.result()
    _warn_of_cuts(shot, job.warnings)
    shown = np.flatnonzero(shot.speaker.seen & np.isfinite(motion).all(axis=1))
    if not len(shown):
        raise NoFaceError(
            "No frame of the range can be dubbed;"
            " choose a range that shows the speaker during the speech."
        )
    return _assemble_plan(job, shot, motion, shown, person, found)


def follow(
    job: Job, checked: Checked, person: Person | None = None
) -> tuple[FollowedShot, FollowedShot]:
    """The shot, and what shows the person's style; that of a `person` who was made is known."""
    frames = checked.frames
    if person is not None:
        shot = job.follow(job.request.video, frames, "track", within=frames)
        return shot, shot
    around = frames if job.request.style else with_surroundings(frames, checked.info)
    followed, style = _follow_and_listen(job, around, frames)
    return followed.part(frames), style or followed


def predict(
    job: Job, checked: Checked, shot: FollowedShot, style: FollowedShot, person: Person | None
) -> Array:
    """The lips `[T, 13]` of a shot, of what `follow` has found, NaN where frames stay."""
    if person is None:
        return predict_motion(job, shot, style_reference(job, style, checked.frames))
    read = job.request.options.style_reading != "none"
    return predict_motion(job, shot, person.style if read else None)


def _follow_and_listen(
    job: Job, around: FrameRange, frames: FrameRange
) -> tuple[FollowedShot, FollowedShot | None]:
    """The shot, and beside it on other cores the style clip, and what there is to hear; who asked
    hears of the one after the other."""
    stopped, alone = threading.Event(), threading.Event()

    def go_on(progress: Progress | None = None) -> None:
        if stopped.is_set():
            raise Cancelled("The shot could not be followed.")
        if alone.is_set() and progress:
            job.on_progress(progress)

    with Workers(2, begin=take_number) as beside:
        waiting = job.request.style and beside.submit(
            lambda: _follow_style(replace(job, on_progress=go_on))
        )
        listener = replace(job, on_progress=lambda _: go_on())
        beside.submit(lambda: listen_ahead(listener, frames, around))
        try:
            shot = job.follow(job.request.video, around, "track", within=frames)
            alone.set()
            followed = waiting.result() if waiting else None
        except BaseException:
            stopped.set()
            raise
    if followed:
        job.on_progress(Progress("style", len(followed.frames), len(followed.frames)))
    return shot, followed


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
    motion: Array,
    shown: Indices,
    person: Person | None,
    found: References,
) -> tuple[Plan, ReferenceBank, Correction | None]:
    models, fit = job.models, shot.fit
    seen = replace(fit, pose=fit.pose[shown], beta=fit.beta[shown])
    after = place_in_crop(models.face_model.speak(fit.neutral, seen.beta, motion[shown]), seen.pose)
    bank, tone, covers = found
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
            passed_through=gaps_between(shown.tolist(), len(shot.frames)),
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
