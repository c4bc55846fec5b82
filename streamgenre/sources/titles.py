"""What is said to be playing: hostile text from stations and tags, made fit to be shown."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Final

MAX_TITLE: Final = 500
"""Characters after which a title is cut."""


@dataclass(frozen=True, slots=True)
class Title:
    """What a station says is playing now."""

    raw: str
    """The whole title, without control characters."""
    artist: str | None
    """What stands before `` - ``, or the tag of that name; None where there is none."""
    title: str | None
    """What stands behind it, else the whole; None for an empty title."""


def split_title(text: str) -> Title:
    """Return a title split into artist and title at the first `` - ``."""
    raw = clean(text)
    artist, dash, title = raw.partition(" - ")
    if dash and artist.strip() and title.strip():
        return Title(raw, artist.strip(), title.strip())
    return Title(raw, None, raw or None)


def join_title(artist: str, title: str) -> Title | None:
    """Return the title that two tags make, split where the artist stands in it; None for none."""
    artist, title = clean(artist), clean(title)
    if not title or not artist:
        return split_title(title) if title else None
    return Title(f"{artist} - {title}"[:MAX_TITLE], artist, title)


def clean(text: str, longest: int = MAX_TITLE) -> str:
    """Return a text in one line of at most so many characters.

    Control and format characters (terminal escapes, text direction) become blanks.
    """
    text = text[: 4 * longest]
    shown = ("\ufffd" if unicodedata.category(c) == "Cs" else c for c in text)
    kept = (" " if unicodedata.category(c).startswith("C") else c for c in shown)
    return " ".join("".join(kept).split())[:longest].strip()
