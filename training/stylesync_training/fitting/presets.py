"""The presets as a table: one row a set of sizes, rates and budgets.

`starter` made the weights that ship; `paper` has the paper's sizes, batches and rates and wants
GPUs; `tiny` runs the whole chain in minutes, to learn the commands and to test them; `synthetic`
has stage 1 alone, at the smallest sizes at which attention learns to look sounds up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from stylesync_engine.models.autoencoder import AutoencoderSizes
from stylesync_engine.models.diffusion import Sampling
from stylesync_engine.models.lip_motion import LipMotionSizes
from stylesync_engine.models.renderer import PAPER_SIZES, RendererSizes
from stylesync_engine.request import RequestError, StyleReading
from stylesync_engine.speech.kernel_ridge import ClosedFormSettings
from stylesync_engine.weights.saving import SAMPLINGS
from stylesync_training.fitting.autoencoder import AutoencoderTraining
from stylesync_training.fitting.lip_motion import LipMotionTraining
from stylesync_training.fitting.loop import Schedule
from stylesync_training.fitting.quick_codec import QuickCodecTraining
from stylesync_training.fitting.quick_renderer import QuickRendererTraining
from stylesync_training.fitting.renderer_samples import RendererTraining
from stylesync_training.fitting.sync_expert import SyncExpertTraining, SyncSizes


@dataclass(frozen=True, slots=True)
class Preset:
    """Everything that the commands of one set of models use.

    Without an `autoencoder` of its own the preset takes the published VQ autoencoder. Where stage
    1's variants are compared, `fold_restyle` is the share of restyled pairs: with few speakers they
    are what makes a network read its reference at all.
    """

    name: str
    front_end: str = "whisper-base"
    expressions: int = 64
    identities: int = 80
    autoencoder: AutoencoderTraining | None = field(default_factory=AutoencoderTraining)
    lip_motion: LipMotionTraining = field(default_factory=LipMotionTraining)
    fold_restyle: float = 0.5
    renderer: RendererTraining = field(default_factory=RendererTraining)
    quick_codec: QuickCodecTraining | None = field(default_factory=QuickCodecTraining)
    quick_renderer: QuickRendererTraining | None = field(default_factory=QuickRendererTraining)
    sync_expert: SyncExpertTraining = field(default_factory=SyncExpertTraining)
    style_reading: StyleReading = "closed-form"
    closed_form: ClosedFormSettings = field(default_factory=ClosedFormSettings)
    samplings: Mapping[str, Sampling] = field(
        default_factory=lambda: {
            "good": Sampling("dpmpp", 1, 0.3, change=0.75, lip_change=0.5),
            "best": Sampling("dpmpp", 1, 0.3, change=0.75, lip_change=0.5),
            "repair": Sampling("dpmpp", 10),
        }
    )


_STARTER = Preset(
    name="starter",
    lip_motion=LipMotionTraining(
        sizes=LipMotionSizes(
            speech=1024, width=192, dropout=0.2, reference="none", members=8, components=192
        ),
        schedule=Schedule(steps=450, rate=1e-3, warm_up=20, ema=0.98),
        restyle=0.0,
        noise=0.4,
    ),
    closed_form=ClosedFormSettings(bandwidth=1.0, ridge=1.0, width=1.4),
)
_PAPER = Preset(
    name="paper",
    autoencoder=None,
    quick_codec=None,
    quick_renderer=None,
    lip_motion=LipMotionTraining(
        schedule=Schedule(steps=100_000, rate=2e-4, warm_up=0, decay=0.0),
        batch=256,
        reference=256,
        restyle=0.0,
        speed=0.0,
        noise=0.0,
    ),
    renderer=RendererTraining(
        sizes=PAPER_SIZES,
        schedule=Schedule(steps=400_000, rate=4e-5, warm_up=0, decay=0.0, ema=0.9999),
        batch=12,
        prediction="epsilon",
        sequence=5,
        frames_per_speaker=0,
        variants=1,
        mouth_weight=0.0,
        pixel_weight=0.0,
        perceptual_weight=0.0,
        last_step=0.0,
        early=0.0,
        from_aligned=0.0,
        lacking=0.0,
    ),
    style_reading="network",
    samplings=SAMPLINGS["epsilon"],
)
_TINY = Preset(
    name="tiny",
    front_end="log-mel",
    expressions=24,
    autoencoder=AutoencoderTraining(
        sizes=AutoencoderSizes(4, 4, 48, 1, 64, 2),
        schedule=Schedule(steps=300, rate=2e-3, warm_up=20),
        side=96,
        perceptual=0.0,
    ),
    lip_motion=LipMotionTraining(
        sizes=LipMotionSizes(
            width=96, heads=4, feed_forward=192, decoder_layers=2, reference="none"
        ),
        schedule=Schedule(steps=60, rate=5e-4, warm_up=10, ema=0.9),
        batch=8,
        every=4,
        restyle=0.0,
    ),
    renderer=RendererTraining(
        sizes=RendererSizes(widths=(32, 64, 96), blocks=1, heads=2, code=128),
        schedule=Schedule(steps=300, rate=1e-3, warm_up=20, ema=0.99),
        batch=8,
        frames_per_speaker=150,
        variants=1,
        references=60,
        perceptual_weight=0.0,
    ),
    sync_expert=SyncExpertTraining(
        sizes=SyncSizes(width=48, embedding=32),
        schedule=Schedule(steps=150, rate=1e-3, warm_up=10, ema=0.95),
    ),
)
# Hundreds of speakers, each with a way of the own for every sound: no pair needs another style, and
# nothing can be learned by heart.
_SYNTHETIC = Preset(
    name="synthetic",
    front_end="synthetic",
    lip_motion=LipMotionTraining(
        sizes=LipMotionSizes(
            width=96, heads=4, feed_forward=192, encoder_layers=1, decoder_layers=2, dropout=0.0
        ),
        schedule=Schedule(steps=3000, rate=1e-3, warm_up=50, ema=0.98),
        batch=8,
        every=8,
        reference=256,
        restyle=0.0,
        noise=0.0,
    ),
    fold_restyle=0.0,
)
PRESETS = {preset.name: preset for preset in (_TINY, _STARTER, _PAPER, _SYNTHETIC)}


def find_preset(name: str) -> Preset:
    """Raises RequestError where there is none of that name."""
    if name not in PRESETS:
        raise RequestError(
            f"There is no preset '{name}'; choose one of {', '.join(sorted(PRESETS))}."
        )
    return PRESETS[name]
