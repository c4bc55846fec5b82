"""``streamgenre dashboard``."""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import TYPE_CHECKING

from streamgenre.cli.connecting import shown, subscribe
from streamgenre.cli.signals import ask_to_stop
from streamgenre.dashboard.app import run_dashboard
from streamgenre.dashboard.messages import Message, Messages
from streamgenre.dashboard.text import listed

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from streamgenre.events import AnyEvent
    from streamgenre.link import Link
    from streamgenre.subscriber import Subscriber


def run(args: argparse.Namespace) -> int:
    """Show the events of one or more daemons until the user leaves."""
    messages = Messages()

    def say(text: str) -> None:
        messages.put(Message(time.time(), text, bad=True))

    def tell(link: Link) -> None:
        if link.detail:
            say(f"{link.detail}; trying again")

    with (
        ask_to_stop() as stop,
        subscribe(args, on_link=tell) as subscriber,
        # Those who ask for some stations only never hear of the others.
        subscribe(args, types=["status"], stations=None) if args.station else nullcontext() as all_,
    ):
        missing = _Missing(set(args.station or ()), all_, shown(args))

        def events() -> Iterator[AnyEvent | None]:
            while True:
                event = subscriber.receive(timeout=0.2)
                yield event
                words = missing.look(event)
                if words is not None:
                    say(words)

        run_dashboard(events(), stop=stop.is_set, messages=messages)
    return 0


class _Missing:
    """Finds out which stations there are while some that were asked for send nothing."""

    def __init__(self, wanted: set[str], everyone: Subscriber | None, where: str) -> None:
        self._wanted = wanted
        self._everyone = everyone
        self._where = where
        self._there: set[str] = set()
        self._told: set[str] = set()

    def look(self, event: AnyEvent | None) -> str | None:
        """Take an event of those asked for; return what there is to say now."""
        if event is not None:
            self._wanted.discard(event.station)
        if not self._wanted or self._everyone is None:
            return None
        while (other := self._everyone.receive(timeout=0)) is not None:
            self._there.add(other.station)
        if event is not None or self._there <= self._told:
            return None  # more may be on its way
        self._told |= self._there
        return (
            f"nothing of {listed(self._wanted)} yet; the stations at {self._where} are "
            f"{listed(self._there)}"
        )
