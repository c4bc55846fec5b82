"""The inventory of a corpus as an SVG picture: counts, lengths, and what is wrong with it."""

from __future__ import annotations

from collections import Counter
from statistics import median
from typing import TYPE_CHECKING, Final

from streamgenre.display.text import clean
from streamgenre.report import svg
from streamgenre.report.theme import LIGHT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from train.corpora.inventory import Item, Listing

WIDTH: Final = 980.0
_ROW: Final = 30.0
_TOP: Final = 104.0
_LEFT: Final = 150.0
_BARS: Final = 290.0
_LENGTHS: Final = (_LEFT + _BARS + 140, 170.0)
"""Left edge and width of the panel of lengths."""
_COLUMNS: Final = {"copies": 810.0, "clipped": 875.0, "silent": 935.0}
_FONTS: Final = "Arial,'Liberation Sans','Noto Sans','DejaVu Sans',sans-serif"
_SHADES: Final = {"most of one artist": 0.9, "other artists": 0.5, "artist unknown": 0.15}
_LONGEST: Final = 145
"""Most characters of a line that fit."""
_NAMED: Final = 8
"""Lines below the chart."""


def inspect_svg(listing: Listing) -> str:
    """Return the picture: a row per genre, and the first problems in words below.

    Parameters
    ----------
    listing
        The corpus, file by file.
    """
    theme = LIGHT
    genres = {
        genre: [item for item in listing.items if item.genre == genre]
        for genre in listing.corpus.labels
    }
    most = max(map(len, genres.values()))
    longest = max((item.seconds for item in listing.items), default=1.0) or 1.0
    problems = _problems(listing)
    bottom = _TOP + _ROW * len(genres)
    height = bottom + 40 + 18 * len(problems)
    parts = [
        svg.element("style", f"text{{font-family:{_FONTS};font-size:12px}}"),
        svg.box(0, 0, WIDTH, height, fill=theme.ground),
        svg.label(_title(listing), 16, 30, style="font-size:16px;font-weight:600"),
        *_legend(),
        svg.label(
            f"lengths, median; up to {_time(longest)}", _LENGTHS[0], _TOP - 14,
            fill=theme.soft,
        ),
        *(
            svg.label(name, x, _TOP - 14, text_anchor="end", fill=theme.soft)
            for name, x in _COLUMNS.items()
        ),
    ]  # fmt: skip
    copied = Counter(
        genre for copy in listing.copies for genre in {_genre(listing, copy.first)}
    ) + Counter(genre for copy in listing.copies for genre in {_genre(listing, copy.second)})
    for row, (genre, items) in enumerate(genres.items()):
        y = _TOP + row * _ROW
        parts.append(svg.label(clean(genre)[:22], _LEFT - 10, y + 18, text_anchor="end"))
        parts += _bar(items, y, _BARS / most)
        parts += _lengths(items, y, _LENGTHS[1] / longest)
        numbers = (
            copied[genre],
            sum(item.is_clipped for item in items),
            sum(item.is_silent for item in items),
        )
        for x, number in zip(_COLUMNS.values(), numbers, strict=True):
            ink = theme.bad if number else theme.soft
            parts.append(svg.label(str(number), x, y + 18, text_anchor="end", fill=ink))
    for row, problem in enumerate(problems):
        parts.append(svg.label(problem, 16, bottom + 30 + 18 * row, fill=theme.bad))
    return svg.element(
        "svg", "".join(parts), xmlns="http://www.w3.org/2000/svg", width=WIDTH, height=height,
        viewBox=f"0 0 {WIDTH:g} {height:g}", fill=theme.ink, role="img",
        aria_label=_title(listing),
    )  # fmt: skip


def shared_artists(items: Iterable[Item]) -> dict[str, list[str]]:
    """Return the artists that are in several genres, with those genres."""
    genres: dict[str, set[str]] = {}
    names: dict[str, str] = {}
    for item in items:
        if item.artist:
            names.setdefault(item.artist.casefold(), item.artist)
            genres.setdefault(item.artist.casefold(), set()).add(item.genre)
    return {names[key]: sorted(of) for key, of in sorted(genres.items()) if len(of) > 1}


def _title(listing: Listing) -> str:
    minutes = sum(item.seconds for item in listing.items) / 60
    return (
        f"{len(listing.items)} clips of {len(listing.corpus.labels)} genres, {minutes:.0f} minutes"
    )


def _legend() -> list[str]:
    parts, x = [], _LEFT
    for name, shade in _SHADES.items():
        parts.append(svg.box(x, 50, 12, 12, fill=LIGHT.mixed(shade), stroke=LIGHT.edge))
        parts.append(svg.label(name, x + 18, 60, fill=LIGHT.soft))
        x += 30 + 7 * len(name)
    return parts


def _bar(items: list[Item], y: float, scale: float) -> list[str]:
    """Return the clips of a genre: of its commonest artist, of others, of unknown ones."""
    artists = Counter(item.artist.casefold() for item in items if item.artist)
    lone = max(artists.values(), default=0)
    counts = (lone, artists.total() - lone, len(items) - artists.total())
    parts, x = [], _LEFT
    for count, (name, shade) in zip(counts, _SHADES.items(), strict=True):
        if count:
            parts.append(
                svg.box(
                    x, y + 5, count * scale, _ROW - 10, f"{name}: {count}",
                    fill=LIGHT.mixed(shade), stroke=LIGHT.edge, stroke_width=0.5,
                )
            )  # fmt: skip
        x += count * scale
    known = f"{len(artists)} artist{'s' * (len(artists) != 1)}" if artists else "no artists known"
    parts.append(svg.label(f"{len(items)}, {known}", x + 6, y + 18))
    return parts


def _lengths(items: list[Item], y: float, scale: float) -> list[str]:
    if not items:
        return []
    left, middle = _LENGTHS[0], y + _ROW / 2
    seconds = [item.seconds for item in items]
    low, mid, high = (left + scale * each for each in (min(seconds), median(seconds), max(seconds)))
    return [
        svg.line(low, middle, high, middle, stroke=LIGHT.edge, stroke_width=2),
        *(svg.line(x, middle - 5, x, middle + 5, stroke=LIGHT.edge) for x in (low, high)),
        svg.element("circle", cx=mid, cy=middle, r=4, fill=LIGHT.scale[1]),
    ]


def _problems(listing: Listing) -> list[str]:
    """Return the first problems, in words."""
    found = [f"cannot be read: {message}" for message in listing.unreadable]
    found += [f"the same recording: {copy.first} and {copy.second}" for copy in listing.copies]
    found += [
        f"an artist in several genres: {artist} ({', '.join(genres)})"
        for artist, genres in shared_artists(listing.items).items()
    ]
    found += list(listing.corpus.faults)
    found += [
        f"clipped: {item.clip} ({100 * item.clipped:.1f} % of the samples)"
        for item in listing.items
        if item.is_clipped and item.clipped is not None
    ]
    found += [f"silent: {item.clip}" for item in listing.items if item.is_silent]
    shown = [_shortened(clean(text)) for text in found[:_NAMED]]
    return [*shown, f"and {len(found) - _NAMED} more"] if len(found) > _NAMED else shown


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _genre(listing: Listing, clip: str) -> str:
    return next((item.genre for item in listing.items if item.clip == clip), "")


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
