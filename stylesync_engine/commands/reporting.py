"""What the front doors share: how they are called, and what they say of progress, results and
errors, for a person or for a program."""

from __future__ import annotations

import contextlib
import gc
import json
import sys
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Annotated, Any, Protocol, Self, TextIO

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as ProgressBars
from rich.text import Text

from stylesync_engine import __version__
from stylesync_engine.failures import named_error, report_error, terminate_as_interrupt
from stylesync_engine.request import DubError, Progress, RequestError

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")]

STAGE_TITLES = {
    "track": "Following the speaker",
    "style": "Reading the style",
    "speech": "Listening to the speech",
    "lips": "Moving the lips",
    "render": "Rendering",
    "assemble": "Assembling",
}


class Report(Protocol):
    """Where a command says how far it is and what came out."""

    def progress(self, progress: Progress) -> None: ...

    def result(self, data: dict[str, Any], text: str) -> None: ...


class JsonReport:
    """One JSON object a line on `stream`."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def progress(self, progress: Progress) -> None:
        self.write(progress.to_dict())

    def result(self, data: dict[str, Any], text: str) -> None:
        self.write({"event": "result", **data})

    def write(self, data: dict[str, Any]) -> None:
        print(json.dumps(data), file=self._stream, flush=True)


class TextReport:
    """The result as text on `stream`; a progress bar on standard error where that is a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._bars = progress_bars(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            RateColumn(),
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def progress(self, progress: Progress) -> None:
        title = STAGE_TITLES.get(progress.stage, progress.stage)
        if progress.stage not in self._tasks:
            self._tasks[progress.stage] = self._bars.add_task(title)
        self._bars.update(
            self._tasks[progress.stage], completed=progress.done, total=progress.total
        )
        # Not before there is a bar: an empty display prints a blank line ten times a second.
        self._bars.start()

    def result(self, data: dict[str, Any], text: str) -> None:
        self._bars.stop()
        for warning in data.get("warnings", ()):
            print(f"Note: {warning}", file=sys.stderr)
        print(text, file=self._stream, flush=True)


class RateColumn(ProgressColumn):
    """Frames per second of the running stage."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f}/s" if speed else "", style="progress.data.speed")


@contextlib.contextmanager
def reporting(as_json: bool) -> Iterator[Report]:
    """The report of one command; Ctrl-C, SIGTERM and a closed reader become `Cancelled`.

    What libraries print goes to standard error, so that standard output holds our words alone.
    """
    stream = sys.stdout
    try:
        with terminate_as_interrupt(), contextlib.redirect_stdout(sys.stderr):
            if as_json:
                yield JsonReport(stream)
            else:
                with TextReport(stream) as report:
                    yield report
    except (KeyboardInterrupt, BrokenPipeError) as error:
        raise named_error(error) from error


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """Imports make a million objects that all stay: garbage is looked for afterwards, and not among
    these."""
    if "torch" in sys.modules:
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def make_app(program: str, about: str, example: str) -> typer.Typer:
    """A front door without commands yet; `example` is how a call of it goes on."""
    return typer.Typer(
        name=program,
        help=about,
        epilog=f"Example: {program} {example}",
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )


def add_version(app: typer.Typer, program: str) -> None:
    """Without a command a front door that dubs tells its version, or what to call it with."""

    @app.callback(invoke_without_command=True)
    def show_version(
        context: typer.Context,
        version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    ) -> None:
        if version:
            print(__version__)
        elif context.invoked_subcommand is None:
            raise RequestError(f"Name a command, for example {program} dub; see --help.")


def run_app(app: typer.Typer, program: str, arguments: Sequence[str] | None = None) -> int:
    """Run one command of a front door and return the exit code.

    Here alone errors become words. Without arguments those of this process are taken.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = app(words or ["--help"], prog_name=program, standalone_mode=False)
    except typer.TyperException as error:
        said = " ".join(error.format_message().split()).rstrip(".")
        return report_error(RequestError(f"{said}; see --help."), "--json" in words)
    except Exception as error:
        return report_error(error, "--json" in words, tell)
    return int(code or 0)


def tell(error: DubError) -> str:
    """The sentence, and the flag that mends it."""
    if not error.field:
        return str(error)
    return f"{str(error).removesuffix('.')} (--{error.field.replace('_', '-')})."


def progress_bars(*columns: ProgressColumn) -> ProgressBars:
    """Bars on a terminal's standard error with these columns before the remaining time, what is
    printed meanwhile above them; nothing in a pipe."""
    return ProgressBars(
        *columns,
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        redirect_stderr=False,
    )


def format_rows(rows: list[dict[str, Any]]) -> str:
    """Records as aligned columns with a heading, in the order of the first record's fields."""
    if not rows:
        return ""
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = [names, *([_cell(row.get(name)) for name in names] for row in rows)]
    widths = [max(len(line[column]) for line in table) for column in range(len(names))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in table
    )


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else str(value)
