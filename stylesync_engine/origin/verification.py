"""Whether a delivery is still what was signed, and by whom: the other end of `provenance`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from stylesync_engine.files import file_hash
from stylesync_engine.origin import credentials, sidecar, signers, signing
from stylesync_engine.origin.picture_hashes import (
    SIDECAR,
    describe_changes,
    describe_file_changes,
    hash_images,
    hash_pictures,
    is_sequence,
    sidecar_of,
)
from stylesync_engine.origin.sidecar import STATEMENT_FORMAT
from stylesync_engine.origin.signers import holds_credentials
from stylesync_engine.origin.signing import Chain
from stylesync_engine.origin.studio import read_studio
from stylesync_engine.request import MediaError

TEST_WARNING = "The file is signed with a test certificate; it is not for delivery."


@dataclass(frozen=True, slots=True)
class Proof:
    """What a delivery that is as it was signed says of itself; `kind` is `c2pa` or `sidecar`."""

    file: str
    kind: str
    signed_by: str
    statement: dict[str, Any]
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        told = {name: value for name, value in self.statement.items() if name not in _HASHES}
        return {
            "file": self.file,
            "credentials": self.kind,
            "signed_by": self.signed_by,
            "statement": told,
            "warnings": list(self.warnings),
        }


_HASHES = ("files", "pictures", "sha256")


def verify(path: str | Path, trust: Sequence[str | Path] = ()) -> Proof:
    """The proof in a file or beside it, checked against what the file holds now.

    Trusted are the authorities in the files `trust` and in the chain that is configured here.
    Raises MediaError, one sentence, for missing or damaged proof, for a changed picture, which it
    names, and for a signer whom nobody vouches for.
    """
    path = Path(path)
    trusted = _trusted(trust)
    if path.name.endswith(SIDECAR):
        path = path.with_name(path.name.removesuffix(SIDECAR))
    if not is_sequence(path) and not path.is_file():
        raise MediaError(f"'{path}' does not exist; check the path.")
    proof, known = (_of_movie if holds_credentials(path) else _of_sidecar)(path, trusted)
    if not known:
        raise MediaError(
            f"'{path.name}' is as it was signed, but by '{proof.signed_by}', whom nobody here"
            " vouches for; if you know them, give their authority's"
            " certificate.",
            "trust",
        )
    return proof


def _trusted(trust: Sequence[str | Path]) -> Chain:
    certificates = [entry for path in trust for entry in signing.read_chain(path)]
    own = signers.open_signer(read_studio())
    return (*certificates, *(own.chain if own else ()))


def _of_movie(path: Path, trusted: Chain) -> tuple[Proof, bool]:
    able = signing.authorities(trusted)
    pem = "".join(entry.public_bytes(Encoding.PEM).decode() for entry in able)
    found = credentials.read_credential(path, pem)
    if found is None:
        raise MediaError(
            f"'{path.name}' carries no credentials: it was never signed, or they were stripped;"
            " get the file from its maker."
        )
    statement = _known_format(path, found.statement)
    if found.altered:
        _refuse_changes(path, describe_changes(_pictures(path, statement), hash_pictures(path)))
    known = found.trusted and signing.is_vouched_for(found.chain, trusted)
    return _proof(path, "c2pa", found.signer, statement), known


def _of_sidecar(path: Path, trusted: Chain) -> tuple[Proof, bool]:
    beside = sidecar_of(path)
    if not beside.is_file():
        raise MediaError(
            f"'{path.name}' has no '{beside.name}' beside it: it was never signed, or the proof"
            " was left behind; get both from their maker."
        )
    statement, chain = sidecar.read_sidecar(beside)
    statement = _known_format(path, statement)
    if "files" in statement:
        changes = describe_file_changes(_files(path, statement), hash_images(path))
        if changes:
            _refuse_changes(path, changes)
    elif is_sequence(path) or file_hash(path) != statement.get("sha256"):
        _refuse_changes(path, describe_changes(_pictures(path, statement), hash_pictures(path)))
    name = signing.name_of(chain)
    return _proof(path, "sidecar", name, statement), signing.is_vouched_for(chain, trusted)


def _refuse_changes(path: Path, changes: str) -> None:
    said = changes or "its sound or its container was changed, the pictures are as signed"
    raise MediaError(
        f"'{path.name}' is not what was signed: {said}; get the file again from its maker."
    )


def _proof(path: Path, kind: str, signer: str, statement: dict[str, Any]) -> Proof:
    warnings = (TEST_WARNING,) if signing.is_test(signer) else ()
    return Proof(str(path), kind, signer, statement, warnings)


def _known_format(path: Path, statement: dict[str, Any]) -> dict[str, Any]:
    if statement.get("format") != STATEMENT_FORMAT:
        raise MediaError(
            f"The proof of '{path.name}' is of another version; verify it with that StyleSync."
        )
    return statement


def _pictures(path: Path, statement: dict[str, Any]) -> list[str]:
    pictures = statement.get("pictures")
    if not isinstance(pictures, list):
        raise _incomplete(path)
    return pictures


def _files(path: Path, statement: dict[str, Any]) -> dict[str, str]:
    files = statement.get("files")
    if not isinstance(files, dict):
        raise _incomplete(path)
    return files


def _incomplete(path: Path) -> MediaError:
    return MediaError(
        f"The proof of '{path.name}' does not name its pictures; get it again from its maker."
    )
