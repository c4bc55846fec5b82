"""The base class of all sources: a thread that fills a ring and reports its state."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from streamgenre.sources.titles import clean

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from streamgenre.audio.ring import Ring
    from streamgenre.events import SourceState
    from streamgenre.sources.stream_info import StreamInfo
    from streamgenre.sources.titles import Title

RING_SECONDS: Final = 10.0
"""Length of the ring in seconds: how long the engine may be busy before samples are lost."""
MAX_TITLES: Final = 64
"""Titles that may wait for their sample; the oldest are dropped beyond that."""


@dataclass(frozen=True, slots=True)
class StateChange:
    """A new state of a source."""

    state: SourceState
    detail: str = ""
    """The reason, for people."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What the engine waits for: the end of a hop."""

    at: int
    """Number of samples before it, at the rate of the source; lost samples count."""
    every: float
    """Samples of a hop."""
    reached: Callable[[], None]
    """To be called once they have arrived, where the source :attr:`~Source.notifies`."""


@dataclass(frozen=True, slots=True)
class TitleChange:
    """A title and its position in the stream."""

    at: int
    """Index of its first sample at the rate of the source; lost samples count."""
    title: Title
    """The title."""


class Source(ABC):
    """One audio input.

    The capture thread creates :attr:`ring` once the format is known, fills it, appends to
    :attr:`state_changes` (published at once) and :attr:`titles` (published when their first sample
    is processed), and closes the ring after the last sample. An error that ends the source is kept
    in :attr:`failure`.
    """

    real_time: bool
    """Whether samples arrive as they are played, so that their arrival gives the wall time."""

    live: bool
    """Whether lost samples are lost for good, unlike those of a file."""

    notifies = False
    """Whether it tells the engine that the audio of a hop has arrived or its state has changed, so
    that nobody has to poll for it."""

    delivers = False
    """Whether it has no thread: the engine takes its audio with :meth:`deliver`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ring: Ring | None = None
        self.rate = 0
        self.channels = 0
        self.state: SourceState = "connecting"
        # Bounded: an unstable source that nobody reads must not fill the memory.
        self.state_changes: deque[StateChange] = deque(maxlen=64)
        self.titles: deque[TitleChange] = deque(maxlen=MAX_TITLES)
        self.info: StreamInfo | None = None
        self.failure: Exception | None = None
        self.successor: Source | None = None
        """The source that replaces this one, which has delivered no sample."""
        self.demand: Demand | None = None
        """What the engine waits for; None where that is not known."""
        self.start_after_s = 0.0
        """Seconds that a stream waits after :meth:`start`, so that not all bring their hops at
        the same time."""
        self.may_be_microphone = False
        """Whether a station list led to RTSP or SRT once, as which a room may be heard."""
        self._newest_change: StateChange | None = None

    @property
    def newest_change(self) -> StateChange | None:
        """The newest change of state, published or not; None before the first."""
        return self._newest_change

    @property
    def captures(self) -> bool:
        """Whether the capture thread runs, or hangs."""
        thread: threading.Thread | None = getattr(self, "_thread", None)
        return thread is not None and thread.is_alive()

    def set_state(self, state: SourceState, detail: str = "") -> None:
        """Change the state; the same state and detail are reported once.

        Parameters
        ----------
        state
            The new state.
        detail
            The reason. It may quote servers and file names: control characters are removed.
        """
        change = StateChange(state, clean(detail))
        if change != self._newest_change:
            self._newest_change = change
            self.state = state
            self.state_changes.append(change)
            self._wake()

    def announce(self, title: Title) -> None:
        """Set the title from the next sample on. Called by the thread that fills the ring."""
        assert self.ring is not None
        self.titles.append(TitleChange(self.ring.written + self.ring.lost, title))
        self._wake()

    def lacking_s(self) -> float | None:
        """Return the seconds of audio until the end of a hop; None where no hop is known."""
        demand, ring = self.demand, self.ring
        if demand is None or ring is None:
            return None
        samples: float = demand.at - ring.written - ring.lost
        if samples <= 0:  # the engine has not got there yet: a later hop
            samples = demand.every - -samples % demand.every
        return samples / self.rate

    def notify(self) -> None:
        """Tell the engine, if what it waits for has arrived. Called by the capture thread."""
        demand, ring = self.demand, self.ring
        if demand is not None and ring is not None and ring.written + ring.lost >= demand.at:
            demand.reached()

    def _wake(self) -> None:
        if self.notifies and self.demand is not None:
            self.demand.reached()

    @abstractmethod
    def start(self) -> None:
        """Start to capture.

        Raises
        ------
        InputError
            If the input can never work.
        """

    def deliver(self) -> bool:
        """Write the next block into the ring, or end, where the source has no thread.

        Returns
        -------
        Whether there may now be something in the ring.
        """
        return False

    def interrupt(self) -> None:  # noqa: B027 - most sources cannot
        """End a read that hangs, if possible, so that the capture thread reports the loss.

        Called by other threads, after the engine has declared the source lost.
        """

    @abstractmethod
    def stop(self) -> None:
        """Stop the capture within two seconds; may be called twice."""
