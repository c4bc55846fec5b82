"""What ``streamgenre listen`` opens to the outside: bus, requests and metrics."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from streamgenre.bus.auth import Authenticator
from streamgenre.bus.control import ControlSocket
from streamgenre.bus.endpoints import check_endpoint, needs_keys
from streamgenre.bus.keys import SECRET, default_folder
from streamgenre.bus.publisher import Publisher
from streamgenre.daemon.requests import EngineRequests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streamgenre.config import BusSettings
    from streamgenre.daemon.metrics import MetricsServer
    from streamgenre.engine.engine import Engine

_log = logging.getLogger(__name__)


def open_bus(
    settings: BusSettings,
    engine: Engine,
    reconfigure: Callable[[], dict[str, Any]] | None = None,
) -> Publisher:
    """Return the bus that the settings ask for, with the engine behind its control socket.

    ``reconfigure`` reads the configuration again for the request ``reload``, and may take its
    time.
    """
    endpoints = [settings.publish] + ([settings.control] if settings.control else [])
    gate = None
    folder = settings.keys or default_folder()
    exposed = [endpoint for endpoint in endpoints if needs_keys(endpoint)]
    if exposed and not (folder / SECRET).exists():
        check_endpoint(exposed[0])  # says what is missing
    if exposed or settings.encrypt:
        gate = Authenticator(folder, _log.warning)
    opened: list[Publisher] = []

    def reload() -> dict[str, Any]:
        return opened[0].reload()

    control = (
        ControlSocket(settings.control, EngineRequests(engine, reload, reconfigure))
        if settings.control
        else None
    )
    mode = int(settings.ipc_mode, 8)
    publisher = Publisher(settings.publish, gate=gate, ipc_mode=mode, control=control)
    opened.append(publisher)
    return publisher


@contextmanager
def open_metrics(where: str | None) -> Iterator[MetricsServer | None]:
    """Serve metrics where that is asked for."""
    if where is None:
        yield None
        return
    from streamgenre.daemon.metrics import MetricsServer

    with MetricsServer(where, warn=_log.warning) as server:
        yield server
