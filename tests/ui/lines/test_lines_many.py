"""Many lines: a reel of 300 clips and 200 lines in few clicks, 20,000 rows without a hitch."""

from __future__ import annotations

import gc
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

from panel_material import Heartbeat, click, key, wait
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication
from session_material import code, open_session, write_session
from stylesync_plugin.lines.document import FORMAT, Anchor, Line, Lines, write_lines


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
    print("WORKS", sorted(beat.works)[-5:])
    assert max(beat.works) < 0.1  # 30 ms where nobody else computes


def settle() -> None:
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        QApplication.processEvents()
