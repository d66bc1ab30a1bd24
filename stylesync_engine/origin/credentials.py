"""C2PA credentials inside MOV and MP4 (content provenance, specification 2): write and read.

Nothing is ever fetched: no remote manifests, no revocation lists, no time stamps.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import c2pa

from stylesync_engine import __version__
from stylesync_engine.origin.mark import COMPOSITE
from stylesync_engine.origin.signature_box import signing_chain
from stylesync_engine.origin.signing import Chain, Signer
from stylesync_engine.request import MediaError

LABEL = "org.stylesync.dub"

_SETTINGS: dict[str, Any] = {
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_trust": True},
    "builder": {"thumbnail": {"enabled": False}},
}
_ALTERED = ("assertion.bmffHash.mismatch", "assertion.dataHash.mismatch")
_UNKNOWN_SIGNER = "signingCredential.untrusted"


@dataclass(frozen=True, slots=True)
class Source:
    """A file that went in, and what it was for: `parentOf`, `componentOf` or `inputTo`."""

    path: str
    relationship: str


@dataclass(frozen=True, slots=True)
class Credential:
    """What a file carries: the statement, whose it is, and whether the file is still as signed."""

    statement: dict[str, Any]
    signer: str
    chain: Chain
    trusted: bool
    altered: bool


def write_credential(
    unsigned: Path,
    signed: Path,
    statement: dict[str, Any],
    sources: Sequence[Source],
    signer: Signer,
) -> None:
    """Copy a movie with its credential in it; raises MediaError where it cannot be."""
    try:
        with c2pa.Context.from_dict(_SETTINGS) as context:
            builder = c2pa.Builder(_manifest(signed.name, statement, sources), context=context)
            for number, source in enumerate(sources):
                _add(builder, number, source)
            with _c2pa_signer(signer) as own:
                builder.sign_file(str(unsigned), str(signed), own)
    except c2pa.C2paError as error:
        raise MediaError(
            f"The credentials of '{signed.name}' cannot be written ({_said(error)}); check the"
            " certificate, or dub without credentials.",
            "credentials",
        ) from error


def read_credential(path: Path, trusted: str) -> Credential | None:
    """The credential in a movie, None where it has none; `trusted` are authorities as PEM.

    Raises MediaError where it is damaged, forged or not of ours.
    """
    anchors = {"user_anchors": trusted} if trusted else {}
    try:
        with (
            c2pa.Context.from_dict({**_SETTINGS, "trust": anchors}) as context,
            path.open("rb") as file,
            c2pa.Reader(path.suffix[1:].lower(), file, context=context) as reader,
        ):
            manifest = reader.get_active_manifest() or {}
            results = reader.get_validation_results() or {}
            chain = _chain(reader)
    except c2pa.C2paError.ManifestNotFound:
        return None
    except (c2pa.C2paError, OSError, KeyError, ValueError) as error:
        raise MediaError(
            f"The credentials of '{path.name}' cannot be read ({_said(error)}); get the file again"
            " from its maker."
        ) from error
    return _judged(path, manifest, results, chain)


def _chain(reader: c2pa.Reader) -> Chain:
    """Whose certificates the active manifest's signature carries."""
    active, store = json.loads(reader.json())["active_manifest"], io.BytesIO()
    reader.resource_to_stream(f"self#jumbf=/c2pa/{active}/c2pa.signature", store)
    return signing_chain(store.getvalue(), active)


def _judged(
    path: Path, manifest: dict[str, Any], results: dict[str, Any], chain: Chain
) -> Credential:
    active = results.get("activeManifest") or {}
    failures = {str(entry.get("code")) for entry in active.get("failure", ())}
    passed = {str(entry.get("code")) for entry in active.get("success", ())}
    others = failures - {*_ALTERED, _UNKNOWN_SIGNER}
    if others or "claimSignature.validated" not in passed:
        why = ", ".join(sorted(others)) or "no valid signature"
        raise MediaError(
            f"The credentials of '{path.name}' are damaged or forged ({why}); get the file again"
            " from its maker."
        )
    statements = [a["data"] for a in manifest.get("assertions", ()) if a.get("label") == LABEL]
    if len(statements) != 1 or not isinstance(statements[0], dict):
        raise MediaError(
            f"The credentials of '{path.name}' are not StyleSync's; the file was made or changed"
            " by another program."
        )
    signer = manifest.get("signature_info") or {}
    return Credential(
        statement=statements[0],
        signer=str(signer.get("common_name") or signer.get("issuer") or "somebody unnamed"),
        chain=chain,
        trusted=_UNKNOWN_SIGNER not in failures and "signingCredential.trusted" in passed,
        altered=bool(failures & set(_ALTERED)),
    )


def _manifest(name: str, statement: dict[str, Any], sources: Sequence[Source]) -> dict[str, Any]:
    """What was done: the original was opened, the speech placed, the mouth edited by models."""
    roles = {source.relationship: _id(number) for number, source in enumerate(sources)}
    used = [roles[role] for role in ("inputTo",) if role in roles]
    agent = {"name": "StyleSync", "version": __version__}
    edited = {
        "action": "c2pa.edited",
        "description": "The mouth was rendered anew to match other speech.",
        "digitalSourceType": COMPOSITE,
        "softwareAgent": agent,
        "parameters": {"models": statement["models"]["name"], "ingredientIds": used},
    }
    actions = [
        {"action": "c2pa.opened", "parameters": {"ingredientIds": [roles["parentOf"]]}},
        {"action": "c2pa.placed", "parameters": {"ingredientIds": [roles["componentOf"]]}},
        edited,
    ]
    return {
        "claim_generator_info": [agent],
        "title": name,
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": actions}},
            {"label": LABEL, "data": statement},
        ],
    }


def _add(builder: c2pa.Builder, number: int, source: Source) -> None:
    path = Path(source.path)
    described = {"title": path.name, "relationship": source.relationship, "label": _id(number)}
    with path.open("rb") as file:
        builder.add_ingredient(described, path.suffix[1:].lower() or "bin", file)


def _id(number: int) -> str:
    return f"source-{number}"


def _c2pa_signer(signer: Signer) -> c2pa.Signer:
    algorithm = c2pa.C2paSigningAlg[signer.algorithm.upper()]
    return c2pa.Signer.from_callback(signer.sign, algorithm, signer.certificates)


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:160]
