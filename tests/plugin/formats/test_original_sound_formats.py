"""The shot's sound under a dub as each format says it."""

from __future__ import annotations

import subprocess
import wave
import xml.etree.ElementTree as ET
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import opentimelineio as otio
import pytest
from mlt_case import KDENLIVE, SHOTCUT, project
from stylesync_plugin.batch.dub_timeline import dub_timeline
from stylesync_plugin.formats.files import read_timeline, write_timeline
from stylesync_plugin.jobs import job_from
from stylesync_plugin.planning.planner import PlanSettings, plan
from stylesync_plugin.timeline.items import METADATA, gain_of
from stylesync_plugin.writing.write_back import Dubbed, TrackNames, remove, write_back
from timeline_material import (
    Audio,
    MarkingEngine,
    clip,
    needs_melt,
    ranged,
    run_melt,
    timeline,
    track,
    write_clip,
)

from stylesync_engine.request import DubResult

RATE = Fraction(25)


def turned(folder: Path, gain: int | None) -> Any:
    """A shot's sound in three parts: as it is, off or lowered, as it is."""
    film = folder / "film.mov"
    parts = [clip("A", film, first, 20, 25, (0, 60)) for first in (0, 20, 40)]
    if gain is None:
        parts[1].enabled = False
    else:
        parts[1].effects.append(
            otio.schema.Effect(effect_name="g", metadata={METADATA: {"db": gain}})
        )
    return timeline(track(clip("A", film, 0, 60, 25, (0, 60))), track(*parts, kind=Audio))


@pytest.mark.parametrize("suffix", [".otio", ".fcpxml", ".xml"])
def test_a_part_that_is_off_is_read_back_as_off(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cut{suffix}"
    write_timeline(turned(tmp_path, None), path)
    sounds = [
        c for t in read_timeline(path).audio_tracks() for c in t if isinstance(c, otio.schema.Clip)
    ]
    assert [sound.enabled for sound in sounds] == [True, False, True]


def test_premiere_reads_a_lowered_part_as_a_level(tmp_path: Path) -> None:
    write_timeline(turned(tmp_path, -20), tmp_path / "cut.xml")
    root = ET.fromstring((tmp_path / "cut.xml").read_text())  # noqa: S314
    levels = [
        float(parameter.findtext("value", ""))
        for effect in root.iter("effect")
        if effect.findtext("effectid") == "audiolevels"
        for parameter in effect.iter("parameter")
        if parameter.findtext("parameterid") == "level"
    ]
    assert levels == [0.1]


def test_final_cut_reads_a_lowered_part_as_a_volume(tmp_path: Path) -> None:
    write_timeline(turned(tmp_path, -20), tmp_path / "cut.fcpxml")
    root = ET.fromstring((tmp_path / "cut.fcpxml").read_text())  # noqa: S314
    assert [e.get("amount") for e in root.iter("adjust-volume")] == ["-20dB"]


def tone(path: Path, frequency: int, seconds: float) -> Path:
    moments = np.arange(round(48_000 * seconds)) / 48_000
    samples = (0.25 * np.sin(2 * np.pi * frequency * moments) * 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes(samples.tobytes())
    return path


def levels_of(
    project: Path, frequency: int, parts: int, played: tuple[int, int] | None = None
) -> list[float]:
    """How loud a frequency is in equal parts of what melt plays, relative to the first."""
    out = project.with_suffix(".wav")
    out.unlink(missing_ok=True)
    wanted = ["vn=1", "ac=1", "ar=48000", "real_time=0", "terminate_on_pause=1"]
    cut = [f"in={played[0]}", f"out={played[1] - 1}"] if played else []
    run_melt(["melt", str(project), *cut, "-consumer", f"avformat:{out}", *wanted], out)
    with wave.open(str(out)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)
    length = len(samples) // parts
    found = []
    for number in range(parts):
        middle = samples[number * length + length // 4 : (number + 1) * length - length // 4]
        turn = np.exp(-2j * np.pi * frequency * np.arange(len(middle)) / 48_000)
        found.append(abs((middle * turn).mean()))
    return [value / max(found[0], 1e-6) for value in found]


def shot(path: Path, sound: Path) -> Path:
    """Three seconds of picture with that sound in the file itself."""
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "color=gray:s=64x48:r=25:d=2.4"]
    command += ["-i", str(sound), "-c:v", "ffv1", "-c:a", "pcm_s16le", "-shortest", str(path)]
    subprocess.run(command, check=True, timeout=60)
    return path


@needs_melt
@pytest.mark.parametrize("linked", [True, False], ids=["sound tracks", "sound in the picture"])
def test_one_voice_is_heard_under_a_dub(tmp_path: Path, linked: bool) -> None:
    """The shot hums at 1000 Hz and the new speech at 1500: never both at once."""
    film = shot(tmp_path / "film.mkv", tone(tmp_path / "hum.wav", 1000, 2.4))
    tone(tmp_path / "line.wav", 1500, 0.8)
    tracks = [track(clip("A", film, 0, 60, 25, (0, 60)))]
    if linked:
        tracks.append(track(clip("A", film, 0, 60, 25, (0, 60)), kind=Audio))
    cut = timeline(*tracks)
    job = job_from({"clip": "A", "range": "20-40", "speech": "line.wav"}, "line")
    [dub] = plan(cut, [job], PlanSettings(tmp_path / "out", (tmp_path,))).dubs
    (tmp_path / "out").mkdir()
    shot(Path(dub.request.output).with_suffix(".mkv"), tmp_path / "line.wav")
    Path(dub.request.output).with_suffix(".mkv").rename(dub.request.output)
    result = DubResult(dub.request.output, RATE, 20, 20, (), {}, "m", "cpu", 0)
    write_timeline(write_back(cut, [Dubbed(dub, result)]), tmp_path / "cut.mlt")
    assert levels_of(tmp_path / "cut.mlt", 1000, 3) == pytest.approx([1, 0, 1], abs=0.02)
    first, under, last = (level for level in levels_of(tmp_path / "cut.mlt", 1500, 3))
    assert under > 50 * max(first, last)


@needs_melt
@pytest.mark.parametrize(("gain", "wanted"), [(None, 0.0), (-20, 0.1)])
def test_melt_plays_the_part_as_loud_as_it_should(
    tmp_path: Path, gain: int | None, wanted: float
) -> None:
    sound = tone(tmp_path / "voice.wav", 1000, 2.4)
    cut = turned(tmp_path, gain)
    for item in cut.audio_tracks()[0]:
        item.media_reference = otio.schema.ExternalReference(sound.as_uri(), ranged(0, 60, 25))
    assert [gain_of(item) for item in cut.audio_tracks()[0]] == [0, gain or 0, 0]
    write_timeline(cut, tmp_path / "cut.mlt")
    assert levels_of(tmp_path / "cut.mlt", 1000, 3) == pytest.approx([1.0, wanted, 1.0], abs=0.01)


def heard(root: ET.Element) -> None:
    """The clips of Shotcut's project bring their sound."""
    for told in root.iter("property"):
        if told.get("name") == "audio_index":
            told.text = "1"
    for node in root.iter("track"):
        if node.get("hide") == "audio":
            del node.attrib["hide"]


def hummed(folder: Path, name: str, number: int) -> None:
    """A clip of the projects with a hum of 1000 Hz in it."""
    picture = write_clip(folder / f"{name}.pictures.mkv", RATE, 120, number)
    sound = tone(folder / f"{name}.hum.wav", 1000, 4.8)
    command = ["ffmpeg", "-v", "error", "-i", str(picture), "-i", str(sound), "-c:v", "copy"]
    command += ["-c:a", "pcm_s16le", str(folder / f"{name}.mkv")]
    subprocess.run(command, check=True, timeout=60)


@needs_melt
@pytest.mark.parametrize("kind", [KDENLIVE, SHOTCUT])
@pytest.mark.parametrize(("level", "under"), [("off", 0), ("-20dB", 0.1), ("keep", 1)])
def test_an_editors_own_project_plays_one_voice_under_a_dub(
    tmp_path: Path, kind: str, level: Any, under: float
) -> None:
    for number, name in enumerate("ab", 1):
        hummed(tmp_path, name, number)
    tone(tmp_path / "line.wav", 1500, 0.4)
    source = project(tmp_path, tmp_path, kind, heard if kind == SHOTCUT else lambda root: None)
    job = job_from({"range": "14-24", "speech": "line.wav"}, "line", {"codec": "ffv1"})
    settings, names = PlanSettings(tmp_path / "dubs", (tmp_path,)), TrackNames(original_sound=level)
    batch = dub_timeline(read_timeline(source), [job], settings, MarkingEngine(), names)
    assert not batch.failures
    target, played = tmp_path / f"out{source.suffix}", (4, 34)
    write_timeline(batch.timeline, target)
    assert levels_of(target, 1000, 3, played) == pytest.approx([1, under, 1], abs=0.03)
    first, spoken, last = levels_of(target, 1500, 3, played)
    assert spoken > 50 * max(first, last)
    again = tmp_path / f"again{source.suffix}"
    write_timeline(read_timeline(target), again)
    assert levels_of(again, 1000, 3, played) == pytest.approx([1, under, 1], abs=0.03)
    write_timeline(remove(read_timeline(again)), target)
    assert levels_of(target, 1000, 3, played) == pytest.approx([1, 1, 1], abs=0.03)
