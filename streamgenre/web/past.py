"""What one station did in the last minutes, for a page that shows it large."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from streamgenre.events import DeadAir, Gap, Segment, SourceChange, Title, Update

if TYPE_CHECKING:
    from streamgenre.events import AnyEvent

SPAN_S: Final = 600.0
"""Seconds of levels that are kept."""
MAX_LEVELS: Final = 600
MAX_GAPS: Final = 64
MAX_SEGMENTS: Final = 20
MAX_LOG: Final = 20
_TRIED: Final = frozenset({"connecting", "lost"})


@dataclass(slots=True)
class Past:
    """Levels, gaps, finished segments and a log, all bounded; JSON texts as far as possible."""

    changed: float | None = None
    """UNIX seconds at which the source started or stopped playing; repeated attempts count as one
    absence. None before the first ``source``."""
    levels: deque[bytes] = field(default_factory=lambda: deque(maxlen=MAX_LEVELS))
    """``[time, level_dbfs, loudness_lufs, peak_dbfs]`` of each update, oldest first."""
    gaps: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=MAX_GAPS))
    """Start and end of each gap in UNIX seconds."""
    segments: deque[bytes] = field(default_factory=lambda: deque(maxlen=MAX_SEGMENTS))
    """Finished segments as they were sent."""
    log: deque[bytes] = field(default_factory=lambda: deque(maxlen=MAX_LOG))
    """Objects with ``time``, ``kind`` and ``event``."""
    _state: str | None = None
    _session: str | None = None

    def take(self, event: AnyEvent, text: bytes) -> None:
        """Take an event and its JSON."""
        if self._session not in (None, event.session):
            self._note("session", event.time, b"{}")
        self._session = event.session
        match event:
            case Update():
                values = (event.time, event.level_dbfs, event.loudness_lufs, event.peak_dbfs)
                self.levels.append(_json(values))
            case Gap():
                self.gaps.append((round(event.time - event.seconds, 3), round(event.time, 3)))
                self._note("gap", event.time, text)
            case Segment():
                self.segments.append(text)
            case SourceChange():
                if event.state != self._state and not {event.state, self._state} <= _TRIED:
                    self.changed = event.time
                self._state = event.state
                self._note("source", event.time, text)
            case Title():
                self._note("title", event.time, text)
            case DeadAir():
                self._note("dead_air", event.time, text)

    def _note(self, kind: str, time: float, text: bytes) -> None:
        self.log.append(b'{"time":%s,"kind":"%s","event":%s}' % (_json(time), kind.encode(), text))

    def brief(self) -> list[bytes]:
        """Return the members of a JSON object that every viewer needs."""
        return [b'"changed":' + _json(self.changed), b'"gaps":' + _json(list(self.gaps))]

    def full(self) -> list[bytes]:
        """Return the members that a viewer of this station alone needs too."""
        lists = {b"levels": self.levels, b"segments": self.segments, b"log": self.log}
        return [b'"%s":[%s]' % (name, b",".join(texts)) for name, texts in lists.items()]


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
