"""Frames of a clip, streaming, from any frame on."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.video.frame import VideoFrame

from stylesync_engine.media.clips import Clip, Frame
from stylesync_engine.media.containers import decode, find_picture, open_file
from stylesync_engine.media.frames import image_of
from stylesync_engine.media.probing import ScannedClip, scan_clip
from stylesync_engine.media.sequences import ImageSequence, find_sequence
from stylesync_engine.pictures.image import PixelImage
from stylesync_engine.request import FrameRange, MediaError, RequestError


def read_frames(clip: str | Path | Clip, frames: FrameRange | None = None) -> Iterator[Frame]:
    """Stream frames in the order in which they are shown.

    A range gives exactly the frames that reading from the start would give. Raises RequestError
    for a range beyond the clip; MediaError, after the frames that could be read, for damage.
    """
    scanned = scan_clip(clip)
    count = scanned.info.frames
    if frames is not None and frames.end > count:
        raise RequestError(
            f"Frames {frames} were asked of '{Clip.of(clip).path}', which has {count} frames;"
            f" give a range within 0:{count}."
        )
    wanted = frames or FrameRange(0, count)
    sequence = find_sequence(Path(scanned.info.path))
    if sequence:
        return _deliver_images(scanned, sequence, wanted)
    return _deliver(scanned, wanted, whole=frames is None)


def _deliver_images(
    clip: ScannedClip, sequence: ImageSequence, wanted: FrameRange
) -> Iterator[Frame]:
    size = (clip.info.width, clip.info.height)
    for index in range(wanted.start, wanted.end):
        image = sequence.read(index).image
        if image.size != size:
            raise MediaError(
                f"'{sequence.file(index)}' is {image.width}x{image.height}, not"
                f" {size[0]}x{size[1]} as the first image; a sequence has one size."
            )
        layout = replace(image.layout, colour=clip.info.layout.colour)
        image = PixelImage(image.planes, layout)
        yield Frame(index, clip.time(index), clip.duration(index), image)


def _deliver(clip: ScannedClip, wanted: FrameRange, whole: bool) -> Iterator[Frame]:
    expected = wanted.start
    with open_file(clip.info.path) as container:
        for index, frame in _decode_from(container, clip, wanted.start):
            if index < expected:
                continue
            if index >= wanted.end:
                break
            if index > expected:
                raise _damaged(clip, expected)
            image = image_of(frame, clip.info.codec, clip.turned, clip.info.reading.colour_space)
            if image.size != (clip.info.width, clip.info.height):
                raise MediaError(
                    f"'{clip.info.path}' is {image.width}x{image.height} from frame {index} on, not"
                    f" {clip.info.width}x{clip.info.height} as before; dub the frames before it"
                    f" (0:{index}), or export it in one size."
                )
            yield Frame(index, clip.time(index), clip.duration(index), image)
            expected += 1
            if expected == wanted.end:
                break
    if expected < wanted.end or (whole and clip.info.missing_frames):
        raise _damaged(clip, expected)


def _damaged(clip: ScannedClip, index: int) -> MediaError:
    total = clip.info.frames + clip.info.missing_frames
    return MediaError(
        f"'{clip.info.path}' is damaged: frame {index} of {total} cannot be read;"
        f" repair the file or dub the frames before it (0:{index})."
    )


def _decode_from(
    container: InputContainer, clip: ScannedClip, start: int
) -> Iterator[tuple[int, VideoFrame]]:
    """Frames with their numbers, from `start` or somewhat before it."""
    if clip.stamps is None:
        yield from enumerate(_progressive(decode(container), clip))
        return
    numbers: dict[int | None, int] = {stamp: index for index, stamp in enumerate(clip.stamps)}
    key = _key_before(clip, start)
    if key is not None:
        with suppress(av.error.FFmpegError):  # then it is read from wherever it stands
            container.seek(key, stream=find_picture(container))
    frames = _progressive(decode(container), clip)
    first = next(frames, None)
    if key is not None and (first is None or numbers.get(first.pts, start + 1) > start):
        with open_file(clip.info.path) as again:
            yield from _numbered(_progressive(decode(again), clip), numbers)
        return
    if first is not None:
        yield from _numbered(chain([first], frames), numbers)


def _numbered(
    frames: Iterator[VideoFrame], numbers: dict[int | None, int]
) -> Iterator[tuple[int, VideoFrame]]:
    return ((numbers[frame.pts], frame) for frame in frames if frame.pts in numbers)


def _progressive(frames: Iterator[VideoFrame], clip: ScannedClip) -> Iterator[VideoFrame]:
    return deinterlace(frames) if clip.info.reading.deinterlace else frames


def _key_before(clip: ScannedClip, start: int) -> int | None:
    """The stamp of the key frame to seek to; None to read from the beginning.

    One key frame more than needed: after a seek to an open or gradually refreshed group the
    first frames may refer to what was not read, and deinterlacing looks at the frame before.
    """
    if clip.stamps is None or not clip.keys:
        return None
    position = bisect_right(clip.keys, clip.stamps[start]) - 2
    return clip.keys[position] if position > 0 else None


def deinterlace(frames: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
    """One frame for each, by bwdif (a cubic within the field, guided by the fields around it).

    Progressive frames pass through as they are. Raises MediaError for frames that the filter
    does not take.
    """
    try:
        yield from _filtered(frames)
    except av.error.FFmpegError as error:
        raise MediaError(
            "The fields of this clip cannot be made into frames; export it as progressive frames."
        ) from error


def _filtered(frames: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
    graph: Any = None
    stamps: deque[int | None] = deque()
    for frame in frames:
        if graph is None:
            graph = _graph_for(frame)
        stamps.append(frame.pts)
        graph.push(frame)
        yield from _pull(graph, stamps)
    if graph is not None:
        graph.push(None)
        yield from _pull(graph, stamps)


def _graph_for(frame: VideoFrame) -> Any:
    graph: Any = av.filter.Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format.name, time_base=frame.time_base
    )
    filtered = graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced")
    source.link_to(filtered)
    filtered.link_to(graph.add("buffersink"))
    graph.configure()
    return graph


def _pull(graph: Any, stamps: deque[int | None]) -> Iterator[VideoFrame]:
    """What the graph has ready; the stamps go in and come out in the same order."""
    while stamps:
        try:
            frame = graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        frame.pts = stamps.popleft()
        yield frame
