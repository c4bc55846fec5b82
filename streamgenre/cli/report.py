"""``streamgenre report``."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import TYPE_CHECKING

from streamgenre.cli.history import history_path
from streamgenre.display.text import clean
from streamgenre.errors import HistoryError, SettingsError
from streamgenre.history import query
from streamgenre.history.connection import DATABASE_ERRORS
from streamgenre.history.database import open_to_read, reading_failed
from streamgenre.history.export import atomic
from streamgenre.history.time_zones import zone
from streamgenre.history.times import parse_day
from streamgenre.paths import expand
from streamgenre.report.data import collect
from streamgenre.report.theme import THEMES

if TYPE_CHECKING:
    import argparse

    from streamgenre.history.connection import Connection
    from streamgenre.report.data import DayData


def run(args: argparse.Namespace) -> int:
    """Draw a day of one station into a file."""
    out = expand(args.out)
    kind = out.suffix.lower()
    if kind not in (".html", ".png", ".pdf"):
        raise SettingsError(f"--out {args.out}: expected a name that ends in .html, .png or .pdf")
    data = _collect(args)
    theme = THEMES[args.theme]
    if kind == ".html":
        from streamgenre.report.html import page

        picture = page(data, theme).encode()
    else:
        from streamgenre.report.png_pdf import convert
        from streamgenre.report.svg_page import svg_page

        title = clean(f"{data.station} {data.day.isoformat()}")
        picture = convert(svg_page(data, theme), "pdf" if kind == ".pdf" else "png", title=title)
    with atomic(out) as file:
        file.write(picture)
    if not data.segments:
        print(
            f"streamgenre: nothing was recorded of {data.station!r} on {data.day.isoformat()}; "
            "the report says so",
            file=sys.stderr,
        )
    return 0


def _collect(args: argparse.Namespace) -> DayData:
    tz = zone(args.tz)
    day = parse_day(args.day, tz)
    path = history_path(args)
    try:
        with closing(open_to_read(path)) as connection:
            return collect(connection, _station(args.station, connection), day, tz)
    except DATABASE_ERRORS as error:
        raise reading_failed(path, error) from error


def _station(name: str | None, connection: Connection) -> str:
    if name is not None:
        return name
    known = list(query.stations(connection, None).values())
    if len(known) != 1:
        there = f"there are {', '.join(known[:20])}" if known else "the history has none"
        raise HistoryError(f"a report shows one station: choose it with --station S; {there}")
    return known[0]
