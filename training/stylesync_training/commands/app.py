"""`stylesync-train`: its commands in the order in which a newcomer needs them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from stylesync_engine.commands.reporting import make_app, run_app
from stylesync_training.commands import measuring as measuring
from stylesync_training.commands import training as training
from stylesync_training.commands.options import Threads

PROGRAM = "stylesync-train"
COMMANDS: dict[str, tuple[Callable[..., None], str]] = {
    "prepare": (training.prepare, "grid/s1 grid/s2 grid/s3 --work run --holdout s3"),
    "face-model": (training.face_model, "--work run --output face.safetensors"),
    "autoencoder": (training.autoencoder, "--work run"),
    "lip-motion": (training.lip_motion, "--work run"),
    "sync-expert": (training.sync_expert, "--work run"),
    "renderer": (training.renderer, "--work run --steps 4500"),
    "quick-codec": (training.quick_codec, "--work run"),
    "quick-renderer": (training.quick_renderer, "--work run"),
    "package": (training.package, "--work run --name mine --output models/mine"),
    "evaluate": (measuring.evaluate, "--work run --models run/models --speakers s30"),
    "compare": (measuring.compare, "truth wav2lip stylesync --output table"),
    "study": (measuring.study, "wav2lip stylesync --output study"),
    "leave-one-out": (measuring.leave_one_out, "--work run --seeds 3"),
    "synthetic": (measuring.synthetic, f"--work bed && {PROGRAM} ablate --work bed"),
    "ablate": (measuring.ablate, "--work run --seeds 3"),
    "attention": (measuring.attention, "--work run --query s30/bbaf2n --reference s30/lgim4p"),
    "adapt": (training.adapt, "shot.mov --models starter --output models/anna"),
}
"""Name -> the command, and the words of its example."""

app = make_app(
    PROGRAM,
    "Train StyleSync: from folders of talking clips to models that dub.",
    "prepare clips/anna clips/ben --work run --preset tiny",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    return run_app(app, PROGRAM, arguments)


@app.callback()
def choose_threads(threads: Threads = None) -> None:
    if threads is not None:
        # Before torch is imported, which reads it once.
        os.environ["OMP_NUM_THREADS"] = str(threads)


for _name, (_command, _example) in COMMANDS.items():
    app.command(_name, epilog=f"Example: {PROGRAM} {_name} {_example}")(_command)
