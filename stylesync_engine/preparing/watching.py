"""Who is seen in a clip, frame by frame: what takes longest before a dub's first frame.

It needs no networks but the landmarker's, so it can begin while the others are being loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from typing import Any, Final

from stylesync_engine.faces.landmarker import Landmarker
from stylesync_engine.faces.tracking import ShotFaces, follow_faces
from stylesync_engine.media import VideoInfo, probe_video, read_frames
from stylesync_engine.pictures.image import PixelImage
from stylesync_engine.plan.pipeline import Begun, ahead, keep_memory, spread
from stylesync_engine.plan.sources import check_range, clip_of, resolve_range
from stylesync_engine.preparing.kept import mark_of
from stylesync_engine.request import DubRequest, FrameRange, OnProgress, Progress, Stage

_LOOKERS = 2  # that look for faces beside the one who follows them
_STYLE_REACH = 750  # frames before and after the range that may serve as the shot's own style

Spans = tuple[tuple[Fraction, Fraction], ...]
Seen = tuple[ShotFaces, Spans]

_BEGUN: Final[dict[tuple[str, Stage], Begun[Hashable]]] = {}


@contextmanager
def begun_early(request: DubRequest) -> Iterator[None]:
    """Look at the clips of a request while the program is still being loaded. What is wrong with
    them is told where they are asked for."""
    keep_memory()
    _begin(request)
    try:
        yield
    finally:
        while _BEGUN:
            _BEGUN.popitem()[1].stop()


def watch(
    info: VideoInfo,
    frames: FrameRange,
    stage: Stage,
    on_progress: OnProgress,
    landmarker: Landmarker | None = None,
) -> Seen:
    """Everybody in `frames` of a clip, and when each frame appears and how long it stays."""
    return _take(_states(info, frames, landmarker), len(frames), stage, on_progress)


def watch_begun(
    path: str, info: VideoInfo, frames: FrameRange, stage: Stage, on_progress: OnProgress
) -> Seen:
    """`watch`, of a clip that a request calls `path`, which may have begun early."""
    begun = _BEGUN.pop((path, stage), None)
    if begun is not None:
        states = iter(begun)
        if next(states, None) == _key(info, frames):
            return _take(states, len(frames), stage, on_progress)
        begun.stop()
    return watch(info, frames, stage, on_progress)


def with_surroundings(frames: FrameRange, info: VideoInfo) -> FrameRange:
    """The frames around a range that may say how the person speaks."""
    first, last = frames.start - _STYLE_REACH, frames.end + _STYLE_REACH
    return FrameRange(max(0, first), min(info.frames, last))


def _begin(request: DubRequest) -> None:
    if request.options.landmarks != "mediapipe" or (request.person and not request.style):
        return

    def of_shot(info: VideoInfo) -> FrameRange:
        frames = resolve_range(request, info)
        return frames if request.style else with_surroundings(frames, info)

    def of_style(info: VideoInfo) -> FrameRange:
        return check_range(info.path, request.style_frames, info)

    _BEGUN[request.video, "track"] = Begun(_early(request, request.video, of_shot))
    if request.style and request.style != request.video:
        _BEGUN[request.style, "style"] = Begun(_early(request, request.style, of_style))


def _early(
    request: DubRequest, path: str, wanted: Callable[[VideoInfo], FrameRange]
) -> Iterator[Hashable]:
    """What is looked at, and the states."""
    info = probe_video(clip_of(request, path))
    frames = wanted(info)
    yield _key(info, frames)
    yield from _states(info, frames, None)


def _key(info: VideoInfo, frames: FrameRange) -> Hashable:
    return info.clip, mark_of(info.path), frames


def _states(
    info: VideoInfo, frames: FrameRange, landmarker: Landmarker | None
) -> Iterator[int | Seen]:
    """How many frames were seen so far, and all of it at the end."""
    spans: list[tuple[Fraction, Fraction]] = []

    def pictures() -> Iterator[PixelImage]:
        for frame in ahead(read_frames(info.clip, frames)):
            spans.append((frame.time, frame.duration))
            yield frame.image

    for state in follow_faces(pictures(), landmarker, partial(spread, workers=_LOOKERS)):
        yield (state, tuple(spans)) if isinstance(state, ShotFaces) else state


def _take(states: Iterator[Any], total: int, stage: Stage, on_progress: OnProgress) -> Seen:
    seen: Seen = ShotFaces(0, (), ()), ()
    for state in states:
        if isinstance(state, int):
            on_progress(Progress(stage, state, total))
        else:
            seen = state
    return seen
