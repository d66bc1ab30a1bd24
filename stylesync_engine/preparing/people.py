"""People made once: all their footage is followed, heard and fitted to, and kept for every dub."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from pathlib import Path

import numpy as np

from stylesync_engine.files import Written, appearing, locked, refuse_overwriting
from stylesync_engine.media import files_of
from stylesync_engine.mouth.references import ReferenceBank, choose_coverage
from stylesync_engine.origin.consent import consent_for
from stylesync_engine.origin.people import (
    CONSENT_FILE,
    PERSON_FILE,
    find_person,
    folder_of_name,
    people_folder,
)
from stylesync_engine.plan.person import Person, PersonFacts, read_facts, read_person
from stylesync_engine.preparing.fitting import fit_person, most_references
from stylesync_engine.preparing.job import Job
from stylesync_engine.preparing.kept import Kept, mark_of
from stylesync_engine.preparing.lips import style_reference
from stylesync_engine.preparing.reference_frames import cut_references
from stylesync_engine.request import DubOptions, DubRequest, NoFaceError, OnProgress, RequestError
from stylesync_engine.speech.style import StyleReference
from stylesync_engine.weights.loading import Models

_PEOPLE: Kept[Person] = Kept(1)  # one person's many dubs follow each other


def person_of(job: Job) -> Person | None:
    """The person who was made and whom the request names, unless it gives a style clip; a mere
    name, of whom nothing else is said, is warned of."""
    request = job.request
    if request.style or request.person is None:
        return None
    folder = find_person(request.person)
    if folder is None:
        if request.consent is None:
            job.warnings.append(
                f"Nobody called {request.person} has been made, so the shot says how they speak;"
                " see stylesync-engine person list."
            )
        return None
    models = job.models.fingerprint
    key = (mark_of(str(folder / PERSON_FILE)), models)
    return _PEOPLE.find(key, lambda: read_person(folder, models))


def check_new(name: str, clips: Sequence[str], consent: str | None = None) -> Path:
    """The folder of a person who is to be made of these clips; raises as `make_person` does for
    what is seen before any work is done."""
    folder = folder_of_name(name)
    if not clips:
        raise RequestError("Give clips that show the person speaking.", "footage")
    _refuse_known(folder)
    given = {"footage": [f for clip in clips for f in files_of(clip)]}
    if consent is not None:
        given["consent"] = [Path(consent)]
    refuse_overwriting(given, [Written.one(folder / n) for n in (PERSON_FILE, CONSENT_FILE)])
    for clip in clips:
        consent_for(clip, name, consent)
    return folder


def make_person(
    name: str,
    clips: Sequence[str],
    models: Models,
    consent: str | None = None,
    on_progress: OnProgress | None = None,
    fit_seconds: int | None = None,
) -> Path:
    """Follow, hear and fit to a person's clips, and keep what is found under a name; returns the
    folder, which appears when it is whole.

    Raises a DubError, one sentence, where the name is taken or none, where a clip shows or says
    nothing, and where the consent does not hold for it.
    """
    folder = check_new(name, clips, consent)
    options = DubOptions(models=models.name, quality="best", fit_seconds=fit_seconds)
    person = _person(name, [_job(clip, options, models, on_progress) for clip in clips])
    with locked(folder):
        _refuse_known(folder)  # whom another process may have made meanwhile
        with appearing(folder) as draft:
            draft.mkdir(parents=True, exist_ok=True)
            if consent is not None:
                shutil.copyfile(consent, draft / CONSENT_FILE)
            person.save(draft)
    return folder


def _refuse_known(folder: Path) -> None:
    if os.path.lexists(folder):
        raise RequestError(f"There is a person called {folder.name}; remove them first.", "person")


def list_people() -> list[PersonFacts]:
    """Everybody who was made, by name; who cannot be read has no footage and a warning."""
    found = []
    for path in sorted(people_folder().glob(f"*/{PERSON_FILE}")):
        try:
            found.append(read_facts(path.parent))
        except RequestError as error:
            found.append(PersonFacts(path.parent.name, "", warnings=(str(error),)))
    return found


def remove_person(name: str) -> None:
    """Take a person's files away, their consent's copy too. Raises RequestError where there is no
    such person; a folder that holds anything else stays."""
    folder = folder_of_name(name)
    if not (folder / PERSON_FILE).is_file():
        raise RequestError(
            f"There is nobody called {name}; see stylesync-engine person list.", "person"
        )
    for file in (PERSON_FILE, CONSENT_FILE):
        (folder / file).unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()


def _job(clip: str, options: DubOptions, models: Models, on_progress: OnProgress | None) -> Job:
    """A clip as the style of a dub of itself."""
    request = DubRequest(clip, clip, f"{clip}.dub", style=clip, options=options)
    return Job(request, models, on_progress or (lambda _: None))


def _person(name: str, jobs: Sequence[Job]) -> Person:
    styles, banks = [], []
    for job in jobs:
        clip = job.request.video
        try:
            shot = job.follow(clip, None, "style")
        except NoFaceError as error:
            raise NoFaceError(f"'{clip}': {error}") from error
        styles.append(style_reference(job, shot, shot.frames))
        banks.append(cut_references(shot, most_references(job))[0])
    bank = reduce(ReferenceBank.join, banks)
    bank = bank.only(choose_coverage(bank.points, bank.angles, most_references(jobs[0])))
    style = _join([style for style in styles if style is not None])
    likeness, fit = fit_person(jobs[0], bank)
    facts = PersonFacts(
        name,
        jobs[0].models.fingerprint,
        tuple(Path(job.request.video).name for job in jobs),
        len(style) if style else 0,
        len(bank),
        {Path(job.request.video).name: s for job in jobs for s in job.sound_offsets.values()},
        tuple(dict.fromkeys(w for job in jobs for w in job.warnings)),
        fit,
    )
    return Person(facts, bank, style, likeness)


def _join(styles: Sequence[StyleReference]) -> StyleReference | None:
    """All of what was heard as one reference; None where nothing was."""
    if not styles:
        return None
    whole = [replace(s, usable=np.isin(np.arange(len(s.motion)), s.frames)) for s in styles]
    return StyleReference(
        np.concatenate([s.speech for s in whole]),
        np.concatenate([s.motion for s in whole]),
        np.concatenate([s.usable for s in whole if s.usable is not None]),
    )
