"""Counts what is damaged or missing in a stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from streamgenre.logger import get_logger
from streamgenre.sources.timeline import MAX_MISSING_S

_log = get_logger(__name__)


@dataclass(slots=True)
class DamageCounter:
    """Counts packets that could not be decoded, or that the container has lost."""

    packets: int = 0
    missing_s: float = 0.0
    """Length in seconds of all that is missing, as far as it is known."""
    holes_s: float = 0.0
    """Seconds that are missing between packets, as their timestamps show."""
    last: bool = False
    """Whether the newest packet was damaged."""

    def __str__(self) -> str:
        plural = "s" * (self.packets != 1)
        parts = [f"{self.packets} damaged packet{plural} skipped"] if self.packets else []
        if self.holes_s:
            parts.append(f"{self.holes_s:.1f} s missing between packets")
        return f" ({', '.join(parts)})" if parts else ""

    def count_hole(self, seconds: float) -> None:
        """Count seconds that are missing between packets."""
        _log.debug("%.2f s are missing between two packets", seconds)
        self.holes_s += seconds
        self.missing_s += seconds

    def count(self, packet: Any, why: object) -> float:
        """Count a damaged packet; return its length in seconds, 0 where that is not known.

        Parameters
        ----------
        packet
            PyAV's packet.
        why
            What the decoder said.
        """
        _log.debug("skipped a damaged packet of %d bytes: %s", packet.size, why)
        self.packets += 1
        self.last = True
        seconds = 0.0
        if packet.duration and packet.duration > 0 and packet.time_base is not None:
            seconds = min(float(packet.duration * packet.time_base), MAX_MISSING_S)
        self.missing_s += seconds
        return seconds
