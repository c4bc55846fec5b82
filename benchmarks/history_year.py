"""Makes the history of a year of many stations, which the benchmarks of the history ask.

Every station changes genre about every three minutes (with short uncertain stretches in between),
announces 300 titles a day, and loses samples a few times; the last 30 days have the probabilities
of every second.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from support.history_programme import GENRES, Programme

from streamgenre.history.database import open_to_write
from streamgenre.history.detail import encode
from streamgenre.history.ids import fold
from streamgenre.history.recorder import Recorder
from streamgenre.history.rows import DetailRow, PendingRows
from streamgenre.history.time_bins import split_by_quarter

if TYPE_CHECKING:
    from streamgenre.history.connection import Connection

T0 = 1_751_328_000.0  # 2025-07-01 00:00 UTC
DAY = 86_400.0
DETAIL_DAYS = 30
SEGMENTS_A_DAY = 500
TITLES_A_DAY = 300
TRACKS = 20_000
BLOBS = 300


def make(path: Path, stations: int, days: int) -> dict[str, float]:
    """Make the history and return its numbers of rows."""
    rng = np.random.default_rng(7)
    connection = open_to_write(path, busy_s=5)
    connection.execute("PRAGMA synchronous = OFF")
    run = connection.execute
    run("BEGIN")
    run("INSERT INTO runs (token, started, ending) VALUES ('made', ?, 'closed')", (T0,))
    kinds = [("music", genre) for genre in GENRES] + [("unknown", ""), ("silence", "")]
    connection.executemany("INSERT INTO kinds (state, genre) VALUES (?, ?)", kinds)
    run("INSERT INTO labels (names) VALUES (?)", (json.dumps(GENRES),))
    connection.executemany(
        "INSERT INTO tracks (artist, title, folded) VALUES (?, ?, ?)",
        (
            (a, t, fold(f"{a} {t}"))
            for a, t in ((f"Artist {i // 7}", f"Song Number {i}") for i in range(TRACKS))
        ),
    )
    for station in range(1, stations + 1):
        run("INSERT INTO stations (name, longest_s) VALUES (?, 1000)", (f"station {station:02d}",))
        run(
            "INSERT INTO sessions (uid, station, run, start_time, end_time, ending) "
            "VALUES (?, ?, 1, ?, ?, 'closed')",
            (f"s{station}", station, T0, T0 + days * DAY),
        )
    blobs = _blobs()
    counts = dict.fromkeys(("segments", "titles", "details"), 0.0)
    for day in range(days):
        for station in range(1, stations + 1):
            counts["segments"] += _segments(connection, rng, station, day)
            counts["titles"] += _titles(connection, rng, station, day)
        if day >= days - DETAIL_DAYS:
            rows = (
                (int(T0 + day * DAY) // 60 + minute, station, station, blobs[(minute * 7) % BLOBS])
                for minute in range(1440)
                for station in range(1, stations + 1)
            )
            counts["details"] += connection.executemany(
                "INSERT INTO details (minute, station, session, labels, updates, data) "
                "VALUES (?, ?, ?, 1, 60, ?)",
                rows,
            ).rowcount
        run("COMMIT")
        run("BEGIN")
    run("COMMIT")
    run("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return counts


def _blobs() -> list[bytes]:
    """Minutes of a made-up station, as the recorder keeps them."""
    maker = Programme()
    pending = PendingRows()
    recorder = Recorder(pending)
    for number in range(BLOBS // 3):
        for event in maker.stretch("music", GENRES[number % len(GENRES)], 180):
            recorder.take(event)
    rows = [r for r in pending.of(DetailRow) if len(r.offsets_ms) == 60]
    return ([encode(r.offsets_ms, r.rows, len(r.labels)) for r in rows] * 2)[:BLOBS]


def _segments(connection: Connection, rng: np.random.Generator, station: int, day: int) -> int:
    lengths = rng.gamma(1.2, size=SEGMENTS_A_DAY) + 0.02
    edges = np.concatenate([[0.0], np.cumsum(lengths / lengths.sum())]) * DAY
    edges = np.round(T0 + day * DAY + edges, 3).tolist()
    # A station plays five genres; in between it is doubtful or silent.
    own = (station * 3 + rng.integers(0, 5, SEGMENTS_A_DAY)) % len(GENRES) + 1
    kinds = np.where(rng.random(SEGMENTS_A_DAY) < 0.1, len(GENRES) + 1, own).tolist()
    probabilities = np.round(rng.uniform(0.4, 0.95, SEGMENTS_A_DAY), 6).tolist()
    rows = [
        (station, station, kind, start, end, start - T0, p, int(end - start) + 1)
        for kind, start, end, p in zip(*(kinds, edges[:-1], edges[1:], probabilities), strict=True)
    ]
    connection.executemany(
        "INSERT INTO segments (session, station, kind, start_time, end_time, stream_start, "
        "probability, updates, ending) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'closed')",
        rows,
    )
    sums: dict[tuple[int, int], list[int]] = {}
    for _, _, kind, start, end, *_ in rows:
        for hour, quarter, ms in split_by_quarter(start, end):
            sums.setdefault((kind, hour), [0] * 4)[quarter] += ms
    connection.executemany(
        "INSERT INTO shares (kind, hour, station, q0, q1, q2, q3) VALUES (?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT DO UPDATE SET q0 = q0 + excluded.q0",
        ((kind, hour, station, *ms) for (kind, hour), ms in sums.items()),
    )
    return len(rows)


def _titles(connection: Connection, rng: np.random.Generator, station: int, day: int) -> int:
    starts = np.sort(rng.uniform(0, DAY, TITLES_A_DAY)) + T0 + day * DAY
    tracks = rng.integers(1, TRACKS + 1, TITLES_A_DAY).tolist()
    ends = [*starts[1:].tolist(), T0 + (day + 1) * DAY]
    connection.executemany(
        "INSERT INTO titles (session, station, seq, track, start_time, end_time, ending) "
        "VALUES (?, ?, ?, ?, ?, ?, 'closed')",
        (
            (station, station, day * TITLES_A_DAY + i, track, start, end)
            for i, (track, start, end) in enumerate(zip(tracks, starts.tolist(), ends, strict=True))
        ),
    )
    for _ in range(2):
        at = T0 + day * DAY + float(rng.uniform(0, DAY))
        connection.execute(
            "INSERT INTO gaps (session, station, start_time, end_time, samples, reason) "
            "VALUES (?, ?, ?, ?, 44100, 'reconnect')",
            (station, station, at, at + 1),
        )
        connection.execute(
            "INSERT INTO dead_air (session, station, start_time, end_time, ending) "
            "VALUES (?, ?, ?, ?, 'closed')",
            (station, station, at + 60, at + 100),
        )
    return TITLES_A_DAY
