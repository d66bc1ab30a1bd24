"""The sound of a dub: loudness of known tones, and what is kept of the shot's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile
from clip_fixtures import Ffmpeg
from numpy.typing import NDArray
from scipy.signal import lfilter

from stylesync_engine.assembling.soundtrack import SoundTracks, lay_sound
from stylesync_engine.media import (
    Frame,
    VideoInfo,
    VideoWriter,
    probe_video,
    read_audio_blocks,
    write_audio,
)
from stylesync_engine.media.loudness import measure_loudness
from stylesync_engine.media.sound import Track
from stylesync_engine.pictures.converting import black_picture
from stylesync_engine.pictures.formats import layout_of
from stylesync_engine.request import Codec, DubOptions, DubRequest, FrameRange

Array = NDArray[np.float32]
RATE, WIDTH, HEIGHT = 48000, 32, 24
SECONDS = 2


def tone(level: float, channels: int = 1, seconds: float = SECONDS, rate: int = RATE) -> Array:
    """997 Hz with a peak of `level` dBFS."""
    wave = np.sin(2 * np.pi * 997 * np.arange(round(seconds * rate)) / rate)
    return np.tile((10 ** (level / 20) * wave).astype(np.float32), (channels, 1))


def shot(path: Path, *tracks: tuple[Array, int], codec: Codec = "ffv1") -> VideoInfo:
    layout, step = layout_of("yuv420p", HEIGHT), Fraction(1, 25)
    info = VideoInfo("made", 1 / step, 50, WIDTH, HEIGHT, layout, "none", 50 * step, step)
    with VideoWriter(path, info, codec, tracks[0], tracks[1:]) as writer:
        for index in range(50):
            picture = black_picture(layout, WIDTH, HEIGHT)
            writer.write(Frame(index, index * step, step, picture))
    return probe_video(path)


def lay(folder: Path, info: VideoInfo, frames: FrameRange, **options: bool) -> SoundTracks:
    write_audio(folder / "speech.wav", tone(-12), RATE)
    request = DubRequest(
        info.path, str(folder / "speech.wav"), str(folder / "out.mkv"),
        options=DubOptions(codec="ffv1", **options),
    )  # fmt: skip
    return lay_sound(request, info, frames)


def heard(sound: Track) -> Array:
    samples = np.concatenate(list(sound.blocks()), axis=1)
    assert samples.shape == (sound.channels, sound.length)
    return samples


def loudness(samples: Array, rate: int) -> float | None:
    return measure_loudness(Track.of(samples, rate))


def track(path: Path, number: int) -> Array:
    return np.concatenate(list(read_audio_blocks(path, track=number)), axis=1)


@pytest.mark.parametrize("rate", [44100, 48000])
def test_a_tone_has_its_published_loudness(rate: int) -> None:
    # EBU Tech 3341: a stereo sine of 997 Hz with a peak of -23 dBFS is -23 LUFS; one channel of
    # it is 3.01 LU less.
    assert loudness(tone(-23, 2, rate=rate), rate) == pytest.approx(-23.0, abs=0.1)
    assert loudness(tone(-23, 1, rate=rate), rate) == pytest.approx(-26.0, abs=0.1)
    assert loudness(tone(-23, 1, seconds=0.3), RATE) is None
    assert loudness(np.zeros((1, RATE), np.float32), RATE) is None


def as_published(samples: Array) -> float:
    """Integrated loudness at 48 kHz with the filters and gates as ITU-R BS.1770-4 prints them."""
    shelf = ([1.53512485958697, -2.69169618940638, 1.19839281085285],
             [1, -1.69065929318241, 0.73248077421585])  # fmt: skip
    high_pass = ([1.0, -2.0, 1.0], [1, -1.99004745483398, 0.99007225036621])
    heard = lfilter(*high_pass, lfilter(*shelf, samples.astype(np.float64)))
    gains = np.array([1, 1, 1, 1.41, 1.41])[: len(samples)]
    powers = np.array([
        gains @ np.square(heard[:, first : first + 19200]).mean(axis=1)
        for first in range(0, samples.shape[1] - 19200 + 1, 4800)
    ])  # fmt: skip
    powers = powers[-0.691 + 10 * np.log10(powers) > -70]
    return float(-0.691 + 10 * np.log10(powers[powers > powers.mean() / 10].mean()))


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_loudness_is_that_of_the_published_filters_and_gates(channels: int) -> None:
    rng = np.random.default_rng(channels)
    swells = np.sin(np.arange(int(12.34 * RATE)) / RATE) ** 4  # some blocks below each gate
    samples = (0.1 * swells * rng.standard_normal((channels, len(swells)))).astype(np.float32)
    assert loudness(samples, RATE) == pytest.approx(as_published(samples), abs=0.03)
    parts = Track(channels, RATE, samples.shape[1], lambda: iter(np.split(samples, [7, 70001], 1)))
    assert measure_loudness(parts) == loudness(samples, RATE)


def test_without_options_the_speech_is_as_it_was(tmp_path: Path) -> None:
    info = shot(tmp_path / "a.mkv", (tone(-30, 2), RATE))
    laid = lay(tmp_path, info, FrameRange(0, 50))
    assert measure_loudness(laid.said) == pytest.approx(-15.0, abs=0.1)
    assert laid.others == ()
    assert np.abs(heard(laid.speech) - tone(-12)).max() < 2**-23


def test_the_speech_becomes_as_loud_as_the_shot(tmp_path: Path) -> None:
    info = shot(tmp_path / "a.mkv", (tone(-30, 2), RATE))
    laid = lay(tmp_path, info, FrameRange(0, 50), match_loudness=True)
    assert measure_loudness(laid.said) == pytest.approx(-30.0, abs=0.1)
    assert laid.warnings == ()
    loud = shot(tmp_path / "b.mkv", (tone(-1, 2), RATE))
    laid = lay(tmp_path, loud, FrameRange(0, 50), match_loudness=True)
    assert np.abs(heard(laid.speech)).max() <= 10 ** (-1 / 20) + 1e-6
    assert "peaks" in laid.warnings[0]


def test_stereo_and_music_follow_the_speech(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    stereo, music = (
        np.round(generator.uniform(-1, 1, (channels, SECONDS * RATE)) * 2**15).astype(np.float32)
        / 2**15
        for channels in (2, 1)
    )
    info = shot(tmp_path / "a.mkv", (stereo, RATE), (music, RATE))
    assert [one.channels for one in info.audio] == [2, 1]
    laid = lay(tmp_path, info, FrameRange(10, 30), keep_sound=True)
    first, last = round(0.4 * RATE), round(1.2 * RATE)
    assert heard(laid.speech).shape == (1, last - first)
    assert np.array_equal(heard(laid.others[0]), stereo[:, first:last])
    assert np.array_equal(heard(laid.others[1]), music[:, first:last])


@pytest.mark.parametrize(("codec", "name"), [("ffv1", "b.mkv"), ("prores422hq", "b.mov")])
def test_several_tracks_are_written(codec: Codec, name: str, tmp_path: Path) -> None:
    tracks = [(tone(-20 - n, n), RATE) for n in (1, 2, 6)]
    info = shot(tmp_path / name, *tracks, codec=codec)
    assert [one.channels for one in info.audio] == [1, 2, 6]
    for number, (samples, _) in enumerate(tracks):
        assert np.abs(track(tmp_path / name, number) - samples).max() <= 2**-23


def test_the_speech_takes_the_centre_of_surround(tmp_path: Path) -> None:
    surround = np.stack([tone(-20 - n)[0] for n in range(6)])
    info = shot(tmp_path / "a.mov", (surround, RATE), codec="prores422hq")
    assert info.audio[0].names == ("FL", "FR", "FC", "LFE", "BL", "BR")
    laid = lay(tmp_path, info, FrameRange(0, 50), keep_sound=True)
    samples = heard(laid.speech)
    assert (samples.shape, laid.speech.rate, laid.others) == ((6, SECONDS * RATE), RATE, ())
    assert np.abs(samples[2] - tone(-12)[0]).max() < 2**-23
    others = [0, 1, 3, 4, 5]
    assert np.abs(samples[others] - surround[others]).max() <= 2**-23


def test_a_silent_shot_says_so(tmp_path: Path) -> None:
    info = replace(shot(tmp_path / "a.mkv", (tone(-20), RATE)), audio=())
    laid = lay(tmp_path, info, FrameRange(0, 50), keep_sound=True, match_loudness=True)
    assert laid.others == ()
    assert len(laid.warnings) == 2


def test_a_real_clip_keeps_its_sound(
    clip: Callable[[str], Path], ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    source = ffmpeg("s.mov", "-i", clip("englishvideo.mp4"), "-t", "2", "-c:v", "mjpeg",
                    "-c:a", "pcm_s16le")  # fmt: skip
    info = probe_video(source)
    laid = lay(tmp_path, info, FrameRange(5, 45), keep_sound=True)
    samples = heard(laid.others[0])
    first = round(5 / info.rate * laid.others[0].rate)
    assert np.array_equal(samples, track(source, 0)[:, first : first + samples.shape[1]])


@pytest.mark.parametrize("match", [False, True])
def test_speech_above_full_scale_is_brought_below_it(tmp_path: Path, match: bool) -> None:
    info = shot(tmp_path / "a.mkv", (tone(-12, 2), RATE))
    loud = tmp_path / "loud.wav"
    soundfile.write(loud, 4 * tone(0).T, RATE, subtype="FLOAT")  # +12 dBFS
    options = DubOptions(codec="ffv1", match_loudness=match)
    request = DubRequest(info.path, str(loud), str(tmp_path / "dub.mkv"), options=options)
    laid = lay_sound(request, info, FrameRange(0, 50))
    assert "12.0 dB above full scale" in laid.warnings[0]
    delivered = heard(laid.speech)
    assert np.abs(delivered).max() <= 10 ** (-1 / 20) + 1e-6
    assert measure_loudness(laid.said) == pytest.approx(loudness(delivered, RATE), abs=0.02)
    assert np.corrcoef(delivered[0, :RATE], tone(0)[0, :RATE])[0, 1] > 0.999999
