"""Titles from stations and tags: untrusted text, cleaned before it is shown."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Final

MAX_TITLE: Final = 500
"""Longest title in characters."""


@dataclass(frozen=True, slots=True)
class Title:
    """The title of what is playing."""

    raw: str
    """The whole title, without control characters."""
    artist: str | None
    """The part before `` - ``, or the tag ``artist``; None if there is none."""
    title: str | None
    """The part after it, else the whole text; None for an empty title."""


def split_title(text: str) -> Title:
    """Return a title split into artist and title at the first `` - ``."""
    raw = clean(text)
    artist, dash, title = raw.partition(" - ")
    if dash and artist.strip() and title.strip():
        return Title(raw, artist.strip(), title.strip())
    return Title(raw, None, raw or None)


def join_title(artist: str, title: str) -> Title | None:
    """Return the title of two tags, or None; without an artist, the title is split.

    Parameters
    ----------
    artist
        The tag ``artist``; empty if there is none.
    title
        The tag ``title``.

    Returns
    -------
    Title or None
        None if there is no title.
    """
    artist, title = clean(artist), clean(title)
    if not title or not artist:
        return split_title(title) if title else None
    return Title(f"{artist} - {title}"[:MAX_TITLE], artist, title)


def clean(text: str, longest: int = MAX_TITLE) -> str:
    """Return a text as one line of at most ``longest`` characters.

    Control and format characters (terminal escapes, text direction) become spaces.

    Parameters
    ----------
    text
        Untrusted text.
    longest
        Most characters; the rest is cut off.
    """
    text = text[: 4 * longest]
    shown = ("\ufffd" if unicodedata.category(c) == "Cs" else c for c in text)
    kept = (" " if unicodedata.category(c).startswith("C") else c for c in shown)
    return " ".join("".join(kept).split())[:longest].strip()
