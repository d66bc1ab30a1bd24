"""One dub at a time writes an output or a work folder; a crash locks nobody out."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from clip_fixtures import MODELS

from stylesync_engine.files import file_hash, locked
from stylesync_engine.media import read_frames
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


@pytest.mark.slow
def test_two_dubs_with_one_work_folder_each_make_their_own_file(
    talking: Path, other_speech: Path, tmp_path: Path
) -> None:
    """Both at once: the second is refused in a sentence, or waits; what is said to be made is."""
    sources = file_hash(talking), file_hash(other_speech)
    commands = [
        [
            sys.executable, "-m", "stylesync_engine", "dub", "--json", "--video", str(talking),
            "--speech", str(other_speech), "--frames", "0:20", "--quality", "draft", "--device",
            "cpu", "--codec", "ffv1", "--models", MODELS, "--work", str(tmp_path / "work"),
            "--output", str(tmp_path / f"{name}.mkv"), *more,
        ]
        for name, more in (("a", ()), ("b", ("--seed", "3")))
    ]  # fmt: skip
    for waits in ((), ("--wait",)):
        runs = [
            subprocess.Popen([*words, *waits], stdout=subprocess.PIPE, text=True)
            for words in commands
        ]
        said = [json.loads(run.communicate(timeout=600)[0].splitlines()[-1]) for run in runs]
        done = [entry for entry in said if entry["event"] == "result"]
        assert len(done) == (2 if waits else 1)
        assert all(Path(entry["output"]).is_file() for entry in done)
        for entry in said:
            assert entry in done or "in use by another dub" in entry["message"]
    frames = [
        [frame.image.planes[0].tobytes() for frame in read_frames(tmp_path / f"{name}.mkv")]
        for name in "ab"
    ]
    assert list(map(len, frames)) == [20, 20]
    assert not list(tmp_path.rglob("*.lock"))
    assert (file_hash(talking), file_hash(other_speech)) == sources


def test_a_place_that_cannot_be_locked_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(DiskError), locked(tmp_path / "file" / "dub.mov"):
        pass


def test_long_names_that_begin_alike_are_not_one(tmp_path: Path) -> None:
    shared = "show_ep101_sc023_shot0450_comp_v003_graded_for_review_by_everybody_who_dubs_it_into_"
    one, two = (tmp_path / f"{shared}{tongue}.mov" for tongue in ("german", "french"))
    with locked(one), locked(two), pytest.raises(RequestError, match="in use"), locked(one):
        pass
    assert list(tmp_path.iterdir()) == []
