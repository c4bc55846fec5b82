"""A daemon with workers, the events that it sends, and what must hold of them."""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from support.commands import free_endpoint, start
from support.live import PATIENCE_S, until

from streamgenre.bus.control import request
from streamgenre.client.subscriber import Subscriber
from streamgenre.events import SEQ_MODULUS, AnyEvent, Gap, SourceChange, Update

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping
    from pathlib import Path

HOP_S: Final = 1.0


class WorkingDaemon:
    """A running daemon and everything that it has published."""

    def __init__(self, folder: Path, workers: int | str = 2, model: str = "lite") -> None:
        self.endpoint, self.control = free_endpoint(), free_endpoint()
        self.file = folder / "config.toml"
        self.log = folder / "log"
        self.workers_in_file = workers
        self._model = model
        self.command: tuple[str, ...] = ("listen",)
        self.process: subprocess.Popen[str]
        self.events: list[AnyEvent] = []
        self._over = threading.Event()

    def write(self, stations: Mapping[str, str], more: str = "") -> None:
        """Write the configuration; ``stations`` has the inputs by name."""
        self.file.write_text(
            f'model = "{self._model}"\n[bus]\npublish = "{self.endpoint}"\n'
            f'control = "{self.control}"\n[history]\nkeep = "none"\n'
            f"[engine]\nworkers = {self.workers_in_file!r}\nstatus_s = 1\n{more}\n"
            + "".join(
                f'[[station]]\nname = "{name}"\ninput = "{given}"\n'
                for name, given in stations.items()
            )
        )

    @contextmanager
    def running(self, env: Mapping[str, str] | None = None) -> Iterator[WorkingDaemon]:
        """Run the daemon; end it with SIGTERM if it still runs."""
        listener = threading.Thread(target=self._listen, daemon=True)
        listener.start()
        with self.log.open("w") as log:
            flags = ("--config", self.file, "-q", "--log-level", "info")
            with start(*self.command, *flags, env=env, stdout=log, stderr=log) as self.process:
                try:
                    yield self
                finally:
                    if self.process.poll() is None:
                        self.process.terminate()
                    self.process.wait(60)
        self._over.set()
        listener.join()

    def _listen(self) -> None:
        with Subscriber(self.endpoint, on_malformed=print) as subscriber:
            quiet = 0
            while not (self._over.is_set() and quiet > 2):
                event = subscriber.receive(timeout=0.2)
                quiet = quiet + 1 if event is None else 0
                if event is not None and not event.retained:
                    self.events.append(event)

    def ask(self, what: str, **more: Any) -> Any:
        answer = request(self.control, {"request": what, **more}, timeout=60)
        assert answer["ok"], answer
        return answer["result"]

    def workers(self) -> list[dict[str, Any]]:
        """Return what ``control status`` says of the workers."""
        found: list[dict[str, Any]] = self.ask("status")["workers"]
        return found

    def pids(self) -> dict[str, int]:
        return {w["worker"]: w["pid"] for w in self.workers() if w["pid"]}

    def worker_of(self, station: str) -> str:
        (found,) = (s["worker"] for s in self.ask("stations") if s["station"] == station)
        return str(found)

    def of(self, station: str) -> list[AnyEvent]:
        return [event for event in list(self.events) if event.station == station]

    def updates(self, station: str) -> list[Update]:
        return [event for event in self.of(station) if isinstance(event, Update)]

    def changes(self, station: str) -> list[SourceChange]:
        return [event for event in self.of(station) if isinstance(event, SourceChange)]

    def wait_for_updates(
        self, stations: Mapping[str, str], more: int = 2, seconds: float = PATIENCE_S
    ) -> None:
        """Wait until each station has published some more updates."""
        before = self._counts()

        def all_have() -> bool:
            now = self._counts()
            return all(now[name] >= before[name] + more for name in stations)

        until(all_have, seconds)

    def _counts(self) -> Counter[str]:
        """Return the number of updates of each station."""
        time.sleep(0.05)
        return Counter(event.station for event in list(self.events) if isinstance(event, Update))

    def said(self) -> str:
        return self.log.read_text()


def check_contract(events: list[AnyEvent]) -> None:
    """Check one station's events of one session: no hole in ``seq``, nothing lost but the gaps."""
    assert len({event.session for event in events}) == 1
    numbers: dict[str, int] = {}
    for event in events:
        expected = numbers.get(event.TYPE, event.seq)
        assert event.seq == expected, (event, expected)
        numbers[event.TYPE] = (event.seq + 1) % SEQ_MODULUS
    told, last = 0.0, None
    for event in events:
        if isinstance(event, Gap):
            told += event.seconds
        elif isinstance(event, Update):
            if last is not None:
                # A hop that a gap cuts off makes an update of what was heard of it.
                missing = event.stream_time - last.stream_time - HOP_S
                assert missing <= told + HOP_S + 0.01, (last, event, told)
                assert told or missing < 0.01, (last, event)
            told, last = 0.0, event
