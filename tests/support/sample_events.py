"""Valid events of a station that does not exist."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from streamgenre.bus.stats import BusStats
from streamgenre.events import (
    DeadAir,
    Gap,
    Segment,
    Sequence,
    SourceChange,
    Spectrum,
    Status,
    Title,
    Update,
)

GENRES = (
    *("blues", "classical", "country", "disco", "hiphop"),
    *("jazz", "metal", "pop", "reggae", "rock"),
)


class SampleStation:
    """One station; each call returns the next event of a type."""

    def __init__(self, name: str = "kitchen", session: str = "s", *, first: int = 0) -> None:
        self.name = name
        self._session = session
        self._sequence = Sequence(first)
        self._updates = 0

    def update(self) -> Update:
        self._updates += 1
        shares = {g: round(0.05 + i * 0.0111111, 8) for i, g in enumerate(GENRES)}
        return Update(
            **self._head("update"),
            state="music",
            genre="rock",
            confidence=0.15,
            since=0.0,
            probabilities=shares,
            smoothed=shares,
            level_dbfs=-18.2,
        )

    def segment(self) -> Segment:
        return Segment(
            **self._head("segment"),
            state="music",
            genre="rock",
            start=0.0,
            end=float(self._updates),
            start_time=time.time(),
            mean_probability=0.5,
            updates=max(1, self._updates),
        )

    def gap(self) -> Gap:
        return Gap(**self._head("gap"), samples=1, rate=44_100, seconds=0.0, reason="overflow")

    def source(self) -> SourceChange:
        head = self._head("source")
        return SourceChange(**head, state="live", input="x", detail="", rate=44_100, channels=2)

    def title(self) -> Title:
        return Title(**self._head("title"), artist="Parker", title="Ko-Ko", raw="Parker - Ko-Ko")

    def dead_air(self) -> DeadAir:
        head = self._head("dead_air")
        return DeadAir(**head, active=True, start=0.0, start_time=head["time"], seconds=20.0)

    def spectrum(self, rows: int = 16) -> Spectrum:
        edges = [125.0 * n for n in range(65)]
        levels = bytes(n % 256 for n in range(rows * (len(edges) - 1)))
        return Spectrum(
            **self._head("spectrum"),
            rows=rows,
            row_s=0.0625,
            edges_hz=edges,
            floor_db=-120.0,
            step_db=0.5,
            levels=levels,
        )

    def status(self, traffic: BusStats | None = None) -> Status:
        return Status(
            **self._head("status"),
            uptime_s=1.0,
            input="x",
            source_state="live",
            samples=1,
            samples_lost=0,
            samples_replaced=0,
            updates=self._updates,
            last_frame_age_s=0.1,
            latency_ms=None,
            cpu_share=0.01,
            rss_bytes=1,
            model="lstm",
            model_sha256="0" * 64,
            **asdict(traffic or BusStats()),
        )

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "station": self.name,
            "session": self._session,
            "seq": self._sequence.next(kind),
            "time": time.time(),
            "stream_time": float(self._updates),
        }
