"""The commands of `stylesync-engine`.

The engine is imported inside the commands: `--help` and wrong flags answer without torch.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from stylesync_engine.commands.compare import compare
from stylesync_engine.commands.doctor import doctor
from stylesync_engine.commands.flags import RequestFile, Work, takes_flags
from stylesync_engine.commands.models import models_app
from stylesync_engine.commands.people import people_app
from stylesync_engine.commands.reporting import (
    Json,
    JsonReport,
    add_version,
    format_rows,
    loading,
    make_app,
    reporting,
    run_app,
)
from stylesync_engine.commands.verify import verify
from stylesync_engine.files import read_bounded
from stylesync_engine.request import (
    DubOptions,
    DubRequest,
    DubResult,
    FrameRange,
    RequestError,
)

PROGRAM = "stylesync-engine"
REQUEST_BYTES = 16 * 2**20
PASSED_ON: dict[str, Any] = {  # commands that read their words themselves, in `__main__` too
    "add_help_option": False,
    "context_settings": {"ignore_unknown_options": True, "allow_extra_args": True},
}

app = make_app(
    PROGRAM,
    "Dub one shot: new speech, this person's way of speaking.",
    "dub --video shot.mov --speech line.wav --output dub.mov",
)
add_version(app, PROGRAM)
app.add_typer(models_app, name="models")
app.add_typer(people_app, name="person")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    return run_app(app, PROGRAM, arguments)


@app.command(
    epilog=f"Example: {PROGRAM} dub --video shot.mov --frames 120:360 --speech line.wav"
    " --style interview.mov --output dub.mov"
)
@takes_flags()
def dub(
    request: Annotated[
        str | None,
        typer.Argument(metavar="[REQUEST.json]", help="The same as the flags, as data."),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for a dub with the same output or work folder.")
    ] = False,
    as_json: Json = False,
    **flags: Any,
) -> None:
    """Dub a shot, asked for by flags or by a request file."""
    run_dub(choose_request(request, flags), as_json, wait)


def run_dub(request: DubRequest, as_json: bool, wait: bool = False) -> None:
    from stylesync_engine.preparing.watching import begun_early

    with reporting(as_json) as report, begun_early(request):
        with loading():
            from stylesync_engine import dubbing
        result = dubbing.dub(request, on_progress=report.progress, wait=wait)
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
@takes_flags("frames")
def render(work: Work, as_json: Json = False, frames: str | None = None) -> None:
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


@app.command(**PASSED_ON)
def task(context: typer.Context) -> None:
    """Run a chunk of a job bundle's tasks, as the bundle's template asks a worker to."""
    from stylesync_engine.commands import task

    raise typer.Exit(task.main(context.args))


@app.command(**PASSED_ON)
def warm(context: typer.Context) -> None:
    """Keep an engine loaded in a farm worker's session."""
    from stylesync_engine.commands import warm

    raise typer.Exit(warm.main(context.args))


@app.command(epilog=f"Example: {PROGRAM} probe shot.mov --json")
@takes_flags("images_rate")
def probe(
    video: Annotated[str, typer.Argument(metavar="V", help="A video file.")],
    progress: Annotated[
        bool, typer.Option("--progress", help="With --json: a line on standard error a frame.")
    ] = False,
    as_json: Json = False,
    images_rate: str | None = None,
) -> None:
    """Show a video's rate, size, streams and speakers.

    Rate, frames, size, time code, picture and sound streams, and the speakers with the frames
    where they are seen; of a sound file its streams. With --json one object.
    """
    with reporting(as_json) as report:
        from stylesync_engine import dubbing

        aside = JsonReport(sys.stderr).progress if progress else None
        tell = aside if as_json else report.progress
        found = dubbing.probe(video, on_progress=tell, images_rate=images_rate)
        report.result(found, describe_fields(found))


@app.command(epilog=f"Example: {PROGRAM} sync interview.mov --json")
@takes_flags("models")
def sync(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A clip of somebody speaking.")],
    as_json: Json = False,
    models: str | None = None,
) -> None:
    """Tell how late a clip's sound is against the speaker's lips.

    In seconds, to a fraction of a frame, and how sure that is, from 0 to 1.
    """
    with reporting(as_json) as report:
        from stylesync_engine import dubbing

        found = dubbing.sync(file, models or "starter", on_progress=report.progress)
        report.result(found, describe_sync(file, found))


@app.command(epilog=f"Example: {PROGRAM} bench --quality draft --json")
@takes_flags("video", "speech", "models", "quality", "device", "codec", "steps", "sampler")
def bench(
    as_json: Json = False,
    video: str | None = None,
    speech: str | None = None,
    cores: Annotated[
        str | None, typer.Option(metavar="N,...", help="A table of all sizes on so many cores.")
    ] = None,
    peer: Annotated[
        str | None, typer.Option(metavar="COMMAND", help="Prints a network's fps to compare with.")
    ] = None,
    **flags: Any,
) -> None:
    """Measure the speed, stage by stage.

    Frames/s, share of the time, and peak memory; with --cores of all sizes, draft and good, each
    in a process of its own.
    """
    options = DubOptions(**flags)
    with reporting(as_json) as report:
        if cores is not None:
            from stylesync_engine.review import bench_table

            counts, words = bench_table.parse_cores(cores), {k: str(v) for k, v in flags.items()}
            table = bench_table.measure_table(counts, words, video, speech, peer)
            report.result(table, format_rows(table["rows"]))
            return
        from stylesync_engine.review import benchmark

        found = benchmark.measure(options, video=video, speech=speech, on_progress=report.progress)
        report.result(found, describe_fields(found))


@app.command(epilog=f'Example: echo \'{{"id": "1", "method": "ping"}}\' | {PROGRAM} serve')
def serve() -> None:
    """Answer JSON lines, for the panel.

    Requests come on standard input; progress, results and errors go to standard output.
    """
    from stylesync_engine.serve import server

    raise typer.Exit(server.serve())


app.command(epilog=f"Example: {PROGRAM} compare shot.mov dub.mov --matte work")(compare)
app.command(epilog=f"Example: {PROGRAM} doctor --report report.json")(doctor)
app.command(epilog=f"Example: {PROGRAM} verify dub.mov --trust studio.pem")(verify)


def choose_request(path: str | None, flags: dict[str, Any]) -> DubRequest:
    """The request of a file, or of flags; both at once contradict each other."""
    if path is not None and flags:
        raise RequestError("Give either a request file or flags, not both.")
    return read_request(path) if path is not None else parse_flags(flags)


def parse_flags(flags: dict[str, Any]) -> DubRequest:
    """The request that the flags spell, checked as if it had come from a file."""
    fields = dict(flags)
    names = {option.name for option in dataclasses.fields(DubOptions)}
    fields["options"] = {name: fields.pop(name) for name in names & fields.keys()}
    return DubRequest.from_dict(fields)


def read_request(path: str) -> DubRequest:
    """Read a request file; raises RequestError where it is none."""
    try:
        text = read_bounded(Path(path), REQUEST_BYTES).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise RequestError(
            f"The request {path} cannot be read ({reason}); give a JSON file."
        ) from error
    return DubRequest.from_json(text)


def describe_result(result: DubResult) -> str:
    total = sum(result.seconds.values())
    return (
        f"{result.output}: {result.frames} frames at {result.rate} per second,"
        f" {result.changed} changed, in {total:.1f} s on {result.device}"
        f" (models {result.models}, seed {result.seed}). {result.describe_lips()}"
    ).rstrip()


def describe_sync(file: str, found: dict[str, Any]) -> str:
    offset, sure = found["offset"], found["sure"]
    if found.get("parts"):
        parts = "\n".join(f"  from {p['second']:g} s: {p['offset']:+.3f} s" for p in found["parts"])
        return f"{file}: the sound runs away from the lips\n{parts}"
    if sure < 0.5:
        return (
            f"{file}: the lips say too little to tell whether the sound is late ({sure:.0%} sure)"
        )
    way = "late" if offset > 0 else "early"
    return f"{file}: the sound is {abs(offset):.3f} s {way} ({sure:.0%} sure)"


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
