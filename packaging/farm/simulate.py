"""`python packaging/farm/simulate.py`: how long a film takes on 1 to 1,000 workers, as a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stylesync_engine.commands.reporting import Json, format_rows, make_app, reporting, run_app
from stylesync_engine.request import DubOptions, RequestError

if TYPE_CHECKING:
    from stylesync_engine.farm.costs import Costs

PROGRAM = "simulate.py"
app = make_app(PROGRAM, "How long a film takes on a farm.", "--dubs 800 --workers 1,10,100")
WORKERS = "1,2,5,10,20,50,100,200,500,1000"


@app.command()
def simulate(
    workers: Annotated[
        str, typer.Option("--workers", metavar="N,N,...", help="Sizes of the farm.")
    ] = WORKERS,
    minutes: Annotated[float, typer.Option("--minutes", min=0.1, help="The film's length.")] = 90,
    rate: Annotated[float, typer.Option("--rate", min=1, help="Frames per second.")] = 24,
    dubs: Annotated[int, typer.Option("--dubs", min=1, help="Dubs in it.")] = 800,
    speech: Annotated[
        float, typer.Option("--speech-share", min=0.001, max=1, help="Dubbed share of the film.")
    ] = 0.5,
    failures: Annotated[
        float, typer.Option("--failures", min=0, max=0.9, help="Share of tasks that fail once.")
    ] = 0,
    cold: Annotated[
        bool, typer.Option("--cold", help="Without warm engines: every task loads the models.")
    ] = False,
    bench: Annotated[
        str | None,
        typer.Option(
            "--bench", metavar="FILE", help="What bench or simulate printed (default: measure)."
        ),
    ] = None,
    models: Annotated[str, typer.Option("--models", metavar="starter|paper|DIR")] = "starter",
    quality: Annotated[str, typer.Option("--quality", metavar="draft|good|best")] = "good",
    device: Annotated[str, typer.Option("--device", metavar="auto|cuda|mps|cpu")] = "auto",
    as_json: Json = False,
) -> None:
    """Work out how long a film would take on farms of several sizes.

    What starting, preparing, rendering and assembling cost is measured here where no --bench says
    it: the demo's dub by a worker's own commands, on its warm engine.
    """
    sizes = _sizes(workers)
    with reporting(as_json) as report:
        from simulation import Film

        from stylesync_engine.farm import costs as figures

        asked: dict[str, Any] = {"models": models, "quality": quality, "device": device}
        options = DubOptions(**asked, codec="ffv1")
        measured = figures.read_costs(Path(bench)) if bench else _measure(options)
        lengths = Film(minutes, rate, dubs, speech).lengths()
        rows = _rows(lengths, measured, sizes, failures, not cold)
        facts = {"dubs": dubs, "frames": sum(lengths), "costs": measured.to_dict(), "farms": rows}
        report.result(facts, _text(facts))


def _measure(options: DubOptions) -> Costs:
    from cost_measurement import measure_costs

    return measure_costs(options)


def _sizes(text: str) -> list[int]:
    sizes = [int(word) for word in text.split(",") if word.strip().isdecimal()]
    if len(sizes) != text.count(",") + 1 or not all(sizes):
        raise RequestError(f"'{text}' is no list of farm sizes; write them as {WORKERS}.")
    return sizes


def _rows(
    lengths: list[int], costs: Costs, sizes: list[int], failures: float, warm: bool
) -> list[dict[str, Any]]:
    """Efficiency is the speed-up over one worker without failures, for each worker."""
    from simulation import Farm, simulate

    alone = simulate(lengths, costs, Farm(1, warm=warm)).wall
    rows: list[dict[str, Any]] = []
    for size in sizes:
        run = simulate(lengths, costs, Farm(size, failures, warm))
        rows.append({
            "workers": size, "wall_seconds": round(run.wall, 1), "tasks": run.tasks,
            "failed": run.failed, "efficiency": round(alone / run.wall / size, 4),
        })  # fmt: skip
    return rows


def _text(facts: dict[str, Any]) -> str:
    costs = facts["costs"]
    lines = [
        f"{facts['dubs']} dubs, {facts['frames']} frames; a worker starts in"
        f" {costs['start_up']:.2f} s, a task in {costs['task']:.2f} s;"
    ]
    for step in ("prepare", "render", "assemble"):
        line = costs[step]
        lines.append(f"{step}: {line['fixed']:.2f} s a dub + {line['per_frame']:.4f} s a frame")
    shown = [
        {
            "workers": str(row["workers"]), "wall time": _clock(row["wall_seconds"]),
            "efficiency": f"{row['efficiency']:.1%}", "tasks": str(row["tasks"]),
            "failed": str(row["failed"]),
        }
        for row in facts["farms"]
    ]  # fmt: skip
    return "\n".join([*lines, "", format_rows(shown)])


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


if __name__ == "__main__":
    raise SystemExit(run_app(app, PROGRAM))
