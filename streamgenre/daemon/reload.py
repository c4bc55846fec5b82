"""Reading the configuration again while the daemon runs: SIGHUP and the request ``reload``."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from streamgenre.ending import has_ended
from streamgenre.engine.faults import Faults
from streamgenre.errors import SettingsError, StreamgenreError
from streamgenre.logger import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streamgenre.config.build import LoadedConfig
    from streamgenre.daemon.stations import StationSet
    from streamgenre.supervisor.host import Host

ReloadPhase: TypeAlias = Literal["begin", "done", "refused"]

ABOUT: Final = "configuration"
"""Subject of the log lines, see :mod:`streamgenre.dashboard.messages`."""
_APPLIED_S: Final = 5.0
"""Seconds within which the host has applied the change."""
_log = get_logger(__name__)


class Reloader:
    """Reads the configuration again and changes the stations accordingly.

    Parameters
    ----------
    load
        Reads the configuration.
    stations
        The stations to change.
    host
        What runs them.
    on_reload
        Called with ``begin`` before, and with ``done`` or ``refused`` after.
    named
        Whether the present configuration names inputs, rather than leaving it to the default one.
        A configuration that names none any more was damaged or emptied, and is refused.
    """

    def __init__(
        self,
        load: Callable[[], LoadedConfig],
        stations: StationSet,
        host: Host,
        on_reload: Callable[[ReloadPhase], None] = lambda phase: None,
        *,
        named: bool = True,
    ) -> None:
        self._load = load
        self._stations = stations
        self._host = host
        self._on_reload = on_reload
        self._named = named
        self._lock = threading.Lock()
        self._requested = threading.Event()
        self._faults = Faults()
        self._ended = False

    def request(self) -> None:
        """Have the configuration read soon, by another thread; safe in a signal handler."""
        self._requested.set()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Serve :meth:`request` in a thread."""
        thread = threading.Thread(target=self._serve, name="reload", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended = True
            self._requested.set()
            has_ended(thread)

    def reload(self) -> dict[str, Any]:
        """Read the configuration, apply it, and return what has changed as a JSON object.

        Raises
        ------
        StreamgenreError
            If the configuration cannot be used; then nothing has changed.
        """
        with self._lock:
            self._on_reload("begin")
            done = False
            try:
                loaded = self._load()
                if not loaded.files:
                    raise SettingsError("there is no configuration file any more")
                if self._named and not loaded.named:
                    files = ", ".join(map(str, loaded.files))
                    raise SettingsError(f"{files}: no [[station]]; expected at least one")
                changes = self._stations.change(loaded.config)
                self._named = loaded.named
                applied = threading.Event()
                self._host.call(applied.set)
                applied.wait(_APPLIED_S)
                done = True
            except StreamgenreError as error:
                _log.error("the configuration stays as it was: %s", error, extra={"about": ABOUT})
                raise
            finally:
                self._on_reload("done" if done else "refused")
        _log.info("configuration read again: %s", changes, extra={"about": ABOUT})
        return {name: list(names) for name, names in asdict(changes).items()}

    def _serve(self) -> None:
        while self._requested.wait() and not self._ended:
            self._requested.clear()
            try:
                self.reload()
            except StreamgenreError:
                continue  # already logged
            except Exception as error:  # noqa: BLE001 - the next request is served
                self._faults.note("reading the configuration again", error)
