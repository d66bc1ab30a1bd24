"""`stylesync-engine compare`: says where two clips differ, and by its exit code whether they do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from stylesync_engine.commands.reporting import Json, format_rows, reporting
from stylesync_engine.request import parse_rate

if TYPE_CHECKING:
    from stylesync_engine.review.comparing import Comparison, Measure

DIFFERENT = 1
"""The exit code where the clips differ; 0 where they do not, others as everywhere."""
_SHOWN = 20

Clip = Annotated[str, typer.Argument(metavar="CLIP", help="A clip or an image sequence.")]


def compare(
    first: Clip,
    second: Clip,
    matte: Annotated[
        str | None,
        typer.Option(
            "--matte",
            metavar="DIR|CLIP",
            help="A dub's work folder, or a clip, that says where the second may differ.",
        ),
    ] = None,
    first_frame: Annotated[
        int | None,
        typer.Option("--first-frame", metavar="N", help="Frame of A that B begins with."),
    ] = None,
    tolerance: Annotated[
        float,
        typer.Option("--tolerance", metavar="X", min=0.0, help="Code values that count as equal."),
    ] = 0.0,
    depth: Annotated[
        int | None,
        typer.Option("--depth", metavar="N", min=1, help="Round both to so many bits."),
    ] = None,
    rate: Annotated[
        str | None,
        typer.Option(
            "--images-rate",
            "--rate",
            metavar="R",
            help="Rate of image sequences that do not say it.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show where two clips differ: frame, region, PSNR.

    Exit code 1 where they do; with a matte, where they do outside of it.
    """
    with reporting(as_json) as report:
        from stylesync_engine.media import Reading
        from stylesync_engine.review import comparing

        reading = Reading(parse_rate(rate) if rate else None)
        found = comparing.compare(
            first,
            second,
            first_frame=first_frame,
            matte=matte,
            tolerance=tolerance,
            depth=depth,
            reading=reading,
        )
        report.result(found.to_dict(), describe(found))
    if found.differs:
        raise typer.Exit(DIFFERENT)


def describe(found: Comparison) -> str:
    """The comparison for a person to read."""
    lines = [f"{len(found.differences)} of {found.frames} frames differ"]
    where = "outside the matte" if found.inside else "everywhere"
    lines.append(f"{where}: {_describe_measure(found.outside)}")
    if found.inside:
        lines.append(f"inside the matte: {_describe_measure(found.inside)}")
    lines += [f"{name}: {old} -> {new}" for name, (old, new) in found.facts.items()]
    rows = [
        {"frame": one.frame, "region": one.region, "largest": one.outside.largest,
         "psnr": one.outside.psnr}
        for one in found.differences[:_SHOWN]
    ]  # fmt: skip
    if rows:
        lines += ["", format_rows(rows)]
    if len(found.differences) > _SHOWN:
        lines.append(f"... and {len(found.differences) - _SHOWN} more; see --json.")
    return "\n".join(lines)


def _describe_measure(measure: Measure) -> str:
    if measure.psnr is None:
        return "equal"
    return f"at most {measure.largest:g} code values, PSNR {measure.psnr:.2f} dB"
