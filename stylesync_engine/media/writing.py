"""Frames, and sound beside them, written like an existing clip."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import av

from stylesync_engine.files import appearing, disk_errors
from stylesync_engine.media.clips import Frame, VideoInfo
from stylesync_engine.media.codecs import IMAGES, check_output, delivered_format, keeps_full_range
from stylesync_engine.media.exr import ExrPart
from stylesync_engine.media.movies import Movie
from stylesync_engine.media.sequences import appearing_sequence
from stylesync_engine.media.sound import Sound, Track
from stylesync_engine.media.stills import ExrImages, PngImages
from stylesync_engine.pictures.colour import DISPLAY, linear_of
from stylesync_engine.pictures.converting import convert
from stylesync_engine.pictures.formats import PixelLayout, layout_of
from stylesync_engine.request import Codec, MediaError

DNXHR_SIZE: Final = (256, 120)
"""The smallest width and height that DNxHR has, in px."""


class VideoWriter:
    """Write frames, and sound beside them, like an existing clip; a context manager.

    Size, rate, each frame's own time, time code, reel, colour tags and pixel shape are those of
    `like`; depth and chroma as far as the codec can hold them (FFV1 holds them all, bit for bit).
    `further` sounds, streaming or as samples and their rate, become streams, or files, of their own
    after the first. Frames are stored upright. The same frames give the same bytes. The file
    appears under its name only when all is written; after an exception nothing is left.
    """

    def __init__(
        self,
        path: str | Path,
        like: VideoInfo,
        codec: Codec,
        audio: Track | tuple[Sound, int] | None = None,
        further: Sequence[Track | tuple[Sound, int]] = (),
    ) -> None:
        check_output(path, codec)
        if codec == "dnxhr" and (like.width < DNXHR_SIZE[0] or like.height < DNXHR_SIZE[1]):
            raise MediaError(
                f"DNxHR starts at {DNXHR_SIZE[0]}x{DNXHR_SIZE[1]} and the clip has"
                f" {like.width}x{like.height}; choose prores422hq."
            )
        self._path, self._like, self._codec = Path(path), like, codec
        sounds = [*([audio] if audio else []), *further]
        self._tracks = [s if isinstance(s, Track) else Track.of(*s) for s in sounds]
        self._layout = _delivered_layout(codec, like)
        self._cleanup = ExitStack()
        self._sink: PngImages | ExrImages | Movie | None = None

    @property
    def layout(self) -> PixelLayout:
        """The layout in which pictures are stored; one that arrives in it is not converted."""
        return self._layout

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            if self._codec in IMAGES:
                folder = stack.enter_context(appearing_sequence(self._path))
                kind = ExrImages if self._codec == "exr" else PngImages
                self._sink = kind(folder, self._path, self._like, self._layout, self._tracks)
            else:
                draft = stack.enter_context(appearing(self._path))
                with self._storing():
                    self._sink = Movie(draft, self._like, self._codec, self._layout, self._tracks)
            self._cleanup = stack.pop_all()
        return self

    def write(self, frame: Frame, parts: Sequence[ExrPart] = ()) -> None:
        """Append a frame, in EXR with further parts. Raises MediaError for another size than the
        clip's."""
        if self._sink is None:
            raise RuntimeError("VideoWriter is used in a with block")
        size = (frame.image.width, frame.image.height)
        if size != (self._like.width, self._like.height):
            raise MediaError(
                f"Frame {frame.index} is {size[0]}x{size[1]} and the clip"
                f" {self._like.width}x{self._like.height}; a clip keeps one size."
            )
        with self._storing():
            image = convert(frame.image, self._layout)
            if isinstance(self._sink, ExrImages):
                self._sink.write(frame, image, parts)
            else:
                self._sink.write(frame, image)

    @contextmanager
    def _storing(self) -> Iterator[None]:
        """What the disk and the encoder say as one sentence each."""
        try:
            with disk_errors(self._path):
                yield
        except av.error.FFmpegError as error:
            raise MediaError(
                f"{self._codec} cannot store this clip ({error}); choose another codec."
            ) from error

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        sink = self._sink
        if sink is None:
            return
        try:
            if kind is None:
                with self._storing():
                    sink.finish()
            else:
                sink.abandon()
        except BaseException as failure:
            sink.abandon()
            if not self._cleanup.__exit__(type(failure), failure, failure.__traceback__):
                raise
            return
        self._cleanup.__exit__(kind, error, trace)


def _delivered_layout(codec: Codec, like: VideoInfo) -> PixelLayout:
    source = like.layout
    name = delivered_format(codec, source, like.width, like.height)
    full = source.full_range and source.kind != "rgb" and keeps_full_range(codec)
    matrix = source.matrix
    if codec == "dnxhr" and matrix != "bt2020nc":
        matrix = "bt709"  # DNxHR's header knows no other; readers ignore the container's tag
    centred = source.siting[0] == 0.5
    colour = source.colour
    if codec == "exr":
        colour = linear_of(colour)
    elif colour == linear_of(colour) and not name.endswith("f32le"):
        colour = DISPLAY  # whole numbers have no room for light
    try:
        layout = layout_of(
            name, like.height, full_range=full, matrix=matrix, centred_chroma=centred
        )
        return replace(layout, colour=colour)
    except MediaError as error:
        raise MediaError(f"{codec} cannot store '{source.format}'; choose prores4444.") from error
