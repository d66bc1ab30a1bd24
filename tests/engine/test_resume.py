"""A render that is killed goes on where it stopped; the result is that of an unbroken run."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from clip_fixtures import MODELS

from stylesync_engine import dubbing
from stylesync_engine.commands.app import main
from stylesync_engine.request import DubOptions, DubRequest, FrameRange
from stylesync_engine.weights.loading import Models

START = [sys.executable, "-m", "stylesync_engine"]


def ask(video: Path, speech: Path, folder: Path, quality: str) -> DubRequest:
    return DubRequest(
        str(video),
        str(speech),
        str(folder / "dub.mkv"),
        frames=FrameRange(0, 64),
        work=str(folder / "work"),
        options=DubOptions(models=MODELS, quality=quality, codec="ffv1", device="cpu"),  # type: ignore[arg-type]
    )


def finished(work: Path) -> dict[str, int]:
    """Each finished window and when it was written, ns."""
    windows = (work / "windows").glob("[!.]*.safetensors")
    return {path.name: path.stat().st_mtime_ns for path in windows}


def kill_after_a_window(words: list[str], work: Path) -> dict[str, int]:
    """Start a program, kill it with signal 9 once a window is there; what it left."""
    process = subprocess.Popen([*START, *words], stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 180
        while not finished(work) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    return finished(work)


def test_a_killed_render_goes_on(
    models: Models, warm: None, talking: Path, other_speech: Path, tmp_path: Path
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    dubbing.dub(ask(talking, other_speech, whole, "good"), models)
    work = dubbing.prepare(ask(talking, other_speech, broken, "good"), broken / "work", models)
    left = kill_after_a_window(["render", "--work", str(work)], work)
    if len(left) == 4:
        pytest.skip("the program was done before it could be killed")
    assert 1 <= len(left) < 4
    assert not (broken / "dub.mkv").exists()
    assert main(["render", "--work", str(work)]) == 0
    after = finished(work)
    assert len(after) == 4
    assert {name: after[name] for name in left} == left
    assert main(["assemble", "--work", str(work)]) == 0
    assert (broken / "dub.mkv").read_bytes() == (whole / "dub.mkv").read_bytes()
    assert sorted(path.name for path in broken.iterdir()) == ["dub.mkv", "work"]


def test_the_same_dub_command_goes_on(
    models: Models, warm: None, talking: Path, other_speech: Path, tmp_path: Path
) -> None:
    request = ask(talking, other_speech, tmp_path, "draft")
    dubbing.dub(request, models)
    before = (tmp_path / "dub.mkv").read_bytes()
    kept = finished(tmp_path / "work")
    last = sorted(kept)[-1]
    torn = tmp_path / "work" / "windows" / last
    torn.write_bytes(torn.read_bytes()[:1000])
    (tmp_path / "dub.mkv").unlink()
    (tmp_path / "request.json").write_text(request.to_json())
    assert main(["dub", str(tmp_path / "request.json")]) == 0
    assert (tmp_path / "dub.mkv").read_bytes() == before
    after = finished(tmp_path / "work")
    assert {name for name in kept if after[name] != kept[name]} == {last}


def test_another_request_starts_anew(
    models: Models, talking: Path, other_speech: Path, tmp_path: Path
) -> None:
    request = ask(talking, other_speech, tmp_path, "draft")
    work = dubbing.prepare(request, tmp_path / "work", models)
    dubbing.render(work, FrameRange(0, 16), models)
    other = DubRequest.from_json(request.to_json().replace('"seed": 0', '"seed": 5'))
    dubbing.prepare(other, work, models)
    assert finished(work) == {}


def test_media_that_changed_are_noticed(
    models: Models, warm: None, talking: Path, other_speech: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    speech = tmp_path / other_speech.name
    speech.write_bytes(other_speech.read_bytes())
    work = dubbing.prepare(ask(talking, speech, tmp_path, "draft"), tmp_path / "work", models)
    dubbing.render(work, None, models)
    speech.write_bytes(talking.read_bytes())
    assert main(["render", "--work", str(work)]) == 2
    assert main(["assemble", "--work", str(work)]) == 2
    assert capsys.readouterr().err.count("prepare again") == 2
    assert not (tmp_path / "dub.mkv").exists()


def test_a_damaged_plan_is_made_again(
    models: Models, talking: Path, other_speech: Path, tmp_path: Path
) -> None:
    request = ask(talking, other_speech, tmp_path, "draft")
    work = dubbing.prepare(request, tmp_path / "work", models)
    whole = (work / "plan.safetensors").read_bytes()
    (work / "plan.safetensors").write_bytes(whole[: len(whole) // 2])
    dubbing.prepare(request, work, models)
    assert (work / "plan.safetensors").read_bytes() == whole
