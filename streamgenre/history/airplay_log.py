"""The airplay log: which title was played when, and its genre."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from streamgenre.history.records import SegmentRecord, TitleRecord

SHORTEST_S: Final = 10.0
"""Untitled music that is shorter gets no line."""


@dataclass(frozen=True, slots=True)
class AirplayLine:
    """One line of the airplay log."""

    station: str
    start: float
    """UNIX seconds."""
    end: float
    """UNIX seconds."""
    artist: str
    title: str
    genre: str | None
    """The genre that lasted longest within the line; None if none was decided."""
    confidence: float | None
    """Mean probability of that genre while it lasted, 0 to 1."""


def airplay_log(
    titles: Iterable[TitleRecord], segments: Iterable[SegmentRecord]
) -> list[AirplayLine]:
    """Merge titles with the genres decided while they played.

    Each title is a line. Music without a title is a line for each segment of at least ten seconds,
    with empty artist and title.

    Parameters
    ----------
    titles, segments
        Records of any number of stations, in order of their start.

    Returns
    -------
    list of AirplayLine
        Lines in order of their start.
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
        # A segment that ends before this title ends before all later ones.
        while at[title.station] < len(heard) and heard[at[title.station]].end <= title.start:
            at[title.station] += 1
        genre, confidence = _longest(heard, at[title.station], title.start, title.end)
        covered[title.station].append((title.start, title.end))
        lines.append(
            AirplayLine(
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


def _untitled(
    heard: list[SegmentRecord], covered: list[tuple[float, float]]
) -> Iterator[AirplayLine]:
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
                yield AirplayLine(
                    *(segment.station, start, end, "", ""),
                    *(segment.genre, segment.confidence),
                )


def clip(lines: Iterable[AirplayLine], start: float, end: float) -> Iterator[AirplayLine]:
    """Yield the lines that overlap a span, cut to it.

    Parameters
    ----------
    lines
        Lines in any order.
    start, end
        UNIX seconds.

    Yields
    ------
    AirplayLine
        Copies with start and end inside the span.
    """
    for line in lines:
        first, last = max(start, line.start), min(end, line.end)
        if first < last:
            yield AirplayLine(
                line.station, first, last, line.artist, line.title, line.genre, line.confidence
            )
