"""The event bus as a sink, with the control socket beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streamgenre.bus.auth import Authenticator
from streamgenre.bus.control import ControlSocket
from streamgenre.bus.endpoints import check_endpoint, needs_keys
from streamgenre.bus.keys import SECRET, default_folder
from streamgenre.bus.publisher import Publisher
from streamgenre.bus.stats import BusStats
from streamgenre.daemon.requests import EngineRequests
from streamgenre.daemon.sinks import Sink
from streamgenre.logger import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from streamgenre.clips.settings import ClipSettings
    from streamgenre.config import BusSettings
    from streamgenre.events import AnyEvent
    from streamgenre.events.encoded import Encoded
    from streamgenre.supervisor.host import Host

_log = get_logger(__name__)


class BusSink(Sink):
    """Publishes events and takes requests, as the settings say.

    Parameters
    ----------
    settings
        Endpoints, keys and file mode.
    host
        What runs the stations, and carries out requests about them.
    reconfigure
        Reads the configuration again for the request ``reload`` and returns what has changed; may
        take its time. None if there is no configuration to read.
    on_demand
        Called in the bus's thread with the beginnings of the names of the stations whose spectrum
        clients have subscribed to.
    clips
        Whether clips are kept, for the request ``status``; None to leave that out.
    """

    takes_spectra = True

    def __init__(
        self,
        settings: BusSettings,
        host: Host,
        reconfigure: Callable[[], dict[str, Any]] | None = None,
        on_demand: Callable[[frozenset[str]], None] = lambda names: None,
        clips: ClipSettings | None = None,
    ) -> None:
        self._settings = settings
        self._on_demand = on_demand
        self._requests = EngineRequests(
            host, self._reload_keys, reconfigure, lambda: self.stats, clips
        )
        self._publisher: Publisher | None = None
        self._keyed = False

    def start(self) -> None:
        """Bind the sockets.

        Raises
        ------
        BusError
            If an endpoint is malformed, in use, or would be open to other machines without keys.
        KeysError
            If the keys cannot be used.
        """
        settings = self._settings
        mode = int(settings.ipc_mode, 8)
        control = ControlSocket(settings.control, self._requests) if settings.control else None
        self._publisher = Publisher(
            settings.publish,
            auth=self._authenticator(),
            ipc_mode=mode,
            control=control,
            on_demand=self._on_demand,
        )
        if settings.publish.endswith(":*"):
            _log.info("publishing on %s", self._publisher.endpoint)

    def take(self, event: AnyEvent) -> None:
        """Publish an event; never waits."""
        assert self._publisher is not None
        self._publisher.send(event)

    def take_encoded(self, encoded: Encoded) -> None:
        """Publish an event as it was encoded; never waits."""
        assert self._publisher is not None
        self._publisher.send_encoded(*encoded.parts())

    def forget(self, station: str) -> None:
        """Stop sending a station's last events to late subscribers."""
        assert self._publisher is not None
        self._publisher.remove_station(station)

    def stop(self) -> None:
        """Close the sockets; events on their way get half a second."""
        if self._publisher is not None:
            self._publisher.close()

    @property
    def stats(self) -> BusStats:
        """Figures of the bus, at most a second old."""
        return BusStats() if self._publisher is None else self._publisher.stats

    @property
    def endpoint(self) -> str:
        """The endpoint that was bound."""
        assert self._publisher is not None
        return self._publisher.endpoint

    @property
    def keys_folder(self) -> Path | None:
        """Folder of the daemon's keys; None if it uses none."""
        return (self._settings.keys or default_folder()) if self._keyed else None

    def _authenticator(self) -> Authenticator | None:
        """Return what lets clients in by their keys; None if everyone on this machine may read."""
        settings = self._settings
        folder = settings.keys or default_folder()
        endpoints = [settings.publish, *([settings.control] if settings.control else [])]
        exposed = [endpoint for endpoint in endpoints if needs_keys(endpoint)]
        if exposed and not (folder / SECRET).exists():
            check_endpoint(exposed[0])  # raises: says which keys are missing
        self._keyed = bool(exposed) or settings.encrypt
        return Authenticator(folder, _log.warning) if self._keyed else None

    def _reload_keys(self) -> dict[str, Any]:
        assert self._publisher is not None
        return self._publisher.reload()
