"""The commands of `stylesync-train`.

Everything heavy is imported inside the commands: `--help` and wrong flags answer without torch.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn

from stylesync_engine.reporting import format_rows, progress_bars, reporting, run_app
from stylesync_engine.request import RequestError

if TYPE_CHECKING:
    from stylesync_training.presets import Preset
    from stylesync_training.steps import Budget
    from stylesync_training.workspace import Workspace

PROGRAM = "stylesync-train"

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
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")]
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
        metavar="whisper-tiny.en|log-mel|ctc:DIR",
        help="Speech features (default: the preset's).",
    ),
]
GivenFaceModel = Annotated[
    Path | None,
    typer.Option("--face-model", metavar="FILE", help="Use this one instead of learning one."),
]
Workers = Annotated[int, typer.Option("--workers", metavar="N", min=1, help="Processes.")]

app = typer.Typer(
    name=PROGRAM,
    help="Train StyleSync: from folders of talking clips to models that dub.",
    epilog=f"Example: {PROGRAM} prepare clips/anna clips/ben --work run --preset tiny",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    return run_app(app, PROGRAM, arguments)


@app.callback()
def choose_threads(threads: Threads = None) -> None:
    if threads is not None:
        # Before torch is imported, which reads it once.
        os.environ["OMP_NUM_THREADS"] = str(threads)


@app.command(epilog=f"Example: {PROGRAM} prepare grid/s1 grid/s2 grid/s3 --work run --holdout s3")
def prepare(
    sources: Sources,
    work: Work,
    layout: Layout = "auto",
    preset: PresetName = None,
    speakers: OnlySpeakers = None,
    holdout: Holdout = None,
    check: Check = None,
    clips: MostClips = None,
    front_end: FrontEnd = None,
    face_model: GivenFaceModel = None,
    workers: Workers = 2,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Follow, crop and listen to folders of clips: track, face model, training data."""
    with reporting(as_json) as report, _Bars() as bars:
        from stylesync_training import steps
        from stylesync_training.corpora import find_sources, pick_clips
        from stylesync_training.prepare_report import summarise, write_prepare_report
        from stylesync_training.workspace import Choices, open_workspace

        chosen = _preset(preset, open_workspace(work))
        found = pick_clips(find_sources(sources, layout), _names(speakers), clips)
        choices = Choices(
            chosen.name,
            front_end or chosen.front_end,
            _names(holdout) or (),
            _names(check) or (),
            tuple(sources),
        )
        space = open_workspace(work)
        if dry_run:
            rows = summarise(found, choices)
            data = {"choices": dataclasses.asdict(choices), "speakers": rows}
            report.result(data, f"{choices}\n\n{format_rows(rows)}")
            return
        space = space.keep_choices(choices)
        steps.prepare_data(space, found, chosen, face_model, workers, bars.say)
        facts = write_prepare_report(space, found)
        report.result(facts, facts["text"])


@app.command(
    "face-model", epilog=f"Example: {PROGRAM} face-model --work run --output face.safetensors"
)
def face_model(
    work: Work,
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE", help="Learn again and write here instead."),
    ] = None,
    bfm: Annotated[
        Path | None,
        typer.Option("--bfm", metavar="FILE", help="Convert BFM_model_front.mat instead."),
    ] = None,
    preset: PresetName = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Learn the face model (Eq. 1) from the tracked clips.

    `prepare` does so by itself; here it can be learned again, or converted, into a file for
    `prepare --face-model`.
    """
    with reporting(as_json) as report:
        from stylesync_engine.bfm import convert_bfm
        from stylesync_training import steps
        from stylesync_training.prepare import learn_from_tracks
        from stylesync_training.workspace import open_workspace

        space = open_workspace(work)
        chosen = _preset(preset, space)
        own = [c for c in space.source_clips() if c.speaker not in space.choices.kept_aside()]
        target = output or space.face_model
        if dry_run:
            names = sorted({clip.speaker for clip in own})
            report.result({"output": str(target), "speakers": names}, f"{target} from {names}")
            return
        if bfm is not None and output is None:
            raise RequestError("A converted face model needs a file of its own; give --output.")
        if output is None:
            model = steps.learn_face(space, own, chosen)
        else:
            model = (
                convert_bfm(bfm, steps.learn_face(space, own, chosen))
                if bfm
                else learn_from_tracks(own, space.tracks, chosen.expressions, chosen.identities)
            )
            model.save(output)
        data = {
            "output": str(target),
            "identities": len(model.identity),
            "expressions": len(model.expression),
        }
        report.result(
            data, f"{target}: {data['identities']} identities, {data['expressions']} expressions"
        )


@app.command(epilog=f"Example: {PROGRAM} autoencoder --work run")
def autoencoder(
    work: Work,
    preset: PresetName = None,
    steps: Steps = None,
    batch: BatchSize = None,
    seed: Seed = None,
    tensorboard: TensorBoard = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Train the autoencoder of stage 2 on the crops."""
    _train("autoencoder", work, preset, (steps, batch, seed, tensorboard), dry_run, as_json)


@app.command("lip-motion", epilog=f"Example: {PROGRAM} lip-motion --work run")
def lip_motion(
    work: Work,
    preset: PresetName = None,
    steps: Steps = None,
    batch: BatchSize = None,
    seed: Seed = None,
    tensorboard: TensorBoard = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Train stage 1: from speech to lip motion (Eq. 3 to 5)."""
    _train("lip-motion", work, preset, (steps, batch, seed, tensorboard), dry_run, as_json)


@app.command("sync-expert", epilog=f"Example: {PROGRAM} sync-expert --work run")
def sync_expert(
    work: Work,
    preset: PresetName = None,
    steps: Steps = None,
    batch: BatchSize = None,
    seed: Seed = None,
    tensorboard: TensorBoard = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Train the own sync expert on the prepared clips.

    From then on `evaluate` gives its figures, and `prepare`, run again, drops clips whose sound is
    early or late.
    """
    _train("sync-expert", work, preset, (steps, batch, seed, tensorboard), dry_run, as_json)


@app.command(epilog=f"Example: {PROGRAM} renderer --work run --steps 4500")
def renderer(
    work: Work,
    preset: PresetName = None,
    steps: Steps = None,
    batch: BatchSize = None,
    seed: Seed = None,
    tensorboard: TensorBoard = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Train stage 2: conditional latent diffusion of the lower face (Eq. 6).

    The frozen autoencoder looks at the clips once; the latents are kept in the work folder.
    """
    _train("renderer", work, preset, (steps, batch, seed, tensorboard), dry_run, as_json)


@app.command(epilog=f"Example: {PROGRAM} package --work run --name mine --output models/mine")
def package(
    work: Work,
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="DIR", help="The models' folder (default: WORK/models)."),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="What the models are called.")
    ] = None,
    notice: Annotated[
        Path | None,
        typer.Option("--notice", metavar="FILE", help="A text on the data's origin and licence."),
    ] = None,
    preset: PresetName = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Gather what was trained into a folder that `dub --models` takes, with REPORT.md."""
    with reporting(as_json) as report:
        from stylesync_training.packaging import package_models
        from stylesync_training.workspace import open_workspace

        space = open_workspace(work)
        chosen = _preset(preset, space)
        folder = output or space.folder / "models"
        called = name or folder.name
        if dry_run:
            data = {"output": str(folder), "name": called, "preset": chosen.name}
            report.result(data, format_rows([data]))
            return
        manifest = package_models(space, chosen, folder, called, notice)
        files = {part: sorted(entry.files) for part, entry in manifest.parts.items()}
        text = f"{folder}: models {manifest.name}; dub with --models {folder}"
        report.result({"output": str(folder), "name": manifest.name, "parts": files}, text)


@app.command(epilog=f"Example: {PROGRAM} evaluate --work run --models run/models --speakers s30")
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
    with reporting(as_json) as report, _Bars() as bars:
        from stylesync_training import evaluate as evaluation
        from stylesync_training import steps
        from stylesync_training.corpora import pick_clips
        from stylesync_training.published import find_published
        from stylesync_training.workspace import open_workspace

        space = open_workspace(work)
        aside = tuple(sorted(space.choices.holdout)) or None
        clips = pick_clips(space.source_clips(), _names(speakers) or aside, None)
        wanted = _names(qualities) or ()
        evaluation.check_qualities(wanted)
        chosen = evaluation.choose_pairs(clips, pairs)
        if dry_run:
            rows: list[dict[str, Any]] = [{"dub": p.key(q)} for q in wanted for p in chosen]
            report.result({"dubs": rows}, format_rows(rows))
            return
        name = models or str(space.folder / "models")
        published = find_published(measures)
        judge = steps.find_sync_judge(space)
        data = evaluation.evaluate_models(
            name, clips, wanted, pairs, space.report, published, bars.say, judge
        )
        report.result(data, evaluation.describe(data))


@app.command(epilog=f"Example: {PROGRAM} compare truth wav2lip stylesync --output table")
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
    with reporting(as_json) as report, _Bars() as bars:
        from stylesync_training.comparison import compare_folders, videos_by_name
        from stylesync_training.published import find_published

        if dry_run:
            real = videos_by_name(truth)
            rows: list[dict[str, Any]] = [
                {"method": m.name, "clips": len(real.keys() & videos_by_name(m).keys())}
                for m in methods
            ]
            report.result({"methods": rows}, format_rows(rows))
            return
        data = compare_folders(truth, methods, output, find_published(measures), bars.say)
        report.result(data, format_rows(data["means"]))


@app.command(epilog=f"Example: {PROGRAM} study wav2lip stylesync --output study")
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
        from stylesync_training import study as studies

        if bool(methods) == bool(scores):
            raise RequestError("Give the methods' folders to make a page, or --scores to gather.")
        if dry_run:
            data = {"output": str(output), "methods": [str(m) for m in methods or ()]}
            report.result(data, _describe(data))
        elif scores:
            means = studies.gather_scores(output, scores)["means"]
            report.result({"means": means}, format_rows(means))
        else:
            key = studies.make_study(methods or [], output, clips, seed)
            page = output / "index.html"
            report.result({"page": str(page), "videos": len(key)}, f"{page}: {len(key)} videos")


@app.command("leave-one-out", epilog=f"Example: {PROGRAM} leave-one-out --work run --seeds 3")
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
    left_out = (_names(speakers), folds)
    _fold(
        "leave-one-out", work, left_out, variants, seeds, preset, (steps, batch), dry_run, as_json
    )


@app.command(epilog=f"Example: {PROGRAM} synthetic --work bed && {PROGRAM} ablate --work bed")
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
        from stylesync_engine.checkpoints import load_models
        from stylesync_training.synthetic import SyntheticSpeech, make_synthetic
        from stylesync_training.workspace import open_workspace

        config = SyntheticSpeech(speakers, holdout, seed=seed)
        if not dry_run:
            face = load_models(models, "cpu").face_model
            make_synthetic(open_workspace(work), config, face)
        data = {"work": str(work), **dataclasses.asdict(config)}
        report.result(data, _describe(data))


@app.command(epilog=f"Example: {PROGRAM} ablate --work run --seeds 3")
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


@app.command(
    epilog=f"Example: {PROGRAM} attention --work run --query s30/bbaf2n --reference s30/lgim4p"
)
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
        from stylesync_training.attention import attention_of, draw_attention
        from stylesync_training.workspace import open_workspace

        space = open_workspace(work)
        clips = [steps.find_clip(space, name) for name in (query, reference)]
        path = space.report / "attention.png"
        if dry_run:
            report.result({"output": str(path)}, str(path))
            return
        if models:
            from stylesync_engine.checkpoints import load_models

            network = load_models(models, "cpu").lip_motion
        else:
            network = steps.read_lip_motion(space, _preset(preset, space))
        weights = attention_of(network, *clips)
        draw_attention(weights, clips[0], clips[1], path)
        report.result({"output": str(path), "shape": list(weights.shape)}, f"{path}")


@app.command(epilog=f"Example: {PROGRAM} adapt shot.mov --models starter --output models/anna")
def adapt(
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="The shot.")],
    output: Annotated[
        Path, typer.Option("--output", metavar="DIR", help="The adapted models' folder.")
    ],
    models: Annotated[
        str, typer.Option("--models", metavar="NAME|DIR", help="What to start from; left as it is.")
    ] = "starter",
    frames: Annotated[
        str | None, typer.Option("--frames", metavar="A:B", help="Source frames, B excluded.")
    ] = None,
    speaker: Annotated[
        str | None, typer.Option("--speaker", metavar="FRAME:X,Y", help="A point on the face, px.")
    ] = None,
    steps: Annotated[
        int, typer.Option("--steps", metavar="N", min=1, help="About one a second on two cores.")
    ] = 300,
    batch: Annotated[int, typer.Option("--batch", metavar="N", min=1, help="Batch size.")] = 8,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Fine-tune the renderer on one shot's own speaker, in minutes.

    The result names its base and holds the renderer alone; dub with --models DIR.
    """
    with reporting(as_json) as report:
        from stylesync_engine.request import FrameRange, SpeakerPoint
        from stylesync_training import adapt as adapting

        span = FrameRange.parse(frames) if frames else None
        point = SpeakerPoint.parse(speaker) if speaker else None
        adapting.check_output(models, output)
        if dry_run:
            data = {"video": str(video), "base": models, "output": str(output), "steps": steps}
            report.result(data, _describe(data))
            return
        facts = adapting.adapt_renderer(video, models, output, steps, span, point, batch)
        report.result(facts, format_rows([facts]))


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
    with reporting(as_json) as report, _Bars() as bars:
        from stylesync_training import steps
        from stylesync_training.workspace import open_workspace

        space = open_workspace(work)
        wanted = steps.Budget(steps=budget[0], batch=budget[1])
        plan = steps.plan_folds(
            space, _preset(preset, space), wanted, name, left_out[0], _names(variants), left_out[1]
        )
        if dry_run:
            data = {"folds": plan.folds, "variants": plan.variants, "seeds": seeds}
            report.result(data, _describe(data))
            return
        means = steps.run_plan(space, plan, range(seeds), bars.say)
        report.result({"means": means}, format_rows(means))


def _train(
    step: str,
    work: Path,
    preset: str | None,
    budget: tuple[int | None, int | None, int | None, bool],
    dry_run: bool,
    as_json: bool,
) -> None:
    with reporting(as_json) as report, _Bars() as bars:
        from stylesync_training import steps
        from stylesync_training.loop import read_curve
        from stylesync_training.workspace import open_workspace

        space = open_workspace(work)
        chosen, wanted = _preset(preset, space), steps.Budget(*budget)
        resolved = steps.describe_steps(space, chosen, wanted, step)
        if dry_run:
            report.result(resolved, _describe(resolved))
            return
        runs: dict[str, Callable[[Workspace, Preset, Budget], None]] = {
            "autoencoder": steps.run_autoencoder,
            "lip-motion": steps.run_lip_motion,
            "sync-expert": steps.run_sync_expert,
            "renderer": lambda s, p, b: steps.run_renderer(s, p, b, bars.say),
        }
        runs[step](space, chosen, wanted)
        last: dict[str, Any] = {}
        for line in read_curve(space.run(step)):
            last.update(line)
        data = {"run": str(space.run(step)), **last}
        report.result(data, format_rows([data]))


def _preset(name: str | None, space: Workspace) -> Preset:
    from stylesync_training.presets import find_preset

    return find_preset(name or space.choices.preset)


def _names(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(name for name in text.split(",") if name)


def _describe(data: dict[str, Any], indent: int = 0) -> str:
    """Nested plain data, one value a line."""
    lines = []
    for name, value in data.items():
        if isinstance(value, dict):
            lines += [f"{' ' * indent}{name}:", _describe(value, indent + 2)]
        else:
            lines.append(f"{' ' * indent}{name}: {value}")
    return "\n".join(lines)


class _Bars:
    """Progress bars on a terminal's standard error, one a step; nothing in a pipe."""

    def __init__(self) -> None:
        self._bars = progress_bars(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> _Bars:
        self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bars.stop()

    def say(self, step: str, done: int, total: int) -> None:
        if step not in self._tasks:
            self._tasks[step] = self._bars.add_task(step)
        self._bars.update(self._tasks[step], completed=done, total=total)
