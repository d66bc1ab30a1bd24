"""Projects of Kdenlive and Shotcut, as these editors saved them: read, dubbed, played by melt."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlt_case import KDENLIVE, SHOTCUT, Change, by_id, project
from stylesync_plugin.batch.dub_timeline import dub_timeline
from stylesync_plugin.commands.app import main
from stylesync_plugin.formats.files import read_timeline, write_timeline
from stylesync_plugin.formats.mlt_document import read_document, text_of
from stylesync_plugin.jobs import job_from
from stylesync_plugin.planning.planner import PlanSettings, plan
from stylesync_plugin.timeline.layout import lay_out
from stylesync_plugin.timeline.selecting import pick_by_marker
from stylesync_plugin.writing.write_back import remove
from timeline_material import (
    MarkingEngine,
    clip,
    needs_melt,
    play,
    read_number,
    timeline,
    track,
    write_clip,
)
from timeline_material import write_speech as write_line

from stylesync_engine.request import DubOptions, DubRequest, RequestError

RATE = Fraction(25)


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media #1")
    write_clip(folder / "a.mkv", RATE, 120, 1)
    write_clip(folder / "b.mkv", RATE, 100, 2)
    write_line(folder / "line.wav", 3.0)
    return folder


def dubbed(
    source: Path, media: Path, *picks: dict[str, Any], handles: int = 0
) -> tuple[Any, MarkingEngine]:
    engine = MarkingEngine()
    jobs = [
        job_from({"speech": "line.wav", **pick}, f"job {i}", {"codec": "ffv1"})
        for i, pick in enumerate(picks)
    ]
    settings = PlanSettings(source.parent / "dubs", (media,), handles)
    batch = dub_timeline(read_timeline(source), jobs, settings, engine)
    assert not batch.failures, batch.failures
    return batch.timeline, engine


def spans(content: Any) -> list[tuple[str, str, int, int]]:
    return [
        (p.label, p.clip.name, *(round(t * RATE) for t in (p.root_span.start, p.root_span.end)))
        for p in lay_out(content).clips
    ]


def test_what_kdenlive_saved_is_read(media: Path, tmp_path: Path) -> None:
    content = read_timeline(project(media, tmp_path, KDENLIVE))
    pictures = [("V1", "a.mkv", 0, 50), ("V1", "a.mkv", 50, 119), ("V1", "b.mkv", 119, 218)]
    assert spans(content) == [*pictures, *(("A1", *place[1:]) for place in pictures)]
    assert [(p.media.offset * RATE) for p in lay_out(content).clips[:3]] == [0, 0, -119]
    assert [marker.name for marker in content.tracks.markers] == ["guide", "zone"]
    assert pick_by_marker(content, "zone").range == ("0s", "3s")
    under_guide = pick_by_marker(content, "guide")
    assert (under_guide.track, under_guide.index) == ("V1", 2)


def test_what_shotcut_saved_is_read(media: Path, tmp_path: Path) -> None:
    content = read_timeline(project(media, tmp_path, SHOTCUT))
    assert spans(content) == [("V1", "a.mkv", 4, 34), ("V1", "b.mkv", 34, 64)]
    assert [round(p.media(p.span.start) * RATE) for p in lay_out(content).clips] == [5, 10]
    assert pick_by_marker(content, "line 1").range == ("8/25s", "16/25s")


@needs_melt
@pytest.mark.parametrize("kind", [KDENLIVE, SHOTCUT])
@pytest.mark.parametrize("handles", [0, 3])
def test_melt_plays_the_dub_exactly_where_it_belongs(
    media: Path, tmp_path: Path, kind: str, handles: int
) -> None:
    """Inside, the project plays as if the whole source had been dubbed; outside, as before."""
    source = project(media, tmp_path, kind)
    content, _ = dubbed(source, media, {"range": "8-16"}, {"range": "20-30"}, handles=handles)
    write_timeline(content, tmp_path / f"out{source.suffix}")
    whole = tmp_path / "whole.mkv"
    asked = DubRequest(
        video=str(media / "a.mkv"), speech=str(media / "line.wav"), output=str(whole),
        options=DubOptions(codec="ffv1"),
    )  # fmt: skip
    MarkingEngine()(asked, lambda step: None)
    expected = tmp_path / f"expected{source.suffix}"
    expected.write_text(source.read_text().replace(">a.mkv<", f">{whole}<"))
    length = 40
    before, after, marked = (
        play(path, length) for path in (source, tmp_path / f"out{source.suffix}", expected)
    )
    inside = {*range(8, 16), *range(20, 30)}
    for k in range(length):
        wanted = marked if k in inside else before
        assert np.array_equal(after[k], wanted[k]), k
    for first, end in ((8, 16), (20, 30)):
        for k in (first - 1, first, end - 1, end):
            assert read_number(after[k]) == read_number(before[k])
            assert np.array_equal(after[k], before[k]) == (k not in inside)


@pytest.mark.parametrize("kind", [KDENLIVE, SHOTCUT])
def test_removing_gives_the_document_back(media: Path, tmp_path: Path, kind: str) -> None:
    source = project(media, tmp_path, kind)
    content, _ = dubbed(source, media, {"range": "8-16"})
    target = tmp_path / f"out{source.suffix}"
    write_timeline(content, target)
    assert not is_same(source, target)
    write_timeline(remove(read_timeline(target)), tmp_path / f"back{source.suffix}")
    assert is_same(source, tmp_path / f"back{source.suffix}")


def is_same(first: Path, second: Path) -> bool:
    said = [ET.canonicalize(from_file=str(path), strip_text=True) for path in (first, second)]
    return said[0] == said[1]


@pytest.mark.parametrize("kind", [KDENLIVE, SHOTCUT])
def test_dubbing_again_replaces_its_own_result(media: Path, tmp_path: Path, kind: str) -> None:
    source = project(media, tmp_path, kind)
    first, again = (tmp_path / f"{name}{source.suffix}" for name in ("first", "again"))
    write_timeline(dubbed(source, media, {"range": "8-16"})[0], first)
    content, engine = dubbed(first, media, {"range": "8-16"}, {"range": "20-24"})
    assert len(engine.calls) == 1
    write_timeline(content, again)
    ours = [place[1:] for place in spans(read_timeline(again)) if place[0].startswith("Style")]
    assert [place for place in ours if "dubbed" in place[0]] == [
        ("a.mkv (dubbed)", 8, 16), ("a.mkv (dubbed)", 20, 24),
    ]  # fmt: skip
    assert len(read_document(again).main.findall("track")) == (
        len(read_document(source).main.findall("track")) + 2
    )


def _with_composition(root: ET.Element) -> None:
    """A picture in picture on V2, laid over V1 by hand, and a group of clips of V2."""
    main_tractor = root.findall("tractor")[-1]
    wipe = ET.SubElement(main_tractor, "transition", {"in": "0", "out": "30"})
    for name, value in {"a_track": "3", "b_track": "4", "mlt_service": "composite"}.items():
        ET.SubElement(wipe, "property", name=name).text = value


def test_what_counts_tracks_is_counted_anew(media: Path, tmp_path: Path) -> None:
    source = project(media, tmp_path, KDENLIVE, _with_composition)
    write_timeline(dubbed(source, media, {"range": "8-16"})[0], tmp_path / "out.kdenlive")
    document = read_document(tmp_path / "out.kdenlive")
    nodes = [document.producer_of(track) for track in document.main.findall("track")]
    names = [text_of(node, "kdenlive:track_name") for node in nodes if node is not None]
    assert names == ["", "StyleSync speech", "", "", "", "StyleSync", ""]
    told = [
        tuple(text_of(node, name) for name in ("mlt_service", "a_track", "b_track"))
        for node in document.main.findall("transition")
    ]
    blend = "frei0r.cairoblend"
    assert told == [
        ("mix", "0", "2"), ("mix", "0", "3"), *((blend, "0", place) for place in "456"),
        ("composite", "4", "6"), ("mix", "0", "1"),
    ]  # fmt: skip
    assert document.setting("activeTrack") == "3"
    assert document.setting("videoTarget") == "-1"
    groups = document.setting("groups")
    assert all(f'"{place}"' in groups for place in ("3:0", "2:0", "3:50", "2:119"))


def _as_sequence(root: ET.Element) -> None:
    """The same in the form of Kdenlive 23.04 and later: the timeline is a sequence of the bin."""
    sequence = root.findall("tractor")[-1]
    sequence.set("id", "{2f1c}")
    bin_list = by_id(root, "main_bin")
    for told in bin_list.findall("property"):
        name = told.get("name", "").partition("docproperties.")[2]
        if name in ("zonein", "zoneout", "guides", "groups", "activeTrack"):
            bin_list.remove(told)
            told.set("name", f"kdenlive:sequenceproperties.{name}")
            sequence.append(told)
    ET.SubElement(bin_list, "entry", {"producer": "{2f1c}", "in": "0", "out": "0"})
    root.remove(bin_list)
    root.append(bin_list)
    outer = ET.SubElement(root, "tractor", {"id": "tractor99", "in": "0", "out": "217"})
    ET.SubElement(outer, "property", name="kdenlive:projectTractor").text = "1"
    ET.SubElement(outer, "track", {"producer": "{2f1c}", "in": "0", "out": "217"})


def test_the_form_of_newer_versions_with_sequences(media: Path, tmp_path: Path) -> None:
    source = project(media, tmp_path, KDENLIVE, _as_sequence)
    content = read_timeline(source)
    assert spans(content)[0] == ("V1", "a.mkv", 0, 50)
    assert [marker.name for marker in content.tracks.markers] == ["guide", "zone"]
    write_timeline(dubbed(source, media, {"range": "8-16"})[0], tmp_path / "out.kdenlive")
    document = read_document(tmp_path / "out.kdenlive")
    assert document.main.get("id") == "{2f1c}"
    assert len(document.main.findall("track")) == 7
    assert document.setting("activeTrack") == "3"


def _with_speed(root: ET.Element) -> None:
    producer = by_id(root, "chain0")
    for told in producer.findall("property"):
        if told.get("name") in ("mlt_service", "resource"):
            producer.remove(told)
    for name, value in {"mlt_service": "timewarp", "resource": "2:a.mkv", "warp_speed": "2",
                        "warp_resource": "a.mkv"}.items():  # fmt: skip
        ET.SubElement(producer, "property", name=name).text = value


@needs_melt
def test_a_clip_at_double_speed(media: Path, tmp_path: Path) -> None:
    source = project(media, tmp_path, SHOTCUT, _with_speed)
    content, engine = dubbed(source, media, {"clip": "a.mkv"})
    [asked] = engine.calls
    assert "conformed" in asked.video
    write_timeline(content, tmp_path / "out.mlt")
    before, after = play(source, 40), play(tmp_path / "out.mlt", 40)
    for k in (4, 5, 20, 33):
        assert read_number(after[k]) == read_number(before[k]) == (1, 10 + 2 * (k - 4))
        assert not np.array_equal(after[k], before[k])
    for k in (3, 34, 39):
        assert np.array_equal(after[k], before[k])


def _fade(root: ET.Element) -> None:
    effect = by_id(root, "chain0").find("filter")
    assert effect is not None
    next(p for p in effect if p.get("name") == "level").text = "00:00:00.000=0;00:00:00.400=1"


def _freeze(root: ET.Element) -> None:
    effect = ET.SubElement(by_id(root, "chain0"), "filter")
    ET.SubElement(effect, "property", name="mlt_service").text = "freeze"


def _part_of(root: ET.Element) -> None:
    effect = by_id(root, "chain0").find("filter")
    assert effect is not None
    effect.set("out", "00:00:00.400")


def _title(root: ET.Element) -> None:
    next(p for p in by_id(root, "chain0") if p.get("name") == "mlt_service").text = "kdenlivetitle"


def _slides(root: ET.Element) -> None:
    next(p for p in by_id(root, "chain0") if p.get("name") == "mlt_service").text = "qimage"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_fade, "carries the effect 'brightness', which changes over time"),
        (_part_of, "carries the effect 'brightness', which changes over time"),
        (_freeze, "is retimed by the effect 'freeze'"),
        (_title, "is a title or generator"),
        (_slides, "is made by 'qimage', not from a media file"),
    ],
)
def test_what_a_dub_could_not_show_is_refused(
    media: Path, tmp_path: Path, change: Change, said: str
) -> None:
    content = read_timeline(project(media, tmp_path, SHOTCUT, change))
    job = job_from({"track": "V1", "index": 1, "speech": "line.wav"}, "job")
    [refusal] = plan(content, [job], PlanSettings(tmp_path, (media,))).refused
    assert said in str(refusal.error)
    assert "(V1 at 00:00:00:04)" in str(refusal.error)


def _mixed(root: ET.Element) -> None:
    """A mix of Kdenlive's: the next clip begins early, on the second playlist of the track."""
    upper, lower = by_id(root, "playlist4"), by_id(root, "playlist5")
    entry = upper.findall("entry")[2]
    upper.remove(entry)
    ET.SubElement(lower, "blank", length="00:00:04.560")
    lower.append(entry)


def test_both_clips_of_a_mix_are_refused_and_the_others_are_not(
    media: Path, tmp_path: Path
) -> None:
    content = read_timeline(project(media, tmp_path, KDENLIVE, _mixed))
    assert spans(content)[:3] == [
        ("V1", "a.mkv", 0, 50), ("V1", "a.mkv", 50, 119), ("V1", "b.mkv", 119, 213),
    ]  # fmt: skip
    obstacles = [bool(placed.obstacles) for placed in lay_out(content).clips[:3]]
    assert obstacles == [False, True, True]


def test_a_project_that_changed_meanwhile_is_not_written(media: Path, tmp_path: Path) -> None:
    source = project(media, tmp_path, KDENLIVE)
    content, _ = dubbed(source, media, {"range": "8-16"})
    with pytest.raises(RequestError, match=r"saved again as \.kdenlive"):
        write_timeline(content, tmp_path / "out.mlt")
    source.write_text(source.read_text() + "\n")
    with pytest.raises(RequestError, match="was changed since"):
        write_timeline(content, tmp_path / "out.kdenlive")
    source.unlink()
    with pytest.raises(RequestError, match="is gone"):
        write_timeline(content, tmp_path / "out.kdenlive")
    with pytest.raises(RequestError, match="only where the timeline came from one"):
        write_timeline(
            timeline(track(clip("A", media / "a.mkv", 0, 9, 25))), tmp_path / "x.kdenlive"
        )


def test_a_project_keeps_its_media_when_it_moves(media: Path, tmp_path: Path) -> None:
    """Names without a folder mean the project's own; saved elsewhere it says which that was."""
    source = project(media, media, SHOTCUT, lambda root: root.attrib.pop("root", None) and None)
    content, _ = dubbed(source, media, {"range": "8-16"})
    write_timeline(content, tmp_path / "out.mlt")
    assert read_document(tmp_path / "out.mlt").root.get("root") == str(media)
    source.unlink()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("<mlt", '<!DOCTYPE m [<!ENTITY a "b">]><mlt', "declares entities"),
        ('producer="chain0"', 'producer="nobody"', "which it does not hold"),
        ('in="00:00:00.200"', 'in="soon"', "'soon' is not a time"),
        ('in="00:00:00.200"', 'in="00:00:09.000"', "trim it anew"),
        ('in="00:00:00.200"', 'in="-5"', "trim it anew"),
        ('frame_rate_num="25"', 'frame_rate_num="0"', "names no frame rate"),
        ('frame_rate_den="1"', 'frame_rate_den="0"', "names no frame rate"),
        ("<tractor", "<other", "cannot be read as MLT"),
        ('<track producer="background"', '<track producer="tractor0"', ""),
    ],
)
def test_damaged_projects_get_a_sentence(
    media: Path, tmp_path: Path, old: str, new: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    source = project(media, tmp_path, SHOTCUT)
    text = source.read_text()
    assert old in text
    source.write_text(text.replace(old, new, 1))
    code = main(["plan", str(source), "--search", str(media)])
    heard = capsys.readouterr().err
    assert (code, heard.count("\n")) == ((2, 1) if said else (0, 0))
    assert said in heard


def test_a_guide_is_enough_to_dub(
    media: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = project(media, tmp_path, KDENLIVE)
    words = ["plan", str(source), "--speech", str(media / "line.wav"), "--marker"]
    assert main([*words, "guide"]) == 0
    assert "00:00:02:00-00:00:04:19" in capsys.readouterr().out
    assert main([*words, "nobody"]) == 2
    assert "There is no marker 'nobody'; the timeline has: 'guide', 'zone'." in (
        capsys.readouterr().err
    )
