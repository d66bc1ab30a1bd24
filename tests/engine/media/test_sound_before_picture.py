"""Sound that begins before or after the picture, in what cameras and recorders write.

A click lies at a known sample of the sound, and the picture begins a known time after the sound:
the difference, in rational arithmetic, is where the click has to be read.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
import pytest

from stylesync_engine.media import probe_video, read_audio, read_frames

RATE: Final = 48_000
CLICK: Final = RATE  # samples after the sound's beginning


def write_clip(path: Path, codec: str, picture: Fraction, sound: Fraction) -> Path:
    """25 frames that begin `picture` s, and sound that begins `sound` s after the clock's zero."""
    samples = np.zeros(RATE * 2, np.float32)
    samples[CLICK] = 0.9
    fine = {"movie_timescale": str(RATE)} if path.suffix in (".mov", ".mp4") else {}
    with av.open(str(path), "w", options=fine) as container:
        video = container.add_stream("mpeg2video" if path.suffix == ".ts" else "mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        audio = container.add_stream(codec, rate=RATE, layout="mono")
        audio.codec_context.bit_rate = 192_000
        for number in range(25):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 9, np.uint8), "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            _mux(container, video.encode(frame), picture)
        _mux(container, video.encode(None), picture)
        for first in range(0, len(samples), 1024):
            block = av.AudioFrame.from_ndarray(samples[None, first : first + 1024], "fltp", "mono")
            block.pts, block.sample_rate, block.time_base = first, RATE, Fraction(1, RATE)
            resampler = av.AudioResampler(audio.codec_context.format, "mono", RATE)
            for part in resampler.resample(block):
                part.pts = first
                _mux(container, audio.encode(part), sound)
        _mux(container, audio.encode(None), sound)
    return path


def _mux(
    container: av.container.OutputContainer, packets: list[av.Packet], later: Fraction
) -> None:
    for packet in packets:
        shift = round(later / packet.time_base)
        packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
        container.mux(packet)


def test_what_a_file_does_not_say_is_heard_as_every_player_hears_it(tmp_path: Path) -> None:
    """AVI has no word for what an encoder puts before a sound: its decoders give that, too."""
    path = write_clip(tmp_path / "clip.avi", "libmp3lame", Fraction(0), Fraction(0))
    samples, _ = read_audio(path)
    with av.open(str(path)) as container:
        whole = np.concatenate([f.to_ndarray() for f in container.decode(audio=0)], axis=1)
    assert np.array_equal(samples, whole)
    assert (
        abs(int(np.abs(samples[0]).argmax()) - CLICK - 1105) <= 1
    )  # LAME's 576 and a decoder's 529


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [
        *((".mov", "pcm_s16le"), (".mkv", "pcm_s24le"), (".mkv", "flac")),
        *((".mov", "aac"), (".mp4", "aac"), (".mkv", "aac"), (".ts", "aac")),
        *((".mkv", "ac3"), (".mkv", "mp2"), (".mkv", "libmp3lame")),
    ],
)
@pytest.mark.parametrize(
    ("picture", "sound"),
    [("0", "0"), ("1/25", "0"), ("2/25", "0"), ("12/25", "0"), ("1", "23/25"), ("0", "1/5")],
)
def test_the_click_is_where_it_is_due(
    tmp_path: Path, suffix: str, codec: str, picture: str, sound: str
) -> None:
    begins = Fraction(picture), Fraction(sound)
    path = write_clip(tmp_path / f"clip{suffix}", codec, *begins)
    samples, rate = read_audio(path)
    due = CLICK - round((begins[0] - begins[1]) * RATE)
    assert rate == RATE
    assert np.abs(samples[0]).argmax() == due
    assert next(iter(read_frames(path))).time == 0
    assert probe_video(path).frames == 25
