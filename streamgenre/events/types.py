"""The types of events and their fields: the contract of the JSON Schemas as classes.

Fields may be added within a version. One that was added has a default here, so that an older daemon
can still be read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Final, Literal, TypeAlias

VERSION: Final = 1

State: TypeAlias = Literal["music", "speech", "silence", "unknown"]
SourceState: TypeAlias = Literal["connecting", "live", "lost", "ended"]

# Made once: json.dumps would make one a call, which costs a fifth of the encoding.
_encode: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What every event has."""

    TYPE: ClassVar[str] = ""

    station: str
    """Name of the station (one audio input of a daemon)."""
    session: str
    """Identifier of this run of the station, new at each start of the daemon."""
    seq: int
    """Number of the event among those of its type and station in this session, from 0, no holes;
    0 again after 2^53 - 1."""
    time: float
    """UNIX seconds at which what the event tells of happened."""
    stream_time: float
    """Seconds of audio, lost audio included, since the session began."""
    retained: bool = False
    """Whether this is the last event of its type and station once more, for one who came late."""

    @property
    def topic(self) -> str:
        """First part of the message on the wire."""
        return f"{self.TYPE}/{self.station}"

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object as a dictionary."""
        values = {name: getattr(self, name) for name in FIELDS[type(self)]}
        if not self.retained:
            del values["retained"]
        return {"v": VERSION, "type": self.TYPE, **values}

    def to_json(self) -> str:
        """Return the JSON object in one line."""
        return _encode(self.as_dict())


@dataclass(frozen=True, slots=True, kw_only=True)
class Update(Event):
    """The genre probabilities of one station after one hop."""

    TYPE = "update"

    state: State
    """What is on: ``music``, ``speech`` (without music), ``silence``, or ``unknown`` where no genre
    is likely enough."""
    genre: str | None
    """The decision; None unless the state is ``music``."""
    confidence: float
    """Smoothed probability of the decision, else of the likeliest genre; 0 to 1."""
    since: float
    """Stream time in seconds since when state and genre hold."""
    probabilities: dict[str, float]
    """Calibrated probabilities of this hop by genre, sum 1; uniform where nothing was heard."""
    smoothed: dict[str, float]
    """Probabilities after smoothing by genre, sum 1."""
    level_dbfs: float | None
    """RMS level of the hop in dB relative to full scale, with the gain that was asked for; None for
    digital silence."""
    peak_dbfs: float | None = None
    """Largest sample of any channel since the last update, in dB relative to full scale, before
    resampling; None for digital silence."""
    loudness_lufs: float | None = None
    """Short-term loudness: the last 3 s, K-weighted over all channels (ITU-R BS.1770); None until
    3 s were heard, and below -70 LUFS."""
    speech: float | None = None
    """Smoothed probability that it is speech without music; None where the model cannot tell."""
    now_playing: dict[str, Any] | None = None
    """What the station says is playing: ``artist``, ``title`` and ``raw`` as in a ``title`` event,
    ``since`` in stream time; None where it says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment(Event):
    """A finished stretch of one state and genre; ``time`` and ``stream_time`` are its end."""

    TYPE = "segment"

    state: State
    """State that held."""
    genre: str | None
    """Genre that held; None unless the state is ``music``."""
    start: float
    """Stream time of the start in seconds."""
    end: float
    """Stream time of the end in seconds."""
    start_time: float
    """UNIX seconds of the start."""
    mean_probability: float | None
    """Mean over the hops of the genre's probability; None unless the state is ``music``."""
    updates: int
    """Number of hops."""
    titles: list[dict[str, Any]] | None = None
    """What the station said was playing meanwhile, in order, each as ``now_playing`` of an update;
    the last 20 of them. None where it said nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap(Event):
    """Samples known to be lost; ``stream_time`` is the end of the gap."""

    TYPE = "gap"

    samples: int
    """Number of lost samples, at the rate of the source."""
    rate: int
    """Samples a second of the source."""
    seconds: float
    """Length of the gap in seconds."""
    reason: Literal["overflow", "reconnect", "source"]
    """``overflow``: the machine was too slow; ``reconnect``: the source was away; ``source``: the
    source itself reported the loss."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceChange(Event):
    """The source of a station changed its state."""

    TYPE = "source"

    state: SourceState
    """``connecting``, ``live``, ``lost`` (will be tried again) or ``ended`` (for good)."""
    input: str
    """Name of the input, without credentials."""
    detail: str
    """Why, in words; may be empty."""
    rate: int | None
    """Samples a second, None while unknown."""
    channels: int | None
    """Channels, None while unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Title(Event):
    """What a station says is playing from now on."""

    TYPE = "title"

    artist: str | None
    """Artist, None where the station does not tell it apart."""
    title: str | None
    """Title of the piece, else all that the station says; None where it says nothing."""
    raw: str
    """The whole text as it came, without control characters; may be empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadAir(Event):
    """Silence has lasted too long, or is over after that."""

    TYPE = "dead_air"

    active: bool
    """True as it is found, false as it ends."""
    start: float
    """Stream time of the first silent hop in seconds."""
    start_time: float
    """UNIX seconds of the same."""
    seconds: float
    """How long it has been silent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status(Event):
    """How the daemon and one station are doing; at least every 10 s and at the end."""

    TYPE = "status"

    uptime_s: float
    """Seconds since the daemon started."""
    input: str
    """Name of the input, without credentials."""
    source_state: SourceState
    """State of the source."""
    samples: int
    """Samples captured since the session began, at the rate of the source."""
    samples_lost: int
    """Samples known to be lost since the session began, at the rate of the source."""
    samples_replaced: int
    """Samples that were NaN or infinite and were replaced by 0."""
    updates: int
    """Updates sent since the session began."""
    last_frame_age_s: float | None
    """Seconds since the newest captured samples arrived; None before the first."""
    latency_ms: dict[str, float] | None
    """``p50``, ``p99`` and ``max`` over the last updates of the time from the arrival of a hop's
    last sample to the sending of its update, in ms; None before the first."""
    cpu_share: float
    """CPU time of the daemon and its helper processes over wall time since the last status; 1 is
    one full core."""
    rss_bytes: int
    """Resident memory of the daemon in bytes, with what its helper processes do not share."""
    model: str
    """Name of the model."""
    model_sha256: str
    """SHA-256 of its weights file."""
    subscribers: int = 0
    """Connections to the bus now."""
    subscribers_slow: int = 0
    """Those of them that have not taken what was sent to them for a second or more."""
    events_dropped: int = 0
    """Events since the daemon's start that at least one subscriber may have lost, because a queue
    was full."""
    connections_refused: int = 0
    """Connections since the daemon's start that were no ZeroMQ, had no allowed key or were too
    many."""
    open_files: int = 0
    """Open files, sockets and pipes of the daemon; 0 where it is too old to tell."""
    threads: int = 0
    """Threads of the daemon; 0 where it is too old to tell."""
    clock_drift_ppm: float | None = None
    """How much faster the clock of the source runs than the system's, in millionths, over up to the
    last hour without a loss; None until it was measured, which takes five minutes."""
    clock_steps: int = 0
    """How often the system's clock was set since the session began. Times told from then on are by
    the new clock."""
    history: dict[str, Any] | None = None
    """How the history is doing; None where none is kept. ``state`` (``recording`` or ``failing``),
    ``problem`` in words, ``buffered`` and ``lost`` rows, ``set_aside`` (name of a broken file)."""
    removed: bool = False
    """Whether the station was taken out of the daemon, as by a reload: then nothing follows."""


AnyEvent: TypeAlias = Update | Segment | Gap | SourceChange | Title | DeadAir | Status

EVENT_CLASSES: Final[dict[str, type[AnyEvent]]] = {
    cls.TYPE: cls for cls in (Update, Segment, Gap, SourceChange, Title, DeadAir, Status)
}
TYPES: Final = tuple(EVENT_CLASSES)
RETAINED_TYPES: Final = tuple(name for name in TYPES if name != "gap")
"""Types whose last event a new subscriber receives at once; a gap is over when it is told."""
FIELDS: Final[dict[type[Event], tuple[str, ...]]] = {
    cls: tuple(f.name for f in fields(cls)) for cls in EVENT_CLASSES.values()
}
"""Names of the fields of each type, in their order; asking for them anew costs at every event."""
