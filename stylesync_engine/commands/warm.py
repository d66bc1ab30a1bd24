"""`stylesync-engine warm`: the engine that stays loaded for a farm worker's session."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from stylesync_engine.commands.quick import QuickParser, run_quickly
from stylesync_engine.farm import warm_engine
from stylesync_engine.request import RequestError

ACTIONS = ("start", "stop", "run")


def main(words: Sequence[str]) -> int:
    """Start, stop or be a session's engine; returns the exit code."""
    return run_quickly(_parser(), _act, words)


def _act(asked: argparse.Namespace) -> None:
    folder = Path(asked.session)
    if asked.action not in ACTIONS:
        raise RequestError(f"'{asked.action}' is nothing to do; give {', '.join(ACTIONS)}.")
    if not folder.is_dir():
        raise RequestError(f"There is no folder '{folder}'; give the session's own.")
    if asked.action == "stop":
        warm_engine.stop(folder)
    elif asked.action == "run":
        warm_engine.run(folder)
    elif not warm_engine.start(folder):
        said = f"No warm engine came up (see {folder / warm_engine.LOG}); tasks load their own."
        print(said, file=sys.stderr)


def _parser() -> QuickParser:
    parser = QuickParser(
        "warm",
        "Keep an engine loaded in a farm worker's session. Tasks that are given --warm DIR are"
        " run by it. It ends with stop, when DIR is gone, or after a quarter of an hour without a"
        " task. `run` is the engine itself, in the foreground.",
        "start DIR",
    )
    parser.add_argument("action", metavar="|".join(ACTIONS))
    parser.add_argument("session", metavar="DIR", help="The session's own folder.")
    return parser
