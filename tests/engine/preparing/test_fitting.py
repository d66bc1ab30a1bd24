"""A fit to a person is made once for shots that show the same references."""

from __future__ import annotations

import numpy as np
import pytest

from stylesync_engine.arrays import Array
from stylesync_engine.mouth.crop import CROP
from stylesync_engine.mouth.likeness import Likeness, fit_likeness
from stylesync_engine.mouth.references import ReferenceBank
from stylesync_engine.preparing.fitting import fit_person
from stylesync_engine.preparing.job import Job
from stylesync_engine.request import DubOptions, DubRequest
from stylesync_engine.weights.loading import Models


def bank_of(face: Array, seed: int, frames: int = 30) -> ReferenceBank:
    numbers = np.random.default_rng(seed)
    crops = numbers.integers(0, 256, (frames, CROP, CROP, 3)).astype(np.uint8)
    points = (face + numbers.normal(0, 0.5, (frames, *face.shape))).astype(np.float32)
    return ReferenceBank(crops, points, np.zeros((frames, 3), np.float32), np.arange(frames))


def test_a_fit_is_made_once_for_the_same_references(
    models: Models, face: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    def counted(bank: ReferenceBank) -> tuple[Likeness, tuple[float, float]]:
        made.append(len(bank))
        return fit_likeness(bank)

    monkeypatch.setattr("stylesync_engine.preparing.fitting.fit_likeness", counted)
    options = DubOptions(models=models.name, quality="best")
    job, later = (
        Job(DubRequest(shot, "line.wav", "out.mkv", options=options), models, print)
        for shot in ("one.mkv", "two.mkv")
    )
    first = fit_person(job, bank_of(face, 1))
    assert fit_person(later, bank_of(face, 1))[1] is first[1]
    assert len(made) == 1
    fit_person(later, bank_of(face, 2))
    assert len(made) == 2


def test_too_few_frames_are_no_sample(models: Models, face: Array) -> None:
    options = DubOptions(models=models.name, quality="best")
    job = Job(DubRequest("one.mkv", "line.wav", "out.mkv", options=options), models, print)
    assert fit_person(job, bank_of(face, 3, frames=10)) == (None, None)
