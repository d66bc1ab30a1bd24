"""The lips of a dub before it is rendered, and what an editor's keys do to them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clip_fixtures import ask

from stylesync_engine import dubbing
from stylesync_engine.plan.plan import Plan
from stylesync_engine.ranges import MouthKey
from stylesync_engine.request import DubRequest, LipCurve, Progress, RequestError
from stylesync_engine.weights.loading import Models


def gaps(curve: LipCurve) -> Any:
    return np.array([np.nan if gap is None else gap for gap in curve.gap])


@pytest.fixture
def request_(talking: Path, other_speech: Path, tmp_path: Path) -> DubRequest:
    return ask(talking, other_speech, tmp_path / "dub.mkv", "4:44")


def test_keys_close_the_lips_or_leave_the_shot_and_nothing_else(
    request_: DubRequest, models: Models
) -> None:
    plain = dubbing.predict_lips(request_, models)
    keys = (MouthKey("closed", 14, 17), MouthKey.parse("original@30:35"))
    keyed = dubbing.predict_lips(replace(request_, mouth_keys=keys), models)
    assert (len(plain.gap), plain.frames) == (40, keyed.frames)
    assert max(abs(gap or 0) for gap in keyed.gap[10:13]) < 0.003 < max(gaps(plain)[10:13])
    assert [i for i, gap in enumerate(keyed.gap) if gap is None] == list(range(26, 31))
    for still in (slice(0, 6), slice(17, 22), slice(35, 40)):
        np.testing.assert_array_equal(gaps(keyed)[still], gaps(plain)[still])
    assert all(gap is not None for gap in keyed.original)


def test_the_dub_does_what_the_curve_says(
    request_: DubRequest, models: Models, tmp_path: Path
) -> None:
    keyed = replace(request_, mouth_keys=(MouthKey("original", 30, 35),))
    curve = gaps(dubbing.predict_lips(keyed, models))
    plan = Plan.load(dubbing.prepare(keyed, tmp_path / "work", models))
    assert plan.shown.tolist() == np.flatnonzero(np.isfinite(curve)).tolist()
    lips = plan.after[:, 14, 1] - plan.after[:, 13, 1]
    assert np.corrcoef(lips, curve[plan.shown])[0, 1] > 0.99


def test_a_slider_leads_from_nobodys_way_of_speaking_to_the_persons(
    request_: DubRequest, talking: Path, models: Models
) -> None:
    def at(strength: float, style: Path | None = None) -> Any:
        options = replace(request_.options, style_strength=strength)
        asked = replace(request_, options=options, style=str(style) if style else None)
        return gaps(dubbing.predict_lips(asked, models))

    off, half, full = at(0.0), at(0.5), at(1.0)
    np.testing.assert_allclose(off, at(0.0, talking), atol=1e-3)
    assert np.abs(full - off).max() > 0.005
    np.testing.assert_allclose(half, (off + full) / 2, atol=0.003)


def test_a_shot_is_followed_once_and_the_speech_is_heard_first(
    request_: DubRequest, models: Models
) -> None:
    dubbing.predict_lips(request_, models)
    steps: list[Progress] = []
    glances: list[LipCurve] = []
    wide = replace(request_, options=replace(request_.options, articulation=1.5))
    curve = dubbing.predict_lips(wide, models, steps.append, glances.append)
    assert len([step for step in steps if step.stage == "track"]) == 1
    [glance] = glances
    assert glance.glance
    assert len(glance.gap) == len(curve.gap)
    assert np.corrcoef(gaps(glance), gaps(curve))[0, 1] > 0.7


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ("shut@1:2", "no shape of a key"),
        ("closed@5:5", "empty or negative"),
        ("closed", "not a frame range"),
        ("closed@400:410", "outside of the frames"),
    ],
)
def test_keys_that_are_none_are_refused(
    request_: DubRequest, models: Models, keys: str, says: str
) -> None:
    data = {**json.loads(request_.to_json()), "mouth_keys": keys}
    with pytest.raises(RequestError, match=says) as caught:
        dubbing.predict_lips(DubRequest.from_dict(data), models)
    assert caught.value.field == "mouth_keys"


def test_a_request_with_keys_is_the_same_as_json(request_: DubRequest) -> None:
    keyed = replace(request_, mouth_keys=(MouthKey("closed", 14, 17),))
    assert DubRequest.from_json(keyed.to_json()) == keyed
