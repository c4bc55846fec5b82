"""A real daemon with a good radio station, and a second one that may be attacked."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psutil
from support.commands import free_endpoint, start
from support.live import end, until

from streamgenre import Subscriber
from streamgenre.bus.control import request
from streamgenre.events import Gap, SourceChange, Update

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamgenre.events import AnyEvent

MB: Final = 1 << 20
GOOD: Final = "good"
ATTACKED: Final = "attacked"


class Daemon:
    """``streamgenre listen`` in its own process, its events with their arrival, and its memory."""

    def __init__(self, folder: Path, model: Path, good: str) -> None:
        self.publish, self.control = free_endpoint(), free_endpoint()
        self._file = folder / "config.toml"
        self._model = model
        self._good = good
        self.configure()
        self._log = (folder / "log").open("w+")
        self.process = start("listen", "--config", self._file, "-q", stderr=self._log)
        self.heard: dict[str, list[tuple[float, AnyEvent]]] = defaultdict(list)
        self.subscriber = Subscriber(self.publish)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def configure(self, attacked: str = "", *, model: Path | None = None) -> None:
        """Write the configuration, with or without an attacked station."""
        text = (
            f'model = "{self._model}"\n[bus]\npublish = "{self.publish}"\n'
            f'control = "{self.control}"\n[history]\nkeep = "none"\n'
            f'[[station]]\nname = "{GOOD}"\ninput = "{self._good}"\n'
        )
        if attacked:
            text += f'[[station]]\nname = "{ATTACKED}"\ninput = "{attacked}"\n'
        if model is not None:
            text += f'model = "{model}"\n'
        self._file.write_text(text)

    def _listen(self) -> None:
        while not self._over.is_set():
            event = self.subscriber.receive(0.1)
            if event is not None:
                self.heard[event.station].append((time.time(), event))

    def updates(self, station: str = GOOD) -> list[tuple[float, Update]]:
        return [(at, e) for at, e in list(self.heard[station]) if isinstance(e, Update)]

    def reload(self) -> bool:
        """Have the configuration read again; return whether it was accepted."""
        return bool(request(self.control, {"request": "reload"}, timeout=120)["ok"])

    def was_lost(self) -> bool:
        """Return whether the attacked station has been reported lost or ended."""
        return any(
            isinstance(e, SourceChange) and e.state in ("lost", "ended")
            for _, e in list(self.heard[ATTACKED])
        )

    def forget_peak(self) -> None:
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def memory(self) -> dict[str, int]:
        """Return the resident memory and its peak since :meth:`forget_peak`, in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        found = dict(line.split(":", 1) for line in status if line.startswith("Vm"))
        return {name: 1024 * int(found[name].split()[0]) for name in ("VmRSS", "VmHWM")}

    def close(self) -> str:
        """Check that it still runs and stops cleanly; return what it said."""
        try:
            assert self.process.poll() is None, "the daemon has ended"
            self.process.terminate()
            assert self.process.wait(60) == 0
        finally:
            self._over.set()
            self._thread.join(60)
            self.subscriber.close()
            end(self.process)
            self._log.seek(0)
            said = self._log.read()
            self._log.close()
        return said


class Attack:
    """Watches a daemon, and one beside it that nobody attacks, during an attack."""

    def __init__(self, daemon: Daemon, control: Daemon) -> None:
        self._daemon, self._control = daemon, control
        for each in (daemon, control):
            until(lambda each=each: len(each.updates()) > 3)  # type: ignore[misc]
        self._first = {each: len(each.updates()) for each in (daemon, control)}
        self._others = len(daemon.heard[GOOD])
        daemon.forget_peak()
        self._before = daemon.memory()["VmRSS"]

    def check(self, *, updates: int = 4) -> None:
        """Check memory and updates, after so many updates since the start of the attack.

        Whether an update is late is measured against the other daemon: both run on this machine.
        """
        last = self._first[self._daemon] + updates
        until(lambda: len(self._daemon.updates()) >= last, 120)
        grown = self._daemon.memory()["VmHWM"] - self._before
        assert grown <= 48 * MB, f"grew by {grown / MB:.0f} MB"
        during = [e for _, e in self._daemon.heard[GOOD][self._others :]]
        assert not [e for e in during if isinstance(e, Gap | SourceChange)]
        heard = self._daemon.updates()
        numbers = [e.seq for _, e in heard]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        assert self._daemon.subscriber.missed == 0
        # One update may fall into a moment in which this process waits for the machine.
        late, usual = (
            sorted(at - e.time for at, e in each.updates()[self._first[each] :])
            for each in (self._daemon, self._control)
        )
        assert late[-2] < 1 + max(usual, default=0), (late, usual)


def reading(daemon: Daemon, attacked: str, model: Path | None = None) -> Callable[[], None]:
    """Have the daemon listen to an input as its attacked station; return what ends that."""
    daemon.heard[ATTACKED].clear()
    daemon.configure(attacked, model=model)
    assert daemon.reload()

    def remove() -> None:
        daemon.configure()
        until(daemon.reload)

    return remove


def children(daemon: Daemon) -> list[psutil.Process]:
    return psutil.Process(daemon.process.pid).children(recursive=True)
