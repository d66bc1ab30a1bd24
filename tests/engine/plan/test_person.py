"""People in files: whole or refused, found by name or folder, never in the way of what is read."""

from __future__ import annotations

import os
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from stylesync_engine.files import hash_once
from stylesync_engine.mouth.likeness import Likeness
from stylesync_engine.mouth.references import ReferenceBank
from stylesync_engine.mouth.texture import Patch
from stylesync_engine.origin.consent import check_consent
from stylesync_engine.origin.people import (
    PERSON_FILE,
    consent_of,
    find_person,
    folder_of_name,
    name_of,
)
from stylesync_engine.origin.studio import read_studio
from stylesync_engine.plan.identity import identify_files
from stylesync_engine.plan.person import Person, PersonFacts, read_facts, read_person
from stylesync_engine.plan.places import check_places
from stylesync_engine.preparing import people as making
from stylesync_engine.preparing.people import list_people, make_person, remove_person
from stylesync_engine.request import DubRequest, Fit, RequestError
from stylesync_engine.speech.style import StyleReference
from stylesync_engine.weights.table import models_directory


@pytest.fixture(autouse=True)
def people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "people"
    monkeypatch.setenv("STYLESYNC_PEOPLE", str(folder))
    return folder


@pytest.fixture
def person() -> Person:
    random = np.random.default_rng(0)

    def values(*shape: int) -> np.ndarray:
        return random.standard_normal(shape).astype(np.float32)

    crops = random.integers(0, 256, (2, 256, 256, 3)).astype(np.uint8)
    patches = tuple(Patch(bytes([i] * (3 + i)), values(2, 3)) for i in range(2))
    return Person(
        PersonFacts("Ada", "weights", ("a.mov",), 7, 2, {"a.mov": 0.04}, (), Fit(1, True, 3, 4)),
        ReferenceBank(crops, values(2, 468, 2), values(2, 3), np.array([3, 9]), patches),
        StyleReference(values(9, 5), values(9, 13), np.arange(9) > 1),
        Likeness(
            *(values(468, 2), np.array([3, 4]), values(5, 6, 3)),
            *(values(4, 5, 6, 3).astype(np.float16), values(2, 8), values(2, 4)),
            *(values(1), crops[0, :32]),
        ),
    )


def request(tmp_path: Path, **more: str) -> DubRequest:
    return DubRequest(str(tmp_path / "v.mov"), "s.wav", str(tmp_path / "o.mov"), **more)


def test_a_person_comes_back_as_they_were(person: Person, people: Path) -> None:
    person.save(people / "Ada")
    found = read_person(people / "Ada", "weights")
    assert found.bank.patches[1].packed == person.bank.patches[1].packed
    np.testing.assert_array_equal(found.bank.crops, person.bank.crops)
    np.testing.assert_array_equal(found.bank.frames, person.bank.frames)
    assert found.style is not None
    np.testing.assert_array_equal(found.style.frames, np.arange(2, 9))
    for entry in fields(Likeness):
        want = getattr(person.likeness, entry.name)
        np.testing.assert_array_equal(getattr(found.likeness, entry.name), want, strict=True)
    assert replace(found.facts, tensors="") == person.facts
    assert [facts.name for facts in list_people()] == ["Ada"]


def test_what_a_person_lacks_is_none(person: Person, people: Path) -> None:
    replace(person, style=None, likeness=None).save(people / "Ada")
    found = read_person(people / "Ada", "weights")
    assert (found.style, found.likeness) == (None, None)


def test_a_damaged_person_is_one_sentence(person: Person, people: Path) -> None:
    person.save(people / "Ada")
    file = people / "Ada" / PERSON_FILE
    data = bytearray(file.read_bytes())
    data[-5] ^= 1
    file.write_bytes(data)
    with pytest.raises(RequestError, match="is damaged"):
        read_person(people / "Ada", "weights")
    file.write_bytes(data[:100])
    with pytest.raises(RequestError, match="is damaged"):
        read_facts(people / "Ada")
    assert "is damaged" in list_people()[0].warnings[0]


def test_a_person_of_other_models_is_refused(person: Person, people: Path) -> None:
    person.save(people / "Ada")
    with pytest.raises(RequestError, match="other models"):
        read_person(people / "Ada", "others")


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "a\\b", ".x", "x ", "x" * 101])
def test_a_path_is_no_name(name: str) -> None:
    with pytest.raises(RequestError, match="no name"):
        folder_of_name(name)


def test_people_are_found_by_name_or_folder(person: Person, people: Path, tmp_path: Path) -> None:
    person.save(people / "Ada")
    assert find_person("Ada") == people / "Ada"
    assert find_person(str(people / "Ada")) == people / "Ada"
    assert find_person("Eve") is None
    assert (name_of("Ada"), name_of(str(people / "Ada"))) == ("Ada", "Ada")
    with pytest.raises(RequestError, match="no person's folder"):
        find_person(str(tmp_path / "Eve"))


def test_a_person_is_read_and_never_written_over(
    person: Person, people: Path, tmp_path: Path
) -> None:
    person.save(people / "Ada")
    (tmp_path / "v.mov").touch()
    asked = request(tmp_path, person="Ada")
    (people / "Ada" / "consent.json").write_text("{}")
    with pytest.raises(RequestError, match="overwrite"):
        check_places(replace(asked, output=str(people / "Ada" / "consent.json")))
    found = identify_files(replace(asked, video=str(people / "Ada" / PERSON_FILE), speech=__file__))
    assert hash_once(people / "Ada" / PERSON_FILE) in found["person"]


def test_a_persons_own_consent_holds(person: Person, people: Path, tmp_path: Path) -> None:
    person.save(people / "Ada")
    asked = request(tmp_path, person="Ada")
    assert consent_of(asked) is None
    record = people / "Ada" / "consent.json"
    record.write_text(
        '{"format": 1, "person": "Ada", "use": "dubbing", "until": "2999-01-01"}', "utf-8"
    )
    assert consent_of(asked) == str(record)
    assert consent_of(replace(asked, consent="mine.json")) == "mine.json"
    record.write_text("{}", "utf-8")
    with pytest.raises(RequestError, match="consent"):
        check_consent(asked)


def test_a_name_is_taken_once_and_removed_once(person: Person, people: Path) -> None:
    person.save(people / "Ada")
    with pytest.raises(RequestError, match="There is a person called Ada"):
        make_person("Ada", [__file__], None)  # type: ignore[arg-type]
    with pytest.raises(RequestError, match="Give clips"):
        make_person("Eve", [], None)  # type: ignore[arg-type]
    (people / "Ada" / "notes.txt").touch()
    remove_person("Ada")
    assert [path.name for path in (people / "Ada").iterdir()] == ["notes.txt"]
    with pytest.raises(RequestError, match="nobody called Ada"):
        remove_person("Ada")


@pytest.mark.timeout(60)
def test_what_is_no_file_is_no_person_and_holds_nobody_up(person: Person, people: Path) -> None:
    person.save(people / "Ada")
    for name in ("Pipe", "Sparse", "Gone"):
        (people / name).mkdir()
    os.mkfifo(people / "Pipe" / PERSON_FILE)
    (people / "Gone" / PERSON_FILE).symlink_to("nowhere")
    with (people / "Sparse" / PERSON_FILE).open("wb") as file:
        file.truncate(2**40)
    found = {facts.name: facts.warnings for facts in list_people()}
    assert found["Ada"] == ()
    assert all("is damaged" in found[name][0] for name in ("Pipe", "Sparse"))
    assert find_person("Gone") is None


def test_whom_another_process_has_made_meanwhile_stays(
    person: Person, people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*_: object) -> Person:
        replace(person, style=None).save(people / "Ada")
        return person

    monkeypatch.setattr(making, "check_new", lambda *_: people / "Ada")
    monkeypatch.setattr(making, "_person", late)
    monkeypatch.setattr(making, "_job", lambda *_: None)
    with pytest.raises(RequestError, match="There is a person called Ada"):
        make_person("Ada", ["a.mov"], SimpleNamespace(name="starter"))  # type: ignore[arg-type]
    assert read_person(people / "Ada", "weights").style is None
    assert [path.name for path in people.iterdir()] == ["Ada"]


def test_a_home_of_nobody_is_no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STYLESYNC_PEOPLE", "STYLESYNC_MODELS", "STYLESYNC_STUDIO"):
        monkeypatch.setenv(name, "~nobody-at-all/x")
    assert list_people() == []
    assert models_directory() == Path("~nobody-at-all/x")
    with pytest.raises(RequestError, match="cannot be read"):
        read_studio()
