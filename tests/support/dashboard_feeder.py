"""Dashboard on made-up events: ``dashboard_feeder.py endless|crash|end|handled|several``."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1]))
from support.dashboard_events import programme, update

from streamgenre.dashboard.app import run_dashboard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamgenre.events import AnyEvent


def events(how: str) -> Iterator[AnyEvent | None]:
    yield from programme(200)
    if how == "several":
        yield from programme(200, "bar")
    for i in range(200, 100000):
        for _ in range(2):
            time.sleep(0.05)
            yield None
        yield update(i, "reggae", since=200.0)
        if how == "several":
            yield update(i, "disco", station="bar", since=200.0)
        if how != "endless" and i == 215:
            if how == "crash":
                raise RuntimeError("the model fell over")
            if how == "end":
                return


def main() -> None:
    how = sys.argv[1]
    stopped = False

    def handle(_number: int, _frame: object) -> None:
        nonlocal stopped
        stopped = True

    if how == "handled":
        signal.signal(signal.SIGTERM, handle)
    try:
        run_dashboard(events(how), stop=lambda: stopped)
    except KeyboardInterrupt:
        print("interrupted")
        sys.exit(130)
    print("returned")


if __name__ == "__main__":
    main()
