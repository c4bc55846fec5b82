"""Sources that can wait: files, pipes and synthesised programmes, read block by block."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from streamgenre.ring import LossReason, Lost, Ring
from streamgenre.sources.base import RING_SECONDS, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    Blocks = Iterator["NDArray[np.float32] | Lost | Stall"]

Pace: TypeAlias = Literal["real", "fast"]
_WAIT_S: Final = 0.002
_PAUSED_S: Final = 1.0
"""Being later than this is no jitter."""


@dataclass(frozen=True, slots=True)
class Stall:
    """Nothing comes from an input that should deliver all the time."""

    seconds: float
    """For how long, in seconds."""


class PacedSource(Source):
    """Fills its ring from an iterator of blocks and losses, in a thread.

    Parameters
    ----------
    name
        Name of the input.
    rate, channels
        Format of the blocks; each has the shape ``(n, channels)``.
    blocks
        What to play; it may block, and may raise :class:`InputError`.
    pace
        ``real`` hands the samples over as a clock would, ``fast`` as quickly as they are taken.
        Neither loses any: where the ring is full, the thread waits.
    real_time
        Whether the arrival of samples tells the wall time.
    live
        Whether what it delivers will not come again.
    ending
        Asked at the end of the blocks for what there is to say of it.
    """

    def __init__(
        self,
        name: str,
        rate: int,
        channels: int,
        blocks: Blocks,
        *,
        pace: Pace = "real",
        real_time: bool,
        live: bool = False,
        ending: Callable[[], str] = lambda: "end of input",
    ) -> None:
        super().__init__(name)
        self.rate, self.channels = rate, channels
        self.ring = Ring(int(rate * RING_SECONDS), channels)
        self.real_time = real_time
        self.live = live
        self._blocks = blocks
        self._pace = pace
        self._ending = ending
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"capture-{name}", daemon=True)

    def start(self) -> None:
        """See :meth:`Source.start`."""
        self._thread.start()

    def stop(self) -> None:
        """See :meth:`Source.stop`."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=1.0)  # a read of a pipe may hang: the thread is a daemon

    def _run(self) -> None:
        detail = ""
        try:
            self._play()
            detail = "stopped" if self._stop.is_set() else self._ending()
        except Exception as error:  # noqa: BLE001 - handed to the engine, which raises it
            self.failure = error
            detail = str(error)
        finally:
            assert self.ring is not None
            self.tell("ended", detail)
            self.ring.close()

    def _play(self) -> None:
        assert self.ring is not None
        played = 0
        started = time.monotonic()
        stalled: float | None = None
        for item in self._blocks:
            if played == 0 and not isinstance(item, Stall):
                started = time.monotonic()
                self.tell("live")
            if isinstance(item, Lost):
                self.ring.mark_lost(item.samples, item.reason)
                played += item.samples
                continue
            if isinstance(item, Stall):
                self.tell("lost", f"nothing for {item.seconds:g} s")
                stalled = stalled or time.monotonic() - item.seconds
                continue
            if stalled is not None:
                away = time.monotonic() - stalled
                self.ring.mark_lost(int(away * self.rate), LossReason.RECONNECT)
                self.tell("live")
                stalled = None
            # A block is handed over when its last sample would have been captured.
            played += len(item)
            if self._pace == "real":
                ahead = started + played / self.rate - time.monotonic()
                self._stop.wait(max(0.0, ahead))
                if ahead < -_PAUSED_S:  # the process was stopped: go on from here, not in a burst
                    started -= ahead
            if not self._write(item):
                return

    def _write(self, block: NDArray[np.float32]) -> bool:
        """Write a block of any length, waiting for room; False where the source was stopped."""
        assert self.ring is not None
        while len(block):
            if self._stop.is_set():
                return False
            room = self.ring.free
            if room == 0:
                self._stop.wait(_WAIT_S)
                continue
            self.ring.write(block[:room])
            block = block[room:]
        return not self._stop.is_set()
