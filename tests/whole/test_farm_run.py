"""A real timeline on a farm of this machine: `openjd run` gives what a local batch gives.

    pytest -m slow -s tests/whole/test_farm_run.py

Twelve people, twelve dubs. The second run kills a worker's process every few seconds, be it the
command of a task or the warm engine behind it, and starts the job again where it fails, as a farm
does.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import uuid
from dataclasses import dataclass
from pathlib import Path

import opentimelineio as otio
import pytest
from clip_fixtures import MODELS
from places import DATA
from stylesync_plugin.formats.files import write_timeline
from stylesync_plugin.timeline.paths import path_of
from timeline_material import clip, timeline, track

from stylesync_engine.media import probe_video, read_frames

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

BIN = Path(sys.executable).parent
DUBS, KILLS = 12, 12
MARK = "STYLESYNC_TEST_RUN"


@dataclass(frozen=True)
class Show:
    """A timeline on disk, its jobs and how its commands are run."""

    folder: Path

    def run(self, *words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            list(map(str, words)), cwd=self.folder, stdin=subprocess.DEVNULL, text=True,
            capture_output=True, check=False, env={**os.environ, "PATH": path, **environment},
        )  # fmt: skip

    def outputs(self, name: str) -> list[Path]:
        """The dubs' files in the order of the timeline."""
        content = otio.adapters.read_from_file(str(self.folder / name))
        ours = [track for track in content.video_tracks() if track.name == "StyleSync"]
        clips = [clip for track in ours for clip in track.find_clips()]
        return [Path(path_of(clip.media_reference.target_url)) for clip in clips]


@pytest.fixture(scope="module")
def show(tmp_path_factory: pytest.TempPathFactory) -> Show:
    speakers = sorted((DATA / "speakers").glob("s*"))[:DUBS] if DATA.is_dir() else []
    if len(speakers) < DUBS:
        pytest.skip(f"needs {DATA / 'speakers'}")
    folder = tmp_path_factory.mktemp("show")
    numbers = random.Random(8)  # noqa: S311
    shots, jobs = [], []
    for speaker, other in zip(speakers, (*speakers[1:], speakers[0]), strict=True):
        take, speech = min(speaker.glob("*.mpg")), max(other.glob("*.mpg"))
        length = numbers.randint(25, 50)
        shots.append(clip(speaker.name, take, numbers.randint(0, 25), length, 25, (0, 75)))
        jobs.append({"clip": speaker.name, "speech": str(speech)})
    write_timeline(timeline(track(*shots)), folder / "cut.otio")
    options = {"quality": "draft", "codec": "ffv1", "device": "cpu", "models": MODELS}
    (folder / "jobs.json").write_text(json.dumps({"options": options, "jobs": jobs}))
    return Show(folder)


@pytest.fixture(scope="module")
def local(show: Show) -> list[Path]:
    done = show.run("stylesync", "dub", "cut.otio", "--jobs", "jobs.json", "-o", "local.otio")
    assert done.returncode == 0, done.stderr
    return show.outputs("local.otio")


@pytest.mark.parametrize("kills", [0, KILLS], ids=["undisturbed", "killed"])
def test_the_farm_gives_what_a_local_batch_gives(show: Show, local: list[Path], kills: int) -> None:
    name = f"farm{kills}"
    asked = ("cut.otio", "--jobs", "jobs.json", "-o", f"{name}.otio", "--workers", str(DUBS))
    submitted = show.run("stylesync", "submit", *asked, "--to", name)
    assert submitted.returncode == 0, submitted.stderr
    killer = Killer(kills)
    runs = run_until_done(show, name, killer)
    killer.stop()
    assert killer.done >= min(kills, 3)
    compare(local, show.outputs(f"{name}.otio"))
    steps = json.loads((show.folder / name / "template.json").read_text())["steps"]
    print(
        f"\n{len(local)} dubs, steps {[step['name'] for step in steps]}:"
        f" identical after {killer.done} kills and {runs} runs of the job"
    )


def run_until_done(show: Show, name: str, killer: Killer) -> int:
    """Run the job, again where a killed task made it fail; how often it was started."""
    template = str(show.folder / name / "template.json")
    for runs in range(1, 40):
        done = show.run(
            "openjd", "run", template, "--step", "write_back", "--run-dependencies",
            "-p", f"Bundle={show.folder / name}", "-p", "PartsPerChunk=2", **{MARK: killer.mark},
        )  # fmt: skip
        if done.returncode == 0:
            return runs
        assert killer.done, done.stdout[-4000:] + done.stderr[-2000:]
    raise AssertionError("the job was never done")


def compare(local: list[Path], farm: list[Path]) -> None:
    assert len(local) == len(farm) == DUBS
    for ours, theirs in zip(local, farm, strict=True):
        assert ours != theirs
        assert probe_video(str(ours)).frames == probe_video(str(theirs)).frames
        for one, other in zip(read_frames(str(ours)), read_frames(str(theirs)), strict=True):
            assert all(
                (a == b).all() for a, b in zip(one.image.planes, other.image.planes, strict=True)
            )
        assert ours.read_bytes() == theirs.read_bytes()


class Killer:
    """Kills a process of the run every few seconds, `count` of them, with signal 9."""

    def __init__(self, count: int) -> None:
        self.mark, self.done, self._count = uuid.uuid4().hex, 0, count
        self._numbers, self._end = random.Random(count), threading.Event()  # noqa: S311
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._end.set()
        self._thread.join()

    def _work(self) -> None:
        while self.done < self._count and not self._end.wait(self._numbers.uniform(2, 6)):
            found = sorted(self._processes())
            if found:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._numbers.choice(found), signal.SIGKILL)
                    self.done += 1

    def _processes(self) -> list[int]:
        """Our engines: tasks and the warm one, which is no child of the run."""
        found = []
        for folder in Path("/proc").iterdir():
            if not folder.name.isdecimal():
                continue
            words = _words(folder, self.mark)
            if b"task" in words or (b"warm" in words and b"run" in words):
                found.append(int(folder.name))
        return found


def _words(folder: Path, mark: str) -> list[bytes]:
    """The command of a process of this run; of others, and of those that have gone, none."""
    try:
        environment = (folder / "environ").read_bytes().split(b"\0")
        words = (folder / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return []
    return words if f"{MARK}={mark}".encode() in environment else []
