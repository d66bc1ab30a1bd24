"""Whom a certificate's chain makes trustworthy: as TLS libraries judge it, all the way up."""

from __future__ import annotations

import datetime
from typing import Any

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from stylesync_engine.origin.signature_box import signing_chain
from stylesync_engine.origin.signing import authorities, is_vouched_for

NOW = datetime.datetime.now(datetime.UTC)
KEYS = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("root", "middle", "own", "?")}
DOCUMENTS, WEB = ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.SERVER_AUTH


def issue(
    name: str,
    by: str,
    *,
    authority: bool | None = True,
    path_length: int | None = None,
    may_sign: bool | None = None,
    use: Any = None,
    days: tuple[int, int] = (-9, 9),
    key: str | None = None,
) -> x509.Certificate:
    """A certificate for `name` that the key of `by`, or `key`, has signed."""
    subject, issuer = (
        x509.Name([
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Studio"),
            x509.NameAttribute(NameOID.COMMON_NAME, text),
        ])
        for text in (name, by)
    )  # fmt: skip
    begin, end = (NOW + datetime.timedelta(days=day) for day in days)
    builder = x509.CertificateBuilder(
        issuer, subject, KEYS[name].public_key(), x509.random_serial_number(), begin, end
    )
    if authority is not None:
        limits = x509.BasicConstraints(authority, path_length)
        builder = builder.add_extension(limits, critical=True)
    signs = bool(authority) if may_sign is None else may_sign
    rest = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
         "encipher_only", "decipher_only"), False,
    )  # fmt: skip
    usage = x509.KeyUsage(digital_signature=True, key_cert_sign=signs, crl_sign=signs, **rest)
    builder = builder.add_extension(usage, critical=True)
    above = x509.AuthorityKeyIdentifier.from_issuer_public_key(KEYS[key or by].public_key())
    builder = builder.add_extension(above, critical=False)
    if use is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([use]), critical=False)
    return builder.sign(KEYS[key or by], hashes.SHA256())


ROOT = issue("root", "root")
MIDDLE = issue("middle", "root", path_length=0)
OWN = issue("own", "middle", authority=False, use=DOCUMENTS)


@pytest.mark.parametrize("trusted", [[ROOT], [MIDDLE], [ROOT, MIDDLE]])
def test_a_chain_that_holds(trusted: list[x509.Certificate]) -> None:
    assert is_vouched_for((OWN, MIDDLE), trusted)
    assert is_vouched_for((OWN, MIDDLE, ROOT), trusted)


@pytest.mark.parametrize(
    ("own", "middle", "root"),
    [
        (OWN, MIDDLE, issue("root", "root", days=(-9, -1))),
        (OWN, MIDDLE, issue("root", "root", days=(1, 9))),
        (OWN, MIDDLE, issue("root", "root", path_length=0)),
        (OWN, MIDDLE, issue("root", "root", authority=None)),
        (OWN, MIDDLE, issue("root", "root", may_sign=False)),
        (OWN, MIDDLE, issue("root", "root", use=WEB)),
        (OWN, issue("middle", "root", days=(-9, -1)), ROOT),
        (OWN, issue("middle", "root", authority=False), ROOT),
        (OWN, issue("middle", "root", authority=None), ROOT),
        (OWN, issue("middle", "root", may_sign=False), ROOT),
        (OWN, issue("middle", "root", use=WEB), ROOT),
        (OWN, issue("middle", "root", key="?"), ROOT),
        (issue("own", "middle", authority=False, use=WEB), MIDDLE, ROOT),
        (issue("own", "middle", authority=False, days=(-9, -1)), MIDDLE, ROOT),
        (issue("own", "middle", authority=False, key="?"), MIDDLE, ROOT),
        (issue("own", "middle", authority=True, use=DOCUMENTS), MIDDLE, ROOT),
    ],
)
def test_a_chain_that_does_not(
    own: x509.Certificate, middle: x509.Certificate, root: x509.Certificate
) -> None:
    assert not is_vouched_for((own, middle), [root])
    assert not is_vouched_for((own, middle), [])


def test_only_authorities_that_are_valid_today_vouch() -> None:
    over = issue("root", "root", days=(-9, -1))
    assert authorities([ROOT, over, MIDDLE, OWN]) == (ROOT, MIDDLE)


def box(kind: bytes, *content: bytes) -> bytes:
    whole = b"".join(content)
    return (len(whole) + 8).to_bytes(4, "big") + kind + whole


def store(protected: dict[Any, Any], open_: dict[Any, Any]) -> bytes:
    """A manifest store whose manifest `m` is signed under these headers."""

    def named(label: bytes, *content: bytes) -> bytes:
        return box(b"jumb", box(b"jumd", bytes(16), b"\x03", label, b"\0"), *content)

    coded = cbor2.dumps(cbor2.CBORTag(18, [cbor2.dumps(protected), open_, None, b"signature"]))
    signature = named(b"c2pa.signature", box(b"cbor", coded))
    return named(b"c2pa", named(b"other", signature), named(b"m", named(b"claim"), signature))


def der(*chain: x509.Certificate) -> list[bytes]:
    return [entry.public_bytes(Encoding.DER) for entry in chain]


def test_the_chain_of_a_signature_is_read_from_its_box() -> None:
    assert signing_chain(store({33: der(OWN, MIDDLE)}, {}), "m") == (OWN, MIDDLE)
    assert signing_chain(store({}, {"x5chain": der(OWN)[0]}), "m") == (OWN,)


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"\0\0\0\1jumb",
        store({}, {}),
        store({33: der(OWN)}, {33: der(MIDDLE)}),
        store({33: [b"none"]}, {}),
        store({33: 7}, {}),
        store({33: der(OWN)}, {})[:-60],
        store({33: der(OWN)}, {}).replace(b"cbor", b"free"),
    ],
)
def test_a_chain_that_is_unclear_is_none(damaged: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        signing_chain(damaged, "m")
