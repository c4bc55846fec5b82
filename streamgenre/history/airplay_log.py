"""The log that a radio monitor files: what was played when, and what genre it was."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from streamgenre.history.records import SegmentRecord, TitleRecord

SHORTEST_S: Final = 10.0
"""Music without a title that is shorter is no line of its own."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the log."""

    station: str
    start: float
    """UNIX seconds."""
    end: float
    """UNIX seconds."""
    artist: str
    title: str
    genre: str | None
    """The genre that held longest within it; None where none was decided on."""
    confidence: float | None
    """Mean of that genre's probability while it held, 0 to 1."""


def playlist(titles: Iterable[TitleRecord], segments: Iterable[SegmentRecord]) -> list[Line]:
    """Merge titles with the genres that were heard meanwhile.

    Each title is a line; music that was heard without one is a line for each genre, with empty
    artist and title, from ten seconds on.

    Parameters
    ----------
    titles, segments
        Of any number of stations, in order of their start.

    Returns
    -------
    lines
        In order of their start.
    """
    music: defaultdict[str, list[SegmentRecord]] = defaultdict(list)
    for segment in segments:
        if segment.genre is not None:
            music[segment.station].append(segment)
    covered: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    lines = []
    at: defaultdict[str, int] = defaultdict(int)
    for title in titles:
        if title.end <= title.start:
            continue
        heard = music[title.station]
        # Segments before this title are before all that follow.
        while at[title.station] < len(heard) and heard[at[title.station]].end <= title.start:
            at[title.station] += 1
        genre, confidence = _longest(heard, at[title.station], title.start, title.end)
        covered[title.station].append((title.start, title.end))
        lines.append(
            Line(
                *(title.station, title.start, title.end, title.artist, title.title),
                *(genre, confidence),
            )
        )
    for station, heard in music.items():
        lines += _untitled(heard, covered[station])
    return sorted(lines, key=lambda line: (line.start, line.station))


def _longest(
    heard: list[SegmentRecord], first: int, start: float, end: float
) -> tuple[str | None, float | None]:
    seconds: defaultdict[str, float] = defaultdict(float)
    weighted: defaultdict[str, float] = defaultdict(float)
    for segment in heard[first:]:
        if segment.start >= end:
            break
        part = min(end, segment.end) - max(start, segment.start)
        if part > 0 and segment.genre is not None:
            seconds[segment.genre] += part
            weighted[segment.genre] += part * (segment.confidence or 0.0)
    if not seconds:
        return None, None
    genre = max(seconds, key=lambda name: (seconds[name], name))
    return genre, round(weighted[genre] / seconds[genre], 4)


def _untitled(heard: list[SegmentRecord], covered: list[tuple[float, float]]) -> Iterator[Line]:
    first = 0
    for segment in heard:
        at = segment.start
        while first < len(covered) and covered[first][1] <= segment.start:
            first += 1
        stretches = []
        for start, end in covered[first:]:
            if start >= segment.end:
                break
            stretches.append((at, start))
            at = max(at, end)
        stretches.append((at, segment.end))
        for start, end in stretches:
            if end - start >= SHORTEST_S:
                yield Line(
                    *(segment.station, start, end, "", ""),
                    *(segment.genre, segment.confidence),
                )


def clipped(lines: Iterable[Line], start: float, end: float) -> Iterator[Line]:
    """Yield the lines cut to a span of UNIX seconds."""
    for line in lines:
        first, last = max(start, line.start), min(end, line.end)
        if first < last:
            yield Line(
                line.station, first, last, line.artist, line.title, line.genre, line.confidence
            )
