"""Recordings made of parts of other sounds, sample for sample."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from stylesync_plugin.jobs import job_from
from stylesync_plugin.planning.planner import PlanSettings, plan
from stylesync_plugin.planning.recordings import Recording, SoundPart, record
from stylesync_plugin.timeline.sources import PictureFacts, SoundFacts
from timeline_material import Audio, MadeUpProbe, clip, made_up, timeline, track

from stylesync_engine.arrays import Array
from stylesync_engine.request import MediaError

RATE = 48_000


def write_streams(path: Path, sounds: list[Array]) -> Path:
    """Float sounds `[C, S]`, each a stream of its own."""
    with av.open(str(path), "w") as container:
        layouts = [{1: "mono", 2: "stereo", 6: "5.1"}[len(sound)] for sound in sounds]
        streams = [container.add_stream("pcm_f32le", rate=RATE, layout=name) for name in layouts]
        for stream, sound, layout in zip(streams, sounds, layouts, strict=True):
            packed = np.ascontiguousarray(sound.T).reshape(1, -1)
            block = av.AudioFrame.from_ndarray(packed, "flt", layout)
            block.sample_rate, block.pts = RATE, 0
            container.mux(stream.encode(block))
            container.mux(stream.encode(None))
    return path


def noise(channels: int, seed: int, loudness: float) -> Array:
    values = np.random.default_rng(seed).normal(0, loudness, (channels, RATE))
    return values.astype(np.float32)


def test_nothing_is_clipped_and_the_stream_is_the_chosen_one(tmp_path: Path) -> None:
    quiet, loud = noise(1, 1, 0.1), noise(1, 2, 2.0)
    file = str(write_streams(tmp_path / "two.mkv", [quiet, loud]))
    parts = tuple(
        SoundPart(file, 100, 20_100, RATE, RATE, Fraction(at), track)
        for at, track in ((0, 1), (Fraction(1, 2), 0))
    )
    made = tmp_path / "made" / "speech.wav"
    record(Recording(str(made), parts, Fraction(1)))
    samples, rate = soundfile.read(made, dtype="float32")
    expected = np.zeros(RATE, np.float32)
    expected[:20_000] = loud[0, 100:20_100]
    expected[24_000:44_000] = quiet[0, 100:20_100]
    assert rate == RATE
    assert np.array_equal(samples, expected)


def test_parts_of_different_channels_are_mixed_to_one(tmp_path: Path) -> None:
    stereo, surround = noise(2, 1, 0.1), noise(6, 2, 0.1)
    files = [write_streams(tmp_path / f"{n}.mkv", [s]) for n, s in enumerate((stereo, surround))]
    parts = tuple(
        SoundPart(str(file), 0, 1000, RATE, RATE, Fraction(number * 1000, RATE))
        for number, file in enumerate(files)
    )
    record(Recording(str(tmp_path / "made.wav"), parts, Fraction(2000, RATE)))
    samples, _ = soundfile.read(tmp_path / "made.wav")
    assert samples.shape == (2000,)
    assert samples[:1000] == pytest.approx(stereo[:, :1000].mean(axis=0), abs=1e-6)


@pytest.mark.parametrize("start", [0, 5])
def test_a_chosen_stream_reaches_the_request_or_the_recording(tmp_path: Path, start: int) -> None:
    shot = made_up(tmp_path, Fraction(25), 200)
    speech = write_streams(tmp_path / "two.mkv", [noise(1, 1, 0.1), noise(1, 2, 0.1)])
    cut = timeline(track(clip("A", shot, 50, 50, 25, (0, 200))))
    wish = job_from(
        {"name": "A", "clip": "A", "speech": str(speech), "options": {"speech_stream": 2}}, "A", {}
    )
    settings = PlanSettings(tmp_path / "media", (tmp_path,), start, probe=MadeUpProbe())
    [dub] = plan(cut, [wish], settings).dubs
    if start:  # the handles before the speech are silent: a recording is made
        assert [part.track for part in dub.recordings[0].parts] == [1]
        assert dub.request.options.speech_stream is None
    else:
        assert dub.recordings == ()
        assert dub.request.options.speech_stream == 2


@pytest.mark.parametrize("told", [None, (0, 6), (36_000, 6)])
def test_a_recorders_stamp_is_its_time_code(tmp_path: Path, told: tuple[int, int] | None) -> None:
    """Six seconds from 10:00:00:00 on, of which the timeline shows the third, however counted."""
    path = tmp_path / "take.wav"
    soundfile.write(path, np.repeat(noise(1, 3, 0.1), 6, axis=1).T, RATE)
    data, body = path.read_bytes(), bytes(338) + (36_000 * RATE).to_bytes(8, "little") + bytes(256)
    path.write_bytes(data[:12] + b"bext" + len(body).to_bytes(4, "little") + body + data[12:])
    first = 2 if told and not told[0] else 36_002
    available = (told[0] * 25, told[1] * 25) if told else None
    heard = track(clip("S", path, first * 25, 25, 25, available), kind=Audio)
    shot = made_up(tmp_path, Fraction(25), 200)
    cut = timeline(track(clip("A", shot, 50, 25, 25, (0, 200))), heard)
    wish = job_from({"clip": "A", "speech": {"track": "A1", "index": 1}}, "A", {})

    class Probe(MadeUpProbe):
        def picture(self, path: str) -> PictureFacts:
            if path.endswith(".wav"):
                raise MediaError("This holds only sound.")
            return super().picture(path)

        def sound(self, path: str) -> SoundFacts:
            return SoundFacts(RATE, 6 * RATE)

    [dub] = plan(cut, [wish], PlanSettings(tmp_path / "media", (tmp_path,), probe=Probe())).dubs
    assert dub.request.speech_samples == (2 * RATE, 3 * RATE)
