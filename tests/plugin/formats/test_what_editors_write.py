"""What editing programs really write, against times reckoned by hand from the text."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest
from places import DATA
from stylesync_plugin.formats.files import read_timeline, write_timeline
from stylesync_plugin.timeline.items import speed_of
from stylesync_plugin.timeline.layout import Layout, PlacedClip, lay_out
from stylesync_plugin.timeline.sources import Library
from stylesync_plugin.times import Span
from timeline_material import MadeUpProbe

from stylesync_engine.request import RequestError

FILM, PAL, NTSC = Fraction(24000, 1001), Fraction(25), Fraction(30000, 1001)
DOUBLE = Fraction(60000, 1001)


def edl(folder: Path, text: str, rate: Fraction, form: str = "NON-DROP") -> Layout:
    file = folder / "cut.edl"
    file.write_text(f"TITLE: cut\nFCM: {form} FRAME\n\n{text}")
    return lay_out(read_timeline(file, rate))


def frames(layout: Layout, placed: PlacedClip) -> tuple[int, int]:
    """Timeline frames that a clip covers, from the timeline's start."""
    start, end = (moment * layout.rate for moment in (placed.span.start, placed.span.end))
    assert start.denominator == end.denominator == 1
    return int(start), int(end)


@pytest.mark.parametrize(
    ("rate", "form", "told", "speed"),
    [
        (NTSC, "DROP", "059.9", Fraction(2)),
        (NTSC, "NON-DROP", "044.9", Fraction(3, 2)),
        (NTSC, "DROP", "015.0", Fraction(1, 2)),
        (PAL, "NON-DROP", "050.0", Fraction(2)),
        (PAL, "NON-DROP", "012.5", Fraction(1, 2)),
        (FILM, "NON-DROP", "047.9", Fraction(2)),
        (DOUBLE, "DROP", "119.8", Fraction(2)),
        (PAL, "NON-DROP", "025.0", Fraction(1)),
        (PAL, "NON-DROP", "000.0", Fraction(0)),
    ],
)
@pytest.mark.parametrize("reel", ["AX", "25-1_500", "025", "A001 C002", "B113RPTW"])
def test_an_m2_line_is_a_retime_whatever_the_lengths(
    tmp_path: Path, rate: Fraction, form: str, told: str, speed: Fraction, reel: str
) -> None:
    comment = "* FROM CLIP NAME: a.mov\n" if reel == "AX" else ""
    event = "001  AX  V  C  00:00:01:00 00:00:01:20 01:00:00:00 01:00:00:20\n"
    motion = f"M2   {reel}   {told}   00:00:01:00\n"
    layout = edl(tmp_path, event + comment + motion, rate, form)
    (placed,) = layout.clips
    assert placed.media.scale == speed
    assert not placed.obstacles
    assert frames(layout, placed) == (0, 20)
    assert placed.media(placed.span.start) * rate == round(rate)


def test_lengths_that_differ_say_the_speed_exactly(tmp_path: Path) -> None:
    event = "001  AX  V  C  00:00:00:00 00:00:01:15 01:00:00:00 01:00:00:24\nM2   AX  041.6  0\n"
    (placed,) = edl(tmp_path, event, PAL).clips
    assert placed.media.scale == Fraction(40, 24)


@pytest.mark.parametrize(
    "event",
    [
        "001  AX  V  C  00:00:00:00 00:00:01:00 01:00:00:00 01:00:01:00\nM2 AX -025.0 00:00:01:00",
        "001  AX  V  C  00:00:00:00 00:00:02:00 01:00:00:00 01:00:01:00",
        "001  AX  V  C  00:00:00:00 00:00:01:00 01:00:00:00 01:00:01:00\nM2 AX SLOW 00:00:01:00",
        "001  AX  V  K  B  00:00:00:00 00:00:01:00 01:00:00:00 01:00:01:00",
    ],
    ids=["reverse", "lengths differ unsaid", "speed unclear", "key"],
)
def test_events_that_cannot_be_dubbed_are_placed_and_say_why(tmp_path: Path, event: str) -> None:
    layout = edl(tmp_path, event, PAL)
    (placed,) = layout.clips
    assert placed.obstacles
    assert frames(layout, placed) == (0, 25)


def test_channels_of_one_event_are_no_transition(tmp_path: Path) -> None:
    text = (
        "001  REEL1  V   C        00:00:00:00 00:00:02:00 01:00:00:00 01:00:02:00\n"
        "001  REEL1  A2  C        00:00:00:00 00:00:01:00 01:00:01:00 01:00:02:00\n"
        "* FROM CLIP NAME: a.mov\n"
        "002  REEL1  V   C        00:00:02:00 00:00:02:00 01:00:02:00 01:00:02:00\n"
        "002  REEL2  V   D    010 00:00:05:00 00:00:06:00 01:00:02:00 01:00:03:00\n"
    )
    layout = edl(tmp_path, text, PAL)
    picture, dissolved, sound = layout.clips
    assert (frames(layout, picture), frames(layout, dissolved)) == ((0, 50), (50, 75))
    assert dissolved.head is not None
    assert dissolved.head.span == Span(Fraction(2), Fraction(12, 5))
    assert (sound.kind, frames(layout, sound)) == ("Audio", (25, 50))


def test_a_fade_from_black_begins_a_clip(tmp_path: Path) -> None:
    text = (
        "001  BL   V   C        00:00:00:00 00:00:00:00 01:00:00:00 01:00:00:00\n"
        "001  AX   V   D    024 00:00:03:00 00:00:05:00 01:00:00:00 01:00:02:00\n"
    )
    (placed,) = edl(tmp_path, text, PAL).clips
    assert placed.media(placed.span.start) == 3


def test_each_time_counts_by_its_own_mark(tmp_path: Path) -> None:
    text = "001  AX  V  C  01:00:00:00 01:00:01:00 01:00:00;00 01:00:01;00\n"
    (placed,) = edl(tmp_path, text, NTSC, "DROP").clips
    assert placed.media(placed.span.start) == Fraction(108000) / NTSC
    timeline = read_timeline(tmp_path / "cut.edl", NTSC)
    assert timeline.global_start_time.value == 108000 - 108


@pytest.mark.parametrize(("form", "mark"), [("DROP", ";"), ("NON-DROP", ":")])
def test_a_time_code_is_shown_as_its_list_counts(tmp_path: Path, form: str, mark: str) -> None:
    event = "001  AX  V  C  00:00:00:00 00:00:01:00 01:00:00:00 01:00:01:00\n"
    layout = edl(tmp_path, event, NTSC, form)
    assert layout.time_code(Fraction(0)) == f"01:00:00{mark}00"


def test_a_list_in_the_order_of_its_sources(tmp_path: Path) -> None:
    event = "{:03} A  V  C  00:00:0{}:00 00:00:0{}:00 01:00:0{}:00 01:00:0{}:00\n"
    given = event.format(1, 1, 2, 3, 4) + event.format(2, 4, 5, 0, 1)
    layout = edl(tmp_path, given, PAL)
    assert [(p.span.start, p.media(p.span.start)) for p in layout.clips] == [(0, 4), (3, 1)]


def test_pictures_over_each_other_lie_on_tracks_of_their_own(tmp_path: Path) -> None:
    under = "001  A  V  C  00:00:01:00 00:00:02:00 01:00:00:00 01:00:01:00\n"
    over = "002  B  V  C  00:00:05:00 00:00:06:00 01:00:00:12 01:00:01:12\n"
    own = "003  D  V2  C  00:00:07:00 00:00:08:00 01:00:00:00 01:00:01:00\n"
    layout = edl(tmp_path, under + over + own, PAL)
    found = {placed.label: frames(layout, placed) for placed in layout.clips}
    assert found == {"V1": (0, 25), "V2": (0, 25), "V3": (12, 37)}


def test_a_key_and_its_background_are_placed_and_say_why(tmp_path: Path) -> None:
    text = (
        "001  A  V  C  00:00:01:00 00:00:02:00 01:00:00:00 01:00:01:00\n"
        "002  A  V  K  B  00:00:02:00 00:00:03:00 01:00:01:00 01:00:02:00\n"
        "002  B  V  K  000  00:00:05:00 00:00:06:00 01:00:01:00 01:00:02:00\n"
    )
    plain, *keyed = edl(tmp_path, text, PAL).clips
    assert not plain.obstacles
    assert len(keyed) == 2
    assert all("the edit K" in placed.obstacles[0] for placed in keyed)


def test_a_channel_of_sound_alone_shows_nothing(tmp_path: Path) -> None:
    text = "001  A  NONE  C  00:00:01:00 00:00:02:00 01:00:00:00 01:00:01:00\nAUD  3  4\n"
    assert [placed.kind for placed in edl(tmp_path, text, PAL).clips] == ["Audio"]


@pytest.mark.parametrize(
    "times",
    ["23:59:59:00 00:00:01:00 01:00:00:00 01:00:02:00",
     "01:00:00:00 01:00:02:00 23:59:59:00 00:00:01:00"],
)  # fmt: skip
def test_an_event_over_midnight_is_said(tmp_path: Path, times: str) -> None:
    with pytest.raises(RequestError, match="after midnight"):
        edl(tmp_path, f"001  A  V  C  {times}\n", PAL)


def test_an_event_that_is_none_is_said(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="none of CMX 3600"):
        edl(tmp_path, "001  what is this\n", PAL)


def fcpxml(folder: Path, story: str, resources: str = "", **sequence: str) -> Path:
    file = folder / "cut.fcpxml"
    told = {"tcStart": "0s", "tcFormat": "NDF", "frame": "1/25s", **sequence}
    file.write_text(
        f"""<?xml version="1.0"?><!DOCTYPE fcpxml><fcpxml version="1.11"><resources>
        <format id="f" frameDuration="{told["frame"]}"/>
        <asset id="a" start="0s" duration="20s" hasVideo="1" hasAudio="1" format="f">
          <media-rep kind="original-media" src="file:///footage/a.mov"/></asset>
        <asset id="b" start="100s" duration="20s" hasVideo="1" format="f">
          <media-rep kind="original-media" src="file:///footage/b.mov"/></asset>
        <asset id="s" start="0s" duration="20s" hasAudio="1" audioRate="48000">
          <media-rep kind="original-media" src="file:///footage/s.wav"/></asset>{resources}
        </resources><library><event><project name="p"><sequence format="f"
        tcStart="{told["tcStart"]}" tcFormat="{told["tcFormat"]}"><spine>{story}</spine></sequence>
        </project></event></library></fcpxml>"""
    )
    return file


def seen(layout: Layout, kind: str = "Video") -> list[tuple[Fraction, Fraction, str, Fraction]]:
    """Start and end on the timeline, the file, and its time that is shown first; in s."""
    return [
        (
            placed.root_span.start, placed.root_span.end,
            placed.clip.media_reference.target_url.rpartition("/")[2],
            placed.media(placed.to_root.inverse()(placed.root_span.start)),
        )
        for placed in layout.clips
        if placed.kind == kind
    ]  # fmt: skip


@pytest.mark.parametrize(("start", "offset"), [("3600s", 3600), ("3600s", 0), ("0s", 0)])
def test_offsets_count_from_the_sequences_start_or_from_nought(
    tmp_path: Path, start: str, offset: int
) -> None:
    story = (
        f'<asset-clip ref="a" offset="{offset}s" start="1s" duration="2s">'
        '<asset-clip ref="b" lane="1" offset="2s" start="103s" duration="1s"/></asset-clip>'
        f'<asset-clip ref="a" offset="{offset + 2}s" start="5s" duration="1s"/>'
    )
    path = fcpxml(tmp_path, story, tcStart=start)
    found = [(0, 2, "a.mov", 1), (2, 3, "a.mov", 5), (1, 2, "b.mov", 103)]
    timeline = read_timeline(path)
    assert seen(lay_out(timeline)) == found
    write_timeline(timeline, tmp_path / "again.fcpxml")
    assert seen(lay_out(read_timeline(tmp_path / "again.fcpxml"))) == found
    written = (tmp_path / "again.fcpxml").read_text()
    assert f'offset="{start}"' in written  # as Final Cut counts


def test_final_cuts_folder_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "cut.fcpxmld"
    folder.mkdir()
    with pytest.raises(RequestError, match=r"no Info\.fcpxml"):
        read_timeline(folder)
    fcpxml(tmp_path, '<asset-clip ref="a" duration="2s"/>').rename(folder / "Info.fcpxml")
    assert seen(lay_out(read_timeline(folder))) == [(0, 2, "a.mov", 0)]


def test_a_synchronised_clip_shows_its_storylines_clips(tmp_path: Path) -> None:
    story = """<sync-clip offset="0s" name="Sync" start="4s" duration="6s"><spine>
      <gap offset="0s" start="3600s" duration="3s"/>
      <clip offset="3s" start="2s" duration="4s"><video ref="a" offset="1s" duration="20s"/></clip>
      <asset-clip ref="b" offset="7s" start="110s" duration="9s"/></spine>
      <asset-clip ref="s" lane="-1" offset="2s" start="1s" duration="12s"/></sync-clip>"""
    layout = lay_out(read_timeline(fcpxml(tmp_path, story)))
    # Local time 4 s is 1 s into the clip, whose own time is 3 s there, 2 s after its video begins.
    assert seen(layout) == [(0, 3, "a.mov", 2), (3, 6, "b.mov", 110)]
    assert seen(layout, "Audio") == [(0, 6, "s.wav", 3)]


MULTICAM = """<media id="m"><multicam format="f" tcStart="{start}">
  <mc-angle angleID="A"><gap offset="{start}" start="3600s" duration="2s"/>
    <asset-clip ref="a" offset="{later}" duration="18s"/></mc-angle>
  <mc-angle angleID="C"><ref-clip ref="c" offset="{start}" start="1s" duration="15s"/></mc-angle>
  <mc-angle angleID="S"><asset-clip ref="s" offset="{start}" duration="20s"/></mc-angle>
  </multicam></media>
  <media id="c"><sequence format="f" tcStart="0s"><spine>
    <asset-clip ref="b" offset="0s" start="105s" duration="15s">
      <timeMap><timept time="0s" value="0s"/><timept time="10s" value="20s"/></timeMap>
    </asset-clip></spine></sequence></media>"""


@pytest.mark.parametrize("start", [0, 3600])
def test_a_multicam_clip_shows_the_angle_that_was_chosen(tmp_path: Path, start: int) -> None:
    resources = MULTICAM.format(start=f"{start}s", later=f"{start + 2}s")
    story = (
        '<mc-clip ref="m" offset="0s" start="{at}s" duration="4s"><mc-source angleID="{angle}"'
        ' srcEnable="video"/><mc-source angleID="S" srcEnable="audio"/></mc-clip>'
    )
    path = fcpxml(tmp_path, story.format(at=start + 3, angle="A"), resources)
    layout = lay_out(read_timeline(path))
    assert seen(layout) == [(0, 4, "a.mov", 1)]
    assert seen(layout, "Audio") == [(0, 4, "s.wav", 3)]
    path = fcpxml(tmp_path, story.format(at=start + 3, angle="C"), resources)
    (nested,) = (placed for placed in lay_out(read_timeline(path)).clips if placed.kind == "Video")
    # 3 s into the angle is 4 s into the compound clip: 109 s local, at twice the speed 218 s.
    assert nested.media.scale == 2
    assert nested.media(Fraction(0)) == 218


@pytest.mark.parametrize("inner", ["", ' offset="9s"'])
def test_an_audition_lies_where_it_says(tmp_path: Path, inner: str) -> None:
    chosen = '<asset-clip ref="{}" start="{}s" duration="2s"{}/><asset-clip ref="s" duration="2s"/>'
    first, above = chosen.format("a", 4, inner), chosen.format("b", 103, inner)
    story = (
        f'<audition offset="1s">{first}</audition><gap offset="3s" start="3600s" duration="5s">'
        f'<audition lane="1" offset="3602s">{above}</audition></gap>'
    )
    layout = lay_out(read_timeline(fcpxml(tmp_path, story)))
    assert seen(layout) == [(1, 3, "a.mov", 4), (5, 7, "b.mov", 103)]


@pytest.mark.parametrize("middle", ["", '<timept time="4s" value="8s"/>'])
def test_a_straight_retiming_curve_is_a_speed(tmp_path: Path, middle: str) -> None:
    curve = f'<timept time="0s" value="0s"/>{middle}<timept time="10s" value="20s"/>'
    story = f'<asset-clip ref="a" start="2s" duration="3s"><timeMap>{curve}</timeMap></asset-clip>'
    (placed,) = lay_out(read_timeline(fcpxml(tmp_path, story))).clips
    assert (placed.media(Fraction(0)), placed.media.scale, placed.obstacles) == (4, 2, ())
    bent = story.replace('value="20s"', 'value="21s"')
    if middle:
        (placed,) = lay_out(read_timeline(fcpxml(tmp_path, bent))).clips
        assert "retiming curve" in placed.obstacles[0]


def test_an_angle_that_is_missing_is_said_and_nothing_is_guessed(tmp_path: Path) -> None:
    story = '<mc-clip ref="gone" offset="0s" name="x" duration="1s"/>'
    (placed,) = lay_out(read_timeline(fcpxml(tmp_path, story))).clips
    assert isinstance(placed.clip.media_reference, otio.schema.MissingReference)


def test_clips_that_contain_themselves_are_refused(tmp_path: Path) -> None:
    loop = """<media id="m"><multicam format="f"><mc-angle angleID="A">
      <mc-clip ref="m" offset="0s" duration="9s"/></mc-angle></multicam></media>"""
    with pytest.raises(RequestError, match="contain themselves"):
        read_timeline(fcpxml(tmp_path, '<mc-clip ref="m" duration="1s"/>', loop))


@pytest.mark.parametrize(("form", "mark"), [("DF", ";"), ("NDF", ":")])
def test_the_format_of_time_code_is_read_and_written(tmp_path: Path, form: str, mark: str) -> None:
    story = '<asset-clip ref="a" offset="0s" duration="1001/1000s"/>'
    path = fcpxml(tmp_path, story, frame="1001/30000s", tcFormat=form)
    timeline = read_timeline(path)
    assert lay_out(timeline).time_code(Fraction(0))[-3] == mark
    write_timeline(timeline, tmp_path / "again.fcpxml")
    assert f'tcFormat="{form}"' in (tmp_path / "again.fcpxml").read_text()


def test_placeholders_without_a_rate_are_passed_over(tmp_path: Path) -> None:
    rate = "<rate><timebase>{}</timebase><ntsc>FALSE</ntsc></rate>"
    item = (
        "<clipitem><name>{name}</name><duration>{length}</duration>{rate}<start>{start}</start>"
        "<end>{end}</end><in>{first}</in><out>{last}</out><file id='{name}'><name>{name}</name>"
        "{media}</file></clipitem>"
    )
    slug = item.format(name="slug", length=0, rate=rate.format(0), start=0, end=50, first=0,
                       last=50, media="<mediaSource>Slug</mediaSource>")  # fmt: skip
    shot = item.format(
        name="shot", length=50, rate=rate.format(25), start=50, end=90, first=5, last=45,
        media=f"<pathurl>file:///footage/a.mov</pathurl>{rate.format(25)}<duration>50</duration>",
    )  # fmt: skip
    (tmp_path / "cut.xml").write_text(
        f"<xmeml version='4'><sequence><name>cut</name>{rate.format(25)}<media><video><track>"
        f"{slug}{shot}</track></video></media></sequence></xmeml>"
    )
    slugged, placed = lay_out(read_timeline(tmp_path / "cut.xml")).clips
    assert not slugged.has_picture
    assert (placed.span, placed.media(placed.span.start)) == (
        Span(Fraction(2), Fraction(18, 5)), Fraction(1, 5),
    )  # fmt: skip


RATE_25 = "<rate><timebase>25</timebase><ntsc>FALSE</ntsc></rate>"


def xmeml_clip(start: int, end: int, first: int, media: str) -> str:
    return (
        f"<clipitem><name>c</name><duration>200</duration>{RATE_25}<start>{start}</start>"
        f"<end>{end}</end><in>{first}</in><out>{first + end - start}</out>{media}</clipitem>"
    )


def xmeml_sequence(name: str, clips: str) -> str:
    return (
        f"<sequence id='{name}'><name>{name}</name><duration>200</duration>{RATE_25}"
        f"<media><video><track>{clips}</track></video></media></sequence>"
    )


def test_nested_sequences_show_what_they_hold(tmp_path: Path) -> None:
    file = f"<file id='f'><pathurl>file:///a.mov</pathurl>{RATE_25}<duration>500</duration></file>"
    inner = xmeml_sequence("inner", xmeml_clip(0, 100, 20, file))
    middle = xmeml_sequence("middle", xmeml_clip(10, 90, 5, inner))
    again = xmeml_clip(50, 60, 30, "<sequence id='inner'/>")
    whole = xmeml_sequence("cut", xmeml_clip(0, 50, 20, middle) + again)
    (tmp_path / "cut.xml").write_text(f"<xmeml version='5'>{whole}</xmeml>")
    timeline = read_timeline(tmp_path / "cut.xml")
    # Frame 20 of middle is frame 10 of its clip, 15 of inner and 35 of the file.
    assert seen(lay_out(timeline)) == [
        (0, 2, "a.mov", Fraction(35, 25)), (2, Fraction(12, 5), "a.mov", 2),
    ]  # fmt: skip
    assert "video" not in timeline.metadata["fcp_xml"]


def test_a_multiclip_shows_its_active_angle(tmp_path: Path) -> None:
    rest = "<rate><timebase>25</timebase></rate><duration>200</duration>"
    media = "<file id='{0}'><name>{0}</name><pathurl>file:///footage/{0}.mov</pathurl>" + rest
    angles = "".join(
        f"<angle><activevideoangle>{told}</activevideoangle><clip id='k{name}'><name>{name}</name>"
        f"{rest}<media><video><track>{xmeml_clip(0, 100, first, media.format(name) + '</file>')}"
        "</track></video></media></clip></angle>"
        for name, told, first in (("a", "FALSE", 0), ("b", "TRUE", 50))
    )
    whole = xmeml_clip(0, 25, 10, f"<multiclip id='m'><name>m</name>{angles}</multiclip>")
    again = xmeml_clip(25, 50, 60, "<multiclip id='m'/>")
    (tmp_path / "cut.xml").write_text(
        f"<xmeml version='5'>{xmeml_sequence('cut', whole + again)}</xmeml>"
    )
    layout = lay_out(read_timeline(tmp_path / "cut.xml"))
    assert seen(layout) == [
        (0, 1, "b.mov", Fraction(60, 25)), (1, 2, "b.mov", Fraction(110, 25)),
    ]  # fmt: skip


@pytest.mark.parametrize(("enabled", "speed"), [("FALSE", 1), ("TRUE", 2)])
def test_a_retime_that_is_off_changes_nothing(tmp_path: Path, enabled: str, speed: int) -> None:
    told = "".join(
        f"<parameter><parameterid>{name}</parameterid><value>{value}</value></parameter>"
        for name, value in (("variablespeed", 0), ("speed", 200), ("reverse", "FALSE"))
    )
    remap = (
        f"<filter><enabled>{enabled}</enabled><effect><name>Time Remap</name>"
        f"<effectid>timeremap</effectid>{told}</effect></filter>"
    )
    file = f"<file id='f'><pathurl>file:///footage/a.mov</pathurl>{RATE_25}</file>"
    clips = xmeml_clip(0, 25, 10, remap + file)
    (tmp_path / "cut.xml").write_text(f"<xmeml version='5'>{xmeml_sequence('cut', clips)}</xmeml>")
    (placed,) = lay_out(read_timeline(tmp_path / "cut.xml")).clips
    assert (placed.media.scale, placed.media(Fraction(0))) == (speed, Fraction(10 * speed, 25))


def test_a_clip_without_a_file_is_a_placeholder(tmp_path: Path) -> None:
    clips = xmeml_clip(0, 25, 0, "") + xmeml_clip(
        25, 50, 5, "<file id='f'><name>a.mov</name><duration>500</duration></file>"
    )
    (tmp_path / "cut.xml").write_text(f"<xmeml version='5'>{xmeml_sequence('s', clips)}</xmeml>")
    (tmp_path / "a.mov").touch()
    empty, offline = lay_out(read_timeline(tmp_path / "cut.xml")).clips
    assert not empty.has_picture
    found = Library((tmp_path,), MadeUpProbe()).find(offline.clip, "x")
    assert found == str(tmp_path / "a.mov")


def otio_text(**clip: Any) -> dict[str, Any]:
    timeline = otio.schema.Timeline("cut")
    track = otio.schema.Track("V1")
    long = otio.opentime.TimeRange(
        otio.opentime.RationalTime(0, 25), otio.opentime.RationalTime(20, 25)
    )
    track.append(otio.schema.Clip("shot", otio.schema.ExternalReference("a.mov", long), long))
    timeline.tracks.append(track)
    data: dict[str, Any] = json.loads(otio.adapters.write_to_string(timeline, "otio_json"))
    data["tracks"]["children"][0]["children"][0].update(clip)
    return data


STRANGE = {"OTIO_SCHEMA": "Sparkle.2", "name": "glow", "amount": [1, 2], "metadata": {"a": 1}}


@pytest.mark.parametrize("field", ["effects", "markers"])
def test_what_nobody_knows_is_passed_over_and_kept(tmp_path: Path, field: str) -> None:
    path, again = tmp_path / "cut.otio", tmp_path / "again.otio"
    path.write_text(json.dumps(otio_text(**{field: [STRANGE]})))
    timeline = read_timeline(path)
    assert speed_of(next(iter(timeline.find_clips()))) == (1, "")
    write_timeline(timeline, again)
    clip = json.loads(again.read_text())["tracks"]["children"][0]["children"][0]
    assert clip[field] == [STRANGE]


@pytest.mark.parametrize("kind", ["LinearTimeWarp.9", "Retime.1", "SpeedRamp.2"])
def test_a_retime_that_nobody_knows_is_not_passed_over(tmp_path: Path, kind: str) -> None:
    path, again = tmp_path / "cut.otio", tmp_path / "again.otio"
    effect = {"OTIO_SCHEMA": kind, "name": "fast", "time_scalar": 2.0, "metadata": {}}
    path.write_text(json.dumps(otio_text(effects=[effect])))
    timeline = read_timeline(path)
    assert "fast" in speed_of(next(iter(timeline.find_clips())))[1]
    write_timeline(timeline, again)
    clip = json.loads(again.read_text())["tracks"]["children"][0]["children"][0]
    assert clip["effects"] == [effect]


def test_media_of_a_kind_that_nobody_knows_are_kept_beside_the_others(tmp_path: Path) -> None:
    data = otio_text()
    references = data["tracks"]["children"][0]["children"][0]["media_references"]
    references["cloud"] = {**STRANGE, "OTIO_SCHEMA": "CloudReference.1"}
    (tmp_path / "cut.otio").write_text(json.dumps(data))
    timeline = read_timeline(tmp_path / "cut.otio")
    assert seen(lay_out(timeline)) == [(0, Fraction(4, 5), "a.mov", 0)]
    write_timeline(timeline, tmp_path / "again.otio")
    kept = json.loads((tmp_path / "again.otio").read_text())["tracks"]["children"][0]["children"][0]
    assert kept["media_references"]["cloud"] == references["cloud"]


@pytest.mark.parametrize("kind", ["Subtitle.1", "Clip.9"])
def test_an_item_that_nobody_knows_is_named(tmp_path: Path, kind: str) -> None:
    data = otio_text()
    data["tracks"]["children"][0]["children"].append({"OTIO_SCHEMA": kind, "name": "hello"})
    (tmp_path / "cut.otio").write_text(json.dumps(data))
    with pytest.raises(RequestError, match=rf"'hello' of the kind {kind}, which") as caught:
        read_timeline(tmp_path / "cut.otio")
    assert "N14opentimelineio" not in str(caught.value)


def test_an_item_without_length_or_rate_is_passed_over(tmp_path: Path) -> None:
    nothing = {"OTIO_SCHEMA": "RationalTime.1", "rate": 0.0, "value": 0.0}
    cut = otio.schema.Timeline("cut")
    cut.tracks.append(otio.schema.Track("V1"))
    told = otio.opentime.TimeRange(
        otio.opentime.RationalTime(5, 25), otio.opentime.RationalTime(20, 25)
    )
    shown = otio.schema.ExternalReference("file:///footage/a.mov")
    cut.tracks[0].append(otio.schema.Clip("shot", shown, told))
    data = json.loads(cut.to_json_string())
    gap = json.loads(otio.schema.Gap(source_range=told).to_json_string())
    gap["source_range"].update(start_time=nothing, duration=nothing)
    children = data["tracks"]["children"][0]["children"]
    children.insert(0, gap)
    (tmp_path / "cut.otio").write_text(json.dumps(data))
    layout = lay_out(read_timeline(tmp_path / "cut.otio"))
    assert layout.rate == PAL
    assert seen(layout) == [(0, Fraction(4, 5), "a.mov", Fraction(1, 5))]
    children[1]["source_range"]["duration"]["value"] = -20.0
    (tmp_path / "cut.otio").write_text(json.dumps(data))
    with pytest.raises(RequestError, match="length below 0"):
        lay_out(read_timeline(tmp_path / "cut.otio"))


def test_readers_keep_their_classes_to_themselves(tmp_path: Path) -> None:
    data = otio_text(effects=[{"OTIO_SCHEMA": "Effect.1", "name": "x"}])
    (tmp_path / "cut.otio").write_text(json.dumps(data))
    with pytest.raises(RequestError) as caught:
        read_timeline(tmp_path / "cut.otio")
    assert "opentimelineio" not in str(caught.value)
    assert "best as .otio" not in str(caught.value)


SAMPLES = sorted(
    path
    for path in (DATA / "timelines").glob("*/*")
    if path.suffix in (".otio", ".edl", ".xml", ".fcpxml")
)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_public_samples_are_laid_out_or_refused_in_a_sentence(path: Path) -> None:
    try:
        layout = lay_out(read_timeline(path, PAL if path.suffix == ".edl" else None))
    except RequestError as error:
        said = str(error)
        assert said.endswith(".")
        assert not any(word in said for word in ("object has no", "RationalTime(", "Error"))
    else:
        assert layout.clips


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_lists_in_every_encoding(tmp_path: Path, encoding: str, ends: str) -> None:
    lines = ["TITLE: cut", "001  A1  V  C  00:00:01:00 00:00:02:00 01:00:00:00 01:00:01:00",
             "* FROM CLIP NAME: Käse für Übung.mov"]  # fmt: skip
    (tmp_path / "cut.edl").write_bytes(ends.join(lines).encode(encoding))
    [clip] = read_timeline(tmp_path / "cut.edl", PAL).find_clips()
    assert clip.name == "Käse für Übung.mov"


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16", "ISO-8859-1", "windows-1252"])
def test_xml_in_the_encoding_that_it_tells(tmp_path: Path, encoding: str) -> None:
    story = '<asset-clip ref="a" name="Käse" offset="0s" duration="1s"/>'
    file = fcpxml(tmp_path, story)
    text = file.read_text().replace('version="1.0"?', f'version="1.0" encoding="{encoding}"?')
    file.write_bytes(text.encode(encoding))
    assert [clip.name for clip in read_timeline(file).find_clips()] == ["Käse"]
