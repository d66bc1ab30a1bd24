"""The panel's jobs: their states, their speed, the queue on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from stylesync_plugin.contract import Progress
from stylesync_ui.queue.forecast import FIRST_COSTS, QUALITY_COSTS, STAGES, Forecast
from stylesync_ui.queue.jobs import MOVES, JobQueue, JobRecord, WrongMove
from stylesync_ui.queue.takes import letters, take_names


def record(**fields: Any) -> JobRecord:
    return JobRecord("shot", "/cut.otio", {"name": "shot"}, **fields)


def test_jobs_move_along_their_states_only() -> None:
    for start, allowed in MOVES.items():
        for end in MOVES:
            job = record(state=start)
            if end in allowed:
                job.move(end)
                assert job.state == end
            else:
                with pytest.raises(WrongMove):
                    job.move(end)


def test_speed_comes_from_the_running_stage() -> None:
    job = record(state="running")
    job.advance(Progress("track", 50, 75), 0.0)
    job.advance(Progress("render", 0, 75), 1.0)
    assert job.speed == 0
    job.advance(Progress("render", 25, 75), 6.0)
    assert job.speed == pytest.approx(5.0)
    assert job.seconds == pytest.approx(6.0)


def test_one_bar_and_one_time_for_a_whole_job() -> None:
    """The bar never falls back; at a steady pace the time left is what really is left."""
    forecast = Forecast()
    job = record(state="running", length=100)
    total = sum(FIRST_COSTS[s] * QUALITY_COSTS["good" if s == "render" else "draft"]
                for s in STAGES) * 50  # fmt: skip
    now, shares = 0.0, []
    for stage in STAGES:
        cost = FIRST_COSTS[stage] * (QUALITY_COSTS["good"] if stage == "render" else 1) * 50
        for done in range(0, 101, 10):
            job.advance(Progress(stage, done, 100), now + cost * done / 100)
            shares.append(forecast.share(job))
            if shares[-1] > 0.2:
                assert forecast.remaining(job) == pytest.approx(total - job.seconds, rel=0.1, abs=2)
        now += cost
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)
    job.move("done")
    forecast.learn([job])
    assert forecast.whole(record(length=200)) == pytest.approx(2 * job.seconds)


def test_jobs_that_wait_change_places(tmp_path: Path) -> None:
    queue = JobQueue(tmp_path / "queue.json")
    jobs = [record(state=state) for state in ("done", "waiting", "failed", "waiting")]
    for job in jobs:
        queue.add(job)
    queue.shift(jobs[3], -1)
    assert queue.next_waiting() is jobs[3]
    queue.shift(jobs[3], -1)
    assert list(queue) == [jobs[0], jobs[3], jobs[2], jobs[1]]


def test_takes_of_one_place_have_letters() -> None:
    piece = {"id": "place", "span": ["1", "2"], "output": "a.mov"}
    jobs = [record(pieces=[piece]), record(pieces=[{**piece, "output": "b.mov"}]), record()]
    assert take_names(jobs) == {jobs[0].id: "A", jobs[1].id: "B"}
    assert (letters(25), letters(26)) == ("Z", "AA")


def test_the_queue_survives_and_says_what_was_interrupted(tmp_path: Path) -> None:
    queue = JobQueue(tmp_path / "queue.json")
    for state in ("done", "running", "waiting", "failed"):
        queue.add(record(state=state))
    queue.close()
    again = JobQueue(tmp_path / "queue.json")
    assert [job.state for job in again] == ["done", "interrupted", "interrupted", "failed"]
    assert again.next_waiting() is None
    (tmp_path / "queue.json").write_text("{broken")
    assert len(JobQueue(tmp_path / "queue.json")) == 0


def test_one_job_runs_and_the_oldest_waits_first(tmp_path: Path) -> None:
    queue = JobQueue(tmp_path / "queue.json")
    first, second = record(), record()
    queue.add(first)
    queue.add(second)
    assert queue.next_waiting() is first
    first.move("running")
    assert queue.next_waiting() is None
    first.move("done")
    assert queue.next_waiting() is second
