"""Proof of origin: what is said of a dub, signed into its file or beside it.

MOV and MP4 carry C2PA credentials; everything else gets a signed sidecar. A dub appears under its
name only once it is marked and signed.
"""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stylesync_engine import __version__
from stylesync_engine.files import disk_errors, draft_folder_of, file_hash, sweep_drafts
from stylesync_engine.media.sequences import sequence_folder
from stylesync_engine.origin.consent import Consent
from stylesync_engine.origin.mark import COMPOSITE, MARKED, mark_file
from stylesync_engine.origin.people import name_of
from stylesync_engine.origin.picture_hashes import (
    hash_images,
    hash_pictures,
    is_sequence,
    sidecar_of,
)
from stylesync_engine.origin.sidecar import STATEMENT_FORMAT
from stylesync_engine.origin.signers import holds_credentials
from stylesync_engine.plan.identity import describe_identity
from stylesync_engine.plan.plan import Plan
from stylesync_engine.plan.sources import appearance_clip
from stylesync_engine.request import DubRequest, ModelError
from stylesync_engine.weights import table

if TYPE_CHECKING:
    from stylesync_engine.origin.signing import Signer


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where to write a dub, and the name on the certificate that it will be signed with."""

    place: Path
    signed_by: str | None = None


@contextmanager
def delivering(
    plans: Sequence[Plan], consents: Sequence[Consent | None], signer: Signer | None
) -> Iterator[Delivery]:
    """Where to write the dub; when the block ends well, it is marked, signed and in its place.
    Plan and consent of each face, that of the request that is delivered first.

    Without a mark or a signer it is written to its place directly, the same bytes as ever.
    """
    request = plans[0].request
    marked = request.options.mark == "metadata"
    output = Path(request.output).absolute()
    if signer is None and not marked:
        yield Delivery(output)
    else:
        with _hidden_folder(output) as hidden:
            draft = hidden / output.name
            yield Delivery(draft, signer.name if signer else None)
            with disk_errors(output):
                if marked:
                    _mark(draft)
                if signer is not None:
                    described = list(map(describe, plans, consents))
                    statement = {**described[0], "beside": described[1:]}
                    statement = statement if described[1:] else described[0]
                    draft = _sign(draft, output, statement, request, signer)
                _move(draft, output)
    if signer is None or holds_credentials(output):
        sidecar_of(output).unlink(missing_ok=True)  # one of an earlier delivery


def describe(plan: Plan, consent: Consent | None) -> dict[str, Any]:
    """What is said of a dub: what was done to which files, with which models, for whom.

    Files are named without their folders: the statement travels with the dub. Frame ranges are
    text, because C2PA takes short lists of small numbers for bytes.
    """
    request = plan.request
    statement = {
        "format": STATEMENT_FORMAT,
        "software": {"name": "StyleSync", "version": __version__},
        "digital_source_type": COMPOSITE,
        "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "models": _describe_models(plan),
        "sources": _describe_sources(plan),
        "settings": {"quality": request.options.quality, "seed": request.options.seed},
        "frames": {
            "total": len(plan.frames),
            "changed": len(plan.shown),
            "passed_through": [f"{a}:{b}" for a, b in plan.facts.passed_through],
        },
    }
    if request.person is not None:
        statement["person"] = name_of(request.person)
    if consent is not None:
        statement["consent"] = consent.to_dict()
    return statement


def _describe_models(plan: Plan) -> dict[str, Any]:
    """The models' name and, where they are still what the plan was made with, all their hashes."""
    described: dict[str, Any] = {"name": plan.facts.models}
    wanted = plan.facts.models_fingerprint
    try:
        folder = table.find_folder(plan.request.options.models)
        located, settings = table.effective(table.read_manifest(folder))
    except ModelError:
        return {**described, "fingerprint": wanted}
    if table.fingerprint(located, settings) != wanted:
        return {**described, "fingerprint": wanted}
    parts = {
        name: {"kind": entry.part.kind, "sha256": dict(entry.part.files)}
        for name, entry in located.items()
    }
    return {**described, "fingerprint": wanted, "parts": parts}


def _describe_sources(plan: Plan) -> list[dict[str, Any]]:
    request = plan.request
    roles: Mapping[str, str | None] = {
        "video": request.video,
        "speech": request.speech,
        "style": request.style,
        "style_speech": request.style_speech,
        "appearance": appearance_clip(request.options.appearance)[0],
    }
    known: Mapping[str, str] = plan.facts.inputs["files"]
    sources: list[dict[str, Any]] = [
        {"role": role, "name": Path(path).name, **describe_identity(known[role])}
        for role, path in roles.items()
        if path is not None
    ]
    sources[0]["frames"] = str(plan.frames)
    return sources


def _mark(draft: Path) -> None:
    if not is_sequence(draft):
        mark_file(draft)
        return
    for name in hash_images(draft):
        if Path(name).suffix.lower() in MARKED:
            mark_file(sequence_folder(draft) / name)


def _sign(
    draft: Path, output: Path, statement: dict[str, Any], request: DubRequest, signer: Signer
) -> Path:
    """Sign the draft; returns where the media that are to be delivered lie."""
    from stylesync_engine.origin import sidecar

    if holds_credentials(output):
        return _sign_movie(draft, statement, request, signer)
    if is_sequence(draft):
        statement = {**statement, "files": hash_images(draft)}
    else:
        statement = {
            **statement, "sha256": file_hash(draft), "pictures": hash_pictures(draft)
        }  # fmt: skip
    sidecar.write_sidecar(sidecar_of(output), statement, signer)
    return draft


def _sign_movie(
    draft: Path, statement: dict[str, Any], request: DubRequest, signer: Signer
) -> Path:
    from stylesync_engine.origin import credentials

    signed = draft.parent / "signed" / draft.name
    signed.parent.mkdir()
    sources = [credentials.Source(request.video, "parentOf")]
    for number, face in enumerate(request.faces):
        own = [credentials.Source(face.speech, "componentOf")]
        if face.style is not None:
            own.append(credentials.Source(face.style, "inputTo"))
        known = {source.path for source in sources} if number else ()
        sources += [source for source in own if source.path not in known]
    statement = {**statement, "pictures": hash_pictures(draft)}
    credentials.write_credential(draft, signed, statement, sources, signer)
    return signed


def _move(draft: Path, output: Path) -> None:
    if not is_sequence(draft):
        draft.replace(output)
        return
    folder = sequence_folder(output)
    folder.mkdir(parents=True, exist_ok=True)
    for name in hash_images(draft):
        (sequence_folder(draft) / name).replace(folder / name)


@contextmanager
def _hidden_folder(output: Path) -> Iterator[Path]:
    """A folder on the output's own disk: beside it, or within a folder that is there and may be a
    disk of its own. It goes away whatever happens, after a crash the next time."""
    place = output / output.name if output.is_dir() else output
    sweep_drafts(place)
    folder = draft_folder_of(place)
    try:
        with disk_errors(output):
            folder.mkdir(parents=True)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
