"""From trained runs to a folder of models ready to dub, with the report of how they were made."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from torch import nn

from stylesync_engine.models.autoencoder import parameter_count
from stylesync_engine.speech.front_ends import load_front_end
from stylesync_engine.weights import networks as network_files
from stylesync_engine.weights.loading import save_models
from stylesync_engine.weights.table import Manifest, read_manifest
from stylesync_training.data.dataset import describe_clips, load_clips
from stylesync_training.data.prepare import read_dropped
from stylesync_training.data.workspace import Workspace
from stylesync_training.distil import read_quick_renderer, with_quick_codec
from stylesync_training.fitting.curves import draw_curves
from stylesync_training.fitting.loop import read_curve, trained_steps
from stylesync_training.fitting.presets import Preset
from stylesync_training.steps import (
    AUTOENCODER,
    LIP_MOTION,
    RENDERER,
    read_autoencoder,
    read_lip_motion,
    read_renderer,
)
from stylesync_training.tables import markdown_table

REPORT = "REPORT.md"
_OWN_LICENCE = """\
The weights in this folder were trained with StyleSync (Apache-2.0). What may be done with them
depends on the data that they were trained on as well; see REPORT.md.
"""


def package_models(
    space: Workspace, preset: Preset, folder: Path, name: str, notice: Path | None = None
) -> Manifest:
    """Write the trained parts as models called `name`; `notice` is a text on the data's origin and
    licence that goes with them. Raises RequestError where a step is missing."""
    networks = _read_networks(space, preset)
    manifest = save_models(
        folder,
        name=name,
        face_model=network_files.read_face_model(space.face_model),
        front_end=load_front_end(space.choices.front_end),
        prediction=preset.renderer.prediction,
        style_reading=preset.style_reading,
        closed_form=preset.closed_form,
        samplings=preset.samplings,
        **networks,  # type: ignore[arg-type]
    )
    _write_report(space, preset, folder, name, networks)
    (folder / "LICENSE.txt").write_text(_OWN_LICENCE, encoding="utf-8")
    if notice:
        shutil.copyfile(notice, folder / "NOTICE.txt")
    return manifest


def renew_report(space: Workspace, preset: Preset) -> Path | None:
    """Write the report of the models in the work folder again, with what `evaluate` measured since;
    None where they are not packaged."""
    if not (space.models / REPORT).exists():
        return None
    name = read_manifest(space.models).name
    _write_report(space, preset, space.models, name, _read_networks(space, preset))
    return space.models / REPORT


def _read_networks(space: Workspace, preset: Preset) -> dict[str, nn.Module]:
    quick = read_quick_renderer(space)
    return {
        **({"quick_renderer": quick} if quick else {}),
        "lip_motion": read_lip_motion(space, preset),
        "autoencoder": with_quick_codec(space, read_autoencoder(space, preset)),
        "renderer": read_renderer(space, preset),
    }


def _write_report(
    space: Workspace, preset: Preset, folder: Path, name: str, networks: Mapping[str, nn.Module]
) -> None:
    """REPORT.md and the curves' pictures, from what the commands wrote."""
    counts = {part: parameter_count(network) for part, network in networks.items()}
    pictures = folder / "report"
    pictures.mkdir(parents=True, exist_ok=True)
    lines = [f"# {name}: how these models were trained", ""]
    lines += [f"Preset `{preset.name}`, speech front end `{space.choices.front_end}`.", ""]
    lines += _describe_data(space)
    lines += _describe_runs(space, counts)
    for run in (AUTOENCODER, LIP_MOTION, RENDERER):
        draw_curves(space.run(run), pictures / f"{run}.png")
        if (pictures / f"{run}.png").exists():
            lines += [f"![{run}](report/{run}.png)"]
    lines += _describe_evaluation(space, pictures)
    (folder / REPORT).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _describe_data(space: Workspace) -> list[str]:
    rows = describe_clips(load_clips(space.clips, pictures=False))
    for row in rows:
        row["use"] = space.choices.use_of(row["speaker"])
    dropped = {**read_dropped(space.tracks), **read_dropped(space.clips)}
    lines = ["## Data", "", *markdown_table(rows), ""]
    lines += [f"Clips left out: {len(dropped)}. Sources: {', '.join(space.choices.sources)}.", ""]
    return lines


def _describe_runs(space: Workspace, counts: Mapping[str, int]) -> list[str]:
    rows = []
    for run in (AUTOENCODER, LIP_MOTION, RENDERER):
        curve = read_curve(space.run(run))
        last: dict[str, float] = {}
        for line in curve:
            last.update(line)
        paces = [line["steps_per_s"] for line in curve if line.get("steps_per_s")]
        steps = trained_steps(space.run(run))
        minutes = steps / (sum(paces) / len(paces)) / 60 if paces else None
        figures = {k: v for k, v in last.items() if k not in ("step", "steps_per_s", "resumed")}
        rows.append(
            {
                "part": run,
                "parameters": counts[run.replace("-", "_")],
                "steps": steps,
                "minutes": None if minutes is None else round(minutes, 1),
                "last figures": ", ".join(f"{k} {v:.4g}" for k, v in figures.items()),
            }
        )
    return ["## Training", "", *markdown_table(rows), ""]


def _describe_evaluation(space: Workspace, pictures: Path) -> list[str]:
    """The table and the pictures that `evaluate` wrote, where it ran."""
    table = space.report / "evaluation.md"
    if not table.exists():
        return ["", "Not evaluated yet: run stylesync-train evaluate."]
    for picture in sorted(space.report.glob("evaluation*.png")):
        shutil.copyfile(picture, pictures / picture.name)
    shown = [f"![{p.stem}](report/{p.name})" for p in sorted(pictures.glob("evaluation*.png"))]
    return ["", "## Measures", "", table.read_text(encoding="utf-8"), *shown]
