"""The daemon: stations, their host, and the sinks that receive the events."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from streamgenre.daemon.demand import SpectrumDemand
from streamgenre.daemon.event_log import EventLog
from streamgenre.daemon.history import HistorySink
from streamgenre.daemon.publishing import BusSink
from streamgenre.daemon.reload import Reloader
from streamgenre.daemon.sinks import QueueSink, Sink, SinkChain
from streamgenre.daemon.stations import StationSet
from streamgenre.daemon.watchdog import Watchdog
from streamgenre.ending import has_ended
from streamgenre.errors import StreamgenreError
from streamgenre.logger import get_logger
from streamgenre.supervisor.placement import worker_count
from streamgenre.system.notify import Notifier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

    from streamgenre.config.build import LoadedConfig
    from streamgenre.daemon.reload import ReloadPhase
    from streamgenre.events.queue import EventQueue
    from streamgenre.supervisor.host import Host
    from streamgenre.supervisor.launching import Launcher

    Presenter = Callable[[EventQueue], None]

_ENGINE_END_S: Final = 8.0
"""Seconds that the engine has to end; it needs two, and more on a machine that is busy."""
_log = get_logger(__name__)


class Daemon:
    """One listening process.

    As a context manager it opens the inputs and starts the sinks, and stops the sinks at the end.
    :meth:`run` listens. Every event passes the sinks in this order: bus, history, metrics, queue of
    the presenter, watchdog, log, then those of the caller. The web page, if there is one, reads the
    bus.

    Parameters
    ----------
    loaded
        The configuration.
    load
        Reads the configuration again, on SIGHUP and on request.
    wait_for_device
        Whether to wait for a device that is missing; otherwise the only input of a command line
        must be there at the start.
    log_events
        Whether changes of sources, gaps and dead air are logged.
    sinks
        Further sinks, served after the daemon's own.
    on_reload
        Called before and after the configuration is read again.
    launcher
        Starts the workers; None for processes of this machine, where the settings ask for any.

    Raises
    ------
    StreamgenreError
        On entering, if a model, an input or an endpoint cannot be used.
    """

    def __init__(
        self,
        loaded: LoadedConfig,
        load: Callable[[], LoadedConfig],
        *,
        wait_for_device: bool = False,
        log_events: bool = False,
        sinks: Sequence[Sink] = (),
        on_reload: Callable[[ReloadPhase], None] = lambda phase: None,
        launcher: Launcher | None = None,
    ) -> None:
        config = loaded.config
        alone = len(config.stations) == 1 and loaded.by_hand
        self._config = config
        self._open_at_once = alone and not wait_for_device
        self._log_events = log_events
        self._extra_sinks = tuple(sinks)
        self._on_reload = on_reload
        self._watchdog = Watchdog(
            Notifier.from_environment(), config.engine.hop_s, lambda: self._host.stuck
        )
        if launcher is not None and config.clips.seconds:
            _log.warning("a fleet keeps no clips: [clips] seconds is ignored")
        workers = worker_count(config.engine, len(config.stations))
        if workers == 0 and launcher is None:
            self._host = self._own_process()
        else:
            room = None if launcher is None else launcher.capacity()
            self._host = self._workers(launcher, max(1, room or workers))
        self._demand = SpectrumDemand(self._host.watch_spectrum)
        self._stations = StationSet(self._host)
        self.reloader: Reloader | None = None
        """Reads the configuration again; None if it came from no file."""
        if loaded.files:
            self.reloader = Reloader(
                load, self._stations, self._host, self._reloading, named=loaded.named
            )
        self._bus = BusSink(
            config.bus,
            self._host,
            self.reloader.reload if self.reloader else None,
            on_demand=lambda names: self._demand.want("bus", names),
            clips=config.clips,
        )
        self._stack = ExitStack()

    def _own_process(self) -> Host:
        from streamgenre.engine.engine import Engine
        from streamgenre.worker.unit import Unit

        return Unit(
            Engine(
                lambda event: self._sinks.take(event),
                self._config.engine,
                self._status_fields,
                _log_failure,
                on_turn=self._watchdog.turn,
                on_removed=self._forget,
            ),
            self._config.clips,
        )

    def _workers(self, launcher: Launcher | None, count: int) -> Host:
        from streamgenre.supervisor.launching import LocalLauncher
        from streamgenre.supervisor.supervisor import Supervisor

        return Supervisor(
            lambda encoded: self._sinks.take_encoded(encoded),
            self._config.engine,
            launcher or LocalLauncher(),
            count,
            self._status_fields,
            _log_failure,
            on_turn=self._watchdog.turn,
            on_removed=self._forget,
            # On other machines nobody would find them.
            clips=self._config.clips if launcher is None else None,
        )

    def __enter__(self) -> Daemon:
        with ExitStack() as stack:
            self._stations.start(self._config, open_at_once=self._open_at_once)
            # Live audio must reach the bus in time, whether or not anybody reads our output.
            lossless = self._host.lossless
            self._history = HistorySink(self._config.history, self._host.is_live, lossless=lossless)
            self._queue = QueueSink(
                lossless=lossless,
                on_spectrum=lambda names: self._demand.want("dashboard", names),
            )
            self._sinks = SinkChain(self._ordered_sinks())
            self._sinks.start()
            stack.callback(self._sinks.stop)
            if self.reloader is not None:
                stack.enter_context(self.reloader.running())
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _ordered_sinks(self) -> Iterator[Sink]:
        yield self._bus
        yield self._history
        if self._config.metrics.listen is not None:
            from streamgenre.daemon.metrics import MetricsServer

            yield MetricsServer(self._config.metrics.listen, warn=_log.warning)
        if self._config.web.listen is not None:
            from streamgenre.daemon.web_process import WebProcess

            yield WebProcess(self._config, self._bus)
        yield self._queue
        yield self._watchdog
        if self._log_events:
            yield EventLog()
        yield from self._extra_sinks

    def run(self, present: Presenter, stop: threading.Event) -> None:
        """Listen until every station has ended or ``stop`` is set.

        The host runs in a thread of its own, which alone publishes; the presenter runs in this one.
        When the presenter returns or raises, the host stops.

        Parameters
        ----------
        present
            Shows the events of the queue until it ends.
        stop
            Set it to end all stations.

        Raises
        ------
        StreamgenreError
            If every station ended with an error, or the engine does not end.
        """
        queue = self._queue.queue
        failures: list[BaseException] = []

        def listen() -> None:
            try:
                self._host.run(stop.is_set)
            except BaseException as error:  # noqa: BLE001 - raised again in the main thread
                failures.append(error)
            finally:
                queue.end()

        thread = threading.Thread(target=listen, name="engine", daemon=True)
        thread.start()
        try:
            present(queue)
        finally:
            stop.set()
            queue.abandon()
            if not has_ended(thread, _ENGINE_END_S):
                raise StreamgenreError(
                    "the engine hangs and was left behind: what it had not published yet is lost. "
                    "A disk, a driver or a server that does not answer can be the cause"
                )
        if failures:
            raise failures[0]

    @property
    def events_not_shown(self) -> int:
        """Events that the presenter was too slow for."""
        return self._queue.queue.dropped

    # ---- called by the host --------------------------------------------------------------------

    def _forget(self, station: str) -> None:
        self._sinks.forget(station)

    def _status_fields(self, station: str) -> dict[str, Any]:
        """Return the fields of a station's status event that the host does not know."""
        return {**asdict(self._bus.stats), "history": self._history.state(station)}

    def _reloading(self, phase: ReloadPhase) -> None:
        self._watchdog.on_reload(phase)
        self._on_reload(phase)


def _log_failure(station: str, error: Exception) -> None:
    why = f"{error}".removeprefix(f"{station}: ")
    _log.error("%s has failed: %s", station, why, extra={"station": station})
