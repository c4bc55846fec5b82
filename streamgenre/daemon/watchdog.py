"""What systemd is told of the daemon, and when it is let restart it.

``READY=1`` goes out from within the engine's loop, when the bus is bound and every source was
started: a device that is absent does not hold it up, since a station may wait for its input.
``STATUS=`` says in one line how the stations are doing. While settings are read anew the daemon is
``RELOADING=1`` until it is ready again; ``STOPPING=1`` follows the last events of the stations.

The watchdog is fed by the engine's loop itself, so a loop that hangs is not fed, whatever else is
alive; and only while updates flow. For each station:

========================  =========================================================================
its source is             healthy
========================  =========================================================================
``live``                  while its updates come. One that is live and brings none for half of
                          ``WatchdogSec`` (at least three hops) is stalled: sources notice a stall
                          themselves and turn ``lost`` long before, so whatever this is, only a
                          restart is left. Silence and unknown sounds bring updates; a machine so
                          slow that all is lost in gaps does not, and is restarted too
``connecting``, ``lost``  always: its back-off is running, and a restart would find the same dead
                          radio or empty socket, at the cost of the stations that are well
``ended``                 always: it is done
========================  =========================================================================

One stalled station is enough to let systemd restart the daemon. Stalls are counted in beats of the
watchdog and not in seconds: while the whole process stands still (``SIGSTOP``, a suspended machine)
no source is held to have stalled, and systemd judges that alone.

Where ``NOTIFY_SOCKET`` is not set nothing of this happens. The protocol is a line a datagram: no
library for it is smaller than what it would replace, and few know of reloading.
"""

from __future__ import annotations

import os
import socket
import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Literal

from streamgenre.events import SourceChange, Status, Update

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from streamgenre.events import AnyEvent, SourceState

STATUS_EVERY_S: Final = 5.0
"""Longest time between two status lines in seconds."""
_BEATS: Final = 8
"""Beats in the time that systemd waits."""
_STALLED_AFTER: Final = 0.5
"""Share of that time after which a live station without updates is stalled."""
_SEND_S: Final = 0.2
"""Longest time that a message may take; systemd reads them at once."""


class Notifier:
    """Speaks to the service manager; says nothing where there is none.

    Parameters
    ----------
    address
        Path of its socket, ``@name`` for one in the abstract namespace, None for none.
    watchdog_s
        Seconds within which it wants a sign of life; None for never.
    """

    def __init__(self, address: str | None, watchdog_s: float | None = None) -> None:
        self.watchdog_s = watchdog_s if address else None
        self._socket: socket.socket | None = None
        if address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.settimeout(_SEND_S)
            self._address = "\0" + address[1:] if address.startswith("@") else address

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str] | None = None) -> Notifier:
        """Return one that speaks to whoever started us, and keep our children from speaking too."""
        variables = os.environ if environment is None else environment
        address = variables.pop("NOTIFY_SOCKET", None)
        microseconds = variables.pop("WATCHDOG_USEC", "")
        ours = variables.pop("WATCHDOG_PID", "") in ("", str(os.getpid()))
        asked = microseconds.isdecimal() and int(microseconds) > 0 and ours
        return cls(address, int(microseconds) / 1e6 if asked else None)

    @property
    def listening(self) -> bool:
        """Whether there is a service manager."""
        return self._socket is not None

    def send(self, *assignments: str) -> None:
        """Send assignments such as ``READY=1``; a manager that does not take them is passed over.

        It would restart us for a watchdog that is not fed, which is what should happen then.
        """
        if self._socket is not None:
            with suppress(OSError):
                self._socket.sendto("\n".join(assignments).encode(), self._address)


class Watchdog:
    """The service manager's view of one engine.

    Parameters
    ----------
    notifier
        Speaks to the manager.
    hop_s
        Seconds between two updates of a station.
    """

    def __init__(self, notifier: Notifier, hop_s: float) -> None:
        self._notifier = notifier
        watchdog_s = notifier.watchdog_s
        self._beat_s = min(STATUS_EVERY_S, (watchdog_s or 1e9) / _BEATS)
        self._stall_s = max(_STALLED_AFTER * (watchdog_s or 1e9), 3 * hop_s)
        self._states: dict[str, SourceState] = {}
        self._missed: Counter[str] = Counter()  # beats since the last update, by live station
        self._updated: float | None = None  # monotonic seconds
        self._ready = False
        self._due = 0.0  # monotonic seconds

    def take(self, event: AnyEvent) -> None:
        """Note what an event tells of its station; in the engine's thread."""
        if isinstance(event, Update):
            self._missed[event.station] = 0
            self._updated = time.monotonic()
        elif isinstance(event, SourceChange):
            self._states[event.station] = event.state
            self._missed[event.station] = 0
            if event.state == "ended":
                self._states.pop(event.station)
                self._missed.pop(event.station)
        elif isinstance(event, Status) and event.source_state != "ended":
            self._states.setdefault(event.station, event.source_state)

    def turn(self) -> None:
        """Report what is due; with every turn of the engine's loop."""
        now = time.monotonic()
        if not self._notifier.listening or now < self._due:
            return
        self._due = now + self._beat_s
        if not self._ready:
            self._ready = True
            self._tell_ready()
        else:
            self._beat()

    def stopping(self) -> None:
        """Say that the stations have ended, and the rest will soon."""
        self._notifier.send("STOPPING=1", "STATUS=ending: the last events are being written")

    def on_reload(self, phase: Literal["begin", "done", "refused"]) -> None:
        """Say that settings are read anew, and that this is over; whatever came of it."""
        if phase == "begin":
            now_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            self._notifier.send("RELOADING=1", f"MONOTONIC_USEC={now_us}")
        else:
            self._tell_ready()

    def _tell_ready(self) -> None:
        self._notifier.send("READY=1", f"STATUS={self.describe()}")

    def _beat(self) -> None:
        for station, state in self._states.items():
            if state == "live":
                self._missed[station] += 1
        lines = [f"STATUS={self.describe()}"]
        if self._notifier.watchdog_s is not None and not self._stalled():
            lines.append("WATCHDOG=1")
        self._notifier.send(*lines)

    def _stalled(self) -> dict[str, float]:
        """Return the live stations without updates, each with the seconds since the last."""
        since = {name: beats * self._beat_s for name, beats in self._missed.items()}
        return {name: age for name, age in since.items() if age > self._stall_s}

    def describe(self) -> str:
        """Return in one line how the stations are doing."""
        counts = Counter(self._states.values())
        live = counts["live"]
        parts = [f"{live} station{'' if live == 1 else 's'} live"]
        parts += [f"{counts[state]} {state}" for state in ("connecting", "lost") if counts[state]]
        text = ", ".join(parts)
        if self._updated is not None:
            text += f"; last update {time.monotonic() - self._updated:.1f} s ago"
        for name, age in self._stalled().items():
            text += f"; {name} is live but brings no updates for {age:.0f} s"
        return text
