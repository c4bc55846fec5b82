"""The types of the fields of events: units and limits, which the JSON Schemas take over."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias, TypedDict

SEQ_MODULUS: Final = 2**53
"""Sequence numbers go up to one less, the largest integer that every JSON reader holds."""

MAX_TITLES: Final = 20
"""Most titles in a segment."""
MAX_SECONDS: Final = 253_402_300_799
"""Latest time in UNIX seconds, the end of the year 9999: what calendars can show."""
MAX_LEVEL: Final = 10_000
"""Largest level in dB, above or below full scale."""
MAX_GENRES: Final = 1000
"""Most genres in an event."""
MAX_ROWS: Final = 64
"""Most rows in a spectrum event."""
MAX_BANDS: Final = 128
"""Most bands in a row of a spectrum."""
MAX_TAGS: Final = 10
"""Most tags in an event."""

State: TypeAlias = Literal["music", "speech", "noise", "silence", "unknown"]
SourceState: TypeAlias = Literal["connecting", "live", "lost", "ended"]

# The pairs are keywords of the JSON Schemas.
Name: TypeAlias = Annotated[str, ("minLength", 1)]
Count: TypeAlias = Annotated[int, ("minimum", 0), ("maximum", SEQ_MODULUS)]
Positive: TypeAlias = Annotated[int, ("minimum", 1), ("maximum", SEQ_MODULUS)]
Seconds: TypeAlias = Annotated[float, ("minimum", 0), ("maximum", MAX_SECONDS)]
Milliseconds: TypeAlias = Annotated[float, ("minimum", 0), ("maximum", 1000 * MAX_SECONDS)]
Level: TypeAlias = Annotated[float, ("minimum", -MAX_LEVEL), ("maximum", MAX_LEVEL)]
Hertz: TypeAlias = Annotated[float, ("minimum", 0), ("maximum", 1_000_000)]
Share: TypeAlias = Annotated[float, ("minimum", 0), ("maximum", 1_000_000)]
Probability: TypeAlias = Annotated[float, ("minimum", 0), ("maximum", 1)]
Probabilities: TypeAlias = Annotated[
    dict[str, Probability], ("minProperties", 2), ("maxProperties", MAX_GENRES)
]
Tags: TypeAlias = Annotated[dict[str, Probability], ("maxProperties", MAX_TAGS)]


class NowPlaying(TypedDict):
    """What a station says is playing, within an update or a segment."""

    artist: str | None
    title: str | None
    raw: str
    since: Seconds


class Latency(TypedDict):
    """Latencies in ms."""

    p50: Milliseconds
    p99: Milliseconds
    max: Milliseconds


class HistoryState(TypedDict):
    """The state of the history within a status event."""

    state: Literal["recording", "failing"]
    problem: str | None
    buffered: Count
    lost: Count
    set_aside: str | None
