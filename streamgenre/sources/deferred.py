"""A source that is opened in a thread, so that no station waits for another."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from streamgenre.sources.backoff import Backoff
from streamgenre.sources.base import Source
from streamgenre.sources.faults import as_input_error, fault_text

if TYPE_CHECKING:
    from collections.abc import Callable

RETRY_S: Final = (1.0, 30.0)
"""First and longest pause in seconds between attempts to open a missing input."""


class DeferredSource(Source):
    """Opens an input in its own thread; the opened source then replaces this one.

    Parameters
    ----------
    name
        Name of the input, without credentials.
    opening
        Opens the input. It may block, and may raise :class:`InputError`.
    waits
        Whether to wait for a missing input; otherwise a missing input is an error.
    as_fast_as_possible
        Whether the input is not played in real time.
    live
        Whether lost samples are lost for good.
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
        self._stop.wait(self.start_after_s)
        try:
            while not self._stop.is_set():
                try:
                    source = self._opening()
                except Exception as error:
                    if not self._waits:
                        raise
                    self.set_state("connecting", fault_text(error, self.name))
                    self._stop.wait(backoff.next_s())
                    continue
                if self._stop.is_set():  # no longer wanted
                    return
                source.start()
                self.successor = source
                if self._stop.is_set():
                    source.stop()
                return
            self.set_state("ended", "stopped")
        except Exception as error:  # noqa: BLE001 - the engine reports it
            self.failure = as_input_error(error, self.name)
            self.set_state("ended", str(self.failure))
