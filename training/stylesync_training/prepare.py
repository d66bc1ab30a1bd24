"""From folders of talking clips to training data, one folder a step, restartable.

    DATA/tracks/<speaker>/<clip>.safetensors    landmarks [T, 468, 3] px
    DATA/face_model.safetensors                 Eq. 1, learned from the tracks or given
    DATA/clips/<speaker>/<clip>.safetensors     crops, points, expression, pose, speech features
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from stylesync_engine.face_model import FaceModel
from stylesync_engine.faces import ShotFaces, choose_speaker, follow_faces
from stylesync_engine.media import read_audio, read_frames
from stylesync_engine.mouth import Alignment, cut_crop
from stylesync_engine.request import DubError
from stylesync_engine.speech import SAMPLE_RATE, SpeechFrontEnd, load_front_end
from stylesync_training.face_model import learn_face_model

VIDEO_SUFFIXES = frozenset({".mpg", ".mp4", ".mov", ".mkv", ".avi", ".webm", ".m4v", ".mxf"})
_LEAST_SEEN = 0.98  # share of frames with a face below which a clip is dropped


@dataclass(frozen=True, slots=True)
class SourceClip:
    """A clip of one speaker; the folder's name is the speaker's."""

    speaker: str
    name: str
    path: Path

    def under(self, folder: Path) -> Path:
        return folder / self.speaker / f"{self.name}.safetensors"


def find_clips(root: Path, speakers: Sequence[str] | None = None) -> list[SourceClip]:
    """Clips of a folder with one folder a speaker (GRID's convention)."""
    files = sorted(p for p in root.rglob("*") if p.suffix.lower() in VIDEO_SUFFIXES)
    clips = [SourceClip(path.parent.name, path.stem, path) for path in files]
    return [clip for clip in clips if speakers is None or clip.speaker in speakers]


def track_clips(clips: Sequence[SourceClip], folder: Path, workers: int = 2) -> dict[str, str]:
    """Follow the speaker of every clip; returns reasons for those dropped, by path."""
    jobs = [(clip, clip.under(folder)) for clip in clips if not clip.under(folder).exists()]
    return _run_all(_track, jobs, workers, folder)


def learn_from_tracks(clips: Sequence[SourceClip], folder: Path) -> FaceModel:
    """The face model of all tracked clips among `clips`."""
    groups: dict[str, list[NDArray[np.float32]]] = {}
    for clip in clips:
        if clip.under(folder).exists():
            groups.setdefault(clip.speaker, []).append(load_file(clip.under(folder))["landmarks"])
    return learn_face_model(groups)


def cut_clips(
    clips: Sequence[SourceClip], tracks: Path, folder: Path, face_model: Path, front_end: str, weights: Path, workers: int = 2
) -> dict[str, str]:
    """Crops, fits and speech features of every tracked clip; returns reasons for those dropped."""
    jobs = [
        (clip, clip.under(tracks), clip.under(folder), face_model, front_end, weights)
        for clip in clips
        if clip.under(tracks).exists() and not clip.under(folder).exists()
    ]
    return _run_all(_cut, jobs, workers, folder)


def _run_all(step: Callable[..., str | None], jobs: Sequence[tuple[object, ...]], workers: int, folder: Path) -> dict[str, str]:
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(max_workers=workers) as pool:
        reasons = pool.map(_attempt, [step] * len(jobs), jobs)
        dropped = {str(getattr(job[0], "path", job[0])): why for job, why in zip(jobs, reasons, strict=True) if why}
    report = folder / "dropped.json"
    earlier = json.loads(report.read_text()) if report.exists() else {}
    report.write_text(json.dumps({**earlier, **dropped}, indent=2))
    return dropped


def _attempt(step: Callable[..., str | None], job: tuple[object, ...]) -> str | None:
    try:
        return step(*job)
    except DubError as error:
        return str(error)


def _track(clip: SourceClip, target: Path) -> str | None:
    faces = None
    for faces in follow_faces(_pictures(clip.path)):
        pass
    if not isinstance(faces, ShotFaces):
        return "no frames"
    speaker = choose_speaker(faces)
    if speaker.seen.mean() < _LEAST_SEEN:
        return f"the face is seen in {speaker.seen.mean():.0%} of the frames"
    _save(target, {"landmarks": _fill(speaker.landmarks)})
    return None


def _cut(
    clip: SourceClip, track: Path, target: Path, face_model: Path, front_end: str, weights: Path
) -> str | None:
    model = FaceModel.load(face_model)
    landmarks = load_file(track)["landmarks"]
    fit = model.fit(landmarks)
    alignment = Alignment.of(fit.pose)
    crops = np.stack([cut_crop(p, m) for p, m in zip(_pictures(clip.path), alignment.matrices, strict=True)])
    features = _front_end(front_end, weights).features(_speech(clip.path))
    count = min(len(crops), len(features))
    _save(
        target,
        {
            "crops": crops[:count],
            "points": alignment.points(landmarks)[:count],
            "beta": fit.beta[:count],
            "alpha": fit.alpha,
            "neutral": fit.neutral,
            "angles": fit.pose.angles()[:count],
            "scale": fit.pose.scale[:count],
            "rotation": fit.pose.rotation[:count],
            "speech": features[:count].astype(np.float16),
        },
    )
    return None


def _pictures(path: Path) -> Iterator[NDArray[np.uint8]]:
    return (frame.to_rgb() for frame in read_frames(str(path)))


def _speech(path: Path) -> NDArray[np.float32]:
    samples, _ = read_audio(str(path), sample_rate=SAMPLE_RATE, mono=True)
    return samples[0]


_front_ends: dict[str, SpeechFrontEnd] = {}


def _front_end(name: str, weights: Path) -> SpeechFrontEnd:
    """One front end a process: loading it costs more than a clip."""
    if name not in _front_ends:
        import torch

        torch.set_num_threads(1)
        _front_ends[name] = load_front_end(name, weights, torch.device("cpu"))
    return _front_ends[name]


def _fill(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """The few frames without a face take the landmarks of the nearest frame with one."""
    seen = np.flatnonzero(np.isfinite(landmarks).all(axis=(1, 2)))
    nearest = seen[np.abs(np.arange(len(landmarks))[:, None] - seen).argmin(axis=1)]
    return landmarks[nearest]


def _save(target: Path, tensors: dict[str, NDArray[np.generic]]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(f".{os.getpid()}.part")
    save_file({name: np.ascontiguousarray(values) for name, values in tensors.items()}, partial)
    os.replace(partial, target)
