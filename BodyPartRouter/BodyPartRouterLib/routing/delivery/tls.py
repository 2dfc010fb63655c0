"""TLS as the BCP 195 profile of DICOM wants it (PS3.15 annex B): 1.2 or later, with forward secrecy."""

from __future__ import annotations

import ssl
from pathlib import Path

from LesionKitLib.run.errors import UnusableInput

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL"  # of TLS 1.2; those of 1.3 are all of this kind


def server_context(settings: dict, base: Path) -> ssl.SSLContext:
    """settings: certificate and key (PEM files), clients: certificates of the authorities whose clients may call.

    Without ``clients`` anybody may. Raises UnusableInput for a file that cannot be used.
    """
    context = _limited(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    _load_own(context, settings, base)
    if "clients" in settings:
        _load_trusted(context, base / settings["clients"])
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(settings: dict, base: Path) -> ssl.SSLContext:
    """settings: authorities (PEM file; those of the system when left out), certificate and key if the peer wants one.

    check_host: false takes a certificate whose name is not the host's. Raises UnusableInput for a file that cannot be
    used.
    """
    context = _limited(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    context.check_hostname = settings.get("check_host", True)
    if "authorities" in settings:
        _load_trusted(context, base / settings["authorities"])
    else:
        context.load_default_certs()
    if "certificate" in settings:
        _load_own(context, settings, base)
    return context


def _limited(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    return context


def _load_own(context: ssl.SSLContext, settings: dict, base: Path) -> None:
    certificate = base / settings["certificate"]
    key = base / settings["key"] if "key" in settings else None

    def no_password() -> bytes:  # without it OpenSSL would ask on the terminal, and wait
        return b""

    try:
        context.load_cert_chain(certificate, key, no_password)
    except (OSError, ValueError):  # ssl.SSLError is an OSError
        raise UnusableInput(
            f"The certificate '{certificate}' and its key cannot be used; both must be PEM files, the key without a "
            "password."
        ) from None


def _load_trusted(context: ssl.SSLContext, path: Path) -> None:
    try:
        context.load_verify_locations(path)
    except (OSError, ValueError):
        raise UnusableInput(f"The file '{path}' holds no certificates (PEM).") from None
