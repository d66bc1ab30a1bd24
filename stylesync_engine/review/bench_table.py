"""How fast dubs of all sizes are: each in a new process on so many cores, as one table."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from stylesync_engine.failures import error_from
from stylesync_engine.media import Frame, VideoWriter, probe_video, read_frames
from stylesync_engine.pictures.image import picture_of
from stylesync_engine.plan.pipeline import cores as cores_here
from stylesync_engine.request import FrameRange, MediaError, RequestError
from stylesync_engine.review.benchmark import DEMO, DEMO_SPEECH, DEMO_VIDEO, SUFFIXES

SIZES: Final = (
    ("640x480p25", (640, 480), 1, 105),
    ("720x576p25", (720, 576), 1, 105),
    ("1080p25", (1920, 1080), 1, 105),
    ("2160p50", (3840, 2160), 2, 100),
)
"""Names, px, how often each frame of the demo is shown, and frames."""
_ENGINE: Final = (sys.executable, "-m", "stylesync_engine")
_SPEED: Final = re.compile(r"(?<![\w.])(\d{1,9}(?:\.\d{1,9})?) ?fps", re.ASCII)
_PEER_SECONDS: Final = 1800.0
_PEER_BYTES: Final = 2**20


def parse_cores(text: str) -> tuple[int, ...]:
    """`1,2,4` as numbers. Raises RequestError for what this machine cannot give."""
    if not hasattr(os, "sched_setaffinity"):
        raise RequestError(
            "This system does not let a program choose its cores; leave it out.", "cores"
        )
    try:
        counts = tuple(int(part) for part in text.split(","))
    except ValueError:
        counts = ()
    if not counts or min(counts) < 1 or max(counts) > cores_here():
        raise RequestError(f"Give numbers of cores from 1 to {cores_here()}, such as 1,2.", "cores")
    return counts


def measure_table(
    cores: Sequence[int],
    flags: dict[str, str],
    video: str | None,
    speech: str | None,
    peer: str | None,
) -> dict[str, Any]:
    """`rows`, one for each clip, quality and number of cores: `frames_per_second` end to end after
    start-up, how often `of_one_core` that is, the `first_frame` of a new `dub` in s, `peak_mib`.

    The clips are the demo's at all `SIZES`, or `video` alone; `flags` are those of `bench`. `peer`
    is a command that says how many fps another network makes on one core of this machine, which
    is run first: `of_peer` is how many times as fast a dub is. Raises a DubError, as `dub` does.
    """
    other = None if peer is None else _ask(peer)
    qualities = (flags["quality"],) if "quality" in flags else ("draft", "good")
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="stylesync-bench-") as folder:
        clips = [(Path(video).name, video)] if video else list(_demo_clips(Path(folder)))
        sound = speech or video or str(DEMO / DEMO_SPEECH)
        for (name, clip), quality in product(clips, qualities):
            words = {**flags, "quality": quality, "video": clip, "speech": sound}
            for count in cores:
                rows.append(
                    {"clip": name, "quality": quality, "cores": count, **_run(words, count)}
                )
                _compare(rows, other)
    return {"rows": rows, "peer_frames_per_second": other}


def _compare(rows: list[dict[str, Any]], other: float | None) -> None:
    row = rows[-1]
    alone = [r for r in rows if r["cores"] == 1 and r["clip"] == row["clip"]]
    alone = [r for r in alone if r["quality"] == row["quality"]]
    speed = row["frames_per_second"]
    row["of_one_core"] = round(speed / alone[0]["frames_per_second"], 2) if alone else None
    row["of_peer"] = round(speed / other, 1) if other else None


def _demo_clips(folder: Path) -> Iterator[tuple[str, str]]:
    """The demo's take at each size, as a camera would have recorded it."""
    take = DEMO / DEMO_VIDEO
    if not take.is_file():
        raise RequestError(f"The demo clip is not in {DEMO}; give a video and its speech.", "video")
    info = probe_video(take)
    for name, size, times, count in SIZES:
        if size == (info.width, info.height):
            yield name, str(take)
            continue
        rate = info.rate * times
        like = replace(info, width=size[0], height=size[1], rate=rate, frames=count, timecode=None)
        path = folder / f"{name}.mp4"
        with VideoWriter(path, replace(like, time_base=1 / rate), "h264") as writer:
            for index, frame in enumerate(_repeated(take, count, times)):
                picture = cv2.resize(frame.to_rgb(), size, interpolation=cv2.INTER_CUBIC)
                image = picture_of(np.asarray(picture, np.uint8))
                writer.write(Frame(index, index / rate, 1 / rate, image))
        yield name, str(path)


def _repeated(take: Path, count: int, times: int) -> Iterator[Frame]:
    for frame in read_frames(take, FrameRange(0, count // times)):
        yield from [frame] * times


def _run(words: dict[str, str], count: int) -> dict[str, Any]:
    """A dub up to its first frame, and `bench`, each in a process of its own on so many cores."""
    started, first, event = time.monotonic(), 0.0, dict[str, Any]()
    with tempfile.TemporaryDirectory(prefix="stylesync-bench-") as folder:
        suffix = SUFFIXES.get(words.get("codec", ""), ".mov")
        dub = {**words, "output": str(Path(folder) / f"dub{suffix}")}
        with _on_cores(count), closing(_events("dub", dub)) as events:
            for event in events:
                if event.get("stage") == "assemble":
                    first = time.monotonic() - started
                    break
    if not first:
        raise error_from(event)
    with _on_cores(count):
        for said in _events("bench", words):
            event = said
    if event.get("event") != "result":
        raise error_from(event)
    return {
        "frames_per_second": event["frames_per_second"],
        "first_frame": round(first, 2),
        "peak_mib": event["peak_mib"],
    }


def _events(command: str, words: Mapping[str, str]) -> Generator[dict[str, Any], None, None]:
    """What a command tells; it is ended when nobody listens any more."""
    flags = [part for name, value in words.items() for part in (f"--{name}", value)]
    with subprocess.Popen(
        [*_ENGINE, command, *flags, "--json"], stdout=subprocess.PIPE, text=True
    ) as engine:
        try:
            yield from map(json.loads, engine.stdout or ())
        finally:
            engine.terminate()


@contextmanager
def _on_cores(count: int) -> Iterator[None]:
    """What is started here runs on so many of the cores."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(allowed)[:count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def _printed_by(words: list[str]) -> str:
    """What a command prints, as far as that is little and soon done; raises OSError else."""
    if not words:
        raise OSError("there is no word in it")
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        stop = threading.Timer(_PEER_SECONDS, process.kill)
        stop.start()
        try:
            printed = process.stdout.read(_PEER_BYTES) if process.stdout else b""
            if len(printed) == _PEER_BYTES:
                process.kill()
            if process.wait():
                raise OSError(f"it ended with {process.returncode}")
        finally:
            stop.cancel()
            process.kill()
    return printed.decode(errors="replace")


def _ask(command: str) -> float:
    """The first speed that a command prints, on one core."""
    try:
        with _on_cores(1):
            printed = _printed_by(shlex.split(command))
    except (OSError, ValueError) as error:
        raise RequestError(f"The peer '{command}' could not be run ({error}).", "peer") from error
    said = _SPEED.search(printed)
    if said is None or not float(Fraction(said[1])):
        raise MediaError(f"The peer '{command}' does not say how many fps it makes.", "peer")
    return float(said[1])
