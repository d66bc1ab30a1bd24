"""People made once, of real footage: what a dub of them needs is there, and is used."""

from __future__ import annotations

from pathlib import Path

import pytest

from stylesync_engine.dubbing import prepare
from stylesync_engine.plan.person import read_person
from stylesync_engine.plan.plan import Plan, read_correction
from stylesync_engine.preparing.people import make_person
from stylesync_engine.request import DubOptions, DubRequest, FrameRange
from stylesync_engine.weights.loading import load_models

DEMO = Path(__file__).resolve().parents[3] / "packaging" / "demo"


@pytest.mark.slow
def test_a_person_is_made_of_footage_and_dubbed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STYLESYNC_PEOPLE", str(tmp_path / "people"))
    models = load_models("starter", "cpu")
    folder = make_person("Ada", [str(DEMO / "style.mp4")], models)
    person = read_person(folder, models.fingerprint)
    assert person.style is not None
    assert len(person.style) > 100
    assert person.likeness is not None
    assert person.facts.fit is not None
    assert person.facts.fit.after > person.facts.fit.before + 1

    request = DubRequest(
        video=str(DEMO / "take_to_dub.mp4"),
        speech=str(DEMO / "line.wav"),
        output=str(tmp_path / "o.mov"),
        frames=FrameRange(20, 32),
        person="Ada",
        options=DubOptions(quality="best", appearance="style"),
    )
    prepare(request, tmp_path / "work", models)
    plan = Plan.load(tmp_path / "work")
    assert plan.facts.fit == person.facts.fit
    correction = read_correction(tmp_path / "work")
    assert correction is not None
    assert correction.changes.shape == (12, len(person.likeness.components))
