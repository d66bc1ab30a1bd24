"""Steps 1 to 3 of a dub: follow the speaker, read the style reference, predict the lips."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stylesync_engine import __version__
from stylesync_engine.appearance import (
    ReferenceBank,
    choose_coverage,
    choose_path,
    mixing_weights,
    skin_tone,
)
from stylesync_engine.checkpoints import Models
from stylesync_engine.face_model import ShotFit
from stylesync_engine.faces import ShotFaces, Speaker, choose_speaker, follow_faces
from stylesync_engine.media import VideoInfo, probe_video, read_audio, read_frames
from stylesync_engine.models.renderer import motion_rows
from stylesync_engine.mouth import Alignment, cut_crop, place_in_crop
from stylesync_engine.plan import Plan
from stylesync_engine.request import (
    DubRequest,
    FrameRange,
    MediaError,
    NoFaceError,
    Progress,
    RequestError,
    SpeakerPoint,
    Stage,
)
from stylesync_engine.speech import FEATURE_RATE, SAMPLE_RATE
from stylesync_engine.style import ClosedFormReading, NetworkReading, StyleReference

Array = NDArray[np.float32]
OnProgress = Callable[[Progress], None]

LEAST_STYLE = 64  # frames at 25 Hz that make a style reference
_STYLE_REACH = 750  # frames before and after the range that may serve as the shot's own style
_QUIET = 1e-4  # RMS below which speech counts as silent


@dataclass(frozen=True, slots=True)
class FollowedShot:
    """A speaker in a range of a clip: `fit` and `alignment` over its T frames, `times` `[T]` s of
    the frames' middles from `start`, s, when the range's first frame appears; `duration` s."""

    info: VideoInfo
    frames: FrameRange
    speaker: Speaker
    cuts: tuple[int, ...]
    fit: ShotFit
    alignment: Alignment
    times: NDArray[np.float64]
    start: Fraction
    duration: float

    @property
    def points(self) -> Array:
        """Landmarks `[T, 468, 2]` in crop px."""
        return self.alignment.points(self.speaker.landmarks)


def prepare_plan(request: DubRequest, models: Models, on_progress: OnProgress) -> Plan:
    """Everything that stage 2 needs. Raises a DubError for what cannot be dubbed."""
    info = probe_video(request.video)
    frames = resolve_range(request, info)
    warnings: list[str] = []
    around = frames if request.style else _with_surroundings(frames, info)
    followed = follow_shot(
        request.video, info, around, request.speaker, models, "track", on_progress
    )
    shot = _part(followed, frames)
    _warn_of_cuts(shot, warnings)
    style = (
        follow_style(request.style, request.style_frames, models, on_progress)
        if request.style
        else None
    )
    reference = _style_reference(request, style or followed, frames, models, warnings, on_progress)
    motion = predict_motion(request, shot, reference, models, warnings, on_progress)
    shown = np.flatnonzero(shot.speaker.seen & np.isfinite(motion).all(axis=1))
    if not len(shown):
        raise NoFaceError(
            "No frame of the range can be dubbed;"
            " choose a range that shows the speaker during the speech."
        )
    return _assemble_plan(request, models, shot, style, motion, shown, warnings, on_progress)


def resolve_range(request: DubRequest, info: VideoInfo) -> FrameRange:
    """The frames to dub. Raises RequestError where the range leaves the clip."""
    frames = check_range(request.video, request.frames, info)
    if request.speaker is not None and request.speaker.frame not in frames:
        raise RequestError(
            f"The speaker point lies in frame {request.speaker.frame}, outside of {frames};"
            " click in a frame of the range."
        )
    return frames


def check_range(path: str, frames: FrameRange | None, info: VideoInfo) -> FrameRange:
    """The range, the whole clip without one. Raises RequestError where it leaves the clip."""
    if frames is None:
        return FrameRange(0, info.frames)
    if frames.end > info.frames:
        raise RequestError(
            f"Frames {frames} were asked of '{path}', which has {info.frames} frames;"
            f" give a range within 0:{info.frames}."
        )
    return frames


def follow_shot(
    path: str,
    info: VideoInfo,
    frames: FrameRange,
    point: SpeakerPoint | None,
    models: Models,
    stage: Stage,
    on_progress: OnProgress,
) -> FollowedShot:
    """Follow one speaker through `frames` of a clip and fit the face model."""
    spans: list[tuple[Fraction, Fraction]] = []

    def pictures() -> Iterator[NDArray[np.uint8]]:
        for frame in read_frames(path, frames):
            spans.append((frame.time, frame.duration))
            yield frame.to_rgb()

    faces = find_faces(pictures(), len(frames), stage, on_progress)
    local = replace(point, frame=point.frame - frames.start) if point else None
    speaker = choose_speaker(faces, local)
    fit = models.face_model.fit(speaker.landmarks, faces.cuts)
    start = spans[0][0]
    times = np.array([float(time - start + duration / 2) for time, duration in spans])
    length = float(spans[-1][0] + spans[-1][1] - start)
    return FollowedShot(
        info, frames, speaker, faces.cuts, fit, Alignment.of(fit.pose), times, start, length
    )


def find_faces(
    pictures: Iterable[NDArray[np.uint8]], total: int, stage: Stage, on_progress: OnProgress
) -> ShotFaces:
    """Everybody in a stream of `total` pictures."""
    faces = ShotFaces(0, (), ())
    for state in follow_faces(pictures):
        if isinstance(state, ShotFaces):
            faces = state
        else:
            on_progress(Progress(stage, state, total))
    return faces


def follow_style(
    path: str, frames: FrameRange | None, models: Models, on_progress: OnProgress
) -> FollowedShot:
    """The style clip's speaker. Raises RequestError where the range leaves the clip."""
    info = probe_video(path)
    frames = check_range(path, frames, info)
    try:
        return follow_shot(path, info, frames, None, models, "style", on_progress)
    except NoFaceError as error:
        raise NoFaceError(f"Style reference: {error}") from error


def predict_motion(
    request: DubRequest,
    shot: FollowedShot,
    reference: StyleReference | None,
    models: Models,
    warnings: list[str],
    on_progress: OnProgress,
) -> Array:
    """Stage 1: lip motion `[T, 13]` at the shot's own frame times; NaN where a frame is to stay."""
    samples = read_speech(request)
    duration = shot.duration
    length = len(samples) / SAMPLE_RATE
    if length > duration + 0.04:
        warnings.append(
            f"The speech is {length - duration:.2f} s longer than the range; its end was cut off."
        )
    if float(np.sqrt(np.mean(np.square(samples), dtype=np.float64))) < _QUIET:
        warnings.append(
            "The speech is silent; the mouth rests. Check the file if that is not meant."
        )
    steps = math.ceil(duration * FEATURE_RATE)
    heard = samples[: math.ceil(duration * SAMPLE_RATE)]
    short = length < duration - 0.04
    if short:
        warnings.append(_shortage(request, duration - length))
        heard = np.pad(heard, (0, max(0, steps * SAMPLE_RATE // FEATURE_RATE - len(heard))))
    features = models.front_end.features(
        heard, on_block=lambda done, total: on_progress(Progress("speech", done, total))
    )
    motion = _read_style(models, request.options.style_reading, features, reference)
    on_progress(Progress("lips", len(motion), len(motion)))
    at = shot.times.copy()
    if short and request.options.length == "hold":
        at = np.minimum(at, length - 0.5 / FEATURE_RATE)
    resampled = resample_motion(motion, at)
    if short and request.options.length == "trim":
        resampled[shot.times > length] = np.nan
    return resampled


def _read_style(
    models: Models, choice: str | None, features: Array, reference: StyleReference | None
) -> Array:
    reading = choice or models.style_reading
    if reading == "closed-form":
        return ClosedFormReading(models.lip_motion, models.closed_form).predict(features, reference)
    return NetworkReading(models.lip_motion).predict(
        features, None if reading == "none" else reference
    )


def read_speech(request: DubRequest) -> Array:
    """The new speech, mono at 16 kHz, `[S]`."""
    if request.speech_samples is None:
        samples, _ = read_audio(request.speech, sample_rate=SAMPLE_RATE, mono=True)
        return np.asarray(samples[0], np.float32)
    samples, rate = cut_speech(request)
    import librosa

    return np.asarray(
        librosa.resample(samples.mean(axis=0), orig_sr=rate, target_sr=SAMPLE_RATE), np.float32
    )


def cut_speech(request: DubRequest) -> tuple[Array, int]:
    """The new speech as it is, `[C, S]` and its rate, cut to the asked samples."""
    if request.speech_samples is None:
        return read_audio(request.speech)
    start, end = request.speech_samples
    samples, rate = read_audio(request.speech, start_sample=start, end_sample=end)
    if samples.shape[1] == 0:
        raise RequestError(f"The speech ends before sample {start}; give a range within the file.")
    return samples, rate


def resample_motion(motion: Array, times: NDArray[np.float64]) -> Array:
    """25 Hz rows `[T25, 13]`, valid at the middles of their 40 ms -> values at `times` `[T]` s."""
    at = np.clip(times * FEATURE_RATE - 0.5, 0, len(motion) - 1)
    low = np.minimum(at.astype(int), max(0, len(motion) - 2))
    high = np.minimum(low + 1, len(motion) - 1)
    part = (at - low)[:, None]
    return np.asarray(motion[low] * (1 - part) + motion[high] * part, np.float32)


def fingerprint(request: DubRequest, models: Models) -> str:
    """What the pixels depend on: inputs, options, models, engine."""
    data = json.loads(request.to_json())
    for name in ("output", "work", "consent"):
        data.pop(name, None)
    for name in ("device", "codec", "delivery"):
        data["options"].pop(name, None)
    paths = [request.video, request.speech, request.style, request.style_speech]
    paths += [_appearance_path(request.options.appearance)]
    data["files"] = [_identity(path) for path in paths if path]
    data["models"], data["engine"] = models.fingerprint, __version__
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def _identity(path: str) -> str:
    """A file by size and by its first and last MiB: enough to see that it was exchanged."""
    digest = hashlib.sha256()
    try:
        with Path(path).open("rb") as file:
            size = file.seek(0, 2)
            for start in (0, max(0, size - 2**20)):
                file.seek(start)
                digest.update(file.read(2**20))
    except OSError as error:
        if Path(path).is_dir() or "%" in path:
            return f"sequence:{path}"
        raise MediaError(f"'{path}' cannot be read ({error.strerror}); check the path.") from error
    return f"{size}:{digest.hexdigest()}"


def _with_surroundings(frames: FrameRange, info: VideoInfo) -> FrameRange:
    return FrameRange(
        max(0, frames.start - _STYLE_REACH), min(info.frames, frames.end + _STYLE_REACH)
    )


def _part(shot: FollowedShot, frames: FrameRange) -> FollowedShot:
    """The same fit, over the frames of the dub alone."""
    if frames == shot.frames:
        return shot
    part = slice(frames.start - shot.frames.start, frames.end - shot.frames.start)
    speaker = replace(
        shot.speaker, landmarks=shot.speaker.landmarks[part], seen=shot.speaker.seen[part]
    )
    if not speaker.seen.any():
        raise NoFaceError(
            "The speaker is not seen in the range; choose a range that shows the face."
        )
    fit = replace(shot.fit, pose=shot.fit.pose[part], beta=shot.fit.beta[part])
    cuts = tuple(cut - part.start for cut in shot.cuts if part.start < cut < part.stop)
    offset = (
        float(Fraction(part.start) / shot.info.rate)
        if not shot.info.variable_rate
        else _edge(shot, part.start)
    )
    end = _edge(shot, part.stop) if part.stop < len(shot.times) else shot.duration
    start = shot.start + Fraction(offset).limit_denominator(10**6)
    return FollowedShot(
        shot.info,
        frames,
        speaker,
        cuts,
        fit,
        shot.alignment[part],
        shot.times[part] - offset,
        start,
        end - offset,
    )


def _edge(shot: FollowedShot, frame: int) -> float:
    """When a frame appears, from the middles of the frames before it."""
    edge = 0.0
    for middle in shot.times[:frame]:
        edge = 2 * float(middle) - edge
    return edge


def _warn_of_cuts(shot: FollowedShot, warnings: list[str]) -> None:
    if shot.cuts:
        frames = ", ".join(str(shot.frames.start + cut) for cut in shot.cuts)
        warnings.append(
            f"The range is cut at frame {frames};"
            " only frames that show the same person were dubbed."
        )


def _style_reference(
    request: DubRequest,
    shot: FollowedShot,
    dubbed: FrameRange,
    models: Models,
    warnings: list[str],
    on_progress: OnProgress,
) -> StyleReference | None:
    """Speech and lips of the style reference at 25 Hz, silence of the face left out."""
    if request.options.style_reading == "none":
        return None
    path = request.style_speech or request.style or request.video
    try:
        samples, _ = read_audio(path, sample_rate=SAMPLE_RATE, mono=True)
    except MediaError:
        warnings.append(
            f"The style reference '{path}' has no sound; the person's style was not read."
        )
        return None
    first = round(shot.start * SAMPLE_RATE)
    heard = samples[0, first : first + math.ceil(shot.duration * SAMPLE_RATE)]
    if len(heard) < SAMPLE_RATE // 2:
        warnings.append(
            f"The sound of '{path}' ends before the style reference;"
            " the person's style was not read."
        )
        return None
    features = models.front_end.features(
        heard, on_block=lambda done, total: on_progress(Progress("style", done, total))
    )
    return _at_feature_rate(shot, features, None if request.style else dubbed)


def _at_feature_rate(
    shot: FollowedShot, features: Array, dubbed: FrameRange | None
) -> StyleReference | None:
    """Pair speech rows with lip motion; of the shot itself the frames outside of the dub where
    there are enough of them."""
    seen = shot.speaker.seen
    if seen.sum() < 2:
        return None
    middles = (np.arange(len(features)) + 0.5) / FEATURE_RATE
    motion = np.stack(
        [np.interp(middles, shot.times[seen], column[seen]) for column in shot.fit.lip_motion.T],
        axis=1,
    )
    nearest = np.abs(shot.times[None] - middles[:, None]).argmin(axis=1)
    usable = seen[nearest] & (middles < shot.duration)
    if dubbed is not None:
        source = shot.frames.start + nearest
        outside = usable & ((source < dubbed.start) | (source >= dubbed.end))
        usable = outside if outside.sum() >= LEAST_STYLE else usable
    if usable.sum() < 8:
        return None
    return StyleReference(features, motion.astype(np.float32), usable)


def _shortage(request: DubRequest, seconds: float) -> str:
    ending = {
        "trim": "the frames after it were left as they are",
        "hold": "the mouth holds its last shape",
        "silence": "the mouth rests after it",
    }[request.options.length]
    return f"The speech is {seconds:.2f} s shorter than the range; {ending}."


def _appearance_path(appearance: str) -> str | None:
    if appearance in ("auto", "shot", "style"):
        return None
    name, frames = _split_range(appearance)
    return name if frames else appearance


def _split_range(text: str) -> tuple[str, FrameRange | None]:
    """`FILE:A:B` -> the file and its frames; a path without a range is itself."""
    head, _, last = text.rpartition(":")
    name, _, first = head.rpartition(":")
    if name and first.isdecimal() and last.isdecimal():
        return name, FrameRange(int(first), int(last))
    return text, None


def _assemble_plan(
    request: DubRequest,
    models: Models,
    shot: FollowedShot,
    style: FollowedShot | None,
    motion: Array,
    shown: NDArray[np.int64],
    warnings: list[str],
    on_progress: OnProgress,
) -> Plan:
    fit = shot.fit
    seen = replace(fit, pose=fit.pose[shown], beta=fit.beta[shown])
    shape = models.face_model.speak(fit.neutral, seen.beta, motion[shown])
    after = place_in_crop(shape, seen.pose)
    angles = seen.pose.angles()
    bank, tone = _references(request, models, shot, style, on_progress)
    path = choose_path(bank, after, angles, tone=tone)
    mixed = mixing_weights(path, bank)
    return Plan(
        request=request,
        frames=shot.frames,
        fingerprint=fingerprint(request, models),
        shown=shown,
        matrices=shot.alignment.matrices[shown],
        before=shot.points[shown],
        after=after,
        motion=motion_rows(motion, fit.alpha, fit.pose.angles(), models.renderer.sizes)[shown],
        references=np.array([[m[0][0], m[-1][0]] for m in mixed], np.int64),
        shares=np.array([[m[0][1], m[1][1] if len(m) > 1 else 0.0] for m in mixed], np.float32),
        bank=bank,
        facts={
            "warnings": warnings,
            "models": models.name,
            "rate": str(shot.info.rate),
            "passed_through": _gaps(shown, len(shot.frames)),
        },
    )


def _references(
    request: DubRequest,
    models: Models,
    shot: FollowedShot,
    style: FollowedShot | None,
    on_progress: OnProgress,
) -> tuple[ReferenceBank, Array]:
    """Frames that serve as reference images, and the shot's own tone."""
    choice = request.options.appearance
    own = cut_references(request.video, shot)
    tone = np.median(skin_tone(own.crops), axis=0)
    if choice == "style" and style is None:
        raise RequestError("--appearance style needs a style clip; give one with --style.")
    if choice in ("auto", "style") and style is not None:
        theirs = cut_references(style.info.path, style)
        return (theirs if choice == "style" else own.join(theirs)), tone
    if choice in ("auto", "shot"):
        return own, tone
    name, frames = _split_range(choice)
    info = probe_video(name)
    frames = check_range(name, frames, info)
    clip = follow_shot(name, info, frames, None, models, "style", on_progress)
    return cut_references(name, clip), tone


def cut_references(path: str, shot: FollowedShot) -> ReferenceBank:
    """The crops of the frames that cover most mouths and poses."""
    seen = np.flatnonzero(shot.speaker.seen)
    points, angles = shot.points, shot.fit.pose.angles()
    kept = seen[choose_coverage(points[seen], angles[seen])]
    wanted = set(kept.tolist())
    crops = [
        cut_crop(frame.to_rgb(), shot.alignment.matrices[index])
        for index, frame in enumerate(read_frames(path, shot.frames))
        if index in wanted
    ]
    return ReferenceBank(np.stack(crops), points[kept], angles[kept], kept)


def _gaps(shown: NDArray[np.int64], total: int) -> list[list[int]]:
    """Half-open ranges of output frames that are left as they are."""
    edges = [-1, *shown.tolist(), total]
    return [[a + 1, b] for a, b in pairwise(edges) if b > a + 1]
