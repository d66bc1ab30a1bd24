"""Steps 1 to 3 of a dub: follow the speaker, read the style reference, predict the lips."""

from __future__ import annotations

import math
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from stylesync_engine.assembling.fine_texture import cut_fine, magnification
from stylesync_engine.faces.face_alignment import FaceAlignmentLandmarker
from stylesync_engine.media import VideoInfo, read_audio_blocks, read_frames
from stylesync_engine.models.renderer import motion_rows
from stylesync_engine.mouth.crop import CROP, cut_crop, place_in_crop
from stylesync_engine.mouth.occlusion import find_hidden, sample_colours, watched_places
from stylesync_engine.mouth.references import (
    Indices,
    ReferenceBank,
    choose_coverage,
    choose_path,
    lacking_mouths,
    lip_openings,
    mixing_weights,
    skin_tone,
)
from stylesync_engine.plan.identity import (
    appearance_clip,
    describe_inputs,
    fingerprint,
    probe_clip,
    resolve_range,
)
from stylesync_engine.plan.plan import Plan
from stylesync_engine.preparing.new_speech import first_samples, read_speech
from stylesync_engine.preparing.shots import FollowedShot, OnProgress, check_range, follow_shot
from stylesync_engine.request import (
    Cancelled,
    DubRequest,
    FrameRange,
    MediaError,
    NoFaceError,
    Progress,
    Stage,
)
from stylesync_engine.speech.front_ends import FEATURE_RATE, SAMPLE_RATE
from stylesync_engine.speech.style import (
    LEAST_REFERENCE,
    ClosedFormReading,
    NetworkReading,
    StyleReference,
)
from stylesync_engine.weights.loading import Models

Array = NDArray[np.float32]
Image = NDArray[np.uint8]

LEAST_STYLE = 64  # frames at 25 Hz that make a style reference
_STYLE_REACH = 750  # frames before and after the range that may serve as the shot's own style


@dataclass(frozen=True, slots=True)
class _Job:
    """One preparation: what was asked, with what, and what there is to say about it."""

    request: DubRequest
    models: Models
    on_progress: OnProgress
    warnings: list[str] = field(default_factory=list)

    def follow(
        self,
        path: str,
        frames: FrameRange | None,
        stage: Stage,
        within: FrameRange | None = None,
    ) -> FollowedShot:
        """Follow a clip's speaker, `within` given the one who was clicked."""
        info = probe_clip(self.request, path)
        frames = check_range(path, frames, info)
        point = self.request.speaker if within else None
        model = self.models.face_model
        landmarker = None
        if self.request.options.landmarks == "face-alignment":
            landmarker = FaceAlignmentLandmarker(model, self.models.device.type)
        return follow_shot(info, frames, model, stage, self.on_progress, point, within, landmarker)

    def features(self, samples: Array, stage: Stage) -> Array:
        """Speech rows `[T25, D]` of mono sound `[S]` at 16 kHz."""
        return self.models.front_end.features(
            samples, on_block=lambda done, total: self.on_progress(Progress(stage, done, total))
        )


def prepare_plan(
    request: DubRequest, models: Models, on_progress: OnProgress
) -> tuple[Plan, ReferenceBank]:
    """Everything that stage 2 needs. Raises a DubError for what cannot be dubbed."""
    job = _Job(request, models, on_progress)
    info = probe_clip(request, request.video)
    frames = resolve_range(request, info)
    around = frames if request.style else _with_surroundings(frames, info)
    followed, style = _follow_both(job, around, frames)
    shot = followed.part(frames)
    _warn_of_cuts(shot, job.warnings)
    motion = _predict_motion(job, shot, _style_reference(job, style or followed, frames))
    shown = np.flatnonzero(shot.speaker.seen & np.isfinite(motion).all(axis=1))
    if not len(shown):
        raise NoFaceError(
            "No frame of the range can be dubbed;"
            " choose a range that shows the speaker during the speech."
        )
    return _assemble_plan(job, shot, style or followed, motion, shown)


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


def cut_references(
    shot: FollowedShot, times: int = 1, every: bool = False
) -> tuple[ReferenceBank, dict[int, Image]]:
    """The crops of the frames that cover most mouths and poses; their fine texture too where the
    faces to dub are some `times` larger than a crop.

    Beside them what hides the mouth, `[16, 32]` a frame, of these frames or of `every` one that
    shows the speaker. Crops with something before the mouth are no references.
    """
    seen = np.flatnonzero(shot.speaker.seen)
    points, angles = shot.points, shot.fit.pose.angles()
    kept = seen[choose_coverage(points[seen], angles[seen])]
    watched, skin = (seen if every else kept), watched_places(points[seen])
    colours = np.empty((len(watched), len(skin), 3), np.uint8)
    place, row = ({int(index): i for i, index in enumerate(some)} for some in (kept, watched))
    crops, fine = np.empty((len(kept), CROP, CROP, 3), np.uint8), [b""] * len(kept)
    for index, frame in enumerate(read_frames(shot.info.path, shot.frames, shot.info.reading)):
        if index not in row:
            continue
        picture, matrix = frame.to_rgb(), shot.alignment.matrices[index]
        crop = cut_crop(picture, matrix)
        colours[row[index]] = sample_colours(crop, points[index, skin])
        if index in place:
            crops[place[index]] = crop
            if times > 1:
                fine[place[index]] = cut_fine(picture, matrix, times)
    covers = find_hidden(colours, points[watched][:, skin])
    hidden = {int(index): cover for index, cover in zip(watched, covers, strict=True)}
    bank = ReferenceBank(crops, points[kept], angles[kept], kept, tuple(fine))
    return bank.part(np.array([not hidden[int(index)].any() for index in kept])), hidden


def _with_surroundings(frames: FrameRange, info: VideoInfo) -> FrameRange:
    first, last = frames.start - _STYLE_REACH, frames.end + _STYLE_REACH
    return FrameRange(max(0, first), min(info.frames, last))


def _follow_both(
    job: _Job, around: FrameRange, frames: FrameRange
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

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(_follow_style, replace(job, on_progress=on_style))
        try:
            shot = job.follow(job.request.video, around, "track", within=frames)
            alone.set()
            style = waiting.result()
        finally:
            stopped.set()
    job.on_progress(Progress("style", len(style.frames), len(style.frames)))
    return shot, style


def _follow_style(job: _Job) -> FollowedShot:
    request = job.request
    try:
        return job.follow(request.style or request.video, request.style_frames, "style")
    except NoFaceError as error:
        raise NoFaceError(f"Style reference: {error}") from error


def _warn_of_cuts(shot: FollowedShot, warnings: list[str]) -> None:
    if shot.cuts:
        frames = ", ".join(str(shot.frames.start + cut) for cut in shot.cuts)
        warnings.append(
            f"The range is cut at frame {frames};"
            " only frames that show the same person were dubbed."
        )


def _predict_motion(job: _Job, shot: FollowedShot, reference: StyleReference | None) -> Array:
    """Stage 1: lip motion `[T, 13]` at the shot's own frame times; NaN where a frame is to stay."""
    policy = job.request.options.length
    speech = read_speech(job.request, shot.duration)
    job.warnings.extend(speech.warnings(policy))
    features = job.features(speech.filled, "speech")
    motion = _read_style(job, features, reference)
    job.on_progress(Progress("lips", len(motion), len(motion)))
    return resample_motion(motion, speech.times(shot.times, policy))


def _read_style(job: _Job, features: Array, reference: StyleReference | None) -> Array:
    models = job.models
    reading = job.request.options.style_reading or models.style_reading
    if reading == "closed-form":
        return ClosedFormReading(models.lip_motion, models.closed_form).predict(features, reference)
    network = NetworkReading(models.lip_motion)
    return network.predict(features, None if reading == "none" else reference)


def _style_reference(job: _Job, shot: FollowedShot, dubbed: FrameRange) -> StyleReference | None:
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


def _assemble_plan(
    job: _Job, shot: FollowedShot, style: FollowedShot, motion: Array, shown: Indices
) -> tuple[Plan, ReferenceBank]:
    models, fit = job.models, shot.fit
    seen = replace(fit, pose=fit.pose[shown], beta=fit.beta[shown])
    after = place_in_crop(models.face_model.speak(fit.neutral, seen.beta, motion[shown]), seen.pose)
    draft = job.request.options.quality == "draft"  # a preview, which should come soon
    times = 1 if draft else magnification(shot.alignment.matrices[shown])
    bank, tone, covers = _references(job, shot, style, times)
    hidden = np.stack([covers[int(index)] for index in shown])
    path = choose_path(bank, after, seen.pose.angles(), tone=tone)
    mixed = mixing_weights(path, bank)
    used = {index for frame in mixed for index, _ in frame}
    fine = tuple(part if index in used else b"" for index, part in enumerate(bank.fine))
    references = np.array([[m[0][0], m[-1][0]] for m in mixed], np.int64)
    shares = np.array([[m[0][1], m[1][1] if len(m) > 1 else 0.0] for m in mixed], np.float32)
    openings = lip_openings(bank.points).mean(axis=1)
    shown_openings = (shares * openings[references]).sum(axis=1)
    lacking = lacking_mouths(lip_openings(after).mean(axis=1), shown_openings, bank)
    _warn_of_lacking(job, lacking)
    _warn_of_hidden(job, hidden)
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
        references=references,
        shares=shares,
        lacking=lacking,
        hidden=hidden,
        facts={
            "warnings": job.warnings,
            "magnification": times,
            "models": models.name,
            "models_fingerprint": models.fingerprint,
            "rate": str(shot.info.rate),
            "inputs": inputs,
            "passed_through": _gaps(shown, len(shot.frames)),
        },
    )
    return plan, replace(bank, fine=fine)


def _warn_of_lacking(job: _Job, lacking: Array) -> None:
    count = int((lacking > 0.5).sum())
    if not count:
        return
    draft = job.request.options.quality == "draft"
    done = "draft quality cannot open it" if draft else "the model made it up"
    job.warnings.append(
        f"No reference shows the mouth as open as {count} frames need it: {done};"
        " name a style clip in which this person speaks."
    )


def _warn_of_hidden(job: _Job, hidden: Image) -> None:
    count = int(hidden.any(axis=(1, 2)).sum())
    if count:
        job.warnings.append(
            f"Something is before the mouth in {count} frames; there the picture is the source's."
        )


def _references(
    job: _Job, shot: FollowedShot, style: FollowedShot, times: int
) -> tuple[ReferenceBank, Array, dict[int, Image]]:
    """Frames that serve as reference images, the shot's own tone, and what hides its mouths.

    `style` is the style clip, or without one the shot and its surroundings.
    """
    choice = job.request.options.appearance
    clip, frames = appearance_clip(choice)
    surrounded = not job.request.style and style.frames != shot.frames and choice == "auto"
    only_theirs = bool(clip) or choice == "style" or surrounded
    own, hidden = cut_references(shot, 1 if only_theirs else times, every=True)
    tone = np.median(skin_tone(own.crops), axis=0)
    if clip:
        return cut_references(job.follow(clip, frames, "style"), times)[0], tone, hidden
    if choice == "shot" or not (job.request.style or surrounded):
        return own, tone, hidden
    theirs, _ = cut_references(style, times)
    return (theirs if only_theirs else own.join(theirs)), tone, hidden


def _gaps(shown: Indices, total: int) -> list[list[int]]:
    """Half-open ranges of output frames that are left as they are."""
    edges = [-1, *shown.tolist(), total]
    return [[a + 1, b] for a, b in pairwise(edges) if b > a + 1]
