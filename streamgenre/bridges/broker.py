"""The address of an MQTT broker."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from streamgenre.bridges.tls import tls_context
from streamgenre.config.bridges import broker_problem
from streamgenre.errors import SettingsError

if TYPE_CHECKING:
    import ssl


@dataclass(frozen=True, slots=True)
class Broker:
    """Address and credentials of the broker."""

    host: str
    port: int
    tls: ssl.SSLContext | None
    """Settings of TLS; None for a plain connection."""
    user: str | None
    password: str | None = field(repr=False)


def parse_broker(url: str, *, password: str | None, ca: str | None = None) -> Broker:
    """Return the broker of ``mqtt://[USER@]HOST[:PORT]`` or ``mqtts://``.

    Parameters
    ----------
    url
        The address; port 1883 by default, 8883 with TLS (``mqtts``).
    password
        Password of the URL's user; None for none.
    ca
        File with trusted certificates; None for the system's.

    Returns
    -------
    Broker
        Address and credentials.

    Raises
    ------
    SettingsError
        If the URL is malformed or holds a password, which other users would see, or if ``ca`` is
        not a file with certificates.
    """
    if problem := broker_problem(url):
        malformed = "malformed; " if problem.startswith("expected") else ""
        raise SettingsError(f"--broker: {malformed}{problem}")
    parts = urlsplit(url)
    tls = parts.scheme == "mqtts"
    context = tls_context(ca)  # a wrong file is reported even where it is not needed
    return Broker(
        parts.hostname or "",
        parts.port or (8883 if tls else 1883),
        context if tls else None,
        parts.username,
        password,
    )
