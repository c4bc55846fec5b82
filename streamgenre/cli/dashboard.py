"""``streamgenre dashboard``."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from streamgenre.cli.connecting import shown, subscribe
from streamgenre.dashboard.app import run_dashboard
from streamgenre.dashboard.messages import Message, Messages
from streamgenre.display.text import listed
from streamgenre.events import Status
from streamgenre.system.signals import stop_on_signals

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from streamgenre.client.link import Link
    from streamgenre.client.subscriber import Subscriber
    from streamgenre.events import AnyEvent

_PATIENCE_S: Final = 5.0
"""Seconds without a single event after which the user is told what may be wrong."""


def run(args: argparse.Namespace) -> int:
    """Show the events of one or more daemons until the user leaves."""
    messages = Messages()

    def say(text: str, about: str) -> None:
        messages.put(Message(time.time(), text, bad=True, about=about))

    def tell(link: Link) -> None:
        if link.detail:
            say(f"{link.detail}; trying again", "connection")
        else:
            messages.mended("connection")

    with ExitStack() as stack:
        stop = stack.enter_context(stop_on_signals())
        everyone = None
        if args.station:
            # Who asks for some stations only never hears of the others: they are asked for apart,
            # and tell whether the daemon is there at all.
            every = subscribe(args, types=["status"], stations=None, on_link=tell)
            everyone = stack.enter_context(every)
        subscriber = stack.enter_context(subscribe(args, on_link=None if everyone else tell))
        missing = _Missing(set(args.station or ()), everyone, shown(args))

        def events() -> Iterator[AnyEvent | None]:
            while True:
                event = subscriber.receive(timeout=0.2)
                yield event
                words = missing.look(event, time.monotonic())
                if words is not None:
                    say(words, "missing")
                elif missing.none:
                    messages.mended("missing")

        run_dashboard(events(), stop=stop.is_set, messages=messages)
    return 0


class _Missing:
    """Finds out what there is while what was asked for sends nothing."""

    def __init__(self, wanted: set[str], everyone: Subscriber | None, where: str) -> None:
        self._asked = frozenset(wanted)
        self._wanted = wanted
        self._everyone = everyone
        self._where = where
        self._there: set[str] = set()
        self._told: set[str] = set()
        self._heard = False
        self._patient_until: float | None = time.monotonic() + _PATIENCE_S

    @property
    def none(self) -> bool:
        """Whether all that was asked for has been heard of."""
        return self._heard and not self._wanted

    def look(self, event: AnyEvent | None, now: float) -> str | None:
        """Take an event of those asked for; return what there is to say now."""
        if event is not None:
            self._heard = True
            self._wanted.discard(event.station)
            if event.station in self._asked and _removed(event):
                self._wanted.add(event.station)
                self._told.clear()
            self._patient_until = None
        if self._everyone is not None:
            # All the time: it tells of the connection, too.
            while (other := self._everyone.receive(timeout=0)) is not None:
                (self._there.discard if _removed(other) else self._there.add)(other.station)
                self._patient_until = None
        if self._patient_until is not None and now > self._patient_until:
            self._patient_until = None
            return f"nothing from {self._where} yet: is `streamgenre listen` running there?"
        # After an event more may be on its way.
        others = self._there - self._wanted
        if event is not None or not self._wanted or others <= self._told:
            return None
        self._told |= others
        wanted, there = listed(self._wanted), listed(others)
        return f"nothing of {wanted} yet, still waiting; the stations at {self._where} are {there}"


def _removed(event: AnyEvent) -> bool:
    return isinstance(event, Status) and event.removed
