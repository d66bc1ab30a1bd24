"""The playhead in motion: a timer, a transport, and the sound as its clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from fractions import Fraction

from PySide6.QtCore import QObject, Qt, QTimer, Signal
from stylesync_plugin.times import Span

from stylesync_ui.viewer.sound_output import SoundOutput, SoundSegment
from stylesync_ui.viewer.transport import Transport

STEP_SOUND = 0.06
"""s of sound at a step: what is shorter cannot be told."""
AHEAD = Fraction(60)
"""s of a timeline whose sound is looked up at once; what follows, while they play."""


class Player(QObject):
    """`segments_of` says what sounds at normal speed within a span."""

    moved = Signal(object)
    speed_changed = Signal(int)

    def __init__(self, segments_of: Callable[[Span], Sequence[SoundSegment]]) -> None:
        super().__init__()
        self.transport = Transport()
        self.output = SoundOutput()
        self.sound_on = True
        self._segments_of = segments_of
        self._known: list[tuple[Span, Sequence[SoundSegment]]] = []
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)

    @property
    def position(self) -> Fraction:
        return self.transport.position

    def open(self, rate: Fraction, duration: Fraction) -> None:
        self.stop()
        self.transport = Transport(rate, duration)
        self._timer.setInterval(max(4, int(500 / rate)))
        self.moved.emit(self.transport.position)

    def toggle(self) -> None:
        self._go(0 if self.transport.speed else 1)

    def shuttle(self, direction: int) -> None:
        before = self.transport.speed
        self.transport.shuttle(direction, time.monotonic())
        self._changed(before)

    def go(self, moment: Fraction) -> None:
        """Stand at a moment; what plays goes on from there."""
        speed = self.transport.speed
        self.transport.go(moment)
        if speed:
            self._go(speed)
        self.moved.emit(self.transport.position)

    def step(self, frames: int) -> None:
        """One frame or several on, with the sound of the frame that is shown then."""
        self.stop()
        self.transport.step(frames)
        self.moved.emit(self.transport.position)
        if self.sound_on:
            seconds = max(STEP_SOUND, float(1 / self.transport.rate))
            here = self.position
            segments = self._segments_of(Span(here, here + Fraction(seconds)))
            self.output.play(segments, float(here), seconds)

    def _start_sound(self) -> None:
        """Play what sounds from here on."""
        self._known = []
        self.output.play(self._look_up(self.position), float(self.position))

    def _sound_later(self) -> None:
        """What sounds after that which is known, in time."""
        if not self.sound_on:
            return
        later = self._look_up(self._known_to)
        self.output.add(later, float(self.position))

    def _look_up(self, start: Fraction) -> Sequence[SoundSegment]:
        span = Span(start, start + AHEAD)
        segments = self._segments_of(span)
        self._known.append((span, segments))
        return segments

    @property
    def _known_to(self) -> Fraction:
        return self._known[-1][0].end if self._known else self.position

    def hear_again(self) -> None:
        """Where another sound belongs to what plays by now, such as that of another take or one
        that was not here yet, it goes on with this one."""
        if self.transport.speed != 1 or not self.sound_on:
            return
        self._known = [known for known in self._known if known[0].end > self.position]
        if any(self._segments_of(span) != segments for span, segments in self._known):
            self._go(1)

    def stop(self) -> None:
        self._go(0)

    def _go(self, speed: int) -> None:
        before = self.transport.speed
        self.transport.play(speed, time.monotonic())
        self._changed(before)

    def _changed(self, before: int) -> None:
        speed = self.transport.speed
        self._timer.start() if speed else self._timer.stop()
        if speed == 1 and self.sound_on:
            self._start_sound()
        elif before:
            self.output.stop()
        self.speed_changed.emit(speed)

    def _tick(self) -> None:
        before = self.transport.position
        moved = self.transport.tick(time.monotonic(), self.output.heard)
        if moved:
            self.moved.emit(self.transport.position)
        looped = self.transport.position < before and self.transport.speed == 1
        if looped and self.sound_on:
            self._start_sound()
        elif self.transport.speed == 1 and self.position > self._known_to - AHEAD / 4:
            self._sound_later()
        if not self.transport.speed:
            self._changed(1)
