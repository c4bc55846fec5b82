"""The dashboard as an SVG picture, drawn from recorded events."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.terminal_theme import TerminalTheme

from streamgenre.dashboard.canvas import Row, Screenful
from streamgenre.dashboard.render import render
from streamgenre.dashboard.view import DashboardView

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from streamgenre.events import AnyEvent

_ANSI: Final = [(40, 44, 52), (240, 102, 94), (63, 182, 139), (229, 184, 59)] + [(97, 150, 245)] * 4
_WORDS: Final = re.compile(r" +|[^ ]+(?: [^ ]+)*")

THEME: Final = TerminalTheme((20, 22, 27), (214, 219, 226), _ANSI, _ANSI)
"""Background, foreground and the numbered colours, which the dashboard does not use."""


def export_svg(
    view: DashboardView,
    path: str | os.PathLike[str],
    *,
    width: int = 100,
    height: int = 30,
    now: float,
    title: str = "streamgenre",
) -> None:
    """Write the screen of a view as SVG.

    Parameters
    ----------
    view
        What the events so far have shown.
    path
        File to write; an existing one is overwritten.
    width
        Cells in a row.
    height
        Rows.
    now
        Seconds on the clock whose times :meth:`DashboardView.apply` was given.
    title
        Title of the window in the picture.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    console = Console(
        file=io.StringIO(), record=True, width=width, height=height, force_terminal=True,
        color_system="truecolor", legacy_windows=False, _environ={},
    )  # fmt: skip
    shown = render(view, width=width, height=height, now=now, color=True)
    rows = tuple(_apart(row) for row in shown.rows)
    console.print(Screenful(rows, width, height), end="")
    svg = console.export_svg(title=title, theme=THEME)
    Path(path).write_text(svg, encoding="utf-8")


def _apart(row: Row) -> Row:
    """Return a row with words and blanks as separate parts.

    Each part gets its own position in the SVG: some viewers drop leading blanks, and text drifts
    when the font that it was measured for is missing.
    """
    return Row(
        [(part, style) for text, style in row.parts for part in _WORDS.findall(text)], row.width
    )


def save_picture(
    events: Iterable[AnyEvent],
    path: str | os.PathLike[str],
    width: int = 100,
    height: int = 30,
) -> None:
    """Write what the dashboard shows after some events as SVG.

    Parameters
    ----------
    events
        Events in the order in which they were published.
    path
        File to write; an existing one is overwritten.
    width
        Cells in a row.
    height
        Rows.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    view = DashboardView()
    for event in events:
        view.apply(event)
    now = max((station.arrival for station in view.stations.values()), default=0.0)
    export_svg(view, path, width=width, height=height, now=now)
