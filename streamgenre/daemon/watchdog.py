"""What systemd hears of the daemon, and when its watchdog may restart it.

``READY=1`` is sent by the engine's loop once the bus is bound and every source has been started. A
missing device does not delay it: a station may wait for its input. ``STATUS=`` describes the
stations in one line. While the configuration is read again the daemon is ``RELOADING=1`` until it
is ready; ``STOPPING=1`` follows the stations' last events.

The engine's loop itself feeds the watchdog, so a loop that does not turn (it hangs in the run of a
model, in a lock, in a sink) stops feeding it, whatever other threads do. A restart interrupts every
station, so one that hangs alone is no reason for it: the engine declares its source lost and opens
it again (:mod:`streamgenre.engine.source_watch`). A loop that turns feeds the watchdog unless at
least one station hangs and none works:

===========  ======================================================================================
the station
===========  ======================================================================================
works        its source is ``live``, and updates come. Silence and unknown sounds produce updates
hangs        its source is ``live``, but no update came for half of ``WatchdogSec`` (and at least
             three hops). So it is on a machine that is so slow that all audio is lost in gaps. Or
             so many reads of its source hang that the engine does not reopen it
neither      its source is ``connecting`` or ``lost``: its back-off is running, and a restart would
             find the same dead radio or missing device; or ``ended``
===========  ======================================================================================

Thus a daemon of which every live station hangs is restarted, and a dead radio never restarts
anything. Stalls are counted in watchdog messages, not in seconds: while the whole process is
stopped (``SIGSTOP``, a suspended machine) no station counts as hanging, and systemd alone decides.

Without ``NOTIFY_SOCKET`` nothing is sent.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Final

from streamgenre.daemon.sinks import Sink
from streamgenre.events import SourceChange, Status, Update

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from streamgenre.daemon.reload import ReloadPhase
    from streamgenre.events import AnyEvent, SourceState
    from streamgenre.events.encoded import Encoded
    from streamgenre.system.notify import Notifier

STATUS_EVERY_S: Final = 5.0
"""Longest time between two status lines in seconds."""
_MESSAGES_PER_TIMEOUT: Final = 8
"""Messages sent within the time that systemd waits."""
_STALLED_AFTER: Final = 0.5
"""Share of that time after which a live station without updates is stalled."""


class Watchdog(Sink):
    """Reports the stations of one host to the service manager.

    Parameters
    ----------
    notifier
        Sends messages to the manager.
    hop_s
        Seconds between two updates of a station.
    stuck
        Returns the names of the stations that the engine cannot reopen because too many of their
        reads hang.
    """

    def __init__(
        self,
        notifier: Notifier,
        hop_s: float,
        stuck: Callable[[], Collection[str]] = tuple,
    ) -> None:
        self._notifier = notifier
        self._stuck = stuck
        watchdog_s = notifier.watchdog_s or 1e9
        self._interval_s = min(STATUS_EVERY_S, watchdog_s / _MESSAGES_PER_TIMEOUT)
        self._stall_s = max(_STALLED_AFTER * watchdog_s, 3 * hop_s)
        self._states: dict[str, SourceState] = {}
        self._messages: Counter[str] = Counter()  # since the last update, by live station
        self._updated: float | None = None  # monotonic seconds
        self._ready = False
        self._due = 0.0  # monotonic seconds

    def take(self, event: AnyEvent) -> None:
        """Note the state of the event's station."""
        if isinstance(event, Update):
            self._note_update(event.station)
        elif isinstance(event, SourceChange):
            self._states[event.station] = event.state
            self._messages[event.station] = 0
            if event.state == "ended":
                self._states.pop(event.station)
                self._messages.pop(event.station)
        elif isinstance(event, Status) and event.source_state != "ended":
            self._states.setdefault(event.station, event.source_state)

    def take_encoded(self, encoded: Encoded) -> None:
        """Note the state of the station of a worker's event."""
        if encoded.type == Update.TYPE:
            self._note_update(encoded.station)
        elif encoded.type in (SourceChange.TYPE, Status.TYPE):
            self.take(encoded.event)

    def _note_update(self, station: str) -> None:
        self._messages[station] = 0
        self._updated = time.monotonic()

    def turn(self) -> None:
        """Send what is due; to be called with every turn of the engine's loop."""
        now = time.monotonic()
        if not self._notifier.listening or now < self._due:
            return
        self._due = now + self._interval_s
        if self._ready:
            self._send_status()
        else:
            self._ready = True
            self._send_ready()

    def stop(self) -> None:
        """Report that the stations have ended and the process is about to."""
        self._notifier.send("STOPPING=1", "STATUS=ending: the last events are being written")

    def on_reload(self, phase: ReloadPhase) -> None:
        """Report that the configuration is being read again, or that this is over.

        Parameters
        ----------
        phase
            ``begin``, then ``done`` or ``refused``.
        """
        if phase == "begin":
            now_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            self._notifier.send("RELOADING=1", f"MONOTONIC_USEC={now_us}")
        else:
            self._send_ready()

    def _send_ready(self) -> None:
        self._notifier.send("READY=1", f"STATUS={self._status()}")

    def _send_status(self) -> None:
        for station, state in self._states.items():
            if state == "live":
                self._messages[station] += 1
        lines = [f"STATUS={self._status()}"]
        if self._notifier.watchdog_s is not None and not self._needs_restart():
            lines.append("WATCHDOG=1")
        self._notifier.send(*lines)

    def _needs_restart(self) -> bool:
        """Whether at least one station hangs, and none works."""
        stalled = self._stalled()
        works = any(state == "live" and name not in stalled for name, state in self._states.items())
        return not works and bool(stalled or self._stuck())

    def _stalled(self) -> dict[str, float]:
        """Return the live stations without updates, each with the seconds since its last."""
        ages = {name: count * self._interval_s for name, count in self._messages.items()}
        return {name: age for name, age in ages.items() if age > self._stall_s}

    def _status(self) -> str:
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
