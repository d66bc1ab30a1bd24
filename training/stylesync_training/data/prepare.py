"""From folders of talking clips to training data, one folder a step, restartable.

    DATA/tracks/<speaker>/<clip>.safetensors    landmarks [T, 468, 3] px at 25 Hz, and the shots
    DATA/face_model.safetensors                 Eq. 1, learned from the tracks or given
    DATA/clips/<speaker>/<clip>.safetensors     crops, points, expression, pose, speech features

Each folder's `dropped.json` names the clips that were left out, and why.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from stylesync_engine.faces.face_model import FaceModel, ShotFit
from stylesync_engine.faces.tracking import ShotFaces, choose_speaker, follow_faces, stretches
from stylesync_engine.media import probe_video, read_audio, read_frames
from stylesync_engine.mouth.crop import Alignment, cut_from
from stylesync_engine.pictures.image import PixelImage
from stylesync_engine.request import DubError, FrameRange, MediaError, ModelError
from stylesync_engine.speech.features import FEATURE_RATE, SAMPLE_RATE, SpeechFrontEnd
from stylesync_engine.speech.front_ends import load_front_end
from stylesync_engine.speech.sync import LipReader
from stylesync_engine.weights.loading import load_lip_reader
from stylesync_training.data.corpora import SourceClip
from stylesync_training.data.workspace import read_json

OnDone = Callable[[int, int], None]

DROPPED = "dropped.json"
_LEAST_SEEN = 0.98  # share of a shot's frames with a face; below, only whole stretches are used
_LEAST_FRAMES = 50  # at 25 Hz: shorter shots teach nothing about a way of speaking
_QUIET = 1e-3  # RMS of sound in which nobody speaks


def track_clips(
    clips: Sequence[SourceClip], folder: Path, workers: int = 2, on_done: OnDone | None = None
) -> dict[str, str]:
    """Follow the speaker of every clip; returns reasons for those dropped, by path."""
    known = read_dropped(folder)
    jobs = [
        (clip, clip.under(folder))
        for clip in clips
        if not clip.under(folder).exists() and clip.label not in known
    ]
    return _run_all(_track, jobs, workers, folder, on_done)


def cut_clips(
    clips: Sequence[SourceClip],
    tracks: Path,
    folder: Path,
    face_model: Path,
    front_end: str,
    weights: Path | None = None,
    workers: int = 2,
    on_done: OnDone | None = None,
) -> dict[str, str]:
    """Crops, fits and speech features of every tracked clip; returns reasons for those dropped."""
    known = read_dropped(folder)
    jobs = [
        (clip, clip.under(tracks), clip.under(folder), face_model, front_end, weights)
        for clip in clips
        if clip.under(tracks).exists()
        and not clip.under(folder).exists()
        and clip.label not in known
    ]
    return _run_all(_cut, jobs, workers, folder, on_done)


def read_dropped(folder: Path) -> dict[str, str]:
    """Reasons by clip of what a step left out."""
    report = folder / DROPPED
    return dict(read_json(report)) if report.exists() else {}


def _run_all(
    step: Callable[..., str | None],
    jobs: Sequence[tuple[object, ...]],
    workers: int,
    folder: Path,
    on_done: OnDone | None,
) -> dict[str, str]:
    folder.mkdir(parents=True, exist_ok=True)
    dropped: dict[str, str] = {}
    with ProcessPoolExecutor(max_workers=workers) as pool:
        reasons = pool.map(_attempt, [step] * len(jobs), jobs)
        for done, (job, why) in enumerate(zip(jobs, reasons, strict=True), start=1):
            if why:
                dropped[getattr(job[0], "label", str(job[0]))] = why
            if on_done:
                on_done(done, len(jobs))
    keep_dropped(folder, dropped)
    return dropped


def keep_dropped(folder: Path, dropped: dict[str, str]) -> None:
    """Add the reasons of a step to those that its folder keeps already."""
    (folder / DROPPED).write_text(json.dumps({**read_dropped(folder), **dropped}, indent=2))


def _attempt(step: Callable[..., str | None], job: tuple[object, ...]) -> str | None:
    try:
        return step(*job)
    except DubError as error:
        return str(error)


def _track(clip: SourceClip, target: Path) -> str | None:
    state: ShotFaces | int = 0
    for state in follow_faces(_pictures(clip)):
        if isinstance(state, ShotFaces):
            break
    if not isinstance(state, ShotFaces) or not state.length:
        return "it has no frames"
    speaker = choose_speaker(state)
    shots = _shots(speaker.seen, state.cuts)
    if not shots:
        seen = speaker.seen.mean()
        return f"no shot of 2 s shows the face throughout (it is seen in {seen:.0%} of the frames)"
    _check_sound(clip)
    _save(
        target,
        {"landmarks": _fill(speaker.landmarks), "shots": np.array(shots, np.int64)},
    )
    return None


def _shots(seen: NDArray[np.bool_], cuts: Sequence[int]) -> list[tuple[int, int]]:
    """Half-open ranges without a cut in which the face is there, long enough to learn from. In a
    shot that hardly ever loses the face the missing frames are filled, else only whole stretches
    are taken."""
    found = []
    for first, last in zip([0, *cuts], [*cuts, len(seen)], strict=True):
        if last > first and seen[first:last].mean() >= _LEAST_SEEN:
            found.append((first, last))
        else:
            found += [(first + a, first + b) for a, b in stretches(seen[first:last])]
    return [(a, b) for a, b in found if b - a >= _LEAST_FRAMES]


def _check_sound(clip: SourceClip) -> None:
    """Raises MediaError where there is no sound or it is silent."""
    level = float(np.sqrt(np.mean(np.square(_speech(clip)), dtype=np.float64)))
    if level < _QUIET:
        raise MediaError(f"The sound of '{clip.path}' is silent.")


def _cut(
    clip: SourceClip,
    track: Path,
    target: Path,
    face_model: Path,
    front_end: str,
    weights: Path | None,
) -> str | None:
    model = FaceModel.load(face_model)
    landmarks, shots = read_track(track)
    speech = _speech(clip)
    features = _front_end(front_end, weights).features(speech)
    parts = []
    for first, last in shots:
        last = min(last, len(features))
        if last - first < _LEAST_FRAMES:
            continue
        fit = model.fit(landmarks[first:last])
        parts.append((first, last, fit, Alignment.of(fit.pose)))
    if not parts:
        return "its sound is shorter than 2 s"
    late = _lateness(speech, [(a, b, fit) for a, b, fit, _ in parts])
    if late:
        features = _front_end(front_end, weights).features(_earlier(speech, late))
    crops = _cut_crops(clip, [(a, b, alignment) for a, b, _, alignment in parts])
    # The first shot's file is the clip's own: with it the clip is done, so it is written last.
    for number in reversed(range(len(parts))):
        first, last, fit, alignment = parts[number]
        name = target if number == 0 else target.with_stem(f"{target.stem}.shot{number + 1}")
        tensors: dict[str, NDArray[np.generic]] = {
            "crops": crops[number],
            "points": alignment.points(landmarks[first:last]),
            "beta": fit.beta,
            "alpha": fit.alpha,
            "neutral": fit.neutral,
            "angles": fit.pose.angles(),
            "scale": fit.pose.scale,
            "rotation": fit.pose.rotation,
            "speech": features[first:last].astype(np.float16),
        }
        _save(name, tensors)
    return None


def _lateness(speech: NDArray[np.float32], shots: Sequence[tuple[int, int, ShotFit]]) -> float:
    """How late the clip's sound is against its lips, s, by the starter's models; 0 where they are
    not sure. Half a frame blurs what is to be learned."""
    reader = _lip_reader()
    expected = reader.expect(reader.front_end.features(speech))
    first, last, fit = max(shots, key=lambda shot: shot[1] - shot[0])
    usable = np.ones(last - first, bool)
    return reader.measure(expected[first:last], fit.lip_motion, usable).believed


def _earlier(speech: NDArray[np.float32], seconds: float) -> NDArray[np.float32]:
    """Sound that was late by so much, moved into place; silence where there is none."""
    samples = round(seconds * SAMPLE_RATE)
    if samples < 0:
        return np.pad(speech, (-samples, 0))[: len(speech)]
    return np.pad(speech[samples:], (0, min(samples, len(speech))))


@functools.cache
def _lip_reader() -> LipReader:
    return load_lip_reader()


def _cut_crops(
    clip: SourceClip, shots: Sequence[tuple[int, int, Alignment]]
) -> list[NDArray[np.uint8]]:
    """The aligned crops `[T, 256, 256, 3]` of each shot, in one pass over the clip."""
    crops: list[list[NDArray[np.uint8]]] = [[] for _ in shots]
    for index, picture in enumerate(_pictures(clip)):
        for number, (first, last, alignment) in enumerate(shots):
            if first <= index < last:
                crops[number].append(cut_from(picture, alignment.matrices[index - first]))
    return [np.stack(own) for own in crops]


def _pictures(clip: SourceClip) -> Iterator[PixelImage]:
    """The clip's pictures at 25 Hz, whatever its own rate: at each tick's middle the one shown."""
    frames = _frames_of(clip)
    start: Fraction | None = None
    tick = 0
    for frame in read_frames(str(clip.path), frames):
        start = frame.time if start is None else start
        end = frame.time - start + frame.duration
        while Fraction(2 * tick + 1, 2 * FEATURE_RATE) < end:
            yield frame.image
            tick += 1


def _frames_of(clip: SourceClip) -> FrameRange | None:
    if clip.seconds is None:
        return None
    info = probe_video(clip.path)
    first, last = (round(second * info.rate) for second in clip.seconds)
    return FrameRange(first, min(last, info.frames))


def _speech(clip: SourceClip) -> NDArray[np.float32]:
    samples, _ = read_audio(str(clip.path), sample_rate=SAMPLE_RATE, mono=True)
    if clip.seconds is None:
        return samples[0]
    first, last = (int(second * SAMPLE_RATE) for second in clip.seconds)
    return samples[0][first:last]


_front_ends: dict[str, SpeechFrontEnd] = {}


def _front_end(name: str, weights: Path | None) -> SpeechFrontEnd:
    """One front end a process: loading it costs more than a clip."""
    if name not in _front_ends:
        import torch

        torch.set_num_threads(1)
        _front_ends[name] = load_front_end(name, weights, torch.device("cpu"))
    return _front_ends[name]


def read_track(path: Path) -> tuple[NDArray[np.float32], list[tuple[int, int]]]:
    """Landmarks `[T, 468, 3]` px of a tracked clip, and its shots as half-open ranges of frames.

    Raises ModelError naming the file where it is damaged.
    """
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path} is damaged ({error}); delete it and prepare again.") from error
    landmarks = tensors["landmarks"]
    shots = tensors.get("shots", np.array([[0, len(landmarks)]]))
    return landmarks, [(int(a), int(b)) for a, b in shots]


def _fill(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """The few frames without a face take the landmarks of the nearest frame with one."""
    seen = np.flatnonzero(np.isfinite(landmarks).all(axis=(1, 2)))
    nearest = seen[np.abs(np.arange(len(landmarks))[:, None] - seen).argmin(axis=1)]
    return landmarks[nearest]


def _save(target: Path, tensors: dict[str, NDArray[np.generic]]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(f".{os.getpid()}.part")
    save_file({name: np.ascontiguousarray(values) for name, values in tensors.items()}, partial)
    partial.replace(target)
