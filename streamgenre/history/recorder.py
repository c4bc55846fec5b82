"""Turns events into the rows that are to be written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from streamgenre.events import DeadAir, Gap, Segment, SourceChange, Status, Title, Update
from streamgenre.history.detail import MINUTE_S, quantise, quantise_level
from streamgenre.history.rows import (
    DeadAirRow,
    DetailRow,
    GapRow,
    PendingRows,
    SegmentRow,
    SessionRow,
    SourceRow,
    TitleRow,
)

if TYPE_CHECKING:
    from streamgenre.events import AnyEvent

MAX_TEXT: Final = 500
"""Characters of a title or an artist that are kept; stations may send any length."""
_MAX_TAG: Final = 100
"""Characters of a tag that are kept."""
_SAME_START_S: Final = 1e-6
"""Seconds of stream time within which two starts are the same."""


@dataclass(slots=True)
class _OpenRows:
    """The rows of one session that may still change."""

    session: SessionRow
    wire_session: str
    """The session of the events: a history has one more session whenever the clock was set."""
    clock_steps: int = 0
    segment: SegmentRow | None = None
    probability_sum: float = 0.0
    title: TitleRow | None = None
    dead_air: DeadAirRow | None = None
    minute: DetailRow | None = None


class Recorder:
    """Takes events one by one and adds the rows that they change.

    Parameters
    ----------
    pending
        Where the rows go.
    detail
        Whether the probabilities of every update are kept.
    """

    def __init__(self, pending: PendingRows, *, detail: bool = True) -> None:
        self._pending = pending
        self._detail = detail
        self._open: dict[str, _OpenRows] = {}  # by station: one session at a time

    def take(self, event: AnyEvent) -> None:
        """Take an event; types that the history does not keep are ignored."""
        match event:
            case Update():
                self._update(event)
            case Segment():
                self._segment(event)
            case Gap():
                self._gap(event)
            case SourceChange():
                self._source(event)
            case Status():
                self._status(event)
            case Title():
                self._title(event)
            case DeadAir():
                self._dead_air(event)

    def end(self) -> None:
        """Close all open rows at their last event: the daemon shuts down cleanly."""
        for rows in self._open.values():
            self._close(rows)
        self._open.clear()

    def note_loss(self, station: str, since: float) -> None:
        """Record as a gap that events of a station did not reach the history.

        Parameters
        ----------
        station
            Name of the station.
        since
            UNIX seconds from which events may be missing.
        """
        rows = self._open.get(station)
        if rows is not None:
            end = rows.session.end_time
            since = min(max(since, rows.session.start_time), end)
            self._pending.add(GapRow(rows.session, None, since, end, None, "history"))

    @property
    def stations(self) -> dict[str, float]:
        """The UNIX seconds of the last event of each station."""
        return {name: rows.session.end_time for name, rows in self._open.items()}

    def _rows_of(self, event: AnyEvent) -> _OpenRows:
        """Return the open rows of an event's session; a new session closes the one before."""
        rows = self._open.get(event.station)
        if rows is None or rows.wire_session != event.session:
            if rows is not None:
                self._close(rows)
            session = SessionRow(
                event.session, _storable(event.station), start_time=event.time, end_time=event.time
            )
            rows = self._open[event.station] = _OpenRows(session, event.session)
        rows.session.end_time = max(rows.session.end_time, event.time)
        self._pending.add(rows.session)
        return rows

    def _follow_clock(self, event: Status) -> None:
        """Close what is open by the old clock, if the system's clock was set, and start again."""
        rows = self._open.get(event.station)
        if rows is None or rows.wire_session != event.session:
            return
        if event.clock_steps != rows.clock_steps:
            self._close(rows)
            session = SessionRow(
                f"{event.session}-{event.clock_steps}",
                rows.session.station,
                start_time=event.time,
                end_time=event.time,
            )
            steps = event.clock_steps
            self._open[event.station] = _OpenRows(session, event.session, steps)

    def _close(self, rows: _OpenRows) -> None:
        session = rows.session
        for row in (rows.segment, rows.title, rows.dead_air):
            if row is not None:
                row.ending = "closed"
                if not isinstance(row, SegmentRow):
                    row.end_time = max(row.end_time, session.end_time)
                self._pending.add(row)
        session.ending = "closed"
        self._pending.add(session)

    # ---- one method for each type of event ------------------------------------------------------

    def _update(self, event: Update) -> None:
        rows = self._rows_of(event)
        # A clock that begins in 1970 would put the start before that.
        start_time = max(0.0, event.time - (event.stream_time - event.since))
        segment = rows.segment
        if segment is None or abs(segment.stream_start - event.since) > _SAME_START_S:
            if segment is not None:
                # Its own event never arrived: it ends with its last update.
                segment.ending = "closed"
                self._pending.add(segment)
            segment = rows.segment = SegmentRow(
                rows.session,
                event.since,
                event.state,
                event.genre,
                start_time=start_time,
                end_time=event.time,
            )
            rows.probability_sum = 0.0
            rows.session.start_time = min(rows.session.start_time, start_time)
        segment.end_time = event.time
        segment.updates += 1
        if event.genre is not None:
            rows.probability_sum += event.probabilities.get(event.genre, 0.0)
            segment.probability = min(1.0, rows.probability_sum / segment.updates)
        self._pending.add(segment)
        for open_row in (rows.title, rows.dead_air):
            if open_row is not None:
                open_row.end_time = max(open_row.end_time, event.time)
                self._pending.add(open_row)
        if self._detail:
            self._add_detail(rows, event)

    def _add_detail(self, rows: _OpenRows, event: Update) -> None:
        minute, offset = divmod(event.time, MINUTE_S)
        labels = tuple(event.probabilities)
        row = rows.minute
        if row is None or row.minute != minute:
            row = rows.minute = DetailRow(rows.session, int(minute), labels)
        if row.labels != labels:  # the model was changed within the minute
            row.add_labels(labels)
            labels = row.labels
        row.offsets_ms.append(min(59_999, int(1000 * offset)))
        row.rows.append(quantise_level(event.level_dbfs))
        row.rows.append(quantise(event.confidence))
        row.rows.extend(quantise(event.probabilities.get(label, 0.0)) for label in labels)
        self._pending.add(row)

    def _segment(self, event: Segment) -> None:
        rows = self._rows_of(event)
        row = rows.segment
        if row is None or abs(row.stream_start - event.start) > _SAME_START_S:
            row = SegmentRow(
                rows.session,
                event.start,
                event.state,
                event.genre,
                start_time=event.start_time,
                end_time=event.time,
            )
        else:
            rows.segment = None
        row.start_time, row.end_time = event.start_time, max(event.time, event.start_time)
        row.updates, row.probability = event.updates, event.mean_probability
        row.tags = {_storable(name)[:_MAX_TAG]: p for name, p in (event.tags or {}).items()}
        row.ending = "closed"
        rows.session.start_time = min(rows.session.start_time, event.start_time)
        self._pending.add(row)

    def _gap(self, event: Gap) -> None:
        session = self._rows_of(event).session
        start_time = event.time - event.seconds
        self._pending.add(
            GapRow(session, event.seq, start_time, event.time, event.samples, event.reason)
        )

    def _source(self, event: SourceChange) -> None:
        session = self._rows_of(event).session
        source, detail = _storable(event.input), _storable(event.detail)
        session.input = source
        self._pending.add(SourceRow(session, event.seq, event.time, event.state, source, detail))

    def _status(self, event: Status) -> None:
        self._follow_clock(event)
        session = self._rows_of(event).session
        session.input, session.model = _storable(event.input), event.model
        session.model_sha256 = event.model_sha256

    def _title(self, event: Title) -> None:
        rows = self._rows_of(event)
        artist, title = _storable(event.artist), _storable(event.title)
        before = rows.title
        if before is not None:
            if (before.artist, before.title) == (artist, title):
                return  # the same title, announced again
            before.end_time, before.ending = max(before.start_time, event.time), "closed"
            self._pending.add(before)
            rows.title = None
        if artist or title:
            rows.title = TitleRow(rows.session, event.seq, artist, title, event.time, event.time)
            self._pending.add(rows.title)

    def _dead_air(self, event: DeadAir) -> None:
        rows = self._rows_of(event)
        row = rows.dead_air
        if row is None:
            row = DeadAirRow(rows.session, event.start_time, event.time)
        row.end_time = max(row.end_time, event.time)
        row.ending = "open" if event.active else "closed"
        rows.dead_air = row if event.active else None
        self._pending.add(row)


def _storable(text: str | None) -> str:
    """Return text from outside as SQLite can store it: lone surrogates have no UTF-8 encoding."""
    if text is None:
        return ""
    return text[:MAX_TEXT].encode("utf-8", "replace").decode().replace("\0", "").strip()
