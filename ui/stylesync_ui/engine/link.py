"""The engine as a child process of the panel: JSON lines over QProcess, alive through crashes."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any

from PySide6.QtCore import QObject, QProcess, QTimer, Signal
from stylesync_plugin.batch.engine_process import (
    SHUTDOWN,
    engine_command,
    last_words,
    line_of,
    parse_event,
)

Event = dict[str, Any]
Listener = Callable[[Event], None]

LAST_EVENTS = ("result", "error", "cancelled")
CRASHES_AT_ONCE = 3
CRASH_WINDOW = 30.0
SECONDS_TO_STOP = 2.0


class EngineLink(QObject):
    """Asks and listens; `state` is off, starting, ready or gone.

    When the process ends by itself, every listener hears `{"event": "lost", "message": ...}`, and
    a new process is started, unless it has died several times within half a minute.
    """

    state_changed = Signal(str)
    lost = Signal(str)

    def __init__(self, command: Sequence[str] | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._command = list(command or engine_command())
        self._process: QProcess | None = None
        self._ids = itertools.count(1)
        self._listeners: dict[str, Listener] = {}
        self._unsent: list[bytes] = []
        self._rest = b""
        self._errors = b""
        self._deaths: list[float] = []
        self._closed = False
        self.state = "off"
        self.version = ""

    def start(self) -> None:
        """Start the process; asking does it, too."""
        if self._process is not None or self._closed:
            return
        self._rest, self._errors = b"", b""
        process = QProcess(self)
        process.readyReadStandardOutput.connect(self._read)
        process.readyReadStandardError.connect(self._read_errors)
        process.finished.connect(self._ended)
        process.errorOccurred.connect(self._failed)
        self._process = process
        self._go("starting")
        process.start(self._command[0], self._command[1:])

    def ask(self, method: str, params: Event, listener: Listener) -> str:
        """Send a request; the listener hears its events, the last of them once. Returns its id."""
        asked = f"panel-{next(self._ids)}"
        self._listeners[asked] = listener
        self._send({"id": asked, "method": method, "params": params})
        return asked

    def cancel(self, asked: str) -> None:
        if asked in self._listeners:
            self._send({"id": asked, "method": "cancel"})

    def restart(self) -> None:
        """Start again after it has given up."""
        self._deaths = []
        self.start()

    @property
    def process_id(self) -> int:
        return int(self._process.processId()) if self._process is not None else 0

    def close(self) -> None:
        """End the process: politely, then for good."""
        self._closed = True
        process, self._process = self._process, None
        self._listeners.clear()
        if process is None:
            return
        process.blockSignals(True)
        process.write(SHUTDOWN.encode())
        process.closeWriteChannel()
        if not process.waitForFinished(int(SECONDS_TO_STOP * 1000)):
            process.kill()
            process.waitForFinished(1000)
        self._go("off")

    def _send(self, message: Event) -> None:
        line = line_of(message).encode()
        if self._process is None and self.state != "gone":
            self.start()
        if self.state == "ready" and self._process is not None:
            self._process.write(line)
        else:
            self._unsent.append(line)
            if self.state == "gone":
                QTimer.singleShot(0, lambda: self._lose(self.gone_message()))

    def _read(self) -> None:
        if self._process is None:
            return
        *lines, self._rest = (self._rest + self._process.readAllStandardOutput().data()).split(
            b"\n"
        )
        for line in lines:
            self._hear(line)

    def _hear(self, line: bytes) -> None:
        event = parse_event(line)
        if event.get("event") == "ready":
            self._arrived(event)
            return
        asked = str(event.get("id"))
        last = event.get("event") in LAST_EVENTS
        listener = self._listeners.pop(asked, None) if last else self._listeners.get(asked)
        if listener is not None:
            listener(event)

    def _arrived(self, event: Event) -> None:
        self.version = str(event.get("version", ""))
        self._go("ready")
        unsent, self._unsent = self._unsent, []
        for line in unsent:
            if self._process is not None:
                self._process.write(line)

    def _read_errors(self) -> None:
        if self._process is not None:
            self._errors = (self._errors + self._process.readAllStandardError().data())[-4000:]

    def _failed(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            self._deaths = [time.monotonic()] * CRASHES_AT_ONCE
            self._ended()

    def _ended(self, *_: object) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.deleteLater()
        now = time.monotonic()
        self._deaths = [moment for moment in self._deaths if now - moment < CRASH_WINDOW] + [now]
        gone = len(self._deaths) >= CRASHES_AT_ONCE
        self._go("gone" if gone else "off")
        self._lose(self.gone_message() if gone else self.tr("The engine stopped unexpectedly."))
        if not gone:
            self.start()

    def _lose(self, message: str) -> None:
        """Tell everybody that waits; what was not sent goes, too."""
        listeners, self._listeners = self._listeners, {}
        self._unsent = []
        for listener in listeners.values():
            listener({"event": "lost", "message": message})
        self.lost.emit(message)

    def gone_message(self) -> str:
        return self.tr("The engine cannot be started") + last_words(self._errors, 160) + "."

    def _go(self, state: str) -> None:
        if state != self.state:
            self.state = state
            self.state_changed.emit(state)
