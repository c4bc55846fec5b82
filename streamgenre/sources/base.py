"""What every source is: a thread that fills a ring, and a state that it tells of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from streamgenre.events import SourceState
    from streamgenre.ring import Ring
    from streamgenre.sources.icy import Title

RING_SECONDS: Final = 10.0
"""How long the engine may be busy before samples are lost."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A source changed its state."""

    state: SourceState
    detail: str = ""
    """Why, in words."""


class Source(ABC):
    """One audio input.

    The capture thread makes :attr:`ring` once the format is known, fills it, appends to
    :attr:`notices`, and closes the ring when there will be no more samples. An error that it cannot
    get over it leaves in :attr:`failure`.
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
        self.notices: deque[Notice | Title] = deque(maxlen=64)
        self.failure: Exception | None = None
        self.successor: Source | None = None
        """Has taken its place, before a single sample."""
        self._told: Notice | None = None
        self._announced: Title | None = None

    def tell(self, state: SourceState, detail: str = "") -> None:
        """Change the state; a repetition of the same is not told again."""
        notice = Notice(state, detail)
        if notice != self._told:
            self._told = notice
            self.state = state
            self.notices.append(notice)

    def announce(self, title: Title) -> None:
        """Say what is playing now; stations repeat themselves, this is told once."""
        if title != self._announced:
            self._announced = title
            self.notices.append(title)

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
