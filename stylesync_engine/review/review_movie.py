"""A movie of many dubs, one after the other, that says over its picture what each one is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from stylesync_engine.assembling.burn_in import draw_rows
from stylesync_engine.files import Written, refuse_overwriting
from stylesync_engine.media import (
    Frame,
    VideoInfo,
    VideoWriter,
    files_of,
    probe_video,
    read_audio,
    read_frames,
)
from stylesync_engine.media.sound import Sound
from stylesync_engine.media.timecode import advance_timecode
from stylesync_engine.pictures.image import picture_of
from stylesync_engine.request import FrameRange, MediaError, RequestError

HEIGHT = 540  # px at most
_HERTZ = 48_000


@dataclass(frozen=True, slots=True)
class Scene:
    """Some frames of a dub: its `title`, such as the line and what is said, and the `timecode` on
    the timeline of its first frame."""

    video: str
    frames: FrameRange
    title: str
    timecode: str


def write_review(
    scenes: Sequence[Scene],
    output: Path,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Write scenes as H.264, at most 540 px high, at the first one's rate and shape, each with its
    sound; returns how many frames there are. Raises MediaError, RequestError and DiskError.
    """
    if not scenes:
        raise RequestError("There is no dub to review; dub some lines first.")
    files = [file for scene in scenes for file in files_of(scene.video)]
    refuse_overwriting({"dub": files}, [Written.one(output.absolute())])
    first = probe_video(scenes[0].video)
    height = min(HEIGHT, first.height) // 2 * 2
    width = round(first.width * first.sample_aspect * height / first.height / 2) * 2
    total = sum(_length(scene, first.rate) for scene in scenes)
    like = replace(
        first, width=width, height=height, frames=total, sample_aspect=Fraction(1), rotation=0,
        duration=total / first.rate, timecode=None, audio=(), variable_rate=False,
    )  # fmt: skip
    sound = np.concatenate([_sound(scene, first.rate) for scene in scenes], axis=1)
    with VideoWriter(output, like, "h264", (sound, _HERTZ)) as writer:
        for done, frame in enumerate(_frames(scenes, like), 1):
            writer.write(frame)
            on_progress(done, total)
    return total


def _length(scene: Scene, rate: Fraction) -> int:
    """Frames of the movie that a scene takes: as long as it lasts."""
    return max(1, round(len(scene.frames) / probe_video(scene.video).rate * rate))


def _sound(scene: Scene, rate: Fraction) -> Sound:
    """Stereo, as long as the scene's frames; silence where the dub has none."""
    length = round(_length(scene, rate) / rate * _HERTZ)
    start = round(scene.frames.start / probe_video(scene.video).rate * _HERTZ)
    try:
        heard = read_audio(scene.video, _HERTZ)[0][:2, start : start + length]
    except MediaError:
        heard = np.zeros((1, 0), np.float32)
    return np.pad(
        np.broadcast_to(heard, (2, heard.shape[1])), ((0, 0), (0, length - heard.shape[1]))
    )


def _frames(scenes: Sequence[Scene], like: VideoInfo) -> Iterator[Frame]:
    """Each frame of the movie shows the one of its scene that is seen at that time."""
    number = 0
    for scene in scenes:
        rate, shown = probe_video(scene.video).rate, 0
        for frame in read_frames(scene.video, scene.frames):
            until = round((frame.index - scene.frames.start + 1) / rate * like.rate)
            small = frame.image.shrink(like.width, like.height)
            while shown < min(max(until, 1), _length(scene, like.rate)):
                code = advance_timecode(scene.timecode, shown, like.rate)
                image = draw_rows(picture_of(small), (scene.title, ""), (code, f"frame {shown}"))
                yield Frame(number, number / like.rate, 1 / like.rate, image)
                number, shown = number + 1, shown + 1
