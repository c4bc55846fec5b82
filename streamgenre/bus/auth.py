"""Who gets in: the authenticator (ZAP) behind the daemon's encrypted sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import zmq
from zmq.utils import z85

from streamgenre.bus.keys import KeyPair, clients_stamp, read_clients, read_pair
from streamgenre.errors import KeysError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DOMAIN: Final = b"streamgenre"
_ALLOWED: Final = b"200"
# "Try again later", not "400, never": to a 400 libzmq's clients give up for good, and one that is
# allowed a minute later would have to be restarted.
_NOT_NOW: Final = b"300"


class OpenAuthenticator:
    """Lets everyone in without encryption, and gives each connection a name of its own.

    libzmq tells two connections apart by their file descriptors alone, and uses those again; the
    name that the authenticator gives comes with every message.
    """

    def __init__(self) -> None:
        self._socket: zmq.Socket[bytes] | None = None
        self._count = 0

    def open(self, context: zmq.Context[zmq.Socket[bytes]]) -> zmq.Socket[bytes]:
        """Take the place of the context's authenticator; before its sockets are bound."""
        self._socket = context.socket(zmq.ROUTER)
        self._socket.set(zmq.LINGER, 0)
        self._socket.bind("inproc://zeromq.zap.01")
        return self._socket

    def guard(self, socket: zmq.Socket[bytes]) -> None:
        """Put a socket behind this gate; before it is bound."""
        socket.set(zmq.ZAP_DOMAIN, DOMAIN)
        socket.set(zmq.ZAP_ENFORCE_DOMAIN, 1)  # without an authenticator nobody gets in

    def allows(self, name: str | None) -> bool:
        """Return whether the connection of this name may have data."""
        return name is not None

    def reload(self, *, force: bool = False) -> bool:
        """Read again what is configured in files; return whether anyone is now let in no more."""
        return False

    def describe(self) -> dict[str, Any]:
        """Return what is configured, as JSON has it."""
        return {"keys": False}

    def answer(self) -> None:
        """Answer the handshakes that wait for it."""
        assert self._socket is not None
        while True:
            try:
                frames = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            # [peer, "", version, request, domain, address, identity, mechanism, credentials…]
            if len(frames) < 8:
                continue
            self._count += 1
            user = self._user(frames[7], frames[8:]) if frames[4] == DOMAIN else None
            code = _NOT_NOW if user is None else _ALLOWED
            name = b"" if user is None else b"%d %s" % (self._count, user)
            self._socket.send_multipart([frames[0], b"", b"1.0", frames[3], code, b"", name, b""])

    def _user(self, mechanism: bytes, credentials: list[bytes]) -> bytes | None:
        """Return who connects; None for one that is not let in."""
        return b"" if mechanism == b"NULL" else None


class Authenticator(OpenAuthenticator):
    """Answers for each new connection whether its key is allowed, as of the last :meth:`reload`.

    While that file is damaged or
    open to others nobody is allowed but the daemon's own key.

    Parameters
    ----------
    folder
        Folder of the daemon's keys.
    warn
        Takes a line for the user.

    Raises
    ------
    KeysError
        If the daemon has no sound key pair, or the file of the clients is not sound.
    """

    def __init__(self, folder: Path, warn: Callable[[str], None]) -> None:
        super().__init__()
        self._folder = folder
        self._warn = warn
        self._pair: KeyPair = read_pair(folder)
        self._stamp = clients_stamp(folder)
        self._keys = self._allowed(read_clients(folder))

    def guard(self, socket: zmq.Socket[bytes]) -> None:
        """Make a socket one that only allowed clients can connect to; before it is bound."""
        super().guard(socket)
        socket.set(zmq.CURVE_SERVER, 1)
        socket.set(zmq.CURVE_SECRETKEY, self._pair.secret)

    def allows(self, name: str | None) -> bool:
        """Return whether a connection's client is allowed as of the last :meth:`reload`."""
        return name is not None and name.partition(" ")[2].encode() in self._keys

    def describe(self) -> dict[str, Any]:
        """Return what is configured; the daemon's own user is not counted."""
        return {"keys": True, "clients": len(self._keys - {self._pair.public})}

    def reload(self, *, force: bool = False) -> bool:
        """Read the allowed clients again if the file has changed; return whether any is gone."""
        stamp = clients_stamp(self._folder)
        if stamp == self._stamp and not force:
            return False
        self._stamp = stamp
        before = self._keys
        try:
            self._keys = self._allowed(read_clients(self._folder))
        except KeysError as error:
            self._keys = self._allowed({})
            self._warn(f"no client is allowed until this is mended: {error}")
        return bool(before - self._keys)

    def _user(self, mechanism: bytes, credentials: list[bytes]) -> bytes | None:
        if mechanism != b"CURVE" or len(credentials) != 1 or len(credentials[0]) != 32:
            return None
        key = z85.encode(credentials[0])
        return key if key in self._keys else None

    def _allowed(self, clients: dict[str, bytes]) -> frozenset[bytes]:
        # Whoever holds the daemon's own pair could read its memory: its user, on its machine.
        return frozenset([*clients.values(), self._pair.public])
