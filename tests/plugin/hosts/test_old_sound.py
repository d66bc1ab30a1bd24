"""The shot's own sound under a dub in the editors themselves, and that it comes back."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import hiero_case
import pytest
import resolve_case
import resolve_fake
from blender_case import PYTHON, OpenBlender
from host_cases import dub_selection
from places import ROOT
from stylesync_plugin.hosts.blender import BlenderStrips
from stylesync_plugin.hosts.resolve import ResolveTimeline
from stylesync_plugin.writing.write_back import remove
from timeline_material import write_clip, write_speech


def take_off(host: Any) -> None:
    content, _ = host.read()
    host.write(remove(content))


def hiero_with_sound(folder: Path) -> tuple[hiero_case.LoadedHiero, Any]:
    host = hiero_case.open_sequence(folder)
    [track] = host.sequence.audioTracks()
    item = track.createTrackItem("A")
    item.setSource(host.chosen.source())
    item.setTimes(4, 33, 5, 34)
    track.addTrackItem(item)

    def heard() -> list[tuple[int, int, int, bool]]:
        found = [(*item._times, item.isEnabled()) for item in track.items()]
        return [(start, end + 1, int(first), on) for start, end, first, _, on in found]

    return host, heard


def test_hiero_cuts_the_sound_and_joins_it_again(tmp_path: Path, qapp: Any) -> None:
    host, heard = hiero_with_sound(tmp_path)
    dub_selection(host, tmp_path)
    wanted = [(4, 8, 5, True), (8, 16, 9, False), (16, 34, 17, True)]
    assert heard() == wanted
    dub_selection(host, tmp_path, line=0.3)
    assert heard() == wanted
    take_off(host)
    assert heard() == [(4, 34, 5, True)]
    assert not any(i.tags() for i in host.sequence.audioTracks()[0].items())
    hiero_case.forget()


def test_hiero_says_what_it_cannot_lower(tmp_path: Path, qapp: Any) -> None:
    host, heard = hiero_with_sound(tmp_path)
    dub_selection(host, tmp_path, level="-20dB")
    assert heard() == [(4, 34, 5, True)]
    [note] = json.loads((tmp_path / "edit.json").read_text())["notes"]
    assert note.endswith("turn down 'A' under the dub yourself.")
    hiero_case.forget()


@pytest.mark.parametrize(("length", "left"), [(8, 0), (30, 1)])
def test_resolve_turns_off_what_lies_wholly_under_the_dub(
    tmp_path: Path, length: int, left: int
) -> None:
    project = resolve_case.open_cut(tmp_path)
    cut: Any = project.GetCurrentTimeline()
    shot = cut._tracks["video"][0].items[0]._media
    start = resolve_case.START + (8 if length == 8 else 4)
    sound = resolve_fake.Item(shot, start, length, 9 if length == 8 else 5, ("audio", 1))
    cut._tracks["audio"][0].items.append(sound)
    host = ResolveTimeline(project)  # type: ignore[arg-type]
    notes: list[str] = []
    dub_selection(host, tmp_path, said=notes)
    assert (sound.GetClipEnabled(), len(notes)) == (bool(left), left)
    dub_selection(host, tmp_path, line=0.3)
    assert (sound.GetClipEnabled(), len(sound.GetMarkers())) == (bool(left), 1 - left)
    take_off(host)
    assert (sound.GetClipEnabled(), sound.GetMarkers()) == (True, {})


@dataclass
class Strip:
    """A sound strip of Blender's, as far as cutting goes: `split` leaves the head and returns the
    rest, which has the same settings."""

    start: int
    frame_final_end: int
    volume: float = 1.0
    mute: bool = False
    own: dict[str, Any] = field(default_factory=dict)
    made: list[Strip] = field(default_factory=list)

    def split(self, frame: int, how: str, *, ignore_connections: bool) -> Strip:
        assert (how, ignore_connections) == ("SOFT", True)
        rest = Strip(frame, self.frame_final_end, self.volume, self.mute, dict(self.own), self.made)
        self.frame_final_end = frame
        self.made.append(rest)
        return rest

    def get(self, name: str, other: Any = None) -> Any:
        return self.own.get(name, other)

    def __setitem__(self, name: str, value: Any) -> None:
        self.own[name] = value

    def __delitem__(self, name: str) -> None:
        del self.own[name]


@pytest.mark.parametrize("level", ["off", "-20dB"])
def test_blender_cuts_a_strip_into_its_parts_and_joins_it(level: str) -> None:
    path = ROOT / "plugin/stylesync_plugin/loaders/blender/turning.py"
    spec = importlib.util.spec_from_file_location("turning", path)
    assert spec is not None
    assert spec.loader is not None
    turning = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(turning)
    strip = Strip(5, 35, 0.8)
    part = {"level": "", "record": '{"whole": "w"}'}
    under = {"start": 9, "end": 17, "level": level, "record": '{"place": "p", "whole": "w"}'}
    turning.turn(strip, [{**part, "start": 5, "end": 9}, under, {**part, "start": 17, "end": 35}])
    parts = [strip, *strip.made]
    loud = [0.8, 0.8 if level == "off" else pytest.approx(0.08), 0.8]
    assert [(p.start, p.frame_final_end, p.mute) for p in parts] == [
        (5, 9, False), (9, 17, level == "off"), (17, 35, False),
    ]  # fmt: skip
    assert [p.volume for p in parts] == loud
    strip.made.clear()
    turning.turn(strip, [{"start": 5, "end": 35, "level": "", "record": ""}])
    assert (strip.frame_final_end, strip.volume, strip.mute) == (35, 0.8, False)
    assert (strip.own, strip.made) == ({}, [])


def scene(folder: Path, *sounds: dict[str, Any]) -> BlenderStrips:
    shot = folder / "a.mkv"
    plain = {
        "channel": 1, "start": 5, "end": 35, "first": 5, "frames": 40, "fps": 25.0,
        "path": str(shot), "mute": False, "selected": False, "feeds": None, "retimed": False,
        "role": "", "record": None, "sound": None,
    }  # fmt: skip
    strips = [{**plain, "name": "A", "type": "MOVIE", "selected": True}]
    strips += [{**plain, "type": "SOUND", "channel": 2, **sound} for sound in sounds]
    told = {"version": 1, "name": "Scene", "fps": 25, "fps_base": 1.0, "range": [9, 17]}
    told |= {"media": str(folder / "media"), "strips": strips}
    (folder / "strips.json").write_text(json.dumps(told))
    return BlenderStrips(folder / "strips.json", folder / "edit.json")


def test_blender_is_told_what_to_cut_and_what_to_join(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mkv", Fraction(25), 40, 1)
    dub_selection(scene(tmp_path, {"name": "S"}), tmp_path)
    edit = json.loads((tmp_path / "edit.json").read_text())
    [sound] = edit["sounds"]
    parts = sound["parts"]
    assert sound["id"] == "S"
    assert [(p["start"], p["end"], p["level"]) for p in parts] == [
        (5, 9, ""), (9, 17, "off"), (17, 35, ""),
    ]  # fmt: skip
    names = ("S", "S.001", "S.002")
    now = [
        {"name": name, "start": p["start"], "end": p["end"], "first": p["start"],
         "sound": p["record"], "mute": p["level"] == "off"}
        for name, p in zip(names, parts, strict=True)
    ]  # fmt: skip
    take_off(scene(tmp_path, *now))
    edit = json.loads((tmp_path / "edit.json").read_text())
    assert edit["remove"] == ["S.001", "S.002"]
    assert edit["sounds"] == [
        {"id": "S", "parts": [{"start": 5, "end": 35, "level": "", "record": ""}]}
    ]


def test_a_sound_that_plays_something_else_is_left_alone(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mkv", Fraction(25), 40, 1)
    music = {"name": "Music", "path": str(tmp_path / "music.wav")}
    muted = {"name": "Muted", "mute": True, "channel": 3}
    dub_selection(scene(tmp_path, music, muted), tmp_path)
    assert json.loads((tmp_path / "edit.json").read_text())["sounds"] == []


@pytest.mark.slow
@pytest.mark.skipif(not PYTHON, reason="STYLESYNC_BLENDER_PYTHON names no Python with bpy")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("level", ["off", "-20dB", "keep"])
def test_blender_itself_turns_the_sound_and_gives_it_back(tmp_path: Path, level: str) -> None:
    shot = write_clip(tmp_path / "a.mkv", Fraction(25), 40, 1)
    write_speech(tmp_path / "a.wav", 1.6)
    host = OpenBlender(tmp_path, shot)
    before = host.sounds()
    assert [entry[:2] for entry in before] == [[4, 34]]
    dub_selection(host, tmp_path, level=level)
    mute, volume = level == "off", 0.1 if level == "-20dB" else 1.0
    wanted = [[4, 8, False, 1.0], [8, 16, mute, volume], [16, 34, False, 1.0]]
    assert host.sounds() == ([[4, 34, False, 1.0]] if level == "keep" else wanted)
    assert host.shown() == [(8, 16, 0)]
    take_off(host)
    assert (host.sounds(), host.shown()) == (before, [])
