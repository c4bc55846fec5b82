"""SIGHUP and the request ``reload``: the configuration is read again while the daemon runs."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final, Literal

from streamgenre.errors import SettingsError, StreamgenreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streamgenre.config.build import Loaded
    from streamgenre.daemon.stations import StationSet
    from streamgenre.engine.engine import Engine

    OnReload = Callable[[Literal["begin", "done", "refused"]], None]

_APPLIED_S: Final = 5.0
"""Seconds within which the engine has surely had its turn."""
ABOUT: Final = {"about": "configuration"}
"""What the log says of its lines: what they are about."""
_log = logging.getLogger(__name__)


class Reloader:
    """Reads the configuration again, and has the stations go over to it.

    Parameters
    ----------
    load
        Reads it.
    lineup, engine
        The stations at work.
    on_reload
        Told before and after, for whoever watches over the daemon.
    named
        Whether there are stations that somebody named, and not the default input alone: a
        configuration that has none any more was damaged or emptied, and is refused then.
    """

    def __init__(
        self,
        load: Callable[[], Loaded],
        lineup: StationSet,
        engine: Engine,
        on_reload: OnReload = lambda phase: None,
        *,
        named: bool = True,
    ) -> None:
        self._load = load
        self._lineup = lineup
        self._engine = engine
        self._on_reload = on_reload
        self._named = named
        self._lock = threading.Lock()
        self._wanted = threading.Event()
        self._ended = False

    def ask(self) -> None:
        """Have it read again soon; returns at once, as a signal handler has to."""
        self._wanted.set()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Serve :meth:`ask` in a thread."""
        thread = threading.Thread(target=self._serve, name="reload", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended = True
            self._wanted.set()
            thread.join()

    def reload(self) -> dict[str, Any]:
        """Read it again and go over to it; return what has changed, as JSON has it.

        Raises
        ------
        StreamgenreError
            If it is not usable; then all goes on as before.
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
                changes = self._lineup.change(loaded.config)
                self._named = loaded.named
                applied = threading.Event()
                self._engine.call(applied.set)
                applied.wait(_APPLIED_S)
                done = True
            except StreamgenreError as error:
                _log.error("the configuration stays as it was: %s", error, extra=ABOUT)
                raise
            finally:
                self._on_reload("done" if done else "refused")
        _log.info("configuration read again: %s", changes, extra=ABOUT)
        return {name: list(names) for name, names in asdict(changes).items()}

    def _serve(self) -> None:
        while self._wanted.wait() and not self._ended:
            self._wanted.clear()
            try:
                self.reload()
            except StreamgenreError:
                continue  # has been said
