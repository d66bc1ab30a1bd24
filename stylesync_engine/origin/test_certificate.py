"""The certificate of this machine that is made for trying things out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stylesync_engine.origin.signing import Signer
import datetime
import shutil
import tempfile

import platformdirs
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from stylesync_engine.files import disk_errors
from stylesync_engine.origin.signing import TEST_NAME, Signer, load_signer

_TEST_DAYS = 3650


def test_signer() -> Signer:
    """The test certificate of this machine, made where there is none; its name says what it is."""
    folder = platformdirs.user_data_path("stylesync", appauthor=False) / "test-certificate"
    if not (folder / "chain.pem").exists():
        _make_test_files(folder)
    (folder / "key.pem").chmod(0o600)
    return load_signer(folder / "chain.pem", folder / "key.pem")


def _make_test_files(folder: Path) -> None:
    """Write the test certificate's files; where another process was faster, its files stay."""
    signer = make_test_signer()
    key = signer.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with disk_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=folder.parent))  # for the owner's eyes only
        try:
            (made / "key.pem").write_bytes(key)
            (made / "chain.pem").write_text(signer.certificates)
            made.rename(folder)
        except OSError:
            if not (folder / "chain.pem").exists():
                raise
        finally:
            shutil.rmtree(made, ignore_errors=True)


def make_test_signer() -> Signer:
    """A signer whose certificate and authority are new, and named as tests."""
    authority = ec.generate_private_key(ec.SECP256R1())
    key = ec.generate_private_key(ec.SECP256R1())
    above = _test_name(f"{TEST_NAME} (authority)")
    root = (
        _test_certificate(above, above, authority.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
        .sign(authority, hashes.SHA256())
    )
    own = (
        _test_certificate(_test_name(TEST_NAME), above, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()),
            critical=False,
        )
        .sign(authority, hashes.SHA256())
    )
    return Signer((own, root), key)


def _test_name(common: str) -> x509.Name:
    return x509.Name([
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "StyleSync TEST"),
        x509.NameAttribute(NameOID.COMMON_NAME, common),
    ])  # fmt: skip


def _test_certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    begin = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=_TEST_DAYS))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )
