"""What the front doors say: progress, results and errors, for a person or for a program."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FrameType, TracebackType
from typing import Any, Protocol, Self, TextIO

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

from stylesync_engine import request
from stylesync_engine.error_log import keep_error
from stylesync_engine.request import (
    Cancelled,
    DiskError,
    DubError,
    MediaError,
    Progress,
    RequestError,
)

STAGE_TITLES = {
    "track": "Following the speaker",
    "style": "Reading the style",
    "speech": "Listening to the speech",
    "lips": "Moving the lips",
    "render": "Rendering",
    "assemble": "Assembling",
}
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
_NO_MEMORY = re.compile(
    r"not enough memory|cannot allocate memory|insufficient memory|bad_alloc"
    r"|failed to allocate",
    re.IGNORECASE,
)
_NOT_WRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS)


class InternalError(DubError):
    """A fault of ours: nothing that the person asked for explains it (exit code 1)."""


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
        self._bars.start()
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


def named_error(error: BaseException) -> DubError:
    """The error as one of ours, with a sentence that says what to do."""
    if isinstance(error, DubError):
        return error
    if isinstance(error, (KeyboardInterrupt, BrokenPipeError)):
        return Cancelled("Cancelled; the same command goes on from what is finished.")
    if isinstance(error, OSError) and error.errno in _DISK_FULL:
        return DiskError("The disk is full; free some space and run the same command again.")
    if isinstance(error, OSError) and error.errno in _NOT_WRITABLE:
        return DiskError(f"There is no permission for {_name_of(error)}; choose another place.")
    if isinstance(error, FileNotFoundError):
        return MediaError(f"{_name_of(error)} does not exist; check the path.")
    if is_out_of_memory(error):
        return InternalError(
            "There is not enough memory; close other programs or use --device cpu."
        )
    said = " ".join(str(error).split())
    return InternalError(
        f"This should not have happened ({type(error).__name__}: {said});"
        " run it again with STYLESYNC_DEBUG=1 and report what it prints."
    )


def error_from(event: Mapping[str, Any]) -> DubError:
    """The error that another process has told, as the class that it was."""
    kind = getattr(request, str(event.get("kind")), DubError)
    message = str(event.get("message", "The engine gave no reason."))
    if isinstance(kind, type) and issubclass(kind, DubError):
        return kind(message)
    return DubError(message)


def is_out_of_memory(error: BaseException) -> bool:
    """Every library has its own way to say it."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return getattr(error, "errno", None) == errno.ENOMEM or bool(_NO_MEMORY.search(str(error)))


def report_error(error: BaseException, as_json: bool) -> int:
    """Say the error on the stream that belongs to it; returns the exit code."""
    named = named_error(error)
    print_trace(error)
    keep_error(error)
    try:
        if as_json:
            JsonReport(sys.stdout).write(named.to_dict())
        else:
            print(" ".join(str(named).split()), file=sys.stderr, flush=True)
    except BrokenPipeError:
        _discard_output()
    return named.exit_code


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
        return report_error(error, "--json" in words)
    return int(code or 0)


def progress_bars(*columns: ProgressColumn) -> ProgressBars:
    """Bars on a terminal's standard error with these columns before the remaining time; nothing
    in a pipe."""
    return ProgressBars(
        *columns,
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        # Both streams are already sorted out by `reporting`.
        redirect_stdout=False,
        redirect_stderr=False,
    )


def print_trace(error: BaseException) -> None:
    """The traceback on standard error, where STYLESYNC_DEBUG=1 asks for it."""
    if os.environ.get("STYLESYNC_DEBUG") == "1":
        traceback.print_exception(error)


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
        return f"{value:.3g}"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else str(value)


def _name_of(error: OSError) -> str:
    return os.fsdecode(error.filename) if error.filename else "a file"


def _discard_output() -> None:
    """Nobody reads any more; without this, Python complains once more as it flushes at its end."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def terminate_as_interrupt() -> Iterator[None]:
    """Let SIGTERM (a farm that stops a task) unwind like Ctrl-C, so that no partial file stays."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: Callable[[int, FrameType | None], Any] | int | None
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
