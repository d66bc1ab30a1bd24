"""Consent on record: who, what for, until when; and a studio that dubs nobody without."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from model_fixtures import make_plan

from stylesync_engine import dubbing
from stylesync_engine.farm import tasks
from stylesync_engine.files import file_hash
from stylesync_engine.mouth.references import ReferenceBank
from stylesync_engine.origin import consent, studio
from stylesync_engine.origin.consent import check_consent, read_consent
from stylesync_engine.origin.studio import Studio, read_studio
from stylesync_engine.request import DubRequest, RequestError
from stylesync_engine.review import previews

TODAY = datetime.date(2026, 6, 15)
RECORD: dict[str, Any] = {
    "format": 1,
    "person": "Ada Byron",
    "purpose": "German version of 'Harbour'",
    "since": "2026-01-01",
    "until": "2026-12-31",
    "media": ["harbour_r3_*", "trailer.mov"],
    "document": "binder 7",
}


@pytest.fixture(autouse=True)
def no_studio(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("CONSENT", "CERTIFICATE", "KEY", "STUDIO"):
        monkeypatch.delenv(f"STYLESYNC_{name}", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def ask(tmp_path: Path, record: Any, video: str = "harbour_r3_012.mov", **more: Any) -> DubRequest:
    path = tmp_path / "consent.json"
    path.write_text(record if isinstance(record, str) else json.dumps(record))
    return DubRequest(video, "line.wav", "dub.mov", consent=str(path), **more)


@pytest.mark.parametrize("video", ["/a/harbour_r3_012.mov", "HARBOUR_R3_x.mxf", "trailer.mov"])
@pytest.mark.parametrize("person", [None, "Ada Byron", "  ada   BYRON"])
def test_a_record_that_holds_is_taken(tmp_path: Path, video: str, person: str | None) -> None:
    consent = check_consent(ask(tmp_path, RECORD, video, person=person), TODAY)
    assert consent is not None
    assert consent.to_dict() == RECORD


@pytest.mark.parametrize("day", ["2026-01-01", "2026-12-31"])
def test_both_ends_are_included(tmp_path: Path, day: str) -> None:
    assert check_consent(ask(tmp_path, RECORD), datetime.date.fromisoformat(day)) is not None


@pytest.mark.parametrize(
    ("change", "asked", "words"),
    [
        ({"until": "2026-06-14"}, {}, "Ada Byron's consent ended on 2026-06-14"),
        ({"since": "2026-06-16"}, {}, "begins on 2026-06-16"),
        ({}, {"person": "Mary Shelley"}, "is Ada Byron's, but Mary Shelley is to be dubbed"),
        ({}, {"video": "other.mov"}, "not for 'other.mov'"),
        ({"person": " "}, {}, "does not say its person"),
        ({"purpose": None}, {}, "does not say its purpose"),
        ({"until": None}, {}, "no valid day in 'until'"),
        ({"until": "2026-02-30"}, {}, "no valid day in 'until'"),
        ({"until": "20261231"}, {}, "no valid day in 'until'"),
        ({"since": 7}, {}, "no valid day in 'since'"),
        ({"media": "all"}, {}, "must be a list"),
        ({"sha256": "all"}, {}, "must be a list"),
        ({"media": [1]}, {}, "does not say its media"),
        ({"format": 2}, {}, "no consent of format 1"),
        ({"unitl": "2027-01-01"}, {}, "unknown field 'unitl'"),
    ],
)
def test_what_does_not_hold_is_refused_in_one_sentence(
    tmp_path: Path, change: dict[str, Any], asked: dict[str, Any], words: str
) -> None:
    with pytest.raises(RequestError, match=words) as caught:
        check_consent(ask(tmp_path, RECORD | change, **asked), TODAY)
    assert str(caught.value).count("\n") == 0


@pytest.mark.parametrize("text", ["", "%PDF-1.7", "[]", "[" * 100_000, "null"])
def test_another_file_is_no_consent(tmp_path: Path, text: str) -> None:
    with pytest.raises(RequestError, match="consent"):
        check_consent(ask(tmp_path, text), TODAY)
    with pytest.raises(RequestError, match="No such file"):
        read_consent(tmp_path / "none.json")


def test_the_schema_lists_the_same_fields(tmp_path: Path) -> None:
    schema_path = Path(consent.__file__).with_name("consent.schema.json")
    schema = json.loads(schema_path.read_text())
    assert set(schema["properties"]) == {*RECORD, "sha256"}
    for name in schema["properties"]:
        lacking = {key: value for key, value in RECORD.items() if key != name}
        request = ask(tmp_path, lacking)
        if name in schema["required"]:
            with pytest.raises(RequestError):
                check_consent(request, TODAY)
        else:
            assert check_consent(request, TODAY) is not None


def test_nobody_asks_for_consent_unless_the_studio_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = DubRequest("harbour_r3_012.mov", "line.wav", "dub.mov")
    assert check_consent(plain) is None
    monkeypatch.setenv("STYLESYNC_CONSENT", "required")
    with pytest.raises(RequestError, match="on record"):
        check_consent(plain)
    assert check_consent(ask(tmp_path, RECORD), TODAY) is not None
    monkeypatch.setenv("STYLESYNC_CONSENT", "yes")
    with pytest.raises(RequestError, match="write required, optional or sha256"):
        check_consent(plain)


def test_the_studios_file_cannot_be_softened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config" / "stylesync" / "studio.json"
    file.parent.mkdir(parents=True)
    file.write_text('{"consent": "required", "certificate": "chain.pem", "key": "/k/key.pem"}')
    wanted = Studio(True, str(file.parent / "chain.pem"), "/k/key.pem")
    assert read_studio() == wanted
    monkeypatch.setenv("STYLESYNC_CONSENT", "optional")
    assert read_studio() == wanted
    monkeypatch.setenv("STYLESYNC_CERTIFICATE", "test")
    assert read_studio() == Studio(True, "test")


@pytest.mark.parametrize("text", ["{", "[]", '{"consent": 1}', '{"consnet": "required"}', ""])
def test_a_studio_file_that_is_not_understood_stops_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    file = tmp_path / "studio.json"
    file.write_text(text)
    monkeypatch.setenv("STYLESYNC_STUDIO", str(file))
    with pytest.raises(RequestError, match="studio"):
        check_consent(DubRequest("a.mov", "b.wav", "c.mov"))
    file.unlink()
    with pytest.raises(RequestError, match="cannot be read"):
        read_studio()


def settings(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_nobody_loosens_what_another_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = settings(tmp_path / "config/stylesync/studio.json", '{"consent": "required"}')
    loose = settings(tmp_path / "loose.json", '{"consent": "optional"}')
    monkeypatch.setenv("STYLESYNC_STUDIO", str(loose))
    assert read_studio().consent_required
    usual.unlink()
    assert not read_studio().consent_required


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="needs root")
def test_the_systems_file_is_its_owners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = settings(tmp_path / "system" / "studio.json", '{"consent": "required"}')
    monkeypatch.setattr(studio, "SYSTEM_FILE", system)
    monkeypatch.setenv("STYLESYNC_STUDIO", str(settings(tmp_path / "l", '{"consent": "optional"}')))
    for name in ("XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / "empty"))
    monkeypatch.setenv("STYLESYNC_CONSENT", "optional")
    assert read_studio().consent_required
    for mode, owner in ((0o666, 0), (0o664, 0), (0o644, 1)):
        system.chmod(mode)
        os.chown(system, owner, 0)
        with pytest.raises(RequestError, match="others than the system's owner"):
            read_studio()


def test_names_are_those_of_the_files_themselves(tmp_path: Path) -> None:
    (tmp_path / "other.mov").write_bytes(b"another person")
    (tmp_path / "harbour_r3_1.mov").symlink_to(tmp_path / "other.mov")
    with pytest.raises(RequestError, match="not for 'other.mov'"):
        check_consent(ask(tmp_path, RECORD, str(tmp_path / "harbour_r3_1.mov")), TODAY)
    for number in range(2):
        (tmp_path / f"harbour_r3_{number}.png").symlink_to(tmp_path / "other.mov")
    with pytest.raises(RequestError, match="not for 'other.mov'"):
        check_consent(ask(tmp_path, RECORD, str(tmp_path / "harbour_r3_%d.png")), TODAY)


def test_a_consent_may_name_the_contents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = tmp_path / "harbour_r3_1.mov"
    clip.write_bytes(b"this person")
    named = RECORD | {"sha256": [file_hash(clip)]}
    asked = ask(tmp_path, named, str(clip))
    assert check_consent(asked, TODAY) is not None
    monkeypatch.setenv("STYLESYNC_CONSENT", "sha256")
    assert check_consent(asked, TODAY) is not None
    with pytest.raises(RequestError, match="asks for the clip's sha256"):
        check_consent(ask(tmp_path, RECORD, str(clip)), TODAY)
    clip.write_bytes(b"another one")
    with pytest.raises(RequestError, match="for other files than"):
        check_consent(ask(tmp_path, named, str(clip)), TODAY)


@pytest.mark.usefixtures("asked_for")
@pytest.mark.parametrize("door", ["rendered", "adapt", "farm", "assemble", "render"])
def test_every_door_to_a_dub_asks(door: str, tmp_path: Path, face: Any) -> None:
    work = tmp_path / "work"
    keep_plan(face, work)
    if door == "adapt":
        from stylesync_training.commands.app import main

        assert main(["adapt", "a.mov", "--output", str(tmp_path / "own"), "--dry-run"]) == 2
        return
    doors: dict[str, Callable[[], object]] = {
        "rendered": lambda: list(previews.rendered(work, [0], 90, tmp_path)),
        "assemble": lambda: dubbing.assemble(work),
        "render": lambda: dubbing.render(work),
        "farm": lambda: tasks.run_task(bundle_of(tmp_path), "prepare", "1"),
    }
    if door == "farm":
        doors["farm"]()
        told = json.loads((tmp_path / "job" / "results" / "0001.json").read_text())
        assert "consent" in told["error"]["message"]
        return
    with pytest.raises(RequestError, match="consent on record"):
        doors[door]()


@pytest.fixture
def asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STYLESYNC_CONSENT", "required")


def keep_plan(face: Any, work: Path) -> None:
    none = np.zeros((1, 1, 1, 3), np.uint8)
    bank = ReferenceBank(none, np.zeros((1, 468, 2)), np.zeros((1, 3)), np.zeros(1, np.int64), ())
    make_plan(face).save(work, bank)


def bundle_of(tmp_path: Path) -> Path:
    """A job that was submitted where nobody asked."""
    job = tmp_path / "job"
    (job / "results").mkdir(parents=True)
    for name in ("a.mov", "s.wav"):
        (tmp_path / name).write_bytes(b"x")
    request = DubRequest(str(tmp_path / "a.mov"), str(tmp_path / "s.wav"), "o.mov", work="work/1")
    dubs = [{"request": json.loads(request.to_json()), "frames": [0, 1]}]
    (job / "bundle.json").write_text(json.dumps({"format": 2, "dubs": dubs}))
    return job
