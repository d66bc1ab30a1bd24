"""The panel's logic that needs no window: times, scales, jobs, problems."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stylesync_plugin.contract import Codec, Delivery, DubOptions, Progress, RequestError
from stylesync_plugin.farm import job_data
from stylesync_plugin.jobs import job_from
from stylesync_plugin.times import Span, time_code
from stylesync_ui.engine.preview_folder import PreviewFolder
from stylesync_ui.engine.request_queue import FACTS, THUMBNAIL, VIEWER, QueuedRequest, RequestQueue
from stylesync_ui.look.timecode_entry import parse_entry
from stylesync_ui.panel.preferences import Preferences
from stylesync_ui.queue.job_queue import JobQueue
from stylesync_ui.queue.job_record import MOVES, JobRecord, WrongMove
from stylesync_ui.strip.scale import Scale, ruler_step, snap
from stylesync_ui.timeline.document import in_our_words
from stylesync_ui.timeline.dubbed_piece import DubbedPiece
from stylesync_ui.viewer.transport import Transport
from stylesync_ui.wish.choices import DubWish, SpeakerChoice, SpeechChoice, StyleChoice
from stylesync_ui.wish.problems import Findings, ShownClip, blocks, check

HOUR = Fraction(3600)
AT = Fraction(12) + Fraction(10, 25)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("01:00:10:05", "01:00:10:05"),
        ("1000", "01:00:10:00"),
        ("5", "01:00:12:05"),
        ("75", "01:00:15:00"),
        ("10.", "01:00:10:00"),
        ("1.2.3", "01:01:02:03"),
        ("02 00", "01:00:02:00"),
        ("+12", "01:00:12:22"),
        ("-11", "01:00:11:24"),
        ("+1:00", "01:00:13:10"),
        ("+100", "01:00:13:10"),
        ("-9999999", "01:00:00:00"),
        ("2.5s", "01:00:02:12"),
        ("+2s", "01:00:14:10"),
        ("30f", "01:00:01:05"),
    ],
)
def test_time_codes_as_editors_type_them(typed: str, expected: str) -> None:
    moment = parse_entry(typed, Fraction(25), HOUR, AT)
    assert time_code(moment, Fraction(25), HOUR) == expected


@pytest.mark.parametrize("typed", ["", "abc", "+", "1:2:3:4:5", "::", "12:xx", "-s"])
def test_what_is_no_time_is_said(typed: str) -> None:
    with pytest.raises(RequestError, match=r"[.]$"):
        parse_entry(typed, Fraction(25), HOUR, AT)


@given(
    st.integers(0, 200_000),
    st.sampled_from([Fraction(25), Fraction(24000, 1001), Fraction(30000, 1001), Fraction(60)]),
)
def test_a_shown_time_code_typed_again_is_the_same_frame(frame: int, rate: Fraction) -> None:
    text = time_code(frame / rate, rate)
    assert parse_entry(text, rate, Fraction(0), Fraction(0)) == frame / rate


@given(st.floats(0.1, 50), st.floats(0, 900), st.floats(0, 500))
def test_zooming_keeps_the_moment_under_the_mouse(factor: float, x: float, start: float) -> None:
    scale = Scale(start, 40.0)
    before = scale.moment_at(x)
    scale.zoom(factor, x, 1.0)
    if scale.start > 0:
        assert scale.moment_at(x) == pytest.approx(before)
    assert 1.0 <= scale.density <= 800.0


@pytest.mark.parametrize("density", [0.05, 1.0, 40.0, 800.0])
def test_ruler_labels_keep_their_distance(density: float) -> None:
    step = ruler_step(density, Fraction(25), 96)
    assert step * Fraction(density) >= 95
    assert (step * 25).denominator == 1


def test_snapping_takes_the_nearest_edge_in_reach() -> None:
    edges = [Fraction(1), Fraction(2)]
    assert snap(1.96, edges, 0.1) == 2
    assert snap(1.5, edges, 0.1) is None
    assert snap(1.5, [], 9.0) is None


def test_shuttle_doubles_turns_and_stops() -> None:
    transport = Transport(Fraction(25), Fraction(100))
    for expected in (1, 2, 4, 8, 8):
        transport.shuttle(1, 0.0)
        assert transport.speed == expected
    transport.shuttle(-1, 0.0)
    assert transport.speed == -1
    transport.shuttle(0, 0.0)
    assert transport.speed == 0


def test_playing_shows_whole_frames_and_ends_on_the_last() -> None:
    transport = Transport(Fraction(25), Fraction(2))
    transport.play(1, 10.0)
    assert transport.tick(10.5)
    assert transport.position == Fraction(12, 25)
    transport.tick(13.0)
    assert (transport.position, transport.speed) == (Fraction(49, 25), 0)
    transport.play(1, 20.0)
    assert transport.position == 0
    transport.tick(20.4, heard=0.2)
    assert transport.position == Fraction(5, 25)


def test_a_loop_goes_round() -> None:
    transport = Transport(Fraction(25), Fraction(10), loop=(Fraction(2), Fraction(3)))
    transport.play(1, 0.0)
    assert transport.position == 2
    transport.tick(1.05)
    assert (transport.position, transport.speed) == (2, 1)


def record(**fields: Any) -> JobRecord:
    return JobRecord("shot", "/cut.otio", {"name": "shot"}, **fields)


def test_jobs_move_along_their_states_only() -> None:
    for start, allowed in MOVES.items():
        for end in MOVES:
            job = record(state=start)
            if end in allowed:
                job.move(end)
                assert job.state == end
            else:
                with pytest.raises(WrongMove):
                    job.move(end)


def test_speed_and_remaining_time_come_from_the_running_stage() -> None:
    job = record(state="running")
    job.advance(Progress("track", 50, 75), 0.0)
    job.advance(Progress("render", 0, 75), 1.0)
    assert job.remaining is None
    job.advance(Progress("render", 25, 75), 6.0)
    assert job.speed == pytest.approx(5.0)
    assert job.remaining == pytest.approx(10.0)
    assert job.share == pytest.approx(1 / 3)


def test_the_queue_survives_and_says_what_was_interrupted(tmp_path: Path) -> None:
    queue = JobQueue(tmp_path / "queue.json")
    for state in ("done", "running", "waiting", "failed"):
        queue.add(record(state=state))
    again = JobQueue(tmp_path / "queue.json")
    assert [job.state for job in again] == ["done", "interrupted", "interrupted", "failed"]
    assert again.next_waiting() is None
    (tmp_path / "queue.json").write_text("{broken")
    assert len(JobQueue(tmp_path / "queue.json")) == 0


def test_one_job_runs_and_the_oldest_waits_first(tmp_path: Path) -> None:
    queue = JobQueue(tmp_path / "queue.json")
    first, second = record(), record()
    queue.add(first)
    queue.add(second)
    assert queue.next_waiting() is first
    first.move("running")
    assert queue.next_waiting() is None
    first.move("done")
    assert queue.next_waiting() is second


def request(key: str, urgency: int) -> QueuedRequest:
    return QueuedRequest((key,), urgency, "facts", {}, lambda _: None)


def test_requests_go_by_urgency_then_latest_first_and_once() -> None:
    requests = RequestQueue(most=2)
    assert requests.add(request("old", THUMBNAIL))
    assert requests.add(request("new", THUMBNAIL))
    assert requests.add(request("facts", FACTS))
    assert requests.add(request("viewer", VIEWER))
    assert not requests.add(request("old", THUMBNAIL))
    first, second = requests.take(), requests.take()
    assert first is not None
    assert second is not None
    assert [first.key, second.key] == [("viewer",), ("facts",)]
    assert requests.take() is None
    requests.lose_all()
    requests.forget(THUMBNAIL)
    assert len(requests) == 2


SHOT = Span(Fraction(0), Fraction(3))
WISH = DubWish(dub=SHOT, speech=SpeechChoice(file="line.wav"))
GOOD = Findings(
    clips=(ShownClip("shot", SHOT),), speech_seconds=Fraction(3), style_seconds=Fraction(12),
    faces=(1, 1), face_width=120.0, models_here=True,
)  # fmt: skip


def found(wish: DubWish = WISH, **changes: Any) -> list[tuple[str, str]]:
    return [(p.field, p.level) for p in check(wish, dataclasses.replace(GOOD, **changes))]


def test_a_good_wish_has_only_the_hint_about_consent() -> None:
    assert found() == [("consent", "hint")]
    assert not blocks(check(WISH, GOOD))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"clips": ()}, ("dub", "error")),
        ({"clips": (ShownClip("a", SHOT, "It is missing."),)}, ("dub", "error")),
        ({"clips": (ShownClip("a", SHOT), ShownClip("b", SHOT))}, ("dub", "warning")),
        ({"clips": (ShownClip("a", SHOT, retimed=True),)}, ("dub", "warning")),
        ({"cuts": ("01:00:01:00",)}, ("dub", "warning")),
        ({"speech_seconds": Fraction(5)}, ("speech", "warning")),
        ({"speech_seconds": Fraction(1)}, ("speech", "warning")),
        ({"faces": (0, 0)}, ("speaker", "error")),
        ({"faces": (1, 0)}, ("speaker", "hint")),
        ({"faces": (2, 2)}, ("speaker", "warning")),
        ({"face_width": 30.0}, ("speaker", "error")),
        ({"models_here": False}, ("models", "error")),
        ({"consent_required": True}, ("consent", "error")),
        ({"plan_error": "The speech of x ends too soon."}, ("speech", "error")),
        ({"plan_error": "The clip is disabled."}, ("dub", "error")),
        ({"plan_error": "Ada's consent ended on 2020-01-01."}, ("consent", "error")),
        ({"plan_error": "The codec h264 has no alpha."}, ("delivery", "error")),
        ({"plan_error": "The delivery vfx is written as layers."}, ("delivery", "error")),
        ({"studio_error": "The settings cannot be read."}, ("consent", "error")),
    ],
)
def test_each_problem_stands_beside_its_field(
    changes: dict[str, Any], expected: tuple[str, str]
) -> None:
    assert expected in found(**changes)


@pytest.mark.parametrize(
    ("length", "seconds", "said"),
    [
        ("trim", 2, "1.0 s shorter than the range; the frames after it stay as they were."),
        ("hold", 2, "1.0 s shorter than the range; the mouth holds its last shape."),
        ("silence", 2, "1.0 s shorter than the range; the mouth rests after it."),
        ("trim", 5, "2.0 s longer than the range; its end is cut off."),
        ("silence", 5, "2.0 s longer than the range; its end is cut off."),
    ],
)
def test_what_happens_to_speech_of_another_length_is_said(
    length: Any, seconds: int, said: str
) -> None:
    wish = dataclasses.replace(WISH, options=DubOptions(length=length))
    known = dataclasses.replace(GOOD, speech_seconds=Fraction(seconds))
    texts = [problem.text for problem in check(wish, known) if problem.field == "speech"]
    assert texts == [f"The speech is {said}"]


def test_what_is_still_to_do_and_short_styles_are_said() -> None:
    assert {("dub", "todo"), ("speech", "todo")} <= set(found(DubWish()))
    styled = DubWish(dub=SHOT, speech=WISH.speech, style=StyleChoice(span=SHOT))
    assert ("style", "warning") in found(styled, style_seconds=Fraction(1))
    assert ("style", "hint") in found(styled, style_seconds=Fraction(5))


def test_a_wish_becomes_the_plugins_job() -> None:
    span = Span(Fraction(1, 25), Fraction(76, 25))
    wish = DubWish(
        dub=span, speech=SpeechChoice(track="A2", span=span),
        style=StyleChoice(track="V1", span=span), speaker=SpeakerChoice("a.mov", 7, 12.5, 30.0),
        options=DubOptions(quality="draft"), consent="consent.json", person="Ada",
    )  # fmt: skip
    job = job_from(wish.to_job("line 1", "a.mov"), "x")
    assert job.selection.range == ("1/25s", "76/25s")
    assert (job.speech.pick.track, job.style.pick.track) == ("A2", "V1")
    assert (job.speaker, job.consent, job.options.quality) == ("7:12.5,30", "consent.json", "draft")
    assert job.person == "Ada"
    assert "speaker" not in wish.to_job("line 1", "other.mov")
    assert job_from(job_data(job), "x") == job


@pytest.mark.parametrize("delivery", get_args(Delivery))
@pytest.mark.parametrize("second", [None, "overlay", "vfx"])
@pytest.mark.parametrize("codec", get_args(Codec))
def test_deliveries_take_a_codec_that_holds_both(codec: Any, delivery: Any, second: Any) -> None:
    """Asked of the plugin: whatever is chosen one after the other becomes a job that it takes."""
    wish = DubWish(dub=SHOT, speech=WISH.speech).with_option("codec", codec)
    wish = wish.with_option("second", second).with_option("delivery", delivery)
    job = job_from(wish.to_job("line 1", None), "x")
    assert job.options.delivery == delivery
    assert job.second == (second if second != delivery else None)
    for wanted in filter(None, (delivery, second)):
        dataclasses.replace(job.options, delivery=wanted)
    if delivery == "composite" and second is None:
        assert job.options.codec == codec


def test_a_codec_that_cannot_hold_the_deliveries_is_refused() -> None:
    wish = WISH.with_option("second", "overlay")
    refused = {codec for codec in get_args(Codec) if wish.refusal("codec", codec)}
    assert refused == {"prores422hq", "dnxhr", "h264", "h265"}
    assert wish.refusal("codec", "h265").startswith("The codec h265 has no alpha")
    with pytest.raises(RequestError, match="choose codec exr"):
        DubWish(second="vfx")


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("'a.mxf' is interlaced; give --deinterlace to make its fields frames.", "Deinterlace"),
        ("'a.mov' is BT.2020; tag it, or give --colour-space pq with the shot.", "Colours"),
        ("The clip is disabled; enable it.", "enable it."),
    ],
)
def test_remedies_name_the_panels_own_controls(sentence: str, expected: str) -> None:
    said = in_our_words(sentence)
    assert expected in said
    assert "--" not in said


def test_a_piece_shows_its_frames_and_survives_json() -> None:
    span = Span(Fraction(2), Fraction(4))
    piece = DubbedPiece("o.mov", "w", span, Fraction(25), 60, Fraction(2, 25), "s.wav", 480, "id")
    assert DubbedPiece.from_dict(piece.to_dict()) == piece
    assert piece.frame_at(Fraction(2)) == 2
    assert piece.frame_at(Fraction(2) + Fraction(3, 25)) == 5
    assert piece.frame_at(Fraction(100)) == 59


def test_preferences_survive_and_nonsense_is_the_default(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "preferences.json"
    Preferences(cache_mb=123, device="cpu").write(file)
    assert Preferences.read(file) == Preferences(cache_mb=123, device="cpu")
    file.write_text('{"cache_mb": "many", "device": "cuda", "unknown": 1}')
    assert Preferences.read(file) == Preferences(device="cuda")
    file.write_text("[]")
    assert Preferences.read(file) == Preferences()


def test_previews_are_trimmed_from_the_oldest(tmp_path: Path) -> None:
    import os

    folder = PreviewFolder(tmp_path)
    for number in range(4):
        place = tmp_path / f"entry{number}"
        place.mkdir()
        (place / "data").write_bytes(b"x" * 1000)
        os.utime(place, (number, number))
    assert folder.size() == 4000
    assert folder.trim(2500) == 2000
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["entry2", "entry3"]


def test_a_changed_file_gets_another_preview_folder(tmp_path: Path) -> None:
    file = tmp_path / "clip.mov"
    file.write_bytes(b"one")
    folder = PreviewFolder(tmp_path / "previews")
    before = folder.of(str(file), "540")
    file.write_bytes(b"three")
    assert folder.of(str(file), "540") != before
