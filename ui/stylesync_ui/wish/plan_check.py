"""Whether a wish can be planned, asked of the plugin beside the GUI thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal
from stylesync_plugin.contract import DubError
from stylesync_plugin.jobs import job_from
from stylesync_plugin.planning.planner import PlanSettings, plan

from stylesync_ui.engine.bridge import EngineBridge
from stylesync_ui.engine.probes import AskingProbe


class PlanCheck(QObject):
    """Plans wishes beside the GUI thread; only the latest answer is heard."""

    checked = Signal(int, object)

    def __init__(self, bridge: EngineBridge) -> None:
        super().__init__()
        self._probe = AskingProbe(bridge)
        self._waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
        threading.Thread(target=self._work, daemon=True).start()

    def ask(
        self, number: int, timeline: Any, data: Any, media: Path, folders: Sequence[Path]
    ) -> None:
        settings = PlanSettings(media, tuple(folders), probe=self._probe)
        self._waiting.put((number, timeline, data, settings))

    def stop(self) -> None:
        self._waiting.put(None)

    def _work(self) -> None:
        while (asked := self._waiting.get()) is not None:
            while not self._waiting.empty():
                later = self._waiting.get()
                if later is None:
                    return
                asked = later
            number, timeline, data, settings = asked
            try:
                job = job_from(data, str(data.get("name", "dub")))
                self.checked.emit(number, plan(timeline, [job], settings))
            except (DubError, OSError) as error:
                self.checked.emit(number, error)
