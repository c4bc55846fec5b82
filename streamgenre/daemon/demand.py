"""Which stations somebody looks at closely, so that only these publish their spectrum."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class SpectrumDemand:
    """Joins what the subscribers of the bus and the daemon's own dashboard want.

    Parameters
    ----------
    watch
        Takes the beginnings of the names of all stations that are wanted, whenever they change;
        called in any thread.
    """

    def __init__(self, watch: Callable[[frozenset[str]], None]) -> None:
        self._watch = watch
        self._wanted: dict[str, frozenset[str]] = {}
        self._lock = threading.Lock()

    def want(self, viewer: str, names: frozenset[str]) -> None:
        """Set what one viewer wants.

        Parameters
        ----------
        viewer
            Who looks, such as ``bus``.
        names
            Beginnings of the names of stations; "" stands for all, an empty set for none.
        """
        with self._lock:
            self._wanted[viewer] = names
            self._watch(frozenset().union(*self._wanted.values()))
