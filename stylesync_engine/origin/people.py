"""People who were made once: where each one's folder lies, by name or by path."""

from __future__ import annotations

import os
import re
from pathlib import Path

import platformdirs

from stylesync_engine.files import expanded
from stylesync_engine.request import DubRequest, RequestError

PERSON_FILE = "person.safetensors"
CONSENT_FILE = "consent.json"

_NAME = re.compile(r"[^\W_][\w .'-]{0,98}[\w']|[^\W_]")  # no folder's special names, no paths


def people_folder() -> Path:
    """Where people are kept; `STYLESYNC_PEOPLE` says another place, such as a studio's."""
    chosen = os.environ.get("STYLESYNC_PEOPLE")
    if chosen:
        return expanded(chosen)
    return platformdirs.user_data_path("stylesync", appauthor=False) / "people"


def folder_of_name(name: str) -> Path:
    """The folder of a person of this name. Raises RequestError for what is no name."""
    if not _NAME.fullmatch(name):
        raise RequestError(
            f"'{name}' is no name for a person; write up to 100 letters, digits, spaces and - . '.",
            "person",
        )
    return people_folder() / name


def find_person(person: str | None) -> Path | None:
    """The folder of a person who was made; None for a mere name, which says who is dubbed.

    Raises RequestError for a path at which there is nobody.
    """
    if not person:
        return None
    if _is_path(person):
        if not (Path(person) / PERSON_FILE).is_file():
            raise RequestError(
                f"'{person}' is no person's folder; make one with stylesync-engine person make.",
                "person",
            )
        return Path(person)
    folder = people_folder() / person
    return folder if _NAME.fullmatch(person) and (folder / PERSON_FILE).is_file() else None


def list_names() -> list[str]:
    """The names of everybody who was made."""
    return sorted(path.parent.name for path in people_folder().glob(f"*/{PERSON_FILE}"))


def name_of(person: str | None) -> str | None:
    """Who is dubbed: a name as it is, a folder's own name."""
    return Path(person).absolute().name if person and _is_path(person) else person


def consent_of(request: DubRequest) -> str | None:
    """The record that the request names, or that was given when its person was made."""
    folder = None if request.consent else find_person(request.person)
    kept = folder / CONSENT_FILE if folder else None
    return str(kept) if kept and kept.is_file() else request.consent


def _is_path(person: str) -> bool:
    return any(mark in person for mark in "/\\")
