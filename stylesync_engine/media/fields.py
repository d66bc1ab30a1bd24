"""Interlaced frames to progressive ones, as many as before and at their times."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import av
from av.video.frame import VideoFrame

from stylesync_engine.request import MediaError


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
