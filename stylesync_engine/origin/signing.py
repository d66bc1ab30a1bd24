"""Who signs a dub: the user's own certificate, or one that is made for trying things out.

Certificates are PEM files, the signer's own first and then each by whom the one before was issued.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import NameOID

from stylesync_engine.request import RequestError

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
Chain = tuple[x509.Certificate, ...]

TEST_NAME = "StyleSync TEST - not for delivery"
_CURVES: dict[str, tuple[str, hashes.HashAlgorithm]] = {
    "secp256r1": ("es256", hashes.SHA256()),
    "secp384r1": ("es384", hashes.SHA384()),
    "secp521r1": ("es512", hashes.SHA512()),
}
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
        chain = tuple(x509.load_pem_x509_certificates(Path(path).read_bytes()))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it holds none in PEM"
        raise RequestError(
            f"The certificate '{path}' cannot be read ({reason}); give a PEM file."
        ) from error
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
    """Whether a trusted authority issued the signer's certificate or one above it, and all up to
    there are valid today."""
    moment = datetime.datetime.now(datetime.UTC)
    for position, certificate in enumerate(chain):
        if not certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc:
            return False
        if position and not _issues(certificate, chain[position - 1], position - 1):
            return False
        if any(_issues(anchor, certificate, position) for anchor in trusted):
            return True
    return False


def _issues(issuer: x509.Certificate, issued: x509.Certificate, between: int) -> bool:
    """Whether `issuer` is an authority that issued the certificate; `between` others lie below."""
    try:
        issued.verify_directly_issued_by(issuer)
        limits = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    except x509.ExtensionNotFound:
        return False
    return limits.ca and (limits.path_length is None or between <= limits.path_length)


def _read_key(path: str | Path) -> PrivateKey:
    try:
        key = serialization.load_pem_private_key(Path(path).read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        reason = getattr(error, "strerror", None) or "it is no open private key in PEM"
        raise RequestError(f"The key '{path}' cannot be used ({reason}); give another.") from error
    if not isinstance(key, PrivateKey):
        raise RequestError(f"The key '{path}' is of a kind that cannot sign; give another.")
    return key


def load_signer(certificate: str | Path, key: str | Path) -> Signer:
    """The signer of two PEM files; raises RequestError where they cannot be used together."""
    return _checked(Signer(read_chain(certificate), _read_key(key)), certificate, key)


def _checked(signer: Signer, certificate: str | Path, key: str | Path) -> Signer:
    """Raises RequestError where key and certificate do not fit, or the certificate is over."""
    try:
        algorithm_of(signer.chain)
    except ValueError as error:
        raise RequestError(
            f"The certificate '{certificate}' cannot sign; take one with {error}."
        ) from error
    if signer.chain[0].public_key() != signer.key.public_key():
        raise RequestError(
            f"The key '{key}' is not that of the first certificate in"
            f" '{certificate}'; name the two that belong together."
        )
    until = signer.chain[0].not_valid_after_utc
    if until < datetime.datetime.now(datetime.UTC):
        raise RequestError(f"The certificate '{certificate}' ended on {until:%Y-%m-%d}; renew it.")
    return signer
