"""Whom a bridge trusts over TLS, and why a connection over TLS or TCP failed, in words."""

from __future__ import annotations

import socket
import ssl
import stat
from typing import TYPE_CHECKING

from streamgenre.errors import SettingsError
from streamgenre.paths import expand

if TYPE_CHECKING:
    from pathlib import Path


def tls_context(ca: str | Path | None, flag: str = "--ca") -> ssl.SSLContext:
    """Return the settings of TLS connections whose server is always verified.

    Parameters
    ----------
    ca
        File with the certificates to trust, in PEM form; None for those of the system.
    flag
        The flag or key that named the file, for messages.

    Returns
    -------
    ssl.SSLContext
        The settings.

    Raises
    ------
    SettingsError
        If the file is missing, unreadable or without a certificate.
    """
    if ca is None:
        return ssl.create_default_context()
    path = expand(ca)
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            with path.open("rb"):
                pass
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise SettingsError(
            f"{flag} {ca}: cannot be read: {why}; expected a file of CA certificates (PEM)"
        ) from error
    if not stat.S_ISREG(mode):
        what = "a directory" if stat.S_ISDIR(mode) else "not a regular file"
        raise SettingsError(f"{flag} {ca}: {what}; expected a file of CA certificates (PEM)")
    try:
        return ssl.create_default_context(cafile=path)
    except (ssl.SSLError, OSError, ValueError) as error:
        raise SettingsError(
            f"{flag} {ca}: no usable certificate in it; expected CA certificates in PEM form "
            "(-----BEGIN CERTIFICATE-----)"
        ) from error


def failure(error: BaseException) -> str:
    """Return why a connection could not be made or broke, in words.

    Parameters
    ----------
    error
        What the attempt raised.
    """
    if isinstance(error, socket.gaierror):
        return f"its name cannot be resolved ({error.strerror or error})"
    if isinstance(error, UnicodeError):
        return "its name is not a valid host name"
    if isinstance(error, ssl.SSLCertVerificationError):
        why = error.verify_message or "the certificate is not valid"
        return f"its TLS certificate is not trusted: {why}; --ca FILE names a CA to trust"
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return "it closed the connection during the TLS handshake; does it use TLS on this port?"
    if isinstance(error, ssl.SSLError):
        why = (error.reason or str(error)).replace("_", " ").lower()
        if why in ("wrong version number", "http request", "record layer failure"):
            return "it does not use TLS on this port"
        return f"the TLS handshake failed: {why}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused; nothing listens on this port"
    if isinstance(error, ConnectionError):
        return "it closed the connection"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return f"{type(error).__name__}: {error}"
