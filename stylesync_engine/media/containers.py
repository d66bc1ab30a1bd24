"""Files opened by PyAV, and what decodes out of them, damaged or not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame

from stylesync_engine.request import MediaError


def open_file(path: str | Path) -> InputContainer:
    """Open a file by its own name only: no protocols, patterns or playlists of names."""
    path = Path(path)
    if not path.exists():
        raise MediaError(f"'{path}' does not exist; check the path.")
    if not path.is_file():
        raise MediaError(f"'{path}' is not a file; give the path of a clip.")
    if path.stat().st_size == 0:
        raise MediaError(f"'{path}' is empty; export or copy it again.")
    try:
        return av.open(f"file:{path.absolute()}", mode="r", metadata_errors="replace")
    except av.error.PermissionError as error:
        raise MediaError(f"'{path}' may not be read; change its permissions.") from error
    except (av.error.FFmpegError, ValueError) as error:
        raise MediaError(f"'{path}' is no clip or is damaged; export it again.") from error


def decode(container: InputContainer) -> Iterator[VideoFrame]:
    """Every frame that decodes; packets that are damaged, or ask for what the decoder does not
    know, are left out."""
    stream = next(iter(container.streams.video), None)
    if stream is None or stream.codec_context is None:
        return
    stream.thread_type = "AUTO"
    for packet in packets_of(container):
        try:
            frames = stream.decode(packet)
        except av.error.FFmpegError:
            continue
        yield from frames


def packets_of(container: InputContainer) -> Iterator[Any]:
    """The packets of the picture up to the end of what can be read; the last is the flush."""
    stream = container.streams.video[0]
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.error.EOFError):
            return
        except av.error.FFmpegError:
            break
        if not packet.is_corrupt:
            yield packet
    yield None


def picture_stream(container: InputContainer, path: str) -> Any:
    kinds = container.format.name
    pictures = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not pictures:
        has_sound = bool(container.streams.audio)
        what = "only sound" if has_sound else "no picture"
        raise MediaError(f"'{path}' holds {what}; give a clip with a picture.")
    if pictures[0].codec_context is None:
        raise MediaError(f"The picture of '{path}' is in no known codec; export it in another.")
    if kinds.endswith("_pipe") or kinds.startswith("image2"):
        raise MediaError(f"'{path}' is a still image; give a clip.")
    return pictures[0]
