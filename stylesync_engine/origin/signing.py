"""Who signs a dub: the user's own certificate, or one that is made for trying things out.

Certificates are PEM files, the signer's own first and then each by whom the one before was issued.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from stylesync_engine.files import name_file, read_bounded
from stylesync_engine.request import RequestError

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
Chain = tuple[x509.Certificate, ...]

TEST_NAME = "StyleSync TEST - not for delivery"
_CURVES: dict[str, tuple[str, hashes.HashAlgorithm]] = {
    "secp256r1": ("es256", hashes.SHA256()),
    "secp384r1": ("es384", hashes.SHA384()),
    "secp521r1": ("es512", hashes.SHA512()),
}
_PEM_BYTES = 2**20
_FOR_DOCUMENTS = frozenset({
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE.dotted_string,
    ExtendedKeyUsageOID.EMAIL_PROTECTION.dotted_string,
    "1.3.6.1.5.5.7.3.36",  # documents (RFC 9336)
    "1.3.6.1.4.1.62558.2.1",  # C2PA claims
})  # fmt: skip
_PSS = padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256.digest_size)


@dataclass(frozen=True, slots=True)
class Signer:
    """A certificate with those above it, and its private key."""

    chain: Chain
    key: PrivateKey

    @property
    def name(self) -> str:
        return name_of(self.chain)

    @property
    def algorithm(self) -> str:
        """As C2PA calls it: es256, es384, es512, ed25519 or ps256."""
        return algorithm_of(self.chain)

    @property
    def certificates(self) -> str:
        """The chain as PEM."""
        return "".join(
            entry.public_bytes(serialization.Encoding.PEM).decode() for entry in self.chain
        )

    def sign(self, data: bytes) -> bytes:
        if isinstance(self.key, ed25519.Ed25519PrivateKey):
            return self.key.sign(data)
        if isinstance(self.key, ec.EllipticCurvePrivateKey):
            return self.key.sign(data, ec.ECDSA(_CURVES[self.key.curve.name][1]))
        return self.key.sign(data, _PSS, hashes.SHA256())


def read_chain(path: str | Path) -> Chain:
    """The certificates in a PEM file; raises RequestError where there are none."""
    try:
        chain = tuple(x509.load_pem_x509_certificates(read_bounded(Path(path), _PEM_BYTES)))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it holds none in PEM"
        raise RequestError(
            f"The certificate {name_file(path)} cannot be read ({reason}); give a PEM file."
        ) from None  # the cause quotes what may be a secret
    return chain


def parse_chain(pem: str) -> Chain:
    """Raises ValueError where the text holds no certificates."""
    return tuple(x509.load_pem_x509_certificates(pem.encode()))


def name_of(chain: Chain) -> str:
    """Who the first certificate belongs to."""
    subject = chain[0].subject
    for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        for attribute in subject.get_attributes_for_oid(kind):
            return str(attribute.value)
    return subject.rfc4514_string()


def is_test(name: str) -> bool:
    """Whether a signer's name is that of a test certificate."""
    return name == TEST_NAME


def algorithm_of(chain: Chain) -> str:
    """Raises ValueError for a kind of key that C2PA does not know."""
    key = chain[0].public_key()
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "ed25519"
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return _CURVES[key.curve.name][0]
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= 2048:
        return "ps256"
    raise ValueError("keys on P-256, P-384, P-521 or Ed25519, or RSA of 2048 bits and more")


def is_signed_by(chain: Chain, signature: bytes, data: bytes) -> bool:
    """Whether the owner of the first certificate signed exactly this."""
    key = chain[0].public_key()
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, data)
        elif isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
            key.verify(signature, data, ec.ECDSA(_CURVES[key.curve.name][1]))
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, data, _PSS, hashes.SHA256())
        else:
            return False
    except InvalidSignature:
        return False
    return True


def is_vouched_for(chain: Chain, trusted: Sequence[x509.Certificate]) -> bool:
    """Whether a trusted authority vouches for the signer, as TLS libraries judge it: every
    certificate is valid today and allowed to do what it does, authorities to sign certificates and
    the signer to sign documents."""
    policies = {"ca_policy": _authority_policy(), "ee_policy": _signer_policy()}
    try:
        verifier = (
            PolicyBuilder()
            .store(Store(list(trusted)))
            .time(datetime.datetime.now(datetime.UTC))
            .extension_policies(**policies)
            .build_client_verifier()
        )
        verifier.verify(chain[0], list(chain[1:]))
    except (VerificationError, ValueError, TypeError):
        return False
    return True


def authorities(trusted: Sequence[x509.Certificate]) -> Chain:
    """Those that may vouch for others today; for checks by a library that does not ask."""
    moment = datetime.datetime.now(datetime.UTC)
    return tuple(
        entry
        for entry in trusted
        if entry.not_valid_before_utc <= moment <= entry.not_valid_after_utc
        and _has(entry, x509.BasicConstraints, lambda limits: limits.ca)
    )


def _has(
    certificate: x509.Certificate, kind: type[x509.ExtensionType], holds: Callable[[Any], bool]
) -> bool:
    try:
        return holds(certificate.extensions.get_extension_for_class(kind).value)
    except (x509.ExtensionNotFound, ValueError):
        return False


def _authority_policy() -> ExtensionPolicy:
    """The library itself sees to path lengths, dates and signatures."""
    return (
        ExtensionPolicy.permit_all()
        .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, _want(lambda e: e.ca))
        .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _want(lambda e: e.key_cert_sign))
        .may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _want(_is_for_documents))
    )


def _signer_policy() -> ExtensionPolicy:
    return (
        ExtensionPolicy.permit_all()
        .may_be_present(x509.BasicConstraints, Criticality.AGNOSTIC, _want(lambda e: not e.ca))
        .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _want(lambda e: e.digital_signature))
        .may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _want(_is_for_documents))
    )


def _want(holds: Callable[[Any], bool]) -> Callable[[Policy, x509.Certificate, Any], None]:
    def check(policy: Policy, certificate: x509.Certificate, extension: Any) -> None:
        if extension is not None and not holds(extension):
            raise ValueError("the certificate is for another use")

    return check


def _is_for_documents(usage: x509.ExtendedKeyUsage) -> bool:
    return not _FOR_DOCUMENTS.isdisjoint(use.dotted_string for use in usage)


def _read_key(path: str | Path) -> PrivateKey:
    try:
        data = read_bounded(Path(path), _PEM_BYTES)
        key = serialization.load_pem_private_key(data, password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        reason = getattr(error, "strerror", None) or "it is no open private key in PEM"
        raise RequestError(
            f"The key {name_file(path)} cannot be used ({reason}); give another."
        ) from None  # the cause quotes what may be a secret
    if not isinstance(key, PrivateKey):
        raise RequestError(
            f"The key {name_file(path)} is of a kind that cannot sign; give another."
        )
    _refuse_public_key_file(Path(path))
    return key


def _refuse_public_key_file(path: Path) -> None:
    """As OpenSSH does, for keys of this user: nobody else may read them."""
    status = path.stat()
    if os.name == "posix" and status.st_uid == os.getuid() and status.st_mode & 0o077:
        raise RequestError(
            f"The key '{path}' may be read by others than its owner; chmod 600 it, and change it"
            " if they may have."
        )


def load_signer(certificate: str | Path, key: str | Path) -> Signer:
    """The signer of two PEM files; raises RequestError where they cannot be used together."""
    return _checked(Signer(read_chain(certificate), _read_key(key)), certificate, key)


def _checked(signer: Signer, certificate: str | Path, key: str | Path) -> Signer:
    """Raises RequestError where key and certificate do not fit, or the certificate is over."""
    try:
        algorithm_of(signer.chain)
    except ValueError as error:
        raise RequestError(
            f"The certificate {name_file(certificate)} cannot sign; take one with {error}."
        ) from error
    if signer.chain[0].public_key() != signer.key.public_key():
        raise RequestError(
            f"The key {name_file(key)} is not that of the first certificate in"
            f" {name_file(certificate)}; name the two that belong together."
        )
    until = signer.chain[0].not_valid_after_utc
    if until < datetime.datetime.now(datetime.UTC):
        raise RequestError(f"The certificate '{certificate}' ended on {until:%Y-%m-%d}; renew it.")
    return signer
