"""Which stream and which channel of a file speaks: computed sounds of which the test knows all."""

from __future__ import annotations

import struct
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from places import DATA

from stylesync_engine.arrays import Array
from stylesync_engine.media import note_on_track, probe_sound, read_audio, spoken_track
from stylesync_engine.preparing.probing import probe
from stylesync_engine.request import RequestError

RATE = 48_000


def voice(seed: int, loudness: float = 0.1) -> Array:
    return (np.random.default_rng(seed).normal(0, loudness, RATE)).astype(np.float32)


def write_streams(path: Path, sounds: list[Array]) -> Path:
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("pcm_s16le", rate=RATE, layout="mono") for _ in sounds]
        for stream, sound in zip(streams, sounds, strict=True):
            whole = np.round(sound * 32767).astype(np.int16)[None]
            block = av.AudioFrame.from_ndarray(whole, "s16", "mono")
            block.sample_rate, block.pts = RATE, 0
            container.mux(stream.encode(block))
            container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("loudness", "speaks"),
    [([0.0, 0.1], 1), ([0.0002, 0.1], 1), ([0.1, 0.0], 0), ([0.05, 0.1], 0), ([0, 0, 0.1], 2)],
)
def test_the_first_stream_that_is_heard(tmp_path: Path, loudness: list[float], speaks: int) -> None:
    sounds = [voice(seed, level) for seed, level in enumerate(loudness)]
    path = write_streams(tmp_path / "split.mov", sounds)
    assert spoken_track(path) == speaks
    assert np.abs(read_audio(path)[0][0] - sounds[speaks]).max() < 1e-4
    for track, sound in enumerate(sounds):
        assert np.abs(read_audio(path, track=track)[0][0] - sound).max() < 1e-4
    assert len(note_on_track(path, "speech")) == (speaks > 0)
    with pytest.raises(RequestError, match="1 to"):
        probe_sound(path, len(sounds))


def spoken(seed: int) -> Array:
    """Noise that comes and goes four times a second, as syllables do."""
    return voice(seed, 0.05) * (np.sin(8 * np.pi * np.arange(RATE) / RATE) > 0)


def steady(kind: str) -> Array:
    times = np.arange(RATE) / RATE
    made = {
        "time code": 0.5 * np.sign(np.sin(2400 * np.pi * times) * np.sin(74 * np.pi * times) + 0.1),
        "tone": 0.1 * np.sin(2000 * np.pi * times),
        "hum": 0.3 * np.sin(100 * np.pi * times),
        "offset": np.full(RATE, 0.5),
        "room": voice(9, 0.1),
    }
    return made[kind].astype(np.float32)


STEADY = ["time code", "tone", "hum", "offset", "room"]


@pytest.mark.parametrize("kind", STEADY)
@pytest.mark.parametrize("place", [0, 1])
def test_what_does_not_come_and_go_does_not_speak(tmp_path: Path, kind: str, place: int) -> None:
    sounds = [steady(kind)]
    sounds.insert(1 - place, spoken(1))
    assert spoken_track(write_streams(tmp_path / "split.mov", sounds)) == 1 - place
    if kind != "offset":  # a constant adds nothing that is heard
        soundfile.write(tmp_path / "stereo.wav", np.stack(sounds).T, RATE, subtype="FLOAT")
        heard = read_audio(tmp_path / "stereo.wav", mono=True)[0][0]
        assert np.abs(heard - sounds[1 - place]).max() < 1e-6


@pytest.mark.parametrize("kinds", [["tone", "hum"], ["room", "tone"], ["time code", "room"]])
def test_where_nothing_comes_and_goes_the_loud_ones_count(tmp_path: Path, kinds: list[str]) -> None:
    sounds = [steady(kind) for kind in kinds]
    assert spoken_track(write_streams(tmp_path / "split.mov", sounds)) == 0
    soundfile.write(tmp_path / "stereo.wav", np.stack(sounds).T, RATE, subtype="FLOAT")
    heard = read_audio(tmp_path / "stereo.wav", mono=True)[0][0]
    assert np.abs(heard - sum(sounds) / 2).max() < 1e-6


@pytest.mark.parametrize(
    ("bits", "used"), [(32, 24), (32, 20), (32, 32), (24, 20), (24, 24), (16, 16)]
)
@pytest.mark.parametrize("channels", [1, 2])
def test_samples_that_fill_a_part_of_their_bytes(
    tmp_path: Path, bits: int, used: int, channels: int
) -> None:
    """As recorders write them: whole numbers, left-aligned, with how many bits are used."""
    said = np.stack([spoken(n) for n in range(channels)])
    whole = np.round(said.T.astype(np.float64) * (1 << used - 1)).astype(np.int64) << 32 - used
    data = whole.astype("<i4")[..., None].view(np.uint8)[..., 4 - bits // 8 :].tobytes()
    block = channels * bits // 8
    form = struct.pack("<HHIIHHHHI", 0xFFFE, channels, RATE, RATE * block, block, bits, 22, used, 0)
    form += bytes.fromhex("0100000000001000800000aa00389b71")
    chunks = b"".join(
        name + struct.pack("<I", len(body)) + body
        for name, body in ((b"fmt ", form), (b"data", data))
    )
    path = tmp_path / "padded.wav"
    path.write_bytes(b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WAVE" + chunks)
    heard, rate = read_audio(path)
    assert (heard.shape, rate) == ((channels, RATE), RATE)
    assert np.abs(heard - said).max() <= 2.0 ** (1 - used) + 1e-7


@pytest.mark.parametrize("channels", [2, 4])
def test_channels_that_cancel_each_other(tmp_path: Path, channels: int) -> None:
    said, path = voice(1), tmp_path / "phase.wav"
    both = np.stack([said if n % 2 else -said for n in range(channels)])
    soundfile.write(path, both.T, RATE, subtype="FLOAT")
    heard, _ = read_audio(path, mono=True)
    assert np.abs(np.abs(heard[0]) - np.abs(said)).max() < 1e-6
    assert np.array_equal(read_audio(path)[0], both)  # what is delivered stays as it is


@pytest.mark.parametrize("other", [0.0, 0.1, 1.0])
def test_other_channels_are_mixed_as_ever(tmp_path: Path, other: float) -> None:
    left, path = voice(1), tmp_path / "stereo.wav"
    right = voice(2, other / 10)
    soundfile.write(path, np.stack([left, right]).T, RATE, subtype="FLOAT")
    assert np.abs(read_audio(path, mono=True)[0][0] - (left + right) / 2).max() < 1e-6


def test_the_cases_of_the_field() -> None:
    split = DATA / "cases" / "27-speech-tracks" / "split.mov"
    phase = DATA / "cases" / "04-out-of-phase" / "phase.wav"
    if not (split.is_file() and phase.is_file()):
        pytest.skip(f"needs {split} and {phase}")
    assert spoken_track(split) == 1
    for path in (split, phase):
        assert np.sqrt(np.square(read_audio(path, mono=True)[0]).mean()) > 0.01


@pytest.mark.parametrize(
    ("voices", "heard"),
    [
        ([0.1, 0.1, 0.1, 0.1, 0.05, 0.05], 2),  # dialogue in the centre, music around it
        ([0, 0, 0, 0.1, 0, 0], 3),  # a recorder's fourth microphone, which 5.1 calls LFE
        ([0, 0, 0, 0, 0.1, 0], 4),
    ],
)
def test_the_channel_of_six_that_speaks(tmp_path: Path, voices: list[float], heard: int) -> None:
    sounds = np.stack([voice(number, loud) for number, loud in enumerate(voices)])
    soundfile.write(tmp_path / "a.wav", sounds.T, RATE, format="WAVEX", subtype="FLOAT")
    mono, _ = read_audio(tmp_path / "a.wav", mono=True)
    assert np.corrcoef(mono[0], sounds[heard])[0, 1] > 0.999


def test_the_streams_of_a_file_of_sound_alone_are_told(tmp_path: Path) -> None:
    path = write_streams(tmp_path / "a.mkv", [voice(1, 0.0), voice(2)])
    streams = probe(str(path))["streams"]
    assert [(s["kind"], s["stream"], s["speaks"]) for s in streams] == [
        ("sound", 1, False), ("sound", 2, True),
    ]  # fmt: skip
