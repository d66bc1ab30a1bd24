"""Seconds that each stage took, kept beside the plan."""

from __future__ import annotations

import json
import time
from pathlib import Path

from stylesync_engine.files import read_bounded, write_text
from stylesync_engine.request import OnProgress, Progress


class Clock:
    """Passes progress on and adds up the seconds that each stage took."""

    def __init__(self, on_progress: OnProgress | None) -> None:
        self._on_progress = on_progress
        self._last = time.monotonic()
        self.seconds: dict[str, float] = {}

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        self.seconds[progress.stage] = self.seconds.get(progress.stage, 0.0) + now - self._last
        self._last = now
        if self._on_progress:
            self._on_progress(progress)

    def keep(self, work: Path) -> None:
        write_text(work / "seconds.json", json.dumps({**kept_seconds(work), **self.seconds}))


def kept_seconds(work: Path) -> dict[str, float]:
    try:
        data = json.loads(read_bounded(work / "seconds.json", 2**16))
        return {str(stage): float(seconds) for stage, seconds in data.items()}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {}
