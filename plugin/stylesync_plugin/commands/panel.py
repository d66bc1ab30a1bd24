"""`stylesync panel`: the panel as a process of its own."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

from stylesync_engine.request import RequestError


def open_panel(timeline: Path | None = None) -> int:
    """Show the panel until it is closed; returns its exit code."""
    wanted = ("stylesync_ui", "PySide6")
    if any(importlib.util.find_spec(package) is None for package in wanted):
        raise RequestError("The panel is not installed; install stylesync[panel] with pip.")
    command = [sys.executable, "-m", "stylesync_ui", *([str(timeline)] if timeline else [])]
    return subprocess.run(command, check=False).returncode
