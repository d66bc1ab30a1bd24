"""Several speakers of one shot: jobs that are said at once make one dub."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest
from stylesync_plugin.batch.dub_timeline import dub_timeline
from stylesync_plugin.batch.farm import job_data
from stylesync_plugin.batch.records import content_key, input_hashes
from stylesync_plugin.jobs import job_from
from stylesync_plugin.planning.planner import Plan, PlanSettings, plan
from stylesync_plugin.timeline.items import METADATA
from stylesync_plugin.writing.takes import takes_on
from stylesync_plugin.writing.write_back import list_dubs, pick_take, remove
from timeline_material import (
    Audio,
    MadeUpProbe,
    MarkingEngine,
    clip,
    made_up,
    timeline,
    track,
    write_clip,
    write_speech,
)

RATE = Fraction(25)


@pytest.fixture
def cut(tmp_path: Path) -> Any:
    (tmp_path / "line.wav").touch()
    film = made_up(tmp_path, RATE, 5000)
    shots = [clip("A", film, 50, 100, 25, (0, 5000)), clip("B", film, 300, 100, 25, (0, 5000))]
    return timeline(track(*shots))


def asked(name: str, range_: str, speaker: str | None, **more: Any) -> Any:
    data = {"range": range_, "speech": "line.wav", "speaker": speaker, **more}
    return job_from({key: value for key, value in data.items() if value is not None}, name)


def planned(folder: Path, cut: Any, *jobs: Any) -> Plan:
    return plan(cut, jobs, PlanSettings(folder / "out", (folder,), probe=MadeUpProbe()))


def test_lines_said_at_once_are_one_dub(cut: Any, tmp_path: Path) -> None:
    jobs = asked("1", "10-50", "70:100,50"), asked("2", "40-80", "70:300,50")
    [dub] = planned(tmp_path, cut, *jobs).dubs
    assert dub.jobs == ("1", "2")
    assert (dub.place.seen.start * 25, dub.place.seen.end * 25) == (10, 80)
    main, other = dub.request.faces
    assert [str(face.speaker) for face in (main, other)] == ["70:300,50", "70:100,50"]
    assert (str(main.frames), main.video) == ("60:130", other.video)
    assert [str(key) for key in main.mouth_keys] == ["original@60:90"]
    assert [str(key) for key in other.mouth_keys] == ["original@100:130"]
    assert other.output == main.output
    assert [sound[1].start * 25 for sound in dub.sounds] == [10, 40]
    # Each speech is laid where its own line begins, and lasts as long as all of the frames.
    assert [recording.length * 25 for recording in dub.recordings] == [70, 70, 70]
    assert [recording.parts[0].at * 25 for recording in dub.recordings] == [0, 30, 0]
    assert (dub.recordings[2].path, len(dub.recordings[2].parts)) == (dub.heard, 2)


def test_the_order_of_the_jobs_does_not_matter(cut: Any, tmp_path: Path) -> None:
    jobs = [asked("1", "10-50", "70:100,50"), asked("2", "40-80", "70:300,50")]
    one = planned(tmp_path, cut, *jobs).dubs
    assert planned(tmp_path, cut, *jobs[::-1]).dubs == one
    first, second = jobs
    beside = job_from({**job_data(second), "beside": [job_data(first)]}, "2")
    assert planned(tmp_path, cut, beside).dubs == one
    assert job_from(job_data(beside), "2") == beside
    other = job_from({**job_data(first), "beside": [job_data(second)]}, "1")
    assert planned(tmp_path, cut, beside, other).dubs == one


@pytest.mark.parametrize(
    ("ranges", "speakers", "dubs"),
    [
        (("10-40", "40-80"), ("70:1,1", "90:9,9"), 2),  # one after the other
        (("10-50", "40-80"), (None, "90:9,9"), 2),  # nobody says whose mouth it is
        (("10-50", "10-50"), ("70:1,1", "70:1,1"), 2),  # two takes of one
        (("10-50", "30-70", "60-90"), ("70:1,1", "90:9,9", "70:1,1"), 1),  # a dialogue
        (("10-50", "10-50", "20-40"), ("70:1,1", "70:1,1", "90:9,9"), 2),  # a take stays its own
    ],
)
def test_who_is_put_into_one_picture(
    cut: Any, tmp_path: Path, ranges: tuple[str, ...], speakers: Any, dubs: int
) -> None:
    pairs = enumerate(zip(ranges, speakers, strict=True), 1)
    found = planned(tmp_path, cut, *(asked(str(n), *pair) for n, pair in pairs))
    assert (len(found.dubs), found.refused) == (dubs, ())


def test_speakers_of_different_shots_stay_apart(cut: Any, tmp_path: Path) -> None:
    """A line that goes on into the next shot shares a picture only where somebody else speaks."""
    jobs = asked("1", "10-150", "70:1,1"), asked("2", "120-140", "330:9,9")
    found = planned(tmp_path, cut, *jobs)
    assert [(dub.place.clip, dub.jobs) for dub in found.dubs] == [("A", ("1",)), ("B", ("1", "2"))]


def test_layers_of_several_faces_are_refused(cut: Any, tmp_path: Path) -> None:
    jobs = (
        asked("1", "10-50", "70:1,1", options={"delivery": "overlay"}),
        asked("2", "40-80", "90:9,9"),
    )
    found = planned(tmp_path, cut, *jobs)
    assert [refusal.job for refusal in found.refused] == ["1", "2"]
    assert "full frames" in str(found.refused[0].error)


def test_one_that_cannot_be_dubbed_does_not_stop_the_other(cut: Any, tmp_path: Path) -> None:
    wrong = asked("1", "10-50", "nowhere")
    found = planned(tmp_path, cut, wrong, asked("2", "40-80", "90:9,9"))
    assert [dub.jobs for dub in found.dubs] == [("2",)]
    assert [refusal.job for refusal in found.refused] == ["1"]


@pytest.fixture
def real(tmp_path: Path) -> Any:
    shot = write_clip(tmp_path / "a.mkv", RATE, 60, 1)
    for number in (1, 2):
        write_speech(tmp_path / f"line{number}.wav", 0.8)
    items = clip("A", shot, 0, 60, 25, (0, 60))
    return timeline(track(items), track(clip("A", shot, 0, 60, 25, (0, 60)), kind=Audio))


def line(number: int, range_: str, speaker: str) -> Any:
    data = {"range": range_, "speech": f"line{number}.wav", "speaker": speaker}
    return job_from(data, str(number), {"codec": "ffv1"})


def test_a_dub_of_both_takes_the_place_of_each(real: Any, tmp_path: Path) -> None:
    """What was dubbed alone before is a take beside it; nothing is heard twice."""
    settings, engine = PlanSettings(tmp_path / "out", (tmp_path,)), MarkingEngine()
    jobs = line(1, "5-25", "10:1,1"), line(2, "20-40", "30:9,9")
    alone = real
    for job in jobs:
        alone = dub_timeline(alone, [job], settings, engine).timeline
    assert len(list_dubs(alone)) == 2
    both = dub_timeline(alone, jobs, settings, engine).timeline
    [dub] = list_dubs(both)
    assert dub["jobs"] == ["1", "2"]
    assert [take.picked for take in takes_on(both)] == [True, False, False]
    roles = [
        c.metadata[METADATA]["role"] for t in both.tracks for c in t
        if isinstance(c, otio.schema.Clip) and METADATA in c.metadata
    ]  # fmt: skip
    assert sorted(roles) == ["dub", "speech", "speech"]
    own = next(t for t in both.audio_tracks() if METADATA not in t.metadata)
    assert [(c.source_range.duration.value, c.enabled) for c in own] == [
        (5, True), (35, False), (20, True),
    ]  # fmt: skip
    assert remove(both).is_equivalent_to(real)
    earlier = takes_on(both)[1]
    assert earlier.place == dub["id"]
    switched = pick_take(both, earlier.place, earlier.id)
    assert [d["jobs"] for d in list_dubs(switched)] == [list(earlier.job)]
    assert remove(switched, {dub["id"]}).is_equivalent_to(real)


def test_another_line_beside_it_makes_another_file(real: Any, tmp_path: Path) -> None:
    settings, engine = PlanSettings(tmp_path / "out", (tmp_path,)), MarkingEngine()
    jobs = line(1, "5-25", "10:1,1"), line(2, "20-40", "30:9,9")
    first = dub_timeline(real, jobs, settings, engine)
    assert dub_timeline(real, jobs, settings, engine).outcomes[0].state == "kept"
    sound = tmp_path / "line1.wav"
    sound.write_bytes(sound.read_bytes()[:-600] + bytes(600))  # of the same name and length
    other = dub_timeline(real, jobs, settings, engine)
    assert [outcome.state for outcome in (*first.outcomes, *other.outcomes)] == ["done", "done"]
    request = first.outcomes[0].dub.request

    class Known:
        def of(self, path: str) -> str:
            return path

    found = input_hashes(request, Known())  # type: ignore[arg-type]
    assert {"speech", "speech 2"} <= set(found)
    assert content_key(request, found) != content_key(request, {**found, "speech 2": "?"})
