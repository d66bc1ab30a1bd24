"""Whose certificates a C2PA signature carries: c2pa's reader names the first alone.

A manifest store is JUMBF (ISO 19566-5), boxes in boxes of which each names itself; a signature is a
COSE_Sign1 (RFC 9052) whose header holds the chain in DER (RFC 9360).
"""

from __future__ import annotations

from collections.abc import Iterator

import cbor2
from cryptography import x509

from stylesync_engine.origin.signing import Chain

_X5CHAIN = (33, "x5chain")
_UUID_AND_TOGGLES = 17


def signing_chain(store: bytes, manifest: str) -> Chain:
    """The certificates that signed this manifest of a store, the signer's own first. Raises
    ValueError where there are none, or more than one chain to choose from."""
    try:
        signature = _named(_named(_named(store, "c2pa"), manifest), "c2pa.signature")
        coded = next(content for kind, content in _boxes(signature) if kind == b"cbor")
        protected, open_, *_ = cbor2.loads(coded).value
        headers = [cbor2.loads(protected), open_]
        found = [header[name] for header in headers for name in _X5CHAIN if name in header]
    except (cbor2.CBORError, AttributeError, TypeError, StopIteration) as error:
        raise ValueError("the signature is no COSE_Sign1") from error
    if len(found) != 1:
        raise ValueError(f"{len(found)} chains")
    (chain,) = found
    whole = chain if isinstance(chain, list) else [chain]
    if not all(isinstance(entry, bytes) for entry in whole):
        raise ValueError("certificates are bytes")
    return tuple(x509.load_der_x509_certificate(entry) for entry in whole)


def _named(data: bytes, label: str) -> bytes:
    """What the box of this name holds among those in `data`."""
    for kind, content in _boxes(data):
        if kind != b"jumb":
            continue
        _, description = next(_boxes(content), (b"", b""))
        if description[_UUID_AND_TOGGLES:].split(b"\0")[0] == label.encode():
            return content
    raise ValueError(f"there is no box '{label}'")


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kinds and contents, one after the other."""
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4])
        if size < 8:
            raise ValueError("a box of no size")
        yield data[at + 4 : at + 8], data[at + 8 : at + size]
        at += size
