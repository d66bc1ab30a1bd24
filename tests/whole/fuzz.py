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
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fuzz_report import Finding, Report

HERE = Path(__file__).resolve().parent
CASES = 1_000_000
"""Of all targets together, unless asked for more or less."""
MINUTES = 60.0
"""After which the rest is left out, and said to be."""
BATCH = 10_000
"""Cases after which the report is kept."""
SECONDS = 10.0
"""Computing time that a case may take."""
MEMORY = 10 * 2**30
"""Addresses of a process; libraries ask for far more of them than they use."""
RESIDENT = 2**30
"""Bytes that one case may use."""
_STATUS = struct.Struct("<qqq")  # the case, and how many were read and refused before it
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


@dataclass
class Done:
    """What a run of cases came to: the next case, and how those before it fared."""

    next: int
    read: int = 0
    refused: int = 0
    findings: list[Finding] = field(default_factory=list)


def fuzz(report: Report, minutes: float) -> None:
    """Run a report's cases, all targets in turn, in so many minutes at most."""
    deadline = time.monotonic() + 60 * minutes
    for name, goal in report.goals():
        tally = report.tallies[name]
        while tally.cases < goal and time.monotonic() < deadline:
            started = time.monotonic()
            some = range(tally.cases, min(goal, tally.cases + BATCH))
            done = run_target(name, some, report.seed, deadline=deadline)
            tally.cases, tally.seconds = done.next, tally.seconds + time.monotonic() - started
            tally.read, tally.refused = tally.read + done.read, tally.refused + done.refused
            tally.findings += [asdict(finding) for finding in done.findings]
            report.keep()
            for finding in done.findings[:_SHOWN]:
                print(f"{name} case {finding.case}: {finding.kind}\n{finding.detail}\n", flush=True)


def run_target(
    name: str,
    cases: range,
    seed: int,
    seconds: float = SECONDS,
    deadline: float = math.inf,
) -> Done:
    """All cases of one target, as far as they can be run until `deadline`; after a crash or a hang
    it goes on behind that case."""
    all_ = Done(cases.start)
    while all_.next < cases.stop and time.monotonic() < deadline:
        some = range(all_.next, cases.stop)
        with tempfile.TemporaryDirectory(prefix="stylesync-fuzz-") as folder:
            done = _run_worker(name, some, seed, seconds, deadline, Path(folder))
        all_ = Done(
            done.next, all_.read + done.read, all_.refused + done.refused,
            all_.findings + done.findings,
        )  # fmt: skip
    return all_


def _run_worker(
    name: str, cases: range, seed: int, seconds: float, deadline: float, folder: Path
) -> Done:
    """One process; what it found, and the case to go on with."""
    status, log = folder / "status", folder / "log"
    status.write_bytes(_STATUS.pack(-1, 0, 0))
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
    current, read, refused = _STATUS.unpack(status.read_bytes())
    told = folder / "findings.jsonl"
    lines = told.read_text().splitlines() if told.exists() else []
    done = Done(max(current, cases.start), read, refused, [Finding(**json.loads(x)) for x in lines])
    if killed == "late":
        return done
    if killed == "hung":
        found = "hang", f"stood still for {_STANDSTILL:.0f} s"
    elif process.returncode == -signal.SIGPROF:
        found = "hang", f"computed for over {seconds:g} s"
    elif process.returncode:
        found = f"exit {process.returncode}", log.read_text(errors="replace")[-600:]
    else:
        done.next = cases.stop
        return done
    done.findings.append(Finding(name, current, *found))
    done.next += 1
    return done


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
    place = folder / "work"
    for kind in ("CONFIG", "DATA", "STATE", "CACHE"):
        os.environ[f"XDG_{kind}_HOME"] = str(place / "home")
    made = folder / "seeds"
    made.mkdir()
    place.mkdir()
    os.chdir(place)
    seeds = target.seeds(made)
    with contextlib.suppress(Exception):  # imports, and the like, before anything is forbidden
        target.read(seeds[0], place)
    guard = Guard(place)
    with (folder / "status").open("r+b") as file, (folder / "findings.jsonl").open("a") as told:
        status = mmap.mmap(file.fileno(), _STATUS.size)
        counts = {"read": 0, "refused": 0}
        most = _resident()
        for case in cases:
            status[:] = _STATUS.pack(case, *counts.values())
            signal.setitimer(signal.ITIMER_PROF, seconds)  # its signal ends the process
            data = target.damage(random.Random(f"{seed}/{name}/{case}"), seeds)  # noqa: S311
            kind, detail = run_case(target.read, data, place, guard)
            if kind in counts:
                counts[kind] += 1
                if (now := _resident()) > most + RESIDENT:
                    kind, detail, most = "memory", f"{(now - most) >> 20} MB more", now
            if kind not in counts:
                print(json.dumps(asdict(Finding(name, case, kind, detail))), file=told, flush=True)
            if case % 200 == 0:
                for entry in place.iterdir():
                    shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        signal.setitimer(signal.ITIMER_PROF, 0)
        status[:] = _STATUS.pack(cases.stop, *counts.values())


def _resident() -> int:
    """The most memory that this process has used, bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def run_case(read: Any, data: bytes, place: Path, guard: Guard) -> tuple[str, str]:
    """`read`, `refused`, or what was wrong with reading this, and where."""
    from stylesync_engine.request import DubError

    found = "read", ""
    with guard.watching() as seen:
        try:
            read(data, place)
        except DubError as error:
            found = "refused", ""
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
    parser.add_argument("--report", type=Path, help="keep the counts there, and go on from them")
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

    shares = {name: TARGETS[name].share for name in asked.target or TARGETS}
    whole = sum(shares.values())
    wanted = {name: -(-asked.cases * share // whole) for name, share in shares.items() if share}
    report = Report(asked.seed, wanted, asked.report)
    fuzz(report, asked.minutes)
    print(report.table())
    return 1 if report.findings or report.cases < report.wanted else 0


if __name__ == "__main__":
    sys.exit(main())
