"""A signed file beside the media, for formats that cannot hold credentials themselves.

    {"statement": {...}, "signature": {"algorithm": "es256", "certificates": PEM, "value": base64}}

The signature is over the statement as JSON with sorted keys and no spaces; the statement holds the
sha256 of the file and of each picture, or of each file of an image sequence.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stylesync_engine.files import read_bounded, write_text
from stylesync_engine.records import strict_json
from stylesync_engine.request import MediaError

if TYPE_CHECKING:
    from stylesync_engine.origin.signing import Chain, Signer

_BYTES = 2**25  # five hours of frames


STATEMENT_FORMAT = 1  # of what is signed, in sidecars and in credentials


def write_sidecar(path: Path, statement: dict[str, Any], signer: Signer) -> None:
    """The file appears whole; raises DiskError where it cannot be written."""
    signature = {
        "algorithm": signer.algorithm,
        "certificates": signer.certificates,
        "value": base64.b64encode(signer.sign(_canonical(statement))).decode(),
    }
    data = {"statement": statement, "signature": signature}
    write_text(path, json.dumps(data, indent=1, ensure_ascii=False) + "\n")


def read_sidecar(path: Path) -> tuple[dict[str, Any], Chain]:
    """What was signed, and by whom; nothing is said yet about whether they are to be trusted.

    Raises MediaError where the file is damaged, or its signature is of something else.
    """
    from stylesync_engine.origin.signing import algorithm_of, is_signed_by, parse_chain

    try:
        data = strict_json(read_bounded(path, _BYTES))
        signature = data["signature"]
        chain = parse_chain(signature["certificates"])
        value = base64.b64decode(signature["value"], validate=True)
        fits = signature["algorithm"] == algorithm_of(chain)
        if not isinstance(data["statement"], dict):
            raise TypeError("no statement")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise MediaError(
            f"'{path.name}' is damaged or no sidecar of StyleSync; get it again from its maker."
        ) from error
    if not fits or not is_signed_by(chain, value, _canonical(data["statement"])):
        raise MediaError(
            f"'{path.name}' was changed after it was signed; get it again from its maker."
        )
    return data["statement"], chain


def _canonical(statement: dict[str, Any]) -> bytes:
    return json.dumps(statement, sort_keys=True, separators=(",", ":")).encode()
