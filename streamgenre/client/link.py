"""Whether the daemons that a subscriber is connected to are there."""

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
"""A daemon that sends nothing for so long is lost: it sends a status more than twice as often."""
RECONNECT_MS: Final = 100
"""First pause before a new attempt; it doubles up to :data:`RECONNECT_MAX_MS`."""
RECONNECT_MAX_MS: Final = 2000

_FAILED: Final = (
    zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
)
_EVENTS: Final = zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED | _FAILED
REFUSED: Final = "does not let this client in"
"""Words of every :attr:`Link.detail` that tells of a refusal."""


@dataclass(frozen=True, slots=True)
class Link:
    """State of the connection to the daemon, or to all daemons together."""

    state: LinkState
    """``connecting`` until the first connection, ``live``, or ``lost`` (and tried again)."""
    detail: str
    """Why, in words; may be empty."""


class Links:
    """Follows the connections of one SUB socket.

    Parameters
    ----------
    socket
        The socket, before it connects.
    encrypted
        Whether it uses keys, for the words of a refusal.
    tell
        Called with each change.
    """

    def __init__(
        self, socket: zmq.Socket[bytes], *, encrypted: bool, tell: Callable[[Link], None] | None
    ) -> None:
        self._socket = socket
        self._encrypted = encrypted
        self._tell = tell
        self._live: set[str] = set()
        self._heard: float | None = None
        self.monitor: zmq.Socket[bytes] = socket.get_monitor_socket(_EVENTS)
        self.now = Link("connecting", "")
        """The newest state."""
        self.losses = 0
        """How often a connection was lost."""

    def configure(self) -> None:
        """Set how the socket notices a machine that is gone, and how it reconnects."""
        for option, value in KEEPALIVE.items():
            self._socket.set(option, value)
        self._socket.set(zmq.RECONNECT_IVL, RECONNECT_MS)
        self._socket.set(zmq.RECONNECT_IVL_MAX, RECONNECT_MAX_MS)
        self._socket.set(zmq.CONNECT_TIMEOUT, 5000)
        self._socket.set(zmq.HANDSHAKE_IVL, 5000)

    def heard(self, now: float) -> None:
        """Note that an event came; ``now`` in monotonic seconds."""
        self._heard = now
        # What a dead daemon had sent may be read after its end: that is no sign of life.
        if self.now.state != "live" and self._live:
            self._change("live", "")

    def watch(self, now: float) -> None:
        """Take in what has happened; never waits."""
        while True:
            try:
                event = parse_monitor_message(self.monitor.recv_multipart(zmq.NOBLOCK))
            except zmq.Again:
                break
            endpoint = event["endpoint"].decode(errors="replace")
            if event["event"] == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self._live.add(endpoint)
                self._heard = now
                self._change("live", "")
            elif event["event"] == zmq.EVENT_DISCONNECTED:
                if endpoint in self._live:
                    self._live.discard(endpoint)
                    self.losses += 1
                    if not self._live:
                        self._change("lost", f"the connection to {endpoint} broke")
            elif not self._live:
                self._change(self.now.state, self._refusal(endpoint))
        if self.now.state == "live" and self._heard is not None and now - self._heard > SILENT_S:
            self._change("lost", f"nothing came for {SILENT_S:g} s")

    def close(self) -> None:
        """End the watching; before the socket is closed."""
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
            f"{endpoint} {REFUSED}: it seems to ask for keys; give its public "
            "key as --server-key (there: `streamgenre keys show`)"
        )

    def _change(self, state: LinkState, detail: str) -> None:
        link = Link(state, detail)
        if link != self.now:
            self.now = link
            if self._tell is not None:
                self._tell(link)
