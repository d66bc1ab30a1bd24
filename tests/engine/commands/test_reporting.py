"""What a person sees on a terminal: bars only while there is something to say, lines above them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("a pseudo-terminal is needed", allow_module_level=True)

WAITS = """
import time
from stylesync_engine.commands.reporting import reporting
with reporting(False) as report:
    time.sleep(0.8)
    report.result({}, "the result")
"""
SAYS = """
import time
from stylesync_engine.commands.reporting import reporting
from stylesync_training.commands.step_bars import StepBars
with reporting(False) as report, StepBars(report) as bars:
    for done in range(4):
        bars.say("train", done + 1, 4)
        print(f"line {done}")
        time.sleep(0.3)
    bars.result({}, "the result")
"""


def seen_on_a_terminal(script: str, tmp_path: Path) -> str:
    """All that a script writes to a terminal."""
    primary, secondary = os.openpty()
    path = tmp_path / "script.py"
    path.write_text(script)
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "NO_COLOR": "1"}
    process = subprocess.Popen(
        [sys.executable, str(path)], stdout=secondary, stderr=secondary, env=environment
    )
    os.close(secondary)
    written = b""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            written += os.read(primary, 4096)
        except OSError:  # the other end is closed
            break
    os.close(primary)
    assert process.wait(timeout=60) == 0, written
    return written.decode()


def test_waiting_without_a_stage_prints_nothing(tmp_path: Path) -> None:
    assert seen_on_a_terminal(WAITS, tmp_path) == "the result\r\n"


def test_lines_stay_whole_above_the_bars_and_the_result_comes_last(tmp_path: Path) -> None:
    written = seen_on_a_terminal(SAYS, tmp_path)
    places = [written.index(f"line {number}\r\n") for number in range(4)]
    assert places == sorted(places)
    assert written.rindex("4/4") < written.index("the result")
    assert written.count("\r\n") < 20
