"""Measure size and speed of the history: a year of many stations, and the cost of writing it.

Usage: ``python benchmarks/history.py [--dir DIR] [--stations N] [--days N] [--json]``, or
``--capacity [--postgres URL]`` for what a file, and an empty database, can take at most.

Makes the history of a year (``benchmarks/history_year.py``). Then each kind of listing is asked for
one day and for the year, every time with a new connection, and the writer's own code is fed with
the events of 100 stations. CPU times are of this process.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sqlite3
import statistics
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from history_year import DAY, T0, make

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from support.history_programme import GENRES, Programme

from streamgenre.history import detail_query, query
from streamgenre.history.airplay_log import airplay_log
from streamgenre.history.database import open_to_read
from streamgenre.history.places import place
from streamgenre.history.recorder import Recorder
from streamgenre.history.rows import PendingRows
from streamgenre.history.run_locks import RunLock
from streamgenre.history.settings import HistorySettings
from streamgenre.history.shares import shares
from streamgenre.history.store import Store
from streamgenre.history.time_zones import Span
from streamgenre.history.writer import HistoryWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streamgenre.history.connection import Connection
    from streamgenre.history.places import Place


def questions(path: Path, days: int) -> dict[str, Callable[[Connection], Any]]:
    """Return every query: for one day of all stations, of one station, and for the year."""
    day = Span(T0 + (days - 2) * DAY, T0 + (days - 1) * DAY)
    early = Span(T0 + 3 * DAY, T0 + 4 * DAY)
    year = Span(T0, T0 + days * DAY)

    def all_of(c: Connection) -> dict[int, str]:
        return query.stations(c, None)

    def one_of(c: Connection) -> dict[int, str]:
        return query.stations(c, ["station 01"])

    asked: dict[str, Callable[[Connection], Any]] = {}
    for name, span in (("a day", day), ("an early day", early)):
        for who, ids in (("all", all_of), ("one", one_of)):
            asked |= {
                f"segments, {name}, {who}": lambda c, s=span, i=ids: _all(
                    query.segments(c, i(c), s)
                ),
                f"titles, {name}, {who}": lambda c, s=span, i=ids: _all(query.titles(c, i(c), s)),
                f"gaps, {name}, {who}": lambda c, s=span, i=ids: _all(query.gaps(c, i(c), s)),
                f"dead air, {name}, {who}": lambda c, s=span, i=ids: _all(
                    query.dead_air(c, i(c), s)
                ),
                f"search, {name}, {who}": lambda c, s=span, i=ids: _all(
                    query.search(c, i(c), s, "song number 77")
                ),
                f"shares by hour, {name}, {who}": lambda c, s=span, i=ids: shares(
                    c, i(c), s, by="hour", tz=None
                ),
            }
    asked["playlist, a day, one"] = lambda c: airplay_log(
        query.titles(c, one_of(c), day), query.segments(c, one_of(c), day)
    )
    asked["detail, a day, one"] = lambda c: _all(detail_query.details(c, 1, day))
    asked["now, all"] = lambda c: _all(query.now(c, all_of(c), path))
    asked["search, the year, all"] = lambda c: _all(query.search(c, all_of(c), year, "number 7777"))
    for by in ("all", "hour", "day", "weekday"):
        for who, ids in (("all", all_of), ("one", one_of)):
            asked[f"shares by {by}, the year, {who}"] = lambda c, b=by, i=ids: shares(
                c, i(c), year, by=b, tz=None
            )
    return asked


def _all(rows: Iterator[Any]) -> int:
    return sum(1 for _ in rows)


def ask(path: Path, days: int, rounds: int) -> dict[str, float]:
    """Median wall time of each question in ms, the connection included."""
    found = {}
    for name, question in questions(path, days).items():
        times = []
        for _ in range(rounds):
            start = time.perf_counter()
            connection = open_to_read(path)
            question(connection)
            connection.close()
            times.append(1000 * (time.perf_counter() - start))
        found[name] = round(statistics.median(times), 1)
    return found


def write_cost(path: Path, stations: int, seconds: int) -> dict[str, float]:
    """CPU time of recording many stations, as a share of one core."""
    makers = [Programme(station=f"s{i}", session=f"u{i}", seed=i) for i in range(stations)]
    streams = [maker.day(DAY) for maker in makers]
    lock = RunLock(path)
    store = Store(path, lock)
    lock.hold(store.connection)
    pending = PendingRows()
    recorder = Recorder(pending)
    upcoming: list[Any] = [next(stream) for stream in streams]
    spent = wall = slowest = 0.0
    for until in range(5, seconds + 1, 5):
        events = []
        for i, stream in enumerate(streams):
            while upcoming[i] is not None and _stream_time(upcoming[i]) <= until:
                events.append(upcoming[i])
                upcoming[i] = next(stream, None)
        cpu, began = time.process_time(), time.perf_counter()
        for event in events:
            recorder.take(event)
        store.write(pending)
        pending.clear()
        once = time.perf_counter() - began
        wall, slowest = wall + once, max(slowest, once)
        spent += time.process_time() - cpu
    store.close()
    lock.release()
    size = os.path.getsize(path)  # noqa: PTH202 - only the size is needed
    return {
        "stations": stations,
        "seconds": seconds,
        "core_share": round(spent / seconds, 5),
        "flush_ms_mean": round(1000 * wall / (seconds / 5), 1),
        "flush_ms_max": round(1000 * slowest, 1),
        "mb_per_station_day": round(size / stations / seconds * DAY / 1e6, 3),
    }


def capacity(where: Place, stations: int, seconds: int = 60) -> dict[str, float]:
    """Measure what a history takes at most, of stations with titles, flushed every 5 s."""
    makers = [Programme(station=f"s{i}", session=f"u{i}", seed=i) for i in range(stations)]
    lock = RunLock(where)
    store = Store(where, lock)
    lock.hold(store.connection)
    pending = PendingRows(room=10 * stations)
    recorder = Recorder(pending)
    # A new segment about every 170 s and a new title about every 290 s, spread over the stations.
    streams = [maker.stretch("music", GENRES[i % 10], 170) for i, maker in enumerate(makers)]
    for i, stream in enumerate(streams):
        recorder.take(next(stream))
        makers[i].stream += 17 * i % 165
    events = rows = 0
    cpu = waited = 0.0
    flushes = []
    for second in range(5, seconds + 1, 5):
        batch: list[Any] = []
        for i, maker in enumerate(makers):
            if (17 * i + second) % 170 < 5:
                streams[i] = maker.stretch("music", GENRES[(i + second) % 10], 170)
            if (13 * i + second) % 290 < 5:
                batch.append(maker.title(f"Artist {(7 * i + second) % 2000}", f"Title {second}"))
            batch += itertools.islice(streams[i], 5)
        spent, start = time.process_time(), time.perf_counter()
        for event in batch:
            recorder.take(event)
        between = time.perf_counter()
        store.write(pending)
        flushes.append(time.perf_counter() - between)
        waited += time.perf_counter() - start
        cpu += time.process_time() - spent
        events, rows = events + len(batch), rows + len(pending)
        pending.clear()
    store.end()
    store.close()
    lock.release()
    return {
        "stations": stations,
        "events_a_second": round(events / waited),
        "rows_written_a_second": round(rows / waited),
        "flush_ms_median": round(1000 * statistics.median(flushes), 1),
        "flush_ms_max": round(1000 * max(flushes), 1),
        "stations_at_half_load": round(0.5 * seconds * stations / waited),
        "cpu_ms_a_station_second": round(1000 * cpu / stations / seconds, 4),
    }


def live_cost(path: Path, stations: int, seconds: int) -> dict[str, float]:
    """CPU time of the writer's own thread over real seconds, its wake-ups included."""
    makers = [Programme(station=f"s{i}", session=f"u{i}", seed=i) for i in range(stations)]
    streams = [maker.stretch("music", GENRES[i % 10], seconds) for i, maker in enumerate(makers)]
    seconds_of_events = [[next(stream) for stream in streams] for _ in range(seconds)]
    writer = HistoryWriter(HistorySettings(path), lossless=False, say=print)
    writer.start()
    process = psutil.Process()
    own = threading.get_native_id()
    began = time.monotonic()
    for number, second in enumerate(seconds_of_events):
        for i, event in enumerate(second):  # spread over the second, as stations are
            due = began + number + i / stations
            time.sleep(max(0.0, due - time.monotonic()))
            writer.put(event)
    spent = sum(t.user_time + t.system_time for t in process.threads() if t.id != own)
    spent -= sum(t.user_time + t.system_time for t in _idle if t.id != own)
    elapsed = time.monotonic() - began
    writer.close()
    return {
        "stations": stations,
        "seconds": round(elapsed),
        "core_share_of_the_thread": round(spent / elapsed, 5),
        "lost": float(writer.state()["lost"]),
    }


_idle = psutil.Process().threads()


def _stream_time(event: Any) -> float:
    return float(event["stream_time"] if isinstance(event, dict) else event.stream_time)


def main() -> None:
    parser = argparse.ArgumentParser(description="Size and speed of the history.")
    parser.add_argument("--dir", type=Path, default=Path("/tmp/streamgenre-history"))
    parser.add_argument("--stations", type=int, default=20)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keep", action="store_true", help="query an existing history")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--capacity", action="store_true", help="only what it takes at most")
    parser.add_argument("--postgres", metavar="URL", help="with --capacity: an empty database")
    args = parser.parse_args()
    args.dir.mkdir(parents=True, exist_ok=True)
    if args.capacity:
        places: list[Place] = [args.dir / "capacity.sqlite3"]
        for old in args.dir.glob("capacity.sqlite3*"):
            old.unlink()
        places += [place(args.postgres)] if args.postgres else []
        for where in places:
            print(f"{where}")
            for key, number in capacity(where, args.stations).items():
                print(f"  {key:<36} {number:>12}")
        return
    path = args.dir / "year.sqlite3"
    results: dict[str, Any] = {"sqlite": sqlite3.sqlite_version}
    if not (args.keep and path.exists()):
        for old in args.dir.glob("year.sqlite3*"):
            old.unlink()
        start = time.perf_counter()
        results["rows"] = make(path, args.stations, args.days)
        results["made_in_s"] = round(time.perf_counter() - start)
    results["file_mb"] = round(path.stat().st_size / 1e6)
    results["sizes_mb"] = sizes(path)
    results["ask_ms"] = ask(path, args.days, args.rounds)
    written = args.dir / "written.sqlite3"
    for old in args.dir.glob("written*.sqlite3*"):
        old.unlink()
    results["write"] = write_cost(written, 100, 1800)
    results["write_live"] = live_cost(args.dir / "written-live.sqlite3", 100, 60)
    if args.json:
        print(json.dumps(results, indent=2))
        return
    for name, value in results.items():
        if not isinstance(value, dict):
            print(f"{name:<12} {value}")
            continue
        print(f"\n{name}")
        for key, number in value.items():
            print(f"  {key:<36} {number:>12}")


def sizes(path: Path) -> dict[str, float]:
    """Size of each table with its indices in MB, where SQLite can tell."""
    connection = open_to_read(path)
    try:
        rows = connection.execute(
            "SELECT m.tbl_name, sum(d.pgsize) FROM dbstat d JOIN sqlite_master m "
            "ON m.name = d.name "
            "WHERE d.aggregate = 1 GROUP BY m.tbl_name"
        ).fetchall()
    except sqlite3.Error:
        return {}
    finally:
        connection.close()
    return {name: round(size / 1e6, 1) for name, size in rows}


if __name__ == "__main__":
    main()
