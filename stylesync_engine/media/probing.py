"""A clip read once through: what it is, and when each of its frames is shown."""

from __future__ import annotations

from bisect import bisect_left
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import av
from av.container import InputContainer
from av.video.frame import VideoFrame

from stylesync_engine.media.clips import PLAIN, Clip, ColourTags, Reading, VideoInfo
from stylesync_engine.media.containers import (
    decode,
    describe_sound,
    find_picture,
    open_file,
    packets_of,
    picture_stream,
    sounds_of,
)
from stylesync_engine.media.frames import Turn, image_of, matrix_of
from stylesync_engine.media.sequences import ImageSequence, find_sequence
from stylesync_engine.media.timecode import frames_counted, recount_timecode
from stylesync_engine.request import FrameRange, MediaError

_SEEKABLE: Final = frozenset({"mov", "matroska", "mxf"})
"""Containers whose packets carry every frame's own time."""
_REORDERED: Final = 16
"""The most frames by which H.264 and H.265 store one before its turn."""


@dataclass(frozen=True, slots=True)
class ScannedClip:
    """What reading needs beyond the information: every frame's time stamp, where it is known."""

    info: VideoInfo
    stamps: tuple[int, ...] | None
    keys: tuple[int, ...]
    turned: Turn | None

    def time(self, index: int) -> Fraction:
        if self.stamps is None or not self.info.variable_rate:
            return index / self.info.rate
        return (self.stamps[index] - self.stamps[0]) * self.info.time_base

    def duration(self, index: int) -> Fraction:
        after = self.time(index + 1) if index + 1 < self.info.frames else self.info.duration
        return after - self.time(index)


def probe_video(clip: str | Path | Clip) -> VideoInfo:
    """What the clip is; its frames are counted.

    Raises MediaError, one sentence, for anything that is not a readable clip.
    """
    return scan_clip(clip).info


def duration_of(clip: str | Path | Clip, frames: FrameRange) -> Fraction:
    """Seconds from the appearance of a range's first frame to the end of its last one."""
    scanned = scan_clip(clip)
    last = frames.end - 1
    return scanned.time(last) + scanned.duration(last) - scanned.time(frames.start)


def scan_clip(clip: str | Path | Clip) -> ScannedClip:
    path, reading = Clip.of(clip).path, Clip.of(clip).reading
    absolute = Path(path).absolute()
    try:
        sequence = find_sequence(absolute)
        status = (sequence.file(0) if sequence else absolute).stat()
    except OSError as error:
        raise MediaError(f"'{path}' does not exist; check the path.") from error
    if sequence:
        return _scan_sequence(sequence, status.st_mtime_ns, reading)
    scanned = _scan(str(absolute), status.st_mtime_ns, status.st_size)
    return scanned if reading == PLAIN else replace(scanned, info=_as_read(scanned.info, reading))


def _as_read(info: VideoInfo, reading: Reading) -> VideoInfo:
    layout = replace(info.layout, colour=reading.colour_space or info.layout.colour)
    # Progressive clips do not go through the filter, which may not know their pixel format.
    reading = replace(reading, deinterlace=reading.deinterlace and info.interlaced)
    interlaced = info.interlaced and not reading.deinterlace
    return replace(info, layout=layout, interlaced=interlaced, reading=reading)


@lru_cache(maxsize=32)
def _scan_sequence(sequence: ImageSequence, _changed: int, reading: Reading) -> ScannedClip:
    first = sequence.read(0, reading.rate)
    rate = reading.rate or first.rate
    if rate is None:
        raise MediaError(f"'{sequence.path}' does not say its rate; give it.", "images_rate")
    info = VideoInfo(
        path=str(sequence.path),
        rate=snap_rate(rate),
        frames=sequence.count,
        width=first.image.width,
        height=first.image.height,
        layout=first.image.layout,
        codec=first.codec,
        duration=sequence.count / snap_rate(rate),
        time_base=1 / snap_rate(rate),
        sample_aspect=first.sample_aspect,
        colour=first.colour,
        timecode=first.timecode,
        reel=first.reel,
        first_number=sequence.first,
        overscan=first.codec.startswith("exr"),
        display=first.display,
    )
    return ScannedClip(_as_read(info, reading), None, (), None)


@dataclass(frozen=True, slots=True)
class _Stamps:
    """When frames are shown: of all that decode, where the times are known, and of the key frames;
    the last one's duration; how many lie undecoded before and after them, and how many the
    container's index promises beyond the end of the file; whether from the last key frame on no
    packet is missing."""

    count: int
    times: tuple[int, ...] | None = None
    keys: tuple[int, ...] = ()
    last_duration: int = 0
    undecoded: tuple[int, int] = (0, 0)
    missing: int = 0
    unbroken: bool = False


@lru_cache(maxsize=32)
def _scan(path: str, _changed: int, _size: int) -> ScannedClip:
    """Read the clip once through: its first picture and the stamps of all frames."""
    with open_file(path) as container:
        stream = picture_stream(container, path)
        family = container.format.name.split(",")[0]
        first = _first_frame(path)
        stamps = _stamps_of_packets(container, stream)
        if family in _SEEKABLE and stream.codec_context.name != "vp8" and stamps.times:
            stamps = _that_decode(stamps, first, path)
        else:
            stamps = _stamps_of_frames(path, stamps.last_duration)
        if stream.codec_context.has_b_frames:
            stamps = _without_holes(stamps, stream)
        return _describe(container, stream, path, first, stamps)


def _stamps_of_packets(container: InputContainer, stream: Any) -> _Stamps:
    """As the container states them; without times where two are alike or one is missing."""
    stamps, keys, durations, seen = [], [], {}, 0
    decoded: list[int | None] = []  # when each packet from the last key frame on is decoded
    for packet in packets_of(container):
        if packet is None or packet.size == 0:
            continue
        seen += 1
        if packet.is_discard:
            continue
        stamps.append(packet.pts)
        durations[packet.pts] = packet.duration or 0
        if packet.is_keyframe and packet.pts is not None:
            keys.append(packet.pts)
            decoded.clear()
        decoded.append(packet.dts)
    known = [stamp for stamp in stamps if stamp is not None]
    promised = 0
    if container.format.name.startswith("mov"):
        promised = len(stream.index_entries)
    stated = [time for time in decoded if time is not None]
    steps = {after - before for before, after in pairwise(stated)}
    last = durations[max(known)] if known else 0
    clear = len(set(known)) == len(stamps)
    return _Stamps(
        count=len(stamps),
        times=tuple(sorted(known)) if clear else None,
        keys=tuple(sorted(keys)),
        last_duration=last,
        missing=max(promised - seen, 0),
        # Of the containers that are read so, MOV alone states when packets are decoded.
        unbroken=promised > 0 and len(steps) == 1 and len(stated) == len(decoded),
    )


def _that_decode(stamps: _Stamps, first: VideoFrame, path: str) -> _Stamps:
    """Without the frames at both ends that refer to others which the file does not hold: it was
    cut between key frames and not encoded anew."""
    times = stamps.times or ()
    head = bisect_left(times, first.pts if first.pts is not None else times[0])
    end = len(times) if stamps.missing else _last_decoded(path, stamps) + 1
    keys = tuple(key for key in stamps.keys if key >= times[head])
    return replace(
        stamps,
        count=end - head,
        times=times[head:end],
        keys=keys,
        undecoded=(head, len(times) - end),
    )


def _without_holes(stamps: _Stamps, stream: Any) -> _Stamps:
    """Without the frames beyond a hole near either end: a cut between the packets of frames that
    are stored in another order than they are shown in leaves out some of the first or last."""
    times = stamps.times or ()
    for rate in _stated_rates(stream):
        step = 1 / (rate * stream.time_base)
        numbers = [round((time - times[0]) / step) for time in times]
        holes = [i for i, (a, b) in enumerate(pairwise(numbers), 1) if b > a + 1]
        even = all(
            abs(time - times[0] - n * step) <= 1 for time, n in zip(times, numbers, strict=True)
        )
        if not holes or not even:
            continue
        head = max((i for i in holes if numbers[i] <= _REORDERED), default=0)
        end = min((i for i in holes if i > head and numbers[-1] - numbers[i - 1] <= _REORDERED),
                  default=len(times))  # fmt: skip
        lost = (numbers[head], numbers[-1] - numbers[end - 1])
        if any(head < i < end for i in holes) or 2 * sum(lost) > end - head:
            continue  # frames are missing everywhere
        lost = (stamps.undecoded[0] + lost[0], stamps.undecoded[1] + lost[1])
        keys = tuple(key for key in stamps.keys if times[head] <= key <= times[end - 1])
        return replace(stamps, count=end - head, times=times[head:end], keys=keys, undecoded=lost)
    return stamps


def _last_decoded(path: str, stamps: _Stamps) -> int:
    """The number of the last frame that decodes, read from the last key frame on."""
    numbers = {stamp: number for number, stamp in enumerate(stamps.times or ())}
    last = len(numbers) - 1
    if not stamps.keys or len(stamps.keys) == len(numbers) or stamps.unbroken:
        return last  # every frame stands alone, or has what it refers to before it
    with open_file(path) as container:
        with suppress(av.error.FFmpegError):
            container.seek(stamps.keys[-1], stream=find_picture(container))
        decoded = [numbers[frame.pts] for frame in decode(container) if frame.pts in numbers]
    return max(decoded, default=last)


def _stamps_of_frames(path: str, last_duration: int) -> _Stamps:
    """The times of all frames that decode; none where they do not rise."""
    with open_file(path) as container:
        times = [frame.pts for frame in decode(container)]
    known = [time for time in times if time is not None]
    rising = len(known) == len(times) and all(a < b for a, b in pairwise(known))
    return _Stamps(len(times), tuple(known) if rising else None, last_duration=last_duration)


def _first_frame(path: str) -> VideoFrame:
    with open_file(path) as container:
        for frame in decode(container):
            return frame
    raise MediaError(f"'{path}' has no picture that can be decoded; export or copy it again.")


def _describe(
    container: InputContainer, stream: Any, path: str, first: VideoFrame, stamps: _Stamps
) -> ScannedClip:
    rate, variable = _rate_of(stream, stamps.times)
    duration = stamps.count / rate
    if variable and stamps.times:
        duration = (stamps.times[-1] - stamps.times[0] + stamps.last_duration) * stream.time_base
        duration += 0 if stamps.last_duration else 1 / rate
    colour = ColourTags(first.color_range, first.color_primaries, first.color_trc, first.colorspace)
    turned = matrix_of(first)
    image = image_of(first, stream.codec_context.name, turned)
    aspect = stream.sample_aspect_ratio or Fraction(1)
    info = VideoInfo(
        path=path,
        rate=rate,
        frames=stamps.count,
        width=image.width,
        height=image.height,
        layout=image.layout,
        codec=stream.codec_context.name,
        duration=duration,
        time_base=stream.time_base,
        sample_aspect=1 / aspect if turned is not None and turned[0] == 0 else aspect,
        rotation=-first.rotation % 360,
        interlaced=first.interlaced_frame,
        variable_rate=variable,
        colour=colour,
        timecode=_timecode_of(
            container, path, stream, 0 if variable else round(rate), stamps.undecoded[0]
        ),
        reel=_tag(container, stream, "reel_name"),
        audio=tuple(map(describe_sound, sounds_of(container))),
        missing_frames=stamps.missing,
        undecoded=stamps.undecoded,
    )
    return ScannedClip(info, stamps.times, stamps.keys, turned)


def _rate_of(stream: Any, stamps: tuple[int, ...] | None) -> tuple[Fraction, bool]:
    """The rate, and whether the frames' times do not follow any one rate."""
    stated = _stated_rates(stream)
    if not stamps or len(stamps) < 2:
        return (stated or [Fraction(25)])[0], False
    mean = snap_rate(Fraction(len(stamps) - 1) / ((stamps[-1] - stamps[0]) * stream.time_base))
    for rate in dict.fromkeys((*stated, mean)):
        step = 1 / (rate * stream.time_base)
        if all(abs(s - stamps[0] - i * step) <= Fraction(101, 100) for i, s in enumerate(stamps)):
            return rate, False
    return mean, True


def _stated_rates(stream: Any) -> list[Fraction]:
    stated = (stream.guessed_rate, stream.average_rate, stream.base_rate)
    return [snap_rate(rate) for rate in stated if rate]


def snap_rate(rate: Fraction) -> Fraction:
    """The exact rate that is meant: whole frames/s or a multiple of 1000/1001, within 1e-4."""
    whole = round(rate)
    ntsc = Fraction(round(rate * Fraction(1001, 1000)) * 1000, 1001)
    for exact in (Fraction(whole), ntsc):
        if exact and abs(rate / exact - 1) <= Fraction(1, 10_000):
            return exact
    return rate.limit_denominator(1_000_000)


def _timecode_of(
    container: InputContainer, path: str, stream: Any, nominal: int, before: int
) -> str | None:
    """The time code of the first frame that decodes, `before` frames after the file's own, counted
    at the pictures' rate whatever its track counts."""
    text = _tag(container, stream, "timecode")
    if text is None or not nominal:
        return text
    counted = frames_counted(path, container.format.name.split(",")[0], stream.id)
    return recount_timecode(text, counted or nominal, nominal, before)


def _tag(container: InputContainer, picture: Any, name: str) -> str | None:
    """A metadata value of the picture, the time code track or the file."""
    places = [picture, *container.streams, container]
    for place in places:
        for key, value in place.metadata.items():
            if key.lower() == name and value:
                return str(value)
    return None
