"""The flags of ``history`` and ``report``, and those of ``listen`` that concern them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_TIMES: Final = (
    'times: "2h ago", "yesterday 18:00", "monday", "last friday 6pm", "2026-07-01 18:00",\n'
    '"18:00" (today), "now", ISO 8601 with or without an offset, @UNIX-seconds. A day alone is\n'
    "its midnight; --day names a whole day. Without any, the last 24 hours."
)
_EXAMPLES: Final = (
    "examples:\n"
    "  streamgenre history now\n"
    "  streamgenre history segments --station kitchen --day yesterday\n"
    '  streamgenre history shares --by weekday --since "30 days ago"\n'
    "  streamgenre history search beyonce\n"
    "  streamgenre history playlist --day yesterday --format csv --out log.csv\n"
    "  streamgenre history export --what titles --format parquet --out titles.parquet\n"
)


def add_listen_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of ``listen`` that say whether and where the history is kept."""
    group = parser.add_argument_group("history")
    choice = group.add_mutually_exclusive_group()
    choice.add_argument(
        "--history",
        metavar="PATH",
        help="keep the history in this SQLite file (default: for a device or a pipe, "
        "history.sqlite3 in $STATE_DIRECTORY or in streamgenre/ under $XDG_STATE_HOME, which is "
        "~/.local/state; for files and the demo, none)",
    )
    choice.add_argument("--no-history", action="store_true", help="keep no history")
    group.add_argument(
        "--history-days",
        type=float,
        metavar="DAYS",
        help="keep segments, titles, gaps and shares for so long (default: 731)",
    )
    group.add_argument(
        "--history-detail-days",
        type=float,
        metavar="DAYS",
        help="keep the probabilities of every second for so long, 0 for not at all (default: 30)",
    )
    group.add_argument(
        "--history-mb",
        type=float,
        metavar="MB",
        help="beyond this size the oldest is given up early, detail first (default: 4000)",
    )


def add_commands(commands: Any, command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add ``history`` with its own sub-commands, and ``report``."""
    _history(commands, command)
    _report(commands, command)


def _history(commands: Any, command: Callable[..., argparse.ArgumentParser]) -> None:
    parser = command(
        commands,
        "history",
        "ask what was on",
        description="Ask the history that `streamgenre listen` keeps, while it runs or later.",
        epilog=f"{_EXAMPLES}\n{_TIMES}",
    )
    listings = parser.add_subparsers(dest="listing", required=True, metavar="LISTING")

    def listing(name: str, summary: str, *, span: bool = True) -> argparse.ArgumentParser:
        sub: argparse.ArgumentParser = listings.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            epilog=_TIMES if span else None,
        )
        _common(sub)
        if span:
            _span(sub)
        return sub

    def table(name: str, summary: str, *, span: bool = True) -> argparse.ArgumentParser:
        sub = listing(name, summary, span=span)
        sub.add_argument("--json", action="store_true", help="print a JSON array, a row a line")
        sub.add_argument("--limit", type=int, metavar="N", help="end after N rows")
        return sub

    table("now", "what is on at each station", span=False)
    table("segments", "stretches of one genre or state")
    table("titles", "what the stations announced")
    shares = table("shares", "how much of the time belongs to each genre")
    shares.add_argument(
        "--by",
        choices=("all", "hour", "day", "weekday"),
        default="all",
        help="one sum (the default), by hour of the day, by day, or by weekday",
    )
    search = table("search", "titles and artists that contain a text, newest first, of all times")
    search.add_argument("text", metavar="TEXT", help="words to look for; case does not matter")
    table("gaps", "samples that were lost, and what the history could not keep")
    table("dead-air", "stretches in which a station sent nothing")
    table("sources", "when a source came, was lost or ended")
    playlist = listing("playlist", "titles with their genres, as a log to file")
    playlist.add_argument("--json", action="store_true", help="the same as --format json")
    playlist.add_argument(
        "--format", choices=("text", "csv", "json", "cue"), help="default: text, with --out csv"
    )
    _out(playlist)
    export = listing("export", "rows for other programs")
    export.add_argument("--json", action="store_true", help="the same as --format json")
    export.add_argument("--format", choices=("csv", "json", "parquet"), help="default: csv")
    export.add_argument(
        "--what",
        choices=("segments", "titles", "gaps", "dead-air", "sources", "shares", "detail"),
        default="segments",
        help="which rows (default: segments); detail is the probabilities of every second",
    )
    export.add_argument(
        "--by",
        choices=("all", "hour", "day", "weekday"),
        default="day",
        help="parts of the shares (default: day)",
    )
    _out(export)


def _report(commands: Any, command: Callable[..., argparse.ArgumentParser]) -> None:
    parser = command(
        commands,
        "report",
        "draw a day of one station",
        description="Draw a day: genres, titles, shares, transitions, confidence, what is missing.",
        epilog=(
            "examples:\n"
            "  streamgenre report --station kitchen --day yesterday --out report.html\n"
            "  streamgenre report --day 2026-07-01 --out day.pdf --theme light\n\n"
            "The HTML file needs nothing else and no network. PNG and PDF need typst:\n"
            "pip install '.[report]'"
        ),
    )
    _history_path(parser)
    parser.add_argument("--station", metavar="S", help="station; may be left out if there is one")
    parser.add_argument(
        "--day", default="today", metavar="D", help="today, yesterday, monday, 2026-07-01"
    )
    _tz(parser)
    parser.add_argument(
        "--out", required=True, metavar="FILE", help="file to write: .html, .png or .pdf"
    )
    parser.add_argument(
        "--theme",
        choices=("dark", "light"),
        default="dark",
        help="dark like the dashboard, or light for printing (default: dark)",
    )


def _history_path(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--history", metavar="PATH", help="the SQLite file (default: where `listen` keeps it)"
    )


def _tz(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tz", metavar="ZONE", help="time zone, as Europe/Berlin (default: this machine's)"
    )


def _common(parser: argparse.ArgumentParser) -> None:
    _history_path(parser)
    parser.add_argument(
        "--station", action="append", metavar="S", help="only this station; may be given again"
    )
    _tz(parser)
    parser.add_argument(
        "--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS
    )


def _span(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--since", metavar="TIME", help="from this time on")
    parser.add_argument("--until", metavar="TIME", help="up to this time (default: now)")
    parser.add_argument("--day", metavar="D", help="one whole day, from midnight to midnight")


def _out(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", metavar="FILE", help="file to write, whole or not at all (default: stdout)"
    )
