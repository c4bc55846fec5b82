"""Applies typed keys to the view."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from streamgenre.dashboard.view import DashboardView

HINT: Final = "↓↑ one station, s its spectrum, Esc all, Space the next page"
_KEYS: Final = re.compile(rb"\x1b(?:\[[0-9;]*[A-Za-z~]|O[A-Z])?|.", re.DOTALL)
_NEXT: Final = (b"\x1b[B", b"\x1bOB", b"\t", b"j")
_BACK: Final = (b"\x1b[A", b"\x1bOA", b"\x1b[Z", b"k")
_ALL: Final = (b"\x1b", b"0")
_SPECTRUM: Final = b"s"
_PAGE: Final = (b" ", b"\x1b[6~")


def apply_keys(view: DashboardView, typed: bytes) -> bool:
    """Apply typed keys.

    Parameters
    ----------
    view
        The view, whose selection and page change, and whether it shows a spectrum.
    typed
        Bytes from the terminal.

    Returns
    -------
    bool
        Whether any key was recognised.
    """
    known = False
    for key in _KEYS.findall(typed):
        if key in _NEXT or key in _BACK:
            # The table comes between the last station and the first.
            ring = [None, *(station.name for station in view.in_order())]
            at = ring.index(view.selected) if view.selected in ring else 0
            view.selected = ring[(at + (1 if key in _NEXT else -1)) % len(ring)]
        elif key in _ALL:
            view.selected, view.page = None, 0
        elif key in _PAGE:
            view.page += 1
        elif key == _SPECTRUM:
            view.spectrum = not view.spectrum
        else:
            continue
        known = True
    return known
