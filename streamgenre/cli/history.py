"""``streamgenre history``."""

from __future__ import annotations

import sys
from contextlib import closing
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final

from streamgenre.errors import HistoryError, SettingsError
from streamgenre.history import detail_query, query, records
from streamgenre.history.airplay_log import AirplayLine, airplay_log, clip
from streamgenre.history.connection import DATABASE_ERRORS
from streamgenre.history.database import open_to_read, reading_failed
from streamgenre.history.export import (
    atomic,
    columns_of,
    exported,
    write_csv,
    write_cue,
    write_json,
    write_parquet,
)
from streamgenre.history.places import place
from streamgenre.history.settings import default_path
from streamgenre.history.shares import Share, shares
from streamgenre.history.text_tables import print_rows
from streamgenre.history.time_zones import Span, day_span, zone
from streamgenre.history.times import parse_day, span
from streamgenre.paths import expand
from streamgenre.urls import shown

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from streamgenre.history.connection import Connection
    from streamgenre.history.places import Place
    from streamgenre.history.time_zones import Zone

_DAY_S: Final = 86_400.0
_PLAIN: Final = {
    "segments": (query.segments, records.SegmentRecord),
    "titles": (query.titles, records.TitleRecord),
    "gaps": (query.gaps, records.GapRecord),
    "dead-air": (query.dead_air, records.DeadAirRecord),
    "sources": (query.sources, records.SourceRecord),
}


def run(args: argparse.Namespace) -> int:
    """Print a listing, a playlist or an export."""
    if getattr(args, "limit", None) is not None and args.limit < 1:
        raise SettingsError(f"--limit {args.limit}: expected 1 or more")
    path = history_path(args)
    tz = zone(args.tz)
    if args.listing == "correct":
        from streamgenre.cli import history_correct

        return history_correct.run(args, path, tz)
    try:
        with closing(open_to_read(path)) as connection:
            ids = query.stations(connection, args.station)
            if args.listing == "now":
                return _print(args, query.now(connection, ids, path), records.NowRecord, tz)
            if args.listing == "playlist":
                return _playlist(args, connection, ids, tz)
            if args.listing == "export":
                return _export(args, connection, ids, tz)
            rows, kind = _rows(args, args.listing, connection, ids, tz)
            return _print(args, rows, kind, tz)
    except DATABASE_ERRORS as error:
        raise reading_failed(path, error) from error


def history_path(args: argparse.Namespace) -> Place:
    """Return the place of the history to read.

    Raises
    ------
    SettingsError
        If the flag names neither a file nor a database.
    """
    if args.history is None:
        return default_path()
    try:
        return place(args.history)
    except SettingsError as error:
        raise SettingsError(f"--history {shown(args.history)!r}: {error}") from error


def _asked_span(args: argparse.Namespace, tz: Zone, *, default_s: float | None = _DAY_S) -> Span:
    if args.day is None:
        return span(args.since, args.until, tz, default_s=default_s)
    if args.since is not None or args.until is not None:
        raise SettingsError("--day selects a whole day: expected it without --since and --until")
    return day_span(parse_day(args.day, tz), tz)


def _rows(
    args: argparse.Namespace,
    what: str,
    connection: Connection,
    ids: dict[int, str],
    tz: Zone,
) -> tuple[Iterable[Any], type[Any]]:
    if what == "shares":
        return shares(connection, ids, _asked_span(args, tz), by=args.by, tz=tz), Share
    if what == "search":
        within = _asked_span(args, tz, default_s=None)
        return query.search(connection, ids, within, args.text), records.TitleRecord
    ask, kind = _PLAIN[what]
    return ask(connection, ids, _asked_span(args, tz)), kind


def _print(args: argparse.Namespace, rows: Iterable[Any], kind: type[Any], tz: Zone) -> int:
    rows = islice(rows, args.limit)
    if args.json:
        with atomic(None) as out:
            write_json(out, (exported(row, tz) for row in rows))
        return 0
    if print_rows(rows, kind, tz, sys.stdout) == 0:
        wider = "" if args.listing == "now" else "; select more with --since, --until or --day"
        print(f"streamgenre: nothing found{wider}", file=sys.stderr)
    return 0


def _out_path(args: argparse.Namespace) -> Path | None:
    return None if args.out in (None, "-") else expand(args.out)


def _format(args: argparse.Namespace, default: str) -> str:
    """Return the format to write, after checking that the flags agree."""
    wanted: str = "json" if args.json else args.format or ("csv" if args.bom else default)
    if args.json and args.format not in (None, "json"):
        raise SettingsError(f"--json and --format {args.format}: expected one of them")
    if args.bom and wanted != "csv":
        raise SettingsError(f"--bom is for CSV: expected --format csv, not {wanted}")
    return wanted


def _playlist(
    args: argparse.Namespace, connection: Connection, ids: dict[int, str], tz: Zone
) -> int:
    out = _out_path(args)
    wanted = _format(args, "csv" if out else "text")
    within = _asked_span(args, tz)
    if wanted == "cue" and len(ids) != 1:
        raise HistoryError(
            f"a cue sheet belongs to one recording, but there are {len(ids)} stations: choose one "
            f"with --station ({', '.join(list(ids.values())[:10])})"
        )
    lines = list(
        clip(
            airplay_log(
                query.titles(connection, ids, within), query.segments(connection, ids, within)
            ),
            within.start,
            within.end,
        )
    )
    if wanted == "text" and out is None:
        if print_rows(lines, AirplayLine, tz, sys.stdout) == 0:
            print("streamgenre: nothing found; select more with --since or --day", file=sys.stderr)
        return 0
    with atomic(out) as file:
        if wanted == "cue":
            start = (
                max(within.start, lines[0].start) if args.day is None and lines else within.start
            )
            name = f"{next(iter(ids.values()))} {exported({'start': start}, tz)['start'][:19]}"
            tracks = write_cue(file, lines, name=name.replace(":", "."), start=start)
        elif wanted == "json":
            write_json(file, (exported(line, tz) for line in lines))
        elif wanted == "text":
            raise SettingsError("--format text is for the terminal only; expected csv, json or cue")
        else:
            rows = (exported(line, tz) for line in lines)
            write_csv(file, rows, columns_of(AirplayLine), bom=args.bom)
    if wanted == "cue" and tracks > 99:
        print(
            f"streamgenre: {tracks} tracks; some programs read no more than 99 from a cue "
            "sheet: for those, select less with --since and --until",
            file=sys.stderr,
        )
    return 0


def _export(args: argparse.Namespace, connection: Connection, ids: dict[int, str], tz: Zone) -> int:
    out = _out_path(args)
    wanted = _format(args, "csv")
    if wanted == "parquet" and out is None and sys.stdout.isatty():
        raise SettingsError("Parquet is not for a terminal: name a file with --out FILE")
    if args.what == "detail":
        rows, columns = _detail(connection, ids, _asked_span(args, tz), tz)
    else:
        asked, kind = _rows(args, args.what, connection, ids, tz)
        rows, columns = (exported(row, tz) for row in asked), columns_of(kind)
    # The first row is read before the file is created: a range that is refused leaves no file.
    rows = _begun(rows)
    with atomic(out) as file:
        if wanted == "json":
            write_json(file, rows)
        elif wanted == "csv":
            write_csv(file, rows, columns, bom=args.bom)
        else:
            write_parquet(file, rows, columns)
    return 0


def _begun(rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    rows = iter(rows)
    return chain(list(islice(rows, 1)), rows)


def _detail(
    connection: Connection, ids: dict[int, str], within: Span, tz: Zone
) -> tuple[Iterator[dict[str, Any]], tuple[str, ...]]:
    """Return the updates as rows, with a column for each genre of all models in the history."""
    labels = detail_query.label_names(connection)

    def rows() -> Iterator[dict[str, Any]]:
        for number, name in ids.items():
            for names, minute in detail_query.details(connection, number, within):
                for i, moment in enumerate(minute.times.tolist()):
                    if not within.start < moment <= within.end:
                        continue
                    level = float(minute.levels[i])
                    row: dict[str, Any] = {
                        "station": name,
                        "time": moment,
                        "confidence": round(float(minute.confidences[i]), 3),
                        "level_dbfs": None if level != level else level,
                    }
                    row |= dict.fromkeys(f"p_{label}" for label in labels)
                    values = minute.probabilities[i].tolist()
                    row |= {f"p_{n}": round(p, 3) for n, p in zip(names, values, strict=True)}
                    yield exported(row, tz)

    return rows(), (
        *("station", "time", "confidence", "level_dbfs"),
        *(f"p_{label}" for label in labels),
    )
