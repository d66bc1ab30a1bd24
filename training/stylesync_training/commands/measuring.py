"""The commands that measure: finished videos, other methods, and the variants of stage 1.

Everything heavy is imported inside the commands: `--help` and wrong flags answer without torch.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer

from stylesync_engine.commands.reporting import Json, format_rows, reporting
from stylesync_engine.request import RequestError
from stylesync_training.commands.options import (
    BatchSize,
    DryRun,
    Measures,
    PresetName,
    Seeds,
    Speakers,
    Steps,
    Variants,
    Work,
    preset_of,
    split_names,
)
from stylesync_training.commands.step_bars import StepBars, describe_data


def evaluate(
    work: Work,
    models: Annotated[
        str | None,
        typer.Option(
            "--models", metavar="NAME|DIR", help="What to measure (default: WORK/models)."
        ),
    ] = None,
    speakers: Speakers = None,
    qualities: Annotated[
        str, typer.Option("--quality", metavar="A,B", help="Qualities to measure.")
    ] = "draft,good",
    pairs: Annotated[
        int,
        typer.Option("--pairs", metavar="N", min=1, help="Clips of each kind a speaker."),
    ] = 4,
    measures: Measures = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Dub clips of given speakers and measure the result.

    Default: those who were kept aside. Rebuilding takes style and looks from another clip of the
    speaker. Writes report/evaluation.json, .md, .png and a contact sheet.
    """
    with reporting(as_json) as report, StepBars(report) as bars:
        from stylesync_training import steps
        from stylesync_training.data.corpora import pick_clips
        from stylesync_training.data.workspace import open_workspace
        from stylesync_training.measures import evaluate as evaluation
        from stylesync_training.measures.published import find_published
        from stylesync_training.packaging import renew_report

        space = open_workspace(work)
        aside = tuple(sorted(space.choices.holdout)) or None
        clips = pick_clips(space.source_clips(), split_names(speakers) or aside, None)
        wanted = split_names(qualities) or ()
        evaluation.check_qualities(wanted)
        chosen = evaluation.choose_pairs(clips, pairs)
        if dry_run:
            rows: list[dict[str, Any]] = [{"dub": p.key(q)} for q in wanted for p in chosen]
            bars.result({"dubs": rows}, format_rows(rows))
            return
        name = models or str(space.models)
        published = find_published(measures)
        judge = steps.find_sync_judge(space)
        data = evaluation.evaluate_models(
            name, clips, wanted, pairs, space.report, published, bars.say, judge
        )
        written = [space.report / f"evaluation{end}" for end in (".md", ".png", "-sheet.png")]
        if models is None and (renewed := renew_report(space, preset_of(None, space))):
            written.append(renewed)
        names = ", ".join(map(str, written))
        bars.result(data, f"{evaluation.describe(data)}\nReport: {names}")


def compare(
    truth: Annotated[Path, typer.Argument(metavar="TRUTH", help="Folder of the true clips.")],
    methods: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="Folders of clips of the same names.")
    ],
    output: Annotated[
        Path, typer.Option("--output", metavar="DIR", help="Where the table goes.")
    ] = Path("comparison"),
    measures: Measures = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Score videos that any method rendered, in Table I's form."""
    with reporting(as_json) as report, StepBars(report) as bars:
        from stylesync_training.measures.comparison import compare_folders, videos_by_name
        from stylesync_training.measures.published import find_published

        if dry_run:
            real = videos_by_name(truth)
            rows: list[dict[str, Any]] = [
                {"method": m.name, "clips": len(real.keys() & videos_by_name(m).keys())}
                for m in methods
            ]
            bars.result({"methods": rows}, format_rows(rows))
            return
        data = compare_folders(truth, methods, output, find_published(measures), bars.say)
        bars.result(data, format_rows(data["means"]))


def study(
    methods: Annotated[
        list[Path] | None,
        typer.Argument(metavar="DIR...", help="Folders of clips of the same names, one a method."),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", metavar="DIR", help="Where the page and its key go.")
    ] = Path("study"),
    scores: Annotated[
        list[Path] | None,
        typer.Option("--scores", metavar="FILE", help="A viewer's file; give all, one by one."),
    ] = None,
    clips: Annotated[
        int | None, typer.Option("--clips", metavar="N", min=1, help="At most N clips a method.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Of the order.")] = 0,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Make a page on which viewers score dubs blindly, or gather what they saved (Table II).

    With folders, the page is made; with --scores, mean opinion scores are written beside it.
    """
    with reporting(as_json) as report:
        from stylesync_training.measures import study as studies

        if bool(methods) == bool(scores):
            raise RequestError("Give the methods' folders to make a page, or --scores to gather.")
        if dry_run:
            data = {"output": str(output), "methods": [str(m) for m in methods or ()]}
            report.result(data, describe_data(data))
        elif scores:
            means = studies.gather_scores(output, scores)["means"]
            report.result({"means": means}, format_rows(means))
        else:
            key = studies.make_study(methods or [], output, clips, seed)
            page = output / "index.html"
            report.result({"page": str(page), "videos": len(key)}, f"{page}: {len(key)} videos")


def leave_one_out(
    work: Work,
    speakers: Speakers = None,
    variants: Variants = None,
    seeds: Seeds = 3,
    folds: Annotated[
        int | None,
        typer.Option("--folds", metavar="N", min=1, help="Leave several out together, N times."),
    ] = None,
    preset: PresetName = None,
    steps: Steps = None,
    batch: BatchSize = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Stage 1 on unseen people: each speaker left out in turn, every way to read a reference."""
    left_out = (split_names(speakers), folds)
    _fold(
        "leave-one-out", work, left_out, variants, seeds, preset, (steps, batch), dry_run, as_json
    )


def synthetic(
    work: Work,
    speakers: Annotated[
        int, typer.Option("--speakers", metavar="N", min=2, help="How many, all told.")
    ] = 200,
    holdout: Annotated[
        int, typer.Option("--holdout", metavar="N", min=1, help="How many are kept aside.")
    ] = 12,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Of everything.")] = 0,
    models: Annotated[
        str, typer.Option("--models", metavar="NAME|DIR", help="Whose face model to move.")
    ] = "starter",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Make synthetic speakers, each with lip shapes of the own for every sound.

    A test bed for stage 1: `ablate` then shows Table III's rows on speech whose style is known.
    """
    with reporting(as_json) as report:
        from stylesync_engine.weights.loading import load_models
        from stylesync_training.data.synthetic import SyntheticSpeech, make_synthetic
        from stylesync_training.data.workspace import open_workspace

        config = SyntheticSpeech(speakers, holdout, seed=seed)
        if not dry_run:
            face = load_models(models, "cpu").face_model
            make_synthetic(open_workspace(work), config, face)
        data = {"work": str(work), **dataclasses.asdict(config)}
        report.result(data, describe_data(data))


def ablate(
    work: Work,
    variants: Variants = None,
    seeds: Seeds = 3,
    preset: PresetName = None,
    steps: Steps = None,
    batch: BatchSize = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Table III: every variant of stage 1, trained on one data set, measured on who is aside."""
    left_out = (None, None)
    _fold("ablation", work, left_out, variants, seeds, preset, (steps, batch), dry_run, as_json)


def attention(
    work: Work,
    query: Annotated[
        str, typer.Option("--query", metavar="SPEAKER/CLIP", help="Whose speech asks.")
    ],
    reference: Annotated[
        str, typer.Option("--reference", metavar="SPEAKER/CLIP", help="The style reference.")
    ],
    models: Annotated[
        str | None,
        typer.Option("--models", metavar="NAME|DIR", help="Default: the work folder's own run."),
    ] = None,
    preset: PresetName = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Draw Fig. 4: where in the reference the network looks for each sound of the new speech."""
    with reporting(as_json) as report:
        from stylesync_training import steps
        from stylesync_training.data.workspace import open_workspace
        from stylesync_training.measures.attention import attention_of, draw_attention

        space = open_workspace(work)
        clips = [steps.find_clip(space, name) for name in (query, reference)]
        path = space.report / "attention.png"
        if dry_run:
            report.result({"output": str(path)}, str(path))
            return
        if models:
            from stylesync_engine.weights.loading import load_models

            network = load_models(models, "cpu").lip_motion
        else:
            network = steps.read_lip_motion(space, preset_of(preset, space))
        weights = attention_of(network, *clips)
        draw_attention(weights, clips[0], clips[1], path)
        report.result({"output": str(path), "shape": list(weights.shape)}, f"{path}")


def _fold(
    name: str,
    work: Path,
    left_out: tuple[tuple[str, ...] | None, int | None],
    variants: str | None,
    seeds: int,
    preset: str | None,
    budget: tuple[int | None, int | None],
    dry_run: bool,
    as_json: bool,
) -> None:
    with reporting(as_json) as report, StepBars(report) as bars:
        from stylesync_training.data.workspace import open_workspace
        from stylesync_training.measures.folds import plan_folds, run_plan
        from stylesync_training.steps import Budget

        space = open_workspace(work)
        wanted = Budget(steps=budget[0], batch=budget[1])
        plan = plan_folds(
            space,
            preset_of(preset, space),
            wanted,
            name,
            left_out[0],
            split_names(variants),
            left_out[1],
        )
        if dry_run:
            data = {"folds": plan.folds, "variants": plan.variants, "seeds": seeds}
            bars.result(data, describe_data(data))
            return
        means = run_plan(space, plan, range(seeds), bars.say)
        written = space.report / f"{plan.name}.md"
        bars.result({"means": means}, f"{format_rows(means)}\nReport: {written}")
