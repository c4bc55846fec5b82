"""A source that is still to be opened, so that no station waits for the opening of another."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from streamgenre.errors import InputError
from streamgenre.sources.backoff import Backoff
from streamgenre.sources.base import Source

if TYPE_CHECKING:
    from collections.abc import Callable

RETRY_S: Final = (1.0, 30.0)
"""First and longest pause in seconds between two looks for an input that is not there."""


class DeferredSource(Source):
    """Opens an input in a thread of its own; what is opened then takes its place.

    Parameters
    ----------
    name
        Name of the input, without credentials.
    opening
        Opens it; may take its time, and raise :class:`InputError`.
    waits
        Whether an input that is not there is waited for; else that is a failure.
    as_fast_as_possible
        Whether it will be played as fast as can be.
    live
        Whether what it delivers will not come again.
    """

    def __init__(
        self,
        name: str,
        opening: Callable[[], Source],
        *,
        waits: bool,
        as_fast_as_possible: bool = False,
        live: bool = True,
    ) -> None:
        super().__init__(name)
        self.real_time, self.live = not as_fast_as_possible, live
        self._opening = opening
        self._waits = waits
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"open-{name}", daemon=True)

    def start(self) -> None:
        """See :meth:`Source.start`."""
        self._thread.start()

    def stop(self) -> None:
        """See :meth:`Source.stop`."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=1.0)
        if self.successor is not None:
            self.successor.stop()

    def _run(self) -> None:
        backoff = Backoff(*RETRY_S)
        try:
            while not self._stop.is_set():
                try:
                    source = self._opening()
                except InputError as error:
                    if not self._waits:
                        raise
                    self.set_state("connecting", str(error))
                    self._stop.wait(backoff.next_s())
                    continue
                if self._stop.is_set():  # nobody asks any more
                    return
                source.start()
                self.successor = source
                if self._stop.is_set():
                    source.stop()
                return
            self.set_state("ended", "stopped")
        except Exception as error:  # noqa: BLE001 - handed to the engine, which tells it
            self.failure = error
            self.set_state("ended", str(error))
