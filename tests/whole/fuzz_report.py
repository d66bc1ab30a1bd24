"""How many cases of each kind were run and what they showed, as JSON; a run goes on from it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

LAPS = (0.02, 0.3, 1.0)
"""Shares of all cases: every target gets to one before any goes on to the next, so that a run
that ends early has tried them all."""


@dataclass(frozen=True)
class Finding:
    """A case that did what no file may make us do."""

    target: str
    case: int
    kind: str
    detail: str


@dataclass
class Tally:
    """One target: `cases` of `wanted` were run; of these `read` were taken, `refused` refused."""

    wanted: int
    cases: int = 0
    read: int = 0
    refused: int = 0
    seconds: float = 0.0
    findings: list[dict[str, Any]] = field(default_factory=list)

    @property
    def found(self) -> list[Finding]:
        return [Finding(**entry) for entry in self.findings]


class Report:
    """The tallies by target. Where `path` is given they are kept there, and one of the same seed
    and wishes that lies there already is gone on with."""

    def __init__(self, seed: int, wanted: dict[str, int], path: Path | None = None) -> None:
        self.seed, self.path = seed, path
        self.tallies = {name: Tally(count) for name, count in wanted.items()}
        if path is not None and path.exists():
            self._resume(json.loads(path.read_text()))

    def _resume(self, kept: dict[str, Any]) -> None:
        found = {name: Tally(**entry) for name, entry in kept["targets"].items()}
        same = {name: tally.wanted for name, tally in found.items()}
        if kept["seed"] != self.seed or same != {n: t.wanted for n, t in self.tallies.items()}:
            raise SystemExit(f"'{self.path}' is of other cases; give another place.")
        self.tallies = found

    @property
    def findings(self) -> list[Finding]:
        return [finding for tally in self.tallies.values() for finding in tally.found]

    @property
    def cases(self) -> int:
        return sum(tally.cases for tally in self.tallies.values())

    @property
    def wanted(self) -> int:
        return sum(tally.wanted for tally in self.tallies.values())

    def goals(self) -> list[tuple[str, int]]:
        """Targets, and up to which case they are to be run, in turn."""
        return [
            (name, min(tally.wanted, -int(-tally.wanted * lap // 1)))
            for lap in LAPS
            for name, tally in self.tallies.items()
        ]

    def keep(self) -> None:
        if self.path is not None:
            targets = {name: asdict(tally) for name, tally in self.tallies.items()}
            data = {
                "seed": self.seed, "cases": self.cases, "wanted": self.wanted,
                "findings": len(self.findings), "targets": targets,
            }  # fmt: skip
            draft = self.path.with_suffix(".draft")
            draft.write_text(json.dumps(data, indent=1) + "\n")
            draft.replace(self.path)

    def table(self) -> str:
        """One row a target, and their sums."""
        rows = [f"{'target':12}{'cases':>9}{'of':>9}{'read':>9}{'refused':>9}{'s':>7}{'found':>7}"]
        for name, t in self.tallies.items():
            counts = f"{t.cases:9}{t.wanted:9}{t.read:9}{t.refused:9}{t.seconds:7.0f}"
            rows.append(f"{name:12}{counts}{len(t.findings):7}")
        return "\n".join([*rows, f"{'all':12}{self.cases:9}{self.wanted:9}"])
