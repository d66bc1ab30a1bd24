"""`stylesync-engine person`: people made once for many dubs."""

from __future__ import annotations

from typing import Annotated

import typer

from stylesync_engine.commands.reporting import Json, format_rows, reporting
from stylesync_engine.records import as_data
from stylesync_engine.request import RequestError

PROGRAM = "stylesync-engine person"

people_app = typer.Typer(
    help="Make, list or remove people who are dubbed often.",
    epilog=f"Example: {PROGRAM} list",
    rich_markup_mode=None,
    no_args_is_help=False,
)

_Name = Annotated[str, typer.Argument(metavar="NAME", help="Who it is.")]


@people_app.callback(invoke_without_command=True)
def require_action(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        raise RequestError(f"Say make, list or remove, for example {PROGRAM} list.")


@people_app.command("make", epilog=f"Example: {PROGRAM} make Ada --footage one.mov two.mov")
def make_person(
    name: _Name,
    more: Annotated[
        list[str] | None, typer.Argument(metavar="[CLIP]...", help="Further clips.")
    ] = None,
    footage: Annotated[
        list[str] | None,
        typer.Option("--footage", metavar="CLIP", help="Clips that show this person speaking."),
    ] = None,
    consent: Annotated[
        str | None, typer.Option("--consent", metavar="FILE", help="The person's consent.")
    ] = None,
    models: Annotated[
        str, typer.Option("--models", metavar="starter|paper|DIR", help="Which weights.")
    ] = "starter",
    device: Annotated[
        str, typer.Option("--device", metavar="auto|cuda[:N]|mps|cpu", help="Where to compute.")
    ] = "auto",
    fit_seconds: Annotated[
        int | None,
        typer.Option("--fit-seconds", metavar="N", min=0, max=3600, help="As of a dub."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Read all of a person's footage once, for every dub with --person NAME.

    How they speak, what they look like and the fit of quality best are kept, with their consent.
    """
    with reporting(as_json) as report:
        from stylesync_engine.plan.person import read_facts
        from stylesync_engine.preparing import people
        from stylesync_engine.weights.loading import load_models

        clips = [*(footage or ()), *(more or ())]
        if not clips:
            raise RequestError("Give clips that show the person with --footage.", "footage")
        people.check_new(name, clips, consent)
        folder = people.make_person(
            name, clips, load_models(models, device), consent, report.progress, fit_seconds
        )
        facts = read_facts(folder)
        report.result(
            {"person": name, "folder": str(folder), **_told(facts)},
            f"{name} lies in {folder}: {facts.images} images and {facts.style_frames} frames of"
            f" speech from {len(clips)} clips",
        )


@people_app.command("list", epilog=f"Example: {PROGRAM} list --json")
def list_people(as_json: Json = False) -> None:
    """List the people who were made."""
    with reporting(as_json) as report:
        from stylesync_engine.preparing import people

        rows = [{"person": facts.name, **_told(facts)} for facts in people.list_people()]
        report.result({"people": rows}, format_rows(rows))


@people_app.command("remove", epilog=f"Example: {PROGRAM} remove Ada")
def remove_person(name: _Name, as_json: Json = False) -> None:
    """Take away all that is kept of a person."""
    with reporting(as_json) as report:
        from stylesync_engine.preparing import people

        people.remove_person(name)
        report.result({"person": name}, f"{name} is removed")


def _told(facts: object) -> dict[str, object]:
    data = as_data(facts)
    for name in ("name", "format", "tensors", "models"):
        data.pop(name, None)
    return data  # type: ignore[no-any-return]
