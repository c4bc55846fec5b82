"""Who gets in: the authenticator (ZAP) behind the daemon's encrypted sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import zmq
from zmq.utils import z85

from streamgenre.errors import KeysError
from streamgenre.keys import KeyPair, clients_stamp, read_clients, read_pair

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DOMAIN: Final = b"streamgenre"
_ALLOWED: Final = b"200"
# "Try again later", not "400, never": to a 400 libzmq's clients give up for good, and one that is
# allowed a minute later would have to be restarted.
_NOT_NOW: Final = b"300"


class Gate:
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
        self._folder = folder
        self._warn = warn
        self._pair: KeyPair = read_pair(folder)
        self._stamp = clients_stamp(folder)
        self._keys = self._allowed(read_clients(folder))
        self._socket: zmq.Socket[bytes] | None = None

    def open(self, context: zmq.Context[zmq.Socket[bytes]]) -> zmq.Socket[bytes]:
        """Take the place of the context's authenticator; before its sockets are bound."""
        self._socket = context.socket(zmq.ROUTER)
        self._socket.set(zmq.LINGER, 0)
        self._socket.bind("inproc://zeromq.zap.01")
        return self._socket

    def guard(self, socket: zmq.Socket[bytes]) -> None:
        """Make a socket one that only allowed clients can connect to; before it is bound."""
        socket.set(zmq.ZAP_DOMAIN, DOMAIN)
        socket.set(zmq.ZAP_ENFORCE_DOMAIN, 1)  # without an authenticator nobody gets in
        socket.set(zmq.CURVE_SERVER, 1)
        socket.set(zmq.CURVE_SECRETKEY, self._pair.secret)

    def allows(self, key: str | None) -> bool:
        """Return whether the client of this public key is allowed as of the last :meth:`reload`."""
        return key is not None and key.encode() in self._keys

    @property
    def clients(self) -> int:
        """Number of allowed clients, the daemon's own user not counted."""
        return len(self._keys - {self._pair.public})

    def reload(self, *, force: bool = False) -> bool:
        """Read the allowed clients again if the file has changed; return whether it had."""
        stamp = clients_stamp(self._folder)
        if stamp == self._stamp and not force:
            return False
        self._stamp = stamp
        try:
            self._keys = self._allowed(read_clients(self._folder))
        except KeysError as error:
            self._keys = self._allowed({})
            self._warn(f"no client is allowed until this is mended: {error}")
        return True

    def answer(self) -> None:
        """Answer the handshakes that wait for it."""
        assert self._socket is not None
        while True:
            try:
                frames = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            # [peer, "", version, request, domain, address, identity, mechanism, key]
            if len(frames) < 4:
                continue
            key = b""
            if len(frames) == 9 and frames[4] == DOMAIN and frames[7] == b"CURVE":
                key = z85.encode(frames[8]) if len(frames[8]) == 32 else b""
            code, user = (_ALLOWED, key) if key in self._keys else (_NOT_NOW, b"")
            self._socket.send_multipart([frames[0], b"", b"1.0", frames[3], code, b"", user, b""])

    def _allowed(self, clients: dict[str, bytes]) -> frozenset[bytes]:
        # Whoever holds the daemon's own pair could read its memory: its user, on its machine.
        return frozenset([*clients.values(), self._pair.public])
