"""A made-up day of a radio station as the events that a daemon would send."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from streamgenre.events import (
    DeadAir,
    Gap,
    Segment,
    Sequence,
    SourceChange,
    Status,
    Title,
    Update,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamgenre.events import AnyEvent

GENRES = (
    *("blues", "classical", "country", "disco", "hiphop"),
    *("jazz", "metal", "pop", "reggae", "rock"),
)
T0 = 1_782_864_000.0  # 2026-07-01 00:00 UTC
SONGS = (
    ("Miles Verden", "Blue in Grün"),
    ("Ana Peixoto", "Mar de Outono"),
    ("The Hollow Pines", "Northbound"),
    ("Beyoncé Doe", "Halo of Tin"),
    ("Orkester Syd", "Vals i regn"),
    ("K. Oyelaran", "Lagos 1974"),
    ("Glass Arcade", "Neon Harvest"),
    ("坂本リナ", "夜の電車"),
)


def programme_of(hour: int) -> dict[str, float]:
    """The programme of a station at an hour of the day."""
    if hour < 6:
        return {"classical": 5, "jazz": 3, "blues": 1}
    if hour < 10:
        return {"pop": 6, "disco": 2, "rock": 2}
    if hour < 16:
        return {"rock": 5, "pop": 4, "country": 2, "reggae": 1}
    if hour < 20:
        return {"hiphop": 4, "pop": 3, "reggae": 2, "disco": 2}
    return {"jazz": 5, "blues": 3, "metal": 1, "classical": 1}


@dataclass
class Programme:
    """Makes the events of one station, update by update."""

    station: str = "kitchen"
    session: str = "s1"
    start: float = T0
    seed: int = 0
    hop: float = 1.0
    sequence: Sequence = field(default_factory=Sequence)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng([self.seed, *self.station.encode()])
        self.stream = 0.0
        self.silent_from = 0.0

    def head(self, kind: str) -> dict[str, Any]:
        return {
            "station": self.station,
            "session": self.session,
            "seq": self.sequence.next(kind),
            "time": round(self.start + self.stream, 6),
            "stream_time": self.stream,
        }

    def probabilities(self, genre: str | None) -> dict[str, float]:
        weights = self.rng.gamma(0.25, size=len(GENRES)) + 0.005
        if genre is not None:
            weights[GENRES.index(genre)] += self.rng.gamma(6.0, 0.7)
        return dict(zip(GENRES, (weights / weights.sum()).tolist(), strict=True))

    def stretch(self, state: Any, genre: str | None, hops: int) -> Iterator[AnyEvent]:
        """A segment: its updates, then itself."""
        began, total = self.stream, 0.0
        for _ in range(hops):
            shown = self.probabilities(genre)
            self.stream += self.hop
            total += shown[genre] if genre else 0.0
            yield Update(
                **self.head("update"),
                state=state,
                genre=genre,
                confidence=round(shown[genre] if genre else max(shown.values()), 8),
                since=began,
                probabilities=shown,
                smoothed=shown,
                level_dbfs=None if state == "silence" else round(-16 + self.rng.normal(0, 2), 2),
            )
        yield Segment(
            **self.head("segment"),
            state=state,
            genre=genre,
            start=began,
            end=self.stream,
            start_time=round(self.start + began, 6),
            mean_probability=total / hops if genre else None,
            updates=hops,
        )

    def gap(self, seconds: float, reason: Any = "reconnect") -> Gap:
        self.stream += seconds
        samples = round(44_100 * seconds)
        return Gap(**self.head("gap"), samples=samples, rate=44_100, seconds=seconds, reason=reason)

    def title(self, artist: str, title: str) -> Title:
        raw = " - ".join(part for part in (artist, title) if part)
        return Title(**self.head("title"), artist=artist or None, title=title or None, raw=raw)

    def dead_air(self, *, active: bool) -> DeadAir:
        """Dead air starts now, or ends now if it started at the last call."""
        if active:
            self.silent_from = self.stream
        return DeadAir(
            **self.head("dead_air"),
            active=active,
            start=self.silent_from,
            start_time=round(self.start + self.silent_from, 6),
            seconds=self.stream - self.silent_from,
        )

    def source(self, state: Any, detail: str = "") -> SourceChange:
        return SourceChange(
            **self.head("source"),
            state=state,
            input="radio.example",
            detail=detail,
            rate=44_100,
            channels=2,
        )

    def status(self) -> Status:
        return Status(
            **self.head("status"),
            uptime_s=self.stream,
            input="radio.example",
            source_state="live",
            samples=int(44_100 * self.stream),
            samples_lost=0,
            samples_replaced=0,
            updates=int(self.stream),
            last_frame_age_s=0.1,
            latency_ms=None,
            cpu_share=0.01,
            rss_bytes=90_000_000,
            model="lstm",
            model_sha256="0" * 64,
        )

    def day(self, seconds: float) -> Iterator[Any]:
        """Songs with titles, silences, gaps and one stretch of dead air."""
        yield self.source("live")
        yield self.status()
        end = self.stream + seconds
        songs = 0
        while self.stream < end:
            hour = int((self.start + self.stream) // 3600) % 24
            mix = programme_of(hour)
            weights = np.array(list(mix.values()))
            genre = str(self.rng.choice(list(mix), p=weights / weights.sum()))
            yield self.title(*SONGS[songs % len(SONGS)])
            songs += 1
            length = int(self.rng.integers(140, 320))
            if self.rng.random() < 0.3:  # an intro that sounds like another genre
                other = str(self.rng.choice(GENRES))
                if other != genre:
                    yield from self.stretch("music", other, int(self.rng.integers(6, 30)))
            yield from self.stretch("music", genre, length)
            roll = self.rng.random()
            if roll < 0.15:
                yield self.title("", "")
                yield from self.stretch("unknown", None, int(self.rng.integers(20, 120)))
            elif roll < 0.25:
                yield from self.stretch("silence", None, int(self.rng.integers(3, 12)))
            elif roll < 0.28:
                yield self.source("lost", "connection reset")
                yield self.gap(float(self.rng.integers(4, 240)))
                yield self.source("live")
            elif roll < 0.29:
                yield self.dead_air(active=True)
                yield from self.stretch("silence", None, int(self.rng.integers(60, 600)))
                yield self.dead_air(active=False)
