"""Sound to the speakers, and how much of it has been heard: the clock of playing."""

from __future__ import annotations

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


class SoundOutput:
    """Plays segments from a moment on; without a device it stays silent and says so."""

    def __init__(self) -> None:
        self._device: Any = None
        self._begun = 0.0
        self._lock = threading.Lock()
        self.trouble = ""

    def play(self, segments: Sequence[SoundSegment], moment: float) -> None:
        self.stop()
        if not segments or self.trouble:
            return
        try:
            import miniaudio

            device = miniaudio.PlaybackDevice(
                output_format=miniaudio.SampleFormat.SIGNED16, nchannels=2, sample_rate=RATE,
                buffersize_msec=LATENCY_MS, app_name="StyleSync",
            )  # fmt: skip
            source = self._mix(segments, moment)
            next(source)
            device.start(source)
        except ImportError:
            self.trouble = _tr("No sound: miniaudio is missing")
        except Exception as error:  # a library of another language raises its own kinds
            self.trouble = QCoreApplication.translate("sound", "No sound: {why}").format(
                why=str(error)[:80]
            )
        else:
            self._device = device

    def stop(self) -> None:
        device, self._device = self._device, None
        with self._lock:
            self._begun = 0.0
        if device is not None:
            device.close()

    @property
    def heard(self) -> float | None:
        """Seconds heard since `play`, None while nothing sounds."""
        with self._lock:
            if self._device is None or not self._begun:
                return None
            return max(0.0, time.monotonic() - self._begun - LATENCY_MS / 1000)

    def _mix(self, segments: Sequence[SoundSegment], moment: float) -> Generator[bytes, int, None]:
        """Samples from `moment` on, in the lengths that the device wants."""
        import numpy as np

        files = {s.file: np.memmap(s.file, np.int16, "r", _WAV_HEADER) for s in segments}
        sounds = {name: data[: len(data) // 2 * 2].reshape(-1, 2) for name, data in files.items()}
        position = round(moment * RATE)
        wanted = yield b""
        with self._lock:
            self._begun = time.monotonic()
        while True:
            block = np.zeros((wanted, 2), np.int32)
            for segment in segments:
                start, end = round(segment.at * RATE), round(segment.end * RATE)
                low, high = max(start, position), min(end, position + wanted)
                sound = sounds[segment.file]
                first = segment.first + low - start
                part = sound[max(0, first) : max(0, first + high - low)]
                if segment.gain != 1:
                    part = (part * segment.gain).astype(np.int32)
                if low < high and len(part) and first >= 0:
                    block[low - position : low - position + len(part)] += part
            position += wanted
            wanted = yield block.clip(-32768, 32767).astype(np.int16).tobytes()


def _tr(text: str) -> str:
    return QCoreApplication.translate("sound", text)
