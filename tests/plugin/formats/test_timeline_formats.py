"""Timeline files in and out: other applications' own, and ours read back."""

from __future__ import annotations

import contextlib
import json
import math
import subprocess
import sys
import xml.etree.ElementTree as ET
import zipfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest
from places import DATA
from stylesync_plugin.commands.app import main
from stylesync_plugin.formats.files import READABLE, read_timeline, snapped, write_timeline
from stylesync_plugin.jobs import job_from
from stylesync_plugin.planning.planner import PlanSettings, plan
from stylesync_plugin.timeline.layout import lay_out
from stylesync_plugin.timeline.paths import path_of, url_of
from timeline_material import MadeUpProbe, clip, dissolve, gap, made_up, ranged, timeline, track

from stylesync_engine.request import DubError, RequestError

SHARED = DATA / "timelines"
FILES = sorted(SHARED.rglob("*.*")) if SHARED.is_dir() else []
NTSC_FILM = Fraction(24000, 1001)


@pytest.mark.skipif(not FILES, reason="the timelines of other applications are not here")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_files_of_other_applications(path: Path, tmp_path: Path) -> None:
    """Each is read; without its media each clip is refused by a sentence with its name."""
    rate = Fraction(25) if path.suffix == ".edl" else None
    name = "OpenTimeline_Project 1" if "event" in path.name else None
    cut = read_timeline(path, rate, name)
    for item in cut.find_children(descended_from_type=otio.core.Item):
        if item.source_range is not None:
            told = item.source_range.duration.rate
            assert told == round(told) or math.isclose(
                told * 1001 / 1000, round(told * 1001 / 1000)
            )
    (tmp_path / "line.wav").touch()
    jobs = [
        job_from({"track": t.label, "index": i, "speech": "line.wav"}, "job")
        for t in lay_out(cut).of_kind("Video")
        for i in range(1, len(t.clips) + 1)
    ]
    found = plan(cut, jobs, PlanSettings(tmp_path, (tmp_path,), probe=MadeUpProbe()))
    assert not found.dubs
    assert len(found.refused) == len(jobs)
    for refusal in found.refused:
        assert "clip '" in str(refusal.error) or "media '" in str(refusal.error)
        assert str(refusal.error).endswith(".")
    # What was read can be written, or a sentence says why not.
    for suffix in (".otio", ".xml", ".fcpxml", ".mlt"):
        with contextlib.suppress(DubError):
            write_timeline(cut, tmp_path / f"again{suffix}")


@pytest.mark.skipif(not FILES, reason="the timelines of other applications are not here")
def test_known_places_in_files_of_other_applications() -> None:
    """Worked out by hand from the files' own numbers."""
    cut = read_timeline(SHARED / "edl" / "gap_test.edl", Fraction(24))
    starts = [placed.root_span.start * 24 for placed in lay_out(cut).clips]
    assert starts == [0, 40, 102]
    cut = read_timeline(SHARED / "edl" / "dissolve_test.edl", Fraction(24))
    assert cut.global_start_time.value == 86_400
    assert [placed.root_span.start * 24 for placed in lay_out(cut).clips] == [0, 9, 19]
    cut = read_timeline(SHARED / "fcp_xml" / "premiere_enable_property.xml")
    off = {placed.clip.name for placed in lay_out(cut).clips if not placed.enabled}
    assert (
        off
        == {f"video_track_{t}_disabled_{n}" for t, n in ((1, 1), (1, 2), (3, 1))}
        | {"audio_track_1_disabled_1"}
        or {"video_track_1_disabled_1", "video_track_1_disabled_2", "video_track_3_disabled_1"}
        <= off
    )
    cut = read_timeline(SHARED / "fcpxml" / "fcpx_project.fcpxml")
    by_name = {p.clip.name: p for p in lay_out(cut).clips if p.label == "V3"}
    # Connected at 108137/30 s to a gap at 60 s whose own time starts at 3600 s.
    assert by_name["IMG_0857"].root_span.start == 60 + Fraction(108137, 30) - 3600


def test_an_edl_wants_its_rate(tmp_path: Path) -> None:
    edl = tmp_path / "a.edl"
    body = "001  R V C 01:00:00:00 01:00:01:{} 00:00:00:00 00:00:01:{}\n* FROM CLIP NAME: x\n"
    edl.write_text("TITLE: t\nFCM: NON-DROP FRAME\n" + body.format("24", "24"))
    with pytest.raises(RequestError, match="for example 25"):
        read_timeline(edl)
    with pytest.raises(RequestError, match="cannot be read as EDL"):
        read_timeline(edl, Fraction(24))
    assert lay_out(read_timeline(edl, Fraction(25))).clips[0].span.duration == Fraction(49, 25)


@pytest.mark.parametrize("levels", [300, 100_000])
def test_endless_nesting_gets_a_sentence(
    tmp_path: Path, levels: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """OpenTimelineIO itself would crash the process on the deeper one."""
    nest = '{"OTIO_SCHEMA":"Stack.1","children":['
    (tmp_path / "deep.otio").write_text(nest * levels + "]}" * levels)
    assert main(["plan", str(tmp_path / "deep.otio")]) == 2
    assert "nested more deeply" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".xml", ".fcpxml", ".mlt", ".kdenlive"])
def test_xml_with_entities_gets_a_sentence(
    tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bomb = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 10))
    text = f'<!DOCTYPE x [<!ENTITY e0 "aaaaaaaaaa">{bomb}]><x>&e9;</x>'
    (tmp_path / f"bomb{suffix}").write_text(text)
    assert main(["plan", str(tmp_path / f"bomb{suffix}")]) == 2
    assert "declares entities" in capsys.readouterr().err


def _change_range(item: Any, **changed: Any) -> None:
    item["source_range"]["start_time"].update(changed.get("start", {}))
    item["source_range"]["duration"].update(changed.get("length", {}))


_WARP = {"OTIO_SCHEMA": "LinearTimeWarp.1", "name": "w", "effect_name": "w", "metadata": {}}
_STRANGE = {
    "no length": lambda item: _change_range(item, length={"value": 0}),
    "negative length": lambda item: _change_range(item, length={"value": -9}),
    "negative start": lambda item: _change_range(item, start={"value": -90}),
    "rate 0": lambda item: _change_range(item, length={"rate": 0}),
    "rate nan": lambda item: _change_range(item, length={"rate": math.nan}),
    "nan": lambda item: _change_range(item, start={"value": math.nan}),
    "for ever": lambda item: _change_range(item, length={"value": math.inf}),
    "enormous": lambda item: _change_range(item, length={"value": 1e300}),
    "speed nan": lambda item: item.update(effects=[{**_WARP, "time_scalar": math.nan}]),
    "speed 0": lambda item: item.update(effects=[{**_WARP, "time_scalar": 0.0}]),
    "metadata": lambda item: item.update(metadata={"fcp_xml": 3, "mlt": [], "stylesync": "x"}),
    "long name": lambda item: item["media_references"]["DEFAULT_MEDIA"].update(
        target_url="file:///" + "a" * 5000
    ),
    "folder": lambda item: item["media_references"]["DEFAULT_MEDIA"].update(target_url="/"),
    "unknown schema": lambda item: item.update(OTIO_SCHEMA="Nothing.1"),
}


@pytest.mark.parametrize("change", _STRANGE.values(), ids=_STRANGE)
def test_strange_timelines_are_planned_or_get_a_sentence(
    tmp_path: Path, change: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    file = made_up(tmp_path, Fraction(25), 5000)
    items = [clip(name, file, 10, 20, 25, (0, 5000)) for name in "AB"]
    data = json.loads(timeline(track(*items)).to_json_string())
    change(data["tracks"]["children"][0]["children"][0])
    (tmp_path / "cut.otio").write_text(json.dumps(data))
    (tmp_path / "line.wav").touch()
    with contextlib.suppress(DubError):
        cut = read_timeline(tmp_path / "cut.otio")
        jobs = [job_from({"track": "V1", "index": i, "speech": "line.wav"}, "job") for i in (1, 2)]
        plan(cut, jobs, PlanSettings(tmp_path, (tmp_path,), probe=MadeUpProbe()))
    assert main(["plan", str(tmp_path / "cut.otio")]) in (0, 2)
    assert "should not have happened" not in capsys.readouterr().err


@pytest.mark.parametrize("suffix", READABLE)
@pytest.mark.parametrize("content", [b"", b"\x00\xff\xfe", b"<a>", b"{}", b'{"OTIO_SCHEMA":"X.1"}'])
def test_damaged_files_get_a_sentence(
    tmp_path: Path, suffix: str, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"broken{suffix}"
    path.write_bytes(content)
    assert main(["plan", str(path), "--rate", "25"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "Traceback" not in said


def test_unknown_and_missing_files(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no timeline we read"):
        read_timeline(tmp_path / "a.prproj")
    with pytest.raises(RequestError, match="check the path"):
        read_timeline(tmp_path / "a.otio")
    with pytest.raises(RequestError, match="no timeline we write"):
        write_timeline(timeline(), tmp_path / "a.edl")


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file:///a/b%20c%23d.mov", "/a/b c#d.mov"), ("file:///a/b#c?.mov", "/a/b#c?.mov"),
        ("file://localhost/D%3a/m/x.mov", "D:/m/x.mov"), ("/plain/ü 100%.mov", "/plain/ü 100%.mov"),
        ("file:///C:/x.mov", "C:/x.mov"), ("rel/a.mov", "rel/a.mov"),
        ("file://server/share/a.mov", "//server/share/a.mov"), ("file:/a/b.mov", "/a/b.mov"),
    ],
)  # fmt: skip
def test_urls_of_hosts(url: str, path: str) -> None:
    assert path_of(url) == path


@pytest.mark.parametrize("name", ["a b", "#1", "100%", "ü漢字", "a?b&c", "it's", "[x]", "a+b;c"])
def test_every_name_survives_as_a_url(name: str) -> None:
    assert path_of(url_of(f"/m/{name}.mov")) == f"/m/{name}.mov"


def test_host_rates_are_snapped_at_the_border() -> None:
    cut = timeline(track(clip("A", Path("/a.mov"), 10, 20, 24)))
    cut.tracks[0][0].source_range = ranged(10, 20, 23.976024627685547)
    assert snapped(cut).tracks[0][0].source_range.duration.rate == float(NTSC_FILM)


@pytest.fixture
def cut(tmp_path: Path) -> Any:
    """Two tracks at 24000/1001 with a dissolve, gaps, time code, a nest and a retime."""
    file = made_up(tmp_path, NTSC_FILM, 5000, 86_400)
    args = (NTSC_FILM, (86_400, 5000))
    nest = otio.schema.Stack("nest", source_range=ranged(4, 30, NTSC_FILM))
    nest.append(track(clip("D", file, 87_000, 60, *args)))
    fast = clip("E", file, 88_000, 20, *args)
    fast.effects.append(otio.schema.LinearTimeWarp(time_scalar=2))
    main = track(clip("A", file, 86_450, 50, *args), dissolve(5, 7, NTSC_FILM),
                 clip("B", file, 86_700, 40, *args), gap(13, NTSC_FILM), nest, fast)  # fmt: skip
    above = track(gap(61, NTSC_FILM), clip("F", file, 89_000, 17, *args))
    made = timeline(main, above)
    made.global_start_time = otio.opentime.RationalTime(86_400, float(NTSC_FILM))
    return made


def placed(cut: Any) -> list[tuple[Any, ...]]:
    """Name, place and first media time of every clip: what a format must not lose."""
    return [
        (p.clip.name, p.root_span.start, p.root_span.end, p.media(p.shown.start), p.media.scale)
        for p in lay_out(cut).clips
    ]


@pytest.mark.parametrize("suffix", [".fcpxml", ".otio"])
def test_a_film_rate_timeline_goes_through(cut: Any, tmp_path: Path, suffix: str) -> None:
    write_timeline(cut, tmp_path / f"a{suffix}")
    again = read_timeline(tmp_path / f"a{suffix}")
    assert placed(again) == placed(cut)
    assert lay_out(again).rate == NTSC_FILM
    assert lay_out(again).zero == lay_out(cut).zero
    [mix] = again.tracks[0].find_children(descended_from_type=otio.schema.Transition)
    assert (mix.in_offset.value, mix.out_offset.value) == (5, 7)


def test_fcp_7_xml_goes_through_at_film_rate(cut: Any, tmp_path: Path) -> None:
    del cut.tracks[0][4]
    # The format knows a dissolve's middle only: cuts lie there.
    cut.tracks[0][1] = dissolve(6, 6, NTSC_FILM)
    write_timeline(cut, tmp_path / "a.xml")
    assert placed(read_timeline(tmp_path / "a.xml")) == placed(cut)


_REMAP = """<filter><effect><name>Time Remap</name><effectid>timeremap</effectid>
<effectcategory>motion</effectcategory><effecttype>motion</effecttype><mediatype>video</mediatype>
<parameter><parameterid>variablespeed</parameterid><name>variablespeed</name><value>{curve}</value>
</parameter><parameter><parameterid>speed</parameterid><name>speed</name><value>{speed}</value>
</parameter><parameter><parameterid>reverse</parameterid><name>reverse</name><value>{reverse}</value>
</parameter></effect></filter>"""
_FCP_7 = """<xmeml version="4"><sequence><name>s</name><duration>20</duration>
<rate><timebase>25</timebase><ntsc>FALSE</ntsc></rate><media><video><track><clipitem id="c">
<name>A</name><duration>2500</duration><rate><timebase>25</timebase><ntsc>FALSE</ntsc></rate>
<start>0</start><end>20</end><in>100</in><out>120</out><file id="f"><name>a</name>
<pathurl>{url}</pathurl><rate><timebase>25</timebase><ntsc>FALSE</ntsc></rate>
<duration>5000</duration></file>{remap}</clipitem></track></video></media></sequence></xmeml>"""


@pytest.mark.parametrize(
    ("speed", "frames"),
    [("200", range(200, 240, 2)), ("50", [50 + i // 2 for i in range(20)]), ("100", None)],
)
def test_the_speeds_of_fcp_7_xml(tmp_path: Path, speed: str, frames: Any) -> None:
    """Worked out by hand: `in` 100 at 200 % is the source's frame 200."""
    file = made_up(tmp_path, Fraction(25), 5000)
    remap = _REMAP.format(speed=speed, curve="0", reverse="FALSE")
    (tmp_path / "a.xml").write_text(_FCP_7.format(url=url_of(file), remap=remap))
    (tmp_path / "line.wav").touch()
    settings = PlanSettings(tmp_path / "out", (tmp_path,), probe=MadeUpProbe())
    wish = job_from({"clip": "A", "speech": "line.wav"}, "job")
    write_timeline(read_timeline(tmp_path / "a.xml"), tmp_path / "again.xml")
    for name in ("a.xml", "again.xml"):
        [dub] = plan(read_timeline(tmp_path / name), [wish], settings).dubs
        if frames is None:
            assert str(dub.request.frames) == "100:120"
        else:
            assert dub.conform is not None
            assert dub.conform.frames == tuple(frames)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"speed": "200", "curve": "1", "reverse": "FALSE"}, "carries the retime 'Time Remap'"),
        ({"speed": "fast", "curve": "0", "reverse": "FALSE"}, "carries the retime 'Time Remap'"),
        ({"speed": "70", "curve": "0", "reverse": "TRUE"}, "plays backwards (speed -0.7)"),
    ],
)
def test_unclear_speeds_of_fcp_7_xml_are_refused(
    tmp_path: Path, told: dict[str, str], said: str
) -> None:
    file = made_up(tmp_path, Fraction(25), 5000)
    text = _FCP_7.format(url=url_of(file), remap=_REMAP.format(**told))
    (tmp_path / "a.xml").write_text(text)
    [placed] = lay_out(read_timeline(tmp_path / "a.xml")).clips
    assert said in placed.obstacles[0]


def test_a_freeze_is_not_lost_silently_in_fcp_7_xml(tmp_path: Path) -> None:
    item = clip("A", made_up(tmp_path, Fraction(25), 5000), 10, 20, 25, (0, 5000))
    item.effects.append(otio.schema.FreezeFrame())
    with pytest.raises(RequestError, match="cannot hold the retime of 'A'"):
        write_timeline(timeline(track(item)), tmp_path / "a.xml")


def test_fcpxml_times_lie_on_frames(cut: Any, tmp_path: Path) -> None:
    write_timeline(cut, tmp_path / "a.fcpxml")
    root = ET.parse(tmp_path / "a.fcpxml").getroot()  # noqa: S314 - we wrote it
    for element in root.iter():
        for name in ("offset", "duration"):
            if element.get(name) and element.tag not in ("asset",):
                frames = Fraction(str(element.get(name)).rstrip("s")) * NTSC_FILM
                assert frames.denominator == 1, (element.tag, name, element.get(name))


def test_mlt_has_the_length_of_the_timeline(cut: Any, tmp_path: Path) -> None:
    write_timeline(cut, tmp_path / "a.mlt")
    root = ET.parse(tmp_path / "a.mlt").getroot()  # noqa: S314 - we wrote it
    [main_tractor] = [t for t in root.iter("tractor") if t.get("id") == "main"]
    assert int(main_tractor.get("out", "0")) + 1 == 50 + 40 + 13 + 30 + 20
    profile = root.find("profile")
    assert profile is not None
    assert (profile.get("frame_rate_num"), profile.get("frame_rate_den")) == ("24000", "1001")


def test_opentimelineio_sees_our_adapters(cut: Any) -> None:
    names = otio.adapters.available_adapter_names()
    if "stylesync_fcpxml" not in names:
        pytest.skip("the package's entry point is not installed here")
    said = otio.adapters.write_to_string(cut, "stylesync_fcpxml")
    assert placed(otio.adapters.read_from_string(said, "stylesync_fcpxml")) == placed(cut)
    assert otio.adapters.write_to_string(cut, "stylesync_mlt").startswith("<?xml")


def test_a_doubled_name_in_an_otio_file_ends_no_process(tmp_path: Path) -> None:
    media = '"media_reference": {"OTIO_SCHEMA": "MissingReference.1", "name": "bars"}'
    clip = f'{{"OTIO_SCHEMA": "Clip.1", {media}, "name": "C", {media}}}'
    track = f'{{"OTIO_SCHEMA": "Track.1", "kind": "Video", "children": [{clip}]}}'
    stack = f'{{"OTIO_SCHEMA": "Stack.1", "children": [{track}]}}'
    (tmp_path / "cut.otio").write_text(f'{{"OTIO_SCHEMA": "Timeline.1", "tracks": {stack}}}')
    code = (
        "import sys; from stylesync_plugin.formats.files import read_timeline;"
        " print(next(iter(read_timeline(sys.argv[1]).find_clips())).name)"
    )
    words = [sys.executable, "-c", code, str(tmp_path / "cut.otio")]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == "C\n"


@pytest.mark.parametrize("suffix", ["otio", "otioz", "otiod"])
def test_a_timeline_without_tracks_is_refused_in_a_sentence(suffix: str, tmp_path: Path) -> None:
    text, source = '{"OTIO_SCHEMA": "Timeline.1", "tracks": null}', tmp_path / f"cut.{suffix}"
    if suffix == "otioz":
        with zipfile.ZipFile(source, "w") as bundle:
            bundle.writestr("content.otio", text)
            bundle.writestr("version.txt", "1.0.0")
    elif suffix == "otiod":
        source.mkdir()
        (source / "content.otio").write_text(text)
    else:
        source.write_text(text)
    with pytest.raises(RequestError, match="no tracks"):
        read_timeline(source, extract_to=tmp_path / "media")
