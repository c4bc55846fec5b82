"""The requests that a running daemon takes, carried out without making anyone wait.

The host carries out requests about stations between two rounds. A model is loaded in a thread of
its own, so that neither the host nor the bus waits for it.
"""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from streamgenre import __version__
from streamgenre.bus.stats import BusStats
from streamgenre.errors import ControlError, StreamgenreError, nearest
from streamgenre.events.json_text import quoted
from streamgenre.inference.model_names import shipped_models
from streamgenre.inference.own_models import own_models
from streamgenre.logger import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamgenre.bus.control import Answer
    from streamgenre.clips.settings import ClipSettings
    from streamgenre.supervisor.host import Host

REQUESTS: Final[dict[str, str | None]] = {
    "status": None,
    "stations": None,
    "reload": None,
    "reset": "station",
    "model": "model",
}
"""Requests, each with the one field that it needs."""
_OPTIONAL: Final = {"model": "station"}
"""Requests, each with the one further field that it takes."""
_MAX_SURPLUS: Final = 5
"""Most unexpected fields that a message names."""
_log = get_logger(__name__)


class EngineRequests:
    """Carries out the requests to one daemon.

    It is the :class:`~streamgenre.bus.control.RequestHandler` of the daemon's control socket.

    Parameters
    ----------
    host
        What runs the stations, running or about to.
    reload_keys
        Reads the keys again, in the bus's thread, and returns what was found.
    reconfigure
        Reads the configuration again, in a thread of its own, and returns what has changed; None
        if there is no configuration to read.
    bus_stats
        Returns how the bus is doing.
    clips
        Whether clips are kept; None to report nothing about them.
    """

    def __init__(
        self,
        host: Host,
        reload_keys: Callable[[], dict[str, Any]],
        reconfigure: Callable[[], dict[str, Any]] | None = None,
        bus_stats: Callable[[], BusStats] = BusStats,
        clips: ClipSettings | None = None,
    ) -> None:
        self._clips = clips if clips is not None and clips.seconds else None
        self._host = host
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
            raise ControlError(f"no request {quoted(name)}: expected {', '.join(REQUESTS)}{hint}")
        needed = REQUESTS[name]
        value = request.get(needed) if needed else None
        optional = _OPTIONAL.get(name)
        surplus = sorted(set(request) - {"request", needed, optional})
        if surplus:
            named = [quoted(field) for field in surplus[:_MAX_SURPLUS]]
            more = ", …" if len(surplus) > _MAX_SURPLUS else ""
            raise ControlError(f"{name}: unexpected {', '.join(named)}{more}")
        if needed and not (isinstance(value, str) and value):
            raise ControlError(f'{name}: expected "{needed}" with a name')
        chosen = request.get(optional) if optional else None
        if chosen is not None and not (isinstance(chosen, str) and chosen):
            raise ControlError(f'{name}: expected "{optional}" with a name, or without it')
        if name == "reload":
            self._reload(answer)
        elif name == "model":
            self._change_model(str(value), chosen, answer)
        elif name == "reset":
            self._in_host(lambda: self._host.reset(str(value)), answer)
        elif name == "stations":
            self._in_host(lambda: self._host.describe()["stations"], answer)
        elif self._clips is None:
            self._in_host(self._status, answer)
        else:
            # A disk that hangs must not stop the host.
            threading.Thread(
                target=self._status_with_clips, args=(self._clips, answer), daemon=True
            ).start()

    def _status(self) -> dict[str, Any]:
        described = self._host.describe()
        return {"version": __version__, "bus": asdict(self._bus_stats()), **described}

    def _status_with_clips(self, settings: ClipSettings, answer: Answer) -> None:
        found: dict[str, Any] = {"folder": str(settings.folder), "seconds": settings.seconds}
        try:
            from streamgenre.clips.store import ClipStore

            with closing(ClipStore(settings.folder)) as store:
                found |= store.summary()
        except StreamgenreError:
            found |= {"kept": 0, "labelled": 0, "bytes": 0}
        self._in_host(lambda: {**self._status(), "clips": found}, answer)

    def _in_host(self, function: Callable[[], object], answer: Answer) -> None:
        """Call a function in the host's thread and answer with its result or error."""
        self._host.call(lambda: _answer_with(function, answer))

    def _reload(self, answer: Answer) -> None:
        keys, reconfigure = self._reload_keys(), self._reconfigure
        if reconfigure is None:
            answer(keys)
            return

        def read() -> None:
            _answer_with(lambda: {**keys, "config": reconfigure()}, answer)

        threading.Thread(target=read, name="reload", daemon=True).start()

    def _change_model(self, name: str, station: str | None, answer: Answer) -> None:
        # By name only: a request must not choose files of this machine.
        known = [*shipped_models(), *own_models()]
        if name not in known:
            raise ControlError(
                f"no model {quoted(name)}: expected {', '.join(known)}{nearest(name, known)}"
            )
        if not self._loading.acquire(blocking=False):
            raise ControlError("another model is being loaded; ask again later", "busy")

        def switch() -> None:
            try:
                self._host.use_model(name, station)
            finally:
                self._loading.release()  # before the answer: the client may ask again at once

        threading.Thread(
            target=lambda: _answer_with(switch, answer), name="model loader", daemon=True
        ).start()


def _answer_with(function: Callable[[], object], answer: Answer) -> None:
    """Call a function and answer with its result or error; never raises."""
    try:
        result = function()
    except Exception as error:  # noqa: BLE001 - a request must not end the thread that serves it
        answer(error=_explained(error))
    else:
        answer(result)


def _explained(error: Exception) -> StreamgenreError:
    """Return an error in words for the client; one of our own goes to the log."""
    if isinstance(error, StreamgenreError):
        return error
    _log.debug("a request failed", exc_info=error)
    _log.warning("a request failed (%s); --debug logs the traceback", type(error).__name__)
    return ControlError("internal error; see the daemon's log", "failed")
