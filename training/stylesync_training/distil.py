"""The steps after stage 2 was trained: a quick codec for the autoencoder that it was trained on, a
quick renderer for its one step."""

from __future__ import annotations

from dataclasses import replace

from safetensors.torch import load_file

from stylesync_engine.models.autoencoder import PaperAutoencoder, StarterAutoencoder
from stylesync_engine.models.frame_codec import QuickSizes
from stylesync_engine.models.quick_renderer import QuickRenderer, QuickRendererSizes
from stylesync_engine.request import RequestError
from stylesync_training.data.dataset import load_clips
from stylesync_training.data.workspace import Workspace, keep_config, read_sizes
from stylesync_training.fitting.curves import draw_curves
from stylesync_training.fitting.loop import channels_last, trained_steps
from stylesync_training.fitting.presets import Preset
from stylesync_training.fitting.quick_codec import Teachers, train_quick_codec
from stylesync_training.fitting.quick_renderer import train_quick_renderer
from stylesync_training.fitting.renderer_samples import RendererSamples
from stylesync_training.steps import (
    QUICK_CODEC,
    QUICK_RENDERER,
    TRAIN,
    Budget,
    read_autoencoder,
    read_renderer,
)


def run_quick_codec(space: Workspace, preset: Preset, budget: Budget) -> None:
    """Distil the quick codec. Raises RequestError where the preset has none, or before the renderer
    is trained."""
    autoencoder, renderer = read_autoencoder(space, preset), read_renderer(space, preset)
    if preset.quick_codec is None or not isinstance(autoencoder, StarterAutoencoder):
        raise RequestError(f"The preset {preset.name} has no quick codec; there is nothing to do.")
    config = budget.apply(preset.quick_codec)
    run = space.run(QUICK_CODEC)
    keep_config(run, config)
    good = preset.samplings["good"]
    teachers = Teachers(autoencoder, renderer, good, preset.renderer.prediction)
    samples = RendererSamples.load(space.samples(TRAIN))
    clips = load_clips(space.clips, space.training_speakers())
    train_quick_codec(config, teachers, samples, clips, run)
    draw_curves(run, space.report / f"{run.name}.png")


def run_quick_renderer(space: Workspace, preset: Preset, budget: Budget) -> None:
    """Distil the quick renderer. Raises RequestError where the preset has none, or before the
    renderer is trained."""
    autoencoder, renderer = read_autoencoder(space, preset), read_renderer(space, preset)
    if preset.quick_renderer is None or not isinstance(autoencoder, StarterAutoencoder):
        raise RequestError(
            f"The preset {preset.name} has no quick renderer; there is nothing to do."
        )
    config = budget.apply(preset.quick_renderer)
    run = space.run(QUICK_RENDERER)
    keep_config(run, config)
    good = preset.samplings["good"]
    codec = with_quick_codec(space, autoencoder)
    teachers = Teachers(codec, renderer, good, preset.renderer.prediction)
    train_quick_renderer(config, teachers, RendererSamples.load(space.samples(TRAIN)), run)
    draw_curves(run, space.report / f"{run.name}.png")


def read_quick_renderer(space: Workspace) -> QuickRenderer | None:
    """The quick renderer as it is packaged, where one was distilled."""
    run = space.run(QUICK_RENDERER)
    if not trained_steps(run):
        return None
    network = QuickRenderer(read_sizes(run, QuickRendererSizes, QuickRendererSizes()))
    network.load_state_dict(load_file(run / "ema.safetensors"))
    return channels_last(network.eval().requires_grad_(False))


def with_quick_codec(
    space: Workspace, autoencoder: StarterAutoencoder | PaperAutoencoder
) -> StarterAutoencoder | PaperAutoencoder:
    """The autoencoder as it is packaged: with its quick codec, where one was distilled."""
    run = space.run(QUICK_CODEC)
    if not isinstance(autoencoder, StarterAutoencoder) or not trained_steps(run):
        return autoencoder
    quick = read_sizes(run, QuickSizes, QuickSizes())
    whole = StarterAutoencoder(replace(autoencoder.sizes, quick=quick))
    learned = {f"quick.{name}": v for name, v in load_file(run / "ema.safetensors").items()}
    whole.load_state_dict({**autoencoder.state_dict(), **learned})
    return channels_last(whole.eval().requires_grad_(False))
