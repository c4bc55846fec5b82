"""Colours and styles of a report. The colours of the genres are the dashboard's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from streamgenre.display.palette import GOOD, color, ink

if TYPE_CHECKING:
    from streamgenre.report.data import Kind


@dataclass(frozen=True)
class Theme:
    """A background and the colours that are legible on it, as ``#RRGGBB``."""

    ground: str
    """Background."""
    ink: str
    """Text."""
    soft: str
    """Text of less weight: axes, notes, column headings."""
    line: str
    """Grid and axes."""
    edge: str
    """Edges of cells in genre colours, so that pale ones stand out."""
    empty: str
    """Where nothing was recorded."""
    bad: str
    """Dead air."""
    lost: str
    """Gaps."""
    good: str
    """Good values."""
    scale: tuple[str, str]
    """Cells of the transition matrix, from none to most."""

    def mixed(self, share: float) -> str:
        """Return the colour of a cell between none (0) and most (1)."""
        return between(*self.scale, share)

    def on_mixed(self, share: float) -> str:
        """Return the colour of text on such a cell."""
        return ink(self.mixed(share))


class PageTheme(Theme):
    """Colours by reference: a page chooses light or dark itself, see :func:`page_css`."""

    def mixed(self, share: float) -> str:
        """Return the colour of a cell between none (0) and most (1)."""
        return f"color-mix(in srgb, {self.scale[1]} {100 * share:.0f}%, {self.scale[0]})"

    def on_mixed(self, share: float) -> str:
        """Return the ink: it is legible on both ends of the scale."""
        return self.ink


DARK: Final = Theme(
    ground="#14171B",
    ink="#E6E9ED",
    soft="#9BA3AE",
    line="#30363D",
    edge="#14171B",
    empty="#1B1F24",
    bad="#F0665E",
    lost="#E5B83B",
    good=GOOD,
    scale=("#1B1F24", "#7FB2E5"),
)
LIGHT: Final = Theme(
    ground="#FFFFFF",
    ink="#1B1F24",
    soft="#5A626C",
    line="#D5DAE0",
    edge="#4A4F57",
    empty="#F6F7F9",
    bad="#C2312A",
    lost="#8A5F00",
    good="#1B7A57",
    scale=("#F6F7F9", "#2B6CB0"),
)
THEMES: Final = {"dark": DARK, "light": LIGHT}
_ON_PAGES: Final = {
    "dark": replace(DARK, scale=("#1B1F24", "#35618F")),
    "light": replace(LIGHT, scale=("#F6F7F9", "#8DB9E6")),
}
"""Scales on which text in the theme's ink is legible from end to end."""
_NAMES: Final = ("ground", "ink", "soft", "line", "edge", "empty", "bad", "lost", "good")
PAGE: Final = PageTheme(
    ground="var(--chart-ground)",
    ink="var(--chart-ink)",
    soft="var(--chart-soft)",
    line="var(--chart-line)",
    edge="var(--chart-edge)",
    empty="var(--chart-empty)",
    bad="var(--chart-bad)",
    lost="var(--chart-lost)",
    good="var(--chart-good)",
    scale=("var(--chart-none)", "var(--chart-most)"),
)
"""The theme of charts in pages."""


def page_css() -> str:
    """Return the style sheet of charts in pages: both themes, and the rules of the charts."""
    light, dark = (_variables(_ON_PAGES[name]) for name in ("light", "dark"))
    return (
        f":root{{{light}}}\n@media (prefers-color-scheme:dark)"
        f"{{:root:not([data-theme=light]){{{dark}}}}}\n:root[data-theme=dark]{{{dark}}}\n"
        + chart_css(PAGE)
    )


def _variables(theme: Theme) -> str:
    values = {name: getattr(theme, name) for name in _NAMES}
    values |= {"none": theme.scale[0], "most": theme.scale[1]}
    return "".join(f"--chart-{name}:{value};" for name, value in values.items())


def kind_color(kind: Kind) -> str:
    """Return the dashboard's colour of a state or genre."""
    return color(kind.state, kind.genre)


def between(low: str, high: str, share: float) -> str:
    """Return a colour between two others.

    Parameters
    ----------
    low, high
        Colours as ``#RRGGBB``.
    share
        0 gives ``low``, 1 gives ``high``.

    Returns
    -------
    str
        The colour as ``#RRGGBB``.
    """
    parts = (
        round(int(low[i : i + 2], 16) * (1 - share) + int(high[i : i + 2], 16) * share)
        for i in (1, 3, 5)
    )
    return "#" + "".join(f"{part:02X}" for part in parts)


def chart_css(theme: Theme) -> str:
    """Return the style rules that the charts need, in a page and on a sheet alike."""
    return f"""
text{{font-size:11px}}.axis{{fill:{theme.soft}}}
.letter{{font-size:11px;font-weight:600;text-anchor:middle}}
.song{{font-size:9.5px;fill:{theme.ink}}}.artist{{font-size:9.5px;fill:{theme.soft}}}
.end{{text-anchor:end}}.middle,.count{{text-anchor:middle}}
"""


def pattern_defs(theme: Theme) -> str:
    """Return the hatch patterns ``empty`` (not recorded) and ``lost`` (gaps) as SVG ``defs``."""
    stripes = (
        '<pattern id="{name}" width="6" height="6" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><rect width="6" height="6" fill="{ground}"/>'
        '<rect width="{width}" height="6" fill="{stripe}"/></pattern>'
    )
    empty = stripes.format(name="empty", ground=theme.empty, width=1.2, stripe=theme.line)
    lost = stripes.format(name="lost", ground=theme.ground, width=3, stripe=theme.lost)
    return f"<defs>{empty}{lost}</defs>"
