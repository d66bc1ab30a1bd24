"""The last errors of this user's commands, for bug reports; they stay on this machine."""

from __future__ import annotations

import contextlib
import datetime
import json
import traceback
from pathlib import Path
from typing import Any

import platformdirs

from stylesync_engine import __version__
from stylesync_engine.files import replacing
from stylesync_engine.request import Cancelled

KEPT = 20
_TRACE = 6000


def log_path() -> Path:
    return platformdirs.user_log_path("stylesync", appauthor=False) / "errors.jsonl"


def keep_error(error: BaseException) -> None:
    """Add an error to the log and let the oldest go; where that fails, the log stays as it was."""
    if isinstance(error, (Cancelled, KeyboardInterrupt, BrokenPipeError)):
        return
    entry = {
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "version": __version__,
        "kind": type(error).__name__,
        "message": str(error)[:2000],
        "trace": "".join(traceback.format_exception(error))[-_TRACE:],
    }
    path = log_path()
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps(kept) for kept in (*last_errors(), entry)]
        with replacing(path) as draft:
            draft.write_text("\n".join(lines[-KEPT:]) + "\n", encoding="utf-8")


def last_errors() -> list[dict[str, Any]]:
    """The errors that are kept, the latest last; damaged entries are left out."""
    entries = []
    try:
        lines = log_path().read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return []
    for line in lines:
        with contextlib.suppress(ValueError):
            entries.append(json.loads(line))
    return [entry for entry in entries if isinstance(entry, dict)]
