"""The commands that bring StyleSync into an editor and are run from there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stylesync_engine.commands.reporting import Json, format_rows, reporting

Editor = Annotated[
    str, typer.Argument(metavar="HOST", help="blender, kdenlive, nuke, resolve or shotcut.")
]
Loader = Annotated[str, typer.Argument(metavar="HOST", help="blender, nuke or resolve.")]
Folder = Annotated[
    Path | None, typer.Option("--to", metavar="DIR", help="Where (default: the editor's own).")
]


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
    quality: Annotated[str | None, typer.Option("--quality", metavar="draft|good|best")] = None,
    models: Annotated[str | None, typer.Option("--models", metavar="starter|paper|DIR")] = None,
    device: Annotated[str | None, typer.Option("--device", metavar="auto|cuda[:N]|mps|cpu")] = None,
    as_json: Json = False,
) -> None:
    """Dub what is selected in an editor; its loader starts this."""
    from stylesync_plugin.commands.host import run_host

    given = {
        "panel": panel, "speech": speech, "media": media, "quality": quality, "models": models,
        "device": device,
    }  # fmt: skip
    run_host(editor, (source, output), given, as_json)


def install(editor: Loader, to: Folder = None, as_json: Json = False) -> None:
    """Put StyleSync's loader into an editor."""
    from stylesync_plugin.hosts.installing import find_folder, install_loader

    with reporting(as_json) as report:
        written = install_loader(editor, to or find_folder(editor))
        rows = [{"written": str(path)} for path in written]
        report.result({"written": [str(path) for path in written]}, format_rows(rows))


def uninstall(editor: Loader, to: Folder = None, as_json: Json = False) -> None:
    """Take StyleSync's loader out of an editor; nothing of it stays."""
    from stylesync_plugin.hosts.installing import find_folder, uninstall_loader

    with reporting(as_json) as report:
        removed = uninstall_loader(editor, to or find_folder(editor))
        rows = [{"removed": str(path)} for path in removed]
        report.result({"removed": [str(path) for path in removed]}, format_rows(rows))
