"""Jobs from markers, and dubs off the timeline again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from panel_material import Heartbeat, add_marker, click, wait
from silent_panel import make_timeline, open_timeline
from stylesync_ui.queue.jobs import JobRecord


def test_markers_become_jobs_and_their_absence_is_said(panel: Any, tmp_path: Path) -> None:
    path = make_timeline(tmp_path)
    open_timeline(panel, path)
    click(panel.side.tabBar(), panel.side.tabBar().tabRect(1).center())
    click(panel.queue_view.markers)
    assert "No marker" in panel.banner.text.text()
    assert len(panel.jobs.queue) == 0
    for name in ("one.wav", "two.wav"):
        (tmp_path / name).touch()
    add_marker(path, 5, 20, {"speech": "one.wav"})
    add_marker(path, 80, 30, {"speech": "two.wav"})
    open_timeline(panel, path)
    click(panel.queue_view.markers)
    jobs = list(panel.jobs.queue)
    assert [job.title for job in jobs] == ["line 5", "line 80"]
    assert [job.state for job in jobs] == ["running", "waiting"]
    assert [job.job["speech"]["file"] for job in jobs] == ["one.wav", "two.wav"]
    assert panel.side.currentWidget() is panel.queue_view
    click(panel.queue_view.cards[jobs[1].id].cancel)
    assert jobs[1].state == "cancelled"


def test_taking_a_dub_off_a_long_timeline_leaves_the_window_alive(
    panel: Any, tmp_path: Path
) -> None:
    open_timeline(panel, make_timeline(tmp_path, clips=500))
    job = JobRecord("shot", str(panel.document.path.absolute()), {"name": "shot"})
    job.state, job.placed = "done", True
    panel.jobs.queue.add(job)
    panel.jobs.listed.emit()
    before = panel.document.content
    beat = Heartbeat()
    panel.jobs.act(job.id, "take")
    wait(lambda: panel.document.content is not before, "it is off the track")
    beat.stop()
    assert max(beat.works) < 0.05
    assert not job.placed
    panel.do("undo")
    assert panel.document.content is before
