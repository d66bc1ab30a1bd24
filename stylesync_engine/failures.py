"""What went wrong, as one of our errors: one sentence that names the cause and says what to do.

Standard library only: the command that a farm's worker starts for each chunk must be quick.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import json
import mmap
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import platformdirs

from stylesync_engine import __version__, request
from stylesync_engine.files import read_bounded, replacing
from stylesync_engine.records import strict_json
from stylesync_engine.request import Cancelled, DiskError, DubError, MediaError

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
_NOT_WRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS)
_NO_SUCH_PLACE = (errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR)
_NAME_SHOWN = 200
_MARGIN = 4 * 2**20  # bytes for whatever small things go with a large one
_NO_MEMORY = re.compile(
    r"not enough memory|cannot allocate memory|insufficient memory|bad_alloc"
    r"|CUDA error: out of memory|(CUBLAS|CUDNN)_STATUS_ALLOC_FAILED|MPS backend out of memory"
    r"|can't start new thread|temporarily unavailable: 'avcodec_open2"
    r"|Mmap of .* failed with error '12'"
    r"|failed to allocate|failed to map segment|paging file"
    r"|XNNPack delegate failed|failed to create XNNPACK runtime"  # on networks that ship
    r"|PyObject pointer is null",  # how Rust libraries meet a MemoryError
    re.IGNORECASE,
)


class InternalError(DubError):
    """A fault of ours: nothing that the person asked for explains it (exit code 1)."""


def named_error(error: BaseException) -> DubError:
    """The error as one of ours, with a sentence that says what to do."""
    if isinstance(error, Cancelled):
        return error
    if is_out_of_memory(error):
        return InternalError(
            "There is not enough memory; close other programs or compute on the cpu.", "device"
        )
    if isinstance(error, DubError):
        return error
    if isinstance(error, BrokenPipeError) or _was_interrupted(error):
        return Cancelled("Cancelled; the same command goes on from what is finished.")
    if isinstance(error, OSError) and error.errno in _DISK_FULL:
        return DiskError("The disk is full; free some space and run the same command again.")
    if isinstance(error, OSError) and error.errno in _NOT_WRITABLE:
        return DiskError(f"There is no permission for {_name_of(error)}; choose another place.")
    if isinstance(error, FileNotFoundError):
        return MediaError(f"{_name_of(error)} does not exist; check the path.")
    if isinstance(error, OSError) and error.errno in _NO_SUCH_PLACE:
        return MediaError(f"{_name_of(error)} cannot be used ({error.strerror}); check the path.")
    said = " ".join(str(error).split())
    return InternalError(
        f"This should not have happened ({type(error).__name__}: {said});"
        " run it again with STYLESYNC_DEBUG=1 and report what it prints."
    )


def _was_interrupted(error: BaseException | None) -> bool:
    """Whether somebody interrupted it; Python says something else of that where a class was just
    being made, as in an import."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__
    return error is not None


def error_from(event: Mapping[str, Any]) -> DubError:
    """The error that another process has told, as the class that it was."""
    kind = getattr(request, str(event.get("kind")), DubError)
    message = str(event.get("message", "The engine gave no reason."))
    if isinstance(kind, type) and issubclass(kind, DubError):
        return kind(message, event.get("field"))
    return DubError(message, event.get("field"))


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether it, or what it came from, is a lack of memory: every library has its own way to say
    it, and some say only that they could not be loaded."""
    if error is None:
        return False
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if not isinstance(error, DubError) and (
        getattr(error, "errno", None) == errno.ENOMEM or _NO_MEMORY.search(str(error))
    ):
        return True
    return is_out_of_memory(error.__cause__ or error.__context__)


def want_memory(size: int) -> None:
    """Raises MemoryError where so many bytes cannot be had: for what comes next, which may end the
    process or stand still where it is not given them, as libraries in Rust do."""
    try:
        mmap.mmap(-1, size + _MARGIN).close()
    except OSError as error:
        raise MemoryError(f"{size} bytes are not to be had") from error


def report_error(error: BaseException, as_json: bool, tell: Callable[[DubError], str] = str) -> int:
    """Say the error on the stream that belongs to it; returns the exit code.

    `tell` is how a person is told.
    """
    named = named_error(error)
    _let_go(error)
    print_trace(error)
    try:
        if as_json:
            print(json.dumps(named.to_dict()), flush=True)
        else:
            print(" ".join(tell(named).split()), file=sys.stderr, flush=True)
    except BrokenPipeError:
        _discard_output()
    with contextlib.suppress(MemoryError):  # after it was told
        keep_error(error)
    return named.exit_code


def _let_go(error: BaseException | None) -> None:
    """Give back what the functions held that it passed through: telling of it needs memory."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def print_trace(error: BaseException) -> None:
    """The traceback on standard error, where STYLESYNC_DEBUG=1 asks for it."""
    if os.environ.get("STYLESYNC_DEBUG") == "1":
        traceback.print_exception(error)


def _name_of(error: OSError) -> str:
    name = os.fsdecode(error.filename) if error.filename else "a file"
    return name if len(name) <= _NAME_SHOWN else f"...{name[-_NAME_SHOWN:]}"


def _discard_output() -> None:
    """Nobody reads any more; without this, Python complains once more as it flushes at its end."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def terminate_as_interrupt() -> Iterator[None]:
    """Let SIGTERM (a farm that stops a task) and SIGHUP (a terminal that goes) unwind like Ctrl-C,
    so that no partial file stays. What is ignored, as under nohup, stays ignored; so is who says it
    again and again while files are tidied up."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        for heard in before:
            signal.signal(heard, signal.SIG_IGN)
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[int, Callable[[int, FrameType | None], Any] | int | None] = {}
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            before[number] = signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


KEPT = 20
_LOG_BYTES = 2**20
_ENTRY_PLACES = 40
_PACKAGES = ("stylesync_engine", "stylesync_plugin", "stylesync_training", "stylesync_ui")


def log_path() -> Path:
    return platformdirs.user_log_path("stylesync", appauthor=False) / "errors.jsonl"


def keep_error(error: BaseException) -> None:
    """Add an error to the log and let the oldest go; where that fails, the log stays as it was.

    Only what holds nothing of the person's own is kept: kinds of errors, and places in code.
    """
    if isinstance(named_error(error), Cancelled):
        return
    entry = {
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "version": __version__,
        "kind": type(error).__name__,
        "places": _places_of(error)[-_ENTRY_PLACES:],
    }
    path = log_path()
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps(kept) for kept in (*last_errors(), entry)]
        with replacing(path) as draft:
            draft.write_text("\n".join(lines[-KEPT:]) + "\n", encoding="utf-8")


def _places_of(error: BaseException | None) -> list[str]:
    """Where it was raised and passed through, its causes first: `package/module.py:12 function`,
    and each one's kind."""
    if error is None:
        return []
    places = [
        f"{_within_package(frame.filename)}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return [*_places_of(cause), *places, type(error).__name__]


def _within_package(file: str) -> str:
    """A module's path from its package on; what is in none may bear a name of the person's own."""
    parts = Path(file).parts
    installed = [i + 1 for i, part in enumerate(parts) if part == "site-packages"]
    starts = installed or [i for i, part in enumerate(parts) if part in _PACKAGES]
    return "/".join(parts[starts[-1] :]) if starts else "elsewhere"


def last_errors() -> list[dict[str, Any]]:
    """The errors that are kept, the latest last; damaged entries are left out."""
    entries = []
    try:
        lines = read_bounded(log_path(), _LOG_BYTES).decode().splitlines()
    except (OSError, ValueError):
        return []
    for line in lines:
        with contextlib.suppress(ValueError):
            entries.append(strict_json(line))
    return [
        {name: entry[name] for name in ("time", "version", "kind", "places") if name in entry}
        for entry in entries
        if isinstance(entry, dict)
    ]
