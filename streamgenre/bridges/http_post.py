"""One POST within a deadline that covers all of it: name, connection, TLS, request and answer.

``urllib`` limits each wait, not their sum, so that a server that sends a byte now and then holds a
request for ever. Of an answer only the head matters; its size is bounded.
"""

from __future__ import annotations

import email.utils
import math
import queue
import re
import socket
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from streamgenre.bridges.http_target import (
    Target,
    proxy_login,
    proxy_of,
    redirection,
    same_host,
)
from streamgenre.bridges.tls import failure

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

MAX_HEAD: Final = 1 << 16
"""Most bytes of the head of an answer, with all interim answers."""
MAX_BODY: Final = 1 << 16
"""Most bytes of the body of an answer that are read; the rest is left."""
BODY_S: Final = 1.0
"""Most seconds in which the body is read: the head has said everything."""
MAX_REDIRECTS: Final = 5
_LEAST_S: Final = 0.5
"""Least seconds for an attempt at one of several addresses."""


class PostError(Exception):
    """The request was not answered; the message says why in words, without the URL."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The head of an answer."""

    status: int
    """Status code."""
    retry_after: float | None
    """Seconds after which the server wants to be asked again; None if it does not say."""
    leads_to: str = ""
    """Scheme and host of a redirection that was not followed."""


def post(
    target: Target,
    body: bytes,
    headers: Mapping[str, str],
    secret_headers: Mapping[str, str],
    *,
    timeout_s: float,
    context: ssl.SSLContext,
) -> Answer:
    """Send one request and return the head of its answer.

    Only 307 and 308 are followed: they alone repeat a POST. ``secret_headers`` are sent to the
    target's own host only, and nothing is sent from https to http.

    Parameters
    ----------
    target
        Where to.
    body
        What is posted.
    headers
        Headers for every server.
    secret_headers
        Headers for the target's own host, such as ``Authorization``.
    timeout_s
        Seconds for everything together, redirections included.
    context
        Settings of TLS.

    Returns
    -------
    Answer
        The head of the last answer.

    Raises
    ------
    PostError
        If there is no answer in time, or none that is HTTP.
    """
    ends = time.monotonic() + timeout_s
    here = target
    for _ in range(MAX_REDIRECTS + 1):
        own = dict(secret_headers) if same_host(target, here) else {}
        exchange = _Exchange(here, ends, context)
        try:
            status, fields = exchange.run(body, {**headers, **own})
        except TimeoutError as error:
            raise PostError(f"no complete answer within {timeout_s:g} s") from error
        except _NotHttpError as error:
            raise PostError(str(error)) from error
        except (OSError, UnicodeError) as error:
            raise PostError(failure(error)) from error
        except ValueError as error:
            raise PostError(str(error)) from error
        finally:
            exchange.close()
        place = redirection(here, fields.get("location", "")) if 300 <= status < 400 else None
        if status not in (307, 308) or place is None:
            leads_to = place.origin if place else ""
            return Answer(status, retry_after(fields.get("retry-after")), leads_to)
        if here.scheme == "https" and place.scheme == "http":
            raise PostError(f"it redirects from https to {place.origin}, which is not followed")
        here = place
    raise PostError(f"it redirects more than {MAX_REDIRECTS} times")


def retry_after(value: str | None) -> float | None:
    """Return the seconds to wait that a ``Retry-After`` asks for; None if it is not valid.

    Parameters
    ----------
    value
        Seconds, with a fraction if need be, or a date.
    """
    text = (value or "").strip()
    if re.fullmatch(r"[0-9]{1,18}(\.[0-9]{1,9})?", text):
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


class _NotHttpError(Exception):
    """The answer is not HTTP, or too long."""


class _Exchange:
    """One request and its answer over one connection."""

    def __init__(self, target: Target, ends: float, context: ssl.SSLContext) -> None:
        self._target = target
        self._ends = ends
        self._context = context
        self._socket: socket.socket | None = None
        self._buffer = b""

    def run(self, body: bytes, headers: Mapping[str, str]) -> tuple[int, dict[str, str]]:
        """Send a request; return status and header fields of the answer."""
        proxy = proxy_of(self._target)
        where = proxy or self._target
        self._socket = self._connect(where.host, where.port)
        path = self._target.path
        if proxy is not None:
            if self._target.scheme == "https":
                self._tunnel(proxy)
            else:
                path = f"{self._target.origin}{path}"
                headers = {**headers, **proxy_login(proxy)}
        if self._target.scheme == "https":
            self._socket.settimeout(self._left())
            self._socket = self._context.wrap_socket(
                self._socket, server_hostname=self._target.host
            )
        fields = {"Host": self._target.authority, **headers}
        fields |= {"Content-Length": str(len(body)), "Connection": "close"}
        lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        try:
            self._send(head + body)
        except (BrokenPipeError, ConnectionResetError):
            # Some servers refuse by answering before they have read all.
            with_answer = self._head()
            if with_answer[0] < 400:
                raise
            return with_answer
        status, answer = self._head()
        self._drain(answer)
        return status, answer

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()

    def _left(self) -> float:
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def _connect(self, host: str, port: int) -> socket.socket:
        addresses = _resolve(host, port, self._left())
        for number, (family, kind, protocol, _, address) in enumerate(addresses):
            last = number == len(addresses) - 1
            attempt = socket.socket(family, kind, protocol)
            try:
                # An address that swallows everything must leave time for the others.
                share = self._left() / (len(addresses) - number)
                attempt.settimeout(min(self._left(), max(share, _LEAST_S)))
                attempt.connect(address)
            except OSError:
                attempt.close()
                if last:
                    raise
                continue
            return attempt
        raise OSError("no address")

    def _tunnel(self, proxy: Target) -> None:
        host = f"[{self._target.host}]" if ":" in self._target.host else self._target.host
        place = f"{host}:{self._target.port}"
        fields = {"Host": place, **proxy_login(proxy)}
        lines = [f"CONNECT {place} HTTP/1.1", *(f"{name}: {v}" for name, v in fields.items())]
        self._send("\r\n".join([*lines, "", ""]).encode("latin-1"))
        status, _ = self._head()
        if not 200 <= status < 300:
            raise _NotHttpError(f"the proxy {proxy.origin} answered {status}")
        self._buffer = b""

    def _send(self, data: bytes) -> None:
        assert self._socket is not None
        rest = memoryview(data)
        while rest:
            self._socket.settimeout(self._left())
            rest = rest[self._socket.send(rest[: 1 << 16]) :]

    def _receive(self, seconds: float) -> bytes:
        assert self._socket is not None
        self._socket.settimeout(seconds)
        return self._socket.recv(1 << 14)

    def _head(self) -> tuple[int, dict[str, str]]:
        """Return status and fields of the next answer that is not an interim one."""
        total = 0
        while True:
            while (found := re.search(rb"\r?\n\r?\n", self._buffer)) is None:
                if len(self._buffer) + total > MAX_HEAD:
                    raise _NotHttpError(f"its answer has a head of more than {MAX_HEAD} bytes")
                if self._buffer and not b"HTTP/1.".startswith(self._buffer[:7]):
                    raise _NotHttpError("its answer is not HTTP")
                data = self._receive(self._left())
                if not data:
                    raise _NotHttpError("it closed the connection without an answer")
                self._buffer += data
            head, self._buffer = self._buffer[: found.start()], self._buffer[found.end() :]
            total += len(head)
            lines = re.split(rb"\r?\n", head)
            status = re.match(rb"HTTP/1\.[0-9] ([1-9][0-9]{2})(?: |$)", lines[0])
            if status is None:
                raise _NotHttpError("its answer is not HTTP")
            if 100 <= int(status[1]) < 200:
                continue
            fields: dict[str, str] = {}
            for line in lines[1:]:
                name, colon, value = line.decode("latin-1").partition(":")
                if colon:
                    fields.setdefault(name.strip().lower(), value.strip())
            return int(status[1]), fields

    def _drain(self, fields: Mapping[str, str]) -> None:
        """Read the body if it comes soon: a server may take an early close for an error."""
        length = fields.get("content-length", "")
        expected = int(length) if re.fullmatch(r"[0-9]{1,9}", length) else math.inf
        ends = time.monotonic() + BODY_S
        count = len(self._buffer)
        try:
            while count < min(expected, MAX_BODY):
                left = min(ends, self._ends) - time.monotonic()
                if left <= 0 or not (data := self._receive(left)):
                    return
                count += len(data)
        except (OSError, ValueError):
            return  # the head has been received


def _resolve(host: str, port: int, seconds: float) -> list[Any]:
    """Return the addresses of a host; the system's resolver knows no deadline of its own."""
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, ValueError) as error:
            answers.put(error)

    threading.Thread(target=ask, name="webhook-dns", daemon=True).start()
    try:
        found = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(found, Exception):
        raise found
    return list(found)
