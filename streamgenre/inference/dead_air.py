"""Dead air: a station that has been silent for longer than it should."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Silence:
    """Dead air that has begun or is over."""

    active: bool
    """False where it is over."""
    start: float
    """Stream time of the first silent hop in seconds."""
    start_time: float
    """UNIX seconds of the same."""
    end: float
    """Stream time up to which it was silent so far, in seconds."""


class DeadAirWatch:
    """Finds dead air from the hops of one station.

    Silence is measured in stream time, and short losses in it are part of it. Of a source that is
    away for longer, nobody knows whether it is silent: whoever feeds the hops closes the silence
    there, and what comes back silent begins a new one.

    Parameters
    ----------
    after_s
        Seconds of silence that are dead air; None for never.
    """

    def __init__(self, after_s: float | None) -> None:
        self._after_s = after_s
        self._start: tuple[float, float] | None = None  # stream and wall time
        self._told = False

    def step(self, silent: bool, start: float, end: float, wall: float) -> Silence | None:
        """Take one hop; return what is to be told.

        Parameters
        ----------
        silent
            Whether its level is under the threshold of silence.
        start, end
            Stream time of the hop in seconds.
        wall
            UNIX seconds of its end.
        """
        if not silent:
            return self.close(start)
        if self._start is None:
            self._start = (start, wall - (end - start))
        if self._told or self._after_s is None or end - self._start[0] < self._after_s:
            return None
        self._told = True
        return Silence(True, *self._start, end)

    def close(self, end: float) -> Silence | None:
        """End the silence at a stream time; return it where it was dead air."""
        start, told = self._start, self._told
        self._start, self._told = None, False
        return Silence(False, *start, max(end, start[0])) if start and told else None
