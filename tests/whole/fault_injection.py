# ruff: noqa: S311 - faults by seed, no secrets
"""Random faults on a tiny dub: is a wrong frame ever delivered, or something finished lost?

    python tests/whole/fault_injection.py 1000 [--seed 0] [--report FILE]

Each round is a farm's job of one short dub with tiny models: prepare, two chunks, assemble, each in
a process of its own that is started again until it succeeds, as a farm does. One random fault hits
it at a random place. Clip and parts are small, so that a thousand rounds are made in an hour.
Afterwards, and whenever an output is there, the file is compared with that
of an undisturbed run; windows that were finished before the fault must not have been made again.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["RUST_BACKTRACE"] = "0"  # as `stylesync_engine.__main__` has it

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from model_fixtures import make_parts
from places import DATA, DEMO

from stylesync_engine.failures import named_error, terminate_as_interrupt
from stylesync_engine.farm import bundles, tasks, template
from stylesync_engine.farm.bundles import write_bundle
from stylesync_engine.farm.costs import Step
from stylesync_engine.farm.tasks import run_task
from stylesync_engine.media import VideoWriter, probe_video, read_audio, read_frames
from stylesync_engine.plan import identity, plan
from stylesync_engine.rendering import windows
from stylesync_engine.request import DubOptions, DubRequest, FrameRange
from stylesync_engine.weights.loading import save_models
from stylesync_engine.weights.warm import WarmModels

STEPS: tuple[tuple[Step, str], ...] = (
    ("prepare", "1"), ("render", "1-2"), ("render", "3"), ("assemble", "1"),
)  # fmt: skip
FRAMES = FrameRange(0, 10)
CLIP = 25  # frames; the range's surroundings serve as its style
WINDOW = 4  # frames, so that this is two chunks of three parts
TRIES = 6
HUNG = 600  # s after which an attempt counts as hung, on a busy machine
SAID = r"^(?!This should not have happened)."  # any sentence of ours
SEEN_LATE = 1.0  # s that workers wait for each other's files here; a real farm's wait a minute
Setup = Callable[[], None]


@dataclass
class Attempt:
    """How a process ended: `error` is what it said, None where it was done or said nothing."""

    status: int
    error: str | None = None

    @property
    def done(self) -> bool:
        return self.status == 0


@dataclass
class Tally:
    """What came of the rounds of one kind of fault."""

    rounds: int = 0
    failed_attempts: int = 0
    killed: int = 0
    hung: int = 0
    wrong_frames: int = 0
    lost_windows: int = 0
    left_drafts: int = 0
    unnamed: list[str] = field(default_factory=list)


class Child:
    """A forked process that runs one step: the models are loaded already."""

    def __init__(self, action: Callable[[], None], setup: Setup | None = None) -> None:
        self._read, write = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._read)
            _run_and_exit(action, setup, write)
        os.close(write)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> Attempt:
        with os.fdopen(self._read, "rb") as pipe:
            said = pipe.read().decode()
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return Attempt(status, said or None)


def _run_and_exit(action: Callable[[], None], setup: Setup | None, pipe: int) -> None:
    status = 1
    signal.alarm(HUNG)  # its signal ends the process
    try:
        try:
            if setup is not None:
                setup()
            with terminate_as_interrupt():
                action()
            status = 0
        except BaseException as error:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
            with contextlib.suppress(OSError):
                os.write(pipe, str(named_error(error)).encode())
    except KeyboardInterrupt:
        os.write(pipe, b"Cancelled twice.")
    finally:
        os._exit(status)


@dataclass
class Job:
    """One round's job, in a folder of its own."""

    folder: Path
    models: WarmModels
    reference: bytes | None = None

    @property
    def output(self) -> Path:
        return self.folder / "out" / "dub.mkv"

    @property
    def work(self) -> Path:
        return self.folder / "job" / "work" / "0001"

    @property
    def video(self) -> Path:
        return next(self.folder.glob("shot.*"))

    def start(self, step: int, setup: Setup | None = None) -> Child:
        stage, chunk = STEPS[step]
        job, models = self.folder / "job", self.models
        return Child(lambda: _discard(run_task(job, stage, chunk, models=models)), setup)

    def finish(self, step: int) -> list[Attempt]:
        """Try a step until it is done."""
        attempts: list[Attempt] = []
        while not attempts or not attempts[-1].done:
            if len(attempts) == TRIES:
                raise RuntimeError(f"{STEPS[step]} is never done: {attempts[-1]}")
            attempts.append(self.start(step).wait())
        return attempts

    def windows(self) -> dict[str, int]:
        """Finished windows, and when each was made: copies keep that."""
        found = (self.work / "windows").glob("[!.]*.safetensors")
        return {path.name: path.stat().st_mtime_ns for path in found}

    def wrong_frames(self) -> int:
        """Frames of the output that differ from the undisturbed ones; all where it is missing."""
        if not self.output.exists():
            return len(FRAMES)
        if self.output.read_bytes() == self.reference:
            return 0
        original = self.folder.parent / "reference.mkv"
        pairs = zip(read_frames(str(self.output)), read_frames(str(original)), strict=False)
        equal = sum(
            all((a == b).all() for a, b in zip(x.image.planes, y.image.planes, strict=True))
            for x, y in pairs
        )
        return max(1, len(FRAMES) - equal)


def _discard(_: object) -> None:
    return None


@dataclass
class Round:
    """A job and the fault that hits it before or during `step`."""

    job: Job
    step: int
    numbers: random.Random
    seconds: list[float]
    tally: Tally
    destroyed: set[str] = field(default_factory=set)

    def disturbed(self, setup: Setup, names: str | None) -> None:
        """One attempt under a fault; it may succeed, else it must say what matches `names`."""
        self.judge(self.job.start(self.step, setup).wait(), names)

    def judge(self, attempt: Attempt, names: str | None) -> None:
        if attempt.done:
            return
        self.tally.failed_attempts += 1
        if attempt.status == -signal.SIGALRM:
            self.tally.hung += 1
        elif attempt.status < 0 and attempt.error is None:
            self.tally.killed += 1
        elif names is None or not re.search(names, attempt.error or ""):
            self.tally.unnamed.append(f"{STEPS[self.step]}: {attempt.error}")

    def any_window(self) -> Path | None:
        found = sorted((self.job.work / "windows").glob("[!.]*.safetensors"))
        return self.numbers.choice(found) if found else None


def kill_minus_nine(now: Round) -> None:
    child = now.job.start(now.step)
    time.sleep(now.numbers.uniform(0, 1.1 * now.seconds[now.step]))
    child.kill()
    now.judge(child.wait(), None)


def full_disk(now: Round) -> None:
    room = int(now.numbers.choice([0, 1e3, 1e5, 1e6, 3e6]) * now.numbers.random())
    now.disturbed(lambda: _limit(resource.RLIMIT_FSIZE, room), "disk is full")


def out_of_memory(now: Round) -> None:
    more = int(now.numbers.uniform(1, 400) * 2**20)
    names = r"enough memory|^$"  # OpenBLAS says it itself, and ends the process
    now.disturbed(lambda: _limit(resource.RLIMIT_AS, _address_space() + more), names)


def two_workers(now: Round) -> None:
    first = now.job.start(now.step)
    time.sleep(now.numbers.uniform(0, 0.5 * now.seconds[now.step]))
    second = now.job.start(now.step)
    for child in (first, second):
        now.judge(child.wait(), None)


def other_packages(now: Round) -> None:
    def pretend() -> None:
        versions = {**identity._packages(), "torch": "1.0.0"}
        identity._packages = lambda: versions  # type: ignore[assignment]

    if STEPS[now.step][0] != "prepare":  # there it is its own plan that it makes
        now.disturbed(pretend, "torch")
        assert not now.job.output.exists()


def other_gpu(now: Round) -> None:
    def pretend() -> None:
        windows.name_device = lambda _: "NVIDIA X"

    now.disturbed(pretend, None)


def truncated_window(now: Round) -> None:
    if (path := now.any_window()) is not None:
        os.truncate(path, now.numbers.randrange(path.stat().st_size))
        now.destroyed.add(path.name)


def changed_window(now: Round) -> None:
    if (path := now.any_window()) is not None:
        _flip(path, now.numbers)
        now.destroyed.add(path.name)


def poisoned_plan(now: Round) -> None:
    if now.step:
        _flip(now.job.work / "plan.safetensors", now.numbers)


def truncated_plan(now: Round) -> None:
    if now.step:
        path = now.job.work / "plan.safetensors"
        os.truncate(path, now.numbers.randrange(path.stat().st_size))


def late_visibility(now: Round) -> None:
    hidden = (
        now.any_window() if STEPS[now.step][0] == "assemble" else now.job.work / "plan.safetensors"
    )
    if hidden is None or not hidden.exists():
        return
    away = now.job.folder / "away"
    hidden.rename(away)
    child = now.job.start(now.step)
    time.sleep(now.numbers.uniform(0, SEEN_LATE / 2))
    away.rename(hidden)
    now.judge(child.wait(), None)


def clock_skew(now: Round) -> None:
    shift = now.numbers.choice([-1, 1]) * now.numbers.uniform(60, 10 * 365 * 86400)
    clock = time.time

    def set_clock() -> None:
        time.time = lambda: clock() + shift

    for path in [now.job.video, *now.job.work.glob("plan*")]:
        os.utime(path, (clock() + shift, clock() + shift))
    now.disturbed(set_clock, None)


def exchanged_media(now: Round) -> None:
    if not now.step:
        return
    before = now.job.video.read_bytes()
    _flip(now.job.video, now.numbers)
    now.disturbed(lambda: None, "another video")
    assert not now.job.output.exists()
    now.job.video.write_bytes(before)


def small_disk(now: Round) -> None:
    """A real one, of memory, that the work folder or the output lies on."""
    place = now.numbers.choice((now.job.work.parent, now.job.output.parent))
    place.mkdir(parents=True, exist_ok=True)
    kept = now.job.folder / "kept"
    shutil.move(place, kept)
    place.mkdir()
    used = sum(path.stat().st_blocks * 512 for path in kept.rglob("*"))
    room = used + int(now.numbers.choice([2**14, 2**17, 2**20]) * now.numbers.uniform(0.2, 2))
    _mount(place, "-t", "tmpfs", "-o", f"size={room + 2**14}", "none")
    try:
        shutil.copytree(kept, place, dirs_exist_ok=True)
        now.disturbed(lambda: None, "disk is full")
        shutil.rmtree(kept)
        shutil.copytree(place, kept)
    finally:
        subprocess.run(["umount", str(place)], check=True)
    place.rmdir()
    kept.rename(place)


def _mount(place: Path, *how: str) -> None:
    subprocess.run(["mount", *how, str(place)], check=True)


def read_only(now: Round) -> None:
    """A folder that cannot be written to any more, half way, by a user who is not root."""
    place = now.numbers.choice((now.job.work, now.job.output.parent))
    place.mkdir(parents=True, exist_ok=True)
    _mount(place, "--bind", str(place))
    child = now.job.start(now.step)
    try:
        time.sleep(now.numbers.uniform(0, 0.9 * now.seconds[now.step]))
        _mount(place, "-o", "remount,ro,bind")
    except subprocess.CalledProcessError:
        pass  # a file is being written at this moment
    attempt = child.wait()
    subprocess.run(["umount", str(place)], check=True)
    now.judge(attempt, r"cannot be written to|permission|not writable")


def vanished_folder(now: Round) -> None:
    """The work folder goes, as a whole or its windows alone, while somebody works in it."""
    place = now.numbers.choice((now.job.work, now.job.work / "windows"))
    child = now.job.start(now.step)
    time.sleep(now.numbers.uniform(0, 0.9 * now.seconds[now.step]))
    now.destroyed.update(now.job.windows())
    shutil.rmtree(place, ignore_errors=True)
    now.judge(child.wait(), SAID)


def cancelled(now: Round) -> None:
    _cancel(now, 1)


def cancel_storm(now: Round) -> None:
    _cancel(now, now.numbers.randrange(2, 40))


def _cancel(now: Round, times: int) -> None:
    child = now.job.start(now.step)
    time.sleep(now.numbers.uniform(0, 0.9 * now.seconds[now.step]))
    for _ in range(times):
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, now.numbers.choice((signal.SIGTERM, signal.SIGHUP)))
        time.sleep(now.numbers.uniform(0, 0.02))
    now.judge(child.wait(), "Cancelled|cancelled")


def dying_parent(now: Round) -> None:
    """Who started the worker is killed; it goes on alone, and the farm starts another."""

    def leave() -> None:
        now.job.start(now.step)
        time.sleep(HUNG)

    parent = Child(leave)
    time.sleep(now.numbers.uniform(0.05, 0.5 * now.seconds[now.step]))
    second = now.job.start(now.step)
    parent.kill()
    now.judge(second.wait(), None)
    parent.wait()  # for the end of the one that was left alone, too, whose pipe this is


FAULTS: tuple[Callable[[Round], None], ...] = (
    kill_minus_nine, kill_minus_nine, kill_minus_nine, full_disk, out_of_memory, two_workers,
    other_packages, other_gpu, truncated_window, changed_window, poisoned_plan, truncated_plan,
    late_visibility, clock_skew, exchanged_media, vanished_folder, cancelled, cancel_storm,
    dying_parent,
)  # fmt: skip
MOUNTING: tuple[Callable[[Round], None], ...] = (small_disk, read_only)
"""For who may mount: the superuser of Linux."""


def _limit(kind: int, value: int) -> None:
    resource.setrlimit(kind, (value, resource.getrlimit(kind)[1]))


def _address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def _flip(path: Path, numbers: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[numbers.randrange(len(content))] ^= 1 << numbers.randrange(8)
    path.write_bytes(content)


class Campaign:
    """Rounds of random faults beside one undisturbed run."""

    def __init__(self, folder: Path, seed: int) -> None:
        tasks.PATIENCE = SEEN_LATE
        plan.WINDOW = tasks.PART = template.PART = bundles.PART = WINDOW
        self.folder, self.seed = folder, seed
        self.clip = _write_excerpt(folder / "clip.mkv")
        save_models(folder / "tiny", name="tiny", **make_parts())
        self.options = DubOptions(
            models=str(folder / "tiny"), quality="draft", codec="ffv1", device="cpu"
        )
        self.models = WarmModels()
        self.models(self.options)
        self.seconds: list[float] = []
        self.tallies: dict[str, Tally] = {}
        job = self._job("undisturbed")
        for step in range(len(STEPS)):
            started = time.monotonic()
            job.finish(step)
            self.seconds.append(time.monotonic() - started)
            shutil.copytree(job.work, folder / f"after{step}")
        self.reference = job.output.read_bytes()
        (folder / "reference.mkv").write_bytes(self.reference)

    def run(self, number: int, fault: Callable[[Round], None]) -> None:
        """One round."""
        numbers = random.Random(f"{self.seed}/{number}")
        job = self._job(f"round{number}")
        tally = self.tallies.setdefault(fault.__name__, Tally())
        tally.rounds += 1
        at = numbers.randrange(len(STEPS))
        now = Round(job, at, numbers, self.seconds, tally)
        if at:  # what the undisturbed run had by then
            shutil.copytree(self.folder / f"after{at - 1}", job.work)
        before = job.windows()
        fault(now)
        if job.output.exists():
            tally.wrong_frames += job.wrong_frames()
        for step in range(at, len(STEPS)):
            for attempt in job.finish(step)[:-1]:
                now.judge(attempt, None)
        tally.wrong_frames += job.wrong_frames()
        after = job.windows()
        tally.lost_windows += sum(
            after.get(name) != file for name, file in before.items() if name not in now.destroyed
        )
        tally.left_drafts += len(list(job.folder.rglob(".*.part*")))
        shutil.rmtree(job.folder)

    def keep(self, report: Path, done: int) -> None:
        tallies = {kind: asdict(tally) for kind, tally in sorted(self.tallies.items())}
        data = {"seed": self.seed, "done": done, "problems": self.problems, "faults": tallies}
        draft = report.with_suffix(".draft")
        draft.write_text(json.dumps(data, indent=1) + "\n")
        draft.replace(report)

    def resume(self, report: Path) -> int:
        """Take over what was counted; the number of the next round."""
        if not report.exists():
            return 0
        kept = json.loads(report.read_text())
        if kept["seed"] != self.seed:
            raise SystemExit(f"'{report}' is of another seed; give another place.")
        self.tallies = {kind: Tally(**tally) for kind, tally in kept["faults"].items()}
        return int(kept["done"])

    def dub_whole(self) -> bytes:
        """What a job gives whose dub is one task."""
        job = self._job("whole")
        run = Child(lambda: _discard(run_task(job.folder / "job", "dub", "1", models=self.models)))
        assert (attempt := run.wait()).done, attempt
        return job.output.read_bytes()

    def _job(self, name: str) -> Job:
        folder = self.folder / name
        folder.mkdir()
        video = folder / "shot.mkv"
        shutil.copy(self.clip, video)
        job = Job(folder, self.models, getattr(self, "reference", None))
        request = DubRequest(
            str(video), str(_source(1)), str(job.output), frames=FRAMES, options=self.options
        )
        wrote = Child(lambda: _discard(write_bundle([request], folder / "job"))).wait()
        assert wrote.done, wrote
        return job

    def table(self) -> str:
        """The counts, one row a fault, and their sums."""
        names = (
            "rounds", "failed_attempts", "killed", "hung", "wrong_frames", "lost_windows",
            "left_drafts",
        )  # fmt: skip
        rows = [f"{'fault':18}" + "".join(f"{name:>17}" for name in (*names, "unnamed"))]
        sums: Counter[str] = Counter()
        for kind, tally in sorted(self.tallies.items()):
            counts = {name: getattr(tally, name) for name in names}
            counts["unnamed"] = len(tally.unnamed)
            sums.update(counts)
            rows.append(f"{kind:18}" + "".join(f"{value:17}" for value in counts.values()))
        rows.append(f"{'all':18}" + "".join(f"{sums[name]:17}" for name in (*names, "unnamed")))
        return "\n".join(rows)

    @property
    def problems(self) -> list[str]:
        """What must not be: wrong frames, lost windows, half written files beside the output,
        failures that do not say why."""
        found = []
        for kind, tally in self.tallies.items():
            found += [f"{kind}: {text}" for text in tally.unnamed]
            counts = tally.wrong_frames, tally.lost_windows, tally.left_drafts, tally.hung
            if any(counts):
                wrong, lost, left, hung = counts
                found.append(
                    f"{kind}: {wrong} wrong frames, {lost} lost windows, {left} drafts, {hung} hung"
                )
        return found


def _write_excerpt(path: Path) -> Path:
    """The beginning of the clip with its sound, as a clip of its own."""
    like, (sound, _) = probe_video(_source(0)), read_audio(_source(0), 16_000)
    seconds = CLIP / like.rate
    with VideoWriter(path, like, "ffv1", (sound[:, : int(16_000 * seconds)], 16_000)) as writer:
        for frame in islice(read_frames(_source(0)), CLIP):
            writer.write(frame)
    return path


def _source(which: int) -> Path:
    """A clip with a face, and another sentence."""
    grid = DATA / "speakers" / "s30"
    if grid.is_dir():
        return grid / ("bbac3n.mpg", "bbac4s.mpg")[which]
    return DEMO / ("take_to_dub.mp4", "line.wav")[which]


@contextlib.contextmanager
def campaign(seed: int) -> Iterator[Campaign]:
    with tempfile.TemporaryDirectory(prefix="stylesync-faults-") as name:
        yield Campaign(Path(name), seed)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("rounds", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--report", type=Path, help="keep the counts there, and go on from them")
    asked = parser.parse_args(arguments)
    order, faults = random.Random(asked.seed), FAULTS + MOUNTING * (os.geteuid() == 0)
    kinds = [order.choice(faults) for _ in range(asked.rounds)]
    with campaign(asked.seed) as running:
        first = running.resume(asked.report) if asked.report else 0
        with contextlib.suppress(KeyboardInterrupt):  # what was counted until then is shown
            for number, kind in list(enumerate(kinds))[first:]:
                running.run(number, kind)
                print(f"\r{number + 1}/{asked.rounds}", end="", file=sys.stderr, flush=True)
                if asked.report:
                    running.keep(asked.report, number + 1)
        print(f"\n{running.table()}")
        for problem in running.problems:
            print(problem)
        return 1 if running.problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
