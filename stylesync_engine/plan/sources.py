"""Which clips and ranges a request names, and how they are read."""

from __future__ import annotations

from stylesync_engine.media import Clip, Reading, VideoInfo
from stylesync_engine.request import (
    DubRequest,
    FrameRange,
    MediaError,
    RequestError,
    parse_rate,
)


def check_range(path: str, frames: FrameRange | None, info: VideoInfo) -> FrameRange:
    """The range, the whole clip without one. Raises RequestError where it leaves the clip,
    MediaError where the end of the clip is missing."""
    if frames is None:
        if info.missing_frames:
            raise MediaError(
                f"'{path}' is damaged: {info.missing_frames} frames after the first {info.frames}"
                f" cannot be read; repair the file or give a range within 0:{info.frames}."
            )
        return FrameRange(0, info.frames)
    if frames.end > info.frames:
        raise RequestError(
            f"Frames {frames} were asked of '{path}', which has {info.frames} frames;"
            f" give a range within 0:{info.frames}."
        )
    return frames


def clip_of(request: DubRequest, path: str) -> Clip:
    """A clip of the request and how it is read; the colour space is that of the shot alone."""
    options = request.options
    reading = Reading(
        rate=parse_rate(options.images_rate) if options.images_rate else None,
        colour_space=options.colour_space if path == request.video else None,
        deinterlace=options.deinterlace,
    )
    return Clip(path, reading)


def shot_of(request: DubRequest) -> Clip:
    """The clip that is dubbed."""
    return clip_of(request, request.video)


def speech_track(request: DubRequest) -> int | None:
    """Which sound stream of the speech file is read, from 0; None for the one that speaks."""
    chosen = request.options.speech_stream
    return None if chosen is None else chosen - 1


def style_track(request: DubRequest, path: str) -> int | None:
    """The same of what the style is read from, and of the shot where that is another clip."""
    chosen, source = request.options.style_stream, style_source(request)
    return chosen - 1 if chosen is not None and path == source else None


def style_source(request: DubRequest) -> str:
    """The file whose sound belongs to the style reference."""
    return request.style_speech or request.style or request.video


def resolve_range(request: DubRequest, info: VideoInfo) -> FrameRange:
    """The frames to dub. Raises RequestError where the range or the click leaves the clip."""
    frames = check_range(request.video, request.frames, info)
    if request.speaker is not None and request.speaker.frame not in frames:
        raise RequestError(
            f"The speaker point lies in frame {request.speaker.frame}, outside of {frames};"
            " click in a frame of the range."
        )
    return frames


def appearance_clip(appearance: str) -> tuple[str | None, FrameRange | None]:
    """`FILE[:A:B]` -> the file and its frames; no file where the shot or the style serves."""
    if appearance in ("auto", "shot", "style"):
        return None, None
    head, _, last = appearance.rpartition(":")
    name, _, first = head.rpartition(":")
    if name and first.isdecimal() and last.isdecimal():
        return name, FrameRange(int(first), int(last))
    return appearance, None
