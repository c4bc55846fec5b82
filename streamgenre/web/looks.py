"""Colours, letters and signs of the pages: those of the terminal dashboard and the report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streamgenre.display import palette
from streamgenre.report.theme import DARK, LIGHT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamgenre.report.theme import Theme

MAX_LABELS: Final = 1000
"""Most labels of one model."""


def genre_looks(labels: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return colour, letter, and the legible text colour on it (``ink``), by genre.

    Parameters
    ----------
    labels
        Genres in the order of their model, which decides the letters.

    Returns
    -------
    dict[str, dict[str, str]]
        For each label ``color`` and ``ink`` as ``#RRGGBB``, and ``letter``.
    """
    labels = list(labels)[:MAX_LABELS]
    return {
        label: _look(palette.genre_color(label), letter)
        for label, letter in palette.letters(labels).items()
    }


def state_looks() -> dict[str, dict[str, str]]:
    """Return the same for each state other than music."""
    return {
        state: _look(color, palette.STATE_GLYPHS[state])
        for state, color in palette.STATE_COLORS.items()
    }


def signs() -> dict[str, dict[str, str]]:
    """Return ``sign`` and ``tone`` (such as ``good`` or ``bad``) by state of a station."""
    tones = {palette.GOOD: "good", palette.WARN: "lost", palette.BAD: "bad"}
    return {
        word: {"sign": sign, "tone": tones.get(color, "soft")}
        for word, (sign, color) in palette.SOURCE_SIGNS.items()
    }


def theme_css() -> str:
    """Return the style sheet with the colours of both themes and of the ten genres."""
    light, dark = (
        _variables(LIGHT, page=LIGHT.empty, card=LIGHT.ground),
        _variables(DARK, page=DARK.ground, card=DARK.empty),
    )
    rules = [
        f":root{{color-scheme:light;{light}}}",
        f"@media(prefers-color-scheme:dark){{:root:not([data-theme=light]){{color-scheme:dark;{dark}}}}}",
        f":root[data-theme=dark]{{color-scheme:dark;{dark}}}",
    ]
    for genre, look in genre_looks(palette.GENRE_COLORS).items():
        rules.append(f'[data-genre="{genre}"]{{--genre:{look["color"]};--on:{look["ink"]}}}')
    for state, look in state_looks().items():
        rules.append(f'[data-state="{state}"]{{--genre:{look["color"]};--on:{look["ink"]}}}')
    return "\n".join(rules) + "\n"


def _look(color: str, letter: str) -> dict[str, str]:
    return {"color": color, "ink": palette.ink(color), "letter": letter}


def _variables(theme: Theme, *, page: str, card: str) -> str:
    colors = {
        "page": page,
        "card": card,
        "ground": theme.ground,
        "ink": theme.ink,
        "soft": theme.soft,
        "line": theme.line,
        "edge": theme.edge,
        "bad": theme.bad,
        "lost": theme.lost,
        "good": theme.good,
        "rail": theme.line,
        "level": theme.scale[1],
    }
    return "".join(f"--{name}:{color};" for name, color in colors.items())
