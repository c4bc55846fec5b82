"""The flags of ``history`` and ``report``, and the flags of ``listen`` about the history."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_TIMES: Final = (
    'times: "2h ago", "yesterday 18:00", "monday", "last friday 6pm", "2026-07-01 18:00",\n'
    '"18:00" (today), "now", ISO 8601 with or without an offset, @UNIX-seconds. A date\n'
    "alone means its midnight; --day selects a whole day. Default: the last 24 hours."
)
_EXAMPLES: Final = (
    "examples:\n"
    "  streamgenre history now\n"
    "  streamgenre history segments --station kitchen --day yesterday\n"
    '  streamgenre history shares --by weekday --since "30 days ago"\n'
    "  streamgenre history search beyonce\n"
    "  PGPASSFILE=/etc/streamgenre/pgpass streamgenre history now "
    "--history postgresql://radio@db/radio\n"
    "  streamgenre history playlist --day yesterday --format csv --out log.csv\n"
    "  streamgenre history export --what titles --format parquet --out titles.parquet\n"
)


def add_listen_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of ``listen`` about whether, where and how long the history is kept."""
    group = parser.add_argument_group("history")
    choice = group.add_mutually_exclusive_group()
    choice.add_argument(
        "--history",
        metavar="PATH",
        help="keep the history of all inputs in this SQLite file, or in a PostgreSQL database: "
        "postgresql://USER@HOST/DATABASE, with the password in ~/.pgpass or $PGPASSWORD (default: "
        "that of live inputs in history.sqlite3 in $STATE_DIRECTORY, else in "
        "$XDG_STATE_HOME/streamgenre, by default ~/.local/state/streamgenre; files and the demo "
        "are not kept)",
    )
    choice.add_argument("--no-history", action="store_true", help="keep no history")
    group.add_argument(
        "--history-days",
        type=float,
        metavar="DAYS",
        help="keep segments, titles, gaps and shares for this long (default: 731)",
    )
    group.add_argument(
        "--history-detail-days",
        type=float,
        metavar="DAYS",
        help="keep the probabilities of every second for this long; 0 for not at all (default: 30)",
    )
    group.add_argument(
        "--history-mb",
        type=float,
        metavar="MB",
        help="beyond this size of the file delete the oldest rows early, detail first "
        "(default: 4000)",
    )


def add_commands(commands: Any, command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add ``history`` with its listings, and ``report``.

    Parameters
    ----------
    commands
        The commands of the main parser.
    command
        Adds the parser of one command.
    """
    _history(commands, command)
    _report(commands, command)


def _history(commands: Any, command: Callable[..., argparse.ArgumentParser]) -> None:
    parser = command(
        commands,
        "history",
        "query the recorded history",
        description="Query the history that `streamgenre listen` keeps, while it runs or later.",
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
        sub.add_argument("--json", action="store_true", help="print a JSON array, one row per line")
        sub.add_argument("--limit", type=int, metavar="N", help="print at most N rows")
        return sub

    table("now", "what each station is playing", span=False)
    table("segments", "stretches of one genre or state")
    table("titles", "titles that the stations announced")
    shares = table("shares", "share of the time that each genre had")
    shares.add_argument(
        "--by",
        choices=("all", "hour", "day", "weekday", "month"),
        default="all",
        help="one total (the default), or by hour of the day, by day, by weekday, or by month",
    )
    search = table(
        "search", "titles and artists that contain a text, in the whole history, newest first"
    )
    search.add_argument("text", metavar="TEXT", help="words to look for; case does not matter")
    _correct(listings)
    table("gaps", "audio that was lost, and events that the history could not keep")
    table("dead-air", "stretches of dead air")
    table("sources", "when a source became live, was lost or ended")
    playlist = listing("playlist", "titles with their genres, as an airplay log")
    playlist.add_argument("--json", action="store_true", help="the same as --format json")
    playlist.add_argument(
        "--format",
        choices=("text", "csv", "json", "cue"),
        help="format to print (default: text, or csv with --out)",
    )
    _out(playlist)
    export = listing("export", "rows for other programs")
    export.add_argument("--json", action="store_true", help="the same as --format json")
    export.add_argument(
        "--format", choices=("csv", "json", "parquet"), help="format to write (default: csv)"
    )
    export.add_argument(
        "--what",
        choices=("segments", "titles", "gaps", "dead-air", "sources", "shares", "detail"),
        default="segments",
        help="rows to export (default: segments); detail is the probabilities of every second",
    )
    export.add_argument(
        "--by",
        choices=("all", "hour", "day", "weekday", "month"),
        default="day",
        help="how shares are divided (default: day)",
    )
    _out(export)


def _correct(listings: Any) -> None:
    parser = listings.add_parser(
        "correct",
        help="say what a segment really was",
        description=(
            "Correct the genre of the segment that a station played at a time, also while a\n"
            "daemon writes. Listings, shares, reports and pages then count it as this genre; the\n"
            "model's answer stays, and --undo brings it back. Clips of it that `label` asks about\n"
            "get the label too."
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=(
            "examples:\n"
            '  streamgenre history correct --station jazz --at "today 18:04" blues\n'
            '  streamgenre history correct --station jazz --at "today 18:04" --undo\n\n'
            f"{_TIMES}"
        ),
    )
    _common(parser)
    parser.add_argument(
        "--at", required=True, metavar="TIME", help="a time within the segment, such as 18:04"
    )
    parser.add_argument("genre", nargs="?", metavar="GENRE", help="what it was")
    parser.add_argument("--new", action="store_true", help="allow a genre that is not known yet")
    parser.add_argument("--undo", action="store_true", help="remove the correction")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _report(commands: Any, command: Callable[..., argparse.ArgumentParser]) -> None:
    parser = command(
        commands,
        "report",
        "draw one station's day as HTML, PNG or PDF",
        description="Draw a day: genres, titles, shares, transitions, confidence and missing data.",
        epilog=(
            "examples:\n"
            "  streamgenre report --station kitchen --day yesterday --out report.html\n"
            "  streamgenre report --day 2026-07-01 --out day.pdf --theme light\n\n"
            "The HTML file is self-contained and needs no network. PNG and PDF need typst:\n"
            "pip install 'streamgenre[report]'"
        ),
    )
    _history_path(parser)
    parser.add_argument(
        "--station", metavar="S", help="station; may be omitted if there is only one"
    )
    parser.add_argument(
        "--day",
        default="today",
        metavar="D",
        help="day such as today, yesterday, monday or 2026-07-01 (default: today)",
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
        "--history",
        metavar="PATH",
        help="the SQLite file, or postgresql://USER@HOST/DATABASE (default: where `listen` keeps "
        "it)",
    )


def _tz(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tz", metavar="ZONE", help="time zone such as Europe/Berlin (default: this machine's)"
    )


def _common(parser: argparse.ArgumentParser) -> None:
    _history_path(parser)
    parser.add_argument(
        "--station", action="append", metavar="S", help="only this station; may be repeated"
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
        "--out", metavar="FILE", help="file to write, complete or not at all (default: stdout)"
    )
    parser.add_argument(
        "--bom", action="store_true", help="CSV that Excel reads as UTF-8: with a byte order mark"
    )
