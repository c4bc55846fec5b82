"""Events for the dashboard's tests."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from streamgenre.events import DeadAir, Gap, Segment, SourceChange, Status, Update

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamgenre.events import AnyEvent, SourceState, State

GENRES = (
    "blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock",
)  # fmt: skip
T0 = 1767225600.0


def base(station: str, seq: int, t: float, session: str = "s1") -> dict[str, Any]:
    return {
        "station": station,
        "session": session,
        "seq": seq,
        "time": T0 + t,
        "stream_time": float(t),
    }


def update(
    seq: int,
    genre: str | None = "jazz",
    *,
    station: str = "kitchen",
    session: str = "s1",
    state: State = "music",
    since: float = 0.0,
    level: float | None = -18.2,
    hop: float = 1.0,
    confidence: float = 0.83,
    raw: float = 0.5,
) -> Update:
    chosen = genre or "jazz"
    rest = (1 - confidence) / (len(GENRES) - 1)
    raw_rest = (1 - raw) / (len(GENRES) - 1)
    return Update(
        **base(station, seq, (seq + 1) * hop, session),
        state=state,
        genre=genre,
        confidence=confidence,
        since=since,
        probabilities={g: raw if g == chosen else raw_rest for g in GENRES},
        smoothed={g: confidence if g == chosen else rest for g in GENRES},
        level_dbfs=level,
    )


def gap(seq: int, t: float, *, samples: int = 2205, station: str = "kitchen") -> Gap:
    return Gap(
        **base(station, seq, t),
        samples=samples,
        rate=44100,
        seconds=samples / 44100,
        reason="overflow",
    )


def source(
    seq: int, t: float, state: SourceState, *, station: str = "kitchen", detail: str = ""
) -> SourceChange:
    return SourceChange(
        **base(station, seq, t),
        state=state,
        input="http://radio.example/jazz",
        detail=detail,
        rate=44100,
        channels=2,
    )


def dead_air(
    seq: int,
    t: float,
    *,
    station: str = "kitchen",
    active: bool = True,
    seconds: float | None = None,
) -> DeadAir:
    seconds = t if seconds is None else seconds
    return DeadAir(
        **base(station, seq, t),
        active=active,
        start=t - seconds,
        start_time=T0 + t - seconds,
        seconds=seconds,
    )


def segment(seq: int, start: float, end: float, genre: str = "jazz") -> Segment:
    return Segment(
        **base("kitchen", seq, end),
        state="music",
        genre=genre,
        start=start,
        end=end,
        start_time=T0 + start,
        mean_probability=0.7,
        updates=int(end - start),
    )


def status(seq: int, t: float, *, lost: int = 0, station: str = "kitchen") -> Status:
    return Status(
        **base(station, seq, t),
        uptime_s=t + 3,
        input="http://radio.example/jazz",
        source_state="live",
        samples=int(44100 * t),
        samples_lost=lost,
        samples_replaced=0,
        updates=int(t),
        last_frame_age_s=0.02,
        latency_ms={"p50": 3.4, "p99": 8.9, "max": 21.0},
        cpu_share=0.021,
        rss_bytes=84_300_000,
        model="gtzan-lstm",
        model_sha256="ab" * 32,
    )


def programme(count: int = 900, station: str = "kitchen") -> Iterator[AnyEvent]:
    """A run with everything in it: genres, a silence, gaps, segments and statuses."""
    yield source(0, 0, "connecting", station=station)
    yield source(1, 0.5, "live", station=station)
    began = 0
    for i in range(count):
        block = i // 150
        if i and i % 150 == 0:
            yield segment(block - 1, began, i, GENRES[(block - 1) % 10])
            began = i
        silent = block % 4 == 3
        yield update(
            i,
            None if silent else GENRES[block % 10],
            state="silence" if silent else "music",
            since=float(began),
            level=None if silent else -18 + 6 * math.sin(i / 9),
            station=station,
        )
        if i % 10 == 9:
            yield status(i // 10, i + 1, lost=2205 * (i // 400), station=station)
        if i % 400 == 399:
            yield gap(i // 400, i + 1, station=station)
