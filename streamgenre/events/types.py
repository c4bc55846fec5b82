"""The types of events and their fields, from which the JSON Schemas are generated.

Types, limits and docstrings become the schemas in ``streamgenre/schemas`` and the tables in
``docs/events.md`` (``scripts/event-docs``). Fields may be added within a version. An added field
has a default here, so that events of an older daemon can still be read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, ClassVar, Final, Literal, TypeAlias, TypedDict

from streamgenre.events.json_text import encodable

VERSION: Final = 1
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
BINARY: Final = "binary"
"""Metadata of a field that is the third part of the message, and not in the JSON object."""
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

# Made once: json.dumps would make one for each call, a fifth of the cost of encoding.
_encode: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The fields of every event."""

    TYPE: ClassVar[str] = ""

    station: Name
    """Name of the station (one audio input of a daemon)."""
    session: Name
    """Identifier of this run of the station, new at each start of the daemon."""
    seq: Annotated[int, ("minimum", 0), ("maximum", SEQ_MODULUS - 1)]
    """Sequence number of the event within its type, station and session, from 0, without holes;
    after 2^53 - 1 comes 0."""
    time: Seconds
    """UNIX seconds at which the reported change happened."""
    stream_time: Seconds
    """Seconds of audio since the session began, lost audio included."""
    retained: bool = False
    """Whether this repeats the last event of its type and station for a late subscriber; others
    drop it by session and seq."""

    @property
    def topic(self) -> str:
        """First part of the message on the wire: ``TYPE/STATION``."""
        return encodable(f"{self.TYPE}/{self.station}")

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object as a dictionary."""
        values = {name: getattr(self, name) for name in FIELDS[type(self)]}
        if not self.retained:
            del values["retained"]
        return {"v": VERSION, "type": self.TYPE, **values}

    def to_json(self) -> str:
        """Return the JSON object on one line; UTF-8 can always encode it."""
        return encodable(_encode(self.as_dict()))

    def parts(self) -> tuple[bytes, ...]:
        """Return the message on the wire: topic, JSON object, and the binary part if any."""
        return self.topic.encode(), self.to_json().encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Update(Event):
    """The genre probabilities of one station after one hop."""

    TYPE = "update"

    state: State
    """``music``, ``speech`` (without music), ``noise`` (neither), ``silence``, or ``unknown`` where
    no genre reaches the threshold, or where the music is like none of the model's genres."""
    genre: str | None
    """The decision; None unless the state is ``music``."""
    confidence: Probability
    """Smoothed probability of the decision, else of the likeliest genre."""
    since: Seconds
    """Stream time in seconds since which state and genre hold."""
    probabilities: Probabilities
    """Calibrated probabilities of this hop by genre, sum 1; uniform where there was no sound."""
    smoothed: Probabilities
    """Smoothed probabilities by genre, sum 1."""
    level_dbfs: Level | None
    """RMS level of the hop in dB relative to full scale, after ``gain_db``; None for digital
    silence."""
    peak_dbfs: Level | None = None
    """Largest sample of any channel since the last update, in dB relative to full scale, before
    resampling; None for digital silence."""
    loudness_lufs: Annotated[float, ("minimum", -70), ("maximum", MAX_LEVEL)] | None = None
    """Short-term loudness: the last 3 s, K-weighted over all channels (ITU-R BS.1770); None during
    the first 3 s, and below -70 LUFS."""
    speech: Probability | None = None
    """Smoothed probability of speech without music; None where the model does not report it."""
    music: Probability | None = None
    """Smoothed probability of music of any kind, sung and under talk included; None where the model
    does not report it."""
    known: Probability | None = None
    """Smoothed probability that the music is like one of the model's genres; None where no music
    was heard, and where the model does not report it."""
    tags: Tags | None = None
    """The likeliest tags (such as electronic or female vocalists) of the last seconds of music with
    their smoothed probabilities, the likeliest first; None where no music was heard, and where the
    model does not report them."""
    now_playing: Annotated[dict[str, Any], NowPlaying] | None = None
    """What the station says is playing: ``artist``, ``title`` and ``raw`` as in a ``title`` event,
    ``since`` in stream time; None where it says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment(Event):
    """A finished stretch of one state and genre; ``time`` and ``stream_time`` are its end."""

    TYPE = "segment"

    state: State
    """State of the stretch."""
    genre: str | None
    """Genre of the stretch; None unless the state is ``music``."""
    start: Seconds
    """Stream time of the start in seconds."""
    end: Seconds
    """Stream time of the end in seconds."""
    start_time: Seconds
    """UNIX seconds of the start."""
    mean_probability: Probability | None
    """Mean of the genre's probability over the hops; None unless the state is ``music``."""
    updates: Positive
    """Number of hops."""
    titles: (
        Annotated[list[Annotated[dict[str, Any], NowPlaying]], ("maxItems", MAX_TITLES)] | None
    ) = None
    """What the station said was playing during the stretch, in order, each like ``now_playing`` of
    an update; the last 20. None where it said nothing."""
    tags: Tags | None = None
    """The likeliest tags with their mean probabilities over the stretch, the likeliest first; None
    unless the state is ``music``, and where the model does not report them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap(Event):
    """Samples known to be lost; ``stream_time`` is the end of the gap."""

    TYPE = "gap"

    samples: Positive
    """Number of lost samples, at the rate of the source."""
    rate: Positive
    """Sample rate of the source in Hz."""
    seconds: Seconds
    """Length of the gap in seconds."""
    reason: Literal["overflow", "reconnect", "source"]
    """``overflow``: the machine was too slow; ``reconnect``: the source was disconnected;
    ``source``: the source itself reported the loss."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceChange(Event):
    """The source of a station changed its state."""

    TYPE = "source"

    state: SourceState
    """``connecting``, ``live``, ``lost`` (it is retried) or ``ended`` (it is not)."""
    input: str
    """Name of the input, without credentials."""
    detail: str
    """Reason in words; may be empty."""
    rate: Positive | None
    """Sample rate in Hz; None while unknown."""
    channels: Positive | None
    """Number of channels; None while unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Title(Event):
    """What a station says is playing from now on."""

    TYPE = "title"

    artist: str | None
    """Artist; None where the station does not name the artist separately."""
    title: str | None
    """Title of the piece, else the whole text; None where the station says nothing."""
    raw: str
    """The whole text as received, without control characters; may be empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadAir(Event):
    """Silence has lasted too long, or such a silence has ended."""

    TYPE = "dead_air"

    active: bool
    """True when it is detected, false when it ends."""
    start: Seconds
    """Stream time of the first silent hop in seconds."""
    start_time: Seconds
    """UNIX seconds of the first silent hop."""
    seconds: Seconds
    """Length of the silence so far in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status(Event):
    """The condition of the daemon and one station; sent at least every 10 s and at the end."""

    TYPE = "status"

    uptime_s: Seconds
    """Seconds since the daemon started."""
    input: str
    """Name of the input, without credentials."""
    source_state: SourceState
    """State of the source."""
    samples: Count
    """Samples captured since the session began, at the rate of the source."""
    samples_lost: Count
    """Samples known to be lost since the session began, at the rate of the source."""
    samples_replaced: Count
    """Samples that were NaN or infinite and were replaced by 0."""
    updates: Count
    """Updates sent since the session began."""
    last_frame_age_s: Seconds | None
    """Seconds since the newest captured samples arrived; None before the first."""
    latency_ms: Annotated[dict[str, float], Latency] | None
    """Time in ms from the arrival of a hop's last sample until its update is sent, over the last
    updates; None before the first."""
    cpu_share: Share
    """CPU time of the daemon, its workers and its helper processes over wall time since the last
    status; 1 is one full core."""
    rss_bytes: Count
    """Resident memory of the daemon and its workers in bytes, plus the unshared memory of their
    helper processes."""
    model: str
    """Name of the model."""
    model_sha256: Annotated[str, ("pattern", "^[0-9a-f]{64}$")]
    """SHA-256 of the model's weights file; of a taught model, of all that its answers depend on."""
    subscribers: Count = 0
    """Connections with at least one subscription."""
    subscribers_slow: Count = 0
    """Those of them that have not taken what was sent to them for a second or more."""
    events_dropped: Count = 0
    """Events since the daemon's start that at least one subscriber may have lost because a queue
    was full."""
    connections_refused: Count = 0
    """Connections since the daemon's start that did not speak ZeroMQ, had no allowed key, or
    exceeded a limit."""
    open_files: Count = 0
    """Open files, sockets and pipes of the daemon and its workers; 0 if the daemon is too old to
    report it."""
    threads: Count = 0
    """Threads of the daemon and its workers; 0 if the daemon is too old to report it."""
    clock_drift_ppm: (
        Annotated[float, ("minimum", -1_000_000_000), ("maximum", 1_000_000_000)] | None
    ) = None
    """How much faster the clock of the source runs than the system's, in parts per million, over up
    to the last hour without a loss; None until it is measured, which takes five minutes."""
    clock_steps: Count = 0
    """Number of times that the system's clock was set since the session began, or that the machine
    slept. What was open then (segment, dead air) ended at the last time of the old clock; times
    after this status are by the new one."""
    clock_step_s: Annotated[float, ("minimum", -MAX_SECONDS), ("maximum", MAX_SECONDS)] | None = (
        None
    )
    """By how many seconds the system's clock was set the last time, negative where it was set back;
    None if it was not set since the session began."""
    history: Annotated[dict[str, Any], HistoryState] | None = None
    """State of the history: ``problem`` in words, rows ``buffered`` for the disk, rows ``lost``,
    and ``set_aside``, the name of a broken file; None where no history is kept."""
    worker: Name | None = None
    """Name of the worker process that listens to the station; None where the daemon itself does, or
    while it waits for one."""
    worker_cpu_share: Share | None = None
    """CPU time of that worker and its helper processes over wall time; None without a worker."""
    worker_rss_bytes: Count | None = None
    """Resident memory of that worker in bytes; None without a worker."""
    worker_restarts: Count | None = None
    """How often that worker was replaced since the daemon's start; None without a worker."""
    station_cpu_share: Share | None = None
    """CPU time that the station takes over wall time, as its worker measured it; None without a
    worker, and until it is measured."""
    removed: bool = False
    """Whether the station was removed from the daemon, for instance by a reload; then this is its
    last event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spectrum(Event):
    """Levels of the mel bands of the last seconds; sent only while somebody subscribes to it."""

    TYPE = "spectrum"

    rows: Annotated[int, ("minimum", 1), ("maximum", MAX_ROWS)]
    """Number of rows in the binary part, the oldest first; ``time`` and ``stream_time`` are the
    end of the last one."""
    row_s: Annotated[float, ("minimum", 0.001), ("maximum", 60)]
    """Seconds of audio in a row; rows of an event follow each other without a gap."""
    edges_hz: Annotated[list[Hertz], ("minItems", 2), ("maxItems", MAX_BANDS + 1)]
    """Edges of the bands in Hz, ascending, one more than there are bands: band 0 reaches from the
    first to the second."""
    floor_db: Level
    """Level in dB that a byte of 0 stands for, or any below it."""
    step_db: Annotated[float, ("minimum", 0.01), ("maximum", 100)]
    """Step in dB from one byte value to the next: the level is ``floor_db + step_db * byte``, and
    0 dB is the power of a sine at full scale, after ``gain_db`` and the model's pre-emphasis."""
    levels: bytes = field(metadata={BINARY: True})
    """The binary part: one byte for each band of each row, row by row, the lowest band first."""

    @property
    def bands(self) -> int:
        """Number of bands in a row."""
        return len(self.edges_hz) - 1

    def parts(self) -> tuple[bytes, ...]:
        """Return the message on the wire: topic, JSON object and levels."""
        return (*Event.parts(self), self.levels)


AnyEvent: TypeAlias = Update | Segment | Gap | SourceChange | Title | DeadAir | Status | Spectrum

EVENT_CLASSES: Final[dict[str, type[AnyEvent]]] = {
    cls.TYPE: cls for cls in (Update, Segment, Gap, SourceChange, Title, DeadAir, Status, Spectrum)
}
ON_REQUEST_TYPES: Final = (Spectrum.TYPE,)
"""Types that are sent only while somebody has subscribed to them by name."""
TYPES: Final = tuple(name for name in EVENT_CLASSES if name not in ON_REQUEST_TYPES)
"""Types that are always sent, and that a subscriber to everything receives."""
RETAINED_TYPES: Final = tuple(name for name in TYPES if name != "gap")
"""Types whose last event a new subscriber receives at once; a gap is over when it is reported."""
FIELDS: Final[dict[type[Event], tuple[str, ...]]] = {
    cls: tuple(f.name for f in fields(cls) if BINARY not in f.metadata)
    for cls in EVENT_CLASSES.values()
}
"""Names of the fields of each type's JSON object, in order; computed once, because every event
needs them."""
