"""A whole timeline over night: plan, dub clip after clip, write back, report.

A clip that fails does not stop the others. What is finished is on record with the hashes of all
that went in, so that the same command goes on where it was stopped.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from stylesync_engine.request import (
    Cancelled,
    DubError,
    DubRequest,
    DubResult,
    MediaError,
    Progress,
    RequestError,
)
from stylesync_plugin.batch.records import Hashes, input_hashes, read_result, write_result
from stylesync_plugin.jobs import Job
from stylesync_plugin.planning.conform import make_media
from stylesync_plugin.planning.planner import Plan, PlannedDub, PlanSettings, plan
from stylesync_plugin.timeline.sources import Probe
from stylesync_plugin.writing.write_back import Dubbed, TrackNames, write_back

OnProgress = Callable[[Progress], None]
Dub = Callable[[DubRequest, OnProgress], DubResult]
State = Literal["waiting", "running", "done", "kept", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """Where a batch is: the `number`-th of `total` dubs; `remaining` in s once it can be told."""

    number: int
    total: int
    dub: PlannedDub
    state: State
    stage: Progress | None = None
    remaining: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one dub; `seconds` is what this run spent on it."""

    dub: PlannedDub
    state: State
    result: DubResult | None = None
    second: DubResult | None = None
    error: DubError | None = None
    hashes: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch that has ended: the timeline, with every dub that succeeded where they are put on."""

    timeline: Any
    plan: Plan
    outcomes: tuple[Outcome, ...]

    @property
    def failures(self) -> list[tuple[str, DubError]]:
        """Who failed or was refused, and why, in time order."""
        failed = [(outcome.dub.job, outcome.error) for outcome in self.outcomes]
        refused = [(refusal.job, refusal.error) for refusal in self.plan.refused]
        return [(job, error) for job, error in (*refused, *failed) if error is not None]

    @property
    def exit_code(self) -> int:
        """0, or that of the first failure; 130 once cancelled."""
        codes = [error.exit_code for _, error in self.failures]
        return Cancelled.exit_code if Cancelled.exit_code in codes else next(iter(codes), 0)


def dub_timeline(
    timeline: Any,
    jobs: Sequence[Job],
    settings: PlanSettings,
    dub: Dub,
    names: TrackNames | None = None,
    on_progress: Callable[[BatchProgress], None] = lambda _: None,
    written: Sequence[Path] = (),
    put_on: bool = True,
) -> Batch:
    """Dub every job on a timeline and put the results on a copy of it, unless that is not wanted.

    `dub` is the engine: an `EngineProcess`, or any callable of that form; `written` are the files
    that the caller will write. Raises RequestError where the timeline cannot be laid out, or where
    something of it all would be written over; whatever a single dub raises is in its outcome.
    """
    planned = plan(timeline, jobs, settings)
    planned.check_places(written)
    queue = _Queue(planned, settings, dub, on_progress)
    outcomes = queue.run()
    if not put_on:
        return Batch(timeline, planned, outcomes)
    finished = [
        Dubbed(outcome.dub, outcome.result, outcome.hashes, outcome.second)
        for outcome in outcomes
        if outcome.result is not None
    ]
    return Batch(write_back(timeline, finished, names), planned, outcomes)


class _Queue:
    """Runs the dubs of a plan one after the other."""

    def __init__(
        self,
        planned: Plan,
        settings: PlanSettings,
        dub: Dub,
        on_progress: Callable[[BatchProgress], None],
    ) -> None:
        self.dubs, self.settings, self.dub, self.report = planned.dubs, settings, dub, on_progress
        self.hashes = Hashes(settings.media / "hashes.json")
        self.rendered: dict[str, Outcome] = {}
        self.frames_done, self.frames_spent, self.spent = 0, 0, 0.0

    def run(self) -> tuple[Outcome, ...]:
        outcomes: list[Outcome] = []
        for number, dub in enumerate(self.dubs, 1):
            stopped = any(outcome.state == "cancelled" for outcome in outcomes)
            outcome = _cancelled(dub) if stopped else self._one(number, dub)
            outcomes.append(outcome)
            self.frames_done += dub.place.frames
            self._say(number, dub, outcome.state, None)
        return tuple(outcomes)

    def _one(self, number: int, dub: PlannedDub) -> Outcome:
        """One dub; the same request twice is rendered once."""
        earlier = self.rendered.get(dub.request.output)
        if earlier is not None and earlier.result is not None:
            return self._again(dub, earlier, earlier.result)
        begun = time.monotonic()
        try:
            self._say(number, dub, "running", None)
            outcome = self._rendered(number, dub)
        except Cancelled as error:
            outcome = dataclasses.replace(_cancelled(dub), error=error)
        except DubError as error:
            outcome = Outcome(dub, "failed", error=error)
        except OSError as error:
            failure = MediaError(f"'{error.filename}' cannot be used ({error.strerror}).")
            outcome = Outcome(dub, "failed", error=failure)
        seconds = time.monotonic() - begun
        if outcome.state == "done":
            self.frames_spent += dub.place.frames
            self.spent += seconds
        outcome = dataclasses.replace(outcome, seconds=seconds)
        self.rendered[dub.request.output] = outcome
        return outcome

    def _rendered(self, number: int, dub: PlannedDub) -> Outcome:
        make_media(dub)
        state: State = "kept"
        results: list[DubResult] = []
        hashes: dict[str, str] = {}
        for request in (dub.request, dub.second):
            if request is None:
                continue
            hashes = input_hashes(request, self.hashes)
            self.hashes.save()
            result = read_result(self._record(request), request, hashes)
            if result is None:
                state = "done"
                result = self.dub(request, lambda step: self._say(number, dub, "running", step))
                write_result(self._record(request), request, hashes, result)
            results.append(result)
        placed = _as_delivered(dub, results[0], self.settings.probe)
        second = results[1] if len(results) > 1 else None
        return Outcome(placed, state, results[0], second, hashes=hashes)

    def _again(self, dub: PlannedDub, earlier: Outcome, result: DubResult) -> Outcome:
        """The place of this dub with the media of the earlier one."""
        try:
            placed = _as_delivered(dub, result, self.settings.probe)
        except DubError as error:
            return Outcome(dub, "failed", error=error)
        return dataclasses.replace(earlier, dub=placed, state="kept", seconds=0.0)

    def _record(self, request: DubRequest) -> Path:
        """Stems carry the digest of the request; image sequences drop their frame number."""
        name = Path(request.output).name.split(".")[0]
        return self.settings.media / "done" / f"{name}.json"

    def _say(self, number: int, dub: PlannedDub, state: State, step: Progress | None) -> None:
        self.report(
            BatchProgress(
                number, len(self.dubs), dub, state, step, self._remaining(dub, state, step)
            )
        )

    def _remaining(self, dub: PlannedDub, state: State, step: Progress | None) -> float | None:
        """By the speed of the dubs that were rendered in this run."""
        if not self.frames_spent:
            return None
        left = sum(entry.place.frames for entry in self.dubs) - self.frames_done
        if state == "running" and step is not None and step.stage == "render" and step.total:
            left -= dub.place.frames * step.done // step.total
        return max(0, left) * self.spent / self.frames_spent


def _cancelled(dub: PlannedDub) -> Outcome:
    error = Cancelled("The batch was cancelled; the same command goes on where it stopped.")
    return Outcome(dub, "cancelled", error=error)


def _as_delivered(dub: PlannedDub, result: DubResult, probe: Probe) -> PlannedDub:
    """The dub with the time code that its file really carries; raises MediaError for a wrong file.

    A dub of another length or rate would lie wrongly over its original: better none than that.
    """
    place = dub.place
    if (result.frames, result.rate) != (place.frames, place.rate):
        raise MediaError(
            f"The dub of '{place.clip}' has {result.frames} frames at {result.rate}, not"
            f" {place.frames} at {place.rate}; dub it again, or report this."
        )
    if "%" in Path(result.output).name:
        return dub
    facts = probe.picture(result.output)
    shift = facts.start - place.first
    moved = dataclasses.replace(place, first=facts.start, start=place.start + shift)
    return dataclasses.replace(dub, place=moved)


__all__ = ["Batch", "BatchProgress", "Dub", "Outcome", "RequestError", "dub_timeline"]
