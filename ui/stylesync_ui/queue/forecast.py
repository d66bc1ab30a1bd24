"""How long jobs take: what the stages of earlier jobs cost foretells those that come.

forecast = Forecast()
forecast.learn(done)
seconds = forecast.remaining(running)
"""

from __future__ import annotations

from collections.abc import Iterable

from stylesync_plugin.contract import DubOptions

from stylesync_ui.queue.jobs import JobRecord

STAGES = ("track", "style", "speech", "lips", "render", "assemble")
# Seconds a frame of each stage on two cores, until this machine has shown its own.
FIRST_COSTS = {
    "track": 0.03, "style": 0.02, "speech": 0.01, "lips": 0.01, "render": 0.06, "assemble": 0.02,
}  # fmt: skip
QUALITY_COSTS = {"draft": 1.0, "good": 1.3, "best": 3.0}
PRIOR = 0.15
"""Share of a job after which what it takes itself outweighs what was foretold."""


class Forecast:
    """Seconds a frame by quality, from the last job of each that was done whole."""

    def __init__(self) -> None:
        self._whole: dict[str, float] = {}

    def learn(self, jobs: Iterable[JobRecord]) -> None:
        """Jobs in their order; what took nearly no time was kept from before and tells nothing."""
        for job in jobs:
            if job.state == "done" and job.length and job.seconds / job.length > 0.002:
                self._whole[_quality(job)] = job.seconds / job.length

    def whole(self, job: JobRecord) -> float:
        """Seconds that a job takes from start to end."""
        return self.seconds(_quality(job), job.length)

    def seconds(self, quality: str, frames: int) -> float:
        """Seconds that so many frames take in a quality, from start to end."""
        known = self._whole.get(quality)
        if known is None and self._whole:
            other = next(iter(self._whole))
            known = self._whole[other] * QUALITY_COSTS[quality] / QUALITY_COSTS[other]
        if known is None:
            known = sum(FIRST_COSTS.values()) * QUALITY_COSTS[quality]
        return known * max(1, frames)

    def share(self, job: JobRecord) -> float:
        """How much of a whole job is done, 0 to 1, whatever the order of its stages."""
        if not job.parts:
            return 0.0
        costs = {s: FIRST_COSTS[s] * (QUALITY_COSTS[_quality(job)] if s == "render" else 1)
                 for s in STAGES}  # fmt: skip
        last = max((STAGES.index(s) for s in job.parts if s in STAGES), default=0)
        done = 0.0
        for number, stage in enumerate(STAGES):
            part = job.parts.get(stage)
            if part is not None:
                done += costs[stage] * (part[0] / part[1] if part[1] else 0.0)
            elif number < last:
                done += costs[stage]
        return min(1.0, done / sum(costs.values()))

    def remaining(self, job: JobRecord) -> float:
        """Seconds until a job is done: foretold at first, then from its own pace."""
        if job.state != "running":
            return self.whole(job)
        share = self.share(job)
        foretold = self.whole(job) * (1 - share)
        if share <= 0.01:
            return max(1.0, self.whole(job) - job.seconds)
        own = job.seconds * (1 - share) / share
        trust = min(1.0, share / PRIOR)
        return max(1.0, own * trust + foretold * (1 - trust))


def _quality(job: JobRecord) -> str:
    found = str(job.job.get("options", {}).get("quality", DubOptions().quality))
    return found if found in QUALITY_COSTS else "good"
