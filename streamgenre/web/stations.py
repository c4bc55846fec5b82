"""The last state of one station, as a late viewer needs it."""

from __future__ import annotations

import json
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from streamgenre.events import SourceChange, Status, Update
from streamgenre.web.past import Past

if TYPE_CHECKING:
    from streamgenre.events import AnyEvent

RECENT_S: Final = 600.0
"""Seconds of decisions that a snapshot holds for each station."""
_MAX_RUNS: Final = 200
"""Most stretches of one decision that are kept."""
_GAP_S: Final = 5.0
"""Seconds without an update after which a new stretch begins."""
STALLED_S: Final = 15.0
"""Seconds without an update after which a live station is stalled, or three times its interval."""


@dataclass(slots=True)
class Run:
    """A stretch of updates with one decision."""

    start: float
    """UNIX seconds of its first update."""
    end: float
    """UNIX seconds of its last update."""
    state: str
    genre: str | None
    confidence: float
    """Confidence of its last update."""


@dataclass(slots=True)
class Station:
    """The newest event of each type, and the decisions of the last minutes."""

    name: str
    events: dict[str, bytes] = field(default_factory=dict)
    """Newest event by type, as JSON."""
    runs: deque[Run] = field(default_factory=lambda: deque(maxlen=_MAX_RUNS))
    """Decisions of the last minutes, oldest first."""
    source_state: str | None = None
    """State of the source; None until it is known."""
    updated: float | None = None
    """Monotonic seconds of the newest update; None before the first."""
    interval: float = 1.0
    """Typical seconds between two updates."""
    live_since: float = 0.0
    """Monotonic seconds since when the source is live."""

    past: Past = field(default_factory=Past)
    """Levels, gaps, segments and a log of the last minutes."""

    def take(self, event: AnyEvent, text: bytes) -> None:
        """Take an event and its JSON."""
        now = time.monotonic()
        self.past.take(event, text)
        self.events[event.TYPE] = text
        if isinstance(event, Update):
            if self.updated is not None and not event.retained:
                self.interval += 0.2 * (min(60.0, now - self.updated) - self.interval)
            self.updated = now
            self._extend(event)
        elif isinstance(event, SourceChange | Status):
            state = event.state if isinstance(event, SourceChange) else event.source_state
            if state == "live" and self.source_state != "live":
                self.live_since = now
            self.source_state = state

    def _extend(self, event: Update) -> None:
        last = self.runs[-1] if self.runs else None
        if (
            last is not None
            and (last.state, last.genre) == (event.state, event.genre)
            and 0 <= event.time - last.end <= max(_GAP_S, 3 * self.interval)
        ):
            last.end, last.confidence = event.time, event.confidence
        else:
            run = Run(event.time, event.time, event.state, event.genre, event.confidence)
            self.runs.append(run)
        while self.runs[0].end < event.time - RECENT_S:
            self.runs.popleft()

    def silent_s(self) -> float:
        """Return the seconds without an update while the source is live; 0 if it is not."""
        if self.source_state != "live":
            return 0.0
        return time.monotonic() - max(self.updated or 0.0, self.live_since)

    @property
    def stalled(self) -> bool:
        """Whether the source is live and updates are missing."""
        return self.silent_s() > max(STALLED_S, 3 * self.interval)

    def past_genres(self) -> set[str]:
        """Return the genres of the stretches and segments that are kept."""
        segments = (json.loads(text)["genre"] for text in self.past.segments)
        return {genre for genre in (*segments, *(run.genre for run in self.runs)) if genre}

    def recent(self) -> list[dict[str, Any]]:
        """Return the decisions of the last minutes, oldest first, as JSON objects."""
        return [
            {
                "start": round(run.start, 3),
                "end": round(run.end, 3),
                "state": run.state,
                "genre": run.genre,
                "confidence": run.confidence,
            }
            for run in self.runs
        ]

    def to_json(self, *, types: frozenset[str] | None = None, full: bool = False) -> bytes:
        """Return the station as a JSON object: ``station``, the events by type, ``recent``.

        Parameters
        ----------
        types
            Types of the events to include; None for all.
        full
            Whether to include levels, finished segments and a log of the last minutes.
        """
        parts = [b'"station":' + json.dumps(self.name).encode()]
        parts += [
            f'"{kind}":'.encode() + text
            for kind, text in self.events.items()
            if types is None or kind in types
        ]
        parts.append(b'"recent":' + json.dumps(self.recent(), separators=(",", ":")).encode())
        parts += self.past.brief()
        parts += self.past.full() if full else []
        return b"{" + b",".join(parts) + b"}"
