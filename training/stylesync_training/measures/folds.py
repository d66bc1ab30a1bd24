"""The comparisons of stage 1's variants: who is left out, what is trained, the report."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from stylesync_engine.request import RequestError
from stylesync_engine.speech.kernel_ridge import ClosedFormSettings
from stylesync_engine.weights import networks
from stylesync_training.data.dataset import load_clips
from stylesync_training.data.workspace import Workspace, write_json
from stylesync_training.fitting.lip_motion import LipMotionTraining
from stylesync_training.fitting.presets import Preset
from stylesync_training.measures.fold_report import describe_table, draw_ratios
from stylesync_training.measures.leave_one_out import LEAVE_ONE_OUT, VARIANTS, run_folds
from stylesync_training.steps import Budget
from stylesync_training.tables import markdown_table

Say = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class FoldPlan:
    """What a comparison of stage 1's variants trains: folds of speakers left out together."""

    name: str
    folds: list[tuple[str, ...]]
    variants: tuple[str, ...]
    config: LipMotionTraining
    closed_form: ClosedFormSettings


def plan_folds(
    space: Workspace,
    preset: Preset,
    budget: Budget,
    name: str,
    speakers: Sequence[str] | None,
    variants: Sequence[str] | None,
    count: int | None = None,
) -> FoldPlan:
    """`leave-one-out`: a fold a speaker with two clips or more, or `count` folds of several;
    `ablation`: those kept aside, as one.

    Raises RequestError where there is nobody to leave out.
    """
    clips = load_clips(space.clips, pictures=False)
    counts = Counter(clip.speaker for clip in clips)
    able = [speaker for speaker, count in sorted(counts.items()) if count > 1]
    if name == "ablation":
        folds = [tuple(s for s in able if s in space.choices.kept_aside())]
    else:
        left_out = [s for s in able if speakers is None or s in speakers]
        number = min(count or len(left_out), len(left_out))
        folds = [tuple(left_out[first::number]) for first in range(number)]
    if not folds or not folds[0]:
        raise RequestError(
            "There is nobody to leave out with two clips or more; prepare more speakers, and keep"
            " some aside with --holdout for ablate."
        )
    default = tuple(VARIANTS) if name == "ablation" else LEAVE_ONE_OUT
    config = replace(preset.lip_motion, restyle=preset.fold_restyle, reference=256)
    chosen = tuple(variants) if variants else default
    return FoldPlan(name, folds, chosen, budget.apply(config), preset.closed_form)


def run_plan(
    space: Workspace, plan: FoldPlan, seeds: Sequence[int], say: Say
) -> list[dict[str, Any]]:
    """Train and measure; writes `report/<name>.json` and `.md` and returns the table."""
    data = run_folds(
        load_clips(space.clips, pictures=False),
        networks.read_face_model(space.face_model),
        plan.folds,
        plan.variants,
        seeds,
        plan.config,
        plan.closed_form,
        space.run(plan.name),
        say,
    )
    config = dataclasses.asdict(plan.config)
    write_json(space.report / f"{plan.name}.json", {"config": config, **data})
    lines = [*markdown_table(data["means"]), "", *describe_table(plan.folds)]
    draw_ratios(data["means"], space.report / f"{plan.name}.png")
    (space.report / f"{plan.name}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    means: list[dict[str, Any]] = data["means"]
    return means
