"""The table of all sizes: clips of the demo, a process for each row, another's speed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from stylesync_engine.media import probe_video
from stylesync_engine.request import MediaError, ModelError, RequestError
from stylesync_engine.review import bench_table

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux alone")

ENGINE = """
import json, os, sys
words = sys.argv[1:]
quality, cores = words[words.index("--quality") + 1], len(os.sched_getaffinity(0))
if "broken" in words:
    print(json.dumps({"event": "error", "kind": "ModelError", "message": "No weights."}))
    sys.exit(5)
print(json.dumps({"event": "progress", "stage": "assemble", "done": 1, "total": 2}))
speed = cores * (8.0 if quality == "draft" else 4.0)
print(json.dumps({"event": "result", "frames_per_second": speed, "peak_mib": 500.0}))
"""


@pytest.fixture(autouse=True)
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that makes 8 frames/s for each core, 4 of them in good."""
    script = tmp_path / "engine.py"
    script.write_text(ENGINE, "utf-8")
    monkeypatch.setattr(bench_table, "_ENGINE", (sys.executable, str(script)))


def test_each_quality_and_number_of_cores_is_a_row() -> None:
    cores, peer = (
        sorted({1, len(os.sched_getaffinity(0))}),
        f"{sys.executable} -c 'print(\"2 fps\")'",
    )
    found = bench_table.measure_table(cores, {"models": "starter"}, "shot.mov", None, peer)
    assert found["peer_frames_per_second"] == 2
    rows = found["rows"]
    assert [(r["quality"], r["cores"]) for r in rows] == [
        (quality, count) for quality in ("draft", "good") for count in cores
    ]
    for row in rows:
        assert row["clip"] == "shot.mov"
        assert row["frames_per_second"] == row["cores"] * (8 if row["quality"] == "draft" else 4)
        assert row["of_one_core"] == row["cores"]
        assert row["of_peer"] == row["frames_per_second"] / 2
        assert row["first_frame"] > 0
    assert len(os.sched_getaffinity(0)) == cores[-1]


def test_what_goes_wrong_in_a_process_is_told() -> None:
    with pytest.raises(ModelError, match="No weights"):
        bench_table.measure_table((1,), {"models": "broken"}, "shot.mov", None, None)
    for command in ("/nowhere/peer", f"{sys.executable} -c 1"):
        with pytest.raises((RequestError, MediaError), match="peer"):
            bench_table.measure_table((1,), {}, "shot.mov", None, command)


@pytest.mark.parametrize("text", ["", "0", "two", "1,999999", "1;2"])
def test_numbers_of_cores_are_checked(text: str) -> None:
    with pytest.raises(RequestError, match="numbers of cores"):
        bench_table.parse_cores(text)
    assert bench_table.parse_cores("1") == (1,)


def test_the_demo_is_shown_at_other_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = (("small", (320, 240), 1, 4), ("fast", (352, 288), 2, 6))
    monkeypatch.setattr(bench_table, "SIZES", sizes)
    made = {name: probe_video(path) for name, path in bench_table._demo_clips(tmp_path)}
    assert [(i.width, i.height, i.rate, i.frames) for i in made.values()] == [
        (320, 240, 25, 4), (352, 288, 50, 6)
    ]  # fmt: skip


@pytest.mark.timeout(60)
def test_a_peer_that_never_ends_or_prints_without_end_is_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bench_table, "_PEER_SECONDS", 0.5)
    for command in ("yes 2 fps", f"{sys.executable} -c 'import time; time.sleep(60)'"):
        with pytest.raises(RequestError, match=r"could not be run \(it ended with -9\)"):
            bench_table._ask(command)
    for command in ("true", "echo ... fps", "echo 1e999 fps", "echo 0 fps"):
        with pytest.raises(MediaError, match="how many fps"):
            bench_table._ask(command)
    with pytest.raises(RequestError, match="no word in it"):
        bench_table._ask(" ")
