"""Watches that the source of a station brings the audio that its state promises.

Sources find a stall themselves and become ``lost``. But the thread of a source may hang where it
cannot: in a decoder, in a lock, in a read that brings one byte a second. The engine therefore
watches what arrives. A live source that brings nothing for ``lost_after_s`` is declared lost, and
gets back in one of these ways:

1. Its read is interrupted, so that its own thread reports the loss and tries again.
2. If that thread does not report anything within ``GRACE_S``, the source is replaced by a fresh one
   of the same input. The old thread is abandoned; it ends as soon as its call returns. At most
   ``MAX_ABANDONED`` threads are, and the pause before each further replacement doubles.
3. Audio comes again by itself.

In each case the time without audio is counted as a gap. Files and the demo are not watched: they
lose nothing while a slow disk keeps them waiting.

Time is counted in turns of the engine's loop, of which each counts for at most ``LONGEST_TURN_S``:
a process that is stopped (``SIGSTOP``, a suspended machine) finds no stall when it goes on.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from streamgenre.engine.faults import start_quietly
from streamgenre.logger import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamgenre.engine.station import Station
    from streamgenre.sources.base import Source, StateChange

GRACE_S: Final = 10.0
"""Seconds that an interrupted source has to report something, and first pause before a further
replacement."""
LONGEST_PAUSE_S: Final = 600.0
"""Longest pause between two replacements in seconds."""
STABLE_S: Final = 60.0
"""Seconds that a source must be live for the pauses to start again with the first."""
MAX_ABANDONED: Final = 3
"""Threads of one station that may hang; beyond that its source is not replaced."""
LONGEST_TURN_S: Final = 1.0
"""Most seconds that one turn of the engine's loop counts for."""
_CONFIRM_S: Final = 0.5
"""Seconds that a source has to report by itself that it is live again."""

_log = get_logger(__name__)


class TurnClock:
    """Seconds in which the engine's loop ran."""

    def __init__(self) -> None:
        self.seconds = 0.0
        """Sum of all turns so far."""
        self._last = time.monotonic()

    def turn(self) -> float:
        """Count one turn of the loop; return :attr:`seconds`."""
        now = time.monotonic()
        self.seconds += min(now - self._last, LONGEST_TURN_S)
        self._last = now
        return self.seconds


class SourceWatch:
    """Watches the source of one station, in the engine's thread.

    Parameters
    ----------
    station
        The station.
    lost_after_s
        Seconds without audio after which a live source is declared lost.
    reopen
        Returns a fresh source of the same input, not yet started; None where there can be none
        (standard input).
    """

    def __init__(
        self,
        station: Station,
        lost_after_s: float,
        reopen: Callable[[], Source] | None = None,
    ) -> None:
        self._station = station
        self._lost_after_s = lost_after_s
        self._reopen = reopen
        self._source = station.source
        self._arrived = 0
        self._quiet_since: float | None = None  # in seconds of the TurnClock, as all that follow
        self._declared: StateChange | None = None  # our own report
        self._came_back: float | None = None
        self._replace_at = 0.0
        self._pause_s = GRACE_S
        self._live_since: float | None = None
        self._abandoned: list[Source] = []

    @property
    def stuck(self) -> bool:
        """Whether the source is declared lost, and too many of its threads hang to replace it."""
        return (
            self._declared is not None
            and self._reopen is not None
            and len(self._abandoned) >= MAX_ABANDONED
        )

    @property
    def declares_lost(self) -> bool:
        """Whether the source is declared lost at present."""
        return self._declared is not None

    @property
    def holds(self) -> bool:
        """Whether new audio waits until it is known who counts the gap before it."""
        return self._declared is not None and _arrived(self._source) > self._arrived

    def check(self, now: float) -> None:
        """Look at the source.

        Parameters
        ----------
        now
            Seconds of the engine's :class:`TurnClock`.
        """
        source = self._station.source
        if not source.live:
            return
        if source is not self._source or self._quiet_since is None:
            self._source, self._declared, self._live_since = source, None, None
            self._note_audio(now)
        if self._declared is None:
            self._watch(source, now)
        elif source.newest_change is not self._declared:
            self._declared = None  # its own thread is at work again
            self._note_audio(now)
        elif _arrived(source) > self._arrived:
            self._take_back(source, now)
        elif now >= self._replace_at:
            self._replace(source, now)

    def _note_audio(self, now: float) -> None:
        self._arrived, self._quiet_since = _arrived(self._source), now

    def _watch(self, source: Source, now: float) -> None:
        assert self._quiet_since is not None
        if source.state != "live":
            self._live_since = None
            self._note_audio(now)
            return
        self._live_since = now if self._live_since is None else self._live_since
        if _arrived(source) != self._arrived:
            self._note_audio(now)
            if now - self._live_since >= STABLE_S:
                self._pause_s = GRACE_S
        elif now - self._quiet_since >= self._lost_after_s:
            self._declare(source, now)

    def _declare(self, source: Source, now: float) -> None:
        self._report(
            source, f"no audio for {self._lost_after_s:g} s though the source reports none lost"
        )
        self._came_back, self._replace_at = None, now + self._pause_s
        # In a thread: it may wait for the same lock as the source's own.
        start_quietly(f"interrupt {self._station.name}", source.interrupt)

    def _report(self, source: Source, why: str) -> None:
        source.set_state("lost", why)
        self._declared = source.newest_change

    def _take_back(self, source: Source, now: float) -> None:
        """Note that audio came without a word from the source; it may still speak for itself."""
        if self._came_back is None:
            self._came_back = now
        elif now - self._came_back >= _CONFIRM_S:
            self._declared = None
            self._station.resume(source)
            source.set_state("live")
            self._note_audio(now)

    def _replace(self, source: Source, now: float) -> None:
        self._abandoned = [old for old in self._abandoned if old.captures]
        self._replace_at = now + self._pause_s
        if self._reopen is None:
            return
        if self.stuck:
            why = f"{len(self._abandoned)} of its reads hang; it is tried again when one returns"
            if self._declared is not None and self._declared.detail != why:
                self._report(source, why)
            return
        fresh = self._reopen()
        _log.info(
            "%s: its read hangs: the input is reopened", self._station.name,
            extra={"station": self._station.name},
        )  # fmt: skip
        start_quietly(f"abandon {self._station.name}", source.stop)
        self._abandoned.append(source)
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        self._station.replace(fresh)
        self._source, self._declared, self._live_since = fresh, None, None
        self._note_audio(now)
        fresh.start()


def _arrived(source: Source) -> int:
    """Return how many samples a source has brought or counted as lost."""
    return source.ring.written + source.ring.lost if source.ring else 0
