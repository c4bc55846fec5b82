"""Folds events into the rows that are to be written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from streamgenre.events import Gap, Segment, SourceChange, Status, Update
from streamgenre.history.detail import MINUTE_S, quantise, quantise_level
from streamgenre.history.rows import (
    Batch,
    DeadAirRow,
    DetailRow,
    GapRow,
    SegmentRow,
    SessionRow,
    SourceRow,
    TitleRow,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamgenre.events import Event

MAX_TEXT: Final = 500
"""Characters of a title or an artist that are kept; stations send what they like."""
_NEXT_HOP: Final = 1e-6
"""Seconds of stream time within which two starts are the same."""


@dataclass(slots=True)
class _Heard:
    """What is open of one session."""

    session: SessionRow
    segment: SegmentRow | None = None
    probability_sum: float = 0.0
    title: TitleRow | None = None
    dead_air: DeadAirRow | None = None
    minute: DetailRow | None = None
    labels: tuple[str, ...] = ()


class Recorder:
    """Takes events one by one and keeps the batch.

    Parameters
    ----------
    batch
        Where the rows go.
    detail
        Whether the probabilities of every update are kept.
    """

    def __init__(self, batch: Batch, *, detail: bool = True) -> None:
        self._batch = batch
        self._detail = detail
        self._heard: dict[str, _Heard] = {}  # by station: one session at a time

    def take(self, event: Event | Mapping[str, Any]) -> None:
        """Take an event, typed or as its JSON object; what is not known is passed over."""
        if isinstance(event, Update):
            self._update(event)
        elif isinstance(event, Segment):
            self._segment(event)
        elif isinstance(event, Gap):
            self._gap(event)
        elif isinstance(event, SourceChange):
            self._source(event)
        elif isinstance(event, Status):
            self._status(event)
        else:
            data = event if not hasattr(event, "as_dict") else event.as_dict()
            kind = data.get("type")
            if kind == "title":
                self._title(data)
            elif kind == "dead_air":
                self._dead_air(data)

    def end(self, *, events_lost: int = 0) -> None:
        """Close everything at what was last heard of it, as the daemon ends in good order."""
        for heard in self._heard.values():
            if events_lost:
                self.note_loss(heard.session.station, heard.session.start_time)
            self._close(heard)
        self._heard.clear()

    def note_loss(self, station: str, since: float) -> None:
        """Write down that events of a station did not reach the history.

        Parameters
        ----------
        station
            Name of the station.
        since
            UNIX seconds from which on they may be missing.
        """
        heard = self._heard.get(station)
        if heard is not None:
            end = heard.session.end_time
            self._batch.add(GapRow(heard.session, None, since, end, None, "history"))

    @property
    def stations(self) -> dict[str, float]:
        """The stations that were heard of, each with the UNIX seconds of its last event."""
        return {name: heard.session.end_time for name, heard in self._heard.items()}

    def _of(self, station: str, uid: str, time: float) -> _Heard:
        """Return what is open of a session, begun where it is new."""
        heard = self._heard.get(station)
        if heard is None or heard.session.uid != uid:
            if heard is not None:
                self._close(heard)
            heard = _Heard(SessionRow(uid, station, start_time=time, end_time=time))
            self._heard[station] = heard
        heard.session.end_time = max(heard.session.end_time, time)
        self._batch.add(heard.session)
        return heard

    def _close(self, heard: _Heard) -> None:
        session = heard.session
        for row in (heard.segment, heard.title, heard.dead_air):
            if row is not None:
                row.ending = "closed"
                if not isinstance(row, SegmentRow):
                    row.end_time = max(row.end_time, session.end_time)
                self._batch.add(row)
        session.ending = "closed"
        self._batch.add(session)

    # ---- one method a type of event ------------------------------------------------------------

    def _update(self, event: Update) -> None:
        heard = self._of(event.station, event.session, event.time)
        start_time = event.time - (event.stream_time - event.since)
        segment = heard.segment
        if segment is None or abs(segment.stream_start - event.since) > _NEXT_HOP:
            if segment is not None:
                # Its own event never came here: it held until the last update that said so.
                segment.ending = "closed"
                self._batch.add(segment)
            segment = heard.segment = SegmentRow(
                heard.session,
                event.since,
                event.state,
                event.genre,
                start_time=start_time,
                end_time=event.time,
            )
            heard.probability_sum = 0.0
            heard.session.start_time = min(heard.session.start_time, start_time)
        segment.end_time = event.time
        segment.updates += 1
        if event.genre is not None:
            heard.probability_sum += event.probabilities.get(event.genre, 0.0)
            segment.probability = min(1.0, heard.probability_sum / segment.updates)
        self._batch.add(segment)
        for open_row in (heard.title, heard.dead_air):
            if open_row is not None:
                open_row.end_time = max(open_row.end_time, event.time)
                self._batch.add(open_row)
        if self._detail:
            self._add_detail(heard, event)

    def _add_detail(self, heard: _Heard, event: Update) -> None:
        minute, offset = divmod(event.time, MINUTE_S)
        labels = tuple(event.probabilities)
        row = heard.minute
        if row is None or row.minute != minute or row.labels != labels:
            if row is not None and row.minute == minute:
                return  # another model within a minute: does not happen in one session
            row = heard.minute = DetailRow(heard.session, int(minute), labels)
        row.offsets_ms.append(min(59_999, int(1000 * offset)))
        row.rows.append(quantise_level(event.level_dbfs))
        row.rows.append(quantise(event.confidence))
        row.rows.extend(map(quantise, event.probabilities.values()))
        self._batch.add(row)

    def _segment(self, event: Segment) -> None:
        heard = self._of(event.station, event.session, event.time)
        row = heard.segment
        if row is None or abs(row.stream_start - event.start) > _NEXT_HOP:
            row = SegmentRow(
                heard.session,
                event.start,
                event.state,
                event.genre,
                start_time=event.start_time,
                end_time=event.time,
            )
        else:
            heard.segment = None
        row.start_time, row.end_time = event.start_time, max(event.time, event.start_time)
        row.updates, row.probability = event.updates, event.mean_probability
        row.ending = "closed"
        heard.session.start_time = min(heard.session.start_time, event.start_time)
        self._batch.add(row)

    def _gap(self, event: Gap) -> None:
        heard = self._of(event.station, event.session, event.time)
        self._batch.add(
            GapRow(
                heard.session,
                event.seq,
                event.time - event.seconds,
                event.time,
                event.samples,
                event.reason,
            )
        )

    def _source(self, event: SourceChange) -> None:
        heard = self._of(event.station, event.session, event.time)
        heard.session.input = event.input
        self._batch.add(
            SourceRow(
                heard.session,
                event.seq,
                event.time,
                event.state,
                event.input[:MAX_TEXT],
                event.detail[:MAX_TEXT],
            )
        )

    def _status(self, event: Status) -> None:
        session = self._of(event.station, event.session, event.time).session
        session.input, session.model = event.input, event.model
        session.model_sha256 = event.model_sha256

    def _title(self, data: Mapping[str, Any]) -> None:
        """Take a ``title`` event: ``title``, and ``artist`` where it is known apart."""
        heard = self._of(data["station"], data["session"], data["time"])
        artist, title = (_text(data.get(name)) for name in ("artist", "title"))
        before = heard.title
        if before is not None:
            if (before.artist, before.title) == (artist, title):
                return  # announced again
            before.end_time, before.ending = max(before.start_time, data["time"]), "closed"
            self._batch.add(before)
            heard.title = None
        if artist or title:
            time = data["time"]
            heard.title = TitleRow(heard.session, data["seq"], artist, title, time, time)
            self._batch.add(heard.title)

    def _dead_air(self, data: Mapping[str, Any]) -> None:
        """Take a ``dead_air`` event: ``active`` true as it begins and false as it ends.

        ``start_time`` is when it began in UNIX seconds, else it began with the event.
        """
        heard = self._of(data["station"], data["session"], data["time"])
        time, row = data["time"], heard.dead_air
        if row is None:
            row = DeadAirRow(heard.session, data.get("start_time") or time, time)
        row.end_time = max(row.end_time, time)
        row.ending = "open" if data.get("active", True) else "closed"
        heard.dead_air = row if row.ending == "open" else None
        self._batch.add(row)


def _text(value: object) -> str:
    """Return a text from outside as SQLite can keep it: lone surrogates have no UTF-8."""
    if not isinstance(value, str):
        return ""
    whole = value[:MAX_TEXT].encode("utf-8", "replace").decode()
    return whole.replace("\0", "").strip()
