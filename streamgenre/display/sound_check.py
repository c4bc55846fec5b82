"""Judges in one word whether an input sounds as it should: "is my microphone right?"."""

from __future__ import annotations

import math
from collections import deque
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from streamgenre.events import Spectrum, Update

if TYPE_CHECKING:
    from streamgenre.events import AnyEvent

Verdict: TypeAlias = Literal["silence", "clipping", "hum", "quiet", "fine"]

WORDS: Final[dict[Verdict, str]] = {
    "silence": "silence: is the input connected, and not muted?",
    "clipping": "clipping: lower the volume of the input",
    "hum": "hum of the mains above all else: check cable and grounding",
    "quiet": "too quiet: raise the volume of the input, or its gain",
    "fine": "the level is fine",
}
"""What each verdict means, and what to do."""

SILENT_DBFS: Final = -60.0
"""Level at and below which nothing is heard."""
QUIET_DBFS: Final = -45.0
"""Level below which an input is too quiet for a good verdict on its music."""
CLIPPED_DBFS: Final = -0.1
"""Largest sample from which on it has probably been clipped."""
CLIPPED_UPDATES: Final = 3
"""Updates for which clipping is reported."""
HUM_HZ: Final = 200.0
"""Upper end of the mains' strongest harmonics."""
HUM_SHARE: Final = 0.9
"""Share of the power below :data:`HUM_HZ` from which on it drowns the rest."""
HUM_S: Final = 3.0
"""Seconds for which it lasts; music with a deep bass is not as steady."""
HUM_SPREAD_DB: Final = 3.0
"""Most decibels between its weaker and its stronger moments."""
_TENTH: Final = 10


class SoundCheck:
    """Takes the updates and spectra of one station and judges the last seconds."""

    def __init__(self) -> None:
        self._level: float | None = None
        self._heard = False
        self._peaks: deque[float] = deque(maxlen=CLIPPED_UPDATES)
        self._low: deque[tuple[float, float]] = deque()  # power below HUM_HZ, and its share
        self._rows = 0  # how many of them make HUM_S

    def take(self, event: AnyEvent) -> None:
        """Take an event; types other than ``update`` and ``spectrum`` are ignored."""
        if isinstance(event, Update):
            self._heard = True
            self._level = event.level_dbfs
            self._peaks.append(-math.inf if event.peak_dbfs is None else event.peak_dbfs)
        elif isinstance(event, Spectrum):
            self._take_rows(event)

    def _take_rows(self, event: Spectrum) -> None:
        low = sum(high <= HUM_HZ for _, high in pairwise(event.edges_hz))
        power = [10 ** ((event.floor_db + event.step_db * byte) / 10) for byte in range(256)]
        self._rows = math.ceil(HUM_S / event.row_s)
        for start in range(0, len(event.levels), event.bands):
            row = [power[byte] for byte in event.levels[start : start + event.bands]]
            below = sum(row[:low])
            self._low.append((below, below / sum(row)))
        while len(self._low) > self._rows:
            self._low.popleft()

    @property
    def verdict(self) -> Verdict | None:
        """The verdict; None before the first update."""
        if not self._heard:
            return None
        if self._level is None or self._level <= SILENT_DBFS:
            return "silence"
        if max(self._peaks) >= CLIPPED_DBFS:
            return "clipping"
        if self._hums():
            return "hum"
        return "quiet" if self._level < QUIET_DBFS else "fine"

    def _hums(self) -> bool:
        if not self._rows or len(self._low) < self._rows:
            return False
        powers = sorted(power for power, _ in self._low)
        shares = sorted(share for _, share in self._low)
        few = len(powers) // _TENTH
        steady = powers[-1 - few] <= powers[few] * 10 ** (HUM_SPREAD_DB / 10)
        return steady and shares[few] >= HUM_SHARE
