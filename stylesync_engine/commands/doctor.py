"""`stylesync-engine doctor`: what is installed and works here, as a file for bug reports."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from stylesync_engine.commands.reporting import Json, format_rows, reporting


def doctor(
    file: Annotated[
        str | None,
        typer.Option("--report", metavar="FILE", help="Write everything to one file, as JSON."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show versions, devices, models and codecs.

    The report holds the last errors too; it names no media, folders, user or host.
    """
    with reporting(as_json) as report:
        from stylesync_engine.commands import bug_report

        found = bug_report.examine()
        if file is not None:
            bug_report.write_report(Path(file), found)
        report.result(found if file is None else {"report": file}, _describe(found, file))


def _describe(found: dict[str, Any], file: str | None) -> str:
    """What works, for a person; where the rest was written."""
    lines = [f"StyleSync {found['stylesync']}, Python {found['python']} on {found['system']}"]
    lines += ["", format_rows(found["devices"])]
    models = [
        {"models": row["name"], "state": row.get("problem") or row["fingerprint"][:12]}
        for row in found["models"]
    ]
    codecs = [{"codec": name, "state": state} for name, state in found["codecs"].items()]
    lines += ["", format_rows(models), "", format_rows(codecs)]
    lines += ["", f"{len(found['errors'])} errors are on record."]
    if file is not None:
        lines += [f"All of it is in {file}; read it before you send it."]
    return "\n".join(lines)
