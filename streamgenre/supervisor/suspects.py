"""Finds the station that kills its worker.

A worker that dies is replaced, with all its stations. Stations whose worker has died three times
within ten minutes are suspected: they are divided into two halves, each in a worker of its own,
and the half whose worker dies is divided again. The last one left is named; it is kept out for a
time that doubles with each further death, and then tried alone. What lives apart for a minute is
cleared; a station that was named must live for ten.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SUSPECTED_AFTER: Final = 3
"""Deaths after which a worker's stations are suspected."""
WINDOW_S: Final = 600.0
"""Seconds within which deaths count together."""
CLEARED_S: Final = 60.0
"""Seconds that stations must live apart to be cleared."""
NAMED_CLEARED_S: Final = 600.0
"""The same for a station that was named."""
PAUSES_S: Final = (0.0, 0.5, 1.0)
"""Pauses before a worker is replaced, after the first deaths."""
OUT_S: Final = (10.0, 1800.0)
"""First and longest time that a named station is kept out."""


@dataclass(frozen=True, slots=True)
class Group:
    """Stations that are restarted in one worker."""

    stations: tuple[str, ...]
    pause_s: float
    """Seconds until then."""
    apart: bool = False
    """Whether they get a worker of their own."""
    named: bool = False
    """Whether it is the one station that kills its worker."""


@dataclass(slots=True)
class _History:
    deaths: deque[float] = field(default_factory=deque)
    """Monotonic seconds."""
    named: int = 0
    """How often it was found to kill its worker."""


class Suspects:
    """Remembers which stations were there when a worker died."""

    def __init__(self) -> None:
        self._histories: dict[str, _History] = {}

    def died(self, stations: Sequence[str], now: float, *, apart: bool) -> list[Group]:
        """Note the death of a worker; return how its stations are restarted.

        Parameters
        ----------
        stations
            Names of its stations.
        now
            Monotonic seconds.
        apart
            Whether they are under suspicion already, in a worker of their own.
        """
        counts = {name: self._note(name, now) for name in stations}
        suspected = [name for name in stations if apart or counts[name] >= SUSPECTED_AFTER]
        others = tuple(name for name in stations if name not in suspected)
        groups = []
        if others:
            most = max(counts[name] for name in others)
            groups.append(Group(others, PAUSES_S[min(most, len(PAUSES_S)) - 1]))
        if len(suspected) == 1:
            history = self._histories[suspected[0]]
            history.named += 1
            first, longest = OUT_S
            pause = min(longest, first * 2 ** min(history.named - 1, 20))
            groups.append(Group(tuple(suspected), pause, apart=True, named=True))
        elif suspected:
            middle = (len(suspected) + 1) // 2
            groups += [
                Group(tuple(half), 0.0, apart=True)
                for half in (suspected[:middle], suspected[middle:])
            ]
        return groups

    def cleared(
        self, stations: Iterable[str], lived_s: float, *, others_wait: bool = False
    ) -> bool:
        """Whether stations that lived apart are no longer suspected; then their past is forgotten.

        Parameters
        ----------
        stations
            Names of the stations.
        lived_s
            Seconds that their worker has lived.
        others_wait
            Whether other stations wait for its place: a station that was named is then cleared as
            soon as any other.
        """
        names = tuple(stations)
        named = any(self._histories[n].named for n in names if n in self._histories)
        if lived_s < (NAMED_CLEARED_S if named and not others_wait else CLEARED_S):
            return False
        for name in names:
            self.forget(name)
        return True

    def forget(self, station: str) -> None:
        """Forget the past of a station."""
        self._histories.pop(station, None)

    def named(self, station: str) -> bool:
        """Whether a station was found to kill its worker."""
        history = self._histories.get(station)
        return history is not None and history.named > 0

    def _note(self, station: str, now: float) -> int:
        deaths = self._histories.setdefault(station, _History()).deaths
        deaths.append(now)
        while deaths[0] < now - WINDOW_S:
            deaths.popleft()
        return len(deaths)
