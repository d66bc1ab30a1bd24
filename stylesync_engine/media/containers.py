"""Files opened by PyAV, and what decodes out of them, damaged or not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame

from stylesync_engine.failures import is_out_of_memory, want_memory
from stylesync_engine.media.clips import UNSPECIFIED, AudioTrack
from stylesync_engine.request import MediaError

_NO_FILM: Final = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
_STILLS: Final = frozenset({"mjpeg", "png", "bmp", "gif", "webp", "tiff"})
_TAGS: Final = ("color_primaries", "color_trc", "colorspace")
_ENOUGH: Final = 2**28
"""Bytes that no packet and no frame need: where there are so many, it is not memory that lacks."""
MOST_PIXELS: Final = 12288 * 6480 + 2**20
"""The pixels of the largest pictures that are read."""


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
        container = av.open(f"file:{path.absolute()}", mode="r", metadata_errors="replace")
    except av.error.PermissionError as error:
        raise MediaError(f"'{path}' may not be read; change its permissions.") from error
    except (av.error.FFmpegError, ValueError) as error:
        raise MediaError(f"'{path}' is no clip or is damaged; export it again.") from error
    for stream in container.streams.video:
        if stream.codec_context is not None:
            check_size(path, stream.codec_context.width, stream.codec_context.height)
    return container


def check_size(path: str | Path, width: int, height: int) -> None:
    """Raise MediaError for a picture that memory could not hold several of."""
    if width * height > MOST_PIXELS:
        raise MediaError(
            f"The pictures of '{path}' have {width}x{height} px, more than any camera's; export it"
            " smaller."
        )


def decode(container: InputContainer) -> Iterator[VideoFrame]:
    """Every frame of the picture that decodes, with the colour tags that the container adds to its
    own; packets that are damaged, or ask for what the decoder does not know, are left out."""
    stream = find_picture(container)
    if stream is None or stream.codec_context is None:
        return
    stream.thread_type = "AUTO"
    told = {name: int(getattr(stream.codec_context, name)) for name in _TAGS}
    told = {name: value for name, value in told.items() if value != UNSPECIFIED}
    for packet in packets_of(container):
        try:
            frames = stream.decode(packet)
        except av.error.FFmpegError as error:
            pass_over(error)
            continue
        for frame in frames:
            for name, value in told.items():
                if int(getattr(frame, name)) == UNSPECIFIED:  # a codec's own say nothing
                    setattr(frame, name, value)
            yield frame


def pass_over(error: av.error.FFmpegError) -> None:
    """Damage, of which what follows may be read; a lack of memory is raised: it is not the clip's,
    and its frames would be missed. Damage, too, may ask for more memory than anybody has."""
    if isinstance(error, av.error.MemoryError):
        want_memory(_ENOUGH)
    elif is_out_of_memory(error):
        raise error


def packets_of(container: InputContainer) -> Iterator[Any]:
    """The packets of the picture up to the end of what can be read; the last is the flush."""
    packets = container.demux(find_picture(container))
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.error.EOFError):
            return
        except av.error.FFmpegError as error:
            pass_over(error)
            break
        if not packet.is_corrupt:
            yield packet
    yield None


def find_picture(container: InputContainer) -> Any:
    """The default of the streams that are pictures and no covers or thumbnails, else the first of
    them; None where there is none."""
    streams: Iterable[Any] = container.streams.video
    pictures = [s for s in streams if not s.disposition & _NO_FILM]
    known = [s for s in pictures if s.codec_context is not None] or pictures
    if len(known) > 1:  # a cover need not say that it is one
        known = [s for s in known if s.frames > 1 or s.name not in _STILLS] or known
    chosen = [s for s in known if s.disposition & Disposition.default] or known
    return chosen[0] if chosen else None


def picture_stream(container: InputContainer, path: str) -> Any:
    """The same; raises MediaError where there is none that can be dubbed."""
    kinds = container.format.name
    picture = find_picture(container)
    if picture is None:
        has_sound = bool(container.streams.audio)
        what = "only sound" if has_sound else "no picture"
        raise MediaError(f"'{path}' holds {what}; give a clip with a picture.")
    if picture.codec_context is None:
        raise MediaError(f"The picture of '{path}' is in no known codec; export it in another.")
    if kinds.endswith("_pipe") or kinds.startswith("image2"):
        raise MediaError(
            f"'{path}' is a still image; give a clip, or numbered images as shot.%04d.exr."
        )
    return picture


def describe_sound(stream: Any) -> AudioTrack:
    """What a sound stream is."""
    context = stream.codec_context
    names = tuple(channel.name for channel in context.layout.channels)
    return AudioTrack(context.channels, context.sample_rate, context.name, names)


def sounds_of(container: InputContainer) -> list[Any]:
    """The sound streams in a codec that is known; the others cannot be heard."""
    streams: Iterable[Any] = container.streams.audio
    return [stream for stream in streams if stream.codec_context is not None]
