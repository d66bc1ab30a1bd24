"""Fine-tune the renderer on one shot's own speaker: every frame with its own lip parameters is a
training pair. The result is a folder that names its base and holds the renderer alone."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stylesync_engine.faces.tracking import ShotFaces, choose_speaker, follow_faces
from stylesync_engine.media import read_frames
from stylesync_engine.models.autoencoder import to_crops
from stylesync_engine.models.renderer import Renderer
from stylesync_engine.mouth.crop import Alignment, cut_from
from stylesync_engine.request import FrameRange, ModelError, NoFaceError, RequestError, SpeakerPoint
from stylesync_engine.weights import table as tables
from stylesync_engine.weights.loading import Models, load_models, save_models
from stylesync_training.data.dataset import TrainingClip
from stylesync_training.data.workspace import write_json
from stylesync_training.fitting.loop import Figures, Schedule, trained_steps
from stylesync_training.fitting.losses import find_mobilenet_weights
from stylesync_training.fitting.renderer import train_renderer
from stylesync_training.fitting.renderer_samples import (
    RendererSamples,
    RendererTraining,
    SampleCache,
)
from stylesync_training.fitting.renderer_sheets import render_samples
from stylesync_training.measures.videos import psnr

Say = Callable[[str, int, int], None]

RATE = 1e-4
# It knows the speaker now, so all of its change is kept, but half within the lips: all of it gives
# held-out frames one decibel more still, and closes the mouths of the speaker's other shots.
LIP_CHANGE = 0.5
_CHECK_SHARE = 0.15  # last frames of the shot, never trained on
_APART = 12  # frames between those and the trained ones
_LEAST = 50  # frames of the speaker that adapting needs


def adapt_renderer(
    video: Path,
    base: str,
    output: Path,
    steps: int,
    frames: FrameRange | None = None,
    speaker: SpeakerPoint | None = None,
    batch: int = 8,
    on_figures: Callable[[Figures], None] | None = None,
) -> dict[str, Any]:
    """Adapt `base` to the speaker of `video`; goes on where an interrupted run stopped.

    Returns lower-half PSNR on the held-out last frames before and after. Raises RequestError
    where `output` is the base itself or holds other models.
    """
    check_output(base, output)
    models = load_models(base, "cpu")
    clip = read_shot(video, models, frames, speaker)
    config = _config(models, steps, batch)
    work = output.with_name(f".{output.name}.training")
    train, check = _samples(clip, models, config, work / "samples")
    start = models.renderer
    adapted = train_renderer(
        config, train, models.autoencoder, work / "adapt", check, on_figures, start=start
    )
    trusted = {
        name: replace(own, change=1.0, lip_change=LIP_CHANGE)
        for name, own in models.samplings.items()
    }
    save_models(output, name=output.name, renderer=adapted, samplings=trusted, base=base)
    facts = {
        "output": str(output),
        "base": base,
        "steps": trained_steps(work / "adapt"),
        "held_out_frames": len(check.clean),
        "PSNR_before": _psnr_of(start, models, train, check),
        "PSNR_after": _psnr_of(adapted, models, train, check),
    }
    write_json(output / "adapted.json", {**facts, "training": dataclasses.asdict(config)})
    shutil.rmtree(work)
    return facts


def check_output(base: str, output: Path) -> None:
    """Raises RequestError where adapting would overwrite the base or other whole models."""
    folder = tables.find_folder(base)
    tables.refuse_layers(output.name, tables.read_manifest(folder))
    if output.resolve() == folder.resolve():
        raise RequestError(
            f"{output} holds the base models themselves; give the adapted ones a folder of their"
            " own."
        )
    if (output / tables.MANIFEST).is_file() and tables.read_manifest(output).base is None:
        raise RequestError(f"{output} holds whole models; adapting would overwrite their renderer.")


def read_shot(
    video: Path,
    models: Models,
    frames: FrameRange | None = None,
    speaker: SpeakerPoint | None = None,
) -> TrainingClip:
    """The shot's speaker as one training clip, frames without the face left out."""
    state: ShotFaces | int = 0
    for state in follow_faces(frame.image for frame in read_frames(str(video), frames)):
        if isinstance(state, ShotFaces):
            break
    if not isinstance(state, ShotFaces):
        raise NoFaceError(f"'{video}' has no frames; choose another shot.")
    first = frames.start if frames else 0
    point = replace(speaker, frame=speaker.frame - first) if speaker else None
    person = choose_speaker(state, point)
    if int(person.seen.sum()) < _LEAST:
        raise NoFaceError(
            f"The speaker is seen in {int(person.seen.sum())} frames; adapting needs {_LEAST}."
        )
    fit = models.face_model.fit(person.landmarks, state.cuts)
    alignment = Alignment.of(fit.pose)
    seen = person.seen
    return TrainingClip(
        speaker="shot",
        name=video.stem,
        crops=_crops(video, frames, alignment, seen),
        points=alignment.points(person.landmarks)[seen],
        beta=fit.beta[seen],
        alpha=fit.alpha,
        neutral=fit.neutral,
        angles=fit.pose.angles()[seen],
        scale=fit.pose.scale[seen],
        rotation=fit.pose.rotation[seen],
        speech=np.zeros((int(seen.sum()), 1), np.float32),
    )


def split_clip(clip: TrainingClip) -> tuple[TrainingClip, TrainingClip]:
    """The frames to train on, and the last ones that tell whether it helped."""
    count = len(clip.crops)
    first = count - max(8, round(count * _CHECK_SHARE))
    return _part(clip, slice(0, first - _APART)), _part(clip, slice(first, count))


def _part(clip: TrainingClip, frames: slice) -> TrainingClip:
    per_frame = ("crops", "points", "beta", "angles", "scale", "rotation", "speech")
    return replace(clip, **{name: getattr(clip, name)[frames] for name in per_frame})


def _config(models: Models, steps: int, batch: int) -> RendererTraining:
    aligned = models.renderer.sizes.aligned
    return RendererTraining(
        sizes=models.renderer.sizes,
        schedule=Schedule(steps=steps, rate=RATE, warm_up=20, decay=0.5, ema=0.98),
        batch=batch,
        prediction=models.prediction,
        frames_per_speaker=600,
        variants=2 if aligned else 1,
        mouth_weight=3.0 if aligned else 0.0,
        pixel_weight=0.5 if aligned else 0.0,
        perceptual_weight=0.05 if aligned and _has_mobilenet() else 0.0,
        vary_colours=False,
    )


def _has_mobilenet() -> bool:
    try:
        find_mobilenet_weights()
    except ModelError:
        return False
    return True


def _samples(
    clip: TrainingClip, models: Models, config: RendererTraining, folder: Path
) -> tuple[RendererSamples, RendererSamples]:
    """Samples to train on and to check with, whose references come from the trained frames."""
    paths = folder / "train.safetensors", folder / "check.safetensors"
    if not all(path.exists() for path in paths):
        train, check = split_clip(clip)
        cache = SampleCache(config, models.face_model, models.autoencoder)
        cache.build([train]).save(paths[0])
        once = replace(config, variants=1, mirror=False)
        cache = SampleCache(once, models.face_model, models.autoencoder)
        cache.build([check], references=[train]).save(paths[1])
    return RendererSamples.load(paths[0]), RendererSamples.load(paths[1])


def _psnr_of(
    network: Renderer, models: Models, train: RendererSamples, check: RendererSamples
) -> float:
    """PSNR in dB of rendered lower halves against the decoded truth, a trained frame as the
    reference face."""
    rendered, truth = render_samples(
        network, models.autoencoder, check, models.prediction, train.clean[:1]
    )
    pictures = [np.round(to_crops(p).numpy() * 255).astype(np.uint8) for p in (rendered, truth)]
    return psnr(*pictures)


def _crops(
    video: Path, frames: FrameRange | None, alignment: Alignment, seen: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    pictures = read_frames(str(video), frames)
    crops = [
        cut_from(frame.image, matrix)
        for frame, matrix, known in zip(pictures, alignment.matrices, seen, strict=True)
        if known
    ]
    return np.stack(crops)
