"""The keys with which a client encrypts its connections to a daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING

import zmq

from streamgenre.bus.keys import KeyPair, check_public, default_folder, read_pair
from streamgenre.errors import BusError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def public_keys(server_key: str | Sequence[str] | None, endpoints: int) -> list[bytes]:
    """Return the daemons' public keys as bytes; none for connections without keys.

    Parameters
    ----------
    server_key
        One key for all endpoints, or one for each; None for none.
    endpoints
        Number of endpoints.

    Raises
    ------
    BusError
        If the number of keys is wrong.
    KeysError
        If one is not a public key.
    """
    given = [server_key] if isinstance(server_key, str) else list(server_key or ())
    if len(given) not in (0, 1, endpoints):
        raise BusError(
            f"{len(given)} server keys for {endpoints} endpoints: expected one for all, or one each"
        )
    return [check_public(key) for key in given]


def own_pair(keys: KeyPair | Path | None) -> KeyPair:
    """Return the client's own keys, given as such or as a folder; None for the default folder.

    Raises
    ------
    KeysError
        If they cannot be read.
    """
    return keys if isinstance(keys, KeyPair) else read_pair(keys or default_folder())


def use_keys(socket: zmq.Socket[bytes], pair: KeyPair, server_key: bytes) -> None:
    """Encrypt the connections that a socket makes from now on.

    Parameters
    ----------
    socket
        The socket.
    pair
        Own key pair.
    server_key
        Public key of the server.
    """
    socket.set(zmq.CURVE_PUBLICKEY, pair.public)
    socket.set(zmq.CURVE_SECRETKEY, pair.secret)
    socket.set(zmq.CURVE_SERVERKEY, server_key)
