"""The requests that a running daemon takes, carried out without making anyone wait.

The engine carries out requests about stations between two rounds. A model is loaded in a thread of
its own, so that neither the engine nor the bus waits for it.
"""

from __future__ import annotations

import threading
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from streamgenre import __version__
from streamgenre.bus.stats import BusStats
from streamgenre.errors import ControlError, StreamgenreError, nearest
from streamgenre.inference.manifest import shipped_models
from streamgenre.inference.models import load_model

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamgenre.bus.control import Answer
    from streamgenre.engine.engine import Engine

REQUESTS: Final[dict[str, str | None]] = {
    "status": None,
    "stations": None,
    "reload": None,
    "reset": "station",
    "model": "model",
}
"""Requests, each with the one field that it needs."""


class EngineRequests:
    """Carries out the requests to one daemon.

    It is the :class:`~streamgenre.bus.control.RequestHandler` of the daemon's control socket.

    Parameters
    ----------
    engine
        The engine, running or about to run.
    reload_keys
        Reads the keys again, in the bus's thread, and returns what was found.
    reconfigure
        Reads the configuration again, in a thread of its own, and returns what has changed; None
        if there is no configuration to read.
    bus_stats
        Returns how the bus is doing.
    """

    def __init__(
        self,
        engine: Engine,
        reload_keys: Callable[[], dict[str, Any]],
        reconfigure: Callable[[], dict[str, Any]] | None = None,
        bus_stats: Callable[[], BusStats] = BusStats,
    ) -> None:
        self._engine = engine
        self._reload_keys = reload_keys
        self._reconfigure = reconfigure
        self._bus_stats = bus_stats
        self._loading = threading.Lock()

    def handle(self, request: dict[str, Any], answer: Answer) -> None:
        """See :meth:`streamgenre.bus.control.RequestHandler.handle`.

        Parameters
        ----------
        request
            The JSON object without its ``id``; ``request`` is one of :data:`REQUESTS`.
        answer
            Called when the request is done, possibly in another thread.

        Raises
        ------
        ControlError
            If the request is unknown, lacks its field, has others, or cannot be carried out.
        """
        name = request.get("request")
        if not isinstance(name, str) or name not in REQUESTS:
            hint = nearest(name, REQUESTS) if isinstance(name, str) else ""
            raise ControlError(f"no request {name!r}: expected {', '.join(REQUESTS)}{hint}")
        needed = REQUESTS[name]
        value = request.get(needed) if needed else None
        surplus = set(request) - {"request", needed}
        if surplus:
            raise ControlError(f"{name}: unexpected {', '.join(map(repr, sorted(surplus)))}")
        if needed and not (isinstance(value, str) and value):
            raise ControlError(f'{name}: expected "{needed}" with a name')
        if name == "reload":
            self._reload(answer)
        elif name == "model":
            self._change_model(str(value), answer)
        elif name == "reset":
            self._in_engine(lambda: self._engine.reset(str(value)), answer)
        elif name == "stations":
            self._in_engine(lambda: self._engine.describe()["stations"], answer)
        else:
            self._in_engine(self._status, answer)

    def _status(self) -> dict[str, Any]:
        described = self._engine.describe()
        return {"version": __version__, "bus": asdict(self._bus_stats()), **described}

    def _in_engine(self, function: Callable[[], object], answer: Answer) -> None:
        """Call a function in the engine's thread and answer with its result or error."""

        def call() -> None:
            try:
                result = function()
            except StreamgenreError as error:
                answer(error=error)
            else:
                answer(result)

        self._engine.call(call)

    def _reload(self, answer: Answer) -> None:
        keys, reconfigure = self._reload_keys(), self._reconfigure
        if reconfigure is None:
            answer(keys)
            return

        def read() -> None:
            try:
                changes = reconfigure()
            except StreamgenreError as error:
                answer(error=error)
            else:
                answer({**keys, "config": changes})

        threading.Thread(target=read, name="reload", daemon=True).start()

    def _change_model(self, name: str, answer: Answer) -> None:
        # Shipped models only: a request must not choose files of this machine.
        if name not in shipped_models():
            known = shipped_models()
            raise ControlError(
                f"no model {name!r}: expected {', '.join(known)}{nearest(name, known)}"
            )
        if not self._loading.acquire(blocking=False):
            raise ControlError("another model is being loaded; ask again later", "busy")

        def load() -> None:
            try:
                model = load_model(name)
            except StreamgenreError as error:
                answer(error=error)
                return
            finally:
                self._loading.release()
            self._in_engine(lambda: self._engine.use_model(model), answer)

        threading.Thread(target=load, name="model loader", daemon=True).start()
