"""`stylesync-engine verify`: says who signed a dub, and refuses what is not as they signed it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from stylesync_engine.commands.reporting import Json, reporting
from stylesync_engine.request import RequestError

if TYPE_CHECKING:
    from stylesync_engine.origin.verification import Proof


def verify(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A delivered file, folder or shot.%06d.png.")
    ],
    trust: Annotated[
        list[str] | None,
        typer.Option("--trust", metavar="CERT", help="Authorities to trust, PEM; repeatable."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check a dub's proof of origin.

    Exit code 3 where a frame was changed, the proof is missing, or nobody vouches for the signer.
    """
    with reporting(as_json) as report:
        try:
            from stylesync_engine.origin import verification
        except ImportError as error:
            raise RequestError(
                "Verifying needs further packages; install 'stylesync[provenance]' with pip."
            ) from error

        proof = verification.verify(file, trust or ())
        report.result(proof.to_dict(), describe(proof))


def describe(proof: Proof) -> str:
    """The proof for a person to read."""
    told = proof.statement
    frames, models = told.get("frames", {}), told.get("models", {})
    lines = [
        f"{proof.file} is as '{proof.signed_by}' signed it on {told.get('made')}.",
        f"Dubbed: {frames.get('changed')} of {frames.get('total')} frames,"
        f" with the models {models.get('name')}.",
    ]
    consent = told.get("consent")
    if consent:
        lines.append(
            f"Consent: {consent.get('person')}, for {consent.get('purpose')},"
            f" until {consent.get('until')}."
        )
    return "\n".join(lines)
