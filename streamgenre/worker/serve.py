"""A worker's work: commands from the daemon come over a link, encoded events go back.

The engine's loop is the calling thread. A second thread takes the commands; it also loads models,
so that the stations at work do not wait.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from streamgenre.clips.settings import ClipSettings
from streamgenre.config import StationSettings
from streamgenre.engine import requests
from streamgenre.engine.engine import Engine
from streamgenre.engine.faults import Faults, reason
from streamgenre.engine.health import Health
from streamgenre.engine.resume import Resume
from streamgenre.engine.settings import EngineSettings
from streamgenre.errors import BusError, StreamgenreError
from streamgenre.events import Update
from streamgenre.logger import get_logger
from streamgenre.sources.device.client import helper_pids
from streamgenre.worker.codec import from_json
from streamgenre.worker.log_lines import logging_to_daemon
from streamgenre.worker.unit import Unit

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamgenre.events import AnyEvent
    from streamgenre.worker.link import Link, Message

BEAT_S: Final = 1.0
"""Seconds between two heartbeats."""
_COSTS_EVERY: Final = 5
"""Heartbeats of which one has the CPU time of each station."""
_log = get_logger(__name__)


def serve(link: Link, orphaned: Callable[[], None] = lambda: None) -> None:
    """Work for a daemon until it says stop, or is gone.

    Parameters
    ----------
    link
        The link to the daemon; it is closed at the end.
    orphaned
        Called in another thread when the daemon is gone, to end the process at once: without it
        the sources are stopped first.
    """
    try:
        first, _ = link.receive()
        with logging_to_daemon(link, int(first["level"])):
            _Server(link, first, orphaned).run()
    except (EOFError, BusError):
        return  # nobody needs the rest
    finally:
        link.close()


class _Server:
    """One worker at work."""

    def __init__(self, link: Link, first: dict[str, Any], orphaned: Callable[[], None]) -> None:
        self._link = link
        self._orphaned = orphaned
        self._stopping = threading.Event()
        self._engine = Engine(
            self._publish,
            from_json(EngineSettings, first["engine"]),
            on_turn=self._beat,
            on_removed=self._removed,
            on_ended=self._ended,
            stays=True,
        )
        clips = first.get("clips")
        self._unit = Unit(self._engine, from_json(ClipSettings, clips) if clips else None)
        self._turns: dict[str, int] = {}  # in the engine's thread
        self._faults = Faults()
        self._health = Health(helper_pids)
        self._beats = 0
        self._beat_due = 0.0  # monotonic seconds

    def run(self) -> None:
        """Work until the end."""
        threading.Thread(target=self._take_commands, name="commands", daemon=True).start()
        with suppress(StreamgenreError):  # each station's error was reported
            self._unit.run(self._stopping.is_set)

    # ---- to the daemon --------------------------------------------------------------------------

    def _send(self, head: dict[str, Any], body: bytes = b"") -> None:
        try:
            self._link.send(head, body)
        except OSError as error:
            self._stopping.set()
            raise BusError(f"the daemon is gone: {error}") from error

    def _publish(self, event: AnyEvent) -> None:
        head = {
            "do": "event",
            "type": event.TYPE,
            "station": event.station,
            "session": event.session,
            "seq": event.seq,
            "time": event.time,
            "stream_time": event.stream_time,
        }
        if isinstance(event, Update):
            head |= self._progress(event)
        _, body, *binary = event.parts()
        if binary:
            head["json"] = len(body)
        self._send(head, b"".join([body, *binary]))

    def _progress(self, update: Update) -> dict[str, Any]:
        """Return what the daemon needs to end the station truthfully if this process dies."""
        runner = self._engine.runner(update.station)
        assert runner is not None
        stretch = runner.decider.so_far(update.stream_time)
        return {
            "arrival": runner.report.arrival,
            "samples": runner.station.samples,
            "samples_lost": runner.station.samples_lost,
            "stretch": None if stretch is None else runner.report.stretch(stretch),
        }

    def _removed(self, station: str) -> None:
        self._send({"do": "removed", "station": station, "turn": self._turns.get(station, 0)})

    def _ended(self, station: str, failure: Exception | None, turn: int | None = None) -> None:
        words = None if failure is None else reason(failure)
        turn = self._turns.get(station, 0) if turn is None else turn
        self._send({"do": "ended", "station": station, "turn": turn, "failure": words})
        # The daemon remembers it; another one of its name may come.
        self._engine.call(lambda: self._engine.remove(station))

    def _beat(self) -> None:
        now = time.monotonic()
        if now < self._beat_due:
            return
        self._beat_due = now + BEAT_S
        self._beats += 1
        vitals = self._health.measure()
        head: dict[str, Any] = {
            "do": "beat",
            "cpu_s": time.process_time(),
            "cpu_share": vitals.cpu_share,
            "rss_bytes": vitals.rss_bytes,
            "open_files": vitals.open_files,
            "threads": vitals.threads,
            "stuck": self._unit.stuck,
        }
        if self._beats % _COSTS_EVERY == 1:
            head["stations"] = {r.name: round(r.cpu_s, 4) for r in self._engine.runners}
        self._send(head)

    # ---- from the daemon ------------------------------------------------------------------------

    def _take_commands(self) -> None:
        while True:
            try:
                message = self._link.receive()
            except EOFError:
                self._orphaned()
                self._stopping.set()
                return
            with self._faults.confined("a command"), suppress(BusError):
                self._take(message)

    def _take(self, message: Message) -> None:
        head, _ = message
        match head["do"]:
            case "add":
                self._add(head)
            case "remove":
                self._call(lambda: self._remove(head["station"], head["turn"]))
            case "prepare":
                self._prepare(head)
            case "reset":
                self._call(lambda: requests.reset(self._engine.runners, head["station"]))
            case "spectrum":
                self._engine.watch_spectrum(frozenset(head["names"]))
            case "model":
                self._use_model(head)
            case "stop":
                self._stopping.set()
                self._call(lambda: None)  # ends a pause of the loop

    def _call(self, function: Callable[[], object]) -> None:
        def called() -> None:
            with suppress(StreamgenreError):  # the daemon knows better by now
                function()

        self._engine.call(called)

    def _add(self, head: dict[str, Any]) -> None:
        name, turn = head["station"], head["turn"]
        try:
            settings = from_json(StationSettings, head["settings"])
            resume = Resume(**head["resume"])
            models = self._unit.prepare([settings])
        except Exception as error:  # noqa: BLE001 - the station fails, the others go on
            self._ended(name, error, turn)
            return

        def add() -> None:
            try:
                self._turns[name] = turn
                self._unit.add(settings, name, resume=self._since(resume, head["at"]))
                models.clear()  # kept loaded until here
            except Exception as error:  # noqa: BLE001 - the station fails, the others go on
                self._ended(name, error, turn)

        self._engine.call(add)

    def _since(self, resume: Resume, sent: float) -> Resume:
        """Count the time until here, such as that to start this process, as absence."""
        if resume.away_s is None:
            return resume
        return replace(resume, away_s=resume.away_s + self._link.age_s(sent))

    def _prepare(self, head: dict[str, Any]) -> None:
        try:
            self._unit.prepare([from_json(StationSettings, head["settings"])])
        except Exception as error:  # noqa: BLE001 - the station will report it
            _log.debug("%s cannot be prepared", head["station"], exc_info=error)
        self._send({"do": "prepared", "station": head["station"]})

    def _remove(self, station: str, turn: int) -> None:
        if self._engine.runner(station) is None:
            self._send({"do": "removed", "station": station, "turn": turn})
        else:
            self._engine.remove(station)

    def _use_model(self, head: dict[str, Any]) -> None:
        error: str | None = None
        try:
            self._unit.use_model(head["model"], head["station"])
        except Exception as failure:  # noqa: BLE001 - the daemon waits for an answer
            error = reason(failure)
        self._send({"do": "done", "id": head["id"], "error": error})
