"""What a studio sets once for every dub on a machine: required consent, and its certificate.

    {"consent": "required", "certificate": "chain.pem", "key": "key.pem"}

in `studio.json` of the system's configuration, which only its owner may write, in that of the
user's, or in the file that `STYLESYNC_STUDIO` names. `STYLESYNC_CONSENT`, `STYLESYNC_CERTIFICATE`
and `STYLESYNC_KEY` say the same. Of consent the strictest word holds, so that none of them loosens
another; for certificate and key the environment comes first and the system last.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from stylesync_engine.files import expanded, name_file, read_bounded
from stylesync_engine.records import strict_json
from stylesync_engine.request import RequestError

TEST = "test"
"""In the place of a certificate: the one that is made for trying things out."""

_FIELDS = ("consent", "certificate", "key")
_CONSENT = ("optional", "required", "sha256")  # each stricter than the one before
_LISTED = "required, optional or sha256"
_BYTES = 2**16
_SYSTEM = {
    "win32": platformdirs.site_config_path("stylesync", appauthor=False),
    "darwin": Path("/Library/Application Support/stylesync"),
}
SYSTEM_FILE = _SYSTEM.get(sys.platform, Path("/etc/stylesync")) / "studio.json"
"""Named by no variable of the environment, which a user could change."""


@dataclass(frozen=True, slots=True)
class Studio:
    """`certificate` is a PEM file, the signer's certificate first, then those above it; `key` is
    its private key. Both are None where nothing is to be signed. `consent_by_hash` asks a consent
    to name the clip's sha256, where `consent_required` alone takes its name for it."""

    consent_required: bool = False
    certificate: str | None = None
    key: str | None = None
    consent_by_hash: bool = False


def read_studio() -> Studio:
    """The settings of this machine; raises RequestError where they cannot be understood, so that a
    misspelt rule is never taken for none."""
    _check_guarded(SYSTEM_FILE)
    usual = platformdirs.user_config_path("stylesync", appauthor=False) / "studio.json"
    named = os.environ.get("STYLESYNC_STUDIO")
    files = [
        SYSTEM_FILE,
        usual,
        *([expanded(_path_of("STYLESYNC_STUDIO", named))] if named else []),
    ]
    places: dict[str, str] = {}
    words = [_environment_consent()]
    for path in files:
        told = _read(path, wanted=bool(named) and path is files[-1])
        words.append(told.get("consent"))
        places = _places(path, told) or places
    certificate, key = os.environ.get("STYLESYNC_CERTIFICATE"), os.environ.get("STYLESYNC_KEY")
    if certificate:
        places = {"certificate": _path_of("STYLESYNC_CERTIFICATE", certificate)}
    if key:
        places["key"] = _path_of("STYLESYNC_KEY", key)
    strictest = max(_CONSENT.index(word or "optional") for word in words)
    return Studio(strictest > 0, **places, consent_by_hash=_CONSENT[strictest] == "sha256")


def _places(path: Path, told: Mapping[str, str]) -> dict[str, str]:
    """Certificate and key, which lie beside the settings unless they say otherwise."""
    named = [name for name in ("certificate", "key") if name in told]
    places = {
        name: str(path.parent / _path_of(f"{name} in '{path}'", told[name])) for name in named
    }
    return places | ({"certificate": TEST} if told.get("certificate") == TEST else {})


def _path_of(where: str, value: str) -> str:
    """Raises RequestError, without quoting it, for PEM in the place of its file's name."""
    if "-----BEGIN" in value or "\n" in value:
        raise RequestError(f"{where} holds PEM itself; write it to a file and give its path.")
    return value


def _check_guarded(path: Path) -> None:
    """A rule for everybody that anybody could change would be none."""
    try:
        status = path.stat()
    except OSError:
        return
    if os.name == "posix" and (status.st_uid != 0 or status.st_mode & 0o022):
        raise RequestError(
            f"'{path}' may be changed by others than the system's owner; give it to root, and"
            " chmod 644 it."
        )


def _read(path: Path, wanted: bool) -> Mapping[str, str]:
    """What a file says; nothing where there is none, unless it is `wanted`."""
    try:
        data: Any = strict_json(read_bounded(path, _BYTES).decode("utf-8-sig"))
    except (OSError, ValueError) as error:
        if isinstance(error, (FileNotFoundError, NotADirectoryError)) and not wanted:
            return {}
        raise RequestError(
            f"The studio's settings {name_file(path)} cannot be read; mend the file, or what"
            " STYLESYNC_STUDIO names."
        ) from None  # the cause may quote a secret
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
        raise RequestError(f"The consent {where} is none that is known; write {_LISTED}.")
