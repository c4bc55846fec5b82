"""Colours and letters of genres and states: plain hex strings, for terminals and reports alike.

The ten colours of the GTZAN genres were optimised: starting from a colour that suits each genre,
the smallest distance between any two (CIE 1976 ΔE) was maximised for normal sight and for simulated
protanopia, deuteranopia and tritanopia together, within a range of lightness and chroma that is
legible on a dark background. It is above 23 in all four. Without colour, letters distinguish the
genres.
"""

from __future__ import annotations

import colorsys
import hashlib
import string
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

GENRE_COLORS: Final[dict[str, str]] = {
    "blues": "#5681F5",
    "classical": "#A8E7E7",
    "country": "#796802",
    "disco": "#A43DA1",
    "hiphop": "#EEE372",
    "jazz": "#D5911A",
    "metal": "#808590",
    "pop": "#C2BCFF",
    "reggae": "#3CFAAE",
    "rock": "#EB6A63",
}
"""Colour of each GTZAN genre."""

GENRE_LETTERS: Final[dict[str, str]] = {
    "blues": "B",
    "classical": "C",
    "country": "Y",
    "disco": "D",
    "hiphop": "H",
    "jazz": "J",
    "metal": "M",
    "pop": "P",
    "reggae": "G",
    "rock": "R",
}
"""Letter of each GTZAN genre."""

STATE_COLORS: Final[dict[str, str]] = {
    "silence": "#4A4F57",
    "unknown": "#6B7079",
    "noise": "#5A5347",
    "speech": "#E9EDF2",
}
"""Colour of each state other than music."""

STATE_TEXT: Final = "#9BA3AE"
"""Colour of text that names a state; cells of states are darker."""

STATE_GLYPHS: Final[dict[str, str]] = {"silence": ".", "noise": "~", "unknown": "?", "speech": "s"}
"""Sign of each state other than music; never used as the letter of a genre."""

GOOD: Final = "#3FB68B"
"""Colour of good values."""
WARN: Final = "#E5B83B"
"""Colour of warnings."""
BAD: Final = "#F0665E"
"""Colour of errors. A word or a sign always says the same."""

SOURCE_SIGNS: Final[dict[str, tuple[str, str]]] = {
    "live": ("●", GOOD),
    "dead air": ("!", WARN),
    "no update": ("○", BAD),
    "connecting": ("◌", WARN),
    "lost": ("▲", BAD),
    "ended": ("■", STATE_COLORS["unknown"]),
    "no word yet": ("◌", STATE_TEXT),
}
"""Sign and colour of the state of a station in one word. All but ``dead air``, ``no update`` and
``no word yet`` are states of the source."""

CIVIDIS: Final = (
    *("#00224E", "#123570", "#3B496C", "#575D6D", "#707173"),
    *("#8A8678", "#A59C74", "#C3B369", "#E1CC55", "#FEE838"),
)
"""Ten points of the colour map cividis (Nuñez, Anderton and Renslow, PLOS ONE 2018), which looks
alike to people with and without colour blindness, and rises evenly in lightness."""

_SPELLINGS: Final = str.maketrans("", "", " -_&'")
_POOL: Final = string.ascii_uppercase + string.ascii_lowercase + string.digits
_TAKEN_BY_STATES: Final = frozenset(STATE_GLYPHS.values())


def _known(label: str) -> str:
    """Return a label in the spelling of GTZAN (``Hip-Hop`` is ``hiphop``)."""
    return label.casefold().translate(_SPELLINGS)


@lru_cache(maxsize=256)
def genre_color(label: str) -> str:
    """Return the colour of a genre as ``#RRGGBB``; the same label always has the same colour.

    Labels outside GTZAN get one of 96 colours by a hash of their name.
    """
    known = GENRE_COLORS.get(_known(label))
    if known is not None:
        return known
    digest = hashlib.blake2b(label.encode("utf-8", "replace"), digest_size=2).digest()
    hue = digest[0] % 32 / 32
    lightness = (0.48, 0.62, 0.76)[digest[1] % 3]
    channels = colorsys.hls_to_rgb(hue, lightness, 0.62)
    return "#" + "".join(f"{round(channel * 255):02X}" for channel in channels)


def color(state: str, genre: str | None) -> str:
    """Return the colour of a decision: of the genre, or of the state if there is none.

    Parameters
    ----------
    state
        State of the decision, such as ``music`` or ``silence``.
    genre
        Its genre; None if it has none.

    Returns
    -------
    str
        ``#RRGGBB``; an unknown state has the colour of ``unknown``.
    """
    if genre is not None:
        return genre_color(genre)
    return STATE_COLORS.get(state, STATE_COLORS["unknown"])


def text_color(genre: str | None) -> str:
    """Return the text colour of a decision: the genre's, or the common one of all states."""
    return STATE_TEXT if genre is None else genre_color(genre)


def heat_colors(count: int) -> list[str]:
    """Return colours from dark to bright, at even distances in :data:`CIVIDIS`.

    Parameters
    ----------
    count
        Number of colours, at least 2.
    """
    found = []
    for number in range(count):
        low, share = divmod(number * (len(CIVIDIS) - 1), count - 1)
        pair = CIVIDIS[low], CIVIDIS[min(low + 1, len(CIVIDIS) - 1)]
        parts = [[int(each[i : i + 2], 16) for i in (1, 3, 5)] for each in pair]
        mixed = (a + (b - a) * share / (count - 1) for a, b in zip(*parts, strict=True))
        found.append("#" + "".join(f"{round(channel):02X}" for channel in mixed))
    return found


def letters(labels: Iterable[str]) -> dict[str, str]:
    """Return one letter for each label; up to 62 labels get different ones.

    GTZAN genres have fixed letters. Other labels, in the given order, take the first free letter of
    their name, else the first free one of the alphabet. Pass the labels in the model's order to get
    the same letters each time.
    """
    labels = list(labels)
    found: dict[str, str] = {}
    taken = set(_TAKEN_BY_STATES)
    for label in labels:
        letter = GENRE_LETTERS.get(_known(label))
        if letter is not None and letter not in taken:
            found[label] = letter
            taken.add(letter)
    for label in labels:
        if label not in found:
            wanted = label.upper() + label.lower() + _POOL
            found[label] = next((c for c in wanted if c in _POOL and c not in taken), "#")
            taken.add(found[label])
    return {label: found[label] for label in labels}


def ink(background: str) -> str:
    """Return black or white, whichever has more contrast to a colour ``#RRGGBB``."""
    red, green, blue = (int(background[i : i + 2], 16) / 255 for i in (1, 3, 5))
    luminance = 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2
    # The two contrasts (WCAG) are equal at a luminance of 0.18.
    return "#000000" if luminance > 0.18 else "#FFFFFF"
