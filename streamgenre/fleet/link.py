"""A worker's end of its link to a daemon on another machine."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import zmq

from streamgenre.fleet import frames

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamgenre.worker.link import Message

MAX_WAITING: Final = 5000
"""Messages that wait to be sent; then the engine waits."""
_FLUSH_S: Final = 3.0
"""Seconds that closing waits for what was not sent yet."""


class ClusterLink:
    """The :class:`~streamgenre.worker.link.Link` of a worker; its socket has a thread of its own.

    Parameters
    ----------
    endpoint
        Where the daemon listens.
    server_key
        The daemon's public key, in Z85.
    pair
        Own public and secret key, in Z85.
    """

    def __init__(self, endpoint: str, server_key: str, pair: tuple[bytes, bytes]) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.identity = pair[0]
        self._socket.curve_serverkey = server_key.encode()
        self._socket.curve_publickey, self._socket.curve_secretkey = pair
        self._socket.setsockopt(zmq.MAXMSGSIZE, frames.MAX_PART)
        self._socket.setsockopt(zmq.HEARTBEAT_IVL, 2000)
        self._socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 10_000)
        self._socket.connect(endpoint)
        self._unsent: deque[list[bytes]] = deque()
        self._room = threading.Condition()
        self._arrived: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._sent = self._taken = 0
        self._closing = self._ended = False
        self._behind_s: float | None = None  # of the daemon's monotonic clock, and the way here
        self._thread = threading.Thread(target=self._run, name="fleet-link", daemon=True)
        self._thread.start()

    def send(self, head: Mapping[str, Any], body: bytes = b"") -> None:
        """See :meth:`streamgenre.worker.link.Link.send`."""
        with self._room:
            self._room.wait_for(lambda: self._ended or len(self._unsent) < MAX_WAITING)
            if self._ended:
                raise BrokenPipeError("the link to the daemon has ended")
            self._sent += 1
            self._unsent.append(frames.packed(frames.MESSAGE, self._sent, head, body))
        os.eventfd_write(self._wake, 1)

    def receive(self) -> Message:
        """See :meth:`streamgenre.worker.link.Link.receive`."""
        message = self._arrived.get()
        if message is None:
            self._arrived.put(None)
            raise EOFError
        return message

    def age_s(self, sent: float) -> float:
        """See :meth:`streamgenre.worker.link.Link.age_s`."""
        behind_s = self._behind_s
        return 0.0 if behind_s is None else max(0.0, time.monotonic() - behind_s - sent)

    def close(self) -> None:
        """See :meth:`streamgenre.worker.link.Link.close`."""
        with self._room:
            self._unsent.append(frames.packed(frames.END, self._sent))
            self._closing = True
        if self._thread.is_alive():
            os.eventfd_write(self._wake, 1)
            self._thread.join(2 * _FLUSH_S)

    def _run(self) -> None:
        try:
            self._exchange()
        finally:
            with self._room:
                self._ended = True
                self._room.notify_all()
            self._arrived.put(None)
            self._socket.close(round(1000 * _FLUSH_S))
            self._context.term()

    def _exchange(self) -> None:
        poller = zmq.Poller()
        poller.register(self._wake, zmq.POLLIN)
        heard = time.monotonic()
        ends = float("inf")
        self._socket.send_multipart(frames.packed(frames.HELLO))
        while True:
            waits = zmq.POLLOUT if self._unsent else 0
            poller.register(self._socket, zmq.POLLIN | waits)
            poller.poll(1000)
            with suppress(BlockingIOError):
                os.eventfd_read(self._wake)
            while True:
                try:
                    parts = self._socket.recv_multipart(zmq.NOBLOCK)
                except zmq.Again:
                    break
                heard = time.monotonic()
                if not self._take(parts):
                    return
            self._flush()
            now = time.monotonic()
            if self._closing:
                ends = min(ends, now + _FLUSH_S)
                if not self._unsent or now >= ends:
                    return
            if now - heard > frames.SILENT_S:
                return

    def _take(self, parts: list[bytes]) -> bool:
        """Take a message; return whether the link goes on."""
        try:
            kind, number, head, body = frames.unpacked(parts)
        except ValueError:
            return False
        if kind == frames.PING:
            (theirs,) = frames.TIME.unpack(body)
            here = time.monotonic()
            behind_s = here - theirs
            self._behind_s = behind_s if self._behind_s is None else min(self._behind_s, behind_s)
            times = frames.TIMES.pack(theirs, here)
            with self._room:
                self._unsent.appendleft(frames.packed(frames.PONG, body=times))
        elif kind == frames.MESSAGE:
            self._taken += 1
            if number != self._taken:
                return False  # a command was lost
            self._arrived.put((head, body))
        return kind != frames.END

    def _flush(self) -> None:
        while self._unsent:
            try:
                self._socket.send_multipart(self._unsent[0], zmq.NOBLOCK)
            except zmq.Again:
                return
            with self._room:
                self._unsent.popleft()
                self._room.notify_all()
