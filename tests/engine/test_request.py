"""The request and the result: what is refused, and JSON both ways."""

from __future__ import annotations

import dataclasses
import json
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stylesync_engine.request import (
    Cancelled,
    DiskError,
    DubError,
    DubOptions,
    DubRequest,
    DubResult,
    FrameRange,
    MediaError,
    ModelError,
    NoFaceError,
    Progress,
    RequestError,
    SpeakerPoint,
)

MINIMAL = {"video": "shot.mov", "speech": "line.wav", "output": "dub.mov"}

paths = st.text(st.characters(exclude_characters="\0"), min_size=1, max_size=20)
ranges = st.builds(
    lambda start, length: FrameRange(start, start + length),
    st.integers(0, 10**6),
    st.integers(1, 10**6),
)
coordinates = st.floats(0, 10_000, allow_nan=False)
options = st.builds(
    DubOptions,
    models=paths,
    quality=st.sampled_from(["draft", "good", "best"]),
    device=st.sampled_from(["auto", "cpu", "mps", "cuda", "cuda:3"]),
    steps=st.none() | st.integers(1, 1000),
    sampler=st.sampled_from([None, "dpmpp", "ddim"]),
    strength=st.none() | st.floats(0.01, 1.0),
    style_offset=st.none() | st.floats(-2.0, 2.0),
    articulation=st.floats(0.0, 1.5),
    seed=st.integers(0, 2**63 - 1),
    style_reading=st.sampled_from([None, "network", "closed-form", "none"]),
    codec=st.sampled_from(["prores4444", "ffv1", "png", "exr"]),
    delivery=st.sampled_from(["composite", "overlay"]),
    length=st.sampled_from(["trim", "hold", "silence"]),
)


@given(
    st.builds(
        DubRequest,
        video=paths.map(lambda name: f"v/{name}"),
        speech=paths.map(lambda name: f"s/{name}"),
        output=st.just("o/dub.mov"),
        frames=st.none() | ranges,
        speech_samples=st.none() | ranges.map(lambda frames: (frames.start, frames.end)),
        style=st.just("r/interview.mov"),
        style_frames=st.none() | ranges,
        speaker=st.none()
        | st.builds(SpeakerPoint, st.integers(0, 10**6), coordinates, coordinates),
        options=options,
    )
)
def test_a_request_survives_json(asked: DubRequest) -> None:
    assert DubRequest.from_json(asked.to_json()) == asked


def test_names_that_are_no_unicode_survive_json() -> None:
    odd = dataclasses.replace(DubRequest(**MINIMAL), video="caf\udce9 #1 'ß' 映像.mov")
    text = odd.to_json()
    assert text.isascii()
    assert DubRequest.from_json(text) == odd


def test_what_is_left_out_or_null_is_the_default() -> None:
    bare = DubRequest.from_dict(MINIMAL)
    nulls = {field.name: None for field in dataclasses.fields(DubRequest)} | MINIMAL
    option_nulls = {field.name: None for field in dataclasses.fields(DubOptions)}
    assert bare == DubRequest(**MINIMAL)
    assert DubRequest.from_dict(nulls | {"options": option_nulls}) == bare
    assert bare.options == DubOptions()


@pytest.mark.parametrize("frames", ["10:85", [10, 85], {"start": 10, "end": 85}, [10.0, 85.0]])
def test_ranges_are_written_in_three_ways(frames: Any) -> None:
    assert DubRequest.from_dict({**MINIMAL, "frames": frames}).frames == FrameRange(10, 85)


def test_a_range_is_half_open() -> None:
    frames = FrameRange.parse(" 3 : 5 ")
    assert list(range(10))[frames.start : frames.end] == [n for n in range(10) if n in frames]
    assert len(frames) == 2
    assert str(frames) == "3:5"


@pytest.mark.parametrize("text", ["", "5", "5:", ":5", "a:b", "-1:5", "5:5", "9:3", "1:2:3", "²:9"])
def test_wrong_ranges_are_refused(text: str) -> None:
    with pytest.raises(RequestError, match=r"A:B"):
        FrameRange.parse(text)


def test_a_speaker_point_is_parsed() -> None:
    assert SpeakerPoint.parse("12:640,300.5") == SpeakerPoint(12, 640.0, 300.5)
    assert str(SpeakerPoint(12, 640.0, 300.5)) == "12:640,300.5"


@pytest.mark.parametrize(
    "text", ["12", "12:640", "a:1,2", "1:nan,2", "1:inf,2", "-1:2,3", "1:-2,3"]
)
def test_wrong_speaker_points_are_refused(text: str) -> None:
    with pytest.raises(RequestError, match="FRAME:X,Y"):
        SpeakerPoint.parse(text)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"video": ""}, "video"),
        ({"speech": None}, "speech"),
        ({"output": "shot.mov"}, "overwrite the video"),
        ({"output": "sub/../line.wav"}, "overwrite the speech"),
        ({"video": "a\0b"}, "NUL"),
        ({"output": "a\ud800"}, "half a character"),
        ({"options": {"models": "\ud800"}}, "half a character"),
        ({"video": 5}, "video must be text"),
        ({"vidoe": "x"}, "unknown field 'vidoe'"),
        ({"frames": [1]}, "2 values"),
        ({"frames": [1, 2.5]}, "whole"),
        ({"frames": [True, 2]}, "frames must be a whole"),
        ({"frames": [math.nan, 2]}, "frames must be a whole"),
        ({"frames": {"start": 1}}, "frames has no end"),
        ({"frames": 7}, "frames must be"),
        ({"style_frames": [0, 5]}, "style"),
        ({"speech_samples": [5, 5]}, "speech_samples"),
        ({"speaker": [0, math.inf, 1]}, "speaker"),
        ({"options": []}, "options must be"),
        ({"options": {"quality": "superb"}}, "draft, good, best"),
        ({"options": {"steps": 0}}, "steps"),
        ({"options": {"steps": True}}, "steps must be a whole number"),
        ({"options": {"steps": 2.5}}, "steps must be a whole number"),
        ({"options": {"strength": 0}}, "strength"),
        ({"options": {"style_offset": "late"}}, "auto"),
        ({"options": {"style_offset": 2.5}}, "style_offset"),
        ({"options": {"style_offset": math.nan}}, "style_offset"),
        ({"options": {"articulation": 1.6}}, "articulation"),
        ({"options": {"articulation": -0.1}}, "articulation"),
        ({"options": {"strength": math.nan}}, "strength"),
        ({"options": {"seed": -1}}, "seed"),
        ({"options": {"device": "cuda:"}}, "device"),
        ({"options": {"device": "gpu"}}, "cuda:N"),
        ({"options": {"models": ""}}, "models"),
        ({"options": {"appearance": ""}}, "appearance"),
        ({"options": {"codec": "h264", "delivery": "overlay"}}, "alpha"),
    ],
)
def test_wrong_requests_are_refused_by_name(change: dict[str, Any], word: str) -> None:
    with pytest.raises(RequestError, match=word) as caught:
        DubRequest.from_dict({**MINIMAL, **change})
    assert "\n" not in str(caught.value)


def test_the_output_may_not_be_the_source_by_another_name(tmp_path: Path) -> None:
    shot = tmp_path / "shot.mov"
    shot.touch()
    (tmp_path / "link.mov").symlink_to(shot)
    with pytest.raises(RequestError, match="overwrite"):
        DubRequest(video=str(shot), speech="line.wav", output=str(tmp_path / "link.mov"))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "5", '"x"', "[" * 100_000, "1" * 10_000, '{"video": Infinity}']
)
def test_what_is_no_request_is_refused(text: str) -> None:
    with pytest.raises(RequestError):
        DubRequest.from_json(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
FIELDS = [field.name for field in dataclasses.fields(DubRequest)]
OPTION_FIELDS = [field.name for field in dataclasses.fields(DubOptions)]


@given(
    st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=3),
    st.dictionaries(st.sampled_from(OPTION_FIELDS), json_values, max_size=3),
)
def test_any_data_is_a_request_or_a_sentence(
    fields: dict[str, Any], chosen: dict[str, Any]
) -> None:
    try:
        parsed = DubRequest.from_dict({**MINIMAL, "options": chosen, **fields})
    except RequestError:
        return
    assert DubRequest.from_json(parsed.to_json()) == parsed


def test_a_result_survives_json() -> None:
    result = DubResult(
        output="dub.mov",
        rate=Fraction(24000, 1001),
        frames=75,
        changed=73,
        passed_through=((40, 42),),
        seconds={"render": 1.5},
        models="starter",
        device="cpu",
        seed=3,
        warnings=("short",),
    )
    data = json.loads(json.dumps(result.to_dict()))
    assert data["event"] == "result"
    assert data["rate"] == "24000/1001"
    assert data["passed_through"] == [[40, 42]]
    assert DubResult.from_dict(data) == result


def test_progress_as_data() -> None:
    assert Progress("render", 12, 75).to_dict() == {
        "event": "progress",
        "stage": "render",
        "done": 12,
        "total": 75,
    }


def test_errors_carry_their_documented_exit_code() -> None:
    codes = {error.kind: error.exit_code for error in DubError.__subclasses__()}
    for error, code in [
        (RequestError, 2),
        (MediaError, 3),
        (NoFaceError, 4),
        (ModelError, 5),
        (DiskError, 6),
        (Cancelled, 130),
    ]:
        assert codes[error.__name__] == code
        assert error("Do this.").to_dict() == {
            "event": "error",
            "kind": error.__name__,
            "message": "Do this.",
        }


def test_records_are_frozen() -> None:
    request = DubRequest(**MINIMAL)
    with pytest.raises(dataclasses.FrozenInstanceError):
        request.video = "other.mov"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("given", "read"), [("auto", None), (None, None), ("0.24", 0.24), (-0.08, -0.08), (0, 0.0)]
)
def test_style_offset_is_auto_or_seconds(given: object, read: float | None) -> None:
    request = DubRequest.from_dict(
        {"video": "v", "speech": "s", "output": "o", "options": {"style_offset": given}}
    )
    assert request.options.style_offset == read
