"""Two takes of one shot are two things, on the timeline and in every file that keeps them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from stylesync_plugin.formats.files import read_timeline, write_timeline
from stylesync_plugin.jobs import job_from
from stylesync_plugin.planning.planner import PlanSettings, plan
from stylesync_plugin.writing.takes import takes_on
from stylesync_plugin.writing.write_back import Dubbed, list_dubs, pick_take, remove, write_back
from timeline_material import Audio, MadeUpProbe, clip, made_up, timeline, track

from stylesync_engine.request import DubResult, RequestError

RATE = Fraction(25)


@pytest.fixture
def cut(tmp_path: Path) -> Any:
    film = made_up(tmp_path, RATE, 5000)
    shot = [clip("A", film, 50, 100, 25, (0, 5000)) for _ in range(2)]
    return timeline(track(shot[0]), track(shot[1], kind=Audio, name="Dialogue"))


def dub(folder: Path, cut: Any, line: str, seed: int = 0) -> list[Dubbed]:
    (folder / line).touch()
    job = job_from({"clip": "A", "range": "20-60", "speech": line, "options": {"seed": seed}}, line)
    settings = PlanSettings(folder / "out", (folder,), probe=MadeUpProbe())
    [dub] = plan(cut, [job], settings).dubs
    result = DubResult(dub.request.output, RATE, 40, 40, (), {}, "starter", "cpu", seed)
    return [Dubbed(dub, result)]


def speech_on(timeline: Any) -> list[str]:
    tracks = [t for t in timeline.audio_tracks() if t.name == "StyleSync speech"]
    return [c.media_reference.target_url.rpartition("/")[2] for t in tracks for c in t.find_clips()]


def test_takes_lie_beside_each_other_and_change_places(tmp_path: Path, cut: Any) -> None:
    first, second = dub(tmp_path, cut, "a.wav"), dub(tmp_path, cut, "b.wav")
    one = write_back(cut, first)
    both = write_back(one, second)
    a, b = first[0].planned, second[0].planned
    assert a.id == b.id
    assert a.take != b.take
    assert [(t.id, t.picked) for t in takes_on(both)] == [(b.take, True), (a.take, False)]
    assert speech_on(both) == ["b.wav"]
    assert [entry["take"] for entry in list_dubs(both)] == [b.take]

    back = pick_take(both, a.id, a.take)
    assert [(t.id, t.picked) for t in takes_on(back)] == [(a.take, True), (b.take, False)]
    assert [t.output for t in takes_on(back)] == [a.request.output, b.request.output]
    assert speech_on(back) == ["a.wav"]
    [shown] = [c for c in back.find_clips() if c.name == "A (dubbed)"]
    assert shown.media_reference.target_url.endswith(Path(a.request.output).name)
    assert pick_take(back, a.id, b.take).is_equivalent_to(both)
    assert remove(back).is_equivalent_to(cut)


def test_the_same_take_again_is_one_take(tmp_path: Path, cut: Any) -> None:
    first = dub(tmp_path, cut, "a.wav")
    assert len(takes_on(write_back(write_back(cut, first), first))) == 1
    again = dub(tmp_path, cut, "a.wav", seed=1)
    assert len(takes_on(write_back(write_back(cut, first), again))) == 2


@pytest.mark.parametrize("name", ["cut.otio", "another name.otio"])
def test_a_saved_timeline_holds_its_takes(tmp_path: Path, cut: Any, name: str) -> None:
    both = write_back(write_back(cut, dub(tmp_path, cut, "a.wav")), dub(tmp_path, cut, "b.wav"))
    write_timeline(both, tmp_path / name)
    read = read_timeline(tmp_path / name)
    assert [t.id for t in takes_on(read)] == [t.id for t in takes_on(both)]
    place, other = takes_on(read)[1].place, takes_on(read)[1].id
    assert takes_on(pick_take(read, place, other))[0].id == other


def test_a_take_that_is_not_there_is_refused(tmp_path: Path, cut: Any) -> None:
    done = write_back(cut, dub(tmp_path, cut, "a.wav"))
    with pytest.raises(RequestError, match="no take nothing"):
        pick_take(done, takes_on(done)[0].place, "nothing")
