"""The steps of a training in their order, each going on where it stopped."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import nn

from stylesync_engine.faces.face_model import FaceModel
from stylesync_engine.media import read_audio
from stylesync_engine.models.autoencoder import (
    AutoencoderSizes,
    PaperAutoencoder,
    StarterAutoencoder,
)
from stylesync_engine.models.lip_motion import LipMotionNetwork, LipMotionSizes
from stylesync_engine.models.renderer import Renderer, RendererSizes
from stylesync_engine.request import ModelError, RequestError
from stylesync_engine.speech.features import SAMPLE_RATE
from stylesync_engine.speech.front_ends import load_front_end
from stylesync_engine.weights import networks
from stylesync_engine.weights import table as tables
from stylesync_training.data.corpora import SourceClip
from stylesync_training.data.dataset import TrainingClip, load_clips, write_index
from stylesync_training.data.prepare import cut_clips, track_clips
from stylesync_training.data.workspace import Workspace, keep_config, read_sizes
from stylesync_training.fitting.autoencoder import AutoencoderTraining, train_autoencoder
from stylesync_training.fitting.curves import draw_curves, watch_with_tensorboard
from stylesync_training.fitting.face_model import learn_from_tracks
from stylesync_training.fitting.lip_motion import LipMotionTraining, train_lip_motion
from stylesync_training.fitting.loop import Figures, accelerator, channels_last, trained_steps
from stylesync_training.fitting.presets import Preset
from stylesync_training.fitting.renderer import train_renderer
from stylesync_training.fitting.renderer_samples import (
    RendererSamples,
    RendererTraining,
    SampleCache,
)
from stylesync_training.fitting.sync_expert import (
    SyncExpertTraining,
    SyncJudge,
    drop_out_of_sync,
    read_sync_expert,
    train_sync_expert,
)

Say = Callable[[str, int, int], None]
M = TypeVar("M", bound=nn.Module)

AUTOENCODER, LIP_MOTION, RENDERER = "autoencoder", "lip-motion", "renderer"
SYNC_EXPERT, QUICK_CODEC, QUICK_RENDERER = "sync-expert", "quick-codec", "quick-renderer"
TRAIN, CHECK = "train", "check"
_CHECK_CLIPS, _CHECK_FRAMES = 4, 60


@dataclass(frozen=True, slots=True)
class Budget:
    """What a command may override of its preset; None keeps the preset's."""

    steps: int | None = None
    batch: int | None = None
    seed: int | None = None
    tensorboard: bool = False

    def apply(self, config: Any) -> Any:
        """The preset's training with this budget."""
        changes: dict[str, Any] = {
            name: value
            for name, value in (("batch", self.batch), ("seed", self.seed))
            if value is not None
        }
        if self.steps is not None:
            changes["schedule"] = replace(config.schedule, steps=self.steps)
        return replace(config, **changes)


def prepare_data(
    space: Workspace,
    clips: Sequence[SourceClip],
    preset: Preset,
    given: Path | None,
    workers: int,
    say: Say,
) -> None:
    """Tracks, the face model (or the `given` one) and training clips of `clips`; those whose sound
    is early or late go where the work folder has a sync expert."""
    space.keep_sources(clips)
    track_clips(clips, space.tracks, workers, lambda done, total: say("track", done, total))
    learn_face(space, clips, preset, given)
    front_end = space.choices.front_end
    space.check_made_with(front_end)
    cut_clips(
        clips,
        space.tracks,
        space.clips,
        space.face_model,
        front_end,
        workers=workers,
        on_done=lambda done, total: say("cut", done, total),
    )
    if trained_steps(space.run(SYNC_EXPERT)):
        drop_out_of_sync(clips, space.clips, read_sync_expert(space.run(SYNC_EXPERT)))
    write_index(space.clips)


def learn_face(
    space: Workspace, clips: Sequence[SourceClip], preset: Preset, given: Path | None = None
) -> FaceModel:
    """The work folder's face model: what is there, else `given`, else learned from the tracks of
    the speakers that are not kept aside."""
    if not space.face_model.exists():
        space.data.mkdir(parents=True, exist_ok=True)
        own = [clip for clip in clips if clip.speaker not in space.choices.kept_aside()]
        model = (
            networks.read_face_model(given)
            if given
            else learn_from_tracks(own, space.tracks, preset.expressions, preset.identities)
        )
        model.save(space.face_model)
    return networks.read_face_model(space.face_model)


def run_autoencoder(space: Workspace, preset: Preset, budget: Budget) -> None:
    """Train the preset's autoencoder. Raises RequestError where the preset takes the public one."""
    if preset.autoencoder is None:
        raise RequestError(
            f"The preset {preset.name} takes the published autoencoder; run stylesync-engine"
            " models pull paper instead."
        )
    config: AutoencoderTraining = budget.apply(preset.autoencoder)
    run = space.run(AUTOENCODER)
    keep_config(run, config)
    train = load_clips(space.clips, space.training_speakers())
    check = _first_of_each(_check_clips(space))
    train_autoencoder(config, train, check, run, _listener(space, run, budget))
    draw_curves(run, space.report / f"{run.name}.png")


def run_lip_motion(space: Workspace, preset: Preset, budget: Budget) -> None:
    """Train stage 1."""
    train = load_clips(space.clips, space.training_speakers(), pictures=False)
    config: LipMotionTraining = budget.apply(preset.lip_motion)
    speech = train[0].speech.shape[1]
    config = replace(config, sizes=replace(config.sizes, speech=speech))
    run = space.run(LIP_MOTION)
    keep_config(run, config)
    check = _check_clips(space, pictures=False)
    face_model = networks.read_face_model(space.face_model)
    train_lip_motion(config, face_model, train, check, run, _listener(space, run, budget))
    draw_curves(run, space.report / f"{run.name}.png")


def run_sync_expert(space: Workspace, preset: Preset, budget: Budget) -> None:
    """Train the own sync expert; `prepare` and `evaluate` take it from then on."""
    train = load_clips(space.clips, space.training_speakers(), pictures=False)
    config: SyncExpertTraining = budget.apply(preset.sync_expert)
    config = replace(config, sizes=replace(config.sizes, speech=train[0].speech.shape[1]))
    run = space.run(SYNC_EXPERT)
    keep_config(run, config)
    check = _check_clips(space, pictures=False)
    train_sync_expert(config, train, check, run, _listener(space, run, budget))
    draw_curves(run, space.report / f"{run.name}.png")


def find_sync_judge(space: Workspace) -> SyncJudge | None:
    """The work folder's sync expert, ready for videos; None before it is trained."""
    if not trained_steps(space.run(SYNC_EXPERT)):
        return None
    front_end = load_front_end(space.choices.front_end)

    def features(video: Path) -> NDArray[np.float32]:
        samples, _ = read_audio(str(video), sample_rate=SAMPLE_RATE, mono=True)
        return front_end.features(samples[0])

    network = read_sync_expert(space.run(SYNC_EXPERT))
    return SyncJudge(network, networks.read_face_model(space.face_model), features)


def run_renderer(space: Workspace, preset: Preset, budget: Budget, say: Say) -> None:
    """Cache what the frozen autoencoder sees, then train stage 2."""
    config = _renderer_config(space, preset, budget)
    autoencoder = read_autoencoder(space, preset)
    run = space.run(RENDERER)
    keep_config(run, config)
    with accelerator().main_process_first():  # it writes; others wait, and read what it wrote
        samples = _cached(space, TRAIN, config, autoencoder, say)
        check = _cached(space, CHECK, config, autoencoder, say)
    listener = _listener(space, run, budget)
    train_renderer(config, samples, autoencoder, run, check, listener)
    draw_curves(run, space.report / f"{run.name}.png")


def _renderer_config(space: Workspace, preset: Preset, budget: Budget) -> RendererTraining:
    config: RendererTraining = budget.apply(preset.renderer)
    known = len(networks.read_face_model(space.face_model).identity)
    sizes = replace(config.sizes, identity=min(config.sizes.identity, known))
    return replace(config, sizes=sizes)


def _cached(
    space: Workspace,
    name: str,
    config: RendererTraining,
    autoencoder: StarterAutoencoder | PaperAutoencoder,
    say: Say,
) -> RendererSamples:
    """The samples for training or for checks; without check speakers, of a few training clips."""
    path = space.samples(name)
    if path.exists():
        return RendererSamples.load(path)
    cached = config
    clips = load_clips(space.clips, space.training_speakers() if name == TRAIN else None)
    if name == CHECK:
        clips = _check_clips(space) or load_clips(space.clips, space.training_speakers())
        clips = clips[:_CHECK_CLIPS]
        cached = replace(
            config,
            variants=1,
            frames_per_speaker=_CHECK_FRAMES,
            vary_colours=False,
            mirror=False,
            seed=config.seed + 5,
        )
    face_model = networks.read_face_model(space.face_model)
    total = len({clip.speaker for clip in clips}) * cached.variants
    done = 0

    def on_speaker(speaker: str, variant: int) -> None:
        nonlocal done
        done += 1
        say(f"cache {name}", done, total)

    samples = SampleCache(cached, face_model, autoencoder).build(clips, on_speaker)
    samples.save(path)
    return samples


def read_autoencoder(space: Workspace, preset: Preset) -> StarterAutoencoder | PaperAutoencoder:
    """The trained autoencoder, or the published one of the paper's preset."""
    if preset.autoencoder is None:
        return read_public_autoencoder()
    run = space.run(AUTOENCODER)
    sizes = read_sizes(run, AutoencoderSizes, preset.autoencoder.sizes)
    return channels_last(_load(StarterAutoencoder(sizes), run, AUTOENCODER))


def read_public_autoencoder() -> PaperAutoencoder:
    """The f = 4 VQ autoencoder that `stylesync-engine models pull paper` fetched."""
    located, _ = tables.effective(tables.read_manifest(tables.find_folder("paper")))
    if AUTOENCODER not in located:
        raise ModelError(
            "The paper's autoencoder is missing; run stylesync-engine models pull paper."
        )
    paths = located[AUTOENCODER].paths()
    config = next(path for path in paths if path.name == networks.VQ_CONFIG)
    return networks.read_vq(config, located[AUTOENCODER].weights())


def read_lip_motion(space: Workspace, preset: Preset) -> LipMotionNetwork:
    run = space.run(LIP_MOTION)
    sizes = read_sizes(run, LipMotionSizes, preset.lip_motion.sizes)
    return _load(LipMotionNetwork(sizes), run, LIP_MOTION)


def read_renderer(space: Workspace, preset: Preset) -> Renderer:
    run = space.run(RENDERER)
    sizes = read_sizes(run, RendererSizes, preset.renderer.sizes)
    return _load(Renderer(sizes), run, RENDERER)


def find_clip(space: Workspace, name: str) -> TrainingClip:
    """The prepared clip `SPEAKER/CLIP`. Raises RequestError where there is none."""
    speaker, _, clip = name.partition("/")
    found = [c for c in load_clips(space.clips, [speaker], pictures=False) if c.name == clip]
    if not found:
        raise RequestError(f"There is no prepared clip '{name}'; write SPEAKER/CLIP.")
    return found[0]


def describe_steps(space: Workspace, preset: Preset, budget: Budget, step: str) -> dict[str, Any]:
    """What a training command would do, as plain data: what --dry-run prints."""
    configs = {
        AUTOENCODER: preset.autoencoder,
        LIP_MOTION: preset.lip_motion,
        RENDERER: preset.renderer,
        SYNC_EXPERT: preset.sync_expert,
        QUICK_CODEC: preset.quick_codec,
        QUICK_RENDERER: preset.quick_renderer,
    }
    config = budget.apply(configs[step]) if configs[step] is not None else None
    speakers = space.training_speakers() if space.clips.exists() else []
    return {
        "work": str(space.folder),
        "preset": preset.name,
        "train_on": speakers,
        "check_on": list(space.choices.check),
        "kept_aside": sorted(space.choices.kept_aside()),
        "done_steps": trained_steps(space.run(step)),
        "settings": dataclasses.asdict(config) if config else "none of its own",
    }


def _load(network: M, run: Path, step: str) -> M:
    path = run / "ema.safetensors"
    if not path.exists():
        raise RequestError(f"{path} is missing; run stylesync-train {step} first.")
    try:
        network.load_state_dict(load_file(path))
    except RuntimeError as error:
        raise ModelError(
            f"{path} has other sizes than {run / 'config.json'} or the preset says; name the preset"
            " that the run was started with."
        ) from error
    network.eval().requires_grad_(False)
    return network


def _check_clips(space: Workspace, pictures: bool = True) -> list[TrainingClip]:
    names = space.choices.check
    return load_clips(space.clips, names, pictures) if names else []


def _first_of_each(clips: Sequence[TrainingClip]) -> list[TrainingClip]:
    return list({clip.speaker: clip for clip in reversed(clips)}.values())


def _listener(space: Workspace, run: Path, budget: Budget) -> Callable[[Figures], None] | None:
    """TensorBoard's where asked for; the PNG of the curves is drawn again at every checkpoint."""
    watch = watch_with_tensorboard(run) if budget.tensorboard else None

    def listen(figures: Figures) -> None:
        if watch:
            watch(figures)
        if "steps_per_s" not in figures and "resumed" not in figures:
            draw_curves(run, space.report / f"{run.name}.png")

    return listen
