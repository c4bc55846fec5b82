"""Serves the metrics over HTTP from one thread, whatever the clients do.

Every connection has one request, a deadline and little memory; when there are too many, the oldest
is closed. Python's own HTTP servers have a thread for each connection and no deadline.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from streamgenre.ending import has_ended
from streamgenre.logger import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

_log = get_logger(__name__)

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
MAX_CONNECTIONS: Final = 64
MAX_HEAD: Final = 8_192
"""Most bytes of a request; a scrape of Prometheus has some 300."""
DEADLINE_S: Final = 5.0
"""Seconds from the start of a connection to its end."""
_LINGER_S: Final = 1.0
"""Seconds that a client has to take the end of the answer."""
_PATHS: Final = ("/", "/metrics")


@dataclass(slots=True)
class _Connection:
    socket: socket.socket
    ends: float
    """Monotonic time at which it is closed."""
    head: bytearray = field(default_factory=bytearray)
    answer: memoryview | None = None
    """What is left of the answer; None until the request is complete."""


class HttpServer:
    """Answers ``GET /metrics`` with a text.

    Parameters
    ----------
    host, port
        Address; port 0 is any free port.
    text
        Returns the text; called in the server's thread.

    Raises
    ------
    OSError
        If the address cannot be bound.
    """

    def __init__(self, host: str, port: int, text: Callable[[], bytes]) -> None:
        self._text = text
        family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        self._listening = socket.create_server(address[:2], family=family, backlog=128)
        self._listening.setblocking(False)
        self.address: tuple[str, int] = self._listening.getsockname()[:2]
        """Host and port that were bound."""
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        self._selector.register(self._listening, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._connections: dict[socket.socket, _Connection] = {}
        self._thread = threading.Thread(target=self._serve, name="metrics", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close all connections and the port."""
        self._wake.send(b"x")
        if not has_ended(self._thread):
            return
        for connection in list(self._connections.values()):
            self._close(connection)
        self._selector.close()
        for each in (self._listening, self._wake, self._woken):
            each.close()

    def _serve(self) -> None:
        while True:
            for key, _ in self._selector.select(self._until_next_end()):
                if key.fileobj is self._woken:
                    return
                if key.fileobj is self._listening:
                    self._accept()
                elif (connection := key.data).socket in self._connections:
                    self._go_on(connection)
            now = time.monotonic()
            for connection in list(self._connections.values()):
                if connection.ends <= now:
                    self._close(connection)

    def _until_next_end(self) -> float | None:
        ends = (connection.ends for connection in self._connections.values())
        first = min(ends, default=None)
        return None if first is None else max(0.0, first - time.monotonic())

    def _accept(self) -> None:
        try:
            accepted, _ = self._listening.accept()
        except BlockingIOError:
            return
        except OSError as error:  # no more files, or the client has gone again
            _log.debug("a connection to the metrics was not accepted: %s", error)
            self._close_oldest()
            time.sleep(0.05)  # the same connection waits to be accepted
            return
        if len(self._connections) >= MAX_CONNECTIONS:
            self._close_oldest()
        accepted.setblocking(False)
        connection = _Connection(accepted, time.monotonic() + DEADLINE_S)
        self._connections[accepted] = connection
        self._selector.register(accepted, selectors.EVENT_READ, connection)

    def _go_on(self, connection: _Connection) -> None:
        try:
            if connection.answer:
                self._send(connection)
            elif connection.answer is not None:
                # Answered: closing with unread bytes would take the answer back.
                if not connection.socket.recv(65_536):
                    self._close(connection)
            else:
                self._receive(connection)
        except BlockingIOError:
            return
        except OSError:
            self._close(connection)

    def _receive(self, connection: _Connection) -> None:
        head = connection.head
        new = connection.socket.recv(MAX_HEAD + 1 - len(head))
        head += new
        whole = b"\r\n\r\n" in head or b"\n\n" in head
        if not new:
            self._close(connection)
        elif whole or len(head) > MAX_HEAD:
            answer = self._answer(bytes(head)) if whole else _response("431 Head Too Large")
            connection.answer = memoryview(answer)
            self._send(connection)

    def _send(self, connection: _Connection) -> None:
        assert connection.answer is not None
        sent = connection.socket.send(connection.answer)
        connection.answer = connection.answer[sent:]
        if connection.answer:
            self._selector.modify(connection.socket, selectors.EVENT_WRITE, connection)
            return
        connection.socket.shutdown(socket.SHUT_WR)
        connection.ends = min(connection.ends, time.monotonic() + _LINGER_S)
        self._selector.modify(connection.socket, selectors.EVENT_READ, connection)

    def _answer(self, head: bytes) -> bytes:
        words = head.split(b"\n", 1)[0].decode("latin-1").split()
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            return _response("400 Bad Request")
        method, target, _ = words
        try:
            path = urlsplit(target).path if target.startswith(("/", "http")) else ""
        except ValueError:
            path = ""
        if method not in ("GET", "HEAD"):
            return _response("405 Method Not Allowed", more="Allow: GET, HEAD\r\n")
        if path not in _PATHS:
            return _response("404 Not Found", text=b"The metrics are at /metrics.\n")
        try:
            text = self._text()
        except Exception:  # noqa: BLE001 - whatever is wrong, the port must go on
            _log.exception("the metrics could not be computed")
            return _response("500 Internal Server Error")
        return _response("200 OK", text=text, head_only=method == "HEAD")

    def _close_oldest(self) -> None:
        oldest = next(iter(self._connections.values()), None)
        if oldest is not None:
            self._close(oldest)

    def _close(self, connection: _Connection) -> None:
        del self._connections[connection.socket]
        self._selector.unregister(connection.socket)
        connection.socket.close()


def _response(
    status: str, *, text: bytes | None = None, more: str = "", head_only: bool = False
) -> bytes:
    kind = CONTENT_TYPE if status.startswith("200") else "text/plain; charset=utf-8"
    body = f"{status}\n".encode() if text is None else text
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        f"{more}Connection: close\r\n\r\n"
    )
    return head.encode() + (b"" if head_only else body)
