"""What a studio sets once for every dub on a machine: required consent, and its certificate.

    {"consent": "required", "certificate": "chain.pem", "key": "key.pem"}

in `studio.json` of the user's configuration folder, or in the file that `STYLESYNC_STUDIO` names.
`STYLESYNC_CONSENT`, `STYLESYNC_CERTIFICATE` and `STYLESYNC_KEY` say the same; consent is required
where either says so, certificate and key of the environment come first.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from stylesync_engine.request import RequestError

TEST = "test"
"""In the place of a certificate: the one that is made for trying things out."""

_FIELDS = ("consent", "certificate", "key")
_CONSENT = ("required", "optional")


@dataclass(frozen=True, slots=True)
class Studio:
    """`certificate` is a PEM file, the signer's certificate first, then those above it; `key` is
    its private key. Both are None where nothing is to be signed."""

    consent_required: bool = False
    certificate: str | None = None
    key: str | None = None


def read_studio() -> Studio:
    """The settings of this machine; raises RequestError where they cannot be understood, so that a
    misspelt rule is never taken for none."""
    path = _settings_file()
    told = _read(path) if path is not None else {}
    folder = path.parent if path is not None else Path()
    places = {name: str(folder / told[name]) for name in ("certificate", "key") if name in told}
    if told.get("certificate") == TEST:
        places["certificate"] = TEST
    certificate = os.environ.get("STYLESYNC_CERTIFICATE")
    if certificate:
        places = {"certificate": certificate}
    key = os.environ.get("STYLESYNC_KEY")
    if key:
        places["key"] = key
    said = (told.get("consent"), _environment_consent())
    return Studio(consent_required="required" in said, **places)


def _settings_file() -> Path | None:
    named = os.environ.get("STYLESYNC_STUDIO")
    if named:
        return Path(named).expanduser()
    usual = platformdirs.user_config_path("stylesync", appauthor=False) / "studio.json"
    return usual if usual.exists() else None


def _read(path: Path) -> Mapping[str, str]:
    try:
        data: Any = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise RequestError(
            f"The studio's settings in '{path}' cannot be read; mend the file, or what"
            " STYLESYNC_STUDIO names."
        ) from error
    if not isinstance(data, dict) or not all(isinstance(v, str) and v for v in data.values()):
        raise RequestError(f"The studio's settings in '{path}' must be an object of texts.")
    unknown = sorted(set(data) - set(_FIELDS))
    if unknown:
        raise RequestError(
            f"The studio's settings in '{path}' have an unknown field '{unknown[0]}'; known are"
            f" {', '.join(_FIELDS)}."
        )
    _check_consent(data.get("consent"), f"in '{path}'")
    return data


def _environment_consent() -> str | None:
    said = os.environ.get("STYLESYNC_CONSENT") or None
    _check_consent(said, "in STYLESYNC_CONSENT")
    return said


def _check_consent(value: str | None, where: str) -> None:
    if value is not None and value not in _CONSENT:
        raise RequestError(f"The consent {where} is '{value}'; write {' or '.join(_CONSENT)}.")
