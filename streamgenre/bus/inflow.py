"""Drops peers of the daemon's sockets that send more than the bus takes from them as messages.

libzmq bounds the size of a frame, but neither the number of frames in a message, which it keeps
until the last one has come, nor what an XPUB socket takes in at once. Only the bytes that arrive
can be seen from outside. A thread of its own, which never calls libzmq, therefore watches the
descriptors of the peers while they send, and compares what libzmq has read with the messages that
the bus has taken.

Unix sockets do not count bytes: there, continuous sending is counted by its duration.
"""

from __future__ import annotations

import os
import select
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from streamgenre.bus.descriptors import end_connection, is_local, received, waiting
from streamgenre.bus.mishaps import Mishaps
from streamgenre.bus.token_bucket import TokenBucket
from streamgenre.ending import has_ended

MAX_PENDING: Final = 128 * 1024
"""Most bytes of a peer that are not part of a message taken, heartbeats excepted."""
MAX_ALL_PENDING: Final = 512 * 1024
"""Most bytes of this kind of all peers together; libzmq uses up to 32 times that memory."""
MAX_ALL_ALARMED: Final = 64 * 1024
"""The same while more than :data:`ALARM` peers a second exceed a limit."""
MAX_ALL_EVER: Final = 4 << 20
"""Most bytes of all open connections that were never part of a message, heartbeats included."""
ALARM: Final = 4
FORGIVEN_PER_S: Final = 64
"""Bytes a second that do not count towards a peer's limit: ZeroMQ's heartbeats are not messages."""
REST_S: Final = 0.001
"""Shortest time in seconds between two measurements of a peer that keeps sending."""
_ALARM_S: Final = 2.0
_COST: Final = 4
"""The thread rests this many times as long as a measurement took."""
_OVERHEAD: Final = 64
"""Bytes of a message that ZeroMQ adds, at most."""
_TICK_S: Final = 0.004
"""Usual time in seconds between two measurements of continuous sending."""
_BURST: Final = 24 * 1024
"""Bytes that a measurement of a Unix socket counts for while its peer sends faster than libzmq
reads."""
_TRICKLE: Final = 8 * 1024
"""Bytes that it counts for while the peer keeps sending slowly."""
_PULSE: Final = 32
"""Bytes that it counts for when a single short frame has come, such as a heartbeat."""
_PULSES: Final = 16
_PULSES_PER_S: Final = 4
"""Single short frames that are taken for heartbeats; further ones count as continuous sending."""
_SHORT: Final = 256
_MAX_TICKS: Final = 3.0
"""Most that a late measurement counts for, in usual ones."""
_WATCHED: Final = select.EPOLLIN | select.EPOLLET


@dataclass(slots=True)
class _Flow:
    """What one peer has sent."""

    local: bool
    """Whether it is a Unix socket."""
    cookie: int
    """Identifies the connection."""
    measured: float
    """Monotonic seconds of the last measurement."""
    pulses: TokenBucket
    """Single short frames that may still be heartbeats."""
    read: int = 0
    """Bytes that libzmq has read by then."""
    ever: int = 0
    """Bytes of these that are not part of a message taken."""
    pending: float = 0.0
    """The same, less what is forgiven as heartbeats."""
    taken: int = 0
    """Bytes of all messages taken; only the bus changes it."""
    credited: int = 0
    """Bytes of these that have been deducted."""


class Inflow:
    """Watches what the peers of the daemon's sockets send; any thread may call its methods."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._flows: dict[int, _Flow] = {}
        self._lock = threading.Lock()
        self._mishaps = Mishaps()
        self._all = 0.0
        self._continuous: set[int] = set()
        self._closing = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._closing, select.EPOLLIN)
        self._drops = TokenBucket(ALARM, ALARM, time.monotonic())
        self._alarm_until = 0.0
        self.dropped = 0
        """Number of connections that were dropped."""
        self._thread = threading.Thread(target=self._run, name="bus inflow", daemon=True)
        self._thread.start()

    def add(self, handle: int, identity: int) -> None:
        """Watch a new connection.

        Parameters
        ----------
        handle
            Its file descriptor.
        identity
            Its cookie.
        """
        now = time.monotonic()
        pulses = TokenBucket(_PULSES, _PULSES_PER_S, now)
        with self._lock, suppress(OSError):  # closed meanwhile
            if self._flows.pop(handle, None) is not None:
                with suppress(OSError):  # a closed descriptor has removed itself
                    self._epoll.unregister(handle)
            self._epoll.register(handle, _WATCHED)
            self._flows[handle] = _Flow(is_local(handle), identity, now, pulses)

    def remove(self, handle: int, identity: int) -> None:
        """Stop watching a connection; without effect on one that is not watched.

        Parameters
        ----------
        handle
            Its file descriptor, which may be another connection's by now.
        identity
            Its cookie.
        """
        with self._lock:
            flow = self._flows.get(handle)
            if flow is not None and flow.cookie == identity:
                del self._flows[handle]
                with suppress(OSError):
                    self._epoll.unregister(handle)

    def note_message(self, handle: int, size: int) -> None:
        """Note that the bus has taken a complete message, or a part of one, from a peer.

        Parameters
        ----------
        handle
            File descriptor of its connection.
        size
            Bytes of it.
        """
        flow = self._flows.get(handle)
        if flow is not None:
            flow.taken += size + _OVERHEAD

    @property
    def alarmed(self) -> bool:
        """Whether many peers have exceeded a limit within the last seconds."""
        return time.monotonic() < self._alarm_until

    def close(self) -> None:
        """Stop watching, and end the thread."""
        os.eventfd_write(self._closing, 1)
        if has_ended(self._thread):
            self._epoll.close()
            os.close(self._closing)

    # ---- the thread ------------------------------------------------------------------------------

    def _run(self) -> None:
        before: set[int] = set()
        while True:
            pending = self._epoll.poll(0)
            # What was there at once has come since the last measurement.
            self._continuous = before if pending else set()
            handles = [handle for handle, _ in pending or self._epoll.poll()]
            before = set(handles)
            if self._closing in handles:
                return
            began = time.monotonic()
            with self._mishaps.confined("what a peer sends"):
                for handle in handles:
                    with self._lock:
                        self._measure(handle, began)
                self._bound_all(began)
            time.sleep(max(REST_S, _COST * (time.monotonic() - began)))

    def _measure(self, handle: int, now: float) -> None:
        flow = self._flows.get(handle)
        if flow is None:
            return
        waits = waiting(handle)
        added = _added(handle, flow, now, waits, handle in self._continuous)
        flow.ever += added
        flow.pending += added
        self._all += added
        self._settle(flow, now, waits)
        if flow.pending > MAX_PENDING:
            self._drop(handle, flow)

    def _settle(self, flow: _Flow, now: float, waits: int | None = None) -> None:
        """Deduct the messages taken, and heartbeats."""
        credit = flow.taken - flow.credited
        if credit:
            # The first message ends the handshake. A Unix socket's bytes are estimates: where
            # nothing waits, the messages taken were all of them.
            if not flow.credited or (flow.local and waits == 0):
                credit = flow.ever
            flow.credited = flow.taken
        flow.ever = max(0, flow.ever - credit)
        forgiven = FORGIVEN_PER_S * (now - flow.measured)
        flow.pending = max(0.0, flow.pending - credit - forgiven)
        flow.measured = now

    def _bound_all(self, now: float) -> None:
        limit = MAX_ALL_ALARMED if self.alarmed else MAX_ALL_PENDING
        if self._all <= limit:  # an upper bound, which saves the sum
            return
        with self._lock:
            for flow in self._flows.values():
                self._settle(flow, now)
            flows = sorted(self._flows.items(), key=lambda item: -item[1].pending)
            pending = sum(flow.pending for _, flow in flows)
            ever = sum(flow.ever for _, flow in flows)
            for handle, flow in flows:
                if pending <= limit:
                    break
                pending -= flow.pending
                ever -= flow.ever
                self._drop(handle, flow)
            for handle, flow in sorted(self._flows.items(), key=lambda item: -item[1].ever):
                if ever <= MAX_ALL_EVER:
                    break
                ever -= flow.ever
                self._drop(handle, flow)
            self._all = pending

    def _drop(self, handle: int, flow: _Flow) -> None:
        """End a connection; libzmq then reports that it is closed."""
        del self._flows[handle]
        self.dropped += 1
        now = time.monotonic()
        if not self._drops.take(1, now):
            self._alarm_until = now + _ALARM_S
        end_connection(handle, flow.cookie)


def _added(handle: int, flow: _Flow, now: float, waits: int, continuous: bool) -> int:
    """Return the bytes that libzmq has read since the last measurement."""
    count = None if flow.local else received(handle)
    if count is not None:
        before, flow.read = flow.read, max(flow.read, count - waits)
        return flow.read - before
    if not continuous and waits <= _SHORT and flow.pulses.take(1, now):
        return _PULSE
    ticks = min(max(1.0, (now - flow.measured) / _TICK_S), _MAX_TICKS) if continuous else 1.0
    return round(ticks * (_BURST if waits > _SHORT else _TRICKLE))
