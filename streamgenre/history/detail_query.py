"""Queries of the detail: the probabilities of every update."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from streamgenre.history.detail import MINUTE_S, decode, decode_confidences

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from streamgenre.history.connection import Connection
    from streamgenre.history.detail import Minute
    from streamgenre.history.time_zones import Span


def details(
    connection: Connection, station: int, span: Span
) -> Iterator[tuple[Sequence[str], Minute]]:
    """Yield every update of one station, minute by minute.

    Parameters
    ----------
    connection
        The history.
    station
        Id of the station.
    span
        UNIX seconds; whole minutes that overlap it are yielded.

    Yields
    ------
    tuple
        The model's labels, and the updates of a minute.

    Raises
    ------
    HistoryError
        If a minute is damaged.
    """
    labels: dict[str, Sequence[str]] = {}
    for minute, updates, data, names in _rows(connection, station, span):
        if names not in labels:
            labels[names] = tuple(json.loads(names))
        yield labels[names], decode(minute, data, updates=updates, labels=len(labels[names]))


def confidences(
    connection: Connection, station: int, span: Span
) -> Iterator[tuple[list[float], list[float]]]:
    """Yield the confidences of one station, minute by minute.

    Parameters
    ----------
    connection
        The history.
    station
        Id of the station.
    span
        UNIX seconds; whole minutes that overlap it are yielded.

    Yields
    ------
    tuple of list of float
        UNIX seconds of the updates of a minute, and their confidences, 0 to 1.

    Raises
    ------
    HistoryError
        If a minute is damaged.
    """
    counts: dict[str, int] = {}
    for minute, updates, data, names in _rows(connection, station, span):
        if names not in counts:
            counts[names] = len(json.loads(names))
        yield decode_confidences(minute, data, updates=updates, labels=counts[names])


def _rows(
    connection: Connection, station: int, span: Span
) -> Iterable[tuple[int, int, bytes, str]]:
    # Looks up each minute by its key, without reading the rows of other stations between.
    return connection.execute(
        "WITH RECURSIVE m (n) AS (VALUES (CAST(? AS BIGINT)) UNION ALL "
        "SELECT n + 1 FROM m WHERE n < ?) "
        "SELECT d.minute, d.updates, d.data, l.names FROM m CROSS JOIN details d "
        "CROSS JOIN labels l WHERE d.minute = m.n AND d.station = ? AND l.id = d.labels "
        "ORDER BY d.minute",
        (*_minutes(connection, span), station),
    )


def _minutes(connection: Connection, span: Span) -> tuple[int, int]:
    """Return the first and last minute of a span that may have detail."""
    first, last = connection.execute(
        "SELECT (SELECT min(minute) FROM details), (SELECT max(minute) FROM details)"
    ).fetchone()
    if first is None:
        return 0, 0
    return max(first, int(span.start // MINUTE_S)), min(last, int((span.end - 1e-6) // MINUTE_S))


def label_names(connection: Connection) -> tuple[str, ...]:
    """Return the labels of all models that the detail was written with, each once."""
    names: dict[str, None] = {}
    for (text,) in connection.execute("SELECT names FROM labels ORDER BY id"):
        names |= dict.fromkeys(json.loads(text))
    return tuple(names)
