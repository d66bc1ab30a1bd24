"""`stylesync panel`: the panel as a process of its own."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from stylesync_engine.request import RequestError

_SHOW = "from PySide6.QtGui import QGuiApplication; QGuiApplication([])"
_PATIENCE = 60  # s


def open_panel(timeline: Path | None = None) -> int:
    """Show the panel until it is closed; returns its exit code. Raises RequestError, before
    anything of Qt is printed, where there is nothing to show it on."""
    problem = panel_problem()
    if problem is not None:
        raise RequestError(f"The panel cannot be shown: {problem}.")
    command = [sys.executable, "-m", "stylesync_ui", *([str(timeline)] if timeline else [])]
    return subprocess.run(command, check=False).returncode


def panel_problem() -> str | None:
    """Why the panel cannot be shown here, and what to do; None where it can. Qt ends a process
    that it cannot show anything for, so it is asked in one of its own."""
    wanted = ("stylesync_ui", "PySide6")
    if any(importlib.util.find_spec(package) is None for package in wanted):
        return "it is not installed; install stylesync[panel] with pip"
    try:
        asked = subprocess.run(
            [sys.executable, "-c", _SHOW], capture_output=True, text=True, errors="replace",
            check=False, timeout=_PATIENCE,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return "the display does not answer; start it on a machine with a screen"
    if asked.returncode == 0:
        return None
    # Qt names this library first whatever is wrong, so without a display it is not asked.
    has_display = bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    if has_display and "xcb-cursor" in asked.stderr and _lacks_cursor():
        return "Qt needs the library libxcb-cursor; install it (Debian: apt install libxcb-cursor0)"
    if missing := next((line for line in asked.stderr.splitlines() if "ImportError" in line), None):
        return f"Qt does not start ({missing.partition(':')[2].strip()}); install what it names"
    return "there is no display; start it on a machine with a screen, or over a remote desktop"


def _lacks_cursor() -> bool:
    import ctypes

    try:
        ctypes.CDLL("libxcb-cursor.so.0")
    except OSError:
        return True
    return False
