"""What the dashboard knows: built from events alone, without clock or terminal, bounded in size."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from streamgenre.dashboard.messages import MAX_MESSAGES, Message
from streamgenre.dashboard.spectrum_view import SpectrumView
from streamgenre.dashboard.timeline import Key, Timeline
from streamgenre.display.text import clean, duration
from streamgenre.events import (
    DeadAir,
    Gap,
    Segment,
    SourceChange,
    Spectrum,
    Status,
    Title,
    Update,
)
from streamgenre.events.field_types import MAX_SECONDS

if TYPE_CHECKING:
    from streamgenre.events import AnyEvent

STALE_S: Final = 3.0
"""Seconds without an update after which a station is marked."""
MAX_QUIET_S: Final = 1e9
"""Longer durations are cut: times from events may be anything."""
AWAY: Final = ("connecting", "lost", "ended")
"""States of a source that is not playing."""
MAX_STATIONS: Final = 256
"""Most stations; the one that has not updated for longest is dropped first."""
MAX_LOG: Final = 50
"""Log entries a station."""
MAX_SEGMENTS: Final = 100
"""Segments a station."""
MAX_LEVELS: Final = 600
"""Levels a station, one an update."""
MAX_KEYS: Final = 64
"""Different decisions whose time is summed up a station."""
MAX_HOP_S: Final = 30.0
"""Most seconds that one update accounts for."""
_TRIED: Final = {"connecting", "lost"}


class LogEntry(NamedTuple):
    """Something that happened to a station."""

    time: float
    """UNIX seconds."""
    kind: str
    """``gap``, ``source``, ``missed`` or ``session``."""
    text: str
    """What, in words; may hold text from outside."""
    bad: bool
    """Whether it needs attention."""


@dataclass(slots=True)
class StationView:
    """What is known about one station."""

    name: str
    """Name of the station, as sent: clean it before showing it."""
    session: str
    """Session that the rest belongs to, the timeline, segments and log excepted."""
    update: Update | None = None
    """Newest update."""
    status: Status | None = None
    """Newest status."""
    source: SourceChange | None = None
    """Newest change of the source."""
    changed: float = 0.0
    """When the source started or stopped playing, by the reader's clock; 0 without ``source``."""
    title: Title | None = None
    """Newest title that the station announced."""
    dead_air_from: float | None = None
    """When the dead air began, by the reader's clock; None if there is none."""
    arrival: float = 0.0
    """When the newest update came (before the first: the first event), by the reader's clock."""
    hop: float = 1.0
    """Seconds of audio between the last two updates."""
    samples_lost: int = 0
    """Samples lost in this session, at the rate of the source."""
    missed: int = 0
    """Events of this session that were sent but did not arrive here."""
    updates: int = 0
    """Updates of this session that arrived here."""
    heard: dict[Key, float] = field(default_factory=dict)
    """Seconds of this session by decision, in the order first heard."""
    timeline: Timeline = field(default_factory=Timeline)
    levels: deque[float | None] = field(default_factory=lambda: deque(maxlen=MAX_LEVELS))
    """Levels of the last updates in dBFS, newest last."""
    segments: deque[Segment] = field(default_factory=lambda: deque(maxlen=MAX_SEGMENTS))
    """Finished segments, newest last."""
    log: deque[LogEntry] = field(default_factory=lambda: deque(maxlen=MAX_LOG))
    """Gaps, source changes and the like, newest last."""
    spectrum: SpectrumView = field(default_factory=SpectrumView)
    """The last rows of the spectrum; empty while it is not shown."""
    last_seq: dict[str, int] = field(default_factory=dict)
    """Newest number by type of event."""

    @property
    def source_state(self) -> str | None:
        """State of the source; None before the first source or status event."""
        if self.source is not None and (
            self.status is None or self.source.time >= self.status.time
        ):
            return self.source.state
        return self.status.source_state if self.status is not None else None

    @property
    def input(self) -> str:
        """Name of the input, as sent; empty before the first source or status event."""
        latest = self.source or self.status
        return latest.input if latest is not None else ""

    @property
    def held_s(self) -> float:
        """Seconds for which state and genre hold; 0 before the first update."""
        return max(0.0, self.update.stream_time - self.update.since) if self.update else 0.0

    @property
    def reason(self) -> str:
        """Why the station does not play, as sent; empty while it plays or if unknown."""
        if self.source is None or self.source_state not in AWAY:
            return ""
        # The input is shown elsewhere.
        return self.source.detail.removeprefix(f"{self.source.input}: ")

    def away_s(self, now: float) -> float | None:
        """Return the seconds since the source stopped playing; None while it plays."""
        if self.source is None or self.source_state not in AWAY:
            return None
        return max(0.0, now - self.changed)

    def dead_air_s(self, now: float) -> float | None:
        """Return the seconds of dead air so far; None if there is none."""
        if self.dead_air_from is None or self.source_state in AWAY:
            return None
        return max(0.0, now - self.dead_air_from)

    def quiet_s(self, now: float) -> float:
        """Return the seconds since the newest update came; ``now`` by the reader's clock."""
        return max(0.0, now - self.arrival)

    def stale_s(self, now: float) -> int | None:
        """Return the whole seconds without an update; None if none is overdue.

        A source that is not playing sends none; slower hops are allowed for.
        """
        quiet = self.quiet_s(now)
        if self.source_state in AWAY or quiet <= max(STALE_S, 2.5 * self.hop):
            return None
        return int(min(quiet, MAX_QUIET_S))


@dataclass(slots=True)
class DashboardView:
    """What is known about all stations; updated by :meth:`apply`."""

    stations: dict[str, StationView] = field(default_factory=dict)
    """Stations by name, in the order first heard."""
    selected: str | None = None
    """Name of the station to show alone; None: the only one, or the table of all."""
    page: int = 0
    """Page of the table; counts up, the first page follows the last."""
    spectrum: bool = False
    """Whether the screen of a single station shows its spectrum."""

    messages: deque[Message] = field(default_factory=lambda: deque(maxlen=MAX_MESSAGES))
    """Messages of the program, newest last."""
    _removed: deque[str] = field(default_factory=lambda: deque(maxlen=MAX_STATIONS))
    """Sessions that have ended: late events of these are ignored."""

    @property
    def single(self) -> StationView | None:
        """The station that fills the screen: the selected or the only one; None for the table."""
        if self.selected in self.stations:
            return self.stations[self.selected]
        return next(iter(self.stations.values())) if len(self.stations) == 1 else None

    @property
    def spectrum_of(self) -> str | None:
        """Name of the station whose spectrum is shown; None if none is."""
        return self.single.name if self.spectrum and self.single is not None else None

    def drop_spectrum(self, name: str) -> None:
        """Forget the spectrum of a station, which is not shown any more."""
        station = self.stations.get(name)
        if station is not None:
            station.spectrum = SpectrumView()
            # Meanwhile others may look: what they get is not missing here.
            station.last_seq.pop(Spectrum.TYPE, None)

    def in_order(self) -> list[StationView]:
        """Return the stations by name, those that have ended for good last."""
        return sorted(
            self.stations.values(), key=lambda one: (one.source_state == "ended", one.name)
        )

    def apply(self, event: AnyEvent, now: float | None = None) -> None:
        """Take an event.

        Repeated and late events change nothing, nor do events whose time
        is not one; events missing
        by their ``seq`` are counted. A station that its daemon has removed is dropped.

        Parameters
        ----------
        event
            An event of any station.
        now
            When it arrived, in seconds on the clock that is later passed as ``now`` (any zero);
            None for the time of the event itself.
        """
        if not (0 <= event.time <= MAX_SECONDS and 0 <= event.stream_time <= MAX_SECONDS):
            return
        if event.session in self._removed:
            return
        arrival = event.time if now is None else now
        station = self.stations.get(event.station)
        if station is None:
            self._make_room()
            station = StationView(event.station, event.session, arrival=arrival)
            self.stations[event.station] = station
        elif station.session != event.session:
            station = self._restart(station, event, arrival)
        if not _in_order(station, event):
            return
        match event:
            case Update():
                _apply_update(station, event)
                station.arrival = arrival
                station.spectrum.check.take(event)
            case Spectrum():
                station.spectrum.take(event, arrival)
            case Segment():
                station.segments.append(event)
            case Gap():
                station.samples_lost += event.samples
                station.timeline.mark_gap(event.time, event.seconds)
                _log(station, event, "gap", _gap_text(event), bad=True)
            case SourceChange():
                before = station.source.state if station.source is not None else None
                # Repeated attempts count as one absence.
                if before != event.state and not {before, event.state} <= _TRIED:
                    station.changed = arrival
                station.source = event
                detail = f": {clean(event.detail)}" if event.detail else ""
                _log(station, event, "source", event.state + detail, bad=event.state == "lost")
            case Title():
                station.title = event
                _log(station, event, "title", clean(event.raw), bad=False)
            case DeadAir():
                station.dead_air_from = arrival - event.seconds if event.active else None
                over = "" if event.active else "over, "
                text = f"{over}silent for {duration(event.seconds)}"
                _log(station, event, "dead air", text, bad=event.active)
            case Status(removed=True):
                self._removed.append(event.session)
                del self.stations[event.station]
                if self.selected == event.station:
                    self.selected = None
            case Status():
                station.status = event
                station.samples_lost = event.samples_lost

    def _make_room(self) -> None:
        if len(self.stations) >= MAX_STATIONS:
            quietest = min(self.stations.values(), key=lambda station: station.arrival)
            del self.stations[quietest.name]

    def _restart(self, old: StationView, event: AnyEvent, arrival: float) -> StationView:
        """Return a new view of a station, with the history that stays valid across sessions."""
        station = StationView(
            old.name,
            event.session,
            arrival=arrival,
            timeline=old.timeline,
            segments=old.segments,
            log=old.log,
        )
        _log(station, event, "session", "new session", bad=False)
        self.stations[old.name] = station
        return station


def _in_order(station: StationView, event: AnyEvent) -> bool:
    """Return whether an event is newer than the last of its type; count missing ones."""
    last = station.last_seq.get(event.TYPE)
    # Events before the first are not missing: the subscriber may have joined late.
    if last is not None:
        if event.seq <= last:
            return False
        skipped = event.seq - last - 1
        if skipped:
            station.missed += skipped
            text = f"{skipped} {event.TYPE} event{'s' if skipped > 1 else ''} did not arrive"
            _log(station, event, "missed", text, bad=True)
    station.last_seq[event.TYPE] = event.seq
    return True


def _apply_update(station: StationView, update: Update) -> None:
    before = station.update
    if before is not None and update.seq == before.seq + 1:
        hop = update.stream_time - before.stream_time
        if 0 < hop <= MAX_HOP_S:
            station.hop = hop
    key = Key(update.state, update.genre)
    station.update = update
    station.updates += 1
    station.levels.append(update.level_dbfs)
    station.timeline.append(update.time, station.hop, key)
    if key in station.heard or len(station.heard) < MAX_KEYS:
        station.heard[key] = station.heard.get(key, 0.0) + station.hop


def _gap_text(gap: Gap) -> str:
    length = f"{gap.seconds * 1000:.0f} ms" if gap.seconds < 1 else duration(gap.seconds)
    return f"{gap.samples} samples ({length}, {gap.reason})"


def _log(station: StationView, event: AnyEvent, kind: str, text: str, *, bad: bool) -> None:
    station.log.append(LogEntry(event.time, kind, text, bad))
