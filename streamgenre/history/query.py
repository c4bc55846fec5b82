"""Asking the history. Every function reads a bit and yields rows; nothing is written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from streamgenre.errors import HistoryError, nearest
from streamgenre.history import run_locks as runs
from streamgenre.history.detail import MINUTE_S, decode
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
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from streamgenre.history.detail import Minute
    from streamgenre.history.times import Span


def stations(connection: sqlite3.Connection, names: Iterable[str] | None) -> dict[int, str]:
    """Return the stations of these names by id, sorted by name; all for None.

    Raises
    ------
    HistoryError
        If the history has never heard of one.
    """
    known = dict(connection.execute("SELECT id, name FROM stations ORDER BY name").fetchall())
    if names is None:
        return known
    wanted = list(names)
    for name in wanted:
        if name not in known.values():
            heard = ", ".join(sorted(known.values())[:20]) or "none yet"
            raise HistoryError(
                f"no station {name!r} in the history: there are {heard}"
                f"{nearest(name, known.values())}"
            )
    return {number: name for number, name in known.items() if name in wanted}


def _marks(ids: Iterable[int]) -> str:
    return ", ".join("?" * len(list(ids)))


def segments(
    connection: sqlite3.Connection, ids: dict[int, str], span: Span
) -> Iterator[SegmentRecord]:
    """Yield the segments that touch a span, in order of their start."""
    # What overlaps can begin no earlier than the longest one lasts: an index range, not a scan.
    rows = connection.execute(
        "SELECT g.station, g.start_time, g.end_time, k.state, k.genre, g.probability, g.updates, "
        "g.ending FROM stations s JOIN segments g ON g.station = s.id AND g.start_time < ? "
        "AND g.start_time > ? - s.longest_s - 1 JOIN kinds k ON k.id = g.kind "
        f"WHERE g.end_time > ? AND s.id IN ({_marks(ids)}) ORDER BY g.start_time, s.name",
        (span.end, span.start, span.start, *ids),
    )
    for number, start, end, state, genre, confidence, updates, ending in rows:
        yield SegmentRecord(
            ids[number], start, end, state, genre or None, confidence, updates, ending
        )


def titles(
    connection: sqlite3.Connection, ids: dict[int, str], span: Span
) -> Iterator[TitleRecord]:
    """Yield the titles that touch a span, in order of their start."""
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
    connection: sqlite3.Connection, ids: dict[int, str], span: Span, text: str
) -> Iterator[TitleRecord]:
    """Yield the titles in which every word of a text occurs, newest first.

    Case and marks do not matter: ``beyonce`` finds Beyoncé.
    """
    words = fold(text).split()
    if not words:
        raise HistoryError("nothing to search for: expected a part of an artist or a title")
    matches = " AND ".join("instr(folded, ?)" for _ in words)
    rows = connection.execute(
        "SELECT t.station, t.start_time, t.end_time, r.artist, r.title, t.ending "
        f"FROM (SELECT id, artist, title FROM tracks WHERE {matches}) r "
        "CROSS JOIN titles t ON t.track = r.id AND t.start_time < ? "
        "AND t.start_time > ? - (SELECT max(longest_s) FROM stations) - 1 "
        f"WHERE t.end_time >= ? AND t.station IN ({_marks(ids)}) ORDER BY t.start_time DESC",
        (*words, span.end, span.start, span.start, *ids),
    )
    for number, *rest in rows:
        yield TitleRecord(ids[number], *rest)


def gaps(connection: sqlite3.Connection, ids: dict[int, str], span: Span) -> Iterator[GapRecord]:
    """Yield the gaps that touch a span, in order of their start."""
    rows = connection.execute(
        "SELECT g.station, g.start_time, g.end_time, g.reason, g.samples FROM stations s "
        "JOIN gaps g ON g.station = s.id AND g.start_time < ? "
        "AND g.start_time > ? - s.longest_s - 1 "
        f"WHERE g.end_time > ? AND s.id IN ({_marks(ids)}) ORDER BY g.start_time, s.name",
        (span.end, span.start, span.start, *ids),
    )
    for number, start, end, reason, samples in rows:
        yield GapRecord(ids[number], start, end, round(end - start, 6), reason, samples)


def dead_air(
    connection: sqlite3.Connection, ids: dict[int, str], span: Span
) -> Iterator[DeadAirRecord]:
    """Yield the stretches of dead air that touch a span, in order of their start."""
    rows = connection.execute(
        "SELECT d.station, d.start_time, d.end_time, d.ending FROM stations s "
        "JOIN dead_air d ON d.station = s.id AND d.start_time < ? "
        "AND d.start_time > ? - s.longest_s - 1 "
        f"WHERE d.end_time > ? AND s.id IN ({_marks(ids)}) ORDER BY d.start_time, s.name",
        (span.end, span.start, span.start, *ids),
    )
    for number, *rest in rows:
        yield DeadAirRecord(ids[number], *rest)


def sources(
    connection: sqlite3.Connection, ids: dict[int, str], span: Span
) -> Iterator[SourceRecord]:
    """Yield the changes of the sources' states within a span, in order."""
    rows = connection.execute(
        "SELECT station, time, state, input, detail FROM source_changes "
        f"WHERE station IN ({_marks(ids)}) AND time >= ? AND time < ? ORDER BY time, id",
        (*ids, span.start, span.end),
    )
    for number, *rest in rows:
        yield SourceRecord(ids[number], *rest)


def now(connection: sqlite3.Connection, ids: dict[int, str], path: Path) -> Iterator[NowRecord]:
    """Yield what is on, or was last, of each station.

    Parameters
    ----------
    connection, ids
        The history and the stations.
    path
        Where the history is: by the locks beside it a living daemon is known.
    """
    alive: dict[str, bool] = {}
    for number, name in ids.items():
        row = connection.execute(
            "SELECT k.state, k.genre, g.probability, g.start_time, g.end_time, g.ending, r.token, "
            "x.id, x.ending FROM segments g JOIN kinds k ON k.id = g.kind "
            "JOIN sessions x ON x.id = g.session JOIN runs r ON r.id = x.run "
            "WHERE g.station = ? ORDER BY g.start_time DESC LIMIT 1",
            (number,),
        ).fetchone()
        if row is None:
            continue
        state, genre, confidence, since, heard, _, token, session, session_ending = row
        live = session_ending == "open" and alive.setdefault(token, runs.is_alive(path, token))
        title = connection.execute(
            "SELECT t.session, t.ending, r.artist, r.title FROM titles t "
            "JOIN tracks r ON r.id = t.track WHERE t.station = ? "
            "ORDER BY t.start_time DESC LIMIT 1",
            (number,),
        ).fetchone()
        dead = connection.execute(
            "SELECT session, ending FROM dead_air WHERE station = ? "
            "ORDER BY start_time DESC LIMIT 1",
            (number,),
        ).fetchone()
        goes_on = (session, "open")
        artist, words = title[2:] if live and title and title[:2] == goes_on else (None, None)
        yield NowRecord(
            *(name, live, state, genre or None, confidence, since, heard),
            *(artist, words, live and dead == goes_on),
        )


def details(
    connection: sqlite3.Connection, station: int, span: Span
) -> Iterator[tuple[Sequence[str], Minute]]:
    """Yield the labels and the updates of each minute of one station, in order.

    Raises
    ------
    HistoryError
        If a minute is damaged.
    """
    # Each minute is looked up by its key: the rows of the other stations between are not read.
    rows = connection.execute(
        "WITH RECURSIVE m (n) AS (VALUES (?) UNION ALL SELECT n + 1 FROM m WHERE n < ?) "
        "SELECT d.minute, d.updates, d.data, l.names FROM m CROSS JOIN details d "
        "ON d.minute = m.n AND d.station = ? JOIN labels l ON l.id = d.labels",
        (*_minutes(connection, span), station),
    )
    labels: dict[str, Sequence[str]] = {}
    for minute, updates, data, names in rows:
        if names not in labels:
            labels[names] = tuple(json.loads(names))
        yield labels[names], decode(minute, data, updates=updates, labels=len(labels[names]))


def _minutes(connection: sqlite3.Connection, span: Span) -> tuple[int, int]:
    """Return the first and last minute of a span of which there may be detail."""
    first, last = connection.execute(
        "SELECT (SELECT min(minute) FROM details), (SELECT max(minute) FROM details)"
    ).fetchone()
    if first is None:
        return 0, 0
    return max(first, int(span.start // MINUTE_S)), min(last, int((span.end - 1e-6) // MINUTE_S))


def extent(connection: sqlite3.Connection, ids: dict[int, str]) -> tuple[float, float] | None:
    """Return the UNIX seconds of the first and last that is known; None where nothing is."""
    firsts, lasts = [], []
    for number in ids:
        first, last = connection.execute(
            "SELECT (SELECT min(start_time) FROM segments WHERE station = ?1), "
            "(SELECT max(end_time) FROM sessions WHERE station = ?1)",
            (number,),
        ).fetchone()
        firsts.append(first)
        lasts.append(last)
    known = [f for f in firsts if f is not None], [x for x in lasts if x is not None]
    return (min(known[0]), max(known[1])) if known[0] and known[1] else None


def label_names(connection: sqlite3.Connection) -> tuple[str, ...]:
    """Return the genres of all models of which there is detail, each once."""
    names: dict[str, None] = {}
    for (text,) in connection.execute("SELECT names FROM labels ORDER BY id"):
        names |= dict.fromkeys(json.loads(text))
    return tuple(names)
