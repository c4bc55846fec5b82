"""What every source is: a thread that fills a ring, and a state that it tells of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from streamgenre.sources.titles import clean

if TYPE_CHECKING:
    from streamgenre.audio.ring import Ring
    from streamgenre.events import SourceState
    from streamgenre.sources.stream_info import StreamInfo
    from streamgenre.sources.titles import Title

RING_SECONDS: Final = 10.0
"""How long the engine may be busy before samples are lost."""
MAX_TITLES: Final = 64
"""Titles that can wait to be heard; of more, the oldest are forgotten."""


@dataclass(frozen=True, slots=True)
class StateChange:
    """A source changed its state."""

    state: SourceState
    detail: str = ""
    """Why, in words."""


@dataclass(frozen=True, slots=True)
class TitleChange:
    """A title with its place in the stream."""

    at: int
    """Samples before its first one, lost ones included, at the rate of the source."""
    title: Title
    """What is announced there."""


class Source(ABC):
    """One audio input.

    The capture thread creates :attr:`ring` once the format is known, fills it, appends to
    :attr:`state_changes` (published at once) and :attr:`titles` (published when their first sample
    is processed), and closes the ring after the last sample. An error that ends the source is kept
    in :attr:`failure`.
    """

    real_time: bool
    """Whether samples arrive as they happen, so that their arrival tells the wall time."""

    live: bool
    """Whether what it delivers is heard once and will not come again."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ring: Ring | None = None
        self.rate = 0
        self.channels = 0
        self.state: SourceState = "connecting"
        # Bounded: a source that flaps for days without a reader must not fill the memory.
        self.state_changes: deque[StateChange] = deque(maxlen=64)
        self.titles: deque[TitleChange] = deque(maxlen=MAX_TITLES)
        self.info: StreamInfo | None = None
        self.failure: Exception | None = None
        self.successor: Source | None = None
        """Has taken its place, before a single sample."""
        self._told: StateChange | None = None

    def set_state(self, state: SourceState, detail: str = "") -> None:
        """Change the state; a repetition of the same is not told again.

        The detail may quote servers and file names: it is made fit to be shown.
        """
        notice = StateChange(state, clean(detail))
        if notice != self._told:
            self._told = notice
            self.state = state
            self.state_changes.append(notice)

    def announce(self, title: Title) -> None:
        """Say what plays from the next sample on; by the thread that fills the ring."""
        assert self.ring is not None
        self.titles.append(TitleChange(self.ring.written + self.ring.lost, title))

    @abstractmethod
    def start(self) -> None:
        """Begin to capture.

        Raises
        ------
        InputError
            If the input cannot work at all.
        """

    @abstractmethod
    def stop(self) -> None:
        """End the capture within two seconds; may be called twice."""
