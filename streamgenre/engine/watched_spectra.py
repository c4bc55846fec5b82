"""Which stations make their spectrum: those that somebody looks at."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamgenre.engine.faults import Faults
    from streamgenre.engine.runner import StationRunner


class WatchedSpectra:
    """Starts and stops the spectra of stations.

    Parameters
    ----------
    faults
        Confines an error to its station.
    """

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._watched: frozenset[str] = frozenset()
        self._shown = self._watched  # the same, as the stations have it

    def watch(self, names: frozenset[str]) -> None:
        """Choose stations by the beginnings of their names; any thread may call this."""
        self._watched = names

    def follow(self, runners: Iterable[StationRunner]) -> None:
        """Start and stop the spectra of stations where the choice has changed."""
        if self._watched is not self._shown:
            self._shown = self._watched
            for runner in runners:
                self.show(runner)

    def show(self, runner: StationRunner) -> None:
        """Start or stop the spectrum of one station."""
        shown = any(map(runner.name.startswith, self._shown))
        with self._faults.confined(f"the spectrum of {runner.name}"):
            runner.station.analysis.show_spectrum(shown)
