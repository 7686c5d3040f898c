"""Lets Java trust the certificate authorities that the machine trusts.

A Java from a wheel knows only its own list, so it fails behind a company's proxy where pip and curl work.
Belongs here: a trust store made of the machine's bundle. Not here: who uses it.
"""

from __future__ import annotations

import os
import re
import ssl
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Alpine, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # SUSE
)
_PASSWORD = "pushlake"  # noqa: S105 (a trust store holds no secret; Java's reader wants a password all the same)


def trust_options(state: Path) -> list[str]:
    """Options for `java`: a trust store of the machine's own authorities, or none where no bundle is found."""
    bundle = _machine_bundle()
    if bundle is None:
        return []
    store = state / "trust.p12"
    if not store.exists() or store.stat().st_mtime < bundle.stat().st_mtime:
        _convert(bundle, store)
    return [
        f"-Djavax.net.ssl.trustStore={store}",
        "-Djavax.net.ssl.trustStoreType=PKCS12",
        f"-Djavax.net.ssl.trustStorePassword={_PASSWORD}",
    ]


def _machine_bundle() -> Path | None:
    named = (os.environ.get("SSL_CERT_FILE"), ssl.get_default_verify_paths().cafile, *_BUNDLES)
    return next((Path(name) for name in named if name and Path(name).is_file()), None)


def _convert(bundle: Path, store: Path) -> None:
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
    from cryptography.hazmat.primitives.serialization.pkcs12 import (
        PKCS12Certificate,
        serialize_java_truststore,
    )

    entries = [
        PKCS12Certificate(certificate, f"ca-{number}".encode())
        for number, certificate in enumerate(_certificates(bundle.read_bytes()))
    ]
    store.parent.mkdir(parents=True, exist_ok=True)
    store.write_bytes(serialize_java_truststore(entries, BestAvailableEncryption(_PASSWORD.encode())))


def _certificates(bundle: bytes) -> Iterator[Certificate]:
    """The bundle's certificates, without those that the library calls malformed (old roots with a negative serial)."""
    from cryptography import x509

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for block in re.findall(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", bundle, re.DOTALL):
            try:
                yield x509.load_pem_x509_certificate(block)
            except (ValueError, DeprecationWarning, UserWarning):
                continue
