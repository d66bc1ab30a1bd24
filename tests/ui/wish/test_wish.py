"""Wishes: their problems, each beside its field, and the jobs that they become."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import Any, get_args

import pytest
from stylesync_plugin.batch.farm import job_data
from stylesync_plugin.contract import Codec, Delivery, DubOptions, RequestError
from stylesync_plugin.jobs import job_from
from stylesync_plugin.times import Span
from stylesync_ui.wish.choices import DubWish, SpeakerChoice, SpeechChoice, StyleChoice
from stylesync_ui.wish.problems import Findings, ShownClip, blocks, check

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
        ({"plan_error": RequestError("It is wrong.", "speech")}, ("speech", "error")),
        ({"plan_error": RequestError("It is wrong.", None)}, ("dub", "error")),
        ({"plan_error": RequestError("It is wrong.", "consent")}, ("consent", "error")),
        ({"plan_error": RequestError("It is wrong.", "codec")}, ("delivery", "error")),
        ({"plan_error": RequestError("It is wrong.", "delivery")}, ("delivery", "error")),
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
        ("trim", 2, "1.00 s shorter than the range; the frames after it stay as they are."),
        ("hold", 2, "1.00 s shorter than the range; the mouth holds its last shape."),
        ("silence", 2, "1.00 s shorter than the range; the mouth rests after it."),
        ("trim", 5, "2.00 s longer than the range; its end is cut off."),
        ("silence", 5, "2.00 s longer than the range; its end is cut off."),
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
