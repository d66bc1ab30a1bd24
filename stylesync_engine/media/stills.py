"""Pictures written as numbered images, and the sound beside them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from stylesync_engine.media.clips import Frame, VideoInfo
from stylesync_engine.media.exr import ExrPart, with_surroundings, write_exr
from stylesync_engine.media.frames import video_frame, written_tags
from stylesync_engine.media.sequences import find_sequence, image_name, sound_name
from stylesync_engine.media.sound import Track, write_track
from stylesync_engine.media.timecode import advance_timecode
from stylesync_engine.pictures.formats import PixelLayout
from stylesync_engine.pictures.image import PixelImage
from stylesync_engine.request import Codec


class _Images:
    """Numbered images in a folder, and the sound beside them."""

    def __init__(
        self,
        folder: Path,
        path: Path,
        like: VideoInfo,
        layout: PixelLayout,
        tracks: Sequence[Track],
    ) -> None:
        self._folder, self._path, self._like, self._layout = folder, path, like, layout
        for number, track in enumerate(tracks):
            file = folder / sound_name(path)
            write_track(file.with_stem(f"{file.stem}.{number + 1}") if number else file, track)

    def file(self, frame: Frame, codec: Codec) -> Path:
        number = self._like.first_number + frame.index
        return self._folder / image_name(self._path, number, codec)

    def finish(self) -> None:
        pass

    def abandon(self) -> None:
        pass


class ExrImages(_Images):
    """Linear light in OpenEXR, half where the source is no finer."""

    def write(self, frame: Frame, image: PixelImage, parts: Sequence[ExrPart]) -> None:
        like = self._like
        names = ("R", "G", "B", "A")[: len(image.layout.components)]
        pixels = np.stack([image.component(number) for number in range(len(names))], axis=2)
        facts = {
            "colour": image.layout.colour, "rate": like.rate, "reel": like.reel,
            "sample_aspect": like.sample_aspect, "display": like.display,
        }  # fmt: skip
        if like.timecode:
            facts["timecode"] = advance_timecode(like.timecode, frame.index, like.rate)
        half = like.codec == "exr-half" or like.bit_depth <= 10
        corner = (0, 0)
        if like.overscan and image.layout.colour == like.layout.colour:
            # `path` is the source's own, whose number this frame keeps.
            source = find_sequence(Path(like.path))
            if source is not None:
                index = like.first_number + frame.index - source.first
                pixels, corner = with_surroundings(source.file(index), pixels)
        picture = ExrPart("rgba", names, pixels, corner)
        write_exr(self.file(frame, "exr"), [picture, *parts], image.size, half, facts)


class PngImages(_Images):
    """PNG of 8 or 16 bit."""

    def write(self, frame: Frame, image: PixelImage) -> None:
        big_endian = self._layout.format.replace("le", "be")
        encoder = av.CodecContext.create("png", "w")
        encoder.width, encoder.height, encoder.pix_fmt = image.width, image.height, big_endian
        encoder.time_base = Fraction(1, 25)
        picture = video_frame(image)
        if big_endian != self._layout.format:
            picture = picture.reformat(format=big_endian)
        tags = written_tags(self._like, self._layout)
        for tagged in (encoder, picture):
            tagged.color_primaries, tagged.color_trc = tags.primaries, tags.transfer
        data = b"".join(bytes(p) for p in [*encoder.encode(picture), *encoder.encode(None)])
        self.file(frame, "png").write_bytes(data)
