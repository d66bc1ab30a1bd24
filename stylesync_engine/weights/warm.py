"""Models that stay in memory from one job to the next."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from stylesync_engine.request import DubOptions
from stylesync_engine.threads import IMPORTS

if TYPE_CHECKING:
    from stylesync_engine.weights.loading import Models


class WarmModels:
    """Loads what a job's options ask for, and keeps the last, for all threads."""

    def __init__(self) -> None:
        self._last: tuple[tuple[str, str], Models] | None = None
        self._lock = threading.Lock()

    def __call__(self, options: DubOptions) -> Models:
        with IMPORTS:
            from stylesync_engine.weights import loading

        key = options.models, options.device
        with self._lock:
            if self._last is None or self._last[0] != key:
                self._last = None  # two sets of models need not fit into the memory at once
                self._last = key, loading.load_models(*key)
            return self._last[1]
