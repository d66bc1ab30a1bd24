"""What the timeline tests share: made-up media, timelines by hand, an engine that marks frames."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import opentimelineio as otio
import pytest
from stylesync_plugin.timeline.paths import url_of
from stylesync_plugin.timeline.sources import PictureFacts, SoundFacts

from stylesync_engine.media import Clip, Reading, VideoWriter, probe_video, read_audio, read_frames
from stylesync_engine.request import DubRequest, DubResult, MediaError, Progress

RationalTime = otio.opentime.RationalTime
TimeRange = otio.opentime.TimeRange
Video, Audio = otio.schema.TrackKind.Video, otio.schema.TrackKind.Audio
needs_melt = pytest.mark.skipif(shutil.which("melt") is None, reason="melt is not installed")


class MadeUpProbe:
    """Facts of files by their name, `RATE_FRAMES[_START].mov` with the rate as N-D."""

    def picture(self, path: str) -> PictureFacts:
        if Path(path).suffix == ".wav":
            raise MediaError(f"'{path}' holds only sound.")
        rate, frames, *start = Path(path).stem.split("_")
        return PictureFacts(
            Fraction(rate.replace("-", "/")), int(frames), int(start[0]) if start else None
        )

    def sound(self, path: str) -> SoundFacts:
        return SoundFacts(48_000, 48_000 * 600)


def made_up(folder: Path, rate: Fraction, frames: int, start: int | None = None) -> Path:
    """An empty file whose name tells `MadeUpProbe` what it is."""
    name = f"{rate.numerator}-{rate.denominator}_{frames}"
    path = folder / (f"{name}.mov" if start is None else f"{name}_{start}.mov")
    path.touch()
    return path


def ranged(start: float, length: float, rate: Fraction | float) -> Any:
    return TimeRange(RationalTime(start, float(rate)), RationalTime(length, float(rate)))


def clip(
    name: str,
    path: Path,
    start: int,
    length: int,
    rate: Fraction | int,
    available: tuple[int, int] | None = None,
) -> Any:
    """A clip of `length` frames from `start`; `available` is (first, count)."""
    reference = otio.schema.ExternalReference(url_of(path))
    if available is not None:
        reference.available_range = ranged(*available, rate)
    return otio.schema.Clip(name, reference, ranged(start, length, rate))


def gap(length: int, rate: Fraction | int) -> Any:
    return otio.schema.Gap(source_range=ranged(0, length, rate))


def dissolve(before: int, after: int, rate: Fraction | int) -> Any:
    return otio.schema.Transition(
        "dissolve",
        otio.schema.TransitionTypes.SMPTE_Dissolve,
        RationalTime(before, float(rate)),
        RationalTime(after, float(rate)),
    )


def timeline(*tracks: Any, name: str = "cut") -> Any:
    made = otio.schema.Timeline(name)
    made.tracks.extend(tracks)
    return made


def track(*items: Any, kind: str = Video, name: str = "") -> Any:
    made = otio.schema.Track(name=name, kind=kind)
    made.extend(items)
    return made


def write_clip(path: Path, rate: Fraction, frames: int, number: int) -> Path:
    """A lossless clip of 64 x 48 whose frames tell, by 12 black or white blocks, which they are."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(_blocks(number << 10 | index), format="yuv420p")
            frame.pts, frame.time_base = index, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _blocks(word: int) -> np.ndarray:
    picture = np.full((72, 64), 128, np.uint8)
    picture[:48] = 64
    for bit in range(12):
        if word >> bit & 1:
            row, column = bit // 4 * 16, bit % 4 * 16
            picture[row : row + 16, column : column + 16] = 192
    return picture


def read_number(luma: np.ndarray) -> tuple[int, int]:
    """(clip, frame) that a picture of `write_clip` tells; the marked corner is not looked at."""
    word = 0
    for bit in range(12):
        row, column = bit // 4 * 16 + 4, bit % 4 * 16 + 4
        word |= int(luma[row : row + 4, column : column + 4].mean() > 128) << bit
    return word >> 10, word & 1023


def play(project: Path, length: int | None = None) -> list[np.ndarray]:
    """The luma of every frame, or of the first `length`, as melt plays a project."""
    return [planes[0] for planes in played(project, length)]


def played(project: Path, length: int | None = None) -> list[list[np.ndarray]]:
    """The same with luma and both chroma planes."""
    target = project.with_suffix(".played.mkv")
    cut = [] if length is None else ["in=0", f"out={length - 1}"]
    wanted = ["vcodec=ffv1", "pix_fmt=yuv420p", "an=1", "real_time=0", "terminate_on_pause=1"]
    run_melt(["melt", str(project), *cut, "-consumer", f"avformat:{target}", *wanted], target)
    return [[plane.copy() for plane in frame.image.planes] for frame in read_frames(target)]


def run_melt(command: list[str], target: Path) -> None:
    """Run melt until it has written its target."""
    # melt now and then waits for ever, or ends, before its first frame; its next run does not.
    for patience in (10, 10, 20, 20, 40, 40, 60):
        target.unlink(missing_ok=True)
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(
                command, check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=patience
            )
            if target.exists() and target.stat().st_size:
                break


def write_speech(path: Path, seconds: float, rate: int = 48_000) -> Path:
    import soundfile

    time = np.arange(round(seconds * rate)) / rate
    soundfile.write(
        path, 0.2 * np.sin(2 * np.pi * (200 + 50 * time) * time), rate, subtype="PCM_24"
    )
    return path


@dataclasses.dataclass
class MarkingEngine:
    """An engine that copies the frames and turns the lower right corner inside out.

    `fails` raises for the requests that it names; `calls` keeps what was asked.
    """

    calls: list[DubRequest] = dataclasses.field(default_factory=list)
    fails: Callable[[DubRequest], None] = lambda request: None

    def __call__(self, request: DubRequest, on_progress: Callable[[Progress], None]) -> DubResult:
        self.calls.append(request)
        self.fails(request)
        rate = request.options.images_rate
        clip = Clip(request.video, Reading(Fraction(rate) if rate else None))
        info = probe_video(clip)
        first = request.frames.start if request.frames else 0
        count = len(request.frames) if request.frames else info.frames
        like = dataclasses.replace(info, frames=count, timecode=None)
        start, end = request.speech_samples or (None, None)
        sound = read_audio(request.speech, None, start, end)
        Path(request.output).parent.mkdir(parents=True, exist_ok=True)
        with VideoWriter(request.output, like, request.options.codec, sound) as writer:
            for frame in read_frames(clip, request.frames):
                index = frame.index - first
                shifted = dataclasses.replace(frame, index=index, time=index / info.rate)
                writer.write(shifted.with_image(_marked(frame.image)))
                on_progress(Progress("render", index + 1, count))
        return DubResult(
            request.output, info.rate, count, count, (), {"render": 0.0}, request.options.models,
            "cpu", request.options.seed,
        )  # fmt: skip


def _marked(image: Any) -> Any:
    luma = image.planes[0].copy()
    height, width = luma.shape
    luma[-height // 8 :, -width // 8 :] = 255 - luma[-height // 8 :, -width // 8 :]
    return dataclasses.replace(image, planes=(luma, *image.planes[1:]))
