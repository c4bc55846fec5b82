"""The words and figures at the head of a report, the same in every format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamgenre.display.text import duration
from streamgenre.history.time_zones import local

if TYPE_CHECKING:
    from streamgenre.report.data import DayData


def heading(data: DayData) -> str:
    """Return the day in words and its time zone: ``Wednesday, 01 July 2026 · UTC``."""
    name = str(data.tz) if data.tz is not None else local(data.span.start, None).tzname()
    return f"{data.day.strftime('%A, %d %B %Y')} · {name or ''}"


def figures(data: DayData) -> tuple[tuple[str, str], ...]:
    """Return the day's key figures as pairs of name and value."""
    music = sum(s for kind, s in data.totals.items() if kind.genre is not None)
    lost = sum(gap.seconds for gap in data.gaps)
    dead = sum(air.end - air.start for air in data.dead_air)
    return (
        ("recorded", duration(data.recorded_s)),
        ("music", duration(music)),
        ("most frequent", data.genres[0] if data.genres else "–"),
        ("titles", str(len(data.titles))),
        ("dead air", duration(dead) if data.dead_air else "none"),
        ("gaps", f"{len(data.gaps)}, {duration(lost)}" if data.gaps else "none"),
        *([("corrected", f"{data.corrected} segments")] if data.corrected else []),
    )


def confidence_note(data: DayData) -> str:
    """Return what the chart of the confidence shows."""
    if data.detailed:
        return "Mean of each minute, and the range of the middle 80 % of its updates."
    return "Mean of each segment; the probabilities of every second are no longer kept."
