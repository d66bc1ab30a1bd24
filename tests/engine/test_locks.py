"""One dub at a time writes an output or a work folder; a crash locks nobody out."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from stylesync_engine.files import locked
from stylesync_engine.request import DiskError, RequestError

HOLD = """
import sys, time
from pathlib import Path
from stylesync_engine.files import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def hold(path: Path) -> subprocess.Popen[str]:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_the_second_gets_a_sentence_and_a_crash_locks_nobody_out(tmp_path: Path) -> None:
    path = tmp_path / "dub.mov"
    holder = hold(path)
    try:
        said = rf"in use by another dub \(process {holder.pid}"
        with pytest.raises(RequestError, match=said), locked(path):
            pass
    finally:
        holder.kill()
        holder.wait()
    with locked(path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_the_second_may_wait(tmp_path: Path) -> None:
    order: list[str] = []

    def first() -> None:
        with locked(tmp_path / "work"):
            order.append("begins")
            time.sleep(0.5)
            order.append("ends")

    thread = threading.Thread(target=first)
    thread.start()
    while not order:
        time.sleep(0.01)
    with locked(tmp_path / "work", wait=True):
        order.append("second")
    thread.join()
    assert order == ["begins", "ends", "second"]


def test_a_place_that_cannot_be_locked_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(DiskError), locked(tmp_path / "file" / "dub.mov"):
        pass
