"""Many lines: a reel of 300 clips and 200 lines in few clicks, 20,000 rows without a hitch."""

from __future__ import annotations

import gc
import json
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from panel_material import Heartbeat, click, key, wait
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication
from session_material import code, drafted, open_session, outputs_on, write_session
from stylesync_plugin.lines.document import FORMAT, Anchor, Line, Lines, write_lines
from stylesync_ui.lines.keeping import Keeper


def test_a_reel_waits_to_be_drafted_after_one_drop_and_one_click(
    quick_panel: Any, tmp_path: Path
) -> None:
    panel = quick_panel
    material = write_session(tmp_path, clips=300, lines=200)
    begun = time.monotonic()
    open_session(panel, *material)
    wait(panel.lines_page.draft_all.isEnabled, "they can be drafted")
    click(panel.lines_page.draft_all)
    counts = panel.lines_page.model.counts
    wait(lambda: counts()["ready"] == 0, "all wait, run or are done")
    assert time.monotonic() - begun < 120
    assert sum(counts()[state] for state in ("waiting", "running", "draft")) == 200
    wait(panel.lines_page.progress.isVisible, "one time is told for all")
    assert "left" in panel.lines_page.rest.text()
    click(panel.lines_page.stop)
    wait(lambda: counts()["waiting"] == counts()["running"] == 0, "nothing waits any more")


def test_twenty_thousand_rows_do_not_hold_the_panel_up(quick_panel: Any, tmp_path: Path) -> None:
    panel = quick_panel
    timeline, _, _ = write_session(tmp_path, clips=300, lines=1)
    lines = tuple(
        Line(
            str(n), code(n), code(n + 20), f"Role {n % 40}", f"What is said {n}",
            anchor=Anchor(f"clip{n // 74}", f"clip{n // 74}.mov", str(Fraction(n % 74, 25))),
        )
        for n in range(20_000)
    )  # fmt: skip
    write_lines(Lines(FORMAT, str(timeline), lines, rate="25"), tmp_path / "reel.lines.json")
    panel.open(timeline)
    wait(lambda: bool(panel.session), "the lines are here")
    gc.collect()
    gc.freeze()  # what other tests have left in this process is not the panel's to look through
    page, beat = panel.lines_page, Heartbeat()
    page.table.setFocus()
    page.table.stand_on(0)
    for _ in range(20):
        key(page.table, Qt.Key.Key_Tab)
    page.sought.setText("said 19")
    settle()
    assert page.model.rowCount() == sum("19" in f"{n} {n % 40}" for n in range(20_000))
    page.sought.setText("")
    panel.strip.fit()
    settle()
    panel.session.change([5], note="changed")
    settle()
    beat.stop()
    gc.unfreeze()
    assert sorted(beat.works)[-2] < 0.05  # one turn may meet a busy machine


def test_undo_of_many_dubs_is_one_short_turn(quick_panel: Any, tmp_path: Path) -> None:
    """The queue's file is written beside the GUI thread, once for all that have changed."""
    panel = quick_panel
    drafted(panel, tmp_path, lines=40)
    wait(panel.lines_page.put_all.isEnabled, "they can be put on")
    click(panel.lines_page.put_all)
    wait(lambda: len(outputs_on(panel)) == 40, "all are on the timeline")
    settle()
    beat = Heartbeat()
    for way in ("undo", "redo"):
        panel.do(way)
        settle()
    beat.stop()
    assert len(outputs_on(panel)) == 40
    assert sorted(beat.works)[-2] < 0.05  # one turn may meet a busy machine
    panel.jobs.close()
    kept = json.loads((tmp_path / "config" / "queue.json").read_text())["jobs"]
    assert [job["placed"] for job in kept] == [True] * 40


def settle() -> None:
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        QApplication.processEvents()


def test_lines_that_change_all_the_time_are_kept_all_the_same(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A panel that is killed in a quick batch must not lose its lines: no pause is waited for."""
    monkeypatch.setattr("stylesync_ui.lines.keeping.QUIET", 30.0)
    monkeypatch.setattr("stylesync_ui.lines.keeping.LONGEST", 0.1)
    keeper = Keeper(tmp_path / "reel.lines.json")
    keeper.keep(Lines(FORMAT, "reel.otio", (), rate="25"))
    wait((tmp_path / "reel.lines.json").exists, "it is written")
    keeper.close()
