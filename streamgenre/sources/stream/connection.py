"""TCP and TLS connections on which every call has a deadline, however slowly bytes arrive."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from streamgenre.sources.stream.addresses import look_up, public

if TYPE_CHECKING:
    import ssl
    from pathlib import Path
    from typing import TypeGuard

    from streamgenre.sources.stream.addresses import Found

FILL: Final = 65_536
"""Bytes that are received at once."""
_FRESH_S: Final = 3600.0
"""Seconds after which the certificates of authorities are read again."""
_RELOAD_S: Final = 3600.0
"""Seconds after which the system's certificates are read again."""
_SHARE_S: Final = 2.0
"""Seconds for each of several addresses, at least."""


class AnswerError(ValueError):
    """The answer of a server cannot be used; the message says why and does not quote it."""


class Connection:
    """A connection to a server, with what was received and not yet taken.

    Parameters
    ----------
    host, port
        The server.
    until
        Monotonic seconds by which it must be connected, the TLS handshake included.
    tls
        Settings of TLS; None for none.
    allow_private
        Whether the server may be at an address that is not public.

    Raises
    ------
    TimeoutError
        If it is not connected in time; the message says what was waited for.
    OSError
        If there is no such server, or it refuses.
    PrivateAddressError
        If none of its addresses is public, and private ones are not allowed.
    """

    def __init__(
        self,
        host: str,
        port: int,
        until: float,
        *,
        tls: ssl.SSLContext | None = None,
        allow_private: bool = True,
    ) -> None:
        self._buffer = bytearray()
        self._ended = False
        self._failure: OSError | None = None
        self.received = 0
        """Number of bytes received so far."""
        try:
            found = look_up(host, port, until)
        except TimeoutError:
            raise TimeoutError("no answer from the name service") from None
        self._socket = _connected(found if allow_private else public(found), until)
        if tls is not None:
            try:
                self._socket.settimeout(_left(until))
                self._socket = tls.wrap_socket(
                    self._socket, server_hostname=host, do_handshake_on_connect=False
                )
                self._socket.settimeout(_left(until))
                self._socket.do_handshake()  # the limit is that of the whole handshake
            except TimeoutError:
                self.close()
                raise TimeoutError("the TLS handshake does not end") from None
            except BaseException:
                self.close()
                raise

    def send(self, data: bytes, until: float) -> None:
        """Send data completely before a deadline, in monotonic seconds."""
        self._socket.settimeout(_left(until))
        self._socket.sendall(data)

    @property
    def buffered(self) -> int:
        """Number of bytes that were received and not yet taken."""
        return len(self._buffer)

    def fill(self, until: float) -> bool:
        """Wait for data, and receive what there is; return False at the end of the connection.

        Parameters
        ----------
        until
            Monotonic seconds at which to give up.

        Raises
        ------
        TimeoutError
            If nothing arrives in time.
        OSError
            If the connection breaks: each error once, after what arrived before it.
        """
        if self._ended:
            return False
        if self._failure is not None:
            self._ended = True
            raise self._failure
        self._socket.settimeout(_left(until))
        try:
            data = self._socket.recv(FILL)
        except OSError as error:
            if not is_tls(error):
                raise
            raise _in_words(error) from error
        received = len(data)
        self._buffer += data
        # TLS delivers one record at a time, and a server may send many small segments.
        self._socket.settimeout(0)
        while data and received < FILL:
            try:
                data = self._socket.recv(FILL)
            except BlockingIOError:
                break  # nothing more has arrived
            except OSError as error:
                if not _wants_more(error):
                    self._failure = _in_words(error)  # the system tells it once, and then the end
                break
            received += len(data)
            self._buffer += data
        self._ended = not data
        self.received += received
        return received > 0

    def take(self, size: int) -> bytes:
        """Return and remove at most ``size`` received bytes."""
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def line(self, longest: int, until: float | None) -> bytes | None:
        """Return and remove the next line, with its end.

        Parameters
        ----------
        longest
            Longest line in bytes.
        until
            Monotonic seconds at which to give up; None to use only what was received.

        Returns
        -------
        bytes or None
            None if the line is not complete, and either the connection has ended or there is no
            deadline. A line longer than ``longest`` is returned up to there, without its end.

        Raises
        ------
        TimeoutError
            If the line is not complete in time.
        """
        looked_at = 0
        while True:
            end = self._buffer.find(b"\n", looked_at, longest + 1)
            if end >= 0:
                return self.take(end + 1)
            looked_at = len(self._buffer)
            if looked_at > longest:
                return self.take(longest)
            if until is None or not self.fill(until):
                return None

    def abort(self) -> None:
        """Interrupt a call in another thread; that thread closes the connection."""
        with suppress(OSError):
            # Not that of SSLSocket, which would end TLS while the other thread uses it.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection. Called by the thread that reads."""
        self._socket.close()


def is_tls(error: OSError) -> TypeGuard[ssl.SSLError]:
    """Return whether an error is one of TLS; does not load TLS, which takes 5 MB."""
    return type(error).__module__ == "ssl"


def tls_reason(error: ssl.SSLError) -> str:
    """Return what went wrong with TLS, in words."""
    return str(error.reason or "broken off").replace("_", " ").lower()[:80]


def _in_words(error: OSError) -> OSError:
    if is_tls(error):
        return OSError(f"the TLS connection broke: {tls_reason(error)}")
    return error


def _wants_more(error: OSError) -> bool:
    """Return whether TLS waits for the rest of a record."""
    return type(error).__name__ == "SSLWantReadError"


def _left(until: float) -> float:
    """Return the seconds until a deadline; raise :class:`TimeoutError` if it has passed."""
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _connected(addresses: list[Found], until: float) -> socket.socket:
    """Return a socket connected to the first address that answers."""
    failure: OSError = TimeoutError("no connection")
    for number, (family, kind, protocol, _, address) in enumerate(addresses):
        connection = None
        try:
            left = _left(until)
            connection = socket.socket(family, kind, protocol)
            connection.settimeout(min(left, max(_SHARE_S, left / (len(addresses) - number))))
            connection.connect(address)
        except TimeoutError:
            failure = TimeoutError("no connection")
        except OSError as error:
            failure = error
        else:
            return connection
        if connection is not None:
            connection.close()
    raise failure


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Return settings of TLS that verify servers.

    Parameters
    ----------
    ca_file
        Certificates to verify them with; None for those of the system.

    Raises
    ------
    OSError
        If the file cannot be read or contains none.
    """
    changed = 0 if ca_file is None else ca_file.stat().st_mtime_ns
    return _tls_context(ca_file, changed, int(time.monotonic() // _FRESH_S))


@lru_cache(maxsize=16)
def _tls_context(ca_file: Path | None, _changed: int, _hour: int) -> ssl.SSLContext:
    """Return new settings: to read the certificates takes longer than to use them."""
    # Loading the certificates takes longer than a handshake, and HLS connects every few seconds.
    changed = int(time.monotonic() / _RELOAD_S) if ca_file is None else ca_file.stat().st_mtime_ns
    return _context(ca_file, changed)


@lru_cache(maxsize=16)
def _context(ca_file: Path | None, changed: int) -> ssl.SSLContext:
    import ssl

    context = ssl.create_default_context(cafile=ca_file)
    context.set_alpn_protocols(["http/1.1"])
    return context
