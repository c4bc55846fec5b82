"""Finds titles, artists and genres by words, newest first and a page at a time."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from streamgenre.errors import HistoryError
from streamgenre.history import corrections
from streamgenre.history.day_shares import HOURS
from streamgenre.history.ids import fold
from streamgenre.history.query import search
from streamgenre.history.records import TitleRecord

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamgenre.history.connection import Connection
    from streamgenre.history.time_zones import Span

MAX_WORDS: Final = 10
MAX_TEXT: Final = 200
"""Most characters of a text to search for."""
_FEW: Final = 500
"""Up to this many matching titles are looked up one by one; else the past is read backwards."""


@dataclass(frozen=True, slots=True)
class GenreFound:
    """A genre whose name contains the words, on one station."""

    station: str
    genre: str
    seconds: float
    """Time heard in the whole history."""
    last: float
    """UNIX seconds of the last start."""


def words_of(text: str) -> list[str]:
    """Return the words to search for.

    Raises
    ------
    HistoryError
        If there are none, or too many.
    """
    words = list(dict.fromkeys(fold(text).split()))
    if not words:
        raise HistoryError("nothing to search for: expected part of an artist, title or genre")
    if len(text) > MAX_TEXT or len(words) > MAX_WORDS:
        raise HistoryError(
            f"the text to search for has {len(text)} characters and {len(words)} words: expected "
            f"at most {MAX_TEXT} characters and {MAX_WORDS} words"
        )
    return words


def titles_found(
    connection: Connection,
    ids: dict[int, str],
    span: Span,
    text: str,
    *,
    limit: int,
    skip: int = 0,
) -> tuple[list[TitleRecord], bool]:
    """Return titles that contain every word of a text, newest first.

    Parameters
    ----------
    connection
        The history.
    ids
        Names of the wanted stations by id.
    span
        UNIX seconds.
    text
        Words of artists or titles; case and diacritics do not matter.
    limit
        Most titles to return.
    skip
        Number of newest titles to pass over.

    Returns
    -------
    tuple
        The titles, and whether there are more.

    Raises
    ------
    HistoryError
        If the text has no words, or too many.
    """
    words = words_of(text)
    matches = " AND ".join("instr(folded, ?) > 0" for _ in words)
    few = connection.execute(
        f"SELECT count(*) FROM (SELECT 1 FROM tracks WHERE {matches} LIMIT {_FEW + 1}) AS found",
        words,
    ).fetchone()[0]
    if few <= _FEW:
        rows = search(connection, ids, span, text)
    else:
        # Each station's newest first, merged: reading stops as soon as the page is full.
        rows = heapq.merge(
            *(_backwards(connection, number, name, span, words) for number, name in ids.items()),
            key=lambda row: (-row.start, row.station),
        )
    found = list(islice(rows, skip, skip + limit + 1))
    return found[:limit], len(found) > limit


def _backwards(
    connection: Connection, number: int, name: str, span: Span, words: list[str]
) -> Iterator[TitleRecord]:
    matches = " AND ".join("instr(r.folded, ?) > 0" for _ in words)
    rows = connection.execute(
        "SELECT t.start_time, t.end_time, r.artist, r.title, t.ending FROM titles t "
        "CROSS JOIN tracks r ON r.id = t.track WHERE t.station = ? AND t.start_time < ? "
        "AND t.start_time > ? - (SELECT max(longest_s) FROM stations) - 1 AND t.end_time >= ? "
        f"AND {matches} ORDER BY t.start_time DESC",
        (number, span.end, span.start, span.start, *words),
    )
    for row in rows:
        yield TitleRecord(name, *row)


def genres_found(connection: Connection, ids: dict[int, str], text: str) -> list[GenreFound]:
    """Return the genres and states whose name contains every word, the most heard first.

    Parameters
    ----------
    connection
        The history.
    ids
        Names of the wanted stations by id.
    text
        Words of a genre or state.

    Raises
    ------
    HistoryError
        If the text has no words, or too many.
    """
    words = words_of(text)
    hours = " + ".join(f"h{i}" for i in range(HOURS))
    found = []
    kinds = connection.execute("SELECT id, state, genre FROM kinds").fetchall()
    corrected = corrections.totals(connection, ids)
    for kind, state, genre in kinds:
        name = genre or state
        if not all(word in fold(name) for word in words):
            continue
        marks = ", ".join("?" * len(ids))
        rows = connection.execute(
            f"SELECT station, sum({hours}) FROM day_shares WHERE kind = ? "
            f"AND station IN ({marks}) GROUP BY station",
            (kind, *ids),
        ).fetchall()
        total = {station: ms / 1000 for station, ms in rows if ms}
        for station, number, seconds in corrected:
            if number == kind:
                total[station] = total.get(station, 0.0) + seconds
        for station, seconds in total.items():
            last = connection.execute(
                f"SELECT g.start_time FROM segments g {corrections.JOINS} "
                "WHERE g.station = ? AND k.id = ? ORDER BY g.start_time DESC LIMIT 1",
                (station, kind),
            ).fetchone()
            if seconds > 0 and last is not None:
                found.append(GenreFound(ids[station], name, seconds, last[0]))
    return sorted(found, key=lambda each: (-each.seconds, each.station, each.genre))
