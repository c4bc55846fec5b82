"""The ordered channel between a daemon and one worker.

A message is a head, a JSON object whose ``do`` says what it is, and a body of bytes, often empty.
Commands go to the worker; events, heartbeats and log lines come back:

=========  ======================================================================================
``do``     to the worker
=========  ======================================================================================
start      first message: ``engine`` (:class:`~streamgenre.engine.settings.EngineSettings`),
           ``name`` of the worker, ``level`` of its log
add        ``station``, ``settings`` (:class:`~streamgenre.config.settings.StationSettings`),
           ``resume`` (:class:`~streamgenre.engine.resume.Resume`), ``turn``: a number that is
           never used again, ``at``: the daemon's monotonic time
remove     ``station``, ``turn``; answered with ``removed``
prepare    ``station``, ``settings``: load what it needs, before it moves to this worker; answered
           with ``prepared``
reset      ``station``
model      ``model``, ``station`` (None for all), ``id``; answered with ``done``
spectrum   ``names``: beginnings of the names of the stations that publish their spectrum
stop       end all stations; the worker closes the link after their last events
=========  ======================================================================================

=========  ======================================================================================
``do``     to the daemon
=========  ======================================================================================
event      an event; the body is its JSON, followed by the binary part if it has one: then ``json``
           is the length of the JSON. The head repeats the fields ``type``, ``station``,
           ``session``, ``seq``, ``time`` and ``stream_time``. That of an update adds ``arrival``
           (monotonic seconds at which its last sample arrived), ``samples``, ``samples_lost`` and
           ``stretch``: the open segment as ``start``, ``start_time``,
           ``mean_probability``, ``updates`` and ``tags``
removed    ``station`` has ended on command; no event of it follows. ``turn`` as it was added
ended      ``station`` has ended by itself, after its last event; ``failure`` in words or None;
           ``turn``
prepared   ``station``
done       answer to ``id``: ``error`` in words or None
beat       every second, from the engine's loop: ``cpu_s``, ``cpu_share``, ``rss_bytes``,
           ``open_files``, ``threads``, ``stuck`` (names), ``stations`` (CPU seconds by name)
log        a log record: ``level``, ``name``, ``message``, ``args``, ``station``
=========  ======================================================================================
"""

from __future__ import annotations

import json
import struct
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

Message: TypeAlias = tuple[dict[str, Any], bytes]
"""Head and body."""

BUFFER: Final = 1 << 20
"""Bytes that the system is asked to keep of what is sent."""
MAX_MESSAGE: Final = 16 << 20
"""Bytes of a message."""
MAX_UNSENT: Final = 64 << 20
"""Bytes that wait for a worker that does not read."""
_SIZES: Final = struct.Struct(">II")
_CHUNK: Final = 1 << 18


class Link(Protocol):
    """A worker's end."""

    def send(self, head: Mapping[str, Any], body: bytes = b"") -> None:
        """Send a message; waits while the daemon does not read. Any thread may call it.

        Raises
        ------
        OSError
            If the daemon is gone.
        """

    def receive(self) -> Message:
        """Return the next message; waits for it.

        Raises
        ------
        EOFError
            If the daemon is gone.
        """

    def age_s(self, sent: float) -> float:
        """Return the seconds since a monotonic time of the daemon."""

    def close(self) -> None:
        """Close the link after what was sent."""


class DaemonLink(Protocol):
    """The daemon's end; never waits."""

    clock_offset_s: float
    """Added to the worker's monotonic time to get that of the daemon: 0 on one machine."""

    def fileno(self) -> int:
        """Return a descriptor that is readable when something may have arrived."""

    def send(self, head: Mapping[str, Any], body: bytes = b"") -> None:
        """Send a message, or keep it until the worker reads.

        Raises
        ------
        OSError
            If the worker is gone, or has not read for long.
        """

    def arrived(self) -> list[Message]:
        """Return the messages that have arrived since the last call, in order.

        Also sends what the worker did not read before.
        """

    @property
    def ended(self) -> bool:
        """Whether the worker has closed its end, and everything before that was returned."""

    def close(self) -> None:
        """Close the link."""


def _frame(head: Mapping[str, Any], body: bytes) -> bytes:
    text = json.dumps(head, separators=(",", ":")).encode()
    return _SIZES.pack(len(text), len(body)) + text + body


class _Parser:
    """Cuts messages out of the bytes of a stream."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """Take bytes; return the messages that they complete.

        Raises
        ------
        ValueError
            If they are not messages.
        """
        self._data += data
        found: list[Message] = []
        place = 0
        while len(self._data) - place >= _SIZES.size:
            head_size, body_size = _SIZES.unpack_from(self._data, place)
            if head_size + body_size > MAX_MESSAGE:
                raise ValueError(f"a message of {head_size + body_size} bytes")
            start = place + _SIZES.size
            end = start + head_size + body_size
            if len(self._data) < end:
                break
            head = json.loads(self._data[start : start + head_size])
            found.append((head, bytes(self._data[start + head_size : end])))
            place = end
        del self._data[:place]
        return found


class SocketLink:
    """A worker's end of a connected stream socket.

    Parameters
    ----------
    connection
        The socket, blocking.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._parser = _Parser()
        self._waiting: list[Message] = []
        self._lock = threading.Lock()

    def send(self, head: Mapping[str, Any], body: bytes = b"") -> None:
        """See :meth:`Link.send`."""
        frame = _frame(head, body)
        with self._lock:
            self._socket.sendall(frame)

    def receive(self) -> Message:
        """See :meth:`Link.receive`."""
        while not self._waiting:
            try:
                data = self._socket.recv(_CHUNK)
            except OSError as error:
                raise EOFError from error
            if not data:
                raise EOFError
            self._waiting = self._parser.feed(data)
        return self._waiting.pop(0)

    def age_s(self, sent: float) -> float:
        """See :meth:`Link.age_s`; a machine has one monotonic clock."""
        return max(0.0, time.monotonic() - sent)

    def close(self) -> None:
        """See :meth:`Link.close`."""
        with suppress(OSError):
            self._socket.close()


class SocketDaemonLink:
    """The daemon's end of a connected stream socket.

    Parameters
    ----------
    connection
        The socket.
    """

    clock_offset_s = 0.0

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._socket.setblocking(False)
        self._parser = _Parser()
        self._unsent = bytearray()
        self.ended = False
        """Whether the worker has closed its end."""

    def fileno(self) -> int:
        """See :meth:`DaemonLink.fileno`."""
        return self._socket.fileno()

    def send(self, head: Mapping[str, Any], body: bytes = b"") -> None:
        """See :meth:`DaemonLink.send`."""
        self._unsent += _frame(head, body)
        self._flush()
        if len(self._unsent) > MAX_UNSENT:
            raise OSError("it does not read its commands")

    def arrived(self) -> list[Message]:
        """See :meth:`DaemonLink.arrived`."""
        found: list[Message] = []
        with suppress(OSError):  # an end that is gone is seen below, after what it sent
            self._flush()
        while not self.ended:
            try:
                data = self._socket.recv(_CHUNK)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            if not data:
                self.ended = True
                break
            try:
                found += self._parser.feed(data)
            except ValueError:
                self.ended = True
            if len(data) < _CHUNK:
                break
        return found

    def close(self) -> None:
        """See :meth:`DaemonLink.close`."""
        self._socket.close()

    def _flush(self) -> None:
        while self._unsent:
            try:
                sent = self._socket.send(self._unsent)
            except BlockingIOError:
                return
            del self._unsent[:sent]
