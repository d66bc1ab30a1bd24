"""The panel's jobs: their states, their speed, the queue on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from stylesync_plugin.contract import Progress
from stylesync_ui.queue.jobs import MOVES, JobQueue, JobRecord, WrongMove


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


def test_speed_and_remaining_time_come_from_the_running_stage() -> None:
    job = record(state="running")
    job.advance(Progress("track", 50, 75), 0.0)
    job.advance(Progress("render", 0, 75), 1.0)
    assert job.remaining is None
    job.advance(Progress("render", 25, 75), 6.0)
    assert job.speed == pytest.approx(5.0)
    assert job.remaining == pytest.approx(10.0)
    assert job.share == pytest.approx(1 / 3)


def test_the_queue_survives_and_says_what_was_interrupted(tmp_path: Path) -> None:
    queue = JobQueue(tmp_path / "queue.json")
    for state in ("done", "running", "waiting", "failed"):
        queue.add(record(state=state))
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
