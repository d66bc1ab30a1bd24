"""The report of a benchmark, with a dub whose times are known."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stylesync_engine.request import (
    DubOptions,
    DubRequest,
    DubResult,
    Progress,
    RequestError,
    Stage,
)
from stylesync_engine.review import benchmark

SECONDS: dict[Stage, float] = {"track": 0.02, "render": 0.06, "assemble": 0.01}


def stand_in_models(name: str, device: str) -> SimpleNamespace:
    return SimpleNamespace(name=name, device=SimpleNamespace(type=device))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[DubRequest]:
    requests: list[DubRequest] = []

    def dub(request: DubRequest, models: Any, on_progress: Callable[[Progress], None]) -> DubResult:
        requests.append(request)
        assert (models.name, models.device.type) == ("starter", "cpu")
        assert Path(request.output).parent.is_dir()
        for stage, seconds in SECONDS.items():
            time.sleep(seconds)
            on_progress(Progress(stage, 1, 1))
        return DubResult(
            request.output, Fraction(25), 12, 12, (), {"load": 9.0, **SECONDS}, "starter", "cpu", 0
        )

    monkeypatch.setattr(benchmark, "load_models", stand_in_models)
    monkeypatch.setattr(benchmark, "load_samplers", lambda *_: None)
    monkeypatch.setattr(benchmark, "dub", dub)
    return requests


def test_stages_and_the_whole_are_measured(asked: list[DubRequest]) -> None:
    seen: list[Progress] = []
    report = benchmark.measure(DubOptions(device="cpu"), "shot.mov", "line.wav", seen.append)
    assert [p.stage for p in seen] == list(SECONDS)
    rows = {row["stage"]: row for row in report["stages"]}
    assert list(rows) == ["start-up", *SECONDS, "other"]
    assert rows["render"]["frames_per_second"] == pytest.approx(12 / 0.06)
    shares = [row["share"] for row in report["stages"][1:]]
    assert sum(shares) == pytest.approx(1, abs=0.02)
    assert rows["render"]["share"] > rows["track"]["share"] > rows["assemble"]["share"]
    assert report["frames_per_second"] == pytest.approx(12 / report["seconds"], rel=0.05)
    assert report["seconds"] >= 0.09
    assert report["peak_mib"] > 10
    assert rows["start-up"]["peak_mib"] <= rows["assemble"]["peak_mib"] <= report["peak_mib"]
    assert not Path(asked[0].output).parent.exists()


def test_the_caller_s_clip_or_the_demo_is_dubbed(
    asked: list[DubRequest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    benchmark.measure(DubOptions(device="cpu", codec="ffv1"), "shot.mov")
    assert (asked[0].video, asked[0].speech, asked[0].style) == ("shot.mov", "shot.mov", None)
    assert asked[0].output.endswith(".mkv")
    monkeypatch.setattr(benchmark, "DEMO", tmp_path)
    with pytest.raises(RequestError, match="give a video"):
        benchmark.measure(DubOptions(device="cpu"))
    for name in ("take_to_dub.mp4", "style.mp4"):
        (tmp_path / name).touch()
    benchmark.measure(DubOptions(device="cpu"))
    assert asked[-1].style == str(tmp_path / "style.mp4")
    assert asked[-1].speech == str(tmp_path / "line.wav")


def test_peak_memory_is_not_that_of_the_process_that_started_it() -> None:
    """`getrusage` of Linux tells a child of the peak of its parent."""
    code = "from stylesync_engine.review.benchmark import peak_memory; print(peak_memory())"
    child = f"print(subprocess.check_output([sys.executable, '-c', '{code}'], text=True))"
    parent = f"import subprocess, sys\ntaken = b'x' * (900 << 20)\n{child}"
    peak = float(subprocess.check_output([sys.executable, "-c", parent], text=True))
    assert 10 < peak < 800
