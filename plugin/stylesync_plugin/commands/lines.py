"""`stylesync lines`: a script and its sounds -> lines -> jobs, and how far they are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stylesync_engine.commands.reporting import Json, format_rows, reporting
from stylesync_engine.files import Written, locked, refuse_overwriting
from stylesync_plugin.times import parse_rate

lines_app = typer.Typer(
    no_args_is_help=True,
    help="Lines of a dubbing session: from a script to jobs, and how far each one is.",
)
Document = Annotated[Path, typer.Argument(metavar="LINES", help="The document of lines.")]
Out = Annotated[Path, typer.Option("-o", "--output", metavar="OUT", help="What is written.")]
On = Annotated[Path | None, typer.Option("--timeline", metavar="TIMELINE", help="As it is now.")]


@lines_app.command(
    "import",
    epilog="Example: stylesync lines import script.csv --sounds wavs cut.otio -o session.json",
)
def import_(
    script: Annotated[Path, typer.Argument(metavar="CSV|XLSX|SRT|VTT|TTML")],
    timeline: Annotated[Path, typer.Argument(metavar="TIMELINE")],
    output: Out,
    sounds: Annotated[
        Path | None, typer.Option("--sounds", metavar="FOLDER", help="The recorded lines.")
    ] = None,
    rate: Annotated[
        str | None, typer.Option("--rate", metavar="FPS", help="The timeline's rate.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Lines from a script: columns In, Out, Text, Character, Sound, Number in any order and in
    several languages, or subtitles. Sounds are matched by name, number, time in the name, or the
    time stamp of a Broadcast Wave; what does not match stays as `unclear`, with its reason. The
    timeline itself as the script makes lines of its markers and guides, such as `12 ANNA: Hello`.
    Lines that OUT holds already keep what was done for them.
    """
    from stylesync_plugin.formats.files import read_timeline
    from stylesync_plugin.lines.document import read_lines, write_lines
    from stylesync_plugin.lines.exporting import summary_of
    from stylesync_plugin.lines.importing import import_lines
    from stylesync_plugin.lines.merging import carry_over, distinct
    from stylesync_plugin.lines.sounds import find_sounds
    from stylesync_plugin.timeline.sources import EngineProbe

    with reporting(as_json) as report:
        heard = find_sounds(sounds) if sounds else []
        read = {"script": [script], "timeline": [timeline], "sound": heard}
        refuse_overwriting(read, [Written.one(output.absolute())])
        counted = parse_rate(rate) if rate else None
        content = read_timeline(timeline, rate=counted)
        name = str(timeline.absolute())
        asked = None if script.resolve() == timeline.resolve() else script
        lines = import_lines(asked, sounds, content, name, EngineProbe(), counted)
        with locked(output):
            if output.exists():
                lines = carry_over(read_lines(output), distinct(lines))
            write_lines(lines, output)
        rows = [{"line": e.number, "unclear": e.why} for e in lines.lines if e.status == "unclear"]
        told = ", ".join(f"{count} {status}" for status, count in summary_of(lines).items())
        unused = f"; {len(lines.unused)} sounds belong to no line" if lines.unused else ""
        text = f"{len(lines.lines)} lines: {told}{unused}. {output}"
        report.result(
            {
                "output": str(output),
                "lines": len(lines.lines),
                "status": summary_of(lines),
                "unclear": rows,
                "unused": list(lines.unused),
            },
            f"{format_rows(rows)}\n{text}" if rows else text,
        )


@lines_app.command(epilog="Example: stylesync lines export session.json -o jobs.json")
def export(
    document: Document,
    output: Out,
    quality: Annotated[
        str | None, typer.Option("--quality", metavar="draft|good|best", help="Of the jobs.")
    ] = None,
    names: Annotated[
        str | None,
        typer.Option("--names", metavar="{number}_{character}_v{take}", help="Of the dubs."),
    ] = None,
    timeline: On = None,
    as_json: Json = False,
) -> None:
    """Write the jobs of what can be dubbed (OUT.json, for `stylesync dub --jobs`) or a table
    (OUT.csv, OUT.xlsx). With the timeline as it is now, lines move with their clips, and those
    whose clip has gone are left out. Lines that are said at once in one shot are dubbed into one
    picture; each needs its face."""
    from stylesync_plugin.formats.files import read_timeline
    from stylesync_plugin.lines.document import read_lines
    from stylesync_plugin.lines.exporting import export_lines
    from stylesync_plugin.lines.importing import check_timeline

    with reporting(as_json) as report:
        lines = read_lines(document)
        heard = [Path(line.sound) for line in lines.lines if line.sound]
        read = {
            "document of lines": [document],
            "timeline": [timeline] if timeline else [],
            "sound": heard,
        }
        refuse_overwriting(read, [Written.one(output.absolute())])
        if timeline is not None:
            rate = parse_rate(lines.rate) if lines.rate else None
            lines = check_timeline(lines, read_timeline(timeline, rate=rate), rate)
        count, left = export_lines(lines, output, quality, names)
        text = f"{count} lines: {output}"
        report.result(
            {"output": str(output), "lines": count, "left": left},
            f"{format_rows(left)}\n{text}" if left else text,
        )


@lines_app.command(epilog="Example: stylesync lines notes session.json cut.otio -o notes.csv")
def notes(
    document: Document,
    timeline: Annotated[Path, typer.Argument(metavar="TIMELINE", help="As it is now.")],
    output: Out,
    as_json: Json = False,
) -> None:
    """Write what was said about lines and their frames: as a table (OUT.csv), or as markers of a
    copy of the timeline."""
    from stylesync_engine.files import write_text
    from stylesync_plugin.formats.files import read_timeline, write_timeline
    from stylesync_plugin.lines.document import read_lines
    from stylesync_plugin.lines.marked import notes_table, with_notes

    with reporting(as_json) as report:
        read = {"document of lines": [document], "timeline": [timeline]}
        refuse_overwriting(read, [Written.one(output.absolute())])
        lines = read_lines(document)
        content = read_timeline(timeline, rate=lines.frame_rate)
        if output.suffix.lower() == ".csv":
            write_text(output, notes_table(lines, content))
        else:
            write_timeline(with_notes(lines, content), output)
        count = sum(bool(line.note) + len(line.notes) for line in lines.lines)
        report.result({"output": str(output), "notes": count}, f"{count} notes: {output}")


@lines_app.command(epilog="Example: stylesync lines review dubbed.otio -o review.mp4")
def review(
    timeline: Annotated[Path, typer.Argument(metavar="TIMELINE", help="With its dubs.")],
    output: Out,
    document: Annotated[
        Path | None, typer.Option("--lines", metavar="LINES", help="What each line says.")
    ] = None,
    as_json: Json = False,
) -> None:
    """A movie (OUT.mp4) of all dubs of a timeline, one after the other, with time code, line and
    text in the picture."""
    from stylesync_engine.review.review_movie import write_review
    from stylesync_plugin.formats.files import read_timeline
    from stylesync_plugin.lines.document import read_lines
    from stylesync_plugin.lines.reviewing import media_of, scenes_of

    with reporting(as_json) as report:
        content = read_timeline(timeline)
        read = {"timeline": [timeline], "media of the timeline": media_of(content)}
        read["document of lines"] = [document] if document else []
        refuse_overwriting(read, [Written.one(output.absolute())])
        scenes = scenes_of(content, read_lines(document) if document else None)
        frames = write_review(scenes, output)
        said = {"output": str(output), "dubs": len(scenes), "frames": frames}
        report.result(said, f"{len(scenes)} dubs, {frames} frames: {output}")


@lines_app.command(epilog="Example: stylesync lines status session.json --timeline dubbed.otio")
def status(document: Document, timeline: On = None, as_json: Json = False) -> None:
    """Say of each line how far it is; with a timeline, by the dubs that lie on it."""
    from stylesync_plugin.formats.files import read_timeline
    from stylesync_plugin.lines.document import read_lines
    from stylesync_plugin.lines.exporting import summary_of, with_dubs
    from stylesync_plugin.lines.importing import check_timeline

    with reporting(as_json) as report:
        lines = read_lines(document)
        if timeline is not None:
            rate = parse_rate(lines.rate) if lines.rate else None
            content = read_timeline(timeline, rate=rate)
            lines = with_dubs(check_timeline(lines, content, rate), content)
        rows = [
            {
                "line": line.number,
                "character": line.character,
                "range": f"{line.start}-{line.end}",
                "fit": line.fit,
                "status": line.status,
                "why": line.why,
            }
            for line in lines.lines
        ]
        report.result({"lines": rows, "status": summary_of(lines)}, format_rows(rows))
