"""Plans: the right frames of the right file, or one sentence that says why not."""

from __future__ import annotations

import contextlib
import cProfile
import math
import random
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import opentimelineio as otio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stylesync_plugin.jobs import Job, job_from
from stylesync_plugin.planning.conform import conform
from stylesync_plugin.planning.planner import Plan, PlannedDub, PlanSettings, plan
from stylesync_plugin.timeline.paths import url_of
from stylesync_plugin.timeline.selecting import jobs_from_markers
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

from stylesync_engine.media import Clip, Reading, read_frames
from stylesync_engine.request import FrameRange, RequestError

NTSC_FILM, NTSC = Fraction(24000, 1001), Fraction(30000, 1001)
RATES = [NTSC_FILM, Fraction(24), Fraction(25), NTSC, Fraction(30), Fraction(50)]
FRAMES = 5000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("media #1 ä")
    (made / "line.wav").touch()
    for rate in RATES:
        made_up(made, rate, FRAMES)
        made_up(made, rate, FRAMES, 86400)
    return made


def settled(folder: Path, **changes: Any) -> PlanSettings:
    return PlanSettings(folder / "out", (folder,), probe=MadeUpProbe(), **changes)


def job(**data: Any) -> Job:
    return job_from({"speech": "line.wav", **data}, "job")


def planned(folder: Path, cut: Any, *jobs: Job, **changes: Any) -> Plan:
    return plan(cut, jobs, settled(folder, **changes))


def only(found: Plan) -> PlannedDub:
    assert not found.refused, found.refused
    assert len(found.dubs) == 1
    return found.dubs[0]


def refusal(found: Plan) -> str:
    assert not found.dubs
    assert len(found.refused) == 1
    return str(found.refused[0].error)


# Random timelines: an oracle of its own, from the numbers that made the timeline.


def shown_frame(entry: dict[str, Any], k: int, rate: Fraction) -> int:
    """The source frame at timeline frame k: floor((start + (t - begin) * speed - zero) * rate)."""
    moment = k / rate - entry["begin"]
    media = entry["start"] / entry["rate"] + moment * entry["speed"]
    return math.floor((media - entry["zero"]) * entry["rate"] + Fraction(1, 10_000))


def dubbed_frame(dub: PlannedDub, k: int, rate: Fraction) -> int:
    """The source frame that the dub's media show at timeline frame k, by its place alone."""
    place = dub.place
    media = place.start + (k / rate - place.span.start)
    index = math.floor((media - place.first) * place.rate + Fraction(1, 10_000))
    assert 0 <= index < place.frames
    if dub.conform is not None:
        return dub.conform.frames[index]
    assert dub.request.frames is not None
    return dub.request.frames.start + index


def random_timeline(folder: Path, seed: int, clips: int) -> tuple[Any, list[dict[str, Any]]]:
    dice = random.Random(seed)  # noqa: S311
    entries: list[dict[str, Any]] = []
    tracks = []
    for number in range(dice.randint(1, 3)):
        items, begin = [], Fraction(0)
        for index in range(1, clips // 3 + 1):
            if dice.random() < 0.2:
                rate, length = dice.choice(RATES), dice.randint(1, 60)
                items.append(gap(length, rate))
                begin += length / rate
            rate, length = dice.choice(RATES), dice.randint(1, 120)
            base = dice.choice([None, 86400])
            start = dice.randint(0, FRAMES - 400) + (base or 0)
            speed = dice.choice([Fraction(1)] * 6 + [Fraction(2), Fraction(1, 2), Fraction(0)])
            item = clip(f"c{number}.{index}", made_up(folder, rate, FRAMES, base), start, length,
                        rate, (base or 0, FRAMES))  # fmt: skip
            if speed == 0:
                item.effects.append(otio.schema.FreezeFrame())
            elif speed != 1:
                item.effects.append(otio.schema.LinearTimeWarp(time_scalar=float(speed)))
            items.append(item)
            entries.append({
                "track": f"V{number + 1}", "index": index, "begin": begin, "length": length / rate,
                "start": start, "rate": rate, "speed": speed, "zero": (base or 0) / rate,
            })  # fmt: skip
            begin += length / rate
        tracks.append(track(*items))
    return timeline(*tracks), entries


@settings(max_examples=8)
@given(st.integers(0, 10**9), st.sampled_from([3, 12, 200]), st.sampled_from(RATES))
def test_every_planned_frame_is_the_one_that_is_seen(
    folder: Path, seed: int, clips: int, rate: Fraction
) -> None:
    cut, entries = random_timeline(folder, seed, clips)
    jobs = [job(track=entry["track"], index=entry["index"]) for entry in entries]
    found = planned(folder, cut, *jobs, rate=rate)
    by_place = {(dub.place.label, dub.place.seen.start): dub for dub in found.dubs}
    checked = 0
    for entry in entries:
        frames = range(
            math.ceil(entry["begin"] * rate), math.ceil((entry["begin"] + entry["length"]) * rate)
        )
        dub = by_place.get((entry["track"], entry["begin"]))
        if dub is None:
            assert not frames or entry["speed"] == 0 or len(frames) <= 1
            continue
        assert dub.place.span.duration == entry["length"]
        for k in frames:
            assert dubbed_frame(dub, k, rate) == shown_frame(entry, k, rate)
            checked += 1
    assert checked > 0 or sum(entry["length"] for entry in entries) < 1


def test_the_work_of_planning_grows_as_the_clips_do(folder: Path) -> None:
    calls = {}
    for clips in (300, 3000):
        cut, entries = random_timeline(folder, 7, clips)
        jobs = [job(track=entry["track"], index=entry["index"]) for entry in entries]
        profile = cProfile.Profile()
        found = profile.runcall(planned, folder, cut, *jobs, rate=Fraction(25))
        assert len(found.dubs) + len(found.refused) == len(jobs)
        calls[len(jobs)] = sum(entry.callcount for entry in profile.getstats())
    (few, little), (many, much) = calls.items()
    assert many == 2000
    # The calls of one clip, and what finding it among so many adds.
    assert much / many < min(1.5 * little / few, 6000)


# One case each, worked out by hand.


def test_a_clip_is_planned_in_source_frames(folder: Path) -> None:
    file = made_up(folder, Fraction(25), FRAMES, 86400)
    cut = timeline(track(gap(10, 25), clip("A", file, 86500, 40, 25, (86400, FRAMES))))
    dub = only(planned(folder, cut, job(clip="A")))
    assert dub.request.frames == FrameRange(100, 140)
    assert dub.request.video == str(file)
    assert (dub.place.first, dub.place.start) == (Fraction(86500, 25), Fraction(86500, 25))


def test_media_without_time_code_give_a_dub_that_begins_at_zero(folder: Path) -> None:
    cut = timeline(
        track(clip("A", made_up(folder, Fraction(25), FRAMES), 100, 40, 25, (0, FRAMES)))
    )
    dub = only(planned(folder, cut, job(clip="A"), handles=4))
    assert dub.request.frames == FrameRange(96, 144)
    assert (dub.place.first, dub.place.start) == (0, Fraction(4, 25))


def test_handles_end_where_the_media_end(folder: Path) -> None:
    file = made_up(folder, Fraction(25), FRAMES)
    cut = timeline(track(clip("A", file, 3, FRAMES - 5, 25, (0, FRAMES))))
    assert only(planned(folder, cut, job(clip="A"), handles=9)).request.frames == FrameRange(
        0, FRAMES
    )


def test_a_mixed_rate_starts_on_a_timeline_frame(folder: Path) -> None:
    cut = timeline(track(clip("A", made_up(folder, Fraction(30), FRAMES), 36, 30, 30, (0, FRAMES))))
    frames = only(planned(folder, cut, job(clip="A"), rate=Fraction(25))).request.frames
    assert frames is not None
    assert frames.start <= 35
    assert (36 - frames.start) % 6 == 0
    assert frames.end >= 67


def test_dissolves_are_covered_on_both_sides(folder: Path) -> None:
    file = made_up(folder, Fraction(25), FRAMES)
    clips = [clip(name, file, 200, 50, 25, (0, FRAMES)) for name in "ABC"]
    cut = timeline(track(clips[0], dissolve(5, 7, 25), clips[1], dissolve(3, 4, 25), clips[2]))
    dub = only(planned(folder, cut, job(clip="B")))
    assert dub.request.frames == FrameRange(195, 254)
    assert dub.place.span.start == 2
    [recording] = dub.recordings
    assert recording.parts[0].at == Fraction(5, 25)


def test_a_range_in_a_dissolve_takes_all_of_it(folder: Path) -> None:
    file = made_up(folder, Fraction(25), FRAMES)
    clips = [clip(name, file, 200, 50, 25, (0, FRAMES)) for name in "AB"]
    cut = timeline(track(clips[0], dissolve(5, 5, 25), clips[1]))
    dub = only(planned(folder, cut, job(clip="A", range="10-47")))
    assert (dub.place.span.start, dub.place.span.end) == (Fraction(10, 25), 2)
    assert dub.request.frames == FrameRange(210, 255)


def test_a_fade_to_nothing_is_left_alone(folder: Path) -> None:
    file = made_up(folder, Fraction(25), FRAMES)
    cut = timeline(
        track(clip("A", file, 200, 50, 25, (0, FRAMES)), dissolve(10, 0, 25), gap(10, 25))
    )
    dub = only(planned(folder, cut, job(clip="A")))
    assert dub.place.span.end == Fraction(40, 25)
    assert any("fades out" in warning for warning in dub.warnings)


def test_a_double_speed_clip_is_conformed(folder: Path) -> None:
    item = clip("A", made_up(folder, Fraction(25), FRAMES), 100, 20, 25, (0, FRAMES))
    item.effects.append(otio.schema.LinearTimeWarp(time_scalar=2))
    dub = only(planned(folder, timeline(track(gap(10, 25), item)), job(clip="A")))
    assert dub.conform is not None
    assert dub.conform.frames == tuple(range(100, 140, 2))
    assert dub.request.video == dub.conform.output
    assert dub.request.frames is None


def test_a_freeze_shows_one_frame(folder: Path) -> None:
    item = clip("A", made_up(folder, Fraction(25), FRAMES), 100, 5, 25, (0, FRAMES))
    item.effects.append(otio.schema.FreezeFrame())
    dub = only(planned(folder, timeline(track(item)), job(clip="A")))
    assert dub.conform is not None
    assert dub.conform.frames == (100,) * 5


@pytest.mark.parametrize(
    ("effect", "reason"),
    [
        (otio.schema.LinearTimeWarp(time_scalar=-0.7), "plays backwards (speed -0.7)"),
        (otio.schema.TimeEffect("ramp"), "carries the retime 'ramp'"),
    ],
)
def test_unclear_retimes_are_refused(folder: Path, effect: Any, reason: str) -> None:
    item = clip("A", made_up(folder, Fraction(25), FRAMES), 100, 20, 25, (0, FRAMES))
    item.effects.append(effect.clone())
    said = refusal(planned(folder, timeline(track(item)), job(clip="A")))
    assert reason in said
    assert "clip 'A' (V1 at 00:00:00:00)" in said


def test_a_nested_stack_is_planned_inside_itself(folder: Path) -> None:
    file = made_up(folder, Fraction(25), FRAMES)
    nest = otio.schema.Stack("nest", source_range=ranged(10, 30, 25))
    nest.append(track(clip("A", file, 100, 20, 25, (0, FRAMES)), clip("B", file, 500, 60, 25)))
    cut = timeline(track(gap(50, 25), nest))
    dubs = {d.place.clip: d for d in planned(folder, cut, job(range="50-80")).dubs}
    assert dubs["A"].request.frames == FrameRange(110, 120)
    assert dubs["B"].request.frames == FrameRange(500, 520)
    assert dubs["B"].place.path == (0, 1)
    assert dubs["B"].place.seen.start == Fraction(60, 25)


def test_a_retimed_nest_is_refused(folder: Path) -> None:
    nest = otio.schema.Stack("nest", source_range=ranged(0, 30, 25))
    nest.append(track(clip("A", made_up(folder, Fraction(25), FRAMES), 100, 60, 25, (0, FRAMES))))
    nest.effects.append(otio.schema.LinearTimeWarp(time_scalar=0.5))
    said = refusal(planned(folder, timeline(track(nest)), job(clip="A")))
    assert "lies inside the nested sequence 'nest', which is retimed" in said


def test_what_lies_on_top_is_dubbed_and_titles_are_looked_through(folder: Path) -> None:
    file = made_up(folder, Fraction(25), FRAMES)
    title = otio.schema.Clip(
        "title", otio.schema.GeneratorReference("t", "text"), ranged(0, 100, 25)
    )
    hidden = clip("off", file, 0, 100, 25, (0, FRAMES))
    hidden.enabled = False
    cut = timeline(
        track(clip("low", file, 0, 100, 25, (0, FRAMES))),
        track(gap(40, 25), clip("high", file, 0, 20, 25, (0, FRAMES))),
        track(hidden),
        track(title),
    )
    found = planned(folder, cut, job(range="0-100")).dubs
    seen = [(d.place.clip, d.place.seen.start * 25, d.place.seen.end * 25) for d in found]
    assert seen == [("low", 0, 40), ("high", 40, 60), ("low", 60, 100)]


def test_speech_goes_on_over_the_clips_of_a_range(folder: Path) -> None:
    file = made_up(folder, Fraction(25), FRAMES)
    cut = timeline(track(clip("A", file, 0, 50, 25, (0, FRAMES)), clip("B", file, 500, 50, 25)))
    first, second = planned(folder, cut, job(range="10-100")).dubs
    assert first.request.speech_samples == (0, 40 * 1920)
    assert second.request.speech_samples is not None
    assert second.request.speech_samples[0] == 40 * 1920
    heard = [(part.first, span.start, span.end) for d in (first, second) for part, span in d.sounds]
    assert heard == [(0, Fraction(10, 25), 2), (40 * 1920, 2, 4)]


def test_speech_from_an_audio_track(folder: Path) -> None:
    file = made_up(folder, Fraction(25), FRAMES)
    sound = clip("line", folder / "line.wav", 25, 100, 25, (0, 15000))
    cut = timeline(
        track(clip("A", file, 0, 50, 25, (0, FRAMES))),
        track(gap(30, 25), sound, kind=Audio, name="VO"),
    )
    for speech in ({"clip": "line"}, {"track": "VO"}, {"track": "A1", "range": "30-80"}):
        dub = only(planned(folder, cut, job(clip="A", speech=speech)))
        assert dub.request.speech == str(folder / "line.wav")
        assert dub.request.speech_samples is not None
        assert dub.request.speech_samples[0] == 48_000
        assert dub.sounds
    in_place = only(planned(folder, cut, job(range="30-50", speech={"range": "30-50"})))
    assert in_place.sounds == ()


def test_speech_ranges_of_a_file(folder: Path) -> None:
    cut = timeline(track(clip("A", made_up(folder, Fraction(25), FRAMES), 0, 50, 25, (0, FRAMES))))
    for speech in ({"file": "line.wav", "range": "1.5s-3s"},
                   {"file": "line.wav", "samples": [72_000, 144_000]}):  # fmt: skip
        dub = only(planned(folder, cut, job(clip="A", speech=speech)))
        assert dub.request.speech_samples == (72_000, 144_000)
    said = refusal(
        planned(folder, cut, job(clip="A", speech={"file": "line.wav", "range": "1s-900s"}))
    )
    assert "28800000" in said


def test_style_references(folder: Path) -> None:
    file = made_up(folder, Fraction(25), FRAMES)
    cut = timeline(track(clip("A", file, 0, 50, 25, (0, FRAMES)), clip("B", file, 300, 100, 25)))
    assert only(planned(folder, cut, job(clip="A"))).request.style is None
    for style in ({"clip": "B"}, {"range": "50-150"}, {"file": file.name, "frames": "300:400"}):
        request = only(planned(folder, cut, job(clip="A", style=style))).request
        assert (request.style, request.style_frames) == (str(file), FrameRange(300, 400))


def test_the_same_wish_twice_is_one_request(folder: Path) -> None:
    file = made_up(folder, Fraction(25), FRAMES)
    cut = timeline(track(*(clip("A", file, 10, 50, 25, (0, FRAMES)) for _ in range(2))))
    first, second = planned(folder, cut, job(track="V1", index=1), job(track="V1", index=2)).dubs
    assert first.request == second.request
    assert first.id != second.id


def test_markers_say_what_to_dub(folder: Path) -> None:
    file = made_up(folder, Fraction(25), FRAMES)
    marked = clip("A", file, 100, 50, 25, (0, FRAMES))
    part = clip("A", file, 300, 50, 25, (0, FRAMES))
    marked.markers.append(
        otio.schema.Marker(
            "line 1", ranged(110, 0, 25), metadata={"stylesync": {"speech": "line.wav"}}
        )
    )
    part.markers.append(
        otio.schema.Marker(
            "line 2", ranged(310, 20, 25), metadata={"stylesync": {"speech": "line.wav"}}
        )
    )
    cut = timeline(track(marked, part))
    dubs = planned(folder, cut, *jobs_from_markers(cut)).dubs
    assert [dub.request.frames for dub in dubs] == [FrameRange(100, 150), FrameRange(310, 330)]
    assert [entry.name for entry in jobs_from_markers(cut, name="line 2")] == ["line 2"]
    with pytest.raises(RequestError, match="No marker"):
        jobs_from_markers(timeline(track()))


def test_one_refused_job_leaves_the_others(folder: Path) -> None:
    file = made_up(folder, Fraction(25), FRAMES)
    cut = timeline(track(clip("A", file, 0, 50, 25), clip("gone", folder / "no.mov", 0, 9, 25)))
    found = planned(folder, cut, job(clip="A"), job(clip="gone"), job(clip="nobody"))
    assert [dub.place.clip for dub in found.dubs] == ["A"]
    gone, nobody = (str(entry.error) for entry in found.refused)
    assert "no.mov" in gone
    assert "clip 'gone' (V1 at 00:00:02:00)" in gone
    assert "No clip fits" in nobody


def write_images(folder: Path, numbers: range) -> None:
    """Numbered images whose brightness is their number less 900."""
    import cv2

    folder.mkdir()
    for number in numbers:
        cv2.imwrite(str(folder / f"a.{number:04d}.png"), np.full((8, 8, 3), number - 900, np.uint8))


def images(folder: Path, start: int, length: int) -> Any:
    """A clip of numbered images that its timeline counts from 1000 on, at 24000/1001."""
    reference = otio.schema.ImageSequenceReference(
        url_of(folder) + "/", "a.", ".png", start_frame=1000, frame_zero_padding=4,
        rate=float(NTSC_FILM), available_range=ranged(86_400, 40, NTSC_FILM),
    )  # fmt: skip
    return otio.schema.Clip("S", reference, ranged(86_400 + start, length, NTSC_FILM))


def test_numbered_images_are_planned_by_their_numbers(folder: Path, tmp_path: Path) -> None:
    """The engine counts from the lowest number there is, the timeline from that of its clip."""
    write_images(tmp_path / "100% #1", range(990, 1040))
    item = images(tmp_path / "100% #1", 5, 20)
    request = only(planned(folder, timeline(track(item)), job(clip="S"))).request
    assert request.frames == FrameRange(15, 35)
    assert request.options.images_rate == "24000/1001"
    clip = Clip(request.video, Reading(NTSC_FILM))
    shown = [int(f.image.planes[0].max()) for f in read_frames(clip, request.frames)]
    assert shown == [number - 900 for number in range(1005, 1025)]


def test_retimed_numbered_images_are_conformed(folder: Path, tmp_path: Path) -> None:
    write_images(tmp_path / "images", range(1000, 1040))
    item = images(tmp_path / "images", 5, 10)
    item.effects.append(otio.schema.LinearTimeWarp(time_scalar=2))
    dub = only(plan(timeline(track(item)), [job(clip="S")], PlanSettings(tmp_path, (folder,),
               probe=MadeUpProbe())))  # fmt: skip
    assert dub.conform is not None
    conform(dub.conform)
    made = [int(f.image.planes[0].max()) for f in read_frames(dub.conform.output)]
    assert made == [number - 900 for number in range(1005, 1025, 2)]
    assert dub.request.options.images_rate is None


def test_images_that_are_not_there_are_named(folder: Path, tmp_path: Path) -> None:
    write_images(tmp_path / "images", range(1000, 1040))
    (tmp_path / "images" / "a.1013.png").unlink()
    cut = timeline(track(images(tmp_path / "images", 5, 20)))
    assert "Image 1013 of" in refusal(planned(folder, cut, job(clip="S")))
    cut = timeline(track(images(tmp_path / "nowhere", 5, 20)))
    said = refusal(planned(folder, cut, job(clip="S")))
    assert "a.1000.png' of clip 'S' (V1 at 00:00:00:00) is missing" in said
    cut.tracks[0][0].media_reference.frame_step = 2
    assert "takes every 2. image only" in refusal(planned(folder, cut, job(clip="S")))


@pytest.mark.parametrize(
    ("start", "length", "available", "said"),
    [
        (4990, 50, (0, FRAMES), "needs source frames 4990:5040"),
        (100, 50, (20_000, 300), "relink"),
    ],
)
def test_media_that_do_not_fit_are_refused(
    folder: Path, start: int, length: int, available: tuple[int, int], said: str
) -> None:
    file = made_up(folder, Fraction(25), FRAMES)
    cut = timeline(track(clip("A", file, start, length, 25, available)))
    assert said in refusal(planned(folder, cut, job(clip="A")))


def test_ambiguous_names_are_told_apart(folder: Path) -> None:
    file = made_up(folder, Fraction(25), FRAMES)
    cut = timeline(track(clip("A", file, 0, 50, 25), clip("A", file, 100, 50, 25)))
    assert "2 clips fit" in refusal(planned(folder, cut, job(clip="A")))
    dub = only(planned(folder, cut, job(clip="A", range="60-70")))
    assert dub.request.frames == FrameRange(110, 120)


@pytest.mark.parametrize(
    "data",
    [
        {}, {"speech": "a.wav"}, {"clip": "A", "speech": 3}, {"clip": "A"},
        {"clip": "A", "speech": "a", "colour": 1}, {"clip": 3, "speech": "a"},
        {"clip": "A", "speech": {"samples": [1]}}, {"clip": "A", "speech": "a", "style": []},
        {"clip": "A", "speech": "a", "options": {"speed": 1}}, {"range": [1], "speech": "a"},
    ],
)  # fmt: skip
def test_wrong_jobs_get_a_sentence(data: Any) -> None:
    with pytest.raises(RequestError, match="job"):
        job_from(data, "job 1")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["clip", "speech", "style", "range", "options", "file", "x"]), inner,
        max_size=4,
    ),
)  # fmt: skip


@settings(max_examples=60)
@given(json_values)
def test_any_json_is_a_job_or_a_sentence(data: Any) -> None:
    with contextlib.suppress(RequestError):
        job_from(data, "job 1")
