"""``streamgenre dashboard``."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from streamgenre.cli.connecting import endpoints, subscribe
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
"""Seconds without a single event after which a message says what may be wrong."""


def run(args: argparse.Namespace) -> int:
    """Show the events of one or more daemons until the user leaves."""
    messages = Messages()

    def say(text: str, about: str) -> None:
        messages.put(Message(time.time(), text, bad=True, about=about))

    def on_link(link: Link) -> None:
        if link.detail:
            say(f"{link.detail}; trying again", "connection")
        else:
            messages.resolve("connection")

    with ExitStack() as stack:
        stop = stack.enter_context(stop_on_signals())
        everyone = None
        if args.station:
            # A subscriber to some stations hears nothing of the others: a second one listens to the
            # status of all stations, which also shows whether the daemon is there.
            every = subscribe(
                args,
                types=["status"],
                stations=None,
                on_link=on_link,
                on_malformed=lambda text: None,
            )
            everyone = stack.enter_context(every)
        shown = subscribe(
            args,
            on_link=None if everyone else on_link,
            on_malformed=lambda text: say(text, "malformed"),
        )
        subscriber = stack.enter_context(shown)
        spectrum = stack.enter_context(_SpectrumLink(args))
        missing = _Missing(set(args.station or ()), everyone, endpoints(args))

        def events() -> Iterator[AnyEvent | None]:
            while True:
                event = subscriber.receive(timeout=0.2)
                yield event
                yield from spectrum.events()
                words = missing.look(event, time.monotonic())
                if words is not None:
                    say(words, "missing")
                elif missing.none:
                    messages.resolve("missing")

        run_dashboard(events(), stop=stop.is_set, messages=messages, on_spectrum=spectrum.show)
    return 0


class _SpectrumLink:
    """A connection of its own for the spectrum, only while one is shown."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._args = args
        self._subscriber: Subscriber | None = None

    def show(self, station: str | None) -> None:
        """Receive the spectrum of a station, or of none."""
        if self._subscriber is not None:
            self._subscriber.close()
            self._subscriber = None
        if station is not None:
            self._subscriber = subscribe(
                self._args,
                types=["spectrum"],
                stations=[station],
                on_malformed=lambda text: None,
            )

    def events(self) -> Iterator[AnyEvent]:
        """Yield what has arrived."""
        while self._subscriber is not None:
            event = self._subscriber.receive(timeout=0)
            if event is None:
                return
            yield event

    def __enter__(self) -> _SpectrumLink:
        return self

    def __exit__(self, *_: object) -> None:
        self.show(None)


class _Missing:
    """Reports which stations exist while those asked for send nothing."""

    def __init__(self, wanted: set[str], everyone: Subscriber | None, where: str) -> None:
        self._asked = frozenset(wanted)
        self._wanted = wanted
        self._everyone = everyone
        self._where = where
        self._present: set[str] = set()
        self._reported: set[str] = set()
        self._heard = False
        self._patient_until: float | None = time.monotonic() + _PATIENCE_S

    @property
    def none(self) -> bool:
        """Whether every station asked for has sent an event."""
        return self._heard and not self._wanted

    def look(self, event: AnyEvent | None, now: float) -> str | None:
        """Take an event of the stations asked for; return a message for the user, or None."""
        if event is not None:
            self._heard = True
            self._wanted.discard(event.station)
            if event.station in self._asked and _removed(event):
                self._wanted.add(event.station)
                self._reported.clear()
            self._patient_until = None
        if self._everyone is not None:
            # Always: it also reports on the connection.
            while (other := self._everyone.receive(timeout=0)) is not None:
                (self._present.discard if _removed(other) else self._present.add)(other.station)
                self._patient_until = None
        if self._patient_until is not None and now > self._patient_until:
            self._patient_until = None
            return f"nothing from {self._where} yet: is `streamgenre listen` running there?"
        # After one event, more may follow at once.
        others = self._present - self._wanted
        if event is not None or not self._wanted or others <= self._reported:
            return None
        self._reported |= others
        waiting = f"nothing from {listed(self._wanted)} yet, still waiting"
        return f"{waiting}; the stations at {self._where} are {listed(others)}"


def _removed(event: AnyEvent) -> bool:
    return isinstance(event, Status) and event.removed
