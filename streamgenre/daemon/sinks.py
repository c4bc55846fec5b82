"""Sinks: everything that receives the daemon's events.

The daemon passes every event to its sinks in a fixed order, one after the other, in the engine's
thread, or in that of the supervisor of its workers. A sink must be quick: what takes time belongs
in a thread of the sink's own. An error in one of them costs it that event; only a failed event bus
ends the daemon.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING, ClassVar, Protocol

from streamgenre.engine.faults import Faults
from streamgenre.errors import BusError
from streamgenre.events import Segment, Spectrum
from streamgenre.events.queue import EventQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from streamgenre.events import AnyEvent
    from streamgenre.events.encoded import Encoded


class Sink(Protocol):
    """Receives every event of the daemon.

    :meth:`start` and :meth:`stop` are called in the main thread, before the engine starts and after
    it has ended; :meth:`take` and :meth:`forget` in the engine's thread in between.
    """

    takes_spectra: ClassVar[bool] = False
    """Whether the sink also takes ``spectrum`` events, made only while someone watches."""
    TYPES: ClassVar[frozenset[str] | None] = None
    """Types of events that the sink uses; None for all. Others of a worker are not decoded."""

    def start(self) -> None:
        """Open what the sink needs; an error stops the daemon from starting."""
        return  # not abstract: most sinks need nothing

    @abstractmethod
    def take(self, event: AnyEvent) -> None:
        """Take one event."""

    def take_encoded(self, encoded: Encoded) -> None:
        """Take one event that a worker has encoded."""
        if self.TYPES is None or encoded.type in self.TYPES:
            self.take(encoded.event)

    def forget(self, station: str) -> None:
        """Drop what is kept of a station, which was removed; its last event was taken before."""
        return

    def stop(self) -> None:
        """Finish the sink's work and close it."""
        return


class SinkChain(Sink):
    """Sinks in order: started and served first to last, stopped last to first.

    Parameters
    ----------
    sinks
        The sinks.
    """

    def __init__(self, sinks: Iterable[Sink]) -> None:
        self._sinks = tuple(sinks)
        self._started = ExitStack()
        self._faults = Faults()

    def start(self) -> None:
        """Start all sinks; if one fails, stop those already started and raise its error."""
        with ExitStack() as started:
            for sink in self._sinks:
                sink.start()
                started.callback(sink.stop)
            self._started = started.pop_all()

    def take(self, event: AnyEvent) -> None:
        """Pass an event to every sink."""
        self._pass(event.TYPE, lambda sink: sink.take(event))

    def take_encoded(self, encoded: Encoded) -> None:
        """Pass an event of a worker to every sink."""
        self._pass(encoded.type, lambda sink: sink.take_encoded(encoded))

    def _pass(self, kind: str, take: Callable[[Sink], None]) -> None:
        spectrum = kind == Spectrum.TYPE
        for sink in self._sinks:
            if spectrum and not sink.takes_spectra:
                continue
            try:
                take(sink)
            except BusError:
                raise
            except Exception as error:  # noqa: BLE001 - the other sinks take it
                self._faults.note(f"{type(sink).__name__}, taking a {kind} event,", error)

    def forget(self, station: str) -> None:
        """Have every sink drop a station."""
        for sink in self._sinks:
            with self._faults.confined(f"{type(sink).__name__}, forgetting a station,"):
                sink.forget(station)

    def stop(self) -> None:
        """Stop all sinks, even if one of them fails."""
        self._started.close()


class QueueSink(Sink):
    """Hands events to the presenter, which shows them in another thread.

    Parameters
    ----------
    lossless
        Whether the engine waits for a slow presenter; otherwise events are dropped and counted.
    on_spectrum
        Called in the presenter's thread with the names of the stations whose spectrum it shows.
    """

    takes_spectra = True

    def __init__(
        self,
        *,
        lossless: bool,
        on_spectrum: Callable[[frozenset[str]], None] = lambda names: None,
    ) -> None:
        self.queue = EventQueue(lossless=lossless, on_spectrum=on_spectrum)
        """The presenter's end."""

    def take(self, event: AnyEvent) -> None:
        """Put an event in the queue; a spectrum only if the presenter shows it."""
        if not isinstance(event, Spectrum) or event.station in self.queue.spectrum_of:
            self.queue.put(event)

    def take_encoded(self, encoded: Encoded) -> None:
        """Put an event of a worker in the queue."""
        if encoded.type != Spectrum.TYPE or encoded.station in self.queue.spectrum_of:
            self.queue.put(encoded.event)

    def stop(self) -> None:
        """Never wait for the presenter again."""
        self.queue.abandon()


class Summary(Sink):
    """Adds up how long each genre and state was heard."""

    TYPES = frozenset({"segment"})

    def __init__(self) -> None:
        self._seconds: Counter[str] = Counter()

    def take(self, event: AnyEvent) -> None:
        """Count a segment."""
        if isinstance(event, Segment):
            self._seconds[event.genre or event.state] += round(event.end - event.start)

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {seconds} s" for name, seconds in self._seconds.most_common())
        return f"heard: {parts or 'nothing'}"
