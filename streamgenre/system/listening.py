"""A listening TCP socket, bound before the program that serves it starts."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import Final

from streamgenre.errors import SettingsError

_SEND_BUFFER: Final = 128 * 1024
"""Bytes that the system keeps for a peer that takes no data; the system doubles it."""
_UNREAD_MS: Final = 60_000
"""Milliseconds after which the system closes a connection whose peer takes no data."""


def listen_on(host: str, port: int, flag: str) -> socket.socket:
    """Return a socket that listens; port 0 is any free port.

    Parameters
    ----------
    host, port
        Where to listen.
    flag
        Flag or key that sets them, for the message.

    Raises
    ------
    SettingsError
        If the address is in use or cannot be bound.
    """
    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        found = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV
        )
        family, *_, address = found[0]
        listening = socket.create_server(address[:2], family=family, backlog=128)
    except socket.gaierror as error:
        raise SettingsError(
            f"{flag} {shown}: {host!r} is not an address of this machine ({error.strerror}); "
            "expected 127.0.0.1, 0.0.0.0 or a name of this machine"
        ) from error
    except (OSError, UnicodeError) as error:
        number = getattr(error, "errno", None)  # its own text names the address again
        why = os.strerror(number) if number else str(error)
        raise SettingsError(
            f"{flag} {shown}: {why.lower()}; take another port, or stop the program that uses it"
        ) from error
    # Accepted connections inherit these.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
    with suppress(OSError, AttributeError):
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNREAD_MS)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)
    return listening


def address_of(listening: socket.socket) -> str:
    """Return ``HOST:PORT`` of a listening socket."""
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
