"""Records as lines of text, printed without collecting them first."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any, Final

from streamgenre.display.text import clean, duration, percent
from streamgenre.history.airplay_log import AirplayLine
from streamgenre.history.records import (
    DeadAirRecord,
    GapRecord,
    NowRecord,
    SegmentRecord,
    SourceRecord,
    TitleRecord,
)
from streamgenre.history.shares import Share
from streamgenre.history.time_zones import local

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from streamgenre.history.time_zones import Zone

Cells = tuple[str, ...]
_SONG: Final = 80
"""Most characters of a title shown; ``--json`` and CSV have all."""
_WIDTHS: Final[dict[type[Any], tuple[tuple[str, int], ...]]] = {
    SegmentRecord: (
        *(("station", 16), ("start", 19), ("end", 8), ("lasted", 12), ("genre", 12)),
        *(("prob.", 5), ("", 0)),
    ),
    TitleRecord: (("station", 16), ("start", 19), ("end", 8), ("title", 0)),
    GapRecord: (("station", 16), ("start", 19), ("end", 8), ("length", 12), ("reason", 0)),
    DeadAirRecord: (("station", 16), ("start", 19), ("end", 8), ("lasted", 12), ("", 0)),
    SourceRecord: (("station", 16), ("time", 19), ("state", 10), ("input", 0)),
    NowRecord: (
        *(("station", 16), ("", 4), ("genre", 12), ("prob.", 5), ("since", 19), ("title", 0)),
    ),
    Share: (("part", 10), ("genre", 12), ("share", 6), ("time", 0)),
    AirplayLine: (
        *(("station", 16), ("start", 19), ("end", 8), ("genre", 12), ("prob.", 5), ("title", 0)),
    ),
}


def print_rows(rows: Iterable[Any], kind: type[Any], tz: Zone, out: IO[str]) -> int:
    """Print records under a heading; print nothing if there are none.

    Parameters
    ----------
    rows
        Records of one type.
    kind
        Their type.
    tz
        Time zone of the times.
    out
        Text file.

    Returns
    -------
    int
        The number of records.
    """
    columns = _WIDTHS[kind]
    number = 0
    cells_of = _CELLS[kind]
    for number, row in enumerate(rows, start=1):
        if number == 1:
            out.write(_line(columns, tuple(name for name, _ in columns)))
        out.write(_line(columns, cells_of(row, tz)))
    return number


def _line(columns: tuple[tuple[str, int], ...], cells: Cells) -> str:
    parts = (cell.ljust(width) for (_, width), cell in zip(columns, cells, strict=True))
    return "  ".join(parts).rstrip() + "\n"


def _moment(unix: float, tz: Zone) -> str:
    return local(unix, tz).strftime("%Y-%m-%d %H:%M:%S")


def _clock(unix: float, tz: Zone) -> str:
    return local(unix, tz).strftime("%H:%M:%S")


def _what(state: str, genre: str | None) -> str:
    return clean(state if genre is None else genre)


def _probability(value: float | None) -> str:
    return "" if value is None else percent(value)


def _ending(ending: str) -> str:
    return {"open": "not over yet", "cut": "cut: the daemon did not shut down cleanly"}.get(
        ending, ""
    )


def _song(artist: str | None, title: str | None) -> str:
    song = clean(" – ".join(part for part in (artist, title) if part))
    return song if len(song) <= _SONG else song[: _SONG - 1].rstrip() + "…"


def _segment(row: SegmentRecord, tz: Zone) -> Cells:
    return (
        *(clean(row.station), _moment(row.start, tz), _clock(row.end, tz)),
        *(duration(row.end - row.start), _what(row.state, row.genre)),
        *(_probability(row.confidence), _remark(row)),
    )


def _remark(row: SegmentRecord) -> str:
    if row.corrected_from is None:
        return _ending(row.ending)
    return f"corrected, was {clean(row.corrected_from)}"


def _title(row: TitleRecord, tz: Zone) -> Cells:
    song = _song(row.artist, row.title)
    return clean(row.station), _moment(row.start, tz), _clock(row.end, tz), song


def _gap(row: GapRecord, tz: Zone) -> Cells:
    length = duration(row.seconds) if row.seconds >= 10 else f"{row.seconds:.3f} s"
    times = _moment(row.start, tz), _clock(row.end, tz)
    reason = "not kept by the history" if row.reason == "history" else clean(row.reason)
    return clean(row.station), *times, length, reason


def _dead_air(row: DeadAirRecord, tz: Zone) -> Cells:
    return (
        *(clean(row.station), _moment(row.start, tz), _clock(row.end, tz)),
        *(duration(row.end - row.start), _ending(row.ending)),
    )


def _source(row: SourceRecord, tz: Zone) -> Cells:
    text = clean(f"{row.input}: {row.detail}" if row.detail else row.input)
    return clean(row.station), _moment(row.time, tz), clean(row.state), text


def _now(row: NowRecord, tz: Zone) -> Cells:
    song = _song(row.artist, row.title)
    if row.dead_air:
        song = f"dead air  {song}".strip()
    if not row.live:
        song = f"not listening; last heard {_moment(row.heard, tz)}"
    return (
        *(clean(row.station), "live" if row.live else "off", _what(row.state, row.genre)),
        *(_probability(row.confidence), _moment(row.since, tz), song),
    )


def _share(row: Share, _tz: Zone) -> Cells:
    return row.part, _what(row.state, row.genre), f"{100 * row.share:.1f} %", duration(row.seconds)


def _playlist_line(row: AirplayLine, tz: Zone) -> Cells:
    return (
        *(clean(row.station), _moment(row.start, tz), _clock(row.end, tz), clean(row.genre or "")),
        *(_probability(row.confidence), _song(row.artist, row.title)),
    )


_CELLS: Final[dict[type[Any], Callable[[Any, Zone], Cells]]] = {
    SegmentRecord: _segment,
    TitleRecord: _title,
    GapRecord: _gap,
    DeadAirRecord: _dead_air,
    SourceRecord: _source,
    NowRecord: _now,
    Share: _share,
    AirplayLine: _playlist_line,
}
