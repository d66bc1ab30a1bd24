"""Dubs on the timeline and off it again: exact places, nothing else touched."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest
from stylesync_plugin.formats.files import read_timeline, write_timeline
from stylesync_plugin.jobs import Job, job_from
from stylesync_plugin.planning.planner import PlannedDub, PlanSettings, plan
from stylesync_plugin.writing.write_back import Dubbed, TrackNames, list_dubs, remove, write_back
from timeline_material import (
    Audio,
    MadeUpProbe,
    clip,
    dissolve,
    gap,
    made_up,
    ranged,
    timeline,
    track,
)

from stylesync_engine.request import DubResult, RequestError

FRAMES = 5000
RATE = Fraction(25)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("media")
    (made / "line.wav").touch()
    return made


@pytest.fixture
def cut(folder: Path) -> Any:
    """A, dissolve, B, gap, C at 29.97, a nested D, a retimed E; a title above."""
    film, ntsc = (
        made_up(folder, RATE, FRAMES, 90_000),
        made_up(folder, Fraction(30000, 1001), FRAMES),
    )
    nest = otio.schema.Stack("nest", source_range=ranged(5, 30, 25))
    nest.append(track(clip("D", film, 91_000, 50, 25, (90_000, FRAMES))))
    fast = clip("E", film, 90_500, 20, 25, (90_000, FRAMES))
    fast.effects.append(otio.schema.LinearTimeWarp(time_scalar=2))
    main = track(
        clip("A", film, 90_050, 50, 25, (90_000, FRAMES)), dissolve(5, 7, 25),
        clip("B", film, 90_100, 60, 25, (90_000, FRAMES)), gap(25, 25),
        clip("C", ntsc, 100, 20, Fraction(30000, 1001), (0, FRAMES)), nest, fast, name="Main",
    )  # fmt: skip
    title = otio.schema.Clip("t", otio.schema.GeneratorReference("t", "text"), ranged(0, 200, 25))
    sound = track(clip("A", film, 90_050, 110, 25, (90_000, FRAMES)), kind=Audio, name="Dialogue")
    return timeline(main, track(title, name="Titles"), sound)


def jobs(*names: str, **data: Any) -> list[Job]:
    return [job_from({"clip": name, "speech": "line.wav", **data}, name) for name in names]


def dubbed(folder: Path, cut: Any, wanted: Sequence[Job]) -> list[Dubbed]:
    settings = PlanSettings(folder / "out", (folder,), probe=MadeUpProbe(), rate=RATE)
    found = plan(cut, wanted, settings)
    assert not found.refused
    return [Dubbed(dub, result_of(dub), {"video": "00"}) for dub in found.dubs]


def result_of(dub: PlannedDub) -> DubResult:
    place = dub.place
    return DubResult(
        dub.request.output, place.rate, place.frames, place.frames, (), {}, "starter", "cpu", 0
    )


def text(thing: Any) -> str:
    return str(thing.to_json_string())


def spans(items: Any) -> dict[str, tuple[Fraction, Fraction]]:
    """Places of a track's items by plain addition of their durations."""
    found, start = {}, Fraction(0)
    for item in items:
        if isinstance(item, otio.schema.Transition):
            continue
        length = item.source_range.duration
        end = start + Fraction(length.value) / Fraction(length.rate).limit_denominator(1001)
        if not isinstance(item, otio.schema.Gap):
            found[item.name] = (start, end)
        start = end
    return found


def test_each_dub_lies_exactly_over_its_original(folder: Path, cut: Any) -> None:
    before = text(cut)
    made = write_back(cut, dubbed(folder, cut, jobs("A", "B", "C", "E")))
    assert text(cut) == before
    main, ours = made.tracks[0], made.tracks[1]
    assert (main.name, ours.name, made.tracks[2].name) == ("Main", "StyleSync", "Titles")
    assert text(main) == text(cut.tracks[0])
    originals, dubs = spans(main), spans(ours)
    for name in "ABCE":
        assert dubs[f"{name} (dubbed)"] == originals[name]
    assert [type(item).__name__ for item in ours] == [
        "Clip", "Transition", "Clip", "Gap", "Clip", "Gap", "Clip",
    ]  # fmt: skip


def test_the_media_reference_carries_time_code_and_range(folder: Path, cut: Any) -> None:
    made = write_back(cut, dubbed(folder, cut, jobs("A", "C")))
    first, *_, third = made.tracks[1].find_clips()
    available = first.media_reference.available_range
    assert (available.start_time.value, available.duration.value) == (90_050, 57)
    assert first.source_range == cut.tracks[0][0].source_range
    ntsc = third.media_reference.available_range
    assert ntsc.start_time.value == 0
    assert ntsc.duration.rate == float(Fraction(30000, 1001))
    assert third.source_range.duration == cut.tracks[0][4].source_range.duration


def test_a_dissolve_with_one_dub_gets_a_copy_of_the_other_side(folder: Path, cut: Any) -> None:
    left = write_back(cut, dubbed(folder, cut, jobs("A"))).tracks[1]
    assert [item.name for item in left] == ["A (dubbed)", "dissolve", "B"]
    assert left[2].source_range == ranged(90_100, 7, 25)
    right = write_back(cut, dubbed(folder, cut, jobs("B"))).tracks[1]
    assert [item.name for item in right] == ["", "A", "dissolve", "B (dubbed)"]
    assert right[1].source_range == ranged(90_095, 5, 25)
    assert spans(right)["B (dubbed)"] == spans(cut.tracks[0])["B"]


def test_dubs_that_come_later_join_at_the_dissolve(folder: Path, cut: Any) -> None:
    at_once = write_back(cut, dubbed(folder, cut, jobs("A", "B")))
    one = write_back(cut, dubbed(folder, cut, jobs("A")))
    after = write_back(one, dubbed(folder, one, jobs("B")))
    assert text(after) == text(at_once)


def test_a_nested_clip_is_dubbed_inside_its_stack(folder: Path, cut: Any) -> None:
    made = write_back(cut, dubbed(folder, cut, jobs("D")))
    nest = made.tracks[0][5]
    assert [entry.name for entry in nest] == ["", "StyleSync"]
    [dub] = nest[1].find_clips()
    # The nest shows D from its frame 5 for 30 frames, and that much is dubbed.
    assert spans(nest[1])["D (dubbed)"] == (Fraction(5, 25), Fraction(35, 25))
    assert dub.source_range == ranged(91_005, 30, 25)
    assert text(remove(made)) == text(cut)


def test_a_conformed_dub_carries_no_retime(folder: Path, cut: Any) -> None:
    made = write_back(cut, dubbed(folder, cut, jobs("E")))
    [dub] = made.tracks[1].find_clips()
    assert list(dub.effects) == []
    # E begins within a timeline frame, after C's 20 frames at 29.97: that frame belongs to it.
    media = dub.media_reference.available_range
    assert media == ranged(0, 21, 25)
    begin = spans(made.tracks[1])["E (dubbed)"][0]
    late = Fraction(dub.source_range.start_time.value) / Fraction(dub.source_range.start_time.rate)
    assert late == begin - Fraction(math.floor(begin * 25), 25)


def test_effects_of_the_picture_come_along(folder: Path) -> None:
    item = clip("A", made_up(folder, RATE, FRAMES), 0, 20, 25, (0, FRAMES))
    item.effects.append(otio.schema.Effect("zoom", "Transform", {"scale": 2}))
    cut = timeline(track(item))
    [dub] = write_back(cut, dubbed(folder, cut, jobs("A"))).tracks[1].find_clips()
    assert [effect.name for effect in dub.effects] == ["zoom"]


def test_dubbing_again_replaces_its_own_and_nothing_else(folder: Path, cut: Any) -> None:
    once = write_back(cut, dubbed(folder, cut, jobs("A", "C")))
    again = write_back(
        once, dubbed(folder, once, jobs("A", speech={"file": "line.wav", "samples": [0, 9000]}))
    )
    assert [track.name for track in again.tracks] == [track.name for track in once.tracks]
    ours = list(again.tracks[1].find_clips())
    assert [entry.name for entry in ours] == ["A (dubbed)", "B", "C (dubbed)"]
    assert text(ours[2]) == text(list(once.tracks[1].find_clips())[2])
    assert list(ours[0].metadata["stylesync"]["request"]["speech_samples"]) == [0, 9000]
    same = write_back(once, dubbed(folder, once, jobs("A", "C")))
    assert text(same) == text(once)


def test_overlapping_dubs_of_other_ranges_go_one_track_up(folder: Path, cut: Any) -> None:
    once = write_back(cut, dubbed(folder, cut, jobs("C")))
    twice = write_back(once, dubbed(folder, once, jobs("C", range="136-140")))
    names = [track.name for track in twice.tracks if track.kind == "Video"]
    assert names == ["Main", "StyleSync", "StyleSync", "Titles"]
    assert text(twice.tracks[1]) == text(once.tracks[1])


def test_the_new_speech_is_heard_where_it_belongs(folder: Path, cut: Any) -> None:
    made = write_back(cut, dubbed(folder, cut, jobs("B")), TrackNames(audio="Dub"))
    ours = made.tracks[-1]
    assert (ours.name, ours.kind) == ("Dub", Audio)
    assert list(spans(ours).values()) == [spans(cut.tracks[0])["B"]]
    [speech] = ours.find_clips()
    assert speech.source_range.start_time.value == 0


def test_the_record_tells_what_was_done(folder: Path, cut: Any) -> None:
    consent = {"format": 1, "person": "Ada", "purpose": "a test", "until": "9999-12-31"}
    (folder / "consent.json").write_text(json.dumps(consent))
    made = write_back(cut, dubbed(folder, cut, jobs("A", person="Ada", consent="consent.json")))
    [record] = list_dubs(made)
    assert record["request"]["video"].endswith("25-1_5000_90000.mov")
    assert record["result"]["models"] == "starter"
    assert record["result"]["seed"] == 0
    assert record["hashes"] == {"video": "00"}
    assert record["consent"] == consent
    assert record["request"]["person"] == "Ada"


def test_a_studio_that_requires_consent_plans_nothing_without(
    folder: Path, cut: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STYLESYNC_CONSENT", "required")
    ended = {"format": 1, "person": "Ada", "purpose": "a test", "until": "2020-01-01"}
    (folder / "over.json").write_text(json.dumps(ended))
    settings = PlanSettings(folder / "out", (folder,), probe=MadeUpProbe(), rate=RATE)
    planned = plan(cut, [*jobs("A"), *jobs("B", consent="over.json")], settings)
    assert planned.dubs == ()
    lacking, over = (refusal.error for refusal in planned.refused)
    assert lacking.field == "consent"
    assert "ended on 2020-01-01" in str(over)


def test_removing_gives_the_original_back(folder: Path, cut: Any) -> None:
    made = write_back(cut, dubbed(folder, cut, jobs("A", "B", "C", "D", "E")))
    assert text(remove(made)) == text(cut)
    ids = {entry["id"] for entry in list_dubs(made) if entry["job"] in ("B", "C", "D", "E")}
    assert text(remove(made, ids)) == text(write_back(cut, dubbed(folder, cut, jobs("A"))))


def test_a_clip_put_on_our_track_by_hand_stays(folder: Path, cut: Any) -> None:
    made = write_back(cut, dubbed(folder, cut, jobs("C")))
    made.tracks[1].append(clip("mine", made_up(folder, RATE, FRAMES), 0, 9, 25, (0, FRAMES)))
    places = spans(made.tracks[1])
    assert spans(remove(made).tracks[1])["mine"] == places["mine"]
    more = write_back(made, dubbed(folder, made, jobs("A")))
    assert text(more.tracks[2]) == text(made.tracks[1])


def test_a_second_delivery_is_a_further_reference(folder: Path, cut: Any) -> None:
    [dub] = dubbed(folder, cut, jobs("A", second="overlay"))
    assert dub.planned.second is not None
    result = DubResult(
        dub.planned.second.output, RATE, 57, 57, (), {}, "starter", "cpu", 0
    )  # fmt: skip
    made = write_back(cut, [Dubbed(dub.planned, dub.result, {}, result)])
    references = made.tracks[1][0].media_references()
    assert sorted(references) == ["DEFAULT_MEDIA", "overlay"]
    assert references["overlay"].available_range == references["DEFAULT_MEDIA"].available_range


def test_a_changed_timeline_is_noticed(folder: Path, cut: Any) -> None:
    dubs = dubbed(folder, cut, jobs("A"))
    cut.tracks[0][0].name = "other"
    with pytest.raises(RequestError, match="plan the timeline again"):
        write_back(cut, dubs)


@pytest.mark.parametrize("suffix", [".otio", ".otiod", ".otioz"])
def test_a_round_trip_keeps_everything(folder: Path, cut: Any, tmp_path: Path, suffix: str) -> None:
    made = write_back(cut, dubbed(folder, cut, jobs("A", "B", "C", "D", "E")))
    path = tmp_path / f"dubbed{suffix}"
    write_timeline(made, path)
    again = read_timeline(path, extract_to=tmp_path / "bundle")
    shape = [[(type(i).__name__, i.name) for i in entry] for entry in made.tracks]
    assert [[(type(i).__name__, i.name) for i in entry] for entry in again.tracks] == shape
    assert [spans(entry) for entry in again.tracks] == [spans(entry) for entry in made.tracks]
    assert len(list_dubs(again)) == 5
    assert text(remove(again).tracks[0]).count("stylesync") == 0


def test_files_for_strict_hosts_have_bare_paths(folder: Path, cut: Any) -> None:
    made = write_back(cut, dubbed(folder, cut, jobs("A")), TrackNames(bare_paths=True))
    assert made.tracks[1][0].media_reference.target_url.startswith("/")
