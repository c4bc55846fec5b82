"""What a label may be."""

from __future__ import annotations

from streamgenre.errors import ModelError
from streamgenre.inference.genre_names import check_genre


def genre_problem(name: str) -> str:
    """Return why a text cannot name a genre of a model; "" if it can."""
    try:
        return "" if check_genre(name) == name else f"{name!r}: not in Unicode form NFC"
    except ModelError as error:
        return str(error)
