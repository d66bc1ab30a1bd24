"""The sound of a file, streaming, addressed by sample from the picture's first frame."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from av.container import InputContainer

from stylesync_engine.media.clips import AudioTrack
from stylesync_engine.media.containers import (
    describe_sound,
    find_picture,
    open_file,
    pass_over,
    sounds_of,
)
from stylesync_engine.media.loudness import HUMS, Powers, measure_powers
from stylesync_engine.media.probing import scan_clip
from stylesync_engine.media.sound import Sound, mono_weights, padded_samples, resample_blocks
from stylesync_engine.request import MediaError, RequestError

_ROUNDING_GAP: Final = Fraction(1, 25)
"""Jumps in the time stamps of sound up to this many seconds are rounding, not silence."""
_COARSEST: Final = Fraction(1, 500)
"""Seconds of the coarsest clock by which sounds and pictures are told that is no frame's."""
_LEADS: Final = {"aac": 1024, "mp3float": 1105, "mp2": 481, "ac3": 256, "eac3": 256}
"""Samples that encoders put before a sound, where files do not say so (FFmpeg's and LAME's)."""
_LONGEST_GAP: Final = 3600
"""Seconds without sound that a recording may have between its parts."""
_NEARLY_AS_LOUD: Final = 0.01
"""Share of the loudest stream's energy, -20 dB, from which a stream counts as speaking."""
_CANCELLED: Final = 0.05
"""Share of the loudest channel's energy below which channels in the sum cancel each other: two
equal ones leave all of it, two that have nothing in common a half, one beside silence a quarter."""
_CENTRE: Final = "FC"
MOST_PLANES: Final = 8
"""From so many planes of sound on, PyAV reads and writes beyond its memory."""
MOST_CHANNELS: Final = 8
"""The most channels of sound that are read and written."""


def read_audio(
    path: str | Path,
    sample_rate: int | None = None,
    start_sample: int | None = None,
    end_sample: int | None = None,
    mono: bool = False,
    track: int | None = None,
) -> tuple[Sound, int]:
    """Sound as float32 `[C, S]` and its rate in Hz.

    `start_sample` and `end_sample` (excluded) count the file's own samples; sample 0 is heard
    with the first frame of the picture, or is the first one where there is no picture. An end
    up to 0.1 s past the last sample is filled with silence. Raises MediaError where there is no
    sound or it is damaged, RequestError for a range beyond it.
    """
    blocks = list(read_audio_blocks(path, sample_rate, start_sample, end_sample, mono, track))
    with open_file(path) as container:
        own = _sound_stream(container, path, track).codec_context.sample_rate
    return np.concatenate(blocks, axis=1), sample_rate or own


def read_audio_blocks(
    path: str | Path,
    sample_rate: int | None = None,
    start_sample: int | None = None,
    end_sample: int | None = None,
    mono: bool = False,
    track: int | None = None,
) -> Iterator[Sound]:
    """The same as `read_audio`, block by block: an hour needs no more memory than a second.

    `track` counts the file's sound streams whose codec is known, as `VideoInfo.audio` does;
    without it the one that speaks is read, see `spoken_track`.
    """
    with open_file(path) as container:
        stream = _sound_stream(container, path, track)
        own = stream.codec_context.sample_rate
        blocks = _cut(_placed_blocks(container, stream, path), start_sample or 0, end_sample, own)
        if mono:
            weights = _speaking_weights(path, stream)
            blocks = ((weights @ block)[None] for block in blocks)
        yield from resample_blocks(blocks, own, sample_rate or own)


def probe_sound(path: str | Path, track: int | None = None) -> AudioTrack:
    """What a file's sound is. Raises MediaError where there is none."""
    with open_file(path) as container:
        stream = _sound_stream(container, path, track)
        context = stream.codec_context
        if context.channels > MOST_CHANNELS:
            raise MediaError(
                f"The sound of '{path}' has {context.channels} channels;"
                f" give one with at most {MOST_CHANNELS}."
            )
        return describe_sound(stream)


def sounds_alone(path: str | Path) -> tuple[AudioTrack, ...]:
    """The sound streams of a file that holds no picture; none of any other."""
    if not Path(path).is_file():
        return ()
    with open_file(path) as container:
        alone = find_picture(container) is None
        return tuple(map(describe_sound, sounds_of(container))) if alone else ()


def spoken_track(path: str | Path) -> int:
    """The first sound stream that is nearly as loud as the loudest: recorders leave streams empty,
    or with the noise of an input alone."""
    with open_file(path) as container:
        count = len(sounds_of(container))
    if count < 2:
        return 0
    powers = [_powers_of(path, track).mixed for track in range(count)]
    return next((n for n, p in enumerate(powers) if p >= max(powers) * _NEARLY_AS_LOUD), 0)


def note_on_track(path: str | Path, what: str) -> list[str]:
    """A sentence where not the first of a file's streams is the one that speaks."""
    track = spoken_track(path)
    said = f"The {what} was read from sound stream {track + 1} of '{Path(path).name}', the first"
    return [f"{said} on which something is heard."] if track else []


def _speaking_weights(path: str | Path, stream: Any) -> Sound:
    """What each channel adds to mono; the centre alone where it is about as loud as any, for
    dialogue sits there, and the loudest where the channels cancel each other. A channel that only
    hums beside others that speak, such as recorded time code, adds nothing."""
    names = [channel.name for channel in stream.codec_context.layout.channels]
    weights = mono_weights(names)
    if len(weights) < 2:
        return weights
    with open_file(path) as container:
        track = [s.index for s in sounds_of(container)].index(stream.index)
    powers = _powers_of(path, track)
    voices, totals = np.array(powers.voices), np.array(powers.totals)
    hums = (voices < voices.max() * HUMS) & (totals > totals.max() * _NEARLY_AS_LOUD)
    if hums.any() and weights[~hums].sum() > 0:
        weights = np.where(hums, 0, weights)
        return np.asarray(weights / weights.sum(), np.float32)
    if len(names) > 2 and _CENTRE in names and voices[names.index(_CENTRE)] > voices.max() / 4:
        return np.asarray([name == _CENTRE for name in names], np.float32)
    if powers.mixed >= voices.max() * _CANCELLED:
        return weights
    return np.asarray(np.arange(len(weights)) == voices.argmax(), np.float32)


def _picture_start(path: str | Path) -> Fraction | None:
    """When the first frame is shown on the container's clock, s; None where there is no picture or
    it has no clock."""
    with open_file(path) as container:
        stream = find_picture(container)
        if stream is None or stream.codec_context is None or stream.start_time is None:
            return None
        time_base: Fraction = stream.time_base
        stated: int = stream.start_time
    stamps = scan_clip(path).stamps
    return (stamps[0] if stamps else stated) * time_base


def _powers_of(path: str | Path, track: int) -> Powers:
    status = Path(path).stat()
    return _measure_powers(str(path), track, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=64)
def _measure_powers(path: str, track: int, _changed: int, _size: int) -> Powers:
    """Of the first minutes; 0 where nothing decodes."""
    with open_file(path) as container:
        stream = _sound_stream(container, path, track)
        weights = mono_weights([channel.name for channel in stream.codec_context.layout.channels])
        blocks = _placed_blocks(container, stream, path)
        return measure_powers(blocks, weights, stream.codec_context.sample_rate)


def _sound_stream(container: InputContainer, path: str | Path, track: int | None = None) -> Any:
    if not container.streams.audio:
        raise MediaError(f"'{path}' has no sound; give a file with speech.")
    sounds = sounds_of(container)
    if not sounds:
        raise MediaError(f"The sound of '{path}' is in no known codec; export it as WAV.")
    if track is None:
        track = spoken_track(path)
    if track >= len(sounds):
        raise RequestError(
            f"'{path}' has {len(sounds)} sound streams; give a number from 1 to {len(sounds)}.",
            "speech_stream",
        )
    stream = sounds[track]
    if not stream.codec_context.sample_rate or not stream.codec_context.channels:
        raise MediaError(f"The sound of '{path}' is damaged; export it again.")
    return stream


def _placed_blocks(container: InputContainer, stream: Any, path: str | Path) -> Iterator[Sound]:
    """Decoded blocks from sample 0 on: gaps filled with silence, what lies before 0 left out."""
    rate = stream.codec_context.sample_rate
    tolerance = int(rate * _ROUNDING_GAP)
    origin = _picture_start(path)
    due: int | None = None  # where the next block lies if the stamps have no gap; may be before 0
    given = 0
    for frame in _decode_sound(container, stream, path):
        block = _float_block(frame)
        time = None if frame.pts is None else frame.pts * frame.time_base
        if origin is None:
            origin = time or Fraction(0)
        if due is None and time is not None:
            origin = time - _settled(time - origin, frame.pts, stream, path)
        position = (due or 0) if time is None else round((time - origin) * rate)
        if due is not None and abs(position - due) <= tolerance:
            position = due
        due = position + block.shape[1]
        if position - given > rate * _LONGEST_GAP:
            raise MediaError(
                f"The sound of '{path}' has a hole of {(position - given) / rate / 3600:.1f} h;"
                " export it again."
            )
        while position > given:
            silent = min(position - given, rate)
            yield np.zeros((block.shape[0], silent), np.float32)
            given += silent
        block = block[:, given - position :]
        given += block.shape[1]
        if block.shape[1]:
            yield block
    if not given:
        raise MediaError(f"The sound of '{path}' cannot be decoded; export or copy it again.")


def _settled(later: Fraction, first: int, stream: Any, path: str | Path) -> Fraction:
    """How much later than the picture a sound begins, s, where a clock coarser than the samples
    tells both, as Matroska's of milliseconds: behind what encoders lead in with, where the decoder
    has not left it out, sounds begin with a frame, or on the clock's own tick."""
    tick, rate = stream.time_base, stream.codec_context.sample_rate
    info = scan_clip(path).info if stream.container.streams.video else None
    if info is None or info.time_base != tick or not 1 < tick * rate < rate * _COARSEST:
        return later
    with open_file(path) as again:
        whole = next(again.demux(again.streams[stream.index])).pts == first
    lead = Fraction(_LEADS.get(stream.codec_context.name, 0), rate) if whole else Fraction(0)
    grids = (1 / info.rate, tick)
    places = [round((later + lead) / grid) * grid - lead for grid in grids]
    return next(place for place in places if abs(place - later) <= tick)


def _decode_sound(container: InputContainer, stream: Any, path: str | Path) -> Iterator[Any]:
    errors = 0
    packets = container.demux(stream)
    decoder = _decoder_of(stream, path)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.error.EOFError):
            return
        except av.error.FFmpegError as error:
            raise MediaError(f"The sound of '{path}' is damaged; export it again.") from error
        if decoder is not stream.codec_context:
            packet.pts = packet.dts = None  # these count samples of another width
        try:
            frames = decoder.decode(packet)
        except av.error.FFmpegError as error:
            pass_over(error)
            errors += 1
            if errors > 3:
                raise MediaError(f"The sound of '{path}' is damaged; export it again.") from error
            continue
        yield from frames


def _decoder_of(stream: Any, path: str | Path) -> Any:
    """What decodes a stream: its own decoder but for samples that this takes for others."""
    own = stream.codec_context
    width = padded_samples(Path(path)) if own.name.startswith("pcm_") else None
    if width is None:
        return own
    plain: Any = av.CodecContext.create(f"pcm_s{8 * width}le", "r")
    plain.sample_rate, plain.layout = own.sample_rate, own.layout
    return plain


def _float_block(frame: Any) -> Sound:
    """Samples of one decoded block as float32 `[C, S]` in [-1, 1]."""
    if frame.format.is_planar and frame.layout.nb_channels >= MOST_PLANES:
        frame = with_format(frame, frame.format.packed.name)
    array = frame.to_ndarray()
    if not frame.format.is_planar:
        array = array.reshape(-1, frame.layout.nb_channels).T
    if array.dtype == np.uint8:
        return np.asarray((array.astype(np.float32) - 128) / 128, np.float32)
    if array.dtype.kind == "i":
        scale = float(1 << (8 * array.dtype.itemsize - 1))
        return np.asarray(array.astype(np.float64) / scale, np.float32)
    return np.asarray(array, np.float32)


def _cut(blocks: Iterator[Sound], start: int, end: int | None, rate: int) -> Iterator[Sound]:
    """Samples `start..end` of a stream of blocks."""
    position, channels = 0, 1
    for block in blocks:
        first, position = position, position + block.shape[1]
        channels = block.shape[0]
        part = block[:, max(start - first, 0) : None if end is None else max(end - first, 0)]
        if part.shape[1]:
            yield part
        if end is not None and position >= end:
            return
    if start >= position or (end is not None and end - position > rate // 10):
        raise RequestError(
            f"Samples {start}:{end if end is not None else ''} were asked of a sound of {position}"
            f" samples; give a range within 0:{position}."
        )
    if end is not None:
        yield np.zeros((channels, end - position), np.float32)


def with_format(frame: Any, name: str) -> Any:
    """The same samples of a decoded block in another sample format."""
    return av.AudioResampler(name, frame.layout, frame.sample_rate).resample(frame)[0]
