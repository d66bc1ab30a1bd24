"""Damaged files by the hundred thousand: `python tests/whole/fuzz.py`, every night.

Every case must be read or refused with one of our errors, within ten seconds, without a network,
another program or a file outside the work folder. Cases run in a process of their own, so that a
crash in native code is one finding and not the end; each is made again by its target and number.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import mmap
import os
import random
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
CASES = 110_000
"""Of all targets together, unless asked for more or less."""
MINUTES = 60.0
"""After which the rest is left out, and said to be; about half of it is needed on one busy core."""
SECONDS = 10.0
"""Computing time that a case may take."""
MEMORY = 10 * 2**30
_WRITES = ("w", "a", "x", "+")
_CHANGES = (
    "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "os.link", "os.truncate",
    "shutil.rmtree", "shutil.move", "shutil.unpack_archive",
)  # fmt: skip
_NEVER = ("socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.fork", "urllib.")
_SHOWN = 30
_STANDSTILL = 120.0
"""Seconds without a sign of life: the machine may be busy with other things."""


_BY_FOLDER = ("os.remove", "os.rmdir")


def _within(arguments: tuple[Any, ...]) -> Any:
    """A path that may count from an open folder, as `shutil.rmtree` gives it."""
    path, folder = arguments[:2]
    if not isinstance(folder, int) or folder < 0 or isinstance(path, int):
        return path
    return os.path.join(os.readlink(f"/proc/self/fd/{folder}"), os.fsdecode(path))  # noqa: PTH115, PTH118


class Escape(BaseException):
    """Something reached out of the work folder: no reader may swallow it."""


@dataclass(frozen=True)
class Finding:
    """A case that did what no file may make us do."""

    target: str
    case: int
    kind: str
    detail: str


def fuzz(names: list[str], cases: int, seed: int, minutes: float) -> tuple[list[Finding], int]:
    """Run `cases` cases, shared out among the targets, in so many minutes at most; prints how each
    of them fared. Returns what was found, and how many cases were run."""
    from fuzz_targets import TARGETS

    shares = {name: TARGETS[name].share for name in names}
    deadline = time.monotonic() + 60 * minutes
    findings: list[Finding] = []
    total = 0
    for name, share in shares.items():
        started = time.monotonic()
        count = -(-cases * share // sum(shares.values()))
        found, done = run_target(name, range(count), seed, deadline=deadline)
        findings, total = findings + found, total + done
        spent = time.monotonic() - started
        left = f", {count - done} left out" if done < count else ""
        print(f"{name:12} {done:7} cases {spent:7.0f} s  {len(found)} findings{left}", flush=True)
        for finding in found[:_SHOWN]:
            print(f"  case {finding.case}: {finding.kind}\n{finding.detail}\n", flush=True)
    return findings, total


def run_target(
    name: str,
    cases: range,
    seed: int,
    seconds: float = SECONDS,
    deadline: float = math.inf,
) -> tuple[list[Finding], int]:
    """All cases of one target, as far as they can be run until `deadline`; after a crash or a hang
    it goes on behind that case. Returns what was found, and how many cases were run."""
    findings: list[Finding] = []
    first = cases.start
    while first < cases.stop and time.monotonic() < deadline:
        some = range(first, cases.stop)
        with tempfile.TemporaryDirectory(prefix="stylesync-fuzz-") as folder:
            found, first = _run_worker(name, some, seed, seconds, deadline, Path(folder))
        findings += found
    return findings, first - cases.start


def _run_worker(
    name: str, cases: range, seed: int, seconds: float, deadline: float, folder: Path
) -> tuple[list[Finding], int]:
    """One process; what it found, and the case to go on with."""
    status, log = folder / "status", folder / "log"
    status.write_bytes(struct.pack("<q", -1))
    command = [
        sys.executable, str(Path(__file__)), "--worker", name, "--seed", str(seed),
        "--range", f"{cases.start}:{cases.stop}", "--folder", str(folder),
        "--seconds", str(seconds),
    ]  # fmt: skip
    quiet = {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1", "AV_LOG_FORCE_NOCOLOR": "1"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env={**os.environ, **quiet}
        )
        killed = _watch(process, status, deadline)
    current = struct.unpack("<q", status.read_bytes())[0]
    told = folder / "findings.jsonl"
    lines = told.read_text().splitlines() if told.exists() else []
    findings = [Finding(**json.loads(line)) for line in lines]
    if killed == "late":
        return findings, max(current, cases.start)
    if killed == "hung":
        findings.append(Finding(name, current, "hang", f"stood still for {_STANDSTILL:.0f} s"))
    elif process.returncode == -signal.SIGPROF:
        findings.append(Finding(name, current, "hang", f"computed for over {seconds:g} s"))
    elif process.returncode:
        tail = log.read_text(errors="replace")[-600:]
        findings.append(Finding(name, current, f"exit {process.returncode}", tail))
    else:
        return findings, cases.stop
    return findings, max(current, cases.start) + 1


def _watch(process: subprocess.Popen[bytes], status: Path, deadline: float) -> str:
    """Wait for the end; `hung` where a case took too long and the process was killed, `late` where
    there was no more time for the rest."""
    last, since = b"", time.monotonic()
    while process.poll() is None:
        time.sleep(0.05)
        now = status.read_bytes()
        if now != last:
            last, since = now, time.monotonic()
        hung = time.monotonic() - since > _STANDSTILL
        if hung or time.monotonic() > deadline:
            process.kill()
            process.wait()
            return "hung" if hung else "late"
    return ""


def work(name: str, cases: range, seed: int, seconds: float, folder: Path) -> None:
    """The process of one target: make the whole files, then damage and read, case by case."""
    from fuzz_targets import TARGETS

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    target = TARGETS[name]
    os.environ["XDG_CONFIG_HOME"] = os.environ["XDG_DATA_HOME"] = str(folder / "home")
    made = folder / "seeds"
    made.mkdir()
    seeds = target.seeds(made)
    place = folder / "work"
    with contextlib.suppress(Exception):  # imports, and the like, before anything is forbidden
        target.read(seeds[0], place)
    guard = Guard(place)
    with (folder / "status").open("r+b") as file, (folder / "findings.jsonl").open("a") as told:
        status = mmap.mmap(file.fileno(), 8)
        for case in cases:
            status[:] = struct.pack("<q", case)
            signal.setitimer(signal.ITIMER_PROF, seconds)  # its signal ends the process
            data = target.damage(random.Random(f"{seed}/{name}/{case}"), seeds)  # noqa: S311
            found = run_case(target.read, data, place, guard)
            if found is not None:
                print(json.dumps(asdict(Finding(name, case, *found))), file=told, flush=True)
            if case % 200 == 0:
                shutil.rmtree(place, ignore_errors=True)
        signal.setitimer(signal.ITIMER_PROF, 0)


def run_case(read: Any, data: bytes, place: Path, guard: Guard) -> tuple[str, str] | None:
    """What was wrong with reading this, and where; None where all went as it should."""
    from stylesync_engine.request import DubError

    place.mkdir(exist_ok=True)
    found: tuple[str, str] | None = None
    with guard.watching() as seen:
        try:
            read(data, place)
        except DubError as error:
            if not str(error):
                found = "message", f"{type(error).__name__} says nothing"
        except Escape:
            pass
        except BaseException:
            found = "error", traceback.format_exc()[-900:]
    return ("escape", "; ".join(seen)) if seen else found


class Guard:
    """Notes what reaches out of a folder, and stops it, while it watches."""

    def __init__(self, folder: Path) -> None:
        self._inside = str(folder)
        self._on = False
        self._seen: list[str] = []
        sys.addaudithook(self._hear)

    @contextlib.contextmanager
    def watching(self) -> Iterator[list[str]]:
        self._seen, self._on = [], True
        try:
            yield self._seen
        finally:
            self._on = False

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._on:
            return
        if event.startswith(_NEVER) and event not in ("socket.__new__",):
            self._refuse(f"{event} {arguments!r}")
        elif event == "open":
            path, mode, flags = arguments
            writes = any(sign in (mode or "") for sign in _WRITES) or flags & (
                os.O_WRONLY | os.O_RDWR | os.O_CREAT
            )
            if writes and isinstance(path, (str, bytes)):
                self._check(event, path)
        elif event in _CHANGES:
            self._check(event, _within(arguments) if event in _BY_FOLDER else arguments[0])

    def _check(self, event: str, path: Any) -> None:
        if isinstance(path, int):
            return
        whole = os.path.realpath(os.fsdecode(path))
        if whole != os.devnull and not whole.startswith(self._inside):
            self._refuse(f"{event} {whole}")

    def _refuse(self, what: str) -> None:
        self._seen.append(what[:300])
        raise Escape(what)


def main(words: list[str] | None = None) -> int:
    """Print the findings; 1 where there are any."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", type=int, default=CASES)
    parser.add_argument("--minutes", type=float, default=MINUTES, help="leave the rest out then")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--target", action="append", help="only this one; repeatable")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--range", default="0:0", help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="computing time of a case")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args(words)
    sys.path[:0] = [str(HERE), str(HERE.with_name("support"))]
    if asked.worker:
        first, last = map(int, asked.range.split(":"))
        work(asked.worker, range(first, last), asked.seed, asked.seconds, asked.folder)
        return 0
    from fuzz_targets import TARGETS

    names = asked.target or [name for name, target in TARGETS.items() if target.share]
    findings, total = fuzz(names, asked.cases, asked.seed, asked.minutes)
    print(f"\n{total} of {asked.cases} cases, {len(findings)} findings")
    return 1 if findings or total < asked.cases else 0


if __name__ == "__main__":
    sys.exit(main())
