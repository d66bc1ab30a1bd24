"""The commands of `stylesync-engine`.

The engine is imported inside the commands: `--help` and wrong flags answer without torch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from stylesync_engine import __version__
from stylesync_engine.compare_command import compare
from stylesync_engine.doctor_command import doctor
from stylesync_engine.reporting import format_rows, reporting, run_app
from stylesync_engine.request import (
    DubOptions,
    DubRequest,
    DubResult,
    FrameRange,
    ModelError,
    RequestError,
)
from stylesync_engine.simulate_command import simulate
from stylesync_engine.verify_command import verify

PROGRAM = "stylesync-engine"
REQUEST_BYTES = 16 * 2**20
PASSED_ON: dict[str, Any] = {  # commands that read their words themselves, in `__main__` too
    "add_help_option": False,
    "context_settings": {"ignore_unknown_options": True, "allow_extra_args": True},
}

RequestFile = Annotated[str, typer.Argument(metavar="REQUEST.json", help="A request, as data.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")]
Work = Annotated[str, typer.Option("--work", metavar="DIR", help="The plan's folder.")]
Models = Annotated[
    str | None,
    typer.Option("--models", metavar="starter|paper|DIR", help="Which weights (default: starter)."),
]
Quality = Annotated[
    str | None,
    typer.Option(
        "--quality",
        metavar="draft|good|best",
        help="draft: aligned reference alone; good: few steps (default); best: all steps.",
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        "--device", metavar="auto|cuda[:N]|mps|cpu", help="Where to compute (default: auto)."
    ),
]
Steps = Annotated[
    int | None, typer.Option("--steps", metavar="N", help="Sampling steps (default: the models').")
]
Sampler = Annotated[
    str | None,
    typer.Option("--sampler", metavar="dpmpp|ddim", help="Sampler (default: the models')."),
]
OptionalWork = Annotated[
    str | None,
    typer.Option("--work", metavar="DIR", help="Keep finished windows here (default: beside OUT)."),
]
Video = Annotated[str | None, typer.Option("--video", metavar="V", help="The shot to dub.")]
Frames = Annotated[
    str | None,
    typer.Option(
        "--frames", metavar="A:B", help="Source frames from 0, B excluded (default: all)."
    ),
]
Speech = Annotated[
    str | None,
    typer.Option("--speech", metavar="S", help="The new speech: sound, or a clip's own."),
]
SpeechSamples = Annotated[
    str | None,
    typer.Option("--speech-samples", metavar="A:B", help="Samples of the speech file, B excluded."),
]
Style = Annotated[
    str | None,
    typer.Option(
        "--style", metavar="R", help="A clip of how this person speaks (default: the shot itself)."
    ),
]
StyleFrames = Annotated[
    str | None, typer.Option("--style-frames", metavar="A:B", help="Frames of the style clip.")
]
Output = Annotated[str | None, typer.Option("--output", metavar="OUT", help="The dub's file.")]
Strength = Annotated[
    float | None,
    typer.Option(
        "--strength",
        metavar="X",
        help="How much of the noise sampling starts from, above 0 to 1 (default: the models').",
    ),
]
StyleReading = Annotated[
    str | None,
    typer.Option(
        "--style-reading",
        metavar="network|closed-form|none",
        help="How the style clip is read (default: the models').",
    ),
]
Seed = Annotated[int | None, typer.Option("--seed", metavar="N", help="Noise (default: 0).")]
Speaker = Annotated[
    str | None,
    typer.Option("--speaker", metavar="FRAME:X,Y", help="A point on the speaker's face, px."),
]
Appearance = Annotated[
    str | None,
    typer.Option(
        "--appearance",
        metavar="shot|style|FILE[:A:B]",
        help="Whose frames show what the person looks like (default: the shot's and style clip's).",
    ),
]
Delivery = Annotated[
    str | None,
    typer.Option(
        "--delivery",
        metavar="composite|overlay|vfx",
        help="Full frames (default), the change alone, or layers for compositing.",
    ),
]
Codec = Annotated[
    str | None,
    typer.Option(
        "--codec",
        metavar="prores4444|prores422hq|dnxhr|ffv1|h264|h265|exr|png",
        help="How OUT is encoded (default: prores4444).",
    ),
]
Length = Annotated[
    str | None,
    typer.Option(
        "--length",
        metavar="trim|hold|silence",
        help="Speech longer or shorter than the shot: trim (default), hold, silence.",
    ),
]
Landmarks = Annotated[
    str | None,
    typer.Option(
        "--landmarks",
        metavar="mediapipe|face-alignment",
        help="What finds the face (default: mediapipe; the other fetches its own weights).",
    ),
]
Person = Annotated[str | None, typer.Option("--person", metavar="NAME", help="Who is dubbed.")]
Consent = Annotated[
    str | None, typer.Option("--consent", metavar="FILE", help="The person's consent, on record.")
]
Credentials = Annotated[
    str | None,
    typer.Option(
        "--credentials",
        metavar="auto|off|test",
        help="Proof of origin: auto signs with the configured certificate (default: auto).",
    ),
]
Mark = Annotated[
    str | None,
    typer.Option(
        "--mark",
        metavar="none|metadata",
        help="Say in the file's metadata that a model took part (default: none).",
    ),
]

Rate = Annotated[
    str | None,
    typer.Option("--rate", metavar="R", help="Rate of image sequences that do not say it."),
]
ColourSpace = Annotated[
    str | None,
    typer.Option(
        "--colour-space",
        metavar="NAME",
        help="The shot's: bt709, pq, hlg, linear, acescg, or a camera log (default: by its tags).",
    ),
]
Deinterlace = Annotated[
    bool | None,
    typer.Option("--deinterlace", help="Make frames of an interlaced clip's fields."),
]

KeepSound = Annotated[
    bool | None,
    typer.Option("--keep-sound", help="Keep the shot's other sound beside the new speech."),
]
MatchLoudness = Annotated[
    bool | None,
    typer.Option("--match-loudness", help="Make the speech as loud as the shot's own sound."),
]
BurnIn = Annotated[
    bool | None,
    typer.Option("--burn-in", help="Show clip, time code and frame in a review encode."),
]

app = typer.Typer(
    name=PROGRAM,
    help="Dub one shot: new speech, this person's way of speaking.",
    epilog=f"Example: {PROGRAM} dub --video shot.mov --speech line.wav --output dub.mov",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
models_app = typer.Typer(
    help="List, check, fetch or import models.",
    epilog=f"Example: {PROGRAM} models list",
    rich_markup_mode=None,
    no_args_is_help=False,
)
app.add_typer(models_app, name="models")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    return run_app(app, PROGRAM, arguments)


@app.callback(invoke_without_command=True)
def show_version(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(__version__)
    elif context.invoked_subcommand is None:
        raise RequestError(f"Name a command, for example {PROGRAM} dub; see --help.")


@app.command(
    epilog=f"Example: {PROGRAM} dub --video shot.mov --frames 120:360 --speech line.wav"
    " --style interview.mov --output dub.mov"
)
def dub(
    request: Annotated[
        str | None,
        typer.Argument(metavar="[REQUEST.json]", help="The same as the flags, as data."),
    ] = None,
    video: Video = None,
    frames: Frames = None,
    speech: Speech = None,
    speech_samples: SpeechSamples = None,
    style: Style = None,
    style_frames: StyleFrames = None,
    output: Output = None,
    models: Models = None,
    quality: Quality = None,
    device: Device = None,
    steps: Steps = None,
    sampler: Sampler = None,
    strength: Strength = None,
    style_reading: StyleReading = None,
    seed: Seed = None,
    speaker: Speaker = None,
    appearance: Appearance = None,
    delivery: Delivery = None,
    codec: Codec = None,
    length: Length = None,
    landmarks: Landmarks = None,
    work: OptionalWork = None,
    person: Person = None,
    consent: Consent = None,
    credentials: Credentials = None,
    mark: Mark = None,
    rate: Rate = None,
    colour_space: ColourSpace = None,
    deinterlace: Deinterlace = None,
    keep_sound: KeepSound = None,
    match_loudness: MatchLoudness = None,
    burn_in: BurnIn = None,
    as_json: Json = False,
) -> None:
    """Dub a shot, asked for by flags or by a request file."""
    asked = given(**locals())
    del asked["as_json"]
    run_dub(choose_request(asked.pop("request", None), asked), as_json)


def run_dub(request: DubRequest, as_json: bool) -> None:
    with reporting(as_json) as report:
        from stylesync_engine import dubbing

        result = dubbing.dub(request, on_progress=report.progress)
        report.result(result.to_dict(), describe_result(result))


@app.command(epilog=f"Example: {PROGRAM} prepare request.json --work plan")
def prepare(request: RequestFile, work: Work, as_json: Json = False) -> None:
    """Make the plan that `render` follows.

    Follows the speaker, reads style and speech, and moves the lips; no frame is rendered yet.
    """
    with reporting(as_json) as report:
        from stylesync_engine import dubbing

        folder = dubbing.prepare(read_request(request), Path(work), on_progress=report.progress)
        report.result({"work": str(folder)}, f"The plan lies in {folder}")


@app.command(epilog=f"Example: {PROGRAM} render --work plan --frames 0:100")
def render(work: Work, frames: Frames = None, as_json: Json = False) -> None:
    """Render a range of a plan's frames.

    Finished windows are kept, and skipped the next time.
    """
    wanted = FrameRange.parse(frames) if frames is not None else None
    with reporting(as_json) as report:
        from stylesync_engine import dubbing

        dubbing.render(Path(work), wanted, on_progress=report.progress)
        report.result(
            {"work": work, "frames": [wanted.start, wanted.end] if wanted else None},
            f"Rendered {f'frames {wanted}' if wanted else 'all frames'} of {work}",
        )


@app.command(epilog=f"Example: {PROGRAM} assemble --work plan")
def assemble(work: Work, as_json: Json = False) -> None:
    """Join what was rendered into the output.

    The request that the plan was made from names it.
    """
    with reporting(as_json) as report:
        from stylesync_engine import dubbing

        result = dubbing.assemble(Path(work), on_progress=report.progress)
        report.result(result.to_dict(), describe_result(result))


@app.command(epilog=f"Example: {PROGRAM} bundle request.json --to job")
def bundle(
    request: RequestFile,
    to: Annotated[str, typer.Option("--to", metavar="DIR", help="The job bundle's folder.")],
    gpus: Annotated[int, typer.Option("--gpus", min=0, help="GPUs that a worker must have.")] = 0,
    workers: Annotated[int, typer.Option("--workers", min=1, help="How many there may be.")] = 16,
    bench: Annotated[
        str | None,
        typer.Option("--bench", metavar="FILE", help="What bench --json printed on a worker."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write an Open Job Description bundle of one dub, for a render farm."""
    with reporting(as_json) as report:
        from stylesync_engine import bundles, costs, job_template

        figures = costs.read_costs(Path(bench)) if bench else costs.Costs()
        options = job_template.FarmOptions(gpus=gpus, workers=workers, costs=figures)
        entries = bundles.write_bundle([read_request(request)], Path(to), options)
        frames = len(entries[0].frames)
        report.result({"bundle": to, "frames": frames}, f"A job of {frames} frames lies in {to}")


@app.command(**PASSED_ON)
def task(context: typer.Context) -> None:
    """Run a chunk of a job bundle's tasks, as the bundle's template asks a worker to."""
    from stylesync_engine import task_command

    raise typer.Exit(task_command.main(context.args))


@app.command(**PASSED_ON)
def warm(context: typer.Context) -> None:
    """Keep an engine loaded in a farm worker's session."""
    from stylesync_engine import warm_command

    raise typer.Exit(warm_command.main(context.args))


@app.command(epilog=f"Example: {PROGRAM} probe shot.mov --json")
def probe(
    video: Annotated[str, typer.Argument(metavar="V", help="A video file.")], as_json: Json = False
) -> None:
    """Show a video's rate, size and speakers.

    Rate, frames, size, time code, and the speakers with the frames where they are seen.
    """
    with reporting(as_json) as report:
        from stylesync_engine import dubbing

        found = dubbing.probe(video, on_progress=report.progress)
        report.result(found, describe_fields(found))


@app.command(epilog=f"Example: {PROGRAM} bench --quality draft --json")
def bench(
    video: Video = None,
    speech: Speech = None,
    models: Models = None,
    quality: Quality = None,
    device: Device = None,
    steps: Steps = None,
    sampler: Sampler = None,
    as_json: Json = False,
) -> None:
    """Measure the speed, stage by stage.

    Frames/s, share of the time, and peak memory.
    """
    chosen = given(models=models, quality=quality, device=device, steps=steps, sampler=sampler)
    options = DubOptions(**chosen)
    with reporting(as_json) as report:
        from stylesync_engine import benchmark

        found = benchmark.measure(options, video=video, speech=speech, on_progress=report.progress)
        report.result(found, describe_fields(found))


@app.command(epilog=f'Example: echo \'{{"id": "1", "method": "ping"}}\' | {PROGRAM} serve')
def serve() -> None:
    """Answer JSON lines, for the panel.

    Requests come on standard input; progress, results and errors go to standard output.
    """
    from stylesync_engine import serving

    raise typer.Exit(serving.serve())


app.command(epilog=f"Example: {PROGRAM} compare shot.mov dub.mov --matte work")(compare)
app.command(epilog=f"Example: {PROGRAM} doctor --report report.json")(doctor)
app.command(epilog=f"Example: {PROGRAM} verify dub.mov --trust studio.pem")(verify)
app.command(epilog=f"Example: {PROGRAM} simulate --dubs 800 --workers 1,10,100")(simulate)


@models_app.callback(invoke_without_command=True)
def require_action(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        raise RequestError(f"Say list, verify, pull or import, for example {PROGRAM} models list.")


@models_app.command("list", epilog=f"Example: {PROGRAM} models list --json")
def list_models(as_json: Json = False) -> None:
    """List the models that are known, and which are here."""
    with reporting(as_json) as report:
        from stylesync_engine import checkpoints

        rows = checkpoints.list_models()
        report.result({"models": rows}, format_rows(rows))


@models_app.command("verify", epilog=f"Example: {PROGRAM} models verify starter")
def verify_models(
    name: Annotated[str, typer.Argument(metavar="[NAME|DIR]", help="Which models.")] = "starter",
    as_json: Json = False,
) -> None:
    """Check the models' files against their hashes."""
    with reporting(as_json) as report:
        from stylesync_engine import checkpoints

        rows = checkpoints.verify_models(name)
        damaged = [str(row.get("file", name)) for row in rows if row.get("ok") is False]
        if damaged:
            raise ModelError(
                f"{', '.join(damaged)} differ from what was released; fetch {name} again."
            )
        report.result({"models": rows}, format_rows(rows))


@models_app.command("pull", epilog=f"Example: {PROGRAM} models pull paper")
def pull_models(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Which models.")],
    source: Annotated[
        str | None,
        typer.Option("--from", metavar="DIR|URL", help="Where to fetch from (default: public)."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Fetch the public parts of a set of models.

    Their hashes are checked.
    """
    with reporting(as_json) as report:
        from stylesync_engine import checkpoints

        folder = checkpoints.pull_models(name, source)
        report.result({"models": name, "folder": str(folder)}, f"{name} lies in {folder}")


@models_app.command("import", epilog=f"Example: {PROGRAM} models import bfm 01_MorphableModel.mat")
def import_model(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="What the file is.")],
    path: Annotated[str, typer.Argument(metavar="PATH", help="The file as its makers give it.")],
    as_json: Json = False,
) -> None:
    """Convert a model that you fetched by hand.

    For models whose licence keeps us from fetching them.
    """
    with reporting(as_json) as report:
        from stylesync_engine import checkpoints

        folder = checkpoints.import_model(kind, path)
        report.result({"kind": kind, "folder": str(folder)}, f"{kind} lies in {folder}")


def choose_request(path: str | None, flags: dict[str, Any]) -> DubRequest:
    """The request of a file, or of flags; both at once contradict each other."""
    if path is not None and flags:
        raise RequestError("Give either a request file or flags, not both.")
    return read_request(path) if path is not None else parse_flags(flags)


def parse_flags(flags: dict[str, Any]) -> DubRequest:
    """The request that the flags spell, checked as if it had come from a file."""
    fields = dict(flags)
    if "speech_samples" in fields:
        fields["speech_samples"] = parse_samples(fields["speech_samples"])
    names = {option.name for option in dataclasses.fields(DubOptions)}
    fields["options"] = {name: fields.pop(name) for name in names & fields.keys()}
    return DubRequest.from_dict(fields)


def read_request(path: str) -> DubRequest:
    """Read a request file; raises RequestError where it is none."""
    try:
        with Path(path).open(encoding="utf-8") as file:
            text = file.read(REQUEST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise RequestError(
            f"The request {path} cannot be read ({reason}); give a JSON file."
        ) from error
    if len(text) > REQUEST_BYTES:
        raise RequestError(f"The request {path} is far too large; give a JSON file.")
    return DubRequest.from_json(text)


def parse_samples(text: str) -> list[int]:
    """`"0:48000"` -> [0, 48000]; the half-open range counts samples of the speech file."""
    first, colon, last = text.partition(":")
    if not (colon and first.isdecimal() and last.isdecimal() and len(text) < 40):
        raise RequestError(f"'{text}' is not a range of samples; write A:B, for example 0:48000.")
    return [int(first), int(last)]


def given(**fields: Any) -> dict[str, Any]:
    """The fields that the caller gave."""
    return {name: value for name, value in fields.items() if value is not None}


def describe_result(result: DubResult) -> str:
    total = sum(result.seconds.values())
    return (
        f"{result.output}: {result.frames} frames at {result.rate} per second,"
        f" {result.changed} changed, in {total:.1f} s on {result.device}"
        f" (models {result.models}, seed {result.seed})"
    )


def describe_fields(fields: dict[str, Any]) -> str:
    """Plain fields one a line; lists of records as tables below."""
    plain = {name: value for name, value in fields.items() if not _is_table(value)}
    lines = [f"{name}: {value}" for name, value in plain.items()]
    for name, value in fields.items():
        if name not in plain:
            lines += ["", f"{name}:", format_rows(value)]
    return "\n".join(lines)


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)
