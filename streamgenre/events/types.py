"""The types of events and their fields, from which the JSON Schemas are generated.

Types, limits (:mod:`streamgenre.events.field_types`) and docstrings become the schemas in
``streamgenre/schemas`` and the tables in ``docs/events.md`` (``scripts/event-docs``). Fields may be
added within a version. An added field has a default here, so that events of an older daemon can
still be read.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Annotated, Any, Final, Literal, TypeAlias

from streamgenre.events.event import BINARY, FIELDS, Event
from streamgenre.events.field_types import (
    MAX_BANDS,
    MAX_LEVEL,
    MAX_ROWS,
    MAX_TITLES,
    Hertz,
    Level,
    NowPlaying,
    Positive,
    Probabilities,
    Probability,
    Seconds,
    SourceState,
    State,
    Tags,
)
from streamgenre.events.status import Status


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
FIELDS.update(
    (cls, tuple(f.name for f in fields(cls) if BINARY not in f.metadata))
    for cls in EVENT_CLASSES.values()
)
