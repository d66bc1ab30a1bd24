"""What every host adapter does alike: read a timeline with a selection, write one with dubs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import hiero_case
import mlt_case
import pytest
import resolve_case
from blender_case import PYTHON, OpenBlender
from host_cases import Placed, dub_selection
from stylesync_plugin.commands.host import in_panel
from stylesync_plugin.formats.files import read_timeline, write_timeline
from stylesync_plugin.hosts.base import Host, Selection, Wishes
from stylesync_plugin.hosts.blender import BlenderStrips
from stylesync_plugin.hosts.otio_file import TimelineFile
from stylesync_plugin.hosts.resolve import ResolveTimeline
from stylesync_plugin.jobs import Pick
from stylesync_plugin.timeline.layout import lay_out
from timeline_material import MarkingEngine, clip, gap, timeline, track, write_clip

from stylesync_engine.request import MediaError, RequestError

RATE = Fraction(25)


@dataclass(frozen=True)
class Case:
    """A host that shows `a.mkv` from frame 5 at timeline frames 4..34; frames 8..16 are chosen.

    `shown` lists what the host's new picture items show: (start, end, first frame of the media).
    """

    host: Host
    shown: Callable[[], list[Placed]]


def _file_case(folder: Path, shot: Path) -> Case:
    source, target = folder / "cut.otio", folder / "dubbed.otio"
    items = (gap(4, 25), clip("A", shot, 5, 30, 25, (0, 40)))
    write_timeline(timeline(track(*items)), source)
    chosen = Selection(Pick(clip="A", range=("8", "16")), Pick(), Pick())

    def shown() -> list[Placed]:
        made = [placed for placed in lay_out(read_timeline(target)).clips if placed.is_ours]
        pictures = [placed for placed in made if placed.kind == "Video"]
        return [
            (*(round(t * RATE) for t in (p.root_span.start, p.root_span.end)), _first(p.clip))
            for p in pictures
        ]

    return Case(TimelineFile(source, target, chosen), shown)


def _first(item: Any) -> int:
    available = item.media_reference.available_range.start_time
    return round((item.source_range.start_time - available).value)


def _strip(name: str, **changed: Any) -> dict[str, Any]:
    plain = {
        "name": name, "type": "MOVIE", "channel": 1, "start": 5, "end": 35, "first": 5,
        "frames": 40, "fps": 25.0, "path": "", "mute": False, "selected": False, "feeds": None,
        "retimed": False, "role": "", "record": None,
    }  # fmt: skip
    return plain | changed


def _scene(folder: Path, *strips: dict[str, Any], **changed: Any) -> Path:
    plain = {
        "version": 1, "name": "Scene", "fps": 25, "fps_base": 1.0, "range": [9, 17],
        "media": str(folder / "media"), "strips": strips,
    }  # fmt: skip
    source = folder / "strips.json"
    source.write_text(json.dumps(plain | changed))
    return source


def _blender_case(folder: Path, shot: Path) -> Case:
    source = _scene(folder, _strip("A", path=str(shot), selected=True))
    target = folder / "edit.json"

    def shown() -> list[Placed]:
        added = json.loads(target.read_text())["add"]
        movies = [strip for strip in added if strip["type"] == "MOVIE"]
        return [
            (s["start"] - 1, s["start"] - 1 + s["length"], s["offset"]) for s in movies
        ]  # Blender counts from 1.

    return Case(BlenderStrips(source, target), shown)


def _bpy_case(folder: Path, shot: Path) -> Case:
    host = OpenBlender(folder, shot)
    return Case(host, host.shown)


def _resolve_case(folder: Path, shot: Path) -> Case:
    project = resolve_case.open_cut(folder)
    host = ResolveTimeline(project)  # type: ignore[arg-type]
    return Case(host, lambda: resolve_case.shown(project).get("StyleSync", []))


def _hiero_case(folder: Path, shot: Path) -> Case:
    host = hiero_case.open_sequence(folder)
    return Case(host, lambda: hiero_case.shown(host).get("StyleSync", []))


def _kdenlive_case(folder: Path, shot: Path) -> Case:
    host = mlt_case.open_project(folder, mlt_case.KDENLIVE)
    return Case(host, lambda: mlt_case.shown(host))


def _shotcut_case(folder: Path, shot: Path) -> Case:
    host = mlt_case.open_project(folder, mlt_case.SHOTCUT)
    return Case(host, lambda: mlt_case.shown(host))


_WITH_BLENDER = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON, reason="STYLESYNC_BLENDER_PYTHON names no Python with bpy"),
]


@pytest.fixture(
    params=[
        pytest.param(_file_case, id="file"),
        pytest.param(_blender_case, id="blender"),
        pytest.param(_bpy_case, id="bpy", marks=_WITH_BLENDER),
        pytest.param(_resolve_case, id="resolve"),
        pytest.param(_hiero_case, id="hiero"),
        pytest.param(_kdenlive_case, id="kdenlive"),
        pytest.param(_shotcut_case, id="shotcut"),
    ]
)
def case(request: pytest.FixtureRequest, tmp_path: Path, qapp: Any) -> Iterator[Case]:
    shot = write_clip(tmp_path / "a.mkv", RATE, 40, 1)
    yield request.param(tmp_path, shot)
    hiero_case.forget()


def _dub(case: Case, folder: Path, handles: int = 0) -> MarkingEngine:
    return dub_selection(case.host, folder, handles)


@pytest.mark.parametrize("handles", [0, 3])
def test_the_dub_lies_where_the_selection_was(case: Case, tmp_path: Path, handles: int) -> None:
    engine = _dub(case, tmp_path, handles)
    [asked] = engine.calls
    assert asked.frames is not None
    assert (asked.frames.start, asked.frames.end) == (9 - handles, 17 + handles)
    assert case.shown() == [(8, 16, handles)]


def test_reading_twice_gives_the_same(case: Case) -> None:
    (first, chosen), (second, again) = case.host.read(), case.host.read()
    assert first.is_equivalent_to(second)
    assert chosen == again


def test_a_panel_that_saves_nothing_changes_nothing(case: Case, tmp_path: Path) -> None:
    content, _ = case.host.read()
    case.host.write(in_panel(content, Wishes(tmp_path / "panel"), lambda path: 0))
    assert case.shown() == []


def test_what_the_panel_saves_comes_back(case: Case, tmp_path: Path) -> None:
    content, selection = case.host.read()

    def panel(opened: Path) -> int:
        file = TimelineFile(opened, opened.with_name("timeline.dubbed.otio"), selection)
        dub_selection(file, tmp_path)
        return 0

    case.host.write(in_panel(content, Wishes(tmp_path / "panel"), panel))
    assert case.shown() == [(8, 16, 0)]


def test_blender_keeps_what_it_has(tmp_path: Path) -> None:
    """Dubbing the same again adds nothing; another speech replaces the strips of the first."""
    shot = write_clip(tmp_path / "a.mkv", RATE, 40, 1)
    case = _blender_case(tmp_path, shot)
    _dub(case, tmp_path)
    edit = json.loads((tmp_path / "edit.json").read_text())
    assert edit["rooms"] == []
    strips = [_strip("A", path=str(shot), selected=True)]
    for added in edit["add"]:
        place = {"start": added["start"], "end": added["start"] + added["length"], "first": 0}
        known = {key: added[key] for key in ("type", "channel", "path", "record")}
        frames = 8 if added["type"] == "MOVIE" else 10
        strips.append(_strip(added["name"], frames=frames, **place, **known))
    _scene(tmp_path, *strips)
    _dub(case, tmp_path)
    same = json.loads((tmp_path / "edit.json").read_text())
    assert (same["add"], same["remove"], same["rooms"]) == ([], [], [])
    _scene(tmp_path, *strips, range=[9, 19])
    _dub(case, tmp_path)
    other = json.loads((tmp_path / "edit.json").read_text())
    lengths = [strip["length"] for strip in other["add"] if strip["type"] == "MOVIE"]
    assert 10 in lengths or len(other["remove"]) > 0


def test_blender_makes_room_below_titles(tmp_path: Path) -> None:
    shot = write_clip(tmp_path / "a.mkv", RATE, 40, 1)
    case = _blender_case(tmp_path, shot)
    title = _strip("Title", type="TEXT", channel=2, start=1, end=50)
    _scene(tmp_path, _strip("A", path=str(shot), selected=True), title)
    _dub(case, tmp_path)
    edit = json.loads((tmp_path / "edit.json").read_text())
    assert edit["rooms"] == [2]
    assert [(s["type"], s["channel"], s["like"]) for s in edit["add"]] == [
        ("MOVIE", 2, "A"), ("SOUND", 4, None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"retimed": True}, "frame for frame"),
        ({"fps": 24.0}, "frame for frame"),
        ({"feeds": "Cross"}, "'Cross' takes its picture"),
    ],
)
def test_blender_refuses_what_it_would_show_wrongly(
    tmp_path: Path, changed: dict[str, Any], said: str
) -> None:
    source = _scene(tmp_path, _strip("A", selected=True, **changed))
    with pytest.raises(RequestError, match=said):
        BlenderStrips(source, tmp_path / "edit.json").read()


def test_blender_refuses_unclear_selections(tmp_path: Path) -> None:
    host = BlenderStrips(tmp_path / "strips.json", tmp_path / "edit.json")
    first, last = _strip("A", selected=True), _strip("C", selected=True, start=60, end=80)
    _scene(tmp_path, first, _strip("B", start=40, end=50), last)
    with pytest.raises(RequestError, match="'B' lies between"):
        host.read()
    _scene(tmp_path, first, {**last, "channel": 3})
    with pytest.raises(RequestError, match="several channels"):
        host.read()
    _scene(tmp_path, first, range=[60, 70])
    with pytest.raises(RequestError, match="misses"):
        host.read()
    _scene(tmp_path, first, version=2)
    with pytest.raises(MediaError, match="another version"):
        host.read()
    _scene(tmp_path, first, _strip("S", channel=2, role="speech"))
    with pytest.raises(RequestError, match="of another kind"):
        host.read()


def test_the_rate_of_an_ntsc_scene_is_exact(tmp_path: Path) -> None:
    _scene(tmp_path, _strip("A", fps=29.97002997), fps=30, fps_base=1.00100004673, range=None)
    content, selection = BlenderStrips(tmp_path / "strips.json", tmp_path / "e.json").read()
    assert content.global_start_time.rate == 30000 / 1001
    assert not selection.dub
