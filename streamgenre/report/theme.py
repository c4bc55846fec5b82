"""Colours of a report apart from those of the genres, which are the dashboard's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from streamgenre.display.palette import color

if TYPE_CHECKING:
    from streamgenre.report.data import Kind


@dataclass(frozen=True, slots=True)
class Theme:
    """A ground and what is legible on it, as ``#RRGGBB``."""

    ground: str
    panel: str
    """Ground of a chart."""
    ink: str
    soft: str
    """Words that are not the matter itself."""
    line: str
    """Grid and axes."""
    edge: str
    """Around cells of the genres' colours, so that pale ones stand out."""
    empty: str
    """Where nothing was recorded."""
    bad: str
    """Dead air."""
    lost: str
    """Gaps."""
    scale: tuple[str, str]
    """Cells of the matrix from none to most."""


DARK: Final = Theme(
    ground="#14171B",
    panel="#1B1F24",
    ink="#E6E9ED",
    soft="#9BA3AE",
    line="#30363D",
    edge="#14171B",
    empty="#1B1F24",
    bad="#F0665E",
    lost="#E5B83B",
    scale=("#1B1F24", "#7FB2E5"),
)
LIGHT: Final = Theme(
    ground="#FFFFFF",
    panel="#F6F7F9",
    ink="#1B1F24",
    soft="#5A626C",
    line="#D5DAE0",
    edge="#4A4F57",
    empty="#F6F7F9",
    bad="#C2312A",
    lost="#9A6B00",
    scale=("#F6F7F9", "#2B6CB0"),
)
THEMES: Final = {"dark": DARK, "light": LIGHT}


def kind_color(kind: Kind) -> str:
    """Return the colour of what was on, the same as in the dashboard."""
    return color(kind.state, kind.genre)


def between(low: str, high: str, share: float) -> str:
    """Return the colour that lies so far between two."""
    parts = (
        round(int(low[i : i + 2], 16) * (1 - share) + int(high[i : i + 2], 16) * share)
        for i in (1, 3, 5)
    )
    return "#" + "".join(f"{part:02X}" for part in parts)
