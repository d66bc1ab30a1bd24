"""The commands of `stylesync`: whole timelines, from a shell, a script or a farm."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from stylesync_engine.commands.flags import takes, takes_flags
from stylesync_engine.commands.reporting import (
    Json,
    add_version,
    format_rows,
    make_app,
    reporting,
    run_app,
)
from stylesync_engine.files import Written, refuse_overwriting
from stylesync_engine.request import ModelError, RequestError
from stylesync_plugin.commands.flags import (
    ONE_DUB,
    Editor,
    Folder,
    Loader,
    OriginalSound,
    OutputPath,
    TimelineFile,
    TrackName,
)
from stylesync_plugin.commands.lines import lines_app
from stylesync_plugin.times import parse_rate

PROGRAM = "stylesync"

app = make_app(
    PROGRAM,
    "Dub clips of a timeline in the speaker's own style.",
    "dub cut.otio --clip A012 --speech line.wav -o dubbed.otio",
)
add_version(app, PROGRAM)
app.add_typer(lines_app, name="lines")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    return run_app(app, PROGRAM, arguments)


@app.command(epilog=f"Example: {PROGRAM} dub cut.otio --jobs lines.json -o dubbed.otio")
@takes(ONE_DUB)
def dub(
    timeline: TimelineFile,
    track_name: TrackName = "StyleSync",
    audio_track_name: Annotated[str, typer.Option(help="The new speech's.")] = "StyleSync speech",
    bare_paths: Annotated[bool, typer.Option(help="Paths instead of file URLs.")] = False,
    original_sound: OriginalSound = "off",
    report: Annotated[bool, typer.Option(help="Write an HTML report beside OUT.")] = True,
    as_json: Json = False,
    **flags: Any,
) -> None:
    """Dub clips and put them on a new track of a copy of the timeline.

    One dub by --clip, --track and --index, --range or --marker; a whole list by --jobs or
    --markers. The same command goes on where an earlier one stopped.
    """
    asked = _asked(timeline, flags)
    from stylesync_plugin.commands.batch import run_batch
    from stylesync_plugin.writing.original_sound import check_original_sound
    from stylesync_plugin.writing.write_back import TrackNames

    with reporting(as_json):
        level = check_original_sound(original_sound)
    names = TrackNames(track_name, audio_track_name, bare_paths, level)
    raise typer.Exit(run_batch(asked, names, report, as_json))


@app.command(epilog=f"Example: {PROGRAM} plan cut.otio --jobs lines.json")
@takes(ONE_DUB)
def plan(timeline: TimelineFile, as_json: Json = False, **flags: Any) -> None:
    """Show what would be dubbed, frame by frame range; nothing is rendered.

    Without a selection, the clips of the timeline are listed.
    """
    asked = _asked(timeline, flags)
    from stylesync_plugin.commands.batch import run_plan

    raise typer.Exit(run_plan(asked, as_json))


@app.command(epilog=f"Example: {PROGRAM} remove dubbed.otio -o clean.otio")
def remove(
    timeline: TimelineFile,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="OUT", help="The new timeline.")
    ],
    job: Annotated[
        list[str] | None, typer.Option(help="Only the dubs of this job; may be repeated.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Take dubs off the timeline again; the original is what remains."""
    from stylesync_plugin.formats.files import read_timeline, write_timeline
    from stylesync_plugin.writing import write_back

    with reporting(as_json) as report:
        refuse_overwriting({"timeline": [timeline]}, [Written.one(output.absolute())])
        content = read_timeline(timeline)
        found = write_back.list_dubs(content)
        ids = {entry["id"] for entry in found if not job or entry["job"] in job}
        if not ids:
            wanted = f" of {', '.join(job)}" if job else ""
            raise RequestError(
                f"'{timeline.name}' holds no dubs{wanted}; there is nothing to remove."
            )
        write_timeline(write_back.remove(content, ids if job else None), output)
        report.result(
            {"output": str(output), "removed": len(ids)}, f"Removed {len(ids)} dubs: {output}"
        )


@app.command(epilog=f"Example: {PROGRAM} extract dubbed.otio -o dubs.xml")
def extract(
    timeline: TimelineFile,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="OUT", help="The timeline of dubs alone.")
    ],
    as_json: Json = False,
) -> None:
    """Only StyleSync's own tracks, to paste above those of one's own: .otio, .xml, .fcpxml."""
    from stylesync_plugin.formats.files import read_timeline, write_timeline
    from stylesync_plugin.writing import write_back

    with reporting(as_json) as report:
        refuse_overwriting({"timeline": [timeline]}, [Written.one(output.absolute())])
        alone = write_back.only_ours(read_timeline(timeline))
        write_timeline(alone, output)
        count = len(write_back.list_dubs(alone))
        report.result({"output": str(output), "dubs": count}, f"{count} dubs alone: {output}")


@app.command(epilog=f"Example: {PROGRAM} panel cut.otio")
def panel(
    timeline: Annotated[
        Path | None, typer.Argument(metavar="[TIMELINE]", help="What to open.")
    ] = None,
) -> None:
    """Open the panel in a window of its own."""
    from stylesync_plugin.commands.panel import open_panel

    raise typer.Exit(open_panel(timeline))


@app.command(epilog=f"Example: {PROGRAM} submit cut.otio --jobs lines.json --to job -o dubbed.otio")
@takes(ONE_DUB)
def submit(
    timeline: TimelineFile,
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="The job bundle.")],
    track_name: TrackName = "StyleSync",
    gpus: Annotated[int, typer.Option(min=0, help="GPUs that a worker must have.")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="How many workers there may be.")] = 16,
    bench: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What stylesync-engine bench --json printed on one."),
    ] = None,
    as_json: Json = False,
    **flags: Any,
) -> None:
    """Write a job bundle for a render farm (Open Job Description)."""
    asked = _asked(timeline, flags)
    from stylesync_plugin.commands.farm import run_submit
    from stylesync_plugin.writing.write_back import TrackNames

    farm = {"gpus": gpus, "workers": workers, "bench": bench}
    run_submit(asked, TrackNames(track_name), to, farm, as_json)


@app.command(epilog=f"Example: {PROGRAM} collect job -o dubbed.otio")
def collect(
    bundle: Annotated[Path, typer.Argument(metavar="DIR", help="The job bundle.")],
    output: OutputPath = None,
    path_rules: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where files lie on a farm's worker.")
    ] = None,
    report: Annotated[bool, typer.Option(help="Write an HTML report beside OUT.")] = True,
    as_json: Json = False,
) -> None:
    """Check what a farm has rendered and put it on the timeline."""
    from stylesync_plugin.commands.farm import run_collect

    raise typer.Exit(run_collect(bundle, output, path_rules, report, as_json))


@app.command(epilog=f"Example: {PROGRAM} doctor")
def doctor(as_json: Json = False) -> None:
    """Check that everything StyleSync needs is here."""
    from stylesync_plugin.commands.doctor import examine

    with reporting(as_json) as report:
        findings = examine()
        rows = [dataclasses.asdict(finding) for finding in findings]
        report.result({"findings": rows}, format_rows(rows))
    if not all(finding.ok or not finding.needed for finding in findings):
        raise ModelError("Something that StyleSync needs is missing; see the lines that say no.")


@app.command(epilog=f"Example: {PROGRAM} host resolve")
@takes_flags("quality", "models", "device")
def host(
    editor: Editor,
    source: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="What its loader has written.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="OUT", help="What its loader will apply."),
    ] = None,
    panel: Annotated[
        bool, typer.Option("--panel", help="Open the panel; what it saves goes back.")
    ] = False,
    speech: Annotated[
        str | None,
        typer.Option("--speech", metavar="S", help="The new speech (default: marked)."),
    ] = None,
    media: Annotated[Path | None, typer.Option("--media", metavar="DIR", help="For dubs.")] = None,
    original_sound: Annotated[
        str | None,
        typer.Option(
            "--original-sound", metavar="off|-20dB|keep", help="Of the shot (default: off)."
        ),
    ] = None,
    as_json: Json = False,
    **options: Any,
) -> None:
    """Dub what is selected in an editor; its loader starts this."""
    from stylesync_plugin.commands.host import run_host

    given = {"panel": panel, "speech": speech, "media": media, **options}
    given["original_sound"] = original_sound
    run_host(editor, (source, output), given, as_json)


@app.command(epilog=f"Example: {PROGRAM} install resolve")
def install(editor: Loader, to: Folder = None, as_json: Json = False) -> None:
    """Put StyleSync's loader into an editor."""
    from stylesync_plugin.hosts.installing import find_folder, install_loader

    with reporting(as_json) as report:
        written = install_loader(editor, to or find_folder(editor))
        rows = [{"written": str(path)} for path in written]
        report.result({"written": [str(path) for path in written]}, format_rows(rows))


@app.command(epilog=f"Example: {PROGRAM} uninstall resolve")
def uninstall(editor: Loader, to: Folder = None, as_json: Json = False) -> None:
    """Take StyleSync's loader out of an editor; nothing of it stays."""
    from stylesync_plugin.hosts.installing import find_folder, uninstall_loader

    with reporting(as_json) as report:
        removed = uninstall_loader(editor, to or find_folder(editor))
        rows = [{"removed": str(path)} for path in removed]
        report.result({"removed": [str(path) for path in removed]}, format_rows(rows))


def _asked(timeline: Path, flags: dict[str, Any]) -> dict[str, Any]:
    """The timeline and what is asked of it, its rate as a number."""
    rate = {"rate": parse_rate(flags["rate"])} if "rate" in flags else {}
    return {"timeline": timeline, **flags, **rate}
