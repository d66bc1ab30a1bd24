"""The options that several commands of `stylesync-train` share, and what they stand for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from stylesync_training.data.workspace import Workspace
    from stylesync_training.fitting.presets import Preset

Work = Annotated[
    Path, typer.Option("--work", metavar="DIR", help="The work folder of this training.")
]
PresetName = Annotated[
    str | None,
    typer.Option(
        "--preset", metavar="tiny|starter|paper", help="Sizes and budgets (default: as prepared)."
    ),
]
Steps = Annotated[
    int | None,
    typer.Option("--steps", metavar="N", min=1, help="Train to step N."),
]
BatchSize = Annotated[
    int | None, typer.Option("--batch", metavar="N", min=1, help="Batch size (default: preset).")
]
Seed = Annotated[int | None, typer.Option("--seed", metavar="N", min=0, help="Seed (default: 0).")]
TensorBoard = Annotated[
    bool, typer.Option("--tensorboard", help="Write the curves for TensorBoard too.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would be done, and stop.")]
Threads = Annotated[
    int | None,
    typer.Option("--threads", metavar="N", min=1, help="CPU threads (default: all cores)."),
]
Speakers = Annotated[
    str | None, typer.Option("--speakers", metavar="A,B", help="Whom to measure on.")
]
Measures = Annotated[
    Path | None,
    typer.Option("--measures", metavar="DIR", help="Published weights of LPIPS, FID, SyncNet."),
]
Variants = Annotated[
    str | None, typer.Option("--variants", metavar="A,B", help="Which rows (default: all).")
]
Seeds = Annotated[int, typer.Option("--seeds", metavar="N", min=1, help="Seeds 0 to N - 1.")]

Sources = Annotated[
    list[str], typer.Argument(metavar="FOLDER[=SPEAKER]...", help="Clips, a folder a speaker.")
]
Layout = Annotated[
    str,
    typer.Option(
        "--layout", metavar="auto|grid|voxceleb|hdtf", help="How the folders name the speakers."
    ),
]
OnlySpeakers = Annotated[
    str | None, typer.Option("--speakers", metavar="A,B", help="Only these speakers.")
]
Holdout = Annotated[
    str | None, typer.Option("--holdout", metavar="A,B", help="Prepared, but never trained on.")
]
Check = Annotated[
    str | None,
    typer.Option("--check", metavar="A,B", help="Kept aside too: they give the curves' figures."),
]
MostClips = Annotated[
    int | None, typer.Option("--clips", metavar="N", min=1, help="At most N clips a speaker.")
]
FrontEnd = Annotated[
    str | None,
    typer.Option(
        "--front-end",
        metavar="whisper-base|whisper-tiny.en|log-mel|ctc:DIR",
        help="Speech features (default: the preset's).",
    ),
]
GivenFaceModel = Annotated[
    Path | None,
    typer.Option("--face-model", metavar="FILE", help="Use this one instead of learning one."),
]
Workers = Annotated[int, typer.Option("--workers", metavar="N", min=1, help="Processes.")]


def preset_of(name: str | None, space: Workspace) -> Preset:
    """The preset of that name, by default the one that the work folder was prepared with."""
    from stylesync_training.fitting.presets import find_preset

    return find_preset(name or space.choices.preset)


def split_names(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(name for name in text.split(",") if name)
