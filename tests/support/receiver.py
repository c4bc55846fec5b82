"""A webhook's receiver that answers byte by byte as a test says, over real sockets."""

from __future__ import annotations

import re
import socket
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

OK = b"HTTP/1.1 204 No Content\r\n\r\n"


class Receiver:
    """Takes one connection after the other, keeps each request, and answers as ``answer`` does.

    Parameters
    ----------
    answer
        Called with the number of the request, from 0, and the connection after the request has been
        read; may raise OSError as the client goes. Bytes are sent as they are.
    context
        TLS of the server.
    read
        Whether requests are read before they are answered.
    """

    def __init__(
        self,
        answer: bytes | Callable[[int, socket.socket], object],
        *,
        context: ssl.SSLContext | None = None,
        read: bool = True,
    ) -> None:
        self.requests: list[bytes] = []
        self.accepted = 0
        self._answer, self._context, self._read = answer, context, read
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        scheme = "https" if context else "http"
        self.url = f"{scheme}://127.0.0.1:{self.port}/hooks/T0P-S3CRET"
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def bodies(self) -> list[bytes]:
        return [request.partition(b"\r\n\r\n")[2] for request in self.requests]

    @property
    def ids(self) -> list[str]:
        """The identifiers of the requests, in order."""
        return [
            re.findall(rb"(?i)idempotency-key: (\S+)", each)[0].decode() for each in self.requests
        ]

    def close(self) -> None:
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(peer,), daemon=True).start()

    def _one(self, peer: socket.socket) -> None:
        number, self.accepted = self.accepted, self.accepted + 1
        try:
            if self._context is not None:
                peer = self._context.wrap_socket(peer, server_side=True)
            with peer:
                if self._read:
                    self.requests.append(request(peer))
                if isinstance(self._answer, bytes):
                    peer.sendall(self._answer)
                else:
                    self._answer(number, peer)
        except OSError:
            return


def request(peer: socket.socket) -> bytes:
    """Read one request."""
    peer.settimeout(30)
    data = b""
    while b"\r\n\r\n" not in data:
        data += _more(peer)
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    while length and len(body) < int(length[1]):
        body += _more(peer)
    return head + b"\r\n\r\n" + body


def _more(peer: socket.socket) -> bytes:
    data = peer.recv(65536)
    if not data:
        raise ConnectionError
    return data


def drip(peer: socket.socket, data: bytes, pause: float = 0.1) -> bool:
    """Send one byte at a time."""
    for byte in data:
        peer.sendall(bytes([byte]))
        time.sleep(pause)
    return True
