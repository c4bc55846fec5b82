"""Runs several radio stations in one engine, like a daemon."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from streamgenre.engine.engine import Engine
from streamgenre.engine.settings import EngineSettings
from streamgenre.inference.models import load_model
from streamgenre.sources.stream.radio import RadioSource

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from support.event_recorder import TimedEvents

    from streamgenre.events import AnyEvent


class LiveEngine:
    """An engine in a thread, and the events it publishes with their times."""

    def __init__(self, urls: Mapping[str, str], model: Path) -> None:
        self.heard: TimedEvents = []
        self._stop = threading.Event()
        engine = Engine(self._publish, EngineSettings())
        shared = load_model(str(model), trusted=True)
        self.sources = {name: RadioSource(url) for name, url in urls.items()}
        for name, source in self.sources.items():
            engine.add(name, source, shared)
        self._thread = threading.Thread(target=engine.run, args=(self._stop.is_set,))

    def _publish(self, event: AnyEvent) -> None:
        self.heard.append((time.time(), event.as_dict()))

    def __enter__(self) -> LiveEngine:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)
        assert not self._thread.is_alive()

    def of(self, station: str, kind: str) -> list[tuple[float, dict[str, Any]]]:
        """Return the events of a station and type."""
        return [
            (at, e) for at, e in list(self.heard) if e["station"] == station and e["type"] == kind
        ]

    def states(self, station: str) -> list[str]:
        return [event["state"] for _, event in self.of(station, "source")]

    def details(self, station: str) -> str:
        return "\n".join(event["detail"] for _, event in self.of(station, "source"))

    def assert_unbroken(self, station: str) -> None:
        """Assert that a station missed no update and that none was late."""
        updates = self.of(station, "update")
        assert len(updates) > 2
        assert [e["stream_time"] for _, e in updates] == [n + 1.0 for n in range(len(updates))]
        assert self.of(station, "gap") == [], self.of(station, "source")
        late = [at - e["time"] for at, e in updates]
        assert max(late[2:]) - min(late[2:]) < 30  # a station that blocks would cost minutes
