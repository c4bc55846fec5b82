"""What the templates of the history show: charts, legends and rows of tables."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup

from streamgenre.display.palette import STATE_GLYPHS, ink, letters
from streamgenre.display.text import clean, duration, percent
from streamgenre.history.shares import WEEKDAYS
from streamgenre.report import charts, ribbons
from streamgenre.report.data import Kind, missing
from streamgenre.report.theme import PAGE, kind_color

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from streamgenre.history.airplay_log import AirplayLine
    from streamgenre.history.shares import Share
    from streamgenre.history.time_zones import Span
    from streamgenre.report.data import DayData
    from streamgenre.report.svg import Drawing
    from streamgenre.web.clocks import Clock

    Say = Callable[..., str]
    Name = Callable[[Kind], str]

WIDE: Final = ribbons.WIDTH
NARROW: Final = 340.0
"""Width of charts on telephones in points: about one point a pixel."""
_SPELLINGS: Final = str.maketrans("", "", " -_&'")
MAX_ROWS: Final = 2000
"""Most rows of a table on a page; the exports have all."""


@dataclass(frozen=True, slots=True)
class Look:
    """Colour, letter and name of a genre or state."""

    name: str
    color: str
    ink: str
    letter: str
    key: str
    """Key of its name in the texts, if there is one."""


def name_key(kind: Kind) -> str:
    """Return the key of a kind's name in the texts, which models of their own may lack."""
    if kind.genre is None:
        return f"state.{kind.state}"
    return f"genre.{kind.genre.lower().translate(_SPELLINGS)}"


@lru_cache(maxsize=256)
def look(kind: Kind) -> Look:
    """Return how a kind looks, alone."""
    return looks([kind])[0]


def looks(kinds: Iterable[Kind]) -> list[Look]:
    """Return how kinds look, each with a letter of its own."""
    found = []
    kinds = list(kinds)
    signs = letters([kind.genre for kind in kinds if kind.genre is not None])
    for kind in kinds:
        colour = kind_color(kind)
        sign = signs[kind.genre] if kind.genre is not None else STATE_GLYPHS.get(kind.state, "")
        found.append(Look(clean(kind.name), colour, ink(colour), sign, name_key(kind)))
    return found


def both(draw: Callable[[float], Drawing]) -> Markup:
    """Return a chart for wide and for narrow screens; the style sheet shows one of them.

    Parameters
    ----------
    draw
        Takes the width in points and returns the chart.
    """
    drawn = ((name, draw(width).inline) for name, width in (("wide", WIDE), ("narrow", NARROW)))
    # All text in a drawing is escaped where it is made: see report/svg.py.
    return Markup("").join(Markup(f'<div class="{name}">{inline}</div>') for name, inline in drawn)


def day_charts(data: DayData) -> dict[str, Markup]:
    """Return the charts of a day by name."""
    found = {"overview": both(lambda width: ribbons.overview(data, PAGE, width))}
    if data.segments:
        found["hourly"] = both(lambda width: ribbons.hourly(data, PAGE, width))
    if data.kinds:
        found["hours"] = both(lambda width: charts.stacked_hours(data, PAGE, width))
        found["confidence"] = both(lambda width: charts.confidence(data, PAGE, width))
    if data.transitions:
        found["transitions"] = Markup(charts.matrix(data, PAGE).inline)
    return found


def zoom_chart(data: DayData, span: Span) -> Markup:
    """Return a part of a day.

    Parameters
    ----------
    data
        The day.
    span
        UNIX seconds.
    """
    return both(lambda width: ribbons.zoomed(data, span, PAGE, width))


def figures(data: DayData, say: Say, name: Name) -> list[tuple[str, str]]:
    """Return the day's key figures as pairs of name and value.

    Parameters
    ----------
    data
        The day.
    say
        Returns the text of a key.
    name
        Returns the name of a kind.
    """
    music = sum(s for kind, s in data.totals.items() if kind.genre is not None)
    lost = sum(gap.seconds for gap in data.gaps)
    dead = sum(air.end - air.start for air in data.dead_air)
    none = say("history.none")
    most = name(Kind("music", data.genres[0])) if data.genres else "–"
    return [
        (say("history.recorded"), duration(data.recorded_s)),
        (say("history.music"), duration(music)),
        (say("history.main_genre"), most),
        (say("history.titles"), str(len(data.titles))),
        (say("history.dead_air"), duration(dead) if data.dead_air else none),
        (say("history.gaps"), f"{len(data.gaps)} · {duration(lost)}" if data.gaps else none),
        *([(say("history.corrected"), str(data.corrected))] if data.corrected else []),
    ]


def hour_rows(data: DayData, clock: Clock, name: Name) -> list[dict[str, Any]]:
    """Return the hours as a table: the text of the charts.

    Parameters
    ----------
    data
        The day.
    clock
        The time zones.
    name
        Returns the name of a kind.
    """
    sums: defaultdict[int, list[float]] = defaultdict(list)
    for point in data.confidence:
        sums[int((point.time - data.span.start) // 3600)].append(point.mean)
    rows = []
    for number, hour in enumerate(data.hours):
        parts = sorted(hour.seconds.items(), key=lambda item: -item[1])
        total = sum(seconds for _, seconds in parts)
        shown = [f"{name(k)} {percent(s / total)}" for k, s in parts if s > 0][:5]
        means = sums.get(number)
        rows.append(
            {
                "start": hour.span.start,
                "end": hour.span.end,
                "label": clock.minute(hour.span.start),
                "recorded": duration(total) if total else "–",
                "parts": ", ".join(shown),
                "confidence": percent(sum(means) / len(means)) if means else "–",
            }
        )
    return rows


def share_rows(data: DayData) -> list[dict[str, Any]]:
    """Return the shares of a day, the largest first."""
    return [
        {
            "look": each,
            "share": percent(data.totals[kind] / data.recorded_s),
            "time": duration(data.totals[kind]),
        }
        for kind, each in zip(data.kinds, looks(data.kinds), strict=True)
    ]


def playlist_rows(lines: Sequence[AirplayLine]) -> list[dict[str, Any]]:
    """Return lines of a playlist as rows."""
    return [
        {
            "id": round(line.start * 1000),
            "start": line.start,
            "end": line.end,
            "artist": clean(line.artist),
            "title": clean(line.title),
            "look": look(Kind("music", line.genre)) if line.genre is not None else None,
            "confidence": percent(line.confidence) if line.confidence is not None else "",
        }
        for line in lines[:MAX_ROWS]
    ]


def loss_rows(data: DayData, say: Say) -> list[dict[str, Any]]:
    """Return dead air, gaps, missing and cut stretches of a day in order of time.

    Parameters
    ----------
    data
        The day.
    say
        Returns the text of a key.
    """
    found = [
        (a.start, a.end, "dead_air", say("history.open") if a.ending == "open" else "")
        for a in data.dead_air
    ]
    found += [
        (g.start, g.end, "gap", say("history.not_kept") if g.reason == "history" else g.reason)
        for g in data.gaps
    ]
    found += [(s.start, s.end, "missing", "") for s in missing(data)]
    found += [(s.end, s.end, "cut", say("history.cut")) for s in data.segments if s.ending == "cut"]
    return [
        {
            "start": start,
            "end": end,
            "lasted": duration(end - start),
            "what": say(f"history.loss_{what}"),
            "why": clean(why),
        }
        for start, end, what, why in sorted(found)[:MAX_ROWS]
    ]


def shares_chart(
    parts: Sequence[Share], by: str, say: Say, named: Name
) -> tuple[Markup, list[dict[str, Any]]]:
    """Return shares by part as a chart, and as rows of a table.

    Parameters
    ----------
    parts
        Shares, part by part.
    by
        ``hour``, ``weekday`` or ``month``.
    say
        Returns the text of a key.
    named
        Returns the name of a kind.

    Returns
    -------
    tuple
        The chart and the rows.
    """
    columns: dict[str, dict[Kind, float]] = {}
    totals: defaultdict[Kind, float] = defaultdict(float)
    for share in parts:
        kind = Kind(share.state, share.genre)
        columns.setdefault(share.part, {})[kind] = share.seconds
        totals[kind] += share.seconds
    kinds = sorted(totals, key=lambda k: (k.genre is None, -totals[k], k.name))

    def name(part: str, *, short: bool) -> str:
        if by == "weekday":
            full = say(f"history.weekday_{WEEKDAYS.index(part)}")
            return full[:2] if short else full
        if by == "month":
            full = say(f"history.month_{int(part[5:])}")
            return full[:3] if short else f"{full} {part[:4]}"
        return part if short else f"{part}:00"

    bars = [
        charts.Column(
            name(part, short=True), name(part, short=False), seconds, sum(seconds.values())
        )
        for part, seconds in columns.items()
    ]
    ticks = tuple((share / 100, f"{share} %") for share in (0, 25, 50, 75, 100))
    title = say(f"history.by_{by}")
    chart = both(lambda width: charts.stacked(bars, kinds, PAGE, ticks, title, width))
    rows = [
        {
            "part": name(part, short=False),
            "recorded": duration(sum(seconds.values())),
            "parts": ", ".join(
                f"{named(kind)} {percent(s / sum(seconds.values()))}"
                for kind, s in sorted(seconds.items(), key=lambda item: -item[1])[:6]
            ),
        }
        for part, seconds in columns.items()
    ]
    return chart, rows
