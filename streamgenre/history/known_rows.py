"""What is known of rows that may still change, so that no flush asks the history for it again."""

from __future__ import annotations

from typing import Final, Generic, TypeVar

_MOST_KNOWN: Final = 50_000
"""Most rows of one type that are remembered."""
_Row = TypeVar("_Row")
_Value = TypeVar("_Value")


class KnownRows(Generic[_Row, _Value]):
    """A value for each row, by the row's identity; a bounded number of them."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[_Row, _Value]] = {}

    def get(self, row: _Row) -> _Value | None:
        """Return what is known of a row; None if nothing is."""
        known = self._known.get(id(row))
        return known[1] if known is not None and known[0] is row else None

    def note(self, row: _Row, value: _Value) -> _Value:
        """Remember a value, and return it.

        Parameters
        ----------
        row
            The row.
        value
            What is known of it.
        """
        if len(self._known) > _MOST_KNOWN:
            self._known.clear()
        self._known[id(row)] = (row, value)
        return value

    def forget(self, row: _Row) -> None:
        """Forget what is known of a row, which does not change any more."""
        self._known.pop(id(row), None)
