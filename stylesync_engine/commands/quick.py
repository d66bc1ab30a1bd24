"""Commands that a farm's workers start, some for each chunk: up in a tenth of a second,
without the libraries that make the other commands' options, tables and progress bars.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import NoReturn

from stylesync_engine.failures import report_error
from stylesync_engine.request import RequestError


class QuickParser(argparse.ArgumentParser):
    """Says what is wrong with the words as the other commands do."""

    def __init__(self, name: str, description: str, example: str) -> None:
        program = f"stylesync-engine {name}"
        super().__init__(
            prog=program,
            description=description,
            epilog=f"Example: {program} {example}",
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        raise RequestError(f"{message[:1].upper()}{message[1:].rstrip('.')}; see --help.")


def run_quickly(
    parser: QuickParser, act: Callable[[argparse.Namespace], None], words: Sequence[str]
) -> int:
    """Parse and act; errors become words. Returns the exit code."""
    try:
        act(parser.parse_args(words))
    except SystemExit as end:  # after --help
        return int(end.code or 0)
    except BaseException as error:
        return report_error(error, "--json" in words)
    return 0
