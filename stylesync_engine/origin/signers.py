"""Who signs a dub: the studio's certificate, or the test certificate of this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from stylesync_engine.origin.studio import TEST, Studio, read_studio
from stylesync_engine.request import DubRequest, RequestError

if TYPE_CHECKING:
    from stylesync_engine.origin.signing import Signer


def choose_signer(request: DubRequest) -> Signer | None:
    """Who signs this dub; None where nobody is asked to.

    Raises RequestError where the certificate cannot be used or the packages for it are missing.
    """
    chosen = request.options.credentials
    studio = Studio(certificate=TEST) if chosen == "test" else read_studio()
    if chosen == "off" or studio.certificate is None:
        return None
    try:
        import cryptography  # noqa: F401

        if holds_credentials(request.output):
            import c2pa  # noqa: F401
    except ImportError as error:
        raise RequestError(
            "Signing needs further packages; install 'stylesync[provenance]' with pip, or dub"
            " without credentials.",
            "credentials",
        ) from error
    return open_signer(studio)


def holds_credentials(output: str | Path) -> bool:
    """Whether files of this name carry credentials inside; others get a sidecar."""
    return Path(output).suffix.lower() in (".mov", ".mp4")


def open_signer(studio: Studio) -> Signer | None:
    """The signer that a studio has configured, None where it has none.

    Raises RequestError where certificate and key cannot be used.
    """
    from stylesync_engine.origin import signing, test_certificate

    if studio.certificate is None:
        return None
    if studio.certificate == TEST:
        return test_certificate.test_signer()
    if studio.key is None:
        raise RequestError(
            "A certificate is configured without its key; name the key in STYLESYNC_KEY."
        )
    return signing.load_signer(studio.certificate, studio.key)
