"""What runs the stations of a daemon: its own process, or workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from streamgenre.config import StationSettings
    from streamgenre.engine.settings import EngineSettings


class Host(Protocol):
    """Runs the stations of a daemon.

    :class:`~streamgenre.worker.unit.Unit` does it in this process, and
    :class:`~streamgenre.supervisor.supervisor.Supervisor` by workers.
    """

    def prepare(self, stations: Iterable[StationSettings]) -> object:
        """Check, and where it is of use load, the models of stations to be added.

        Raises
        ------
        ModelError
            If one cannot be used.
        """

    def add(self, settings: StationSettings, *, open_at_once: bool = False) -> str:
        """Add a station before :meth:`run`; return its name.

        Parameters
        ----------
        settings
            Its settings.
        open_at_once
            Whether an input that cannot be opened is an error now.

        Raises
        ------
        StreamgenreError
            If the model or the input cannot be used.
        """

    def replace(self, name: str, settings: StationSettings) -> None:
        """Start a station after the end of one with its name, if there is one; see :meth:`call`."""

    def remove(self, name: str) -> None:
        """Stop a station and forget it; see :meth:`call`."""

    def run(self, stopping: Callable[[], bool]) -> None:
        """Listen until every station has ended or ``stopping()`` is true, then end them all.

        Raises
        ------
        StreamgenreError
            If every station ended with an error.
        """

    def call(self, function: Callable[[], None]) -> None:
        """Have a function called in the thread of :meth:`run`; return at once."""

    @property
    def lossless(self) -> bool:
        """Whether no station plays in real time."""

    @property
    def failed(self) -> Collection[str]:
        """Names of the stations that an error has ended; any thread may ask."""

    @property
    def stuck(self) -> Collection[str]:
        """Names of the stations whose source hangs too often to be opened again."""

    def watch_spectrum(self, names: frozenset[str]) -> None:
        """Choose the stations that publish their spectrum; any thread may call this.

        Parameters
        ----------
        names
            Beginnings of their names; an empty one stands for all stations, an empty set for none.
        """

    def resize(self, settings: EngineSettings, stations: int) -> bool:
        """Follow a changed number of workers; return False if that needs a restart.

        Parameters
        ----------
        settings
            The engine's settings, of which only the number of workers counts.
        stations
            Number of stations.
        """

    def is_live(self, name: str) -> bool:
        """Whether the audio of a station cannot be heard a second time."""

    def describe(self) -> dict[str, Any]:
        """Return the state of the stations as a JSON object; see :meth:`call`."""

    def reset(self, station: str) -> None:
        """Reset model and decision of a station; see :meth:`call`.

        Raises
        ------
        ControlError
            If the station does not exist.
        """

    def use_model(self, name: str, station: str | None = None) -> None:
        """Switch stations to another model; not in the thread of :meth:`run`.

        Parameters
        ----------
        name
            Name of the model.
        station
            Name of the station; None for all.

        Raises
        ------
        StreamgenreError
            If the station does not exist, or the model cannot be used; then nothing has changed.
        """
