"""``streamgenre dashboard``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamgenre.cli.connecting import subscribe
from streamgenre.cli.signals import ask_to_stop
from streamgenre.dashboard.app import run_dashboard

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from streamgenre.events import AnyEvent


def run(args: argparse.Namespace) -> int:
    """Show the events of one or more daemons until the user leaves."""
    with ask_to_stop() as stop, subscribe(args) as subscriber:

        def events() -> Iterator[AnyEvent | None]:
            while True:
                yield subscriber.receive(timeout=0.2)

        run_dashboard(events(), stop=stop.is_set)
    return 0
