"""What may be the name of a genre in a model that a person taught."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Final

from streamgenre.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_GENRE: Final = 64
"""Most characters in the name of a genre."""
STATES: Final = frozenset({"music", "speech", "noise", "silence", "unknown"})
"""Names of states, which no genre may have: both stand side by side in charts and tables."""


def check_genre(name: str) -> str:
    """Return the name of a genre in Unicode's form NFC.

    Raises
    ------
    ModelError
        If it cannot be the name of a genre.
    """
    name = unicodedata.normalize("NFC", name)
    shown = name if len(name) <= MAX_GENRE else f"{name[:MAX_GENRE]}…"
    problem = ""
    if not 1 <= len(name) <= MAX_GENRE:
        problem = f"expected 1 to {MAX_GENRE} characters, found {len(name)}"
    elif "/" in name or "\\" in name:
        problem = "a name contains no slash"
    elif not name.isprintable() or name != name.strip():
        problem = "expected printable characters without spaces at the ends"
    elif name in (".", ".."):
        problem = "this stands for a folder"
    elif name.casefold() in STATES:
        problem = "this is the name of a state; call the genre otherwise, such as 'noise rock'"
    if problem:
        raise ModelError(f"genre {shown!r}: {problem}")
    return name


def check_genres(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of a model's genres in Unicode's form NFC.

    Raises
    ------
    ModelError
        If one cannot be a name, two are the same but for upper and lower case, or there are fewer
        than two.
    """
    found: dict[str, str] = {}
    for name in map(check_genre, names):
        other = found.setdefault(name.casefold(), name)
        if other is not name:
            raise ModelError(
                f"genres {other!r} and {name!r}: expected two different names, or the same for both"
            )
    if len(found) < 2:
        raise ModelError(f"{len(found)} genre: a model tells at least two apart")
    return tuple(found.values())
