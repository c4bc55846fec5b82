"""Whether the daemons of a subscriber are reachable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import zmq
from zmq.utils.monitor import parse_monitor_message

from streamgenre.bus.endpoints import KEEPALIVE

if TYPE_CHECKING:
    from collections.abc import Callable

LinkState: TypeAlias = Literal["connecting", "live", "lost"]

SILENT_S: Final = 9.5
"""Seconds of silence after which a daemon is lost; it sends a status more than twice as often."""
RECONNECT_MS: Final = 100
"""First pause in ms before a new attempt; it doubles up to :data:`RECONNECT_MAX_MS`."""
RECONNECT_MAX_MS: Final = 2000

_FAILED: Final = (
    zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
)
_EVENTS: Final = zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED | _FAILED
REFUSED: Final = "refuses this client"
"""Part of every :attr:`Link.detail` about a refusal."""


@dataclass(frozen=True, slots=True)
class Link:
    """State of the connection to the daemon; of several daemons, whether any is reachable."""

    state: LinkState
    """``connecting`` until the first connection, ``live``, or ``lost`` (it is retried)."""
    detail: str
    """The reason, in words; may be empty."""


class Links:
    """Tracks the connections of one SUB socket.

    Parameters
    ----------
    socket
        The socket, before it connects.
    encrypted
        Whether it uses keys, for the message about a refusal.
    on_change
        Called with each new state.
    """

    def __init__(
        self,
        socket: zmq.Socket[bytes],
        *,
        encrypted: bool,
        on_change: Callable[[Link], None] | None,
    ) -> None:
        self._socket = socket
        self._encrypted = encrypted
        self._on_change = on_change
        self._live: set[str] = set()
        self._last_event: float | None = None
        self.monitor: zmq.Socket[bytes] = socket.get_monitor_socket(_EVENTS)
        self.state = Link("connecting", "")
        """The current state."""
        self.losses = 0
        """Number of lost connections."""
        self.made = 0
        """Number of connections that were made."""

    def configure(self) -> None:
        """Set how the socket detects a machine that is gone, and how it reconnects."""
        for option, value in KEEPALIVE.items():
            self._socket.set(option, value)
        self._socket.set(zmq.RECONNECT_IVL, RECONNECT_MS)
        self._socket.set(zmq.RECONNECT_IVL_MAX, RECONNECT_MAX_MS)
        self._socket.set(zmq.CONNECT_TIMEOUT, 5000)
        self._socket.set(zmq.HANDSHAKE_IVL, 5000)

    def note_event(self, now: float) -> None:
        """Note that an event arrived at ``now``, in monotonic seconds."""
        self._last_event = now
        # Events of a daemon that has died may still be read: they do not show that it lives.
        if self.state.state != "live" and self._live:
            self._change("live", "")

    def read_monitor(self, now: float) -> None:
        """Process the monitor's pending events; never waits. ``now`` is in monotonic seconds."""
        while True:
            try:
                event = parse_monitor_message(self.monitor.recv_multipart(zmq.NOBLOCK))
            except zmq.Again:
                break
            endpoint = event["endpoint"].decode(errors="replace")
            if event["event"] == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self.made += 1
                self._live.add(endpoint)
                self._last_event = now
                self._change("live", "")
            elif event["event"] == zmq.EVENT_DISCONNECTED:
                if endpoint in self._live:
                    self._live.discard(endpoint)
                    self.losses += 1
                    if not self._live:
                        self._change("lost", f"the connection to {endpoint} broke")
            elif not self._live:
                self._change(self.state.state, self._refusal(endpoint))
        if (
            self.state.state == "live"
            and self._last_event is not None
            and now - self._last_event > SILENT_S
        ):
            self._change("lost", f"nothing received for {SILENT_S:g} s")

    def close(self) -> None:
        """Close the monitor; call before the socket is closed."""
        self._socket.disable_monitor()
        self.monitor.close(linger=0)

    def _refusal(self, endpoint: str) -> str:
        if self._encrypted:
            return (
                f"{endpoint} {REFUSED}: either its key is not allowed there "
                "(`streamgenre keys show` here, `streamgenre keys allow NAME PUBKEY` there), or "
                "--server-key is not that daemon's key, or the daemon uses no keys"
            )
        return (
            f"{endpoint} {REFUSED}: it seems to require keys; give its public "
            "key as --server-key (there: `streamgenre keys show`)"
        )

    def _change(self, state: LinkState, detail: str) -> None:
        link = Link(state, detail)
        if link != self.state:
            self.state = link
            if self._on_change is not None:
                self._on_change(link)
