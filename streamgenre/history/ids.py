"""Row ids of names that the file stores once."""

from __future__ import annotations

import json
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streamgenre.history.connection import Connection


def fold(text: str) -> str:
    """Return text as it is searched: without case and diacritics (``Beyoncé`` is ``beyonce``)."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(c for c in apart if not unicodedata.combining(c)).split())


class RowIds:
    """Row ids of stations, kinds and label sets; new names are inserted.

    Ids are cached: discard the object when the transaction that inserted them is rolled back.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stations: dict[str, int] = {}
        self._kinds: dict[tuple[str, str], int] = {}
        self._labels: dict[tuple[str, ...], int] = {}

    def track(self, artist: str, title: str) -> int:
        """Return the id of a title; not cached, because retention deletes unused ones.

        Parameters
        ----------
        artist
            Artist; empty if unknown.
        title
            Title.
        """
        known = (artist, title)
        self._connection.execute(
            "INSERT INTO tracks (artist, title, folded) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (*known, fold(f"{artist} {title}")),
        )
        found = self._connection.execute(
            "SELECT id FROM tracks WHERE artist = ? AND title = ?", known
        ).fetchone()
        return int(found[0])

    def _id(self, insert: str, select: str, values: tuple[object, ...]) -> int:
        self._connection.execute(insert, values)
        return int(self._connection.execute(select, values).fetchone()[0])

    def station(self, name: str) -> int:
        """Return the id of a station."""
        if name not in self._stations:
            self._stations[name] = self._id(
                "INSERT INTO stations (name) VALUES (?) ON CONFLICT DO NOTHING",
                "SELECT id FROM stations WHERE name = ?",
                (name,),
            )
        return self._stations[name]

    def kind(self, state: str, genre: str | None) -> int:
        """Return the id of a state and genre.

        Parameters
        ----------
        state
            State, such as ``music``.
        genre
            Genre; None if the state has none.
        """
        key = (state, genre or "")
        if key not in self._kinds:
            self._kinds[key] = self._id(
                "INSERT INTO kinds (state, genre) VALUES (?, ?) ON CONFLICT DO NOTHING",
                "SELECT id FROM kinds WHERE state = ? AND genre = ?",
                key,
            )
        return self._kinds[key]

    def label_set(self, labels: tuple[str, ...]) -> int:
        """Return the id of a model's labels, in the model's order."""
        if labels not in self._labels:
            self._labels[labels] = self._id(
                "INSERT INTO labels (names) VALUES (?) ON CONFLICT DO NOTHING",
                "SELECT id FROM labels WHERE names = ?",
                (json.dumps(labels, ensure_ascii=False),),
            )
        return self._labels[labels]
