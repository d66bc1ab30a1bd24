"""The commands that make models: from clips to networks to a folder that dubs.

Everything heavy is imported inside the commands: `--help` and wrong flags answer without torch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stylesync_engine.commands.reporting import Json, format_rows, reporting
from stylesync_engine.request import RequestError
from stylesync_training.commands.options import (
    BatchSize,
    Check,
    DryRun,
    FrontEnd,
    GivenFaceModel,
    Holdout,
    Layout,
    MostClips,
    OnlySpeakers,
    PresetName,
    Seed,
    Sources,
    Steps,
    TensorBoard,
    Work,
    Workers,
    preset_of,
    split_names,
)
from stylesync_training.commands.step_bars import StepBars, describe_data

if TYPE_CHECKING:
    from stylesync_training.data.workspace import Workspace
    from stylesync_training.fitting.presets import Preset
    from stylesync_training.steps import Budget


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
    with reporting(as_json) as report, StepBars(report) as bars:
        from stylesync_training import steps
        from stylesync_training.data.corpora import find_sources, pick_clips
        from stylesync_training.data.prepare_report import summarise, write_prepare_report
        from stylesync_training.data.workspace import Choices, open_workspace

        chosen = preset_of(preset, open_workspace(work))
        found = pick_clips(find_sources(sources, layout), split_names(speakers), clips)
        choices = Choices(
            chosen.name,
            front_end or chosen.front_end,
            split_names(holdout) or (),
            split_names(check) or (),
            tuple(sources),
        )
        space = open_workspace(work)
        if dry_run:
            rows = summarise(found, choices)
            wanted = dataclasses.asdict(choices)
            text = f"{describe_data(wanted)}\n\n{format_rows(rows)}"
            bars.result({"choices": wanted, "speakers": rows}, text)
            return
        space = space.keep_choices(choices)
        steps.prepare_data(space, found, chosen, face_model, workers, bars.say)
        facts = write_prepare_report(space, found)
        text = _describe_prepared(facts, space.report / "prepare.md")
        bars.result({**facts, "text": text}, text)


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
        from stylesync_engine.faces.basel import convert_bfm
        from stylesync_training import steps
        from stylesync_training.data.workspace import open_workspace
        from stylesync_training.fitting.face_model import learn_from_tracks

        space = open_workspace(work)
        chosen = preset_of(preset, space)
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


def training_command(step: str, text: str) -> Callable[..., None]:
    """The command that trains one network; `text` is its help."""

    def command(
        work: Work,
        preset: PresetName = None,
        steps: Steps = None,
        batch: BatchSize = None,
        seed: Seed = None,
        tensorboard: TensorBoard = False,
        dry_run: DryRun = False,
        as_json: Json = False,
    ) -> None:
        _train(step, work, preset, (steps, batch, seed, tensorboard), dry_run, as_json)

    command.__doc__ = text
    return command


autoencoder = training_command("autoencoder", "Train the autoencoder of stage 2 on the crops.")
lip_motion = training_command(
    "lip-motion", "Train stage 1: from speech to lip motion (Eq. 3 to 5)."
)
sync_expert = training_command(
    "sync-expert",
    """Train the own sync expert on the prepared clips.

    From then on `evaluate` gives its figures, and `prepare`, run again, drops clips whose sound is
    early or late.
    """,
)
renderer = training_command(
    "renderer",
    """Train stage 2: conditional latent diffusion of the lower face (Eq. 6).

    The frozen autoencoder looks at the clips once; the latents are kept in the work folder.
    """,
)
quick_codec = training_command(
    "quick-codec",
    """Distil the autoencoder into the quick codec that dubs compute with.

    Comes after the renderer; `package` takes it along.
    """,
)
quick_renderer = training_command(
    "quick-renderer",
    """Distil the renderer's one step into the quick renderer that dubs compute with.

    Comes after the quick codec; `package` takes it along.
    """,
)


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
        from stylesync_training.data.workspace import open_workspace
        from stylesync_training.packaging import REPORT, package_models

        space = open_workspace(work)
        chosen = preset_of(preset, space)
        folder = output or space.models
        called = name or (output or space.folder).resolve().name
        if dry_run:
            data = {"output": str(folder), "name": called, "preset": chosen.name}
            report.result(data, format_rows([data]))
            return
        manifest = package_models(space, chosen, folder, called, notice)
        files = {part: sorted(entry.files) for part, entry in manifest.parts.items()}
        text = f"Models '{manifest.name}' with {REPORT}; dub with --models {folder}"
        report.result({"output": str(folder), "name": manifest.name, "parts": files}, text)


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
    consent: Annotated[
        str | None, typer.Option("--consent", metavar="FILE", help="The person's consent.")
    ] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Fine-tune the renderer on one shot's own speaker, in minutes.

    The result names its base and holds the renderer alone; dub with --models DIR.
    """
    with reporting(as_json) as report:
        from stylesync_engine.origin.consent import consent_for
        from stylesync_engine.request import FrameRange, SpeakerPoint
        from stylesync_training import adapt as adapting

        span = FrameRange.parse(frames) if frames else None
        point = SpeakerPoint.parse(speaker) if speaker else None
        adapting.check_output(models, output)
        consent_for(str(video), None, consent)
        if dry_run:
            data = {"video": str(video), "base": models, "output": str(output), "steps": steps}
            report.result(data, describe_data(data))
            return
        facts = adapting.adapt_renderer(video, models, output, steps, span, point, batch)
        report.result(facts, format_rows([facts]))


def _describe_prepared(facts: dict[str, Any], written: Path) -> str:
    text = f"{format_rows(facts['speakers'])}\nReport: {written}"
    if dropped := len(facts["dropped"]):
        reasons = format_rows(facts["reasons"])
        text += f"\n\n{dropped} of {facts['found']} clips dropped:\n{reasons}"
    return text


def _train(
    step: str,
    work: Path,
    preset: str | None,
    budget: tuple[int | None, int | None, int | None, bool],
    dry_run: bool,
    as_json: bool,
) -> None:
    with reporting(as_json) as report, StepBars(report) as bars:
        from stylesync_training import distil, steps
        from stylesync_training.data.workspace import open_workspace
        from stylesync_training.fitting.loop import read_curve

        space = open_workspace(work)
        chosen, wanted = preset_of(preset, space), steps.Budget(*budget)
        resolved = steps.describe_steps(space, chosen, wanted, step)
        if dry_run:
            bars.result(resolved, describe_data(resolved))
            return
        if own := resolved["train_on"]:
            print(f"{step}: preset {chosen.name}, trained on {', '.join(own)}", flush=True)
        runs: dict[str, Callable[[Workspace, Preset, Budget], None]] = {
            "autoencoder": steps.run_autoencoder,
            "lip-motion": steps.run_lip_motion,
            "sync-expert": steps.run_sync_expert,
            "quick-codec": distil.run_quick_codec,
            "quick-renderer": distil.run_quick_renderer,
            "renderer": lambda s, p, b: steps.run_renderer(s, p, b, bars.say),
        }
        runs[step](space, chosen, wanted)
        last: dict[str, Any] = {}
        for line in read_curve(space.run(step)):
            last.update(line)
        data = {"run": str(space.run(step)), **last}
        curves = space.report / f"{step}.png"
        bars.result(data, f"{format_rows([data])}\nCurves: {curves}")
