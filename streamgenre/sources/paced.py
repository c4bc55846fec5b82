"""Sources that are read block by block at a chosen pace: files, pipes and the demo.

A thread reads them. Only where one file is heard as fast as possible, it is read by the engine's
own thread whenever that needs more audio: two threads would keep waiting for each other.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from streamgenre.audio.ring import Gap, GapReason, Ring
from streamgenre.sources.base import MAX_TITLES, RING_SECONDS, Source
from streamgenre.sources.conversion import Format
from streamgenre.sources.faults import as_input_error
from streamgenre.sources.titles import Title

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

Pace: TypeAlias = Literal["real", "fast"]
_WAIT_S: Final = 0.002
_PAUSED_S: Final = 1.0
"""A longer delay in seconds means that the process was paused."""


@dataclass(frozen=True, slots=True)
class Stall:
    """An input that should deliver continuously delivers nothing."""

    seconds: float
    """How long, in seconds."""
    detail: str = ""
    """The reason, for people; empty if unknown."""
    pause_s: float = 0.0
    """Seconds to wait before the next item is requested."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem with an input that continues to play."""

    detail: str
    """The problem, for people."""


if TYPE_CHECKING:
    Item: TypeAlias = NDArray[np.float32] | Gap | Stall | Problem | Title | Format
    """An item that a paced source plays, or the format of the first block."""


class PacedSource(Source):
    """A source that fills its ring from an iterator, in a thread.

    Parameters
    ----------
    name
        Name of the input.
    rate, channels
        Rate in Hz and channels of the blocks; a block has the shape ``(n, channels)``. 0 if they
        are not known yet: the format is then an item before the first block.
    blocks
        The items to play. The iterator may block, and may raise :class:`InputError`.
    pace
        ``real`` delivers samples in real time, ``fast`` as quickly as they are read. Neither loses
        samples: the thread waits while the ring is full.
    real_time
        Whether the arrival of samples gives the wall time.
    live
        Whether lost samples are lost for good.
    ending
        Called after the last item; returns the detail of the state ``ended``.
    threaded
        Whether a thread of its own reads it; else :meth:`deliver` does.
    """

    def __init__(
        self,
        name: str,
        rate: int,
        channels: int,
        blocks: Iterator[Item],
        *,
        pace: Pace = "real",
        real_time: bool,
        live: bool = False,
        ending: Callable[[], str] = lambda: "end of input",
        threaded: bool = True,
    ) -> None:
        super().__init__(name)
        if rate:
            self._prepare(Format(rate, channels))
        self.real_time = real_time
        self.live = live
        self.delivers = not threaded
        self._blocks = blocks
        self._rest: NDArray[np.float32] | None = None  # of a block that did not fit
        self._pace = pace
        self._ending = ending
        self._played = 0  # samples, including lost ones
        self._started = 0.0  # monotonic seconds of the first sample
        self._stalled: float | None = None  # monotonic seconds when the stall began
        self._stop = threading.Event()
        self._thread = (
            threading.Thread(target=self._run, name=f"capture-{name}", daemon=True)
            if threaded
            else None
        )

    def start(self) -> None:
        """See :meth:`Source.start`."""
        if self._thread is not None:
            self._thread.start()

    def stop(self) -> None:
        """See :meth:`Source.stop`."""
        self._stop.set()
        if self._thread is None:
            self._end("stopped")
        elif self._thread.is_alive():
            self._thread.join(timeout=1.0)  # the read of a pipe may block: a daemon thread

    def deliver(self) -> bool:
        """See :meth:`Source.deliver`."""
        full = self.ring is not None and not self.ring.free
        if not self.delivers or self.state == "ended" or full:
            return False
        try:
            rest, self._rest = self._rest, None
            if rest is not None:
                self._write(rest)
            elif not self._take(next(self._blocks)):
                self._end("stopped")
        except StopIteration:
            self._end(self._ending())
        except Exception as error:  # noqa: BLE001 - handed to the engine, which raises it
            self._fail(error)
        return True

    def _prepare(self, wanted: Format) -> None:
        self.rate, self.channels = wanted.rate, wanted.channels
        self.ring = Ring(int(wanted.rate * RING_SECONDS), wanted.channels)

    def _run(self) -> None:
        try:
            self._play()
            self._end("stopped" if self._stop.is_set() else self._ending())
        except Exception as error:  # noqa: BLE001 - handed to the engine, which raises it
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self.failure = as_input_error(error, self.name)
        self._end(str(self.failure))

    def _end(self, detail: str) -> None:
        if self.state != "ended":
            self.set_state("ended", detail)
        if self.ring is not None:
            self.ring.close()

    def _play(self) -> None:
        for item in self._blocks:
            if self._stop.is_set() or not self._take(item):
                return

    def _take(self, item: Item) -> bool:
        """Play an item; return False if the source was stopped."""
        if isinstance(item, Problem):
            self.set_state(self.state, item.detail)
        elif isinstance(item, Stall):
            self.set_state("lost", item.detail or f"nothing for {item.seconds:g} s")
            self._stalled = self._stalled or time.monotonic() - item.seconds
            self._stop.wait(item.pause_s)
        elif isinstance(item, Format):
            if self.ring is None:
                self._prepare(item)
        else:
            self._resume()
            assert self.ring is not None
            if isinstance(item, Gap):
                self.ring.mark_lost(item.samples, item.reason)
                self._played += item.samples
            elif isinstance(item, Title):
                while (
                    len(self.titles) == MAX_TITLES
                    and not self.delivers
                    and not self._stop.wait(_WAIT_S)
                ):
                    pass
                self.announce(item)
            else:
                return self._write(item)
        return not self._stop.is_set()

    def _resume(self) -> None:
        """Become live; after a stall, count the missed samples as lost."""
        if self.state == "live":
            return
        assert self.ring is not None
        since = self._stalled
        if since is None and self.state == "lost":  # declared lost by the engine
            since = self.ring.last_arrival
        if since is None:
            self._started = time.monotonic()
        elif self.real_time:
            away = time.monotonic() - since
            self.ring.mark_lost(int(away * self.rate), GapReason.RECONNECT)
        self._stalled = None
        self.set_state("live")

    def _write(self, block: NDArray[np.float32]) -> bool:
        """Write a block when it is due and fits; return False if the source was stopped."""
        assert self.ring is not None
        # A block is due when its last sample would have been captured.
        self._played += len(block)
        if self._pace == "real":
            ahead = self._started + self._played / self.rate - time.monotonic()
            self._stop.wait(max(0.0, ahead))
            if ahead < -_PAUSED_S:  # the process was paused: continue from here, without a burst
                self._started -= ahead
        while len(block):
            if self._stop.is_set():
                return False
            room = self.ring.free
            if room == 0 and self.delivers:
                self._rest = block
                return True
            if room == 0:
                self._stop.wait(_WAIT_S)
                continue
            self.ring.write(block[:room])
            block = block[room:]
        return not self._stop.is_set()
