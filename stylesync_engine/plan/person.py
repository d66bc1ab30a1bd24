"""A person in a file: how they speak, what they look like, and the fit to that.

FOLDER/person.safetensors   style reference, reference images, fit; facts in its header
FOLDER/consent.json         their consent, where there is one
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError

from stylesync_engine.mouth.likeness import Likeness
from stylesync_engine.mouth.references import ReferenceBank
from stylesync_engine.mouth.texture import Patch
from stylesync_engine.origin.people import PERSON_FILE
from stylesync_engine.plan.plan import bank_tensors, hash_tensors
from stylesync_engine.plan.windows import get_tensor, open_tensors, write_tensors
from stylesync_engine.records import as_data, read
from stylesync_engine.request import Fit, RequestError
from stylesync_engine.speech.style import StyleReference

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class PersonFacts:
    """What is known of a person beside the tensors, whose sha256 is `tensors`. `footage` are the
    clips' names, `style_frames` how many frames at 25 Hz say how they speak, `images` how many
    show what they look like, `models` the fingerprint of what all was read with."""

    name: str
    models: str
    footage: tuple[str, ...] = ()
    style_frames: int = 0
    images: int = 0
    sound_offsets: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    fit: Fit | None = None
    format: int = _FORMAT
    tensors: str = ""


@dataclass(frozen=True, slots=True)
class Person:
    """`style` is None where nothing was heard, `likeness` where a fit is no better than none."""

    facts: PersonFacts
    bank: ReferenceBank
    style: StyleReference | None
    likeness: Likeness | None

    def save(self, folder: Path) -> None:
        """Write the person's file, which appears when it is whole."""
        tensors: dict[str, NDArray[Any]] = bank_tensors(self.bank)
        if self.style is not None:
            usable = np.zeros(len(self.style.motion), bool)
            usable[self.style.frames] = True
            tensors |= {"style.speech": self.style.speech, "style.motion": self.style.motion}
            tensors["style.usable"] = usable
        if self.likeness is not None:
            likeness = self.likeness
            tensors |= {f"fit.{f.name}": getattr(likeness, f.name) for f in fields(Likeness)}
        data = as_data(self.facts) | {"tensors": hash_tensors(sorted(tensors.items()))}
        metadata = {"person": json.dumps(data, sort_keys=True)}
        write_tensors(folder / PERSON_FILE, tensors, metadata)


def read_facts(folder: Path) -> PersonFacts:
    """What a person's file says of itself. Raises RequestError where it is damaged."""
    return _read(folder, whole=False)[0]


def read_person(folder: Path, models: str) -> Person:
    """The person in a folder, as models of this fingerprint read them.

    Raises RequestError where the file is damaged, or was made with other models.
    """
    facts, tensors = _read(folder, whole=True)
    if facts.models != models:
        raise RequestError(
            f"{facts.name} was made with other models; remove and make them again with"
            " stylesync-engine person make.",
            "person",
        )
    try:
        return Person(facts, _bank(tensors), _style(tensors), _likeness(tensors))
    except (KeyError, ValueError, IndexError) as error:
        raise _damaged(folder, f"it lacks {error}") from error


def _read(folder: Path, whole: bool) -> tuple[PersonFacts, dict[str, NDArray[Any]]]:
    path = folder / PERSON_FILE
    try:
        with open_tensors(path) as file:
            data = json.loads((file.metadata() or {}).get("person", "null"))
            if not isinstance(data, dict) or data.get("format") != _FORMAT:
                raise RequestError(
                    f"'{path}' is of another version of StyleSync; make this person again.",
                    "person",
                )
            facts = read(PersonFacts, data, "person")
            names = sorted(file.keys()) if whole else []
            tensors = {name: get_tensor(file, name) for name in names}
    except (OSError, SafetensorError, LookupError, TypeError, ValueError) as error:
        raise _damaged(folder, str(error)) from error
    if whole and hash_tensors(tensors.items()) != facts.tensors:
        raise _damaged(folder, "its tensors were changed")
    return facts, tensors


def _bank(tensors: Mapping[str, NDArray[Any]]) -> ReferenceBank:
    ends, packed = tensors["bank.ends"], tensors["bank.patches"]
    patches = tuple(
        Patch(packed[first:end].tobytes(), place)
        for (first, end), place in zip(pairwise(ends), tensors["bank.places"], strict=True)
    )
    crops, points, angles, frames = (
        tensors[f"bank.{name}"] for name in ("crops", "points", "angles", "frames")
    )
    return ReferenceBank(crops, points, angles, frames, patches)


def _style(tensors: Mapping[str, NDArray[Any]]) -> StyleReference | None:
    if "style.speech" not in tensors:
        return None
    speech, motion, usable = (tensors[f"style.{name}"] for name in ("speech", "motion", "usable"))
    return StyleReference(speech, motion, usable)


def _likeness(tensors: Mapping[str, NDArray[Any]]) -> Likeness | None:
    if "fit.place" not in tensors:
        return None
    return Likeness(**{f.name: tensors[f"fit.{f.name}"] for f in fields(Likeness)})


def _damaged(folder: Path, why: str) -> RequestError:
    return RequestError(
        f"The person in '{folder}' is damaged ({why}); make them again with stylesync-engine"
        " person make.",
        "person",
    )
