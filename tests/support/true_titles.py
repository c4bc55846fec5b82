"""True titles of radio stations in many languages, and the charsets in which they are sent."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Final

from streamgenre.sources.charsets import TextDecoder

_FILE: Final = Path(__file__).parents[1] / "data" / "titles.toml"
_ALL: Final = tomllib.loads(_FILE.read_text("utf-8"))
TITLES: Final[dict[str, list[str]]] = _ALL["first"]
"""Titles by language, with which the rules were written."""
MEASURED: Final[dict[str, list[str]]] = _ALL["measured"]
"""Titles by language that nobody looked at while the rules were written."""
CHARSETS: Final[dict[str, tuple[str, ...]]] = {
    "Russian": ("cp1251", "koi8-r", "iso-8859-5"),
    "Ukrainian": ("cp1251", "koi8-u"),
    "Bulgarian": ("cp1251",),
    "Greek": ("cp1253", "iso-8859-7"),
    "Turkish": ("cp1254", "iso-8859-9"),
    "Polish": ("cp1250", "iso-8859-2"),
    "Czech": ("cp1250", "iso-8859-2"),
    "Hungarian": ("cp1250", "iso-8859-2"),
    "Croatian": ("cp1250", "iso-8859-2"),
    "Romanian": ("cp1250", "iso-8859-2"),
    "German": ("cp1252", "iso-8859-1"),
    "French": ("cp1252", "iso-8859-15"),
    "Spanish": ("cp1252", "iso-8859-1"),
    "Portuguese": ("cp1252", "iso-8859-1"),
    "Swedish": ("cp1252", "iso-8859-1"),
    "Danish": ("cp1252", "iso-8859-1"),
    "Lithuanian": ("cp1257",),
    "Hebrew": ("cp1255", "iso-8859-8"),
    "Arabic": ("cp1256", "iso-8859-6"),
    "Thai": ("tis-620",),
    "Japanese": ("shift_jis", "euc_jp"),
    "Korean": ("euc-kr",),
    "Chinese (simplified)": ("gbk",),
    "Chinese (traditional)": ("big5",),
}
"""Charsets in which stations send the titles of a language."""


def sent(titles: list[str], charset: str) -> list[tuple[str, bytes]]:
    """Return those titles that are not ASCII and that a charset can express, with their bytes."""
    pairs = []
    for title in titles:
        try:
            pairs.append((title, title.encode(charset)))
        except UnicodeEncodeError:
            continue
    return [(title, data) for title, data in pairs if not title.isascii()]


def alone(titles: list[str], charset: str) -> tuple[int, int]:
    """Return how many titles are recognised as a station's first title, and of how many."""
    pairs = sent(titles, charset)
    return sum(TextDecoder().decode(data) == title for title, data in pairs), len(pairs)


def after_three(titles: list[str], charset: str) -> tuple[int, int]:
    """Return how many titles are recognised after three others, and of how many."""
    pairs = sent(titles, charset)
    right = 0
    for number, (title, data) in enumerate(pairs):
        decoder = TextDecoder()
        for other in range(number + 1, number + 4):
            decoder.decode(pairs[other % len(pairs)][1])
        right += decoder.decode(data) == title
    return right, len(pairs)
