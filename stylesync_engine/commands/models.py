"""`stylesync-engine models`: which models there are, and how they come here."""

from __future__ import annotations

from typing import Annotated

import typer

from stylesync_engine.commands.reporting import Json, format_rows, reporting
from stylesync_engine.request import ModelError, RequestError

PROGRAM = "stylesync-engine models"

models_app = typer.Typer(
    help="List, check, fetch or import models.",
    epilog=f"Example: {PROGRAM} list",
    rich_markup_mode=None,
    no_args_is_help=False,
)


@models_app.callback(invoke_without_command=True)
def require_action(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        raise RequestError(f"Say list, verify, pull or import, for example {PROGRAM} list.")


@models_app.command("list", epilog=f"Example: {PROGRAM} list --json")
def list_models(as_json: Json = False) -> None:
    """List the models that are known, and which are here."""
    with reporting(as_json) as report:
        from stylesync_engine.weights import loading

        rows = loading.list_models()
        report.result({"models": rows}, format_rows(rows))


@models_app.command("verify", epilog=f"Example: {PROGRAM} verify starter")
def verify_models(
    name: Annotated[str, typer.Argument(metavar="[NAME|DIR]", help="Which models.")] = "starter",
    as_json: Json = False,
) -> None:
    """Check the models' files against their hashes."""
    with reporting(as_json) as report:
        from stylesync_engine.weights import loading

        rows = loading.verify_models(name)
        damaged = [str(row.get("file", name)) for row in rows if row.get("ok") is False]
        if damaged:
            raise ModelError(
                f"{', '.join(damaged)} differ from what was released; fetch {name} again."
            )
        report.result({"models": rows}, format_rows(rows))


@models_app.command("pull", epilog=f"Example: {PROGRAM} pull paper")
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
        from stylesync_engine.weights import loading

        folder = loading.pull_models(name, source)
        report.result({"models": name, "folder": str(folder)}, f"{name} lies in {folder}")


@models_app.command("import", epilog=f"Example: {PROGRAM} import bfm 01_MorphableModel.mat")
def import_model(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="What the file is.")],
    path: Annotated[str, typer.Argument(metavar="PATH", help="The file as its makers give it.")],
    as_json: Json = False,
) -> None:
    """Convert a model that you fetched by hand.

    For models whose licence keeps us from fetching them.
    """
    with reporting(as_json) as report:
        from stylesync_engine.weights import loading

        folder = loading.import_model(kind, path)
        report.result({"kind": kind, "folder": str(folder)}, f"{kind} lies in {folder}")
