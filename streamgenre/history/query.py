"""Queries of the history. Each function yields records as it reads; nothing is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streamgenre.errors import HistoryError, nearest
from streamgenre.history import corrections, run_locks
from streamgenre.history.ids import fold
from streamgenre.history.records import (
    DeadAirRecord,
    GapRecord,
    NowRecord,
    SegmentRecord,
    SourceRecord,
    TitleRecord,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from streamgenre.history.connection import Connection
    from streamgenre.history.places import Place
    from streamgenre.history.time_zones import Span


def stations(connection: Connection, names: Iterable[str] | None) -> dict[int, str]:
    """Return names of stations by id, sorted by name.

    Parameters
    ----------
    connection
        The history.
    names
        Wanted stations; None for all.

    Returns
    -------
    dict
        Names by id, as the other functions take them.

    Raises
    ------
    HistoryError
        If the history has no station of one of the names.
    """
    known = dict(connection.execute("SELECT id, name FROM stations ORDER BY name").fetchall())
    if names is None:
        return known
    wanted = list(names)
    for name in wanted:
        if name not in known.values():
            heard = ", ".join(sorted(known.values())[:20]) or "none yet"
            raise HistoryError(
                f"no station {name!r} in the history; its stations: {heard}"
                f"{nearest(name, known.values())}"
            )
    return {number: name for number, name in known.items() if name in wanted}


def _marks(ids: Iterable[int]) -> str:
    return ", ".join("?" * len(list(ids)))


def segments(connection: Connection, ids: dict[int, str], span: Span) -> Iterator[SegmentRecord]:
    """Yield the segments that overlap a span, in order of their start.

    Parameters
    ----------
    connection
        The history.
    ids
        Names of the wanted stations by id, from :func:`stations`.
    span
        UNIX seconds.

    Yields
    ------
    SegmentRecord
    """
    # An overlap starts at most the longest length before the span: an index range, not a scan.
    rows = connection.execute(
        "SELECT g.station, g.start_time, g.end_time, k.state, k.genre, g.probability, g.updates, "
        "g.ending, c.segment, o.state, o.genre FROM stations s JOIN segments g "
        "ON g.station = s.id AND g.start_time < ? AND g.start_time > ? - s.longest_s - 1 "
        f"{corrections.JOINS} "
        f"WHERE g.end_time > ? AND s.id IN ({_marks(ids)}) ORDER BY g.start_time, s.name",
        (span.end, span.start, span.start, *ids),
    )
    for number, start, end, state, genre, confidence, updates, ending, corrected, *answer in rows:
        yield SegmentRecord(
            *(ids[number], start, end, state, genre or None),
            *(None if corrected else confidence, updates, ending),
            (answer[1] or answer[0]) if corrected else None,
        )


def titles(connection: Connection, ids: dict[int, str], span: Span) -> Iterator[TitleRecord]:
    """Yield the titles that overlap a span, in order of their start.

    Parameters
    ----------
    connection
        The history.
    ids
        Names of the wanted stations by id, from :func:`stations`.
    span
        UNIX seconds.

    Yields
    ------
    TitleRecord
    """
    rows = connection.execute(
        "SELECT t.station, t.start_time, t.end_time, r.artist, r.title, t.ending "
        "FROM stations s JOIN titles t ON t.station = s.id AND t.start_time < ? "
        "AND t.start_time > ? - s.longest_s - 1 JOIN tracks r ON r.id = t.track "
        f"WHERE t.end_time >= ? AND s.id IN ({_marks(ids)}) ORDER BY t.start_time, s.name",
        (span.end, span.start, span.start, *ids),
    )
    for number, *rest in rows:
        yield TitleRecord(ids[number], *rest)


def search(
    connection: Connection, ids: dict[int, str], span: Span, text: str
) -> Iterator[TitleRecord]:
    """Yield the titles that contain every word of a text, newest first.

    Case and diacritics do not matter: ``beyonce`` finds Beyoncé.

    Parameters
    ----------
    connection
        The history.
    ids
        Names of the wanted stations by id, from :func:`stations`.
    span
        UNIX seconds.
    text
        Words of artists or titles.

    Yields
    ------
    TitleRecord

    Raises
    ------
    HistoryError
        If ``text`` has no words.
    """
    words = fold(text).split()
    if not words:
        raise HistoryError("nothing to search for: expected part of an artist or title")
    matches = " AND ".join("instr(folded, ?) > 0" for _ in words)
    rows = connection.execute(
        "SELECT t.station, t.start_time, t.end_time, r.artist, r.title, t.ending "
        f"FROM (SELECT id, artist, title FROM tracks WHERE {matches}) r "
        "CROSS JOIN titles t WHERE t.track = r.id AND t.start_time < ? "
        "AND t.start_time > ? - (SELECT max(longest_s) FROM stations) - 1 "
        f"AND t.end_time >= ? AND t.station IN ({_marks(ids)}) ORDER BY t.start_time DESC",
        (*words, span.end, span.start, span.start, *ids),
    )
    for number, *rest in rows:
        yield TitleRecord(ids[number], *rest)


def gaps(connection: Connection, ids: dict[int, str], span: Span) -> Iterator[GapRecord]:
    """Yield the gaps that overlap a span, in order of their start.

    Parameters
    ----------
    connection
        The history.
    ids
        Names of the wanted stations by id, from :func:`stations`.
    span
        UNIX seconds.

    Yields
    ------
    GapRecord
    """
    rows = connection.execute(
        "SELECT g.station, g.start_time, g.end_time, g.reason, g.samples FROM stations s "
        "JOIN gaps g ON g.station = s.id AND g.start_time < ? "
        "AND g.start_time > ? - s.longest_s - 1 "
        f"WHERE g.end_time > ? AND s.id IN ({_marks(ids)}) ORDER BY g.start_time, s.name",
        (span.end, span.start, span.start, *ids),
    )
    for number, start, end, reason, samples in rows:
        yield GapRecord(ids[number], start, end, round(end - start, 6), reason, samples)


def dead_air(connection: Connection, ids: dict[int, str], span: Span) -> Iterator[DeadAirRecord]:
    """Yield the dead air that overlaps a span, in order of its start.

    Parameters
    ----------
    connection
        The history.
    ids
        Names of the wanted stations by id, from :func:`stations`.
    span
        UNIX seconds.

    Yields
    ------
    DeadAirRecord
    """
    rows = connection.execute(
        "SELECT d.station, d.start_time, d.end_time, d.ending FROM stations s "
        "JOIN dead_air d ON d.station = s.id AND d.start_time < ? "
        "AND d.start_time > ? - s.longest_s - 1 "
        f"WHERE d.end_time > ? AND s.id IN ({_marks(ids)}) ORDER BY d.start_time, s.name",
        (span.end, span.start, span.start, *ids),
    )
    for number, *rest in rows:
        yield DeadAirRecord(ids[number], *rest)


def sources(connection: Connection, ids: dict[int, str], span: Span) -> Iterator[SourceRecord]:
    """Yield the changes of the sources' states within a span, in order of time.

    Parameters
    ----------
    connection
        The history.
    ids
        Names of the wanted stations by id, from :func:`stations`.
    span
        UNIX seconds.

    Yields
    ------
    SourceRecord
    """
    rows = connection.execute(
        "SELECT station, time, state, input, detail FROM source_changes "
        f"WHERE station IN ({_marks(ids)}) AND time >= ? AND time < ? ORDER BY time, id",
        (*ids, span.start, span.end),
    )
    for number, *rest in rows:
        yield SourceRecord(ids[number], *rest)


def now(connection: Connection, ids: dict[int, str], place: Place) -> Iterator[NowRecord]:
    """Yield what each station is playing, or played last.

    Parameters
    ----------
    connection
        The history.
    ids
        Names of the wanted stations by id, from :func:`stations`.
    place
        Place of the history; the lock files beside a file show which daemons are running.

    Yields
    ------
    NowRecord
    """
    alive: dict[str, bool] = {}
    for number, name in ids.items():
        row, live = None, False
        # The open sessions first, and not by their times: the clock may have been set since.
        for session, token in connection.execute(
            "SELECT x.id, r.token FROM runs r JOIN sessions x ON x.run = r.id "
            "WHERE r.ending = 'open' AND x.station = ? AND x.ending = 'open' ORDER BY x.id DESC",
            (number,),
        ).fetchall():
            if alive.setdefault(token, run_locks.is_alive(connection, place, token)):
                row = _newest_segment(connection, "session", session, "stream_start")
                live = row is not None
                break
        row = row or _newest_segment(connection, "station", number, "start_time")
        if row is None:
            continue
        state, genre, confidence, since, heard, session = row
        title = connection.execute(
            "SELECT t.ending, r.artist, r.title FROM titles t JOIN tracks r ON r.id = t.track "
            "WHERE t.session = ? ORDER BY t.seq DESC LIMIT 1",
            (session,),
        ).fetchone()
        dead = connection.execute(
            "SELECT 1 FROM dead_air WHERE session = ? AND ending = 'open'", (session,)
        ).fetchone()
        goes_on = live and title and title[0] == "open"
        artist, words = title[1:] if goes_on else (None, None)
        yield NowRecord(
            *(name, live, state, genre or None, confidence, since, heard),
            *(artist, words, live and dead is not None),
        )


def _newest_segment(
    connection: Connection, of: str, number: int, order: str
) -> tuple[Any, ...] | None:
    row: tuple[Any, ...] | None = connection.execute(
        "SELECT k.state, k.genre, CASE WHEN c.segment IS NULL THEN g.probability END, "
        f"g.start_time, g.end_time, g.session FROM segments g {corrections.JOINS} WHERE g.{of} = ? "
        f"ORDER BY g.{order} DESC LIMIT 1",
        (number,),
    ).fetchone()
    return row
