"""The daemon's end of the links to all workers of a fleet: one socket, and a thread that owns it.

The keys of the daemon are made for one run and never leave its memory; those of a worker never
leave the worker. Only a worker whose public key was admitted can connect, and only as itself.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Self

import zmq
from zmq.auth.thread import ThreadAuthenticator

from streamgenre.ending import has_ended
from streamgenre.errors import SettingsError
from streamgenre.fleet import frames
from streamgenre.logger import get_logger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamgenre.worker.link import Message

MAX_UNSENT: Final = 10_000
"""Commands that wait for a worker that does not read."""
_OFFSETS: Final = 32
"""Measurements of a worker's clock of which the best counts."""

_log = get_logger(__name__)


class ClusterDaemonLink:
    """The :class:`~streamgenre.worker.link.DaemonLink` of a worker on another machine."""

    def __init__(self, hub: FleetHub) -> None:
        self.clock_offset_s = 0.0
        """Added to the worker's monotonic time to get that of the daemon."""
        self.key = b""
        """The worker's public key in Z85; empty until it is admitted."""
        self.connected = False
        """Whether the worker has said hello."""
        self.greet = False
        """Whether the worker waits for its first ping, which tells it the daemon's time."""
        self.unsent: deque[list[bytes]] = deque()
        self._hub = hub
        self._messages: deque[Message] = deque()
        self._readable = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._sent = self._taken = 0
        self._finished = False
        self._clocks: deque[tuple[float, float]] = deque(maxlen=_OFFSETS)

    def fileno(self) -> int:
        """See :meth:`streamgenre.worker.link.DaemonLink.fileno`."""
        return self._readable

    def send(self, head: Mapping[str, Any], body: bytes = b"") -> None:
        """See :meth:`streamgenre.worker.link.DaemonLink.send`."""
        if len(self.unsent) >= MAX_UNSENT:
            raise OSError("it does not read its commands")
        self._sent += 1
        self.unsent.append(frames.packed(frames.MESSAGE, self._sent, head, body))
        self._hub.wake()

    def arrived(self) -> list[Message]:
        """See :meth:`streamgenre.worker.link.DaemonLink.arrived`."""
        with suppress(BlockingIOError, OSError):
            os.eventfd_read(self._readable)
        found = []
        while self._messages:
            found.append(self._messages.popleft())
        return found

    @property
    def ended(self) -> bool:
        """Whether the worker is gone, and everything before that was returned."""
        return self._finished and not self._messages

    def finish(self) -> None:
        """Note that nothing more comes."""
        self._finished = True
        with suppress(OSError):
            os.eventfd_write(self._readable, 1)

    def close(self) -> None:
        """See :meth:`streamgenre.worker.link.DaemonLink.close`."""
        self._finished = True
        self._hub.dismiss(self)
        if self._readable >= 0:
            os.close(self._readable)
            self._readable = -1

    # ---- called in the hub's thread -------------------------------------------------------------

    def take(self, kind: bytes, number: int, head: dict[str, Any], body: bytes) -> None:
        """Take a message of the worker.

        Parameters
        ----------
        kind, number, head, body
            Its parts, see :mod:`streamgenre.fleet.frames`.
        """
        if self._finished:
            return
        if kind == frames.PONG:
            self._set_clock(*frames.TIMES.unpack(body))
        elif kind == frames.HELLO:
            self.connected = self.greet = True
        elif kind == frames.MESSAGE:
            self._taken += 1
            if number == self._taken:
                self._messages.append((head, body))
                with suppress(OSError):
                    os.eventfd_write(self._readable, 1)
            else:
                _log.warning("a worker's connection was interrupted and has lost messages")
                self.finish()
        elif kind == frames.END:
            self.finish()

    def _set_clock(self, asked: float, theirs: float) -> None:
        now = time.monotonic()
        self._clocks.append((now - asked, (now + asked) / 2 - theirs))
        self.clock_offset_s = min(self._clocks)[1]


class FleetHub:
    """The socket that all workers of a fleet connect to; use it as a context manager.

    Parameters
    ----------
    endpoint
        Where to listen, such as ``tcp://10.0.0.5:*``.

    Raises
    ------
    SettingsError
        On entering, if that is not possible.
    """

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        """Where it listens; with the port, once it does."""
        public, self._secret = zmq.curve_keypair()
        self.public_key = public.decode()
        """The daemon's public key in Z85."""
        self._public = public
        self._context = zmq.Context()
        self._links: dict[bytes, ClusterDaemonLink] = {}
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fleet-hub", daemon=True)
        self._pinged = 0.0  # monotonic seconds

    def __enter__(self) -> Self:
        self._authenticator = ThreadAuthenticator(self._context)
        self._authenticator.start()
        self._authenticator.configure_curve_callback("*", credentials_provider=self)
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.curve_server = True
        self._socket.curve_publickey, self._socket.curve_secretkey = self._public, self._secret
        for option, value in (
            *((zmq.ROUTER_MANDATORY, 1), (zmq.ROUTER_HANDOVER, 1), (zmq.LINGER, 1000)),
            *((zmq.MAXMSGSIZE, frames.MAX_PART), (zmq.IPV6, 1)),
            *((zmq.HEARTBEAT_IVL, 2000), (zmq.HEARTBEAT_TIMEOUT, 10_000)),
        ):
            self._socket.setsockopt(option, value)
        try:
            self._socket.bind(self.endpoint)
        except zmq.ZMQError as error:
            self._socket.close()
            self._end()
            raise SettingsError(
                f"--link {self.endpoint}: {error.strerror}; expected an address of this machine "
                "that the others reach, such as tcp://10.0.0.5:5599"
            ) from error
        self.endpoint = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self.wake()
        if has_ended(self._thread):
            self._end()

    def _end(self) -> None:
        self._authenticator.stop()
        self._context.term()
        os.close(self._wake)
        self._wake = -1

    def callback(self, domain: str, key: bytes) -> bool:
        """Return whether a public key, in Z85, was admitted."""
        del domain
        return key in self._links

    def link(self) -> ClusterDaemonLink:
        """Return a link for a worker that is being started."""
        return ClusterDaemonLink(self)

    def admit(self, key: bytes, link: ClusterDaemonLink) -> None:
        """Let a worker in.

        Parameters
        ----------
        key
            Its public key in Z85.
        link
            Its link.
        """
        link.key = key
        self._links[key] = link

    def dismiss(self, link: ClusterDaemonLink) -> None:
        """Keep a worker out from now on."""
        self._links.pop(link.key, None)

    def wake(self) -> None:
        """Have the thread look for what is to be sent."""
        if self._wake >= 0:
            os.eventfd_write(self._wake, 1)

    # ---- the thread -----------------------------------------------------------------------------

    def _run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._wake, zmq.POLLIN)
        poller.register(self._socket, zmq.POLLIN)
        while not self._stop.is_set():
            poller.poll(500)
            with suppress(BlockingIOError):
                os.eventfd_read(self._wake)
            for _ in range(1000):
                try:
                    parts = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
                except zmq.Again:
                    break
                self._take(parts)
            self._send_all()
        for link in tuple(self._links.values()):
            self._send(link, frames.packed(frames.END))
        self._socket.close()

    def _take(self, parts: list[zmq.Frame]) -> None:
        with suppress(ValueError, KeyError, zmq.ZMQError):
            key = parts[0].bytes
            if str(parts[-1].get("User-Id")).encode() != key:
                return  # it says that it is another worker
            link = self._links[key]
            link.take(*frames.unpacked([part.bytes for part in parts[1:]]))

    def _send_all(self) -> None:
        now = time.monotonic()
        ping = now - self._pinged >= frames.PING_S
        if ping:
            self._pinged = now
        for link in tuple(self._links.values()):
            if not link.connected:
                continue
            if ping or link.greet:
                link.greet = False
                body = frames.TIME.pack(time.monotonic())
                self._send(link, frames.packed(frames.PING, body=body))
            while link.unsent and self._send(link, link.unsent[0]):
                link.unsent.popleft()

    def _send(self, link: ClusterDaemonLink, parts: list[bytes]) -> bool:
        try:
            self._socket.send_multipart([link.key, *parts], zmq.NOBLOCK)
        except zmq.ZMQError:  # full, or disconnected: the worker's heartbeats decide
            return False
        return True
