"""`stylesync-engine warm`: the engine that stays loaded for a farm worker's session."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from stylesync_engine.request import RequestError

ACTIONS = ("start", "stop", "run")


def warm(
    action: Annotated[str, typer.Argument(metavar="start|stop|run")],
    session: Annotated[str, typer.Argument(metavar="DIR", help="The session's own folder.")],
) -> None:
    """Keep an engine loaded in a farm worker's session.

    Tasks that are given --warm DIR are run by it. It ends with stop, when DIR is gone, or after
    a quarter of an hour without a task. `run` is the engine itself, in the foreground.
    """
    folder = Path(session)
    if action not in ACTIONS:
        raise RequestError(f"'{action}' is nothing to do; give {', '.join(ACTIONS)}.")
    if not folder.is_dir():
        raise RequestError(f"There is no folder '{folder}'; give the session's own.")
    from stylesync_engine import warm_engine

    if action == "stop":
        warm_engine.stop(folder)
    elif action == "run":
        warm_engine.run(folder)
    elif not warm_engine.start(folder):
        said = f"No warm engine came up (see {folder / warm_engine.LOG}); tasks load their own."
        print(said, file=sys.stderr)
