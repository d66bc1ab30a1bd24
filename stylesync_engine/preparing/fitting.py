"""`best` is fitted to the person: as much as its time allows, and kept where it is better."""

from __future__ import annotations

import time
from typing import Final

import numpy as np

from stylesync_engine.mouth.likeness import Likeness, fit_likeness, is_better
from stylesync_engine.mouth.references import MOST_REFERENCES, ReferenceBank, choose_coverage
from stylesync_engine.plan.person import Person
from stylesync_engine.plan.plan import hash_tensors
from stylesync_engine.preparing.job import Job
from stylesync_engine.preparing.kept import Kept
from stylesync_engine.request import Fit

_SECONDS: Final = {"cpu": 120, "cuda": 30, "mps": 30}
_FRAMES_A_SECOND = 16  # that the slowest machine of today fits to: the fit must not depend on load
_MOST_FITTED = 512  # more say hardly anything new
_FEWEST_FITTED = 24  # fewer are no sample of a person's mouths
_FITS: Final[Kept[tuple[Likeness | None, Fit]]] = Kept(2)  # a person's shots follow each other


def fit_seconds(job: Job) -> int:
    """The most time that the fit may take, s; 0 where none is asked for."""
    options = job.request.options
    if options.quality != "best":
        return 0
    wanted = options.fit_seconds
    return _SECONDS[job.models.device.type] if wanted is None else wanted


def most_references(job: Job) -> int:
    """How many frames of a clip serve as references, to a fit as well."""
    return max(MOST_REFERENCES, min(_MOST_FITTED, _FRAMES_A_SECOND * fit_seconds(job)))


def known_fit(job: Job, person: Person | None) -> tuple[Likeness | None, Fit | None] | None:
    """What was fitted when the person was made; None where that is to be done now."""
    if person is None or not fit_seconds(job):
        return None
    return person.likeness, person.facts.fit


def fit_person(job: Job, bank: ReferenceBank) -> tuple[Likeness | None, Fit | None]:
    """A fit to the person whom a bank shows, where it is better than none; beside it what is known
    of it, None where none was made. It is kept for the next shot that has the same references."""
    most = min(_MOST_FITTED, _FRAMES_A_SECOND * fit_seconds(job))
    chosen = choose_coverage(bank.points, bank.angles, most) if most else np.arange(0)
    if len(chosen) < _FEWEST_FITTED:
        return None, None
    frames = bank.only(chosen)
    # Of frames that were tracked alike to the last bit, the pictures are the same.
    key = hash_tensors([("points", frames.points), ("frames", frames.frames)])
    return _FITS.find(key, lambda: _fit(frames))


def _fit(bank: ReferenceBank) -> tuple[Likeness | None, Fit]:
    started = time.monotonic()
    likeness, check = fit_likeness(bank)
    seconds, kept = round(time.monotonic() - started, 3), is_better(check)
    before, after = (round(value, 2) for value in check)
    return likeness if kept else None, Fit(seconds, kept, before, after)
