"""The authenticator (ZAP, ZeroMQ's RFC 27) of the daemon's sockets: which clients may connect."""

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
# 300 means "try again later". After a 400 libzmq's clients give up for good: one that is allowed a
# minute later would have to be restarted.
_NOT_NOW: Final = b"300"
_ROUND: Final = 1000


class OpenAuthenticator:
    """Accepts every client, unencrypted, and gives each connection a unique name.

    libzmq identifies a connection by its file descriptor alone, and reuses descriptors. The name
    that the authenticator gives arrives with every message.
    """

    def __init__(self) -> None:
        self._socket: zmq.Socket[bytes] | None = None
        self.named = 0
        """Number of handshakes answered, which is the serial number in the latest name."""

    def bind(self, context: zmq.Context[zmq.Socket[bytes]]) -> zmq.Socket[bytes]:
        """Bind the authenticator's socket of a context, before any other socket is bound."""
        self._socket = context.socket(zmq.ROUTER)
        self._socket.set(zmq.LINGER, 0)
        self._socket.bind("inproc://zeromq.zap.01")
        return self._socket

    def secure(self, socket: zmq.Socket[bytes]) -> None:
        """Make a socket authenticate its clients here; call before it is bound."""
        socket.set(zmq.ZAP_DOMAIN, DOMAIN)
        socket.set(zmq.ZAP_ENFORCE_DOMAIN, 1)  # without an authenticator nobody can connect

    def allows(self, name: str | None) -> bool:
        """Return whether the connection of this name may receive data."""
        return name is not None

    def reload(self, *, force: bool = False) -> bool:
        """Reread the allowed clients; return whether any is no longer allowed."""
        return False

    def describe(self) -> dict[str, Any]:
        """Return the configuration as a JSON object."""
        return {"keys": False}

    def answer_handshakes(
        self, before: Callable[[], None] = lambda: None, most: int = _ROUND
    ) -> bool:
        """Answer pending handshakes and return whether those were all; never waits.

        Parameters
        ----------
        before
            Called before each answer.
        most
            Most clients to admit; refusals do not count.
        """
        assert self._socket is not None
        for _ in range(_ROUND):
            if most == 0:
                return False
            try:
                frames = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return True
            before()
            # [peer, "", version, request, domain, address, identity, mechanism, credentials…]
            if len(frames) < 8:
                continue
            self.named += 1
            user = self._user(frames[7], frames[8:]) if frames[4] == DOMAIN else None
            most -= user is not None
            code = _NOT_NOW if user is None else _ALLOWED
            name = b"" if user is None else b"%d %s" % (self.named, user)
            self._socket.send_multipart([frames[0], b"", b"1.0", frames[3], code, b"", name, b""])
        return False

    def _user(self, mechanism: bytes, credentials: list[bytes]) -> bytes | None:
        """Return the client's key, or b"" without encryption; None for one that may not connect."""
        return b"" if mechanism == b"NULL" else None


class Authenticator(OpenAuthenticator):
    """Accepts the clients whose CURVE keys are allowed as of the last :meth:`reload`.

    While the file of the allowed clients is damaged or open to other users, only the daemon's own
    key is allowed.

    Parameters
    ----------
    folder
        Folder of the daemon's keys.
    warn
        Called with a line for the user.

    Raises
    ------
    KeysError
        If the daemon has no valid key pair, or the file of the allowed clients is not valid.
    """

    def __init__(self, folder: Path, warn: Callable[[str], None]) -> None:
        super().__init__()
        self._folder = folder
        self._warn = warn
        self._pair: KeyPair = read_pair(folder)
        self._stamp = clients_stamp(folder)
        self._keys = self._allowed(read_clients(folder))

    def secure(self, socket: zmq.Socket[bytes]) -> None:
        """Encrypt a socket and authenticate its clients here; call before it is bound."""
        super().secure(socket)
        socket.set(zmq.CURVE_SERVER, 1)
        socket.set(zmq.CURVE_SECRETKEY, self._pair.secret)

    def allows(self, name: str | None) -> bool:
        """Return whether a connection's client is allowed as of the last :meth:`reload`."""
        return name is not None and name.partition(" ")[2].encode() in self._keys

    def describe(self) -> dict[str, Any]:
        """Return the configuration as a JSON object; the daemon's own key is not counted."""
        return {"keys": True, "clients": len(self._keys - {self._pair.public})}

    def reload(self, *, force: bool = False) -> bool:
        """Reread the allowed clients if the file has changed; return whether any was removed.

        Parameters
        ----------
        force
            Whether to read the file even if it looks unchanged.
        """
        stamp = clients_stamp(self._folder)
        if stamp == self._stamp and not force:
            return False
        self._stamp = stamp
        before = self._keys
        try:
            self._keys = self._allowed(read_clients(self._folder))
        except KeysError as error:
            self._keys = self._allowed({})
            self._warn(f"no client is allowed until this is corrected: {error}")
        return bool(before - self._keys)

    def _user(self, mechanism: bytes, credentials: list[bytes]) -> bytes | None:
        if mechanism != b"CURVE" or len(credentials) != 1 or len(credentials[0]) != 32:
            return None
        key = z85.encode(credentials[0])
        return key if key in self._keys else None

    def _allowed(self, clients: dict[str, bytes]) -> frozenset[bytes]:
        # Only the daemon's own user, on its machine, holds the daemon's own pair.
        return frozenset([*clients.values(), self._pair.public])
