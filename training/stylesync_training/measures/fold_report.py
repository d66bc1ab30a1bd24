"""What the folds of a comparison measured: Table III's form, with error bars and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

SWAPPED = "another person's reference"


SWAP_FIGURES = ("errors", "apart", "nearer_truth", "nearer_owner")


def table_of(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Table III's form: mean error over speakers (seeds averaged first), standard error over
    speakers, and the mean ratio to `no reference` of the same speaker and seed."""
    plain = {
        (row["seed"], speaker): error
        for row in rows
        if row["variant"] == "no reference"
        for speaker, error in row["errors"].items()
    }
    table = []
    kinds = dict.fromkeys((row["variant"], row["n"], row["reference"]) for row in rows)
    for kind in kinds:
        own = [row for row in rows if (row["variant"], row["n"], row["reference"]) == kind]
        errors: dict[str, list[float]] = {}
        ratios: dict[str, list[float]] = {}
        for row in own:
            for speaker, error in row["errors"].items():
                errors.setdefault(speaker, []).append(error)
                if (row["seed"], speaker) in plain:
                    ratio = error / plain[row["seed"], speaker]
                    ratios.setdefault(speaker, []).append(ratio)
        mean, spread = _mean_and_error(errors)
        line = {"variant": kind[0], "n": kind[1], "reference": kind[2], "error": mean, "±": spread}
        if ratios:
            line["ratio"], line["ratio ±"] = _mean_and_error(ratios)
        for name in SWAP_FIGURES[1:]:
            values = [value for row in own for value in row.get(name, {}).values()]
            if values:
                line[name] = float(np.mean(values))
        table.append({**line, "speakers": len(errors), "seeds": len({r["seed"] for r in own})})
    return table


def describe_table(folds: Sequence[Sequence[str]]) -> list[str]:
    """What the columns say, as lines of Markdown."""
    together = "; ".join(", ".join(fold) for fold in folds)
    return [
        "- network: the paper's audio-aware attention, whole; static mixing and closed form are",
        "  read on top of `no reference`, the closed form without articulation.",
        "- explicit values: the closed form with Eq. 2's softmax in place of the solve.",
        "- + rest: with the step that follows in a dub, what the clip's old lips are beyond those",
        "  that its own sound lets expect: their mean, how they turn with the head, and what is",
        "  slower than .5 s, but not how far they open. The shot is the clip that is rebuilt.",
        "- error: mean distance of lip vertices in face heights on people never trained on; ratio:",
        "  to `no reference` with the same speaker and seed; ±: standard error over speakers.",
        "- n: frames of reference, of the speaker's other clips; fewer where there are no more.",
        "- With another person's reference, apart: how far those lips are from the ones with the",
        "  own reference; nearer_truth: the share of clips whose own reference comes nearer to the",
        "  truth; nearer_owner: the share in which each of the two results has the manner (mean",
        "  and spread of the lips) that is nearer to its reference's owner's.",
        f"- Left out together: {together}.",
        "- The face model was learned with everybody who was not kept aside by prepare.",
    ]


def draw_ratios(means: Sequence[Mapping[str, Any]], path: Path) -> None:
    """A bar for each row's ratio to `no reference`, with its standard error; nothing without."""
    shown = [row for row in means if "ratio" in row]
    if not shown:
        return
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 0.5 * len(shown) + 1.2), layout="constrained")
    axes = figure.add_subplot()
    names = [
        f"{row['variant']}, n = {row['n']}" + (" (swapped)" if row["reference"] == SWAPPED else "")
        for row in shown
    ]
    errors = [row["ratio ±"] or 0.0 for row in shown]
    axes.barh(names, [row["ratio"] for row in shown], xerr=errors, capsize=3)
    axes.axvline(1.0, color="black", linewidth=0.8)
    axes.invert_yaxis()
    axes.set_xlabel("lip error over that without reference")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def _mean_and_error(by_speaker: Mapping[str, Sequence[float]]) -> tuple[float, float | None]:
    means = np.array([np.mean(values) for values in by_speaker.values()])
    if len(means) < 2:
        return float(means.mean()), None
    return float(means.mean()), float(means.std(ddof=1) / np.sqrt(len(means)))
