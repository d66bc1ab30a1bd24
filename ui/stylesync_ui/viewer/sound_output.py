"""Sound to the speakers, and how much of it has been heard: the clock of playing."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QCoreApplication

RATE = 48000
LATENCY_MS = 60
_WAV_HEADER = 44


@dataclass(frozen=True, slots=True)
class SoundSegment:
    """A WAV of 48 kHz stereo 16 bit, heard from `at` to `end` s of the timeline.

    `first` is the sample of the file that sounds at `at`; `gain` is linear.
    """

    file: str
    at: float
    end: float
    first: int
    gain: float = 1.0


@dataclass(slots=True)
class _Plan:
    """What is to sound: segments, their samples by file, from `position` to `end` (samples)."""

    segments: Sequence[SoundSegment]
    sounds: dict[str, Any]
    position: int
    end: float


class SoundOutput:
    """Plays segments from a moment on; without a device it stays silent and says so.

    The device is opened once, as that takes longer than a picture lasts.
    """

    def __init__(self) -> None:
        self._device: Any = None
        self._plan: _Plan | None = None
        self._begun = 0.0
        self._lock = threading.Lock()
        self.trouble = ""

    def play(
        self, segments: Sequence[SoundSegment], moment: float, seconds: float = math.inf
    ) -> None:
        """From a moment of the timeline on, for so many seconds."""
        self.stop()
        if not segments or self.trouble:
            return
        last = moment + seconds
        heard = [s for s in segments if s.at < last and s.end > moment]
        try:
            sounds = {segment.file: _samples_of(segment.file) for segment in heard}
            with self._lock:
                self._plan = _Plan(heard, sounds, round(moment * RATE), last * RATE)
            self._open()
        except ImportError:
            self.trouble = _tr("No sound: miniaudio is missing")
        except Exception as error:  # a library of another language raises its own kinds
            self.trouble = QCoreApplication.translate("sound", "No sound: {why}").format(
                why=str(error)[:80]
            )

    def add(self, segments: Sequence[SoundSegment], moment: float) -> None:
        """What sounds later on; where nothing sounds now, from `moment` on."""
        with self._lock:
            plan = self._plan
            if plan is not None:
                new = [s for s in segments if s.file not in plan.sounds]
                sounds = plan.sounds | {s.file: _samples_of(s.file) for s in new}
                self._plan = _Plan([*plan.segments, *segments], sounds, plan.position, plan.end)
        if plan is None:
            self.play(segments, moment)

    def _open(self) -> None:
        if self._device is not None:
            return
        import miniaudio

        device = miniaudio.PlaybackDevice(
            output_format=miniaudio.SampleFormat.SIGNED16, nchannels=2, sample_rate=RATE,
            buffersize_msec=LATENCY_MS, app_name="StyleSync",
        )  # fmt: skip
        source = self._blocks()
        next(source)
        device.start(source)
        self._device = device

    def stop(self) -> None:
        with self._lock:
            self._plan, self._begun = None, 0.0

    def close(self) -> None:
        """Give the device back."""
        self.stop()
        device, self._device = self._device, None
        if device is not None:
            device.close()

    @property
    def heard(self) -> float | None:
        """Seconds heard since `play`, None while nothing sounds."""
        with self._lock:
            if self._device is None or not self._begun:
                return None
            return max(0.0, time.monotonic() - self._begun - LATENCY_MS / 1000)

    def _blocks(self) -> Generator[bytes, int, None]:
        """Samples in the lengths that the device wants, silence where nothing is to sound."""
        wanted = yield b""
        while True:
            with self._lock:
                plan = self._plan
                if plan is not None and not self._begun:
                    self._begun = time.monotonic()
                block = _mix(plan, wanted) if plan is not None else bytes(4 * wanted)
            wanted = yield block


def _samples_of(file: str) -> Any:
    """[n, 2] of a WAV file, read as it is heard."""
    import numpy as np

    data = np.memmap(file, np.int16, "r", _WAV_HEADER)
    return data[: len(data) // 2 * 2].reshape(-1, 2)


def _mix(plan: _Plan, wanted: int) -> bytes:
    """The next samples of a plan."""
    import numpy as np

    block = np.zeros((wanted, 2), np.int32)
    position, plan.position = plan.position, plan.position + wanted
    for segment in plan.segments:
        start, end = round(segment.at * RATE), min(round(segment.end * RATE), plan.end)
        low, high = max(start, position), int(min(end, position + wanted))
        first = segment.first + low - start
        part = plan.sounds[segment.file][max(0, first) : max(0, first + high - low)]
        if segment.gain != 1:
            part = (part * segment.gain).astype(np.int32)
        if low < high and len(part) and first >= 0:
            block[low - position : low - position + len(part)] += part
    return bytes(block.clip(-32768, 32767).astype(np.int16).tobytes())


def _tr(text: str) -> str:
    return QCoreApplication.translate("sound", text)
