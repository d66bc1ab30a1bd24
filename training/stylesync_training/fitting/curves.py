"""Curves of a run: a PNG for the report, and TensorBoard for those who watch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from stylesync_engine.request import RequestError
from stylesync_training.fitting.loop import Figures, read_curve

_COLUMNS = 3
_LEFT_OUT = frozenset({"step", "steps_per_s", "resumed"})


def draw_curves(run: Path, path: Path) -> None:
    """A PNG with one panel a figure of the run's curve; nothing where the curve is empty."""
    curve = read_curve(run)
    names = list(dict.fromkeys(n for line in curve for n in line if n not in _LEFT_OUT))
    if not names:
        return
    from matplotlib.figure import Figure

    columns = min(len(names), _COLUMNS)
    lines = -(-len(names) // columns)
    figure = Figure(figsize=(4.2 * columns, 3.0 * lines + 0.2), layout="constrained")
    for number, name in enumerate(names, start=1):
        steps, values = series_of(curve, name)
        axes = figure.add_subplot(lines, columns, number)
        axes.plot(steps, values, marker="." if len(steps) < 40 else "", linewidth=1)
        axes.set_title(name)
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
    figure.suptitle(run.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def series_of(curve: Sequence[Figures], name: str) -> tuple[list[float], list[float]]:
    """Steps and values of one figure. Where a run went on from a checkpoint older than its last
    line, the later line of a step counts."""
    points = {line["step"]: line[name] for line in curve if name in line and "step" in line}
    steps = sorted(points)
    return steps, [points[step] for step in steps]


def watch_with_tensorboard(run: Path) -> Callable[[Figures], None]:
    """A listener that writes every line of the curve for TensorBoard, into the run's folder.

    Raises RequestError where TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise RequestError(
            "TensorBoard is not installed; run pip install 'stylesync[train]' or leave"
            " --tensorboard out."
        ) from error
    writer = SummaryWriter(str(run / "tensorboard"))

    def listen(figures: Figures) -> None:
        for name, value in figures.items():
            if name not in ("step", "resumed") and "step" in figures:
                writer.add_scalar(name, value, int(figures["step"]))
        writer.flush()

    return listen
