"""Playing, shuttling and stepping, without a clock of its own."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

FASTEST = 8


@dataclass(slots=True)
class Transport:
    """`position` in s of the timeline; `speed` 0 stands still, negative plays backwards.

    With `loop` (start, end), playing at normal speed goes round in it.
    """

    rate: Fraction = Fraction(25)
    duration: Fraction = Fraction(0)
    position: Fraction = Fraction(0)
    speed: int = 0
    loop: tuple[Fraction, Fraction] | None = None
    _since: float = 0.0
    _from: Fraction = Fraction(0)

    def shuttle(self, direction: int, now: float) -> None:
        """J and L: again doubles the speed, the other one turns round, K (0) stops."""
        if direction == 0:
            speed = 0
        elif self.speed * direction > 0:
            speed = max(-FASTEST, min(FASTEST, self.speed * 2))
        else:
            speed = direction
        self.play(speed, now)

    def play(self, speed: int, now: float) -> None:
        if speed > 0 and self.position >= self.last:
            self.position = self.loop[0] if self.loop else Fraction(0)
        if speed == 1 and self.loop and not self.loop[0] <= self.position < self.loop[1]:
            self.position = self.loop[0]
        self.speed, self._since, self._from = speed, now, self.position

    def tick(self, now: float, heard: float | None = None) -> bool:
        """Move on to `now`, or to what was `heard` (s since play); whether that moved it."""
        if not self.speed:
            return False
        gone = heard if heard is not None and self.speed == 1 else (now - self._since) * self.speed
        wanted = self._from + Fraction(gone).limit_denominator(100_000)
        if self.speed == 1 and self.loop and wanted >= self.loop[1]:
            wanted = self.loop[0]
            self._since, self._from = now, wanted
        before = self.position
        self.go(wanted, keep=True)
        if not 0 <= wanted < self.duration:
            self.speed = 0
        return self.position != before

    def go(self, moment: Fraction, keep: bool = False) -> None:
        """Stand on the frame that is shown at a moment; stops unless `keep`."""
        frame = max(Fraction(0), min(moment, self.last)) * self.rate + Fraction(1, 10_000)
        self.position = Fraction(frame.numerator // frame.denominator) / self.rate
        if not keep:
            self.speed = 0

    def step(self, frames: int) -> None:
        self.go(self.position + frames / self.rate)

    @property
    def last(self) -> Fraction:
        """The moment of the last frame."""
        frames = self.duration * self.rate
        return max(
            Fraction(0), Fraction(-(-frames.numerator // frames.denominator) - 1) / self.rate
        )
